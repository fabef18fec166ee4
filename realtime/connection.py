"""One client's life: hello, commands, goodbye."""

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from typing import Any, Protocol

import structlog

from domain.accounts.rules import TokenExpired, Viewer, viewer_of
from domain.errors import DomainError
from domain.ids import SessionID
from domain.settings import settings
from realtime import metrics, protocol
from realtime.listening import TROUBLE, Delivery, Listening
from realtime.news import Frame, Run, Told, wire_for
from realtime.outgoing import Limits, Outgoing
from realtime.protocol import Close, Malformed
from realtime.websocket import Outlet

log = structlog.get_logger()
RETRY = protocol.Retry(min_ms=500, max_ms=15_000)
EXPIRY_NOTICE_S = 60
AT_ONCE = 262_144  # bytes of what waits that are written in one turn of the loop: everybody else waits for that
LIMITS = Limits(
    merge=settings.slow_reader_merge_bytes,
    reset=settings.slow_reader_reset_bytes,
    close=settings.slow_reader_close_bytes,
    resume=settings.resume_bytes,
)


class Live(Delivery, Protocol):
    """The process's live side, as far as a connection needs it."""

    def admit(self, connection: "Connection") -> Close | None:
        """Let a connection in that has said hello; a close code when it may not stay."""
        ...

    def forget(self, connection: "Connection") -> None:
        """The connection is gone."""
        ...

    def watch(self, connection: "Connection") -> None:
        """Have the connection's `relieve` called every now and then, as long as it `is_slow`."""
        ...


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
    """One client. What it says is dealt with one by one; what it is told goes out in the order of calls."""

    __slots__ = (
        *("__weakref__", "_cursor_at", "_errors", "_expiry_told", "_is_stalled", "_live", "_outlet", "_pinged_at"),
        *("_stuck", "_topics", "_waiting", "_wire", "_working", "closed", "listening", "session_id", "slot", "viewer"),
    )

    def __init__(self, live: Live, outlet: Outlet, subprotocol: str) -> None:
        self._live = live
        self._outlet = outlet
        self._wire = wire_for(subprotocol, framed=outlet.framed, deflated=outlet.deflated)
        self.viewer: Viewer | None = None
        self.listening: Listening | None = None
        self.session_id: SessionID | None = None  # as the gateway knows it
        self.slot = 0
        self.closed = False
        self._waiting: Outgoing | None = None  # what is not written yet, while the client takes no more
        self._is_stalled = False
        self._stuck: tuple[int, float] | None = None  # the bytes that waited there, and since when
        self._topics: Allowance | None = None
        self._errors: deque[float] | None = None
        self._expiry_told = False
        self._cursor_at = self._pinged_at = time.monotonic()
        self._working: asyncio.Task[None] | None = None

    # what the client says

    @property
    def busy(self) -> bool:
        """See websocket.Client."""
        return self._working is not None

    @property
    def greeted(self) -> bool:
        """Whether it has said hello."""
        return self.viewer is not None or self.busy

    def hear(self, message: str | bytes) -> None:
        """See websocket.Client."""
        if self.closed:
            return
        try:
            command = protocol.decode(message, self._wire.subprotocol)
        except Malformed as malformed:
            self._mistaken(malformed)
            return
        listening = self.listening
        if listening is None:
            if isinstance(command, protocol.Hello):
                self._work(self._welcome(command))
            else:
                self.close(Close.PROTOCOL_ERROR)
            return
        match command:
            case protocol.Hello():
                again = "hello was said already"
                self.answer(protocol.Error(code="invalid", message=again, details={"op": again}))
            case protocol.Subscribe():
                self._work(self._subscribe(listening, command))
            case protocol.Unsubscribe():
                listening.leave(command.topics)
                self.answer(protocol.Unsubscribed(id=command.id, topics=command.topics))
            case protocol.Token():
                self._renew(listening, command)
            case protocol.Ping():
                self.answer(protocol.Pong(id=command.id, cursor=listening.position))

    def lost(self) -> None:
        """See websocket.Client."""
        self._end()
        self._live.forget(self)

    def _mistaken(self, malformed: Malformed) -> None:
        self.answer(malformed.error)
        now = time.monotonic()
        errors = self._errors = self._errors or deque()
        errors.append(now)
        while errors[0] < now - 60:
            errors.popleft()
        if len(errors) >= settings.errors_per_minute:
            self.close(Close.PROTOCOL_ERROR)

    def _work(self, work: Coroutine[Any, Any, None]) -> None:
        """Deal with a message that has to wait for something; until then no other is heard."""
        self._working = asyncio.create_task(work)
        self._working.add_done_callback(self._worked)

    def _worked(self, work: asyncio.Task[None]) -> None:
        self._working = None
        if work.cancelled():
            return
        if (failure := work.exception()) is not None:
            log.error("connection.failed", exc_info=failure)
            self.close(Close.OVERLOADED)
        self._outlet.read_on()

    async def _welcome(self, hello: protocol.Hello) -> None:
        if self.closed:  # it hung up in the turn of the loop in which it said hello
            return
        viewer = self._verified(hello.token)
        if viewer is None:
            return
        self.viewer = viewer
        refusal = self._live.admit(self)
        if refusal is not None:
            self.close(refusal)
            return
        listening = self.listening = Listening(viewer, self._live, self)
        try:
            outcomes, replay = await listening.subscribe(hello.topics, hello.ticket)
        except TROUBLE as trouble:
            log.warning("hello.interrupted", error=type(trouble).__name__)
            self.close(Close.OVERLOADED)
            return
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

    def _verified(self, token: str) -> Viewer | None:
        """Who the token is of; None when it is no good, and the connection closed."""
        try:
            return viewer_of(token)
        except TokenExpired:
            self.close(Close.TOKEN_EXPIRED)
        except DomainError:
            self.close(Close.BAD_TOKEN)
        return None

    async def _subscribe(self, listening: Listening, command: protocol.Subscribe) -> None:
        topics = self._topics = self._topics or Allowance(settings.topics_per_minute)
        wait_s = topics.take(max(1, len(command.topics)))
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
        if fresh is None:
            return
        if fresh.id != listening.viewer.id:
            self.close(Close.BAD_TOKEN)
            return
        self.viewer = listening.viewer = fresh
        self._expiry_told = False
        refusal = self._live.admit(self)
        if refusal is not None:
            self.close(refusal)
            return
        self.answer(protocol.Ok(id=command.id, token_expires_in=max(0, int(fresh.expires_at - time.time()))))

    # what the client is told

    def answer(self, answer: protocol.Answer) -> None:
        """Put an answer behind what is on its way already."""
        if self._waiting is not None:
            self._waiting.add_answer(answer)
        elif not self.closed:
            self._outlet.write(Told(answer).bytes_for(self._wire))

    def send_event(self, event: Frame | Run) -> None:
        """See hub.Listener."""
        if self._waiting is None and self._wire.framed:
            if not self.closed:
                self._outlet.write(event.bytes_for(self._wire))
        else:
            for each in event.frames:
                self._send(each)

    def _send(self, event: Frame) -> None:
        waiting = self._waiting
        if waiting is not None:
            waiting.add(event)
            if waiting.bytes > LIMITS.close:
                self.relieve()
        elif not self.closed:
            self._outlet.write(event.bytes_for(self._wire))

    def _tell(self, replay: list[Frame]) -> None:
        """Put what was missed behind the answer that has announced it."""
        if self.closed or not replay:
            return
        hands_over = self._waiting is not None
        waiting = self._waiting = self._waiting or Outgoing(self._wire, LIMITS)
        for each in replay:
            waiting.add(each, is_missed=True)
        if not hands_over:
            self._hand_over()

    def stalled(self) -> None:
        """See websocket.Client: from now on what it is told waits here, where it can still be merged."""
        self._is_stalled = True
        if not self.closed:
            metrics.SLOW_WAITING.inc()
            self._waiting = self._waiting or Outgoing(self._wire, LIMITS)
            self._live.watch(self)

    def drained(self) -> None:
        """See websocket.Client."""
        self._is_stalled, self._stuck = False, None
        self._hand_over()

    def _hand_over(self) -> None:
        """Write piece by piece what waits, as long as the client takes it; everybody else has a turn between."""
        waiting, handed = self._waiting, 0
        if waiting is None:
            return
        while waiting and not self._is_stalled:
            if handed >= AT_ONCE:
                asyncio.get_running_loop().call_soon(self._hand_over)
                return
            messages = waiting.take(LIMITS.merge)
            handed += sum(map(len, messages))
            for each in messages if not self._wire.framed else [b"".join(messages)]:
                self._outlet.write(each)
        if not self._is_stalled:
            self._waiting = None

    def relieve(self) -> None:
        """Do what the limits say about what waits. Not when it comes: a client that reads has had no turn yet."""
        waiting = self._waiting
        if waiting is None:
            return
        is_too_much = waiting.relieve(self._outlet.waiting())
        metrics.SLOW_MERGED.inc(waiting.merged)
        metrics.SLOW_REPLACED.inc(waiting.replaced)
        metrics.SLOW_RESET.inc(waiting.resets)
        waiting.merged = waiting.replaced = waiting.resets = 0
        if is_too_much:
            metrics.SLOW_CLOSED_BYTES.inc()
            self.close(Close.TOO_SLOW)

    @property
    def is_slow(self) -> bool:
        """Whether something waits that the client does not take."""
        return self._is_stalled and not self.closed

    def give_up(self) -> None:
        """See listening.Voice."""
        self.close(Close.OVERLOADED)

    def close(self, code: Close) -> None:
        """Say goodbye with a code that tells the client what to do next; what waits is left to its next connection."""
        if self.closed:
            return
        self._end()
        metrics.SOCKETS_CLOSED.labels(str(code.value)).inc()
        self._outlet.close(code, protocol.MEANINGS[code])

    def _end(self) -> None:
        self.closed, self._waiting = True, None

    # what time brings

    def tick(self, now: float, wall: float) -> None:
        """Called about once a second: tell the position, what becomes of the token, and look whether it is there."""
        viewer, listening = self.viewer, self.listening
        if viewer is None or listening is None or self.closed:
            return
        if self._is_stuck(now):
            metrics.SLOW_CLOSED_AGE.inc()
            self.close(Close.TOO_SLOW)
            return
        left = viewer.expires_at - wall
        if left <= 0:
            self.close(Close.TOKEN_EXPIRED)
            return
        if left <= EXPIRY_NOTICE_S and not self._expiry_told:
            self._expiry_told = True
            self.answer(protocol.TokenExpiring(expires_in=int(left)))
        if now - self._cursor_at >= min(settings.heartbeat_s, settings.replay_window_s / 2) - 1:
            self._cursor_at = now
            self.answer(protocol.Cursor(cursor=listening.position, ticket=listening.ticket()))
        if now - self._pinged_at >= settings.heartbeat_s - 1:
            self._pinged_at = now
            self._outlet.ping()

    def _is_stuck(self, now: float) -> bool:
        """Whether the client has taken nothing of what waits for too long."""
        if not self._is_stalled:
            return False
        waiting = self._outlet.waiting()
        if self._stuck is None or waiting < self._stuck[0]:
            self._stuck = waiting, now
        return now - self._stuck[1] >= settings.slow_reader_close_s
