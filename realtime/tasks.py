"""Ending tasks for good: a cancellation that an error on the way out has replaced is said again."""

import asyncio
from collections.abc import Sequence
from typing import Any

PATIENCE_S = 1.0


async def end_tasks(tasks: Sequence[asyncio.Task[Any]]) -> list[Any]:
    """Cancel until all have ended; what they returned or raised.

    A rollback on a connection that is gone raises in place of the cancellation that began it, and whoever retries on
    such errors goes on as if nothing had been said.
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=PATIENCE_S)
    return await asyncio.gather(*tasks, return_exceptions=True)
