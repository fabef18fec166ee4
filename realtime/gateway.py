"""One process's live side: the tail, the ring, the hub and the connections, started and stopped together."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from domain import eventlog
from domain.clock import now
from domain.eventlog import Event
from domain.ids import SessionID
from domain.settings import settings
from realtime import metrics, protocol
from realtime.connection import Connection, Receive
from realtime.hub import Hub
from realtime.news import News
from realtime.protocol import Close
from realtime.relay import wake_relay
from realtime.replay import Ring
from realtime.streams import writer
from realtime.tail import Tail
from realtime.websocket import Outlet

log = structlog.get_logger()
SLOTS = 10
TICK_S = 0.1
HELD_S = 0.01
STALE_S = 5.0


class Gateway:
    """Everything in memory here can be lost at any time: the log has it all."""

    def __init__(self, is_revoked: Callable[[SessionID], bool], on_revoked: Callable[[SessionID], None]) -> None:
        self.hub = Hub(settings.state_interval_s)
        self.ring = Ring(settings.replay_window_s, settings.replay_bytes)
        self.tail = Tail(self._on_news, self._on_lost)
        self.connections: set[Connection] = set()
        self.draining = False
        self._is_revoked = is_revoked
        self._on_revoked = on_revoked
        self._sessions: defaultdict[SessionID, set[Connection]] = defaultdict(set)
        self._slots: list[set[Connection]] = [set() for _ in range(SLOTS)]
        self._next_slot = 0
        self._dirty: list[Connection] = []
        self._held_timer: asyncio.TimerHandle | None = None
        self._committed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._unlisten: Callable[[], None] | None = None
        self._redis: Any = None

    @property
    def position(self) -> str:
        """See connection.Live. "" until the tail has begun."""
        return self.ring.newest

    @property
    def healthy(self) -> bool:
        """Whether news arrives: the tail has begun, and heard from Redis lately."""
        return self.tail.ready.is_set() and time.monotonic() - self.tail.heard_at < STALE_S

    async def start(self) -> None:
        """Begin to tail. Does not wait for Redis: a process serves HTTP without it, and says that it is not ready."""
        self._redis = writer()
        self._unlisten = eventlog.listen(self._on_commit)
        for work in (self.tail.run(), wake_relay(self._redis, self._committed), self._tick()):
            self._tasks.append(asyncio.create_task(work))

    async def stop(self) -> None:
        """End all that `start` began."""
        if self._unlisten is not None:
            self._unlisten()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._held_timer is not None:
            self._held_timer.cancel()
        if self._redis is not None:
            await self._redis.aclose()

    async def drain(self) -> None:
        """Ask every client to go elsewhere, spread out, and close those that are still here when the time is up."""
        self.draining = True
        spread = settings.drain_s * 1000
        clients = list(self.connections)
        for i, connection in enumerate(clients):
            connection.answer(protocol.Drain(reconnect_in_ms=int(spread * i / len(clients))))
        ends = time.monotonic() + settings.drain_s
        while self.connections and time.monotonic() < ends:
            await asyncio.sleep(0.05)
        for connection in list(self.connections):
            connection.close(Close.DRAINING)
        await asyncio.sleep(0)

    async def serve(self, outlet: Outlet, subprotocol: str, receive: Receive) -> None:
        """Serve one socket until it ends."""
        connection = Connection(self, outlet, subprotocol)
        if self.draining or not self.position:
            connection.close(Close.DRAINING if self.draining else Close.OVERLOADED)
            return
        try:
            await connection.run(receive)
        finally:
            self._forget(connection)

    def admit(self, connection: Connection) -> Close | None:
        """See connection.Live."""
        viewer = connection.viewer
        if viewer is None or self._is_revoked(viewer.session_id):
            return Close.SESSION_REVOKED
        if connection not in self.connections:
            self.connections.add(connection)
            self._slots[hash(connection) // 64 % SLOTS].add(connection)
            metrics.SOCKETS.inc()
        self._sessions[viewer.session_id].add(connection)
        return None

    def _forget(self, connection: Connection) -> None:
        for topic in connection.topics:
            self.hub.leave(connection, topic)
        if connection not in self.connections:
            return
        self.connections.discard(connection)
        self._slots[hash(connection) // 64 % SLOTS].discard(connection)
        metrics.SOCKETS.dec()
        viewer = connection.viewer
        if viewer is not None:
            of_session = self._sessions[viewer.session_id]
            of_session.discard(connection)
            if not of_session:
                del self._sessions[viewer.session_id]

    def write_soon(self, connection: Connection) -> None:
        """See connection.Live."""
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._write)
        self._dirty.append(connection)

    def _write(self) -> None:
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            if connection.outgoing:
                metrics.FRAMES.inc(len(connection.outgoing))
                connection.flush()

    def _on_news(self, batch: list[News]) -> None:
        moment = time.monotonic()
        for news in batch:
            self.ring.add(news)
            if not news.topics:
                continue
            self.hub.deliver(news, moment)
            if news.type == "session.revoked":
                self._revoke(news)
            metrics.NEWS.labels(news.type).inc()
        newest = batch[-1]
        if newest.topics:
            metrics.DELIVERY_AGE.observe(max(0.0, (now() - datetime.fromisoformat(newest.at)).total_seconds()))
        self._flush_held_later()

    def _flush_held_later(self) -> None:
        if self.hub.holding and self._held_timer is None:
            self._held_timer = asyncio.get_running_loop().call_later(HELD_S, self._flush_held)

    def _flush_held(self) -> None:
        self._held_timer = None
        self.hub.flush_due(time.monotonic())
        self._flush_held_later()

    def _on_lost(self, floor: str) -> None:
        """Nothing up to here can be replayed any more, and who listens may have missed something."""
        self.ring.clear(floor)
        for channel in self.hub.channels.values():
            channel.held.clear()
            channel.sent = ""
        self.hub.holding.clear()
        for connection in self.connections:
            for topic in connection.topics:
                connection.answer(protocol.Reset(topic=topic, cursor=floor, reason="news was lost"))

    def _revoke(self, news: News) -> None:
        for topic in news.topics:
            session_id = SessionID(UUID(topic.partition(":")[2]))
            self._on_revoked(session_id)
            for connection in list(self._sessions.get(session_id, ())):
                connection.close(Close.SESSION_REVOKED)

    def _on_commit(self, _: Event) -> None:
        self._committed.set()

    async def _tick(self) -> None:
        """Ten times a second, a tenth of the connections: each is looked after once a second, without a timer."""
        while True:
            await asyncio.sleep(TICK_S)
            self._next_slot = (self._next_slot + 1) % SLOTS
            moment, wall = time.monotonic(), time.time()
            for connection in list(self._slots[self._next_slot]):
                connection.tick(moment, wall)
