"""Something is killed, stopped or wiped while members write: nothing acknowledged is lost, and all copies come true."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from domain.eventlog import EMIT
from domain.reactions.queries import ADD_LIKE
from loadtests.running import ROOT, Potluck, environment
from realtime.streams import STREAM
from server.embedded import start_valkey
from tests.faults.scene import PATIENCE_S, POSTS, Scene, redis_at, scene, servers_of, while_writing
from tests.journeys.community import QUICK, members, two_processes

pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.timeout(240)]

Two = tuple[Potluck, Potluck]


class Stage:
    """Two processes that tests share as long as none fails: what a failure leaves behind is nobody else's trouble."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._open = ExitStack()
        self._both: Two | None = None

    def both(self) -> Two:
        if self._both is None:
            folder = self._folders.mktemp("faults")
            settings = {"POTLUCK_HEARTBEAT_S": "2", "POTLUCK_TAKEOVER_S": "1"}
            self._both = self._open.enter_context(two_processes(folder, **settings))
        return self._both

    def clear(self) -> None:
        self._both = None
        self._open.close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stage]:
    made = Stage(tmp_path_factory)
    yield made
    made.clear()


@pytest.fixture
def both(stage: Stage, request: pytest.FixtureRequest) -> Generator[Two]:
    failed = request.session.testsfailed
    yield stage.both()
    if request.session.testsfailed > failed:
        stage.clear()


@contextmanager
def serving(data: Path, *arguments: str, **settings: str) -> Generator[Potluck]:
    potluck = Potluck(data, *arguments, **QUICK, **settings)
    try:
        yield potluck
    finally:
        if potluck.process.poll() is None:
            potluck.interrupt()


async def test_what_is_rolled_back_is_seen_by_nobody(both: Two) -> None:
    undone, done = f"undone-{uuid4()}", f"done-{uuid4()}"
    url = servers_of(both[0])["database_url"]

    async with scene(*both) as made, members(1, both[0].url) as (ghost,):
        topic = f"post:{made.posts[0]}"
        news = ("comment.created", [topic], msgspec.json.encode({"marker": undone}).decode(), ghost.id, None)

        def like(post: str, marker: str) -> tuple[str, str, str]:
            liked = {"post_id": post, "user_id": ghost.id, "marker": marker}
            return ghost.id, post, msgspec.json.encode(liked).decode()

        async def write_in_vain(connection: Any) -> None:
            await connection.execute("BEGIN")
            await connection.fetch(ADD_LIKE, *like(made.posts[0], undone))
            await connection.fetch(EMIT, *news)
            await made.folds()  # the relay has cut the log meanwhile
            await connection.execute("ROLLBACK")

        async def write_half_in_vain(connection: Any) -> None:
            await connection.execute("BEGIN")
            await connection.execute("SAVEPOINT half")
            await connection.fetch(EMIT, *news)
            await connection.execute("ROLLBACK TO half")
            await connection.fetch(ADD_LIKE, *like(made.posts[1], done))
            await made.folds()
            await connection.execute("COMMIT")

        async def be_ended(connection: Any) -> None:
            await connection.execute("BEGIN")
            await connection.fetch(EMIT, *news)
            await made.folds()
            await made.ask_database("SELECT pg_terminate_backend($1)", connection.get_server_pid())

        async def unwrite() -> None:
            for write in [*[write_in_vain] * 8, write_half_in_vain, be_ended]:
                connection: Any = await asyncpg.connect(url)
                await write(connection)
                await connection.close()
            await made.people[0].do("POST", f"/posts/{made.posts[0]}/comments", {"content": done})

        await while_writing(made, unwrite)
        await made.comes_true()
        with redis_at(servers_of(both[0])["redis_url"]) as client:
            stream = str(client.xrange(STREAM))
        logged = await made.ask_database("SELECT data FROM events WHERE data::text ~ $1", f"{undone}|{done}")
        told = [str(watcher.sent) for watcher in made.watchers]
        assert [done in each for each in told] == [True] * len(told)
        assert (done in stream, len(logged)) == (True, 2)
        assert [undone in each for each in told] == [False] * len(told)
        assert (undone in stream, undone in str(logged)) == (False, False)


async def test_the_relays_leader_is_killed(both: Two) -> None:
    async with scene(*both) as made:
        await while_writing(made, lambda: os.kill(both[0].pid_of("server.worker"), signal.SIGKILL))
        observed = await made.comes_true()
        assert observed.resets == 0


