"""A board of 20,000 beside one of 200, and very many that are small: what is read and written is found by index, and
costs the same however large the board is."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from domain import positions
from domain.leaderboards import actions
from domain.leaderboards.queries import (
    READ_AROUND,
    READ_FIRST,
    READ_FOLLOWING,
    READ_NEXT,
    WINDOWS,
)
from domain.leaderboards.rules import WINDOW
from domain.standings.actions import OLD
from loadtests.notifications import Read, explain
from tests.conftest import make_database

pytestmark = pytest.mark.xdist_group("plans")

SIZES = {1: 200, 2: 20_000, 3: 500}
FILL = """
SET session_replication_role = replica;
CREATE FUNCTION pg_temp.person(n bigint) RETURNS uuid LANGUAGE sql STABLE
RETURN ('00000000-0000-7000-9000-' || lpad((n % 2000)::text, 12, '0'))::uuid;
INSERT INTO leaderboards (name, kind, city, about, season, version, size, weight, points, prior, seq)
SELECT 'dishes:city-' || i || ':pizza', 'dishes', 'city-' || i, 'pizza', 0, 1, size, 0, 0, 3, 200000
FROM (
    SELECT i, CASE i WHEN 1 THEN 200 WHEN 2 THEN 20000 WHEN 3 THEN 500 ELSE 30 END AS size
    FROM generate_series(1, 3000) i
) made;
INSERT INTO leaderboard_entries (board_id, entity_id, name, weight, points, ratings, score, reached_at, seq)
SELECT b.id, ('00000000-0000-7000-8000-' || lpad((b.id * 100000 + i)::text, 12, '0'))::uuid, 'Pizza', 10, p, 10,
    board_score(3, 10, p), timestamptz '2026-01-01' + i * interval '1 second', row_number() OVER (ORDER BY i, b.id)
FROM leaderboards b, LATERAL (SELECT i, 10 + abs(hashint8(i)) % 4001 / 100.0 AS p FROM generate_series(1, b.size) i) e
ORDER BY i, b.id;
SELECT setval('leaderboard_changes', 200000);
INSERT INTO follows (follower_id, followed_id, status)
SELECT pg_temp.person(n), pg_temp.person((n + i) % 2000), 'active'
FROM generate_series(0, 1999) n, generate_series(1, 20) i;
INSERT INTO dish_rankings (id, user_id, dish_id, restaurant_id, dish_type, rank, notes, created_at, updated_at)
SELECT gen_random_uuid(), pg_temp.person(n), entity_id, entity_id, 'pizza', 1, '', now(), now()
FROM (SELECT row_number() OVER (ORDER BY score, entity_id) AS n, * FROM leaderboard_entries) e;
ANALYZE;
SET session_replication_role = origin;
"""
MIDDLE = """
SELECT score, reached_at, entity_id FROM leaderboard_entries WHERE board_id = $1 AND score IS NOT NULL
ORDER BY -score, reached_at, entity_id OFFSET $2 LIMIT 1
"""
PLANS = ["force_custom_plan", "force_generic_plan"]
VIEWER = "00000000-0000-7000-9000-000000000007"
"""Follows 20 of 2,000 people, of whom each has ranked some 50 dishes."""
LAST = 200_000
"""No change of an entry is behind this one."""
LEVELS = 12
"""What the indexes of a large board are deeper, in pages."""


READS = ["first page", "next page", "around", "followed dishes", "followed people", "window"]


def reads(board: int, middle: list[Any]) -> dict[str, tuple[str, list[Any]]]:
    """What is asked of a board, at the top or in the middle of it."""
    name, first = f"dishes:city-{board}:pizza", [None, None, None]
    rest: list[Any] = [21, False, 0, VIEWER]
    return {
        "first page": (READ_FIRST, [name, *first, *rest, None, 1_000]),
        "next page": (READ_NEXT, [name, *middle, *rest, None, 1_000]),
        "around": (READ_AROUND, [name, *first, *rest, middle[2], 1_000]),
        "followed dishes": (READ_FOLLOWING["dishes"], [name, *first, *rest, None, 1_000]),
        "followed people": (READ_FOLLOWING["users"], [name, *first, *rest, None, 1_000]),
        "window": (WINDOWS, [[board], WINDOW]),
    }


WRITES = [
    "what it has",
    "boards that are held",
    "an entry",
    "an entry that goes",
    "a board that is saved",
    "scores that changed",
    "who left",
    "scores of a new prior",
    "changes for a copy",
]


def writes(board: int, middle: list[Any]) -> dict[str, tuple[str, list[Any]]]:
    """What a change of an entry in the middle asks, and what follows from it later."""
    one, now = middle[2], datetime(2026, 11, 21, tzinfo=UTC)
    entry: list[Any] = [[board], [one], ["Pizza"], [None], [10], [50], [10], [now], [3]]
    return {
        "what it has": (OLD, [[one]]),
        "boards that are held": (actions.HOLD_BOARDS, [[f"dishes:city-{board}:pizza"]]),
        "an entry": (actions.WRITE, entry),
        "an entry that goes": (actions.REMOVE, [[board], [one]]),
        "a board that is saved": (actions.SAVE, [[board], [2], [SIZES[board]], [10], [30], [3]]),
        "scores that changed": (actions.SCORES, [[board], [LAST - 3], 5_000, [board], [one]]),
        "who left": (actions.LEFT, [[board], [one]]),
        "scores of a new prior": (actions.RESCORE_PART, [board, 4, 0, LAST, 50]),
        "changes for a copy": (positions.CHANGED, [board, 0, 50]),
    }


@pytest.fixture(scope="module")
async def filled(worker_id: str) -> AsyncGenerator[asyncpg.Connection]:
    """A database of its own, full of boards."""
    connection: asyncpg.Connection = await asyncpg.connect(await make_database(f"boards_{worker_id}"))
    await connection.execute(FILL)
    yield connection
    await connection.close()


async def read(filled: asyncpg.Connection, board: int, name: str, plan: str) -> Read:
    (row,) = await filled.fetch(MIDDLE, board, SIZES[board] // 2)
    middle = list(row.values())
    return await explain(filled, *(reads(board, middle) | writes(board, middle))[name], plan)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", READS)
async def test_what_is_shown_of_a_board_costs_the_same_however_large_the_board_is(
    filled: asyncpg.Connection, name: str, plan: str
) -> None:
    small, middling, large = [await read(filled, board, name, plan) for board in SIZES]

    assert [node for node in large.nodes if node.startswith("Seq Scan")] == []
    assert large.nodes == small.nodes
    assert max(middling.buffers, large.buffers) <= small.buffers * 1.1 + LEVELS


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", WRITES)
async def test_a_change_costs_a_few_levels_of_indexes_more_on_a_large_board(
    filled: asyncpg.Connection, name: str, plan: str
) -> None:
    found: list[Read] = []
    for board in SIZES:
        await filled.execute("BEGIN; SET LOCAL enable_seqscan = off")  # as the worker does
        found.append(await read(filled, board, name, plan))
        await filled.execute("ROLLBACK")
    small, middling, large = found

    assert [node for node in large.nodes if node.startswith("Seq Scan")] == []
    assert max(middling.buffers, large.buffers) <= small.buffers * 1.5 + LEVELS
