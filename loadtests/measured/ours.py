"""`serve` as shipped, without rate limits, with a community in it; how clients get in, and how it comes by news."""

import json
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from domain import db, topics
from domain.comments.events import CommentEdited
from domain.eventlog import emit, emit_all, encode
from domain.ids import CommentID, PostID, UserID
from loadtests import crowd
from loadtests.measured.sockets import Door, text
from loadtests.running import Potluck
from loadtests.usage import Usage, usage_of
from realtime.protocol import JSON
from realtime.streams import WAKE
from server.binaries import CannotStart

SIZE = 200
"""Bytes of a message: to us the `data` of an event, to peers all of it."""
COMMENT = CommentID(UUID("00000000-0000-7000-a000-000000000001"))
AUTHOR = UserID(UUID(crowd.member(0)))
NEWS = b'{"op":"event"'
WELCOME = b'{"op":"welcome"'


class Ours:
    """A running `serve`."""

    name = "potluck"

    def __init__(self, potluck: Potluck, urls: "Urls", database: asyncpg.Connection, redis: Any) -> None:
        self.potluck = potluck
        self.urls = urls
        self.database = database
        self.redis = redis
        self.tokens = crowd.Tokens(crowd.jwt_keys(potluck.data))
        url = urlsplit(potluck.url)
        self._address = (url.hostname or "", url.port or 0)

    def door(self, member: int, topics: dict[str, str | None], ticket: str | None = None) -> Door:
        """For a member, who listens to these topics from these cursors on."""
        hello = {"op": "hello", "token": self.tokens.of(member), "topics": topics, "ticket": ticket}
        return Door(self._address, "/api/v1/ws", JSON, text(hello), WELCOME, NEWS)

    def pids(self) -> list[int]:
        """Its server processes."""
        return [self.potluck.pid_of("server.process")]

    def used(self) -> Usage:
        """CPU time so far."""
        return usage_of(self.potluck)

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """See below."""
        await publish(self.redis, messages)

    async def wake(self) -> None:
        """See below."""
        await wake(self.redis)


async def publish(redis: Any, messages: Sequence[tuple[str, bytes]]) -> None:
    """Have the event log hold an event for each (topic, text), in one transaction: a single one as an action emits it,
    many as the handlers of consequences do."""
    events = [
        (CommentEdited(id=COMMENT, content=said.decode(), mentions=[], edited_at=EDITED_AT), topic)
        for topic, said in messages
    ]
    async with db.transaction():
        if len(events) == 1:
            ((event, topic),) = events
            await emit(event, topic, topics.holds(f"comment:{COMMENT}"), actor=AUTHOR)
        else:
            await emit_all(events)
    await wake(redis)


async def wake(redis: Any) -> None:
    """Tell the relay that there is news, as every process does that has committed some."""
    await redis.publish(WAKE, b"")


@asynccontextmanager
async def connected(urls: "Urls") -> AsyncGenerator[Any]:
    """What publishing needs: this process's pool is open, and Redis is what comes."""
    client: Any = Redis
    redis = client.from_url(urls.redis)
    await db.open_pool(urls.database)
    try:
        yield redis
    finally:
        await db.close_pool()
        await redis.aclose()


class Urls(NamedTuple):
    """Where its PostgreSQL and its Redis are."""

    database: str
    redis: str


EDITED_AT = "2026-01-01T00:00:00.000000Z"


def post(number: int) -> str:
    """A post's topic."""
    return topics.post(PostID(UUID(crowd.post(number))))


EMPTY = len(encode(CommentEdited(id=COMMENT, content="", mentions=[], edited_at=EDITED_AT)))
"""Bytes of an event's `data` without its text."""


def message(number: int, size: int = SIZE - EMPTY) -> bytes:
    """The text of a numbered message; by default such that the event's `data` has SIZE bytes."""
    return f"#{number:06}#".encode().ljust(size, b"x")


@asynccontextmanager
async def serving(members: int, posts: int, **settings: str) -> AsyncGenerator[Ours]:
    """Start it on data that goes away. Raises CannotStart."""
    with tempfile.TemporaryDirectory(prefix="potluck-benchmark-", ignore_cleanup_errors=True) as folder:
        potluck = Potluck(Path(folder) / "data", POTLUCK_RATE_LIMITS="off", **settings)
        try:
            if not potluck.url.startswith("http"):
                raise CannotStart(f"the server did not start: {potluck.errors.read_text()}")
            servers = json.loads((potluck.data / "servers.json").read_text())
            urls = Urls(servers["database_url"], servers["redis_url"])
            database = await crowd.gather(urls.database, members=members, posts=posts)
            try:
                async with connected(urls) as redis:
                    yield Ours(potluck, urls, database, redis)
            finally:
                await database.close()
        finally:
            potluck.interrupt()
