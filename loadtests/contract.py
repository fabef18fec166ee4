"""What a client of potluck.v1 does, without I/O: a Contract is told what happens and when, and says what is to be done.

Times are seconds of one clock that only goes forward. A call is one connection, from dialling to hanging up, and has a
number. `loadtests/client.py` is this on asyncio; tests/conformance.json holds it to docs/realtime.md.
"""

import random
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any, Literal, NamedTuple

from loadtests.listeners import Copy, Frame, Listener, Seen
from loadtests.subscriptions import Asked, Report, Subscriptions, as_sent

WELCOME_S = 10.0  # to get a token and a welcome; a connection that lived so long makes the next wait short again
NOTICE_S = 60.0  # before a token ends it is replaced
RENEWAL_S = 5.0  # then it is tried again
BEATS_OF_SILENCE = 1.5

Status = Literal["connecting", "live", "stopped", "closed"]


class Wait(NamedTuple):
    """Between two tries, seconds."""

    least: float
    most: float


AGAIN = Wait(0.2, 15.0)  # of what was fetched, or asked for because of a gap, in vain


def verdict(code: int) -> Literal["stop", "wait", "now", "token"]:
    """What a close code asks for: not to come back, to wait, to come at once, to get a new token first."""
    match code // 100:
        case 40:
            return "stop"
        case 42:
            return "now"
        case 43:
            return "token"
        case _:
            return "wait"


def backoff(wait: Wait, tries: int, chance: float) -> float:
    """How long to wait before the next try, seconds: at random, between the two, growing."""
    return wait.least + chance * (min(wait.most, wait.least * 2 ** min(tries, 30)) - wait.least)


class Dial(NamedTuple):
    """Get a token, a new one if it has to be `fresh`; connect; then say `opened`. `signed_out` if there is no token."""

    call: int
    fresh: bool


class Send(NamedTuple):
    """Say something."""

    call: int
    message: Frame


class HangUp(NamedTuple):
    """End a call, if it has not ended yet: `politely`, or because nobody is there."""

    call: int
    politely: bool


class Renew(NamedTuple):
    """Get a new token, and hand it in with `renewed`; or say `not_renewed`."""


class Fetch(NamedTuple):
    """Fetch a copy, and say `fetched`, `failed` or `gone`."""

    copy: Copy


Task = Dial | Send | HangUp | Renew | Fetch | Report


class _Call:
    def __init__(self, number: int) -> None:
        self.number = number
        self.asked: dict[int, list[Asked]] = {}  # by the request's id; 0 is hello
        self.greeted = False
        self.since = 0.0


