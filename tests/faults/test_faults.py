"""Something is killed, stopped or wiped while members write: nothing acknowledged is lost, and all copies come true."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
import redis

from loadtests.mirror import Mirror
from tests.journeys.community import QUICK, Member, members, two_processes
from tests.journeys.running import ROOT, Potluck, environment

pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.timeout(240)]

WRITERS = 50
POSTS = 4


@pytest.fixture
def both(tmp_path: Path) -> Generator[tuple[Potluck, Potluck]]:
    with two_processes(tmp_path, POTLUCK_HEARTBEAT_S="2", POTLUCK_TAKEOVER_S="1") as processes:
        yield processes


def servers_of(potluck: Potluck) -> dict[str, str]:
    return msgspec.json.decode((potluck.data / "servers.json").read_bytes())


def connected(both: tuple[Potluck, Potluck]) -> Any:
    connect: Any = vars(redis.Redis)["from_url"].__get__(None, redis.Redis)  # typed by halves
    return connect(servers_of(both[0])["redis_url"])


class Scene:
    """Members who like and unlike, what was acknowledged to them, and watchers with a copy of the counts."""

    def __init__(self, both: tuple[Potluck, Potluck], people: list[Member], posts: list[str]) -> None:
        self.both = both
        self.people = people
        self.posts = posts
        self.liked: dict[tuple[int, int], bool | None] = {}  # None: unanswered, so either may be true
        self.acknowledged = 0
        self.failed = 0
        self.copies: list[dict[str, int]] = []
        self.mirrors: list[Mirror] = []
        self._writing = True

    def watch(self, count: int = 6) -> None:
        for i in range(count):
            copy: dict[str, int] = {}
            mirror = Mirror([each.url for each in self.both], self.people[i].token, seed=i)
            for post in self.posts:
                mirror.follow(f"post:{post}", self._fetcher(i, post, copy), self._applier(post, copy))
            mirror.start()
            self.copies.append(copy)
            self.mirrors.append(mirror)

    def _fetcher(self, i: int, post: str, copy: dict[str, int]) -> Callable[[], Any]:
        async def fetch() -> None:
            try:
                answer = await self.people[i].ask("GET", f"/posts/{post}")
            except httpx.HTTPError as trouble:
                raise OSError from trouble
            if answer.status_code != 200:
                raise OSError(answer.status_code)
            copy[post] = answer.json()["counters"]["likes"]

        return fetch

    def _applier(self, post: str, copy: dict[str, int]) -> Callable[[dict[str, Any]], None]:
        def apply(frame: dict[str, Any]) -> None:
            if frame["type"] == "post.counters":
                copy[post] = frame["data"]["likes"]

        return apply

    async def write(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        await asyncio.gather(*(self._writer(who, ends) for who in range(len(self.people))))

    async def _writer(self, who: int, ends: float) -> None:
        chance = random.Random(who)
        while time.monotonic() < ends:
            what = chance.randrange(len(self.posts))
            like = not self.liked.get((who, what), False)
            self.liked[who, what] = None
            try:
                method = "PUT" if like else "DELETE"
                answer = await self.people[who].ask(method, f"/posts/{self.posts[what]}/like")
                acknowledged = answer.status_code == 200
            except httpx.HTTPError:
                acknowledged = False
            if acknowledged:
                self.liked[who, what] = like
            self.acknowledged += acknowledged
            self.failed += not acknowledged
            await asyncio.sleep(0.02 if acknowledged else 0.1)

    async def rows(self) -> set[tuple[str, str]]:
        connection: Any = await asyncpg.connect(servers_of(self.both[0])["database_url"])
        try:
            found = await connection.fetch("SELECT post_id, user_id FROM likes")
            return {(str(row["post_id"]), str(row["user_id"])) for row in found}
        finally:
            await connection.close()

    async def comes_true(self, within: float = 30.0) -> None:
        """Every acknowledged write is a row, every copy equals the rows, and nobody was told of a gap in vain."""
        rows = await self.rows()
        for (who, what), liked in self.liked.items():
            if liked is not None:
                assert ((self.posts[what], self.people[who].id) in rows) is liked
        truth = {post: sum(row[0] == post for row in rows) for post in self.posts}
        give_up = time.monotonic() + within
        while time.monotonic() < give_up and not all(copy == truth for copy in self.copies):
            await asyncio.sleep(0.05)
        assert self.copies == [truth] * len(self.copies)
        assert sum(mirror.gaps for mirror in self.mirrors) == 0


@asynccontextmanager
async def scene(both: tuple[Potluck, Potluck]) -> AsyncGenerator[Scene]:
    async with members(WRITERS, *(each.url for each in both)) as people:
        posts = [await people[0].do("POST", "/posts", {"content": f"Dish {i}"}) for i in range(POSTS)]
        made = Scene(both, people, [post["id"] for post in posts])
        made.watch()
        try:
            yield made
        finally:
            await asyncio.gather(*(mirror.stop() for mirror in made.mirrors))


async def while_writing(made: Scene, fault: Callable[[], Any], seconds: float = 4.0) -> None:
    writing = asyncio.create_task(made.write(seconds))
    await asyncio.sleep(1.0)
    result = fault()
    if asyncio.iscoroutine(result):
        await result
    await writing


async def test_the_relays_leader_is_killed(both: tuple[Potluck, Potluck]) -> None:
    async with scene(both) as made:
        await while_writing(made, lambda: os.kill(both[0].pid_of("server.worker"), signal.SIGKILL))
        await made.comes_true()
        assert sum(mirror.resets for mirror in made.mirrors) == 0
        assert "reset" not in {each for mirror in made.mirrors for each in mirror.outcomes}


async def test_a_server_process_is_killed(both: tuple[Potluck, Potluck]) -> None:
    async with scene(both) as made:
        await while_writing(made, lambda: os.kill(both[0].pid_of("server.process"), signal.SIGKILL))
        await made.comes_true()
        assert "reset" not in {each for mirror in made.mirrors for each in mirror.outcomes}


async def test_redis_is_wiped(both: tuple[Potluck, Potluck]) -> None:
    def wipe() -> None:
        with connected(both) as client:
            client.flushall()

    async with scene(both) as made:
        await while_writing(made, wipe)
        await made.comes_true()
        assert sum(mirror.resets for mirror in made.mirrors) == 0


async def test_redis_is_killed_and_comes_back(both: tuple[Potluck, Potluck]) -> None:
    async with scene(both) as made:
        await while_writing(made, lambda: os.kill(both[0].pid_of("valkey-server"), signal.SIGKILL), seconds=5)
        await made.comes_true()
        assert made.failed == 0


async def test_postgresql_is_killed_and_comes_back(both: tuple[Potluck, Potluck]) -> None:
    async with scene(both) as made:
        await while_writing(made, lambda: os.kill(both[0].pid_of("bin/postgres"), signal.SIGKILL), seconds=6)
        await made.comes_true()
        assert made.acknowledged > 0


async def test_postgresql_is_killed_again_and_again(both: tuple[Potluck, Potluck]) -> None:
    async def kill() -> None:
        for _ in range(3):
            os.kill(both[0].pid_of("bin/postgres"), signal.SIGKILL)
            await asyncio.sleep(2.5)

    async with scene(both) as made:
        await while_writing(made, kill, seconds=9)
        await made.comes_true()


async def test_postgresql_and_redis_are_killed_together(both: tuple[Potluck, Potluck]) -> None:
    def kill() -> None:
        for name in ("valkey-server", "bin/postgres"):
            os.kill(both[0].pid_of(name), signal.SIGKILL)

    async with scene(both) as made:
        await while_writing(made, kill, seconds=6)
        await made.comes_true()


async def test_a_leader_that_stands_still_is_stood_in_for_and_does_no_harm_when_it_goes_on(tmp_path: Path) -> None:
    with two_processes(tmp_path) as processes:
        servers = servers_of(processes[0])
        urls = {"DATABASE_URL": servers["database_url"], "REDIS_URL": servers["redis_url"]}
        waiting = subprocess.Popen(
            [sys.executable, "-m", "server.worker"],
            cwd=ROOT,
            env=environment(**QUICK, **urls),
            stderr=subprocess.DEVNULL,
        )
        leader = processes[0].pid_of("server.worker")
        try:
            async with scene(processes) as made:

                async def stand_still() -> None:
                    os.kill(leader, signal.SIGSTOP)
                    await asyncio.sleep(3.0)
                    before = [dict(copy) for copy in made.copies]
                    await asyncio.sleep(1.0)
                    assert made.copies != before
                    os.kill(leader, signal.SIGCONT)

                await while_writing(made, stand_still, seconds=8)
                await made.comes_true()
                assert sum(mirror.resets for mirror in made.mirrors) == 0
        finally:
            os.kill(leader, signal.SIGCONT)
            waiting.terminate()
            waiting.wait(10)


async def test_redis_is_full_for_a_while_and_counts_are_folded_all_the_same(both: tuple[Potluck, Potluck]) -> None:
    async def fill() -> None:
        with connected(both) as client:
            client.config_set("maxmemory", "1")
            await asyncio.sleep(1.5)
            post = made.posts[0]
            before = (await made.people[0].do("GET", f"/posts/{post}"))["counters"]["likes"]
            await asyncio.sleep(1.0)
            after = (await made.people[0].do("GET", f"/posts/{post}"))["counters"]["likes"]
            client.config_set("maxmemory", "0")
        assert after != before

    async with scene(both) as made:
        await while_writing(made, fill, seconds=5)
        await made.comes_true()
        assert made.failed == 0
        assert sum(mirror.resets for mirror in made.mirrors) == 0


async def test_a_client_that_was_away_for_longer_than_the_window_is_told_to_begin_anew(tmp_path: Path) -> None:
    with two_processes(tmp_path, POTLUCK_REPLAY_WINDOW_S="2", POTLUCK_HEARTBEAT_S="2") as processes:
        async with scene(processes) as made:
            await while_writing(made, lambda: made.mirrors[0].away(4.0), seconds=6)
            await made.comes_true()
            assert made.mirrors[0].outcomes[-1] == "reset"


async def test_a_client_is_cut_off_for_two_seconds(both: tuple[Potluck, Potluck]) -> None:
    async with scene(both) as made:
        await while_writing(made, lambda: made.mirrors[0].away(2.0))
        await made.comes_true()
        assert "reset" not in made.mirrors[0].outcomes
        assert "replayed" in made.mirrors[0].outcomes


async def test_an_open_transaction_elsewhere_stops_no_news(both: tuple[Potluck, Potluck]) -> None:
    url = servers_of(both[0])["database_url"]

    async def hold() -> None:
        elsewhere: Any = await asyncpg.connect(url.replace("/potluck?", "/postgres?"))
        transaction = elsewhere.transaction()
        await transaction.start()
        await elsewhere.execute("CREATE TABLE held (n int)")
        copy, before = made.copies[0], dict(made.copies[0])
        await asyncio.sleep(1.5)
        assert copy != before
        await transaction.rollback()
        await elsewhere.close()

    async with scene(both) as made:
        await while_writing(made, hold)
        await made.comes_true()
