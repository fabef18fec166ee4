"""One client's life: hello, commands, goodbye."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog

from domain.accounts.rules import TokenExpired, Viewer, viewer_of
from domain.errors import DomainError
from domain.ids import SessionID
from domain.settings import settings
from realtime import metrics, protocol
from realtime.listening import TROUBLE, Delivery, Listening
from realtime.news import Frame, frame
from realtime.protocol import Close, Malformed
from realtime.websocket import Outlet

log = structlog.get_logger()
Receive = Callable[[], Awaitable[Any]]
RETRY = protocol.Retry(min_ms=500, max_ms=15_000)
EXPIRY_NOTICE_S = 60


class Live(Delivery, Protocol):
    """The process's live side, as far as a connection needs it."""

    def admit(self, connection: "Connection") -> Close | None:
        """Let a connection in that has said hello; a close code when it may not stay."""
        ...

    def write_soon(self, connection: "Connection") -> None:
        """Have the connection's `flush` called once in this turn of the loop."""
        ...


class _Closed(Exception):
    """The connection was closed by us."""


class Allowance:
    """A token bucket in memory: so many a minute, and as many at once."""

    __slots__ = ("_at", "_left", "_per_minute")

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._left = float(per_minute)
        self._at = time.monotonic()

    def take(self, number: int) -> float:
        """Take so many; 0.0, or how long to wait for them, seconds, and then none are taken."""
        now = time.monotonic()
        self._left = min(self._per_minute, self._left + (now - self._at) * self._per_minute / 60)
        self._at = now
        if number > self._left:
            return (min(number, self._per_minute) - self._left) * 60 / self._per_minute
        self._left -= number
        return 0.0


