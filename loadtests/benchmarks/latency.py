"""From commit to frame, in ms.

`events` are edits of followed posts, `state` the counters of followed posts after likes; each at 50 a second and at
half of what the server takes flat out. Sockets listen on the process that serves HTTP and on a second one.
`from_at` counts from when the event's row was written, which is before its commit, and so a little too much;
`from_answer` from the arrival of the HTTP answer, and so a little too little.
"""

import asyncio
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import msgspec

from loadtests import crowd, listeners
from loadtests.client import Client, only
from loadtests.http import Connection, connect, flat_out, percentiles_ms, request
from loadtests.measured.asked import Asked
from loadtests.running import Potluck

CONNECTIONS = 16
STEADY = 50
SECONDS = 5.0
FLAT_OUT_S = 2.0
POSTS = 1_000
MEMBERS = 1_999  # no common divisor with POSTS: see crowd
TOPICS_A_SOCKET = 200
TARGETS_MS = {"events": {"p50": 10, "p99": 50}, "state": {"p50": 25, "p99": 100}}

LIKED_AT = """
SELECT actor::text AS actor, data->>'post_id' AS post_id, extract(epoch FROM at)::float8 AS at
FROM events WHERE type = 'post.liked'
"""


class Change(NamedTuple):
    """An edit or a like to be, and how its frame is recognised."""

    mark: str
    by: str
    request: bytes


