"""Likes a second over HTTP, beside the same with FastAPI and SQLAlchemy, and beside pgbench on the same statement.

All on one PostgreSQL, in turns, flat out from 16 connections; each like is a PUT with a token. Three kinds of ours:
`spread` over posts and members whose tokens no process remembers, `hot` the same with one post, and `known` spread
likes of members whose tokens it does. FastAPI gets the likes of `spread` and tells nobody of them. pgbench runs while
the worker relays and folds, as it does for HTTP.
"""

import asyncio
import re
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec

from domain.reactions.queries import ADD_LIKE
from loadtests import crowd
from loadtests.http import Connection, connect, flat_out, percentiles_ms, request
from loadtests.measured.asked import Asked
from loadtests.measured.ours import Ours, serving
from loadtests.measured.sockets import free_port
from loadtests.peers import install
from loadtests.peers.install import Missing
from loadtests.peers.running import started
from loadtests.usage import Usage, cpu_s
from server.binaries import postgres_programs

CONNECTIONS = 16
ROUNDS = 2
SECONDS = 3.0
CAUGHT_UP_S = 15.0
AT_MOST = 6_000
"""Likes a second that are made ready."""
KNOWN = 1_999
HOT = crowd.POSTS
FIRST_PAIRS = {"spread": 0, "hot": 0, "known": 10_000_000, "pgbench": 20_000_000, "fastapi": 0}
"""Where each begins to count, so that none likes what another has liked."""

SCRIPT = rf"""
\if :ready = 0
PREPARE add_like (uuid, uuid, json) AS {ADD_LIKE};
\set ready 1
\endif
\set n :n + 1
\set k :n * {CONNECTIONS} + :client_id
\set member {crowd.FIRST} + :k % {crowd.MEMBERS}
\set post {crowd.FIRST} + :k % {crowd.POSTS}
EXECUTE add_like ('{crowd.MEMBER_ID}:member', '{crowd.POST_ID}:post',
    '{{"post_id":"{crowd.POST_ID}:post","user_id":"{crowd.MEMBER_ID}:member"}}');
"""

# A batch's number is its time in ms, so the batch that told of an event is looked for from there on.
RELAY_LAG = """
SELECT extract(epoch FROM told.at - e.at)::float8 AS lag
FROM (SELECT xid, at FROM events WHERE type = 'post.liked' ORDER BY md5(seq::text) LIMIT 2000) e
CROSS JOIN LATERAL (
    SELECT at FROM batches WHERE batch >= floor(extract(epoch FROM e.at) * 1000)
        AND pg_visible_in_snapshot(e.xid, snapshot) ORDER BY batch LIMIT 1
) told
"""
PEER_TABLES = """
CREATE TABLE posts (id uuid PRIMARY KEY, likes int NOT NULL);
CREATE TABLE likes (post_id uuid REFERENCES posts, user_id uuid, PRIMARY KEY (post_id, user_id));
"""
ADD_PEER_POSTS = "INSERT INTO posts SELECT ($1 || ($2::bigint + n))::uuid, 0 FROM generate_series(0, $3::bigint - 1) n"
WRONG_COUNTS = """
SELECT count(*) FROM (SELECT post_id, count(*) AS likes FROM likes GROUP BY post_id) l
FULL JOIN post_counts c USING (post_id) WHERE l.likes IS DISTINCT FROM c.likes
"""


class Sum(msgspec.Struct):
    """All turns of one kind of likes."""

    seconds: float = 0
    client_s: float = 0
    used: list[Usage] = []
    took_s: list[float] = []

    @property
    def rate(self) -> float:
        return len(self.took_s) / self.seconds

    def figures(self) -> dict[str, object]:
        """For the report."""
        used = Usage(*(sum(part) for part in zip(*map(msgspec.structs.astuple, self.used), strict=True)))
        return {
            "likes_per_s": round(self.rate),
            "ms": percentiles_ms(self.took_s),
            "cpu_ms_per_like": used.ms_each(len(self.took_s)),
            "client_cpu": round(self.client_s / self.seconds, 3),
        }


def requests(kind: str, tokens: crowd.Tokens, turn: int, seconds: float) -> Iterator[bytes]:
    """Enough likes for a turn, made before they are needed, none of them twice."""
    number = int(AT_MOST * seconds)
    if kind == "hot":
        number = min(number, crowd.MEMBERS // ROUNDS)
    first = FIRST_PAIRS[kind] + turn * number
    members = KNOWN if kind == "known" else crowd.MEMBERS
    token = {number: tokens.of(number) for number in {k % members for k in range(first, first + number)}}
    posts = (HOT if kind == "hot" else k % crowd.POSTS for k in range(first, first + number))
    paths = (f"/posts/{crowd.post(post)}/like" for post in posts)
    made = [request("PUT", path, token[(first + i) % members]) for i, path in enumerate(paths)]
    return iter(made)


def pgbench(database_url: str, script: Path, turn: int, seconds: float) -> float:
    """Likes a second with nothing between the client and PostgreSQL."""
    first = FIRST_PAIRS["pgbench"] // CONNECTIONS + turn * 1_000_000
    options = [
        f"--client={CONNECTIONS}",
        f"--time={max(seconds, 1):.0f}",
        f"--file={script}",
        "--no-vacuum",
        "--jobs=1",
    ]
    variables = ["--define=ready=0", f"--define=n={first}"]
    command = [postgres_programs(None)[0] / "pgbench", *options, *variables, database_url]
    said = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 20, check=True).stdout  # noqa: S603 - our own command
    found = re.search(r"tps = ([\d.]+)", said)
    if found is None or "number of failed transactions: 0 " not in said:
        raise RuntimeError(said)
    return float(found[1])


