"""Reads the stream from where it stands, in order and without a silent gap, and hands on what it reads."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from redis.exceptions import RedisError

from domain import eventlog
from domain.events import delivery_of
from domain.settings import settings
from realtime import metrics
from realtime.news import STREAM_FIELD, News, entry, stream_id, watermark, wire_id
from realtime.streams import STREAM, reader

log = structlog.get_logger()
COUNT = 1000
BLOCK_MS = 2000
FIRST_DELAY_S = 0.05

Entries = list[tuple[bytes, dict[bytes, bytes]]]


class Tail:
    """One reader of the stream. `position` is the last entry handed on, as a stream id; "" before the first."""

    def __init__(
        self,
        on_begin: Callable[[str], None],
        on_news: Callable[[list[News]], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self.position = ""
        self.heard_at = float("-inf")
        self.ready = asyncio.Event()  # what the stream held at the start has been read
        self._on_begin = on_begin  # from this id on all will be told; nothing is known of what was before
        self._on_news = on_news
        self._on_lost = on_lost  # what came up to this id can not be told
        self._delay = FIRST_DELAY_S

    async def run(self) -> None:
        """Read until cancelled; whatever breaks, begin again from the position."""
        redis = reader()
        try:
            while True:
                try:
                    await self._read(redis)
                except (RedisError, OSError, TimeoutError, eventlog.LogUnreadable) as trouble:
                    log.warning("tail.interrupted", error=type(trouble).__name__, detail=str(trouble))
                    await asyncio.sleep(self._delay)
                    self._delay = min(self._delay * 2, 1.0)
        finally:
            await redis.aclose()

    async def _read(self, redis: Any) -> None:
        """Read until the position is lost; then begin with what the stream holds."""
        if not self.position:
            self.ready.clear()
            await self._begin(redis)
        while self.position:
            position = self.position
            answer = await redis.xread({STREAM: position}, count=COUNT, block=BLOCK_MS)
            self.heard_at, self._delay = time.monotonic(), FIRST_DELAY_S
            entries: Entries = answer[0][1] if answer else []
            if entries:
                await self._take(entries)
            else:
                await self._look(redis)
            if self.position and len(entries) < COUNT:
                self.ready.set()
            if entries and self.position == position:
                await asyncio.sleep(FIRST_DELAY_S)  # none of them was ours: until the relay mends the stream

    async def _begin(self, redis: Any) -> None:
        """Stand before the oldest entry of the replay window, so that what the stream holds of it is read again."""
        while not (newest := await redis.xrevrange(STREAM, count=1)):
            await asyncio.sleep(0.02)  # a relay puts its last batch there when it begins to lead
        oldest = max(0, _order(newest[0][0].decode())[0] - int(settings.replay_window_s * 1000))
        entries = await redis.xrange(STREAM, min=stream_id(oldest, 0), count=1)
        first = _news(*entries[0]) if entries else None
        if first is None:  # wiped just now, or written by somebody else: until the relay mends the stream
            await asyncio.sleep(FIRST_DELAY_S)
            return
        self.position = first.prev
        self._on_begin(wire_id(self.position))

    async def _look(self, redis: Any) -> None:
        """Nothing came for a while: of a stream that was wiped, and holds only older ids, nothing would ever come."""
        newest = await redis.xrevrange(STREAM, count=1)
        if not newest or _order(newest[0][0].decode()) < _order(self.position):
            await self._catch_up(None)

    async def _take(self, entries: Entries) -> None:
        fresh: list[News] = []
        for name, fields in entries:
            key, news = name.decode(), _news(name, fields)
            if news is None:
                continue
            if news.prev != self.position:
                self._hand_on(fresh)
                fresh = []
                if _order(key) <= _order(self.position):
                    continue
                await self._catch_up(news.prev)
                if self.position == key:  # an entry that names itself: see relay
                    continue
            fresh.append(news)
            self.position = key
        self._hand_on(fresh)

    async def _catch_up(self, upto: str | None) -> None:
        """Read from the log what the stream did not say, up to an entry (None: all there is)."""
        last = await eventlog.newest_batch() if upto is None else _order(upto)[0]
        position = _order(self.position)
        entries = await eventlog.read_batches(position[0], last)
        found: list[News] = []
        for batch, event in entries or ():
            key = (batch, 0 if event is None else event.seq)
            if position < key and (upto is None or key <= _order(upto)):
                prev = stream_id(*position)
                packed = watermark(prev) if event is None else entry(event, prev, delivery_of(event))
                found.append(News(stream_id(*key), packed))
                position = key
        if entries is None or (upto is not None and stream_id(*position) != upto):
            metrics.GAPS.labels("reset").inc()
            log.warning("tail.gap", how="reset", position=self.position, upto=upto)
            self.position = upto or ""  # "": begin anew with what the stream holds
            if upto is not None:
                self._on_lost(wire_id(upto))
            return
        self.position = stream_id(*position)
        if found:
            metrics.GAPS.labels("log").inc()
            log.info("tail.gap", how="log", entries=len(found))
            self._hand_on(found)

    def _hand_on(self, news: list[News]) -> None:
        if news:
            self._on_news(news)


def _news(key: bytes, fields: dict[bytes, bytes]) -> News | None:
    """The entry, or None when it is not one of ours."""
    try:
        news = News(key.decode(), fields[STREAM_FIELD])
        _order(news.prev)
    except (KeyError, ValueError, msgspec.DecodeError):
        log.warning("tail.foreign_entry", key=key)
        return None
    return news


def _order(stream_key: str) -> tuple[int, int]:
    batch, _, seq = stream_key.partition("-")
    return int(batch), int(seq)
