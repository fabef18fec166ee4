"""Cuts the event log into batches and puts them into the Redis stream, once and in order, whoever else tries too."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import structlog
from redis.exceptions import RedisError

from domain import eventlog
from domain.clock import now
from domain.eventlog import Cut, Logged
from domain.events import delivery_of
from domain.settings import settings
from realtime import metrics
from realtime.cuts import Cuts
from realtime.news import entry, stream_id, watermark
from realtime.streams import STREAM, WAKE, reader, writer
from realtime.tasks import end_tasks

log = structlog.get_logger()
CHUNK = 500

# Appends only behind the entry it expects; otherwise changes nothing and says which entry is the last.
APPEND = """
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local last = newest[1] and newest[1][1] or ''
if last ~= ARGV[1] then return last end
for i = 3, #ARGV, 2 do redis.call('XADD', KEYS[1], ARGV[i], 'e', ARGV[i + 1]) end
redis.call('XTRIM', KEYS[1], 'MINID', '~', ARGV[2])
return false
"""

# Deletes a stream only while it ends where it was seen to end: its successor may have been published meanwhile.
REPLACE = """
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local last = newest[1] and newest[1][1] or ''
if last == ARGV[1] then redis.call('DEL', KEYS[1]) end
return false
"""

TROUBLE = (RedisError, eventlog.LogUnreadable, *eventlog.UNREADABLE)
FIRST_DELAY_S = 0.05
LONGEST_QUEUE = 1000  # batches


class Fenced(Exception):
    """Somebody else has cut or published: look again."""


class Relay:
    """Two may run at once: `prev unique` fences what they cut, the script what they publish."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.cuts = Cuts()  # for the consequences beside it
        self._redis: Any = None
        self._append: Any = None
        self._replace: Any = None
        self._unpublished: deque[tuple[Cut, list[tuple[int, Logged | None]]]] = deque()
        self._queued = asyncio.Event()
        self._behind_log = False  # what is cut is not queued: it will be read from the log
        self._published = ""  # the stream's last entry, as far as we know; "" when it is empty
        self._before = ""  # what the next entry names as the one before it

    async def run(self, *, lead: bool) -> None:
        """Relay until cancelled; whatever breaks, begin again by looking. Fenced off, one without `lead` returns.

        Cutting does not wait for publishing: without Redis the log is still cut and folded.
        """
        self._redis = writer()
        self._append = self._redis.register_script(APPEND)
        self._replace = self._redis.register_script(REPLACE)
        works = [self._keep(self._cut_all, lead=lead), self._keep(self._publish_all, lead=lead), self._listen()]
        tasks = [asyncio.create_task(work) for work in works]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            results = await end_tasks(tasks)
            await self._redis.aclose()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _keep(self, work: Callable[[], Awaitable[None]], *, lead: bool) -> None:
        delay = FIRST_DELAY_S
        while True:
            began = time.monotonic()
            try:
                await work()
            except Fenced:
                if not lead:
                    return
                delay = FIRST_DELAY_S
            except TROUBLE as trouble:
                metrics.RELAY_FAILURES.inc()
                log.warning("relay.interrupted", error=type(trouble).__name__, detail=str(trouble))
                delay = FIRST_DELAY_S if time.monotonic() - began > 5 else min(delay * 2, 1.0)
            await asyncio.sleep(delay)

    async def _cut_all(self) -> None:
        last = await eventlog.latest_cut()
        cut_at = -math.inf  # one batch at once: it fences off whoever stood in for this relay
        while True:
            self.news.clear()
            idle = time.monotonic() - cut_at
            made = await self._cut(last, even_empty=idle >= settings.watermark_s)
            if made is None:
                await _wait(self.news, settings.relay_poll_s)
                continue
            last, events = made
            cut_at = time.monotonic()
            self.cuts.add(last)
            self._queue(last, events)
            await asyncio.sleep(settings.relay_pace_s)

    def _queue(self, cut: Cut, events: list[Logged]) -> None:
        """Have a batch published; when too much waits, it is read from the log again instead."""
        if len(self._unpublished) >= LONGEST_QUEUE:
            self._unpublished.clear()
            self._behind_log = True
        if not self._behind_log:
            told: list[tuple[int, Logged | None]] = [(cut.batch, event) for event in events]
            self._unpublished.append((cut, told or [(cut.batch, None)]))
        self._queued.set()

    async def _publish_all(self) -> None:
        self._unpublished.clear()
        self._behind_log = False  # from here on what is cut is queued, and what was cut before is read from the log
        last = await eventlog.latest_cut()
        await self._mend(last)
        while not self._behind_log:
            self._queued.clear()
            while self._unpublished:
                cut, entries = self._unpublished.popleft()
                if cut.batch <= last.batch:
                    continue
                if cut.prev != last.batch:  # another relay has cut the one between: it may not have published it yet
                    raise Fenced
                await self._put(entries)
                last = cut
            await _wait(self._queued, 1.0)

    async def _cut(self, previous: Cut, *, even_empty: bool) -> tuple[Cut, list[Logged]] | None:
        try:
            made = await eventlog.cut(previous, even_empty=even_empty, limit=CHUNK)
        except asyncpg.UniqueViolationError as fence:
            raise Fenced from fence
        if made is None:
            if even_empty:  # `previous` is forgotten: this relay stood still while others worked
                raise Fenced
            return None
        batch, events = made
        metrics.BATCHES.inc()
        metrics.RELAY_AGE.set((now() - events[0].at).total_seconds() if events else 0)
        while events and len(events) % CHUNK == 0:
            more = await eventlog.read_range(previous.snapshot, batch.snapshot, events[-1].seq, CHUNK, only_told=True)
            if not more:
                break
            events += more
        return batch, events

    async def _put(self, entries: list[tuple[int, Logged | None]]) -> None:
        """Append to the stream, each entry naming the one before it. Raises Fenced when the stream is not where
        we think it is."""
        oldest = stream_id(max(0, entries[-1][0] - int(settings.replay_window_s * 1000)), 0)
        for start in range(0, len(entries), CHUNK):
            expected, prev = self._published, self._before
            arguments: list[str | bytes] = [expected, oldest]
            for batch, event in entries[start : start + CHUNK]:
                key = stream_id(batch, 0 if event is None else event.seq)
                packed = watermark(prev) if event is None else entry(event, prev, delivery_of(event))
                arguments += [key, packed]
                prev = key
            last = await self._append(keys=[STREAM], args=arguments)
            if last is not None:
                raise Fenced(last)
            self._published = self._before = prev
            metrics.RELAYED.inc((len(arguments) - 2) // 2)

    async def _mend(self, last: Cut) -> None:
        """Bring the stream to where the log is: after a crash, a wipe, or when another relay was here."""
        newest = await self._redis.xrevrange(STREAM, count=1)
        at = newest[0][0].decode() if newest else ""
        known = await self._behind(at, last) if at and await self._is_whole() else None
        if at and known is None:  # of a database that is no more, or older than what is kept: the log is the truth
            log.warning("relay.foreign_stream", newest=at, batch=last.batch)
        if known is None:
            await self._replace(keys=[STREAM], args=[at])
            at = ""
            # An entry that names itself says that nothing is known of what came before it.
            known = await self._window(last)
            self._before = stream_id(known[0][0], 0 if known[0][1] is None else known[0][1].seq)
        else:
            self._before = at
        self._published = at
        if known:
            log.info("relay.mended", entries=len(known), stream=at)
            await self._put(known)

    async def _is_whole(self) -> bool:
        """Whether nothing was deleted at the stream's end: it remembers those ids, and would refuse them for good."""
        about = await self._redis.xinfo_stream(STREAM)
        return about["last-entry"] is not None and about["last-entry"][0] == about["last-generated-id"]

    async def _behind(self, at: str, last: Cut) -> list[tuple[int, Logged | None]] | None:
        """What the log has behind the stream's newest entry; None when the two do not belong together."""
        batch = int(at.partition("-")[0])
        if batch > last.batch:
            if batch <= (await eventlog.latest_cut()).batch:
                raise Fenced(at)
            return None
        known = await eventlog.read_batches(batch, last.batch) or []
        keys = [stream_id(number, 0 if event is None else event.seq) for number, event in known]
        return known[keys.index(at) + 1 :] if at in keys else None

    async def _window(self, last: Cut) -> list[tuple[int, Logged | None]]:
        """All that can be replayed, for a stream that is empty."""
        first = await eventlog.first_batch(last.batch - int(settings.replay_window_s * 1000))
        return await eventlog.read_batches(first, last.batch) or [(last.batch, None)]

    async def _listen(self) -> None:
        """Wake up when a process says that it has committed; polling covers what gets lost."""
        redis = reader()
        try:
            while True:
                try:
                    async with redis.pubsub() as channel:
                        await channel.subscribe(WAKE)
                        async for _ in channel.listen():
                            self.news.set()
                except (RedisError, OSError):
                    await asyncio.sleep(0.5)
        finally:
            await redis.aclose()


async def _wait(event: asyncio.Event, timeout: float) -> None:
    try:
        async with asyncio.timeout(timeout):
            await event.wait()
    except TimeoutError:
        return


async def wake_relay(redis: Any, committed: asyncio.Event) -> None:
    """Tell the relay, wherever it runs, that this process has committed news. Runs until cancelled.

    No oftener than it cuts: between two batches it looks by itself.
    """
    while True:
        await committed.wait()
        committed.clear()
        try:
            await redis.publish(WAKE, b"")
            await asyncio.sleep(settings.relay_pace_s)
        except (RedisError, OSError):
            await asyncio.sleep(0.2)
