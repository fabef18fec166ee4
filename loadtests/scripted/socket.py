"""A person's live socket: a Mirror that writes down every frame as it came, before it is applied."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec
from websockets.exceptions import ConnectionClosed

from loadtests.mirror import Mirror
from loadtests.scripted.ledger import Hearing, Span

NAMED = {"comment.created": "comment", "post.published": "post"}
"""Events that are told one by one, and where in their data the id is that names them."""


def name_of(frame: dict[str, Any]) -> str | None:
    """The event's own name; None of state and of notifications, which are checked by what they come to."""
    field = NAMED.get(frame["type"])
    return None if field is None else sys.intern(f"{frame['type']} {frame['data'][field]['id']}")


class Socket(Mirror):
    """Says what it heard, topic by topic; `ids` is shared by all sockets of a process."""

    def __init__(self, url: str, token: str, ids: dict[str, str], hear: Callable[[dict[str, Any]], None]) -> None:
        super().__init__([url], token)
        self.hearings: dict[str, Hearing] = {}
        self.ended: list[Hearing] = []
        self.is_open = False
        self.followed: set[str] = set()  # whose posts home tells
        self.on_welcome: Callable[[], None] = lambda: None
        self._ids = ids
        self._hear = hear
        self._changed = asyncio.Event()

    async def begun(self, topic: str, within: float = 10.0) -> None:
        """Wait until the server has answered for a topic and its page is read."""
        async with asyncio.timeout(within):
            while topic not in self.hearings or self.topics[topic].stale:
                self._changed.clear()
                with contextlib.suppress(TimeoutError):  # reading a page makes no noise
                    await asyncio.wait_for(self._changed.wait(), 0.02)

    async def away(self, seconds: float) -> None:
        """Be cut off for a while."""
        self.is_open = False
        await super().away(seconds)

    async def opened(self, within: float = 10.0) -> None:
        """Wait for a welcome."""
        async with asyncio.timeout(within):
            while not self.is_open:
                self._changed.clear()
                await self._changed.wait()

    async def drop(self, topic: str) -> None:
        """Listen to it no more."""
        copied = self.topics.pop(topic)
        if copied.fetching is not None:
            copied.fetching.cancel()
        if topic in self.hearings:
            self._end(topic, copied.position)
        if self._socket is not None:
            with contextlib.suppress(ConnectionClosed):
                command = {"op": "unsubscribe", "id": 1, "topics": [topic]}
                await self._socket.send(msgspec.json.encode(command).decode())

    async def stop(self) -> None:
        """Hang up for good, and close the accounts."""
        self.is_open = False
        for topic in list(self.hearings):
            self._end(topic, self.topics[topic].position)
        await super().stop()

    def all_hearings(self) -> list[Hearing]:
        """Those that ended and those that go on."""
        for topic, hearing in self.hearings.items():
            hearing.position = self.topics[topic].position or ""
        return [*self.ended, *self.hearings.values()]

    def _end(self, topic: str, position: str | None) -> None:
        hearing = self.hearings.pop(topic)
        hearing.ended, hearing.position = True, position or ""
        self.ended.append(hearing)

    async def _converse(self, socket: Any) -> None:
        try:
            await super()._converse(socket)
        finally:
            self.is_open = False

    def _take(self, frame: dict[str, Any]) -> None:
        topics = frame.get("topics")
        if isinstance(topics, dict):
            frame["topics"] = {topic: outcome for topic, outcome in topics.items() if topic in self.topics}  # pyright: ignore[reportUnknownVariableType] - JSON
        elif "topic" in frame and frame["topic"] not in self.topics:
            return  # it was dropped, and this was on its way
        super()._take(frame)
        match frame["op"]:
            case "welcome":
                self.is_open = True
                self.on_welcome()
            case "removed":
                self._end(frame["topic"], self.topics[frame["topic"]].position)
            case _:
                pass
        self._changed.set()

    def _begun(self, topic: str, outcome: dict[str, Any]) -> None:
        if outcome["outcome"] != "error" and topic not in self.hearings:
            sources = [f"home:{author}" for author in self.followed] if topic == "home" else [topic]
            self.hearings[topic] = Hearing({source: Span(time.monotonic()) for source in sources}, "")
        super()._begun(topic, outcome)

    def _begin_anew(self, topic: str, cursor: str) -> None:
        position = self.topics[topic].position
        if position is not None and topic in self.hearings:
            self.hearings[topic].reset(cursor, position)
        super()._begin_anew(topic, cursor)

    def _event(self, frame: dict[str, Any]) -> None:
        topic, what = frame["topic"], name_of(frame)
        hearing = self.hearings.get(topic)
        if hearing is not None:
            hearing.take(frame["id"], frame["prev"], what, self.topics[topic].position or "")
            if what is not None:
                self._ids.setdefault(what, frame["id"])
        super()._event(frame)
        self._hear(frame)