class Connection:
    """A socket. Everything it is told goes through `outgoing`, so that order is the order of calls."""

    __slots__ = (
        *("__weakref__", "_errors", "_expiry_told", "_last_cursor_at", "_live", "_missed_bytes", "_outlet", "_topics"),
        *("closed", "listening", "outgoing", "session_id", "slot", "subprotocol", "viewer"),
    )

    def __init__(self, live: Live, outlet: Outlet, subprotocol: str) -> None:
        self._live = live
        self._outlet = outlet
        self.subprotocol = subprotocol
        self.viewer: Viewer | None = None
        self.listening: Listening | None = None
        self.session_id: SessionID | None = None  # as the gateway knows it
        self.slot = 0
        self.outgoing: list[bytes] = []
        self.closed = False
        self._missed_bytes = 0  # of what is on its way to the client, what it had missed
        self._topics = Allowance(settings.topics_per_minute)
        self._errors: deque[float] = deque()
        self._expiry_told = False
        self._last_cursor_at = time.monotonic()

    # what the client says

    async def run(self, receive: Receive) -> None:
        """Serve the client until it or we close."""
        try:
            try:
                async with asyncio.timeout(settings.hello_s):
                    hello = await self._hello(receive)
            except TimeoutError:
                self.close(Close.NO_HELLO)
                return
            if hello is not None:
                await self._welcome(hello)
                while (message := await self._next(receive)) is not None:
                    await self._obey(message)
        except _Closed:
            return
        finally:
            self.closed = True

    async def _hello(self, receive: Receive) -> protocol.Hello | None:
        while (message := await self._next(receive)) is not None:
            command = self._decoded(message)
            if isinstance(command, protocol.Hello):
                return command
            if command is not None:
                self.close(Close.PROTOCOL_ERROR)
                raise _Closed
        return None

    async def _next(self, receive: Receive) -> str | bytes | None:
        event = await receive()
        if event["type"] != "websocket.receive" or self.closed:
            return None
        text = event.get("text")
        return event["bytes"] if text is None else text

    def _decoded(self, message: str | bytes) -> protocol.Command | None:
        try:
            return protocol.decode(message, self.subprotocol)
        except Malformed as malformed:
            self.answer(malformed.error)
            now = time.monotonic()
            self._errors.append(now)
            while self._errors[0] < now - 60:
                self._errors.popleft()
            if len(self._errors) >= settings.errors_per_minute:
                self.close(Close.PROTOCOL_ERROR)
                raise _Closed from None
            return None

    async def _welcome(self, hello: protocol.Hello) -> None:
        self.viewer = viewer = self._verified(hello.token)
        refusal = self._live.admit(self)
        if refusal is not None:
            self.close(refusal)
            raise _Closed
        listening = self._begin(viewer)
        try:
            outcomes, replay = await listening.subscribe(hello.topics, hello.ticket)
        except TROUBLE as trouble:
            log.warning("hello.interrupted", error=type(trouble).__name__)
            self.close(Close.OVERLOADED)
            raise _Closed from None
        self.answer(
            protocol.Welcome(
                session=str(viewer.session_id),
                user_id=str(viewer.id),
                heartbeat_s=settings.heartbeat_s,
                token_expires_in=max(0, int(viewer.expires_at - time.time())),
                ticket=listening.ticket(),
                retry=RETRY,
                topics=outcomes,
            )
        )
        self._tell(replay)

    def _verified(self, token: str) -> Viewer:
        try:
            return viewer_of(token)
        except TokenExpired:
            self.close(Close.TOKEN_EXPIRED)
            raise _Closed from None
        except DomainError:
            self.close(Close.BAD_TOKEN)
            raise _Closed from None

    async def _obey(self, message: str | bytes) -> None:
        listening = self.listening
        command = self._decoded(message)
        if command is None or listening is None:
            return
        match command:
            case protocol.Hello():
                again = "hello was said already"
                self.answer(protocol.Error(code="invalid", message=again, details={"op": again}))
            case protocol.Subscribe():
                await self._subscribe(listening, command)
            case protocol.Unsubscribe():
                listening.leave(command.topics)
                self.answer(protocol.Unsubscribed(id=command.id, topics=command.topics))
            case protocol.Token():
                self._renew(listening, command)
            case protocol.Ping():
                self.answer(protocol.Pong(id=command.id, cursor=listening.position))

    def _begin(self, viewer: Viewer) -> Listening:
        self.listening = Listening(
            viewer, self._live, self.send_event, self.answer, lambda: self.close(Close.OVERLOADED)
        )
        return self.listening

    async def _subscribe(self, listening: Listening, command: protocol.Subscribe) -> None:
        wait_s = self._topics.take(max(1, len(command.topics)))
        if wait_s:
            self.answer(protocol.Error(id=command.id, code="too_many", message="Wait a moment.", retry_after=wait_s))
            return
        try:
            outcomes, replay = await listening.subscribe(command.topics)
        except TROUBLE as trouble:
            log.warning("subscribe.interrupted", error=type(trouble).__name__)
            self.answer(protocol.Error(id=command.id, code="unavailable", message="Try again.", retry_after=1.0))
            return
        self.answer(protocol.Subscribed(id=command.id, ticket=listening.ticket(), topics=outcomes))
        self._tell(replay)

    def _renew(self, listening: Listening, command: protocol.Token) -> None:
        fresh = self._verified(command.token)
        if fresh.id != listening.viewer.id:
            self.close(Close.BAD_TOKEN)
            raise _Closed
        self.viewer = listening.viewer = fresh
        self._expiry_told = False
        refusal = self._live.admit(self)
        if refusal is not None:
            self.close(refusal)
            raise _Closed
        self.answer(protocol.Ok(id=command.id, token_expires_in=max(0, int(fresh.expires_at - time.time()))))

    # what the client is told

    def answer(self, answer: protocol.Answer) -> None:
        """Put an answer behind what is on its way already."""
        payload = protocol.encode(answer, self.subprotocol)
        self._put(frame(payload, self.subprotocol) if self._outlet.framed else payload)

    def send_event(self, event: Frame) -> None:
        """See hub.Listener."""
        self._put(event.bytes_for(self.subprotocol, framed=self._outlet.framed))

    def _tell(self, frames: list[Frame]) -> None:
        before = len(self.outgoing)
        for each in frames:
            self.send_event(each)
        self._missed_bytes += sum(map(len, self.outgoing[before:]))

    def _put(self, message: bytes) -> None:
        if self.closed:
            return
        if not self.outgoing:
            self._live.write_soon(self)
        self.outgoing.append(message)

    def flush(self) -> None:
        """Write what waits, in one write; a client that reads too slowly is ended."""
        waiting = self._outlet.write(self.outgoing)
        self.outgoing = []
        if waiting <= settings.slow_reader_bytes:
            self._missed_bytes = 0
        elif waiting > settings.slow_reader_bytes + min(self._missed_bytes, settings.resume_bytes):
            self.close(Close.TOO_SLOW)

    def close(self, code: Close) -> None:
        """Say goodbye with a code that tells the client what to do next."""
        if self.closed:
            return
        if self.outgoing:
            self._outlet.write(self.outgoing)
            self.outgoing = []
        self.closed = True
        metrics.SOCKETS_CLOSED.labels(str(code.value)).inc()
        self._outlet.close(code, protocol.MEANINGS[code])

    # what time brings

    def tick(self, now: float, wall: float) -> None:
        """Called about once a second: tell the position, and what becomes of the token."""
        viewer, listening = self.viewer, self.listening
        if viewer is None or listening is None or self.closed:
            return
        left = viewer.expires_at - wall
        if left <= 0:
            self.close(Close.TOKEN_EXPIRED)
            return
        if left <= EXPIRY_NOTICE_S and not self._expiry_told:
            self._expiry_told = True
            self.answer(protocol.TokenExpiring(expires_in=int(left)))
        if now - self._last_cursor_at >= min(settings.heartbeat_s, settings.replay_window_s / 2) - 1:
            self._last_cursor_at = now
            self.answer(protocol.Cursor(cursor=listening.position, ticket=listening.ticket()))
