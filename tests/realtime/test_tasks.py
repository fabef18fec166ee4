"""Tasks that are told to end, end."""

import asyncio

import pytest

from realtime import tasks


async def test_a_task_whose_cancellation_was_replaced_by_an_error_is_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "PATIENCE_S", 0.01)
    told = 0

    async def stubborn() -> None:
        nonlocal told
        while told < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                told += 1  # what a rollback on a connection that is gone does

    running = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await asyncio.wait_for(tasks.end_tasks([running]), 5)
    assert told == 2