class Listener:
    """Sockets on one process; for every mark, when its frame was here and what `at` it bore."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[float, str]] = {}
        self._likes: dict[str, int] = {}
        self._clients: list[Client] = []

    async def open(self, url: str, token: str) -> None:
        """Follow all posts."""
        for begin in range(0, POSTS, TOPICS_A_SOCKET):
            client = Client([url], only(token))
            for number in range(begin, begin + TOPICS_A_SOCKET):
                client.add(listeners.Listener(f"post:{crowd.post(number)}", self._hear))
            client.start()
            self._clients.append(client)
            await client.until(lambda client=client: client.settled)

    async def close(self) -> None:
        """Hang up."""
        await asyncio.gather(*(client.stop() for client in self._clients))

    def _hear(self, frame: dict[str, Any]) -> None:
        heard, topic, data = (time.time(), frame["at"]), frame["topic"], frame["data"]
        if frame["type"] == "post.edited":
            self.seen[data["content"]] = heard
        elif frame["type"] == "post.counters":  # absolute: it tells of every like up to this number
            known = self._likes.get(topic, 0)
            self._likes[topic] = data["likes"]
            for number in range(known + 1, data["likes"] + 1):
                self.seen[f"{topic} {number}"] = heard


def edits(tokens: Sequence[str]) -> Iterator[Change]:
    """Edits without end, by the authors, from post to post."""
    for k in itertools.count():
        number, mark = k % POSTS, f"edit {k}"
        path = f"/posts/{crowd.post(number)}"
        yield Change(mark, crowd.member(number), request("PATCH", path, tokens[number], {"content": mark}))


def likes(tokens: Sequence[str]) -> Iterator[Change]:
    """Likes without end, from post to post."""
    for k in itertools.count():
        post, by = crowd.post(k % POSTS), k % MEMBERS
        mark = f"post:{post} {k // POSTS + 1}"
        yield Change(mark, crowd.member(by), request("PUT", f"/posts/{post}/like", tokens[by]))


async def steadily(
    connections: Sequence[Connection], changes: Iterator[Change], rate: float, seconds: float
) -> "Steady":
    """So many a second, whether or not those before have been answered."""
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)
    answered: dict[str, float] = {}
    took_s: list[float] = []
    made = list(itertools.islice(changes, max(1, int(rate * seconds))))

    async def send(change: Change, connection: Connection) -> None:
        asked = time.time()
        await connection.ask(change.request)
        answered[change.mark] = time.time()
        took_s.append(answered[change.mark] - asked)
        free.put_nowait(connection)

    begun, client = time.monotonic(), time.process_time()
    async with asyncio.TaskGroup() as sending:
        for i, change in enumerate(made):
            await asyncio.sleep(max(0.0, begun + i / rate - time.monotonic()))
            sending.create_task(send(change, await free.get()))
    took = time.monotonic() - begun
    return Steady(made, answered, took_s, len(made) / took, (time.process_time() - client) / took)


class Steady(NamedTuple):
    """What was changed, and when that was answered."""

    changes: Sequence[Change]
    answered: dict[str, float]
    took_s: Sequence[float]
    rate: float
    client_cpu: float


def wait_for(listeners: Sequence[Listener], marks: Sequence[str]) -> Callable[[], bool]:
    """Whether all frames are there."""
    return lambda: all(mark in listener.seen for listener in listeners for mark in marks)


async def until(done: Callable[[], bool]) -> None:
    """Wait ten seconds at most; what is missing then counts as lost."""
    give_up = time.monotonic() + 10
    while not done() and time.monotonic() < give_up:
        await asyncio.sleep(0.05)


class Bench:
    """Two processes, their listeners, and the connections that change things."""

    def __init__(self, database: asyncpg.Connection, connections: Sequence[Connection], seconds: float) -> None:
        self.listeners = {"same_process": Listener(), "second_process": Listener()}
        self._database = database
        self._connections = connections
        self._seconds = seconds

    async def measure(self, changes: Iterator[Change]) -> dict[str, Any]:
        """One kind of changes: flat out, then at both rates."""
        sent: list[str] = []
        burst = await flat_out(self._connections, _told(changes, sent), min(FLAT_OUT_S, self._seconds))
        await until(wait_for(list(self.listeners.values()), sent))
        figures: dict[str, Any] = {"flat_out_per_s": round(burst.rate)}
        for name, rate in (("half", burst.rate / 2), ("steady", STEADY)):
            steady = await steadily(self._connections, changes, rate, self._seconds)
            await until(wait_for(list(self.listeners.values()), [change.mark for change in steady.changes]))
            figures[name] = await self._figures(steady)
        return figures

    async def _figures(self, steady: Steady) -> dict[str, Any]:
        liked = {(row["actor"], row["post_id"]): float(row["at"]) for row in await self._database.fetch(LIKED_AT)}
        answer_ms = percentiles_ms(steady.took_s)
        figures: dict[str, Any] = {"per_s": round(steady.rate), "answer_ms": answer_ms}
        for name, listener in self.listeners.items():
            heard = [(change, *listener.seen[change.mark]) for change in steady.changes if change.mark in listener.seen]
            topics = {change.mark: change.mark.removeprefix("post:").partition(" ")[0] for change, _, _ in heard}
            from_at = [
                arrived - liked.get((change.by, topics[change.mark]), datetime.fromisoformat(at).timestamp())
                for change, arrived, at in heard
            ]
            from_answer = [arrived - steady.answered[change.mark] for change, arrived, _ in heard]
            figures[name] = {
                "from_at_ms": percentiles_ms(from_at),
                "from_answer_ms": percentiles_ms(from_answer),
                "lost": len(steady.changes) - len(heard),
            }
        return {**figures, "client_cpu": round(steady.client_cpu, 3)}


def _told(changes: Iterator[Change], marks: list[str]) -> Iterator[bytes]:
    for change in changes:
        marks.append(change.mark)
        yield change.request


async def _measure(first: Potluck, second: Potluck, seconds: float) -> dict[str, Any]:
    database = await crowd.gather(first.database_url(), members=MEMBERS, posts=POSTS)
    signed = crowd.Tokens(crowd.jwt_keys(first.data))
    tokens = [signed.of(number) for number in range(MEMBERS)]
    connections = await connect(first.url, CONNECTIONS)
    bench = Bench(database, connections, seconds)
    for listener, potluck in zip(bench.listeners.values(), (first, second), strict=True):
        await listener.open(potluck.url, tokens[0])
    found = {"events": await bench.measure(edits(tokens)), "state": await bench.measure(likes(tokens))}
    for listener in bench.listeners.values():
        await listener.close()
    for connection in connections:
        connection.close()
    await database.close()
    return {"ratios": _ratios(found), "lost": _lost(found), **found}


def _lost(found: dict[str, Any]) -> int:
    runs = [found[kind][rate] for kind in TARGETS_MS for rate in ("half", "steady")]
    return sum(run[process]["lost"] for run in runs for process in ("same_process", "second_process"))


def _ratios(found: dict[str, Any]) -> dict[str, Any]:
    """At half of saturation, on the second process: how much of its target each takes, and of an answer's time."""
    of_target: dict[str, Any] = {}
    of_answer: dict[str, Any] = {}
    for kind, targets in TARGETS_MS.items():
        half = found[kind]["half"]
        took = half["second_process"]["from_at_ms"]
        of_target[kind] = {name: round(took[name] / target, 2) for name, target in targets.items()}
        of_answer[kind] = {name: round(took[name] / half["answer_ms"][name], 2) for name in targets}
    return {"half_rate_per_target": of_target, "half_rate_per_answer": of_answer}


async def measure(asked: Asked) -> dict[str, Any]:
    """On two processes; there is no peer that does this."""
    with tempfile.TemporaryDirectory(prefix="potluck-latency-") as folder, ExitStack() as running:
        first = Potluck(Path(folder) / "first", POTLUCK_RATE_LIMITS="off")
        running.callback(first.interrupt)
        servers = msgspec.json.decode((first.data / "servers.json").read_bytes())
        urls = {"DATABASE_URL": servers["database_url"], "REDIS_URL": servers["redis_url"]}
        keys = crowd.jwt_keys(first.data)
        second = Potluck(
            Path(folder) / "second", "--no-worker", POTLUCK_RATE_LIMITS="off", POTLUCK_JWT_KEYS=keys, **urls
        )
        running.callback(second.interrupt)
        return await _measure(first, second, asked.seconds or SECONDS)
