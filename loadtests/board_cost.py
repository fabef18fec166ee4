"""What boards cost, as one line of JSON: `.venv/bin/python -m loadtests.board_cost`, a minute and a half.

A board of 10,000 dishes and one of a million, ms at the median: `fold` is a changed ranking of a dish in the middle,
with all that hangs on it (the boards of its restaurant and of the week, windows, news), in a transaction with its
commit; `page`, `deep` and `around` are reads, the latter two of the middle; `counted` is `around` without Redis.
`copy_s` is how long it takes until the copy in Redis is made from nothing, beside whoever asks. When the prior moves,
`part` is what a transaction takes that gives other scores to the next 5,000. `ratios` are those of a million to 10,000.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
import uvloop
from redis.asyncio import Redis

from domain import db, positions
from domain.accounts.rules import Viewer
from domain.eventlog import Logged
from domain.ids import DishID, SessionID, UserID
from domain.leaderboards.actions import rescore_part
from domain.leaderboards.queries import Behind, read_around, read_board
from domain.positions import Seated, State, ahead_of
from domain.rankings.actions import NewRanking, rank_dish
from domain.standings.actions import fold
from loadtests import crowd
from server.embedded import start_postgres, start_valkey
from server.migrate import migrate

SIZES: Final = {"10k": 10_000, "1M": 1_000_000}
ROUNDS: Final = 40
PARTS: Final = 40

ADD_PLACES = """
WITH city AS (INSERT INTO cities (slug, key, country, name) VALUES ($1, $1, '', $1)),
place AS (
    INSERT INTO restaurants (id, name, search_name, city, city_key, state_key, country_key, city_slug, cuisine_type,
        created_at, updated_at)
    VALUES (gen_random_uuid(), 'Here', 'here', $1, $1, '', '', $1, '{thai}', now(), now()) RETURNING id
)
INSERT INTO dishes (id, restaurant_id, name, dish_type, created_at, updated_at)
SELECT gen_random_uuid(), place.id, 'Pizza ' || i, 'pizza', now(), now() FROM place, generate_series(1, 5) i
RETURNING id
"""
ADD_BOARD = """
INSERT INTO leaderboards (name, kind, city, about, season, version, size, weight, points, prior, seq)
VALUES ('dishes:' || $1::text || ':pizza', 'dishes', $1, 'pizza', 0, 1, $2, $2 * 10, $2 * 30, 3, $2) RETURNING id
"""
# Scores all over, in no order, with many ties.
ADD_ENTRIES = """
INSERT INTO leaderboard_entries (board_id, entity_id, name, weight, points, ratings, score, reached_at, seq)
SELECT $1, gen_random_uuid(), 'Pizza', 10, p, 10, board_score(3, 10, p),
    timestamptz '2026-01-01' + i * interval '1 second', i
FROM (SELECT i, 10 + abs(hashint8(i)) % 4001 / 100.0 AS p FROM generate_series(1, $2::bigint) i) made
"""
MIDDLE = """
SELECT entity_id, score, reached_at FROM leaderboard_entries WHERE board_id = $1 AND score IS NOT NULL
ORDER BY -score, reached_at, entity_id OFFSET $2 LIMIT 1
"""
INDEXES = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index
WHERE indrelid = 'leaderboard_entries'::regclass AND NOT indisprimary
"""
ANOTHER_PRIOR = "UPDATE leaderboards SET former = prior, prior = prior + 0.03, rescoring = seq WHERE id = $1"
READ = "SELECT id, copy_id, seq, size FROM leaderboards WHERE id = $1"
NEWS = """
SELECT seq, type, topics, data::text AS data, actor, audience, at FROM events WHERE type = 'ranking.changed'
ORDER BY seq DESC LIMIT 1
"""


async def timed(act: Callable[[], Awaitable[object]], rounds: int = ROUNDS) -> float:
    """The median, ms."""
    taken: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        await act()
        taken.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(taken), 3)


async def folds(viewer: Viewer, dishes: list[DishID]) -> float:
    """Change a ranking and have only the fold of it timed, ms."""
    taken: list[float] = []
    for number in range(ROUNDS):
        await rank_dish(viewer, dishes[number % len(dishes)], NewRanking(rank=1 + number % 3, notes=str(number)))
        row = await db.fetchrow(NEWS)
        assert row is not None
        began = time.perf_counter()
        async with db.transaction():
            await fold([Logged(*row.values())])
        taken.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(taken[5:]), 3)