async def test_a_server_process_is_killed(both: Two) -> None:
    async with scene(*both) as made:
        await while_writing(made, lambda: os.kill(both[0].pid_of("server.process"), signal.SIGKILL))
        observed = await made.comes_true()
        assert observed.resets == 0


async def test_redis_is_wiped(both: Two) -> None:
    def wipe() -> None:
        with redis_at(servers_of(both[0])["redis_url"]) as client:
            client.flushall()

    async with scene(*both) as made:
        await while_writing(made, wipe)
        observed = await made.comes_true()
        assert observed.resets == 0


async def test_redis_is_killed_and_comes_back(both: Two) -> None:
    async with scene(*both) as made:
        await while_writing(made, lambda: os.kill(both[0].pid_of("valkey-server"), signal.SIGKILL))
        observed = await made.comes_true()
        assert (observed.failed, observed.resets) == (0, 0)


async def test_redis_comes_back_without_its_tail(tmp_path: Path) -> None:
    with ExitStack() as stack:
        valkey = stack.enter_context(start_valkey(tmp_path / "redis", durable=False))
        potluck = stack.enter_context(serving(tmp_path / "data", "--workers", "2", REDIS_URL=valkey.url))
        client: Any = stack.enter_context(redis_at(valkey.url))

        async def lose_the_tail() -> None:
            client.set("kept", "1")
            client.save()
            client.set("lost", "1")
            await made.acknowledges(200)
            await made.hears()
            valkey.kill()
            stack.enter_context(start_valkey(tmp_path / "redis", durable=False, port=valkey.port))
            assert (client.exists("kept"), client.exists("lost")) == (1, 0)

        async with scene(potluck) as made:
            await while_writing(made, lose_the_tail)
            observed = await made.comes_true()
            assert (observed.failed, observed.resets) == (0, 0)


async def test_redis_is_full_for_a_while_and_counts_are_folded_all_the_same(both: Two) -> None:
    async def fill() -> None:
        with redis_at(servers_of(both[0])["redis_url"]) as client:
            client.config_set("maxmemory", "1")
            try:
                await made.acknowledges(200)
                await made.folds()
            finally:
                client.config_set("maxmemory", "0")

    async with scene(*both) as made:
        await while_writing(made, fill)
        observed = await made.comes_true()
        assert (observed.failed, observed.resets) == (0, 0)


async def test_postgresql_is_killed_and_comes_back(both: Two) -> None:
    async with scene(*both) as made:
        await while_writing(made, lambda: os.kill(both[0].pid_of("bin/postgres"), signal.SIGKILL))
        observed = await made.comes_true()
        assert observed.resets == 0


async def test_postgresql_is_killed_again_and_again(both: Two) -> None:
    async def kill() -> None:
        for _ in range(3):
            os.kill(both[0].pid_of("bin/postgres"), signal.SIGKILL)
            await made.acknowledges(100)  # more than were on their way

    async with scene(*both) as made:
        await while_writing(made, kill)
        observed = await made.comes_true()
        assert observed.resets == 0


async def test_postgresql_and_redis_are_killed_together(both: Two) -> None:
    def kill() -> None:
        for name in ("valkey-server", "bin/postgres"):
            os.kill(both[0].pid_of(name), signal.SIGKILL)

    async with scene(*both) as made:
        await while_writing(made, kill)
        observed = await made.comes_true()
        assert observed.resets == 0


async def test_everything_is_killed_at_once_and_started_again(tmp_path: Path) -> None:
    arguments = ("--port", str(free_port()), "--workers", "2")
    with ExitStack() as stack:
        first = stack.enter_context(serving(tmp_path / "data", *arguments))

        async def kill() -> None:
            for pid in first.family():
                with contextlib.suppress(ProcessLookupError):  # it ended with its parent
                    os.kill(pid, signal.SIGKILL)
            first.end()
            again = await asyncio.to_thread(stack.enter_context, serving(tmp_path / "data", *arguments))
            assert again.url == first.url

        async with scene(first) as made:
            await while_writing(made, kill)
            observed = await made.comes_true()
            assert observed.failed > 0
            assert observed.resets == 0


