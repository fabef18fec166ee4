"""A person's live socket: a client that writes down every event as it came, before it is applied."""

import sys
import time
from collections.abc import Callable, Set

from loadtests.client import Client, Token
from loadtests.listeners import Apply, Copy, Fetch, Frame, Listener
from loadtests.scripted.ledger import UNFOLLOWED_S, Hearing, Span

NAMED = {"comment.created": "comment", "post.published": "post"}
"""Events that are told one by one, and where in their data the id is that names them."""


def name_of(frame: Frame) -> str | None:
    """The event's own name; None of state and of notifications, which are checked by what they come to."""
    field = NAMED.get(frame["type"])
    return None if field is None else sys.intern(f"{frame['type']} {frame['data'][field]['id']}")


class Socket(Client):
    """Says what it heard, topic by topic. `ids` is shared by all sockets of a process, `followed` is whose posts home
    tells, and `hear` is given every event."""

    def __init__(
        self, url: str, token: Token, ids: dict[str, str], followed: Set[str], hear: Callable[[Frame], None]
    ) -> None:
        super().__init__([url], token)
        self.topics: dict[str, Accounted] = {}
        self.hearings: list[Hearing] = []
        self.ids = ids
        self.followed = followed
        self.on_event = hear

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that was welcomed."""
        return self.contract.status == "live"

    def listen(self, topic: str, apply: Apply) -> None:
        """Hear of a topic from now on."""
        self._begin(Accounted(topic, apply))

    def copy(self, topic: str, fetch: Fetch, apply: Apply) -> None:
        """Keep a copy of a topic."""
        self._begin(AccountedCopy(topic, fetch, apply))

    async def begun(self, topic: str) -> None:
        """Wait until the server has answered for a topic and its page is read. Raises TimeoutError."""
        await self.until(lambda: self.topics[topic].settled)

    async def opened(self) -> None:
        """Wait for a welcome. Raises TimeoutError."""
        await self.until(lambda: self.is_open)

    async def forget(self, topic: str) -> None:
        """Listen to it no more."""
        listener = self.topics.pop(topic)
        listener.close()
        await self.drop(listener)

    async def stop(self) -> None:
        """Hang up for good, and close the accounts."""
        for listener in self.topics.values():
            listener.close()
        await super().stop()

    def follow(self, author: str) -> None:
        """From now on home has to tell of somebody's posts."""
        if (home := self._home()) is not None:
            home.sources[f"home:{author}"] = Span(time.monotonic())

    def unfollow(self, author: str, asked: float) -> None:
        """It has not any more."""
        if (home := self._home()) is not None and (span := home.sources.get(f"home:{author}")) is not None:
            span.until = asked - UNFOLLOWED_S

    def all_hearings(self) -> list[Hearing]:
        """Those that ended and those that go on."""
        for listener in self.topics.values():
            listener.note_position()
        return self.hearings

    def _home(self) -> Hearing | None:
        return self.topics["home"].hearing if "home" in self.topics else None

    def _begin(self, listener: "Accounted") -> None:
        listener.socket = self
        self.topics[listener.topic] = listener
        self.add(listener)


class Accounted(Listener):
    """Keeps the account of what it was told."""

    socket: Socket
    hearing: Hearing | None = None  # from the first answer on
    _asked = _known = ""  # the last answer begins behind the first; up to the second another connection told it

    def answered(self, asked: str, outcome: Frame) -> None:
        """Whatever was told before is known."""
        if self.hearing is None:
            sources = [f"home:{author}" for author in self.socket.followed] if self.topic == "home" else [self.topic]
            self.hearing = Hearing({source: Span(time.monotonic()) for source in sources}, "")
            self.socket.hearings.append(self.hearing)
        self._asked, self._known = asked, self.cursor or ""
        super().answered(asked, outcome)

    def event(self, frame: Frame) -> None:
        """Written down as it came, unless we asked for it a second time."""
        if self.hearing is not None and not self.waiting and not self._asked < frame["id"] <= self._known:
            what = name_of(frame)
            self.hearing.take(frame["id"], frame["prev"], what, self.cursor or "")
            if what is not None:
                self.socket.ids.setdefault(what, frame["id"])
        super().event(frame)
        self.socket.on_event(frame)

    def reset(self, cursor: str) -> None:
        """What is skipped was not due."""
        if self.hearing is not None and self.cursor is not None:
            self.hearing.reset(cursor, self.cursor)
        super().reset(cursor)

    def end(self, code: str) -> None:
        """What comes later is not due."""
        self.close()
        super().end(code)

    def close(self) -> None:
        """Nothing is due any more; what was is up to here."""
        if self.hearing is not None and not self.hearing.ended:
            self.note_position()
            self.hearing.ended = True

    def note_position(self) -> None:
        """It was told up to here."""
        if self.hearing is not None and not self.hearing.ended:
            self.hearing.position = self.cursor or ""


class AccountedCopy(Accounted, Copy):
    """The same of a copy."""
