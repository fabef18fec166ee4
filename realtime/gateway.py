"""One process's live side: the tail, the ring, the hub and the connections, started and stopped together."""

import asyncio
import os
import signal
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
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
from realtime.access import Judge
from realtime.connection import Connection
from realtime.home import Home
from realtime.hub import Hub
from realtime.listening import Listening
from realtime.news import News
from realtime.protocol import Close
from realtime.relay import wake_relay
from realtime.replay import Ring
from realtime.streams import writer
from realtime.tail import Tail
from realtime.tasks import end_tasks
from realtime.websocket import Outlet

log = structlog.get_logger()
SLOTS = 10
TICK_S = 0.1
HELD_S = 0.01
STALE_S = 5.0


class Gateway:
    """Everything in memory here can be lost at any time: the log has it all."""

    def __init__(
        self,
        is_revoked: Callable[[SessionID], bool],
        on_revoked: Callable[[SessionID], None],
        load_revoked: Callable[[], Awaitable[None]],
    ) -> None:
        self.hub = Hub(settings.state_interval_s, settings.board_interval_s)
        self.ring = Ring(settings.replay_window_s, settings.replay_bytes)
        self.tail = Tail(self._on_begin, self._on_news, self._on_lost)
        self.home = Home()
        self.judge = Judge()
        self.connections: set[Connection] = set()
        self.draining = False
        self._is_revoked = is_revoked
        self._on_revoked = on_revoked
        self._load_revoked = load_revoked
        self._reload: asyncio.Task[None] | None = None
        self._sessions: defaultdict[SessionID, set[Connection]] = defaultdict(set)
        self._users: defaultdict[str, set[Connection]] = defaultdict(set)
        self._slots: list[set[Connection]] = [set() for _ in range(SLOTS)]
        self._next_slot = 0
        self._admitted = 0
        self._greeting: dict[Connection, float] = {}  # who has yet to say hello -> until when; the oldest first
        self._slow: set[Connection] = set()
        self._told = 0  # of what the hub has told, what is counted
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
            task = asyncio.create_task(work)
            task.add_done_callback(_must_not_end)
            self._tasks.append(task)

    async def stop(self) -> None:
        """End all that `start` began."""
        if self._unlisten is not None:
            self._unlisten()
        await end_tasks([*self._tasks, self._reload] if self._reload is not None else self._tasks)
        await self.home.stop()
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

    def open(self, outlet: Outlet, subprotocol: str) -> Connection:
        """A client has come: from now on it is heard, until it is lost."""
        connection = Connection(self, outlet, subprotocol)
        if self.draining or not self.tail.ready.is_set():
            connection.close(Close.DRAINING if self.draining else Close.OVERLOADED)
        else:
            self._greeting[connection] = time.monotonic() + settings.hello_s
        return connection

    def admit(self, connection: Connection) -> Close | None:
        """See connection.Live."""
        viewer = connection.viewer
        if viewer is None or self._is_revoked(viewer.session_id):
            return Close.SESSION_REVOKED
        of_user = self._users[str(viewer.id)]
        if connection not in self.connections:
            if len(of_user) >= settings.connections_per_user:
                return Close.TOO_MANY_CONNECTIONS
            of_user.add(connection)
            self.connections.add(connection)
            self._admitted += 1
            connection.slot = self._admitted % SLOTS
            self._slots[connection.slot].add(connection)
            metrics.SOCKETS.inc()
        if connection.session_id is not None and connection.session_id != viewer.session_id:
            _discard(self._sessions, connection.session_id, connection)
        connection.session_id = viewer.session_id
        self._sessions[viewer.session_id].add(connection)
        return None

    def forget(self, connection: Connection) -> None:
        """See connection.Live."""
        self._greeting.pop(connection, None)
        self._slow.discard(connection)
        if connection.listening is not None:
            connection.listening.end()
        if connection not in self.connections:
            return
        self.connections.discard(connection)
        self._slots[connection.slot].discard(connection)
        metrics.SOCKETS.dec()
        viewer = connection.viewer
        if viewer is not None:
            _discard(self._sessions, connection.session_id, connection)
            _discard(self._users, str(viewer.id), connection)

    def watch(self, connection: Connection) -> None:
        """See connection.Live."""
        self._slow.add(connection)

    def _on_news(self, batch: list[News]) -> None:
        moment = time.monotonic()
        for news in batch:
            before = self.ring.newest
            news.topics += _also(news.topics)
            self.ring.add(news)
            if not news.topics:
                continue
            self.hub.deliver(news, moment)
            if news.delivery == "event":
                self._heed(news, before)
            metrics.NEWS.labels(news.type).inc()
        self.hub.say()
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

    def _on_begin(self, floor: str) -> None:
        """The ring is filled anew from here on; who is connected can't be told what they missed, and comes back."""
        self._forget_news(floor)
        for connection in list(self.connections):
            connection.close(Close.OVERLOADED)

    def _forget_news(self, floor: str) -> None:
        self.ring.clear(floor)
        self.hub.forget()
        self.home.forget()
        self._reload = asyncio.create_task(self._reload_revocations())

    async def _reload_revocations(self) -> None:
        """Who was signed out in news that was lost is signed out here too."""
        while True:
            try:
                await self._load_revoked()
                break
            except eventlog.UNREADABLE:
                await asyncio.sleep(0.2)
        for session_id in [each for each in self._sessions if self._is_revoked(each)]:
            self._revoke(session_id)

    def _on_lost(self, floor: str) -> None:
        """Nothing up to here can be replayed any more, and who listens may have missed something."""
        self._forget_news(floor)
        for connection in self.connections:
            listening = connection.listening
            if listening is not None:
                for topic in listening.topics:
                    connection.answer(protocol.Reset(topic=topic, cursor=floor, reason="news was lost"))
                listening.distrust(floor)

    def _heed(self, news: News, before: str) -> None:
        """News that servers tell each other: whose access may have changed, what is gone, who is signed out."""
        for topic in news.topics:
            kind, _, rest = topic.partition(":")
            match kind:
                case "session":
                    self.hub.say()
                    self._revoke(SessionID(UUID(rest)))
                case "access":
                    owner, _, viewer = rest.rpartition(":")
                    self._hold(owner, viewer, news.id)
                case "hidden" | "shown":
                    self.hub.say()
                    for listening in self._listening_of(rest.partition(":")[0]):
                        listening.turn(news)
                case "again" | "gone":
                    self._reconsider(rest, None if kind == "gone" else news.id)
                case "author" if rest != "*":
                    self.home.hear(news, before)
                case _:
                    pass

    def _hold(self, owner: str, viewer: str, position: str) -> None:
        if viewer != "*":
            for listening in self._listening_of(viewer):
                listening.hold_of(owner, position)
            return
        for channel in self.hub.of_owner(owner):
            for listener in channel.listeners():
                listener.hold([channel.name], position)

    def _reconsider(self, topic: str, position: str | None) -> None:
        """Have its listeners hear nothing from a position on until it is known that they may; None: it is gone."""
        channel = self.hub.channels.get(topic)
        for listener in [] if channel is None else channel.listeners():
            if position is None:
                listener.remove(topic, "deleted")
            else:
                listener.hold([topic], position)

    def _listening_of(self, user_id: str) -> list[Listening]:
        return [each.listening for each in self._users.get(user_id, ()) if each.listening is not None]

    def _revoke(self, session_id: SessionID) -> None:
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
            self._hurry(moment)
            for connection in list(self._slow):
                if connection.is_slow:
                    connection.relieve()
                else:
                    self._slow.discard(connection)
            metrics.FRAMES.inc(self.hub.told - self._told)
            self._told = self.hub.told

    def _hurry(self, moment: float) -> None:
        """Who has not said hello in time has to go."""
        while self._greeting:
            connection, until = next(iter(self._greeting.items()))
            if connection.greeted or connection.closed:
                del self._greeting[connection]
            elif until <= moment:
                connection.close(Close.NO_HELLO)
            else:
                break


def _also(topics: list[str]) -> list[str]:
    """Further names under which the ring finds news again: whose access changed, and that an author said something."""
    also = [f"viewer:{topic.rpartition(':')[2]}" for topic in topics if topic.startswith("access:")]
    also += [f"apart:{topic.split(':')[1]}" for topic in topics if topic.startswith(("hidden:", "shown:"))]
    return also + ["author:*" for topic in topics if topic.startswith("author:")]


def _discard(index: dict[Any, set[Connection]], key: object, connection: Connection) -> None:
    found = index.get(key)
    if found is not None:
        found.discard(connection)
        if not found:
            del index[key]


def _must_not_end(task: asyncio.Task[None]) -> None:
    """Without this task the process would be deaf, and nobody would notice: better to be started again."""
    if not task.cancelled():
        log.critical("gateway.broken", exc_info=task.exception())
        os.kill(os.getpid(), signal.SIGTERM)
