"""Relay, consequences and schedule: many processes may run this, one of them leads."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable

import asyncpg
import structlog

from domain import consequences, db, eventlog
from domain.consequences import MACHINERY, PAGE, Consequence
from domain.eventlog import Position, Superseded
from domain.settings import settings
from realtime import metrics
from realtime.cuts import Cuts
from realtime.relay import Relay
from realtime.tasks import end_tasks
from server.garbage import look_less_often
from server.observe import configure_logging
from server.ready import tell_ready
from server.schedule import run_schedule

log = structlog.get_logger()
LOCK = 7_077_001
LOOK_S = 0.25

HEARTBEAT = "SELECT extract(epoch FROM clock_timestamp() - at) FROM batches ORDER BY batch DESC LIMIT 1"


class Worker:
    """Waits for its turn, then leads until it ends or loses the lock."""

    def __init__(self) -> None:
        self._relay = Relay()
        self._forget: Callable[[], None] = lambda: None

    async def run(self) -> None:
        """Work until cancelled."""
        self._forget = eventlog.listen(lambda _: self._relay.news.set())
        try:
            while True:
                try:
                    await self._wait_and_lead()
                except eventlog.UNREADABLE as trouble:
                    log.warning("worker.interrupted", error=type(trouble).__name__, detail=str(trouble))
                    await asyncio.sleep(LOOK_S)
        finally:
            self._forget()

    async def _wait_and_lead(self) -> None:
        # The server drops a leader that it cannot reach any more, and the lock with it.
        probes = {"tcp_user_timeout": "5000", "tcp_keepalives_idle": "2", "tcp_keepalives_interval": "1"}
        connection = await asyncpg.connect(settings.database_url, timeout=5, server_settings=probes)
        try:
            while True:
                if await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                    log.info("worker.leads", because="it has the lock")
                    await self._lead(connection, lead=True)
                    return
                age = await connection.fetchval(HEARTBEAT)
                if age is not None and age > settings.takeover_s:
                    log.warning("worker.leads", because="the leader is silent", silent_s=round(float(age), 1))
                    await self._lead(connection, lead=False)
                await asyncio.sleep(LOOK_S)
        finally:
            connection.terminate()

    async def _lead(self, connection: asyncpg.Connection, *, lead: bool) -> None:
        """Run everything until the lock's connection ends, or, without the lock, until another relay is alive."""
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        connection.add_termination_listener(lambda _: lost.done() or lost.set_result(None))
        relaying = asyncio.create_task(self._relay.run(lead=lead))
        tasks = [relaying, asyncio.create_task(run_schedule())]
        tasks += [asyncio.create_task(follow(consequence, self._relay.cuts)) for consequence in PAGE]
        try:
            await asyncio.wait([lost, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            results = await end_tasks(tasks)
        for result in results:
            if isinstance(result, Exception):
                raise result
        log.warning("worker.yields")


async def follow(consequence: Consequence, cuts: Cuts) -> None:
    """Fold whatever the relay cuts, and no oftener than the consequence says; `cuts` are those of the relay beside it,
    and when nothing comes from it for a while the log is looked at."""
    follower = Follower(consequence, cuts)
    delay = 0.0
    look = True
    while True:
        began = time.monotonic()
        more = False
        try:
            more = await follower.step(look=look)
            delay = 0.0
        except Superseded:
            delay = 0.0
        except MACHINERY as trouble:
            delay = min(max(delay * 2, 0.05), 1.0)
            log.warning("fold.interrupted", feature=consequence.feature, error=type(trouble).__name__)
            await asyncio.sleep(delay)
        look = False
        if more:  # what comes meanwhile is folded with it
            await asyncio.sleep(began + consequence.pace_s - time.monotonic())
            continue
        look = not await cuts.behind(follower.batch, LOOK_S)


class Follower:
    """Reads the log for one derived feature, from its cursor on. `limit` is how many events it folds at once: fewer
    while that takes too long, and more again when it does not. Where a single one takes too long, it has more and more
    patience, in seconds a statement, and keeps it: late is better than never."""

    def __init__(self, consequence: Consequence, cuts: Cuts) -> None:
        self.limit = settings.fold_limit
        self.patience_s = settings.db_timeout_s
        self._consequence = consequence
        self._cuts = cuts
        self._types = frozenset(kind.type for kind in consequence.of)
        self._stored: eventlog.Position | None = None
        self._at: eventlog.Position | None = None
        self._stored_at = time.monotonic()

    @property
    def batch(self) -> int:
        """The batch that it stands at; 0 when it has to look."""
        return 0 if self._at is None else self._at.batch

    async def step(self, *, look: bool = True) -> bool:
        """Fold the next events; False when there are none. Events of no concern move the cursor only now and then.
        Unless told to `look`, the log is read only when there may be something in it.

        Raises what the machinery raises; the next step begins again from the stored cursor.
        """
        try:
            return await self._step(look=look)
        except MACHINERY as trouble:
            self._stored = self._at = None
            if isinstance(trouble, TimeoutError) and self.limit == 1:
                self.patience_s = max(self.patience_s, min(2 * self.patience_s, settings.fold_timeout_s))
            if not isinstance(trouble, Superseded):
                self.limit = max(1, self.limit // 2)
            raise

    async def _step(self, *, look: bool) -> bool:
        consequence = self._consequence
        if self._stored is None or self._at is None:
            self._stored = self._at = await eventlog.position(consequence.feature)
        upto = None
        if not look and self._at.batch == self._at.upto:
            upto = self._cuts.without(self._types, self._at.batch)
        if upto is None:
            events, after = await eventlog.read(self._at, self.limit, self._types)
        else:
            events, after = [], Position(upto, upto, 0)
        if after == self._at:
            return False
        self._at = after
        if not events and time.monotonic() - self._stored_at < 1:
            return True
        with metrics.FOLDS.labels(consequence.feature).time(), db.patience(self.patience_s):
            parked = await consequences.fold(consequence, events, self._stored, after)
        self._stored, self._stored_at = after, time.monotonic()
        self.limit = min(self.limit + max(1, settings.fold_limit // 20), settings.fold_limit)
        metrics.FOLDED.labels(consequence.feature).inc(len(events))
        if parked:
            metrics.FOLD_FAILURES.labels(consequence.feature).inc(parked)
            log.error("fold.parked", feature=consequence.feature, events=parked)
        return True


async def work() -> None:
    """Run until SIGTERM."""
    await db.open_pool(worker=True)
    worker = asyncio.create_task(Worker().run())
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, worker.cancel)
    tell_ready()
    with contextlib.suppress(asyncio.CancelledError):
        await worker
    await db.close_pool()


if __name__ == "__main__":
    import uvloop

    configure_logging()
    look_less_often()
    uvloop.run(work())