async def catch_up(database: asyncpg.Connection) -> float | None:
    """Seconds until the folded counts equal the rows; None when they never do."""
    started = time.monotonic()
    while time.monotonic() < started + CAUGHT_UP_S:
        if await database.fetchval(WRONG_COUNTS) == 0:
            return round(time.monotonic() - started, 3)
        await asyncio.sleep(0.02)
    return None


class Turns:
    """Whoever takes turns: the connections to it, and what came of all its turns."""

    def __init__(self, connections: Sequence[Connection], used: Callable[[], Usage]) -> None:
        self.connections = connections
        self.used = used
        self.sums: dict[str, Sum] = {}

    async def take(self, kind: str, likes: Iterator[bytes], seconds: float) -> None:
        """One turn of one kind."""
        total, before = self.sums.setdefault(kind, Sum()), self.used()
        burst = await flat_out(self.connections, likes, seconds)
        total.used.append(self.used() - before)
        total.seconds += burst.seconds
        total.client_s += burst.client_s
        total.took_s += burst.took_s


@asynccontextmanager
async def fastapi(ours: Ours) -> AsyncGenerator[Turns]:
    """The peer, on a database of its own in our PostgreSQL. Raises Missing."""
    await ours.database.execute("CREATE DATABASE peer")
    url = urlsplit(ours.potluck.database_url())._replace(path="/peer", query="ssl=disable").geturl()
    posts: asyncpg.Connection = await asyncpg.connect(url.replace("?ssl=", "?sslmode="))
    await posts.execute(PEER_TABLES)
    await posts.execute(ADD_PEER_POSTS, crowd.POST_ID, crowd.FIRST, crowd.POSTS + 1)
    await posts.close()
    port, (_, _, key) = free_port(), crowd.jwt_keys(ours.potluck.data).partition(",")[0].partition(":")
    command = [install.python(), install.SERVERS / "like_server.py", str(port), url, key]
    with started("fastapi", command, install.SERVERS, port) as process:
        connections = await connect(f"http://127.0.0.1:{port}", CONNECTIONS)
        yield Turns(connections, lambda: Usage(server=cpu_s([process]), postgres=ours.used().postgres))
        for connection in connections:
            connection.close()


async def measure(asked: Asked) -> dict[str, Any]:
    """All turns of everything."""
    seconds = asked.seconds or SECONDS
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(serving(members=crowd.MEMBERS, posts=crowd.POSTS + 1))
        script = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="potluck-like-"))) / "add_like.sql"
        script.write_text(SCRIPT)
        http = Turns(await connect(ours.potluck.url, CONNECTIONS), ours.used)
        missing: dict[str, Any] = {}
        peer: Turns | None = None
        if asked.peers:
            try:
                peer = await stack.enter_async_context(fastapi(ours))
            except Missing as why:
                missing = {"fastapi": None, "fastapi_missing": str(why)}
        found = await _turns(ours, http, peer, script, seconds)
        for connection in http.connections:
            connection.close()
    return {**found, **missing}


async def _turns(ours: Ours, http: Turns, peer: Turns | None, script: Path, seconds: float) -> dict[str, Any]:
    url, database, tokens = ours.potluck.database_url(), ours.database, ours.tokens
    warm = islice(requests("known", tokens, ROUNDS, seconds), 2000)
    await flat_out(http.connections, warm, 1)  # caches, plans, a steady relay
    anchors: list[float] = []
    late: list[float | None] = []
    for turn in range(ROUNDS):
        anchors.append(await asyncio.to_thread(pgbench, url, script, turn, seconds))
        late.append(await catch_up(database))
        for kind in ("spread", "hot", "known"):
            await http.take(kind, requests(kind, tokens, turn, seconds), seconds)
            late.append(await catch_up(database))
        if peer is not None:
            await peer.take("fastapi", requests("fastapi", tokens, turn, seconds), seconds)
    lag = [float(row["lag"]) for row in await database.fetch(RELAY_LAG)]
    rows = await database.fetchval("SELECT count(*) FROM likes")
    sums = {**http.sums, **(peer.sums if peer is not None else {})}
    anchor, spread = sum(anchors) / ROUNDS, sums["spread"].rate
    ratios = {"spread_by_fastapi": round(spread / sums["fastapi"].rate, 2)} if peer is not None else {}
    ratios |= {
        "spread_by_pgbench": round(spread / anchor, 3),
        "known_by_pgbench": round(sums["known"].rate / anchor, 3),
        "hot_by_spread": round(sums["hot"].rate / spread, 3),
    }
    return {
        "ratios": ratios,
        "counters_equal_rows": None not in late,
        "relay_lag_ms": percentiles_ms(lag),
        "fold_caught_up_s": late,
        "pgbench_per_s": [round(each) for each in anchors],
        "rows": rows,
        **{kind: total.figures() for kind, total in sums.items()},
    }