async def copied(board_id: int, middle: Seated) -> float:
    """Have the copy made, s."""
    began = time.perf_counter()
    while True:
        row = await db.fetchrow(READ, board_id)
        assert row is not None
        if await ahead_of(State(*row.values()), [middle]) is not None:
            return round(time.perf_counter() - began, 2)
        await asyncio.sleep(0.05)


async def rescored(board_id: int) -> dict[str, float]:
    """Another prior, as the worker has it go through a board, or the first parts of it."""
    await db.execute(ANOTHER_PRIOR, board_id)
    taken: list[float] = []
    for _ in range(PARTS):
        began = time.perf_counter()
        if not await rescore_part():
            break
        taken.append((time.perf_counter() - began) * 1000)
    return {"part": round(statistics.median(taken), 1), "longest_part": round(max(taken), 1)}


async def fill(watch: asyncpg.Connection, city: str, size: int) -> int:
    """A board of so many; its id. Nobody limits how long that takes on a connection of its own."""
    board_id = await watch.fetchval(ADD_BOARD, city, size)
    indexes = await watch.fetch(INDEXES)
    await watch.execute(f"DROP INDEX {', '.join(row['name'] for row in indexes)}")
    await watch.execute(ADD_ENTRIES, board_id, size)
    for row in indexes:
        await watch.execute(row["definition"])
    await watch.execute("SELECT setval('leaderboard_changes', 10000000)")
    await watch.execute("VACUUM ANALYZE leaderboard_entries")
    await watch.execute("CHECKPOINT")
    return board_id


async def measure_board(watch: asyncpg.Connection, viewer: Viewer, city: str, size: int) -> dict[str, float]:
    """One board."""
    dishes = [row["id"] for row in await db.fetch(ADD_PLACES, city)]
    board_id = await fill(watch, city, size)
    row = await db.fetchrow(MIDDLE, board_id, size // 2)
    assert row is not None
    entity_id, behind = UUID(str(row["entity_id"])), Behind(row["score"], row["reached_at"], row["entity_id"])
    name = f"dishes:{city}:pizza"
    fold_ms = await folds(viewer, dishes)
    found: dict[str, float] = {"fold": fold_ms}
    found["copy_s"] = await copied(board_id, Seated(row["score"], row["reached_at"], entity_id))
    found["page"] = await timed(lambda: read_board(viewer, name, None, 20, "all"))
    found["deep"] = await timed(lambda: read_board(viewer, name, behind, 20, "all"))
    found["around"] = await timed(lambda: read_around(viewer, name, entity_id, 11))
    client, positions._Redis.client = positions._Redis.client, None  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    found["counted"] = await timed(lambda: read_around(viewer, name, entity_id, 11), 5)
    positions.use(client)
    return found | await rescored(board_id)


async def measure(url: str, redis_url: str) -> dict[str, dict[str, float]]:
    """Everything, in an empty database."""
    await migrate(url)
    await db.open_pool(url, worker=True)
    watch: asyncpg.Connection = await asyncpg.connect(url)
    client = Redis.from_url(redis_url)  # pyright: ignore[reportUnknownMemberType] - known by halves
    positions.use(client)
    try:
        await db.execute(crowd.ADD_MEMBERS, crowd.MEMBER_ID, crowd.FIRST, 10)
        viewer = Viewer(UserID(UUID(crowd.member(1))), SessionID(UUID(int=1)), "user", 0)
        found = {label: await measure_board(watch, viewer, f"city-{size}", size) for label, size in SIZES.items()}
        small, large = found["10k"], found["1M"]
        ratios = {each: round(large[each] / small[each], 2) for each in ("fold", "page", "deep", "around", "counted")}
        return {"ratios": ratios} | found
    finally:
        positions.use(None)
        await client.aclose()
        await watch.close()
        await db.close_pool()


def main() -> None:
    """Start PostgreSQL and Valkey as shipped, measure, print, end them."""
    with tempfile.TemporaryDirectory(prefix="potluck-board-cost-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # root's PostgreSQL runs as somebody else
        with start_postgres(Path(folder)) as postgres, start_valkey(Path(folder), durable=False) as valkey:
            figures = uvloop.run(measure(postgres.url, valkey.url))
    print(msgspec.json.encode(figures).decode())


if __name__ == "__main__":
    main()