class Contract:
    """One client: whom it tells of what, and its connection to whichever server."""

    def __init__(self, chance: random.Random) -> None:
        self.status: Status = "connecting"
        self.reason = ""  # of "stopped": the close code, or signed_out
        self.on_status: Callable[[], None] = lambda: None
        self.topics = Subscriptions()
        self.ticket: str | None = None
        self.welcome: Frame = {}
        self.closes: list[int] = []  # of every connection that was lost
        self._chance = chance
        self._todo: list[Task] = []
        self._timers: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._calls = count()
        self._ids = count(1)
        self._call: _Call | None = None
        self._next: _Call | None = None  # the one that will replace it
        self._turn = 0  # of dialling: an older one comes to nothing
        self._tries = 0
        self._retry = Wait(0.5, 15.0)
        self._beat_s = 25.0
        self._heard_at = 0.0
        self._renew_at = float("inf")
        self._refused = False  # our token was
        self._renewing = False

    # Who listens.

    @property
    def seen(self) -> Seen:
        """What all that were ever added have seen together."""
        return self.topics.seen

    def add(self, listener: Listener) -> None:
        """Tell a listener of its topic from now on."""
        self.topics.add(listener)

    def drop(self, listener: Listener) -> int | None:
        """Tell it no more; the id of the request to unsubscribe, if there is one."""
        return self.request("unsubscribe", [listener.topic]) if self.topics.drop(listener) else None

    def fetched(self, copy: Copy, cursor: str | None) -> None:
        """A copy is what HTTP said at this cursor."""
        if copy in self.topics:
            copy.fetched(cursor)

    def failed(self, copy: Copy, now: float) -> None:
        """HTTP could not say."""
        copy.tries += 1
        at = now + backoff(AGAIN, copy.tries, self._chance.random())
        self._after(at, lambda _: self.topics.fetch(copy) if copy in self.topics else None)

    def gone(self, copy: Copy) -> None:
        """HTTP said that there is nothing."""
        if copy in self.topics:
            self.drop(copy)
            self.topics.tell(copy.end, "not_found")

    # What happens to the connection.

    def start(self, now: float) -> None:
        """Connect, and stay connected."""
        self._dial(now)

    def stop(self) -> None:
        """Hang up for good."""
        self._end("closed")

    def offline(self) -> None:
        """The network is gone; nothing is tried until it is back."""
        if self._call is not None:
            self.closes.append(1006)
        self._forget_calls(politely=False)
        self._become("connecting")

    def online(self, now: float) -> None:
        """The network is back."""
        if self._call is None and self.status == "connecting":
            self._dial(now)

    def opened(self, number: int, token: str, now: float) -> None:
        """There is a connection; say hello."""
        call = self._next
        if call is None or call.number != number:
            return
        call.greeted, call.since = True, now
        call.asked[0] = asked = self.topics.all_asked()
        hello = {"op": "hello", "token": token, "topics": as_sent(asked), "ticket": self.ticket}
        self._todo.append(Send(number, {**hello, "client": "loadtests"}))

    def heard(self, number: int, frame: Frame, now: float) -> None:
        """The server said something."""
        self._heard_at = now
        self.ticket = frame.get("ticket") or self.ticket
        call = self._call
        if frame["op"] == "welcome":
            self._welcome(number, frame, now)
        elif call is None or call.number != number:
            pass
        elif frame["op"] == "event":
            self.topics.event(frame)
            self._ask_later(now)
        else:
            self._answer(call, frame, now)

    def lost(self, number: int, code: int, now: float) -> None:
        """A connection ended, or could not be made (1006): what the code says is done."""
        if self._call is not None and self._call.number == number:
            lost, self._call = self._call, None
        elif self._next is not None and self._next.number == number:
            lost, self._next = None, None
        else:
            return
        self.closes.append(code)
        self._todo.append(HangUp(number, politely=False))
        self.topics.not_answered()
        what = verdict(code)
        if what == "stop":
            self._end("stopped", str(code))
            return
        self._refused |= what == "token"
        if code == 1009:
            self.ticket = None  # it may be what made the hello too long
        if self._call is None:
            self._become("connecting")
        if self._next is None:
            self._dial_again(lost, 0.0 if what in {"now", "token"} else None, now)

    def signed_out(self) -> None:
        """There is no token: nobody is signed in any more."""
        self._end("stopped", "signed_out")

    def renewed(self, token: str | None) -> None:
        """Here is a new token, or None: nobody is signed in any more."""
        self._renewing = False
        if token is None:
            self.signed_out()
        elif self._call is not None:
            self._request(self._call, {"op": "token", "token": token})

    def not_renewed(self) -> None:
        """A new token could not be had; it is tried again."""
        self._renewing = False

    def request(self, op: str, topics: Any = None) -> int | None:
        """Say something that a listener does not; the id that its answer repeats, None while nobody is there."""
        if self._call is None:
            return None
        return self._request(self._call, {"op": op} if topics is None else {"op": op, "topics": topics})

    # Time.

    @property
    def due(self) -> float:
        """When to say that time has passed; inf: never."""
        return self._timers[0][0] if self._timers else float("inf")

    def passed(self, now: float) -> None:
        """It is so late."""
        while self._timers and self._timers[0][0] <= now:
            _, _, act = heappop(self._timers)
            act(now)

    def todo(self) -> list[Task]:
        """What is to be done now, in this order; asked after whatever was told."""
        if not self.topics.is_asked:
            self._subscribe()
        todo = [*self._todo, *map(Fetch, self.topics.to_fetch), *self.topics.failures]
        for done in (self._todo, self.topics.to_fetch, self.topics.failures):
            done.clear()
        return todo

    # Behind it.

    def _after(self, at: float, act: Callable[[float], None]) -> None:
        heappush(self._timers, (at, next(self._order), act))

    def _dial_again(self, call: _Call | None, seconds: float | None, now: float) -> None:
        """After so long if the server says so, once for each call that lived a while; otherwise after a longer wait."""
        if call is not None and now - call.since > WELCOME_S:
            self._tries = 0
        if seconds is None or self._tries > 0:
            seconds = backoff(self._retry, self._tries + 1, self._chance.random())
        self._tries += 1
        self._turn += 1
        turn = self._turn
        self._after(now + seconds, lambda now: self._dial(now) if turn == self._turn else None)

    def _dial(self, now: float) -> None:
        self._turn += 1
        if self._next is not None:
            self._todo.append(HangUp(self._next.number, politely=False))
        self._next = call = _Call(next(self._calls))
        self._todo.append(Dial(call.number, fresh=self._refused or now > self._renew_at))
        self._after(now + WELCOME_S, lambda now: self.lost(call.number, 1006, now) if call is self._next else None)

    def _welcome(self, number: int, frame: Frame, now: float) -> None:
        call = self._next
        if call is None or call.number != number:
            return
        if self._call is not None:
            self._todo.append(HangUp(self._call.number, politely=True))
        self._call, self._next = call, None
        call.since, self.welcome = now, frame
        self._retry = Wait(frame["retry"]["min_ms"] / 1000, frame["retry"]["max_ms"] / 1000)
        self._beat_s = frame["heartbeat_s"]
        self._after(now + self._beat_s, lambda now: self._listen_for_life(call, now))
        self._expires(frame["token_expires_in"], now)
        if left := [topic for topic in frame["topics"] if not self.topics.listens(topic)]:
            self._request(call, {"op": "unsubscribe", "topics": left})
        self.topics.answered(call.asked.pop(0), frame["topics"])
        self.topics.is_asked = False
        self._become("live")

    def _answer(self, call: _Call, frame: Frame, now: float) -> None:
        match frame["op"]:
            case "subscribed":
                self.topics.answered(call.asked.pop(frame["id"], []), frame["topics"])
            case "cursor" | "pong":
                self.topics.passed(frame["cursor"])
            case "reset":
                self.topics.reset(frame["topic"], frame["cursor"])
            case "removed":
                self.topics.removed(frame["topic"], frame["code"])
            case "token_expiring":
                self._renew(now)
            case "ok":
                self._expires(frame["token_expires_in"], now)
            case "drain":  # make before break: this one goes on until the next is welcomed
                self._dial_again(call, frame["reconnect_in_ms"] / 1000, now)
            case "error":
                self._refuse(call, frame, now)
            case _:
                pass

    def _refuse(self, call: _Call, frame: Frame, now: float) -> None:
        asked, wait = call.asked.pop(frame.get("id") or -1, None), frame.get("retry_after")
        if asked is None:
            return
        if wait is None:
            refusal = {"outcome": "error", "code": frame["code"]}
            self.topics.answered(asked, {each.name: refusal for each in asked})
        else:
            self._after(now + wait, lambda _: self.topics.not_answered(asked))

    def _subscribe(self) -> None:
        if self._call is None or (self._next is not None and self._next.greeted):
            return  # hello names them, or its welcome looks again
        if asked := self.topics.needed():
            request = self._request(self._call, {"op": "subscribe", "topics": as_sent(asked)})
            self._call.asked[request] = asked

    def _ask_later(self, now: float) -> None:
        for each in self.topics.to_ask:
            self._after(
                now + backoff(AGAIN, each.in_vain, self._chance.random()), lambda _, each=each: self.topics.ask(each)
            )
        self.topics.to_ask.clear()

    def _request(self, call: _Call, command: Frame) -> int:
        request = next(self._ids)
        self._todo.append(Send(call.number, {**command, "id": request}))
        return request

    def _expires(self, seconds: float, now: float) -> None:
        self._refused = False
        self._renew_after(max(seconds - NOTICE_S, 1.0), now)

    def _renew_after(self, seconds: float, now: float) -> None:
        self._renew_at = at = now + seconds
        self._after(at, lambda now: self._renew(now) if at == self._renew_at else None)

    def _renew(self, now: float) -> None:
        if self._call is None:
            return  # who dials asks for a new one
        self._renew_after(RENEWAL_S, now)  # unless it is answered
        if not self._renewing:
            self._renewing = True
            self._todo.append(Renew())

    def _listen_for_life(self, call: _Call, now: float) -> None:
        """After a beat without a word ask for one, after half a beat more dial anew."""
        if call is not self._call:
            return
        asked_at, dead_at = self._heard_at + self._beat_s, self._heard_at + BEATS_OF_SILENCE * self._beat_s
        if now >= dead_at:
            self.lost(call.number, 1006, now)
            return
        if now >= asked_at:
            self._request(call, {"op": "ping"})
        self._after(dead_at if now >= asked_at else asked_at, lambda now: self._listen_for_life(call, now))

    def _end(self, status: Status, reason: str = "") -> None:
        self._forget_calls(politely=True)
        self._timers.clear()
        self._become(status, reason)

    def _forget_calls(self, *, politely: bool) -> None:
        for call in (self._call, self._next):
            if call is not None:
                self._todo.append(HangUp(call.number, politely))
        self._call = self._next = None
        self._turn += 1
        self.topics.not_answered()

    def _become(self, status: Status, reason: str = "") -> None:
        if (status, reason) != (self.status, self.reason):
            self.status, self.reason = status, reason
            self.topics.tell(self.on_status)