def free_port() -> int:
    """Below those that the system hands out: a client of a dead server there can connect to itself."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def another_worker(both: Two) -> Generator[None]:
    """Ready to stand in."""
    ready, theirs = os.pipe()
    servers = servers_of(both[0])
    urls = {"DATABASE_URL": servers["database_url"], "REDIS_URL": servers["redis_url"]}
    worker = subprocess.Popen(
        [sys.executable, "-m", "server.worker"],
        cwd=ROOT,
        env=environment(**QUICK, **urls, POTLUCK_TAKEOVER_S="1", POTLUCK_READY_FD=str(theirs)),
        stderr=subprocess.DEVNULL,
        pass_fds=[theirs],
    )
    os.close(theirs)
    try:
        assert os.read(ready, 1) == b"1"
        yield
    finally:
        os.close(ready)
        worker.terminate()
        worker.wait(30)


STATES = "SELECT client_port, state, backend_xid IS NOT NULL AS wrote FROM pg_stat_activity WHERE client_port > 0"


async def stop(made: Scene, leader: int) -> bool:
    """Stop it; whether that was in the middle of a transaction that has written, and holds what it locked."""
    os.kill(leader, signal.SIGSTOP)
    while True:
        rows = [row for row in await made.ask_database(STATES) if row["client_port"] in ports_of(leader)]
        if not any(row["state"] == "active" for row in rows):
            return any(row["state"] == "idle in transaction" and row["wrote"] for row in rows)


def ports_of(pid: int) -> set[int]:
    """The local ports of a process's TCP sockets."""
    sockets: set[str] = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets.add(str(descriptor.readlink()))
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return {int(each[1].rpartition(":")[2], 16) for each in fields if f"socket:[{each[9]}]" in sockets}


async def test_a_leader_that_stands_still_is_stood_in_for_and_does_no_harm_when_it_goes_on(both: Two) -> None:
    leader = both[0].pid_of("server.worker")

    async def stand_still() -> None:
        try:
            await stop(made, leader)
            await made.folds()
            await made.hears()
        finally:
            os.kill(leader, signal.SIGCONT)

    with another_worker(both):
        async with scene(*both) as made:
            await while_writing(made, stand_still)
            observed = await made.comes_true()
            assert observed.resets == 0


async def test_a_leader_that_stands_still_in_a_transaction_is_stood_in_for_all_the_same(both: Two) -> None:
    leader = both[0].pid_of("server.worker")
    chance = random.Random(20261121)

    async def stand_still() -> None:
        give_up = time.monotonic() + PATIENCE_S
        try:
            while not await stop(made, leader):
                assert time.monotonic() < give_up, "it was never in a transaction"
                os.kill(leader, signal.SIGCONT)
                await asyncio.sleep(chance.uniform(0, 0.05))
            await made.folds(within=15)
            await made.hears()
        finally:
            os.kill(leader, signal.SIGCONT)

    with another_worker(both):
        async with scene(*both) as made:
            await while_writing(made, stand_still)
            observed = await made.comes_true()
            assert observed.resets == 0


async def test_a_client_that_was_away_for_longer_than_the_window_is_told_to_begin_anew(tmp_path: Path) -> None:
    settings = {"POTLUCK_REPLAY_WINDOW_S": "2", "POTLUCK_HEARTBEAT_S": "2"}
    with serving(tmp_path / "data", **settings) as potluck:
        async with scene(potluck) as made:
            away = made.watchers[0]
            await while_writing(made, lambda: away.away(3.0))
            await made.comes_true()
            assert away.outcomes[POSTS : 2 * POSTS] == ["reset"] * POSTS


async def test_a_client_is_cut_off_for_two_seconds(both: Two) -> None:
    async with scene(*both) as made:
        away = made.watchers[0]
        await while_writing(made, lambda: away.away(2.0))
        observed = await made.comes_true()
        assert away.outcomes[POSTS : 2 * POSTS] == ["replayed"] * POSTS
        assert observed.resets == 0


async def test_a_transaction_that_stays_open_in_another_database_stops_no_news(both: Two) -> None:
    url = servers_of(both[0])["database_url"].replace("/potluck?", "/postgres?")

    async def hold() -> None:
        elsewhere: Any = await asyncpg.connect(url)
        await elsewhere.execute("BEGIN")
        await elsewhere.execute("SELECT pg_current_xact_id()")
        ends = time.monotonic() + 10
        while time.monotonic() < ends:
            await made.hears()
            await asyncio.sleep(0.5)
        await elsewhere.execute("ROLLBACK")
        await elsewhere.close()

    async with scene(*both) as made:
        await while_writing(made, hold)
        observed = await made.comes_true()
        assert observed.resets == 0
