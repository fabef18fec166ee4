"""What runs at which hour, on the leader."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog

from domain import eventlog
from domain.acts.actions import forget_crossings, tell_waiting_crossings
from domain.idempotency.actions import forget_old_answers
from domain.leaderboards.actions import forget_gone, rescore_some
from domain.notifications.actions import forget_suppressed
from domain.reckoning.actions import reckon_some
from domain.settings import settings
from domain.trending.actions import let_go

log = structlog.get_logger()


class Job(NamedTuple):
    """A name, how often (seconds), and what to do."""

    name: str
    every_s: float
    run: Callable[[], Awaitable[object]]


async def _keep_log() -> None:
    await eventlog.make_partitions()
    await eventlog.drop_old_partitions(settings.event_retention_days)


JOBS = (
    Job("event log partitions", 3600, _keep_log),
    Job("old batches", 60, lambda: eventlog.prune_batches(settings.replay_window_s)),
    Job("old idempotent answers", 3600, forget_old_answers),
    Job("suppressed notifications", 3600, forget_suppressed),
    Job("old acts about dishes", 30, let_go),
    Job("what was told of boards", 3600, forget_crossings),
    Job("news of boards that waited", 30, tell_waiting_crossings),
    Job("entries that left their boards", 3600, forget_gone),
    Job("scores of large boards", 5, rescore_some),
    Job("what new catalogues earn", 5, reckon_some),
)


async def run_schedule() -> None:
    """Run every job once, and then when its time has come; a job that fails is tried again at its next time."""
    due = {job.name: 0.0 for job in JOBS}
    while True:
        for job in JOBS:
            if time.monotonic() < due[job.name]:
                continue
            due[job.name] = time.monotonic() + job.every_s
            try:
                await job.run()
            except eventlog.UNREADABLE as trouble:
                log.warning("job.failed", job=job.name, error=type(trouble).__name__, detail=str(trouble))
        await asyncio.sleep(5)
