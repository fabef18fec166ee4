"""The scene of a fault: members who write all the while, watchers with copies, and what came of it all.

With POTLUCK_FAULT_REPORT each scene adds a line of JSON with what it observed to the file of that name.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx
import msgspec
import redis

from loadtests.client import Client
from loadtests.listeners import Copy, Frame
from loadtests.running import Potluck
from tests.journeys.community import Member, members

WRITERS = 50
WATCHERS = 6
POSTS = 4
BEFORE, AFTER = 200, 200  # acknowledged writes around a fault
PATIENCE_S = 60.0  # for what must happen, on a machine that others use too


class Post(NamedTuple):
    """A post as somebody holds it: both counts, and the comments themselves."""

    likes: int
    comments: int
    told: frozenset[str]


class Observed(msgspec.Struct, frozen=True):
    """What a fault did to those who were there."""

    test: str
    acknowledged: int
    failed: int  # answered with an error or not at all: these may have happened or not
    lost: int  # acknowledged, and not in the database
    duplicated: int  # rows that are there twice, and events that a copy was given twice under two ids
    resets: int  # topics that a watcher was told to fetch anew
    gaps: int  # frames that named one before them which a watcher did not have
    silence_s: float  # the longest time that a watcher heard nothing while members wrote
    true_after_s: float | None  # from the last write until all copies were true


class Watcher(Client):
    """A client with a copy of the posts, which remembers all that it was sent, and when."""

    def __init__(self, urls: Sequence[str], member: Member, posts: Sequence[str], seed: int) -> None:
        super().__init__(urls, member.access, seed=seed)
        self.sent: list[dict[str, Any]] = []
        self.heard_at: list[float] = []  # of news
        self.changed_at = 0.0
        self.folds = 0  # how often counts were told
        self.applied_twice = 0
        self._member = member
        self._counts: dict[str, dict[str, int]] = {post: {} for post in posts}
        self._told: dict[str, set[str]] = {post: set() for post in posts}
        self._since_fetched: dict[str, set[str]] = {post: set() for post in posts}
        for post in posts:
            self.add(Copy(f"post:{post}", self._fetcher(post), self._applier(post)))

    @property
    def copy(self) -> dict[str, Post]:
        """What this watcher believes."""
        return {
            post: Post(counts.get("likes", 0), counts.get("comments", 0), frozenset(self._told[post]))
            for post, counts in self._counts.items()
        }

    @property
    def outcomes(self) -> list[str]:
        """What became of each topic that was asked for, in order."""
        answers = [frame["topics"] for frame in self.sent if frame["op"] in {"welcome", "subscribed"}]
        return [outcome["outcome"] for topics in answers for outcome in topics.values()]

    def hear(self, call: int, frame: Frame) -> None:
        """Remember it first."""
        self.sent.append(frame)
        if frame["op"] == "event":
            self.heard_at.append(time.monotonic())
        super().hear(call, frame)

    def _fetcher(self, post: str) -> Callable[[], Awaitable[str]]:
        async def fetch() -> str:
            read, cursor = await self._read(f"/posts/{post}")
            counters = read["counters"]
            told: set[str] = set()
            more = ""
            while True:
                page, at = await self._read(f"/posts/{post}/comments?limit=100{more and f'&cursor={more}'}")
                told.update(comment["id"] for comment in page["items"])
                cursor, more = min(cursor, at), page["next_cursor"]
                if not more:
                    break
            self._counts[post], self._told[post], self._since_fetched[post] = counters, told, set()
            self.changed_at = time.monotonic()
            return cursor

        return fetch

    async def _read(self, path: str) -> tuple[Any, str]:
        """What HTTP says, and at which cursor."""
        try:
            answer = await self._member.ask("GET", path)
        except httpx.HTTPError as trouble:
            raise OSError from trouble
        if answer.status_code != 200:
            raise OSError(answer.status_code)
        return answer.json(), answer.headers["Potluck-Cursor"]

    def _applier(self, post: str) -> Callable[[dict[str, Any]], None]:
        def apply(frame: dict[str, Any]) -> None:
            self.changed_at = time.monotonic()
            if frame["type"] == "post.counters":
                self.folds += 1
                self._counts[post] = self._counts[post] | frame["data"]
            elif frame["type"] == "comment.created":
                comment = frame["data"]["comment"]["id"]
                self.applied_twice += comment in self._since_fetched[post]
                self._since_fetched[post].add(comment)
                self._told[post].add(comment)

        return apply


class Scene:
    """Members who like, unlike and comment, what was acknowledged to them, and watchers with copies of the posts."""

    def __init__(self, serving: Sequence[Potluck], people: list[Member], posts: list[str]) -> None:
        self.serving = serving
        self.people = people
        self.posts = posts
        self.acknowledged = 0
        self.failed = 0
        self.watchers = [
            Watcher([each.url for each in serving], people[i], posts, seed=i) for i in range(min(WATCHERS, len(people)))
        ]
        self._liked: dict[tuple[int, int], bool | None] = {}  # None: unanswered, so either may be true
        self._commented: set[str] = set()
        self._writing = False
        self._began_at = self._ended_at = 0.0

    async def write(self) -> None:
        """Everybody writes until told to stop."""
        self._writing, self._began_at = True, time.monotonic()
        await asyncio.gather(*(self._writer(who) for who in range(len(self.people))))
        self._ended_at = time.monotonic()

    def stop_writing(self) -> None:
        """Finish what was begun."""
        self._writing = False

    async def _writer(self, who: int) -> None:
        chance = random.Random(who)
        number = 0
        while self._writing:
            number += 1
            what = chance.randrange(len(self.posts))
            try:
                if chance.random() < 0.05:
                    acknowledged = await self._comment(who, what, number)
                else:
                    acknowledged = await self._like(who, what)
            except httpx.HTTPError:
                acknowledged = False
            self.acknowledged += acknowledged
            self.failed += not acknowledged
            await asyncio.sleep(0.02 if acknowledged else 0.1)

    async def _like(self, who: int, what: int) -> bool:
        like = not self._liked.get((who, what), False)
        self._liked[who, what] = None
        answer = await self.people[who].ask("PUT" if like else "DELETE", f"/posts/{self.posts[what]}/like")
        if answer.status_code == 200:
            self._liked[who, what] = like
        return answer.status_code == 200

    async def _comment(self, who: int, what: int, number: int) -> bool:
        said = {"content": f"{who} says {number}"}
        answer = await self.people[who].ask("POST", f"/posts/{self.posts[what]}/comments", said)
        if answer.status_code == 201:
            self._commented.add(answer.json()["id"])
        return answer.status_code == 201

    async def acknowledges(self, more: int) -> None:
        """Wait until so many more writes were acknowledged."""
        enough = self.acknowledged + more
        await until(lambda: self.acknowledged >= enough, "members can write")

    async def hears(self) -> None:
        """Wait until every watcher was told of new counts, while members write."""
        before = [watcher.folds for watcher in self.watchers]
        await until(
            lambda: all(watcher.folds > folds for watcher, folds in zip(self.watchers, before, strict=True)),
            "watchers hear news",
        )

    async def folds(self, within: float = PATIENCE_S) -> None:
        """Wait until what was written is folded into counts, by whomever, while members write."""
        give_up = time.monotonic() + within
        before = await self.ask_database(CURSOR)
        while await self.ask_database(CURSOR) == before:
            assert time.monotonic() < give_up, f"nothing was folded in {within:.0f} s"
            await asyncio.sleep(0.05)

    async def ask_database(self, sql: str, *args: object) -> list[Any]:
        """Rows, on a connection of our own."""
        connection: Any = await asyncpg.connect(servers_of(self.serving[0])["database_url"])
        try:
            return await connection.fetch(sql, *args)
        finally:
            await connection.close()

    async def comes_true(self) -> Observed:
        """Every acknowledged write is a row, nothing is there twice, and every copy comes to equal the rows."""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            likes = {(str(row["post_id"]), str(row["user_id"])) for row in await self.ask_database(LIKES, self.posts)}
            rows = await self.ask_database(COMMENTS, self.posts)
            truth = {
                post: Post(
                    sum(each[0] == post for each in likes),
                    sum(str(row["target_id"]) == post for row in rows),
                    frozenset(str(row["id"]) for row in rows if str(row["target_id"]) == post),
                )
                for post in self.posts
            }
            copies = [watcher.copy for watcher in self.watchers]
            true = copies == [truth] * len(copies)
            if true or time.monotonic() > give_up:
                break
            await asyncio.sleep(0.05)
        observed = self._observed(likes, rows, true=true)
        report(observed)
        assert copies == [truth] * len(copies)
        assert (observed.lost, observed.duplicated, observed.gaps) == (0, 0, 0)
        return observed

    def _observed(self, likes: set[tuple[str, str]], comments: list[Any], *, true: bool) -> Observed:
        answered = {key: liked for key, liked in self._liked.items() if liked is not None}
        wrong = sum(
            ((self.posts[what], self.people[who].id) in likes) is not liked for (who, what), liked in answered.items()
        )
        twice = len(comments) - len({(row["author_id"], row["content"]) for row in comments})
        return Observed(
            test=os.environ["PYTEST_CURRENT_TEST"].rpartition("::")[2].removesuffix(" (call)"),
            acknowledged=self.acknowledged,
            failed=self.failed,
            lost=wrong + len(self._commented - {str(row["id"]) for row in comments}),
            duplicated=twice + sum(watcher.applied_twice for watcher in self.watchers),
            resets=sum(watcher.contract.seen.resets for watcher in self.watchers),
            gaps=sum(watcher.contract.seen.gaps for watcher in self.watchers),
            silence_s=round(max(self._silence(watcher) for watcher in self.watchers), 2),
            true_after_s=round(max(0.0, self._true_at() - self._ended_at), 2) if true else None,
        )

    def _silence(self, watcher: Watcher) -> float:
        times = [
            self._began_at,
            *(at for at in watcher.heard_at if self._began_at < at < self._ended_at),
            self._ended_at,
        ]
        return max(later - earlier for earlier, later in pairwise(times))

    def _true_at(self) -> float:
        return max(watcher.changed_at for watcher in self.watchers)


CURSOR = "SELECT batch, upto, seq FROM cursors WHERE feature = 'counters'"
LIKES = "SELECT post_id, user_id FROM likes WHERE post_id = ANY($1::uuid[])"
COMMENTS = "SELECT id, target_id, author_id, content FROM comments WHERE target_id = ANY($1::uuid[])"


_known: dict[Path, list[Member]] = {}


@asynccontextmanager
async def people_of(serving: Sequence[Potluck]) -> AsyncGenerator[list[Member]]:
    """The same members for every scene on the same data: to register costs more than to write."""
    data = serving[0].data
    async with members(0 if data in _known else WRITERS, *(each.url for each in serving)) as registered:
        known = _known.setdefault(data, registered)
        async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=64)) as http:
            yield [signed_in(member, http) for member in known]


def signed_in(member: Member, http: httpx.AsyncClient) -> Member:
    """The same member with another client."""
    tokens = {"access_token": member.token, "refresh_token": member.refresh_token}
    return Member(member.url, http, {"user": {"id": member.id, "username": member.name}, **tokens})


@asynccontextmanager
async def scene(*serving: Potluck) -> AsyncGenerator[Scene]:
    """Members with new posts, and watchers whose copies are true."""
    async with people_of(serving) as people:
        posts = [await people[0].do("POST", "/posts", {"content": f"Dish {i}"}) for i in range(POSTS)]
        made = Scene(serving, people, [post["id"] for post in posts])
        try:
            for watcher in made.watchers:
                watcher.start()
            await until(lambda: all(watcher.settled for watcher in made.watchers), "watchers are live")
            yield made
        finally:
            await asyncio.gather(*(watcher.stop() for watcher in made.watchers))


async def while_writing(made: Scene, fault: Callable[[], Any]) -> None:
    """Something happens while everybody writes; afterwards writes are acknowledged and news is heard as before."""
    writing = asyncio.create_task(made.write())
    try:
        await made.acknowledges(BEFORE)
        happened = fault()
        if asyncio.iscoroutine(happened):
            await happened
        await made.acknowledges(AFTER)
        await made.hears()
    finally:
        made.stop_writing()
        await writing


async def until(true: Callable[[], bool], what: str) -> None:
    """Wait for it; AssertionError when it does not come."""
    give_up = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < give_up, f"not within {PATIENCE_S:.0f} s: {what}"
        await asyncio.sleep(0.01)


def servers_of(potluck: Potluck) -> dict[str, str]:
    """Where its servers are."""
    return msgspec.json.decode((potluck.data / "servers.json").read_bytes())


def redis_at(url: str) -> Any:
    """A client of a Redis."""
    connect: Any = vars(redis.Redis)["from_url"].__get__(None, redis.Redis)  # typed by halves
    return connect(url)


def report(observed: Observed) -> None:
    """Add a line to the report, if somebody wants one."""
    if path := os.environ.get("POTLUCK_FAULT_REPORT"):
        with Path(path).open("ab") as lines:
            lines.write(msgspec.json.encode(observed) + b"\n")
