"""A hundred thousand acts and ten thousand listed dishes: what is read and written is found by index."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from domain.trending.actions import ADD_ACTS, IS_DUE, KEEP_TOLD, LET_GO, RELIST, TOPS
from domain.trending.queries import READ_TRENDING
from loadtests.notifications import explain
from tests.conftest import make_database

pytestmark = pytest.mark.xdist_group("plans")

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FILL = """
SET session_replication_role = replica;
INSERT INTO cities (slug, key, country, name)
SELECT 'city-' || i, 'city-' || i, '', 'City' FROM generate_series(0, 16) i;
INSERT INTO restaurants (id, name, search_name, city_key, state_key, country_key, city_slug, created_at, updated_at)
SELECT ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, 'Here', 'here', 'city', '', '', 'city-' || i % 17,
    now(), now()
FROM generate_series(0, 4999) i;
INSERT INTO dishes (id, restaurant_id, name, dish_type, created_at, updated_at)
SELECT ('00000000-0000-7000-9000-' || lpad(i::text, 12, '0'))::uuid,
    ('00000000-0000-7000-8000-' || lpad((i % 5000)::text, 12, '0'))::uuid, 'Pizza ' || i,
    (ARRAY['pizza', 'pasta', 'sushi', 'pho'])[1 + i % 4], now(), now()
FROM generate_series(0, 9999) i;
INSERT INTO reviews (id, author_id, dish_id, restaurant_id, content, created_at)
SELECT gen_random_uuid(), gen_random_uuid(), id, restaurant_id, 'Good', now() FROM dishes;
INSERT INTO trending_acts (dish_id, actor_id, kind, day, thing_id, review_id, weight, at)
SELECT d.id, gen_random_uuid(), CASE WHEN i % 2 = 0 THEN 'ranking' ELSE 'like' END, '2026-11-20',
    CASE WHEN i % 2 = 0 THEN d.id ELSE gen_random_uuid() END, CASE WHEN i % 2 = 1 THEN gen_random_uuid() END, 6,
    timestamptz '2026-11-19 12:30Z' + random() * interval '47 hours'
FROM dishes d, generate_series(1, 10) i;
INSERT INTO trending_dishes (dish_id, restaurant_id, city, dish_type, dish_name, restaurant_name, rankings, actors,
    one_at)
SELECT d.id, r.id, r.city_slug, d.dish_type, d.name, r.name, 6, 12,
    timestamptz '2026-11-21 12:00Z' + random() * interval '1 day'
FROM dishes d JOIN restaurants r ON r.id = d.restaurant_id;
INSERT INTO dish_counts (dish_id, rankings) SELECT id, 6 FROM dishes;
INSERT INTO trending_scopes (scope, version, told)
SELECT DISTINCT unnest(ARRAY['dishes:' || city, 'dishes:' || city || ':' || dish_type]), 1, '\\x'::bytea
FROM trending_dishes;
INSERT INTO trending_scopes (scope, version, told)
SELECT 'dishes:elsewhere-' || i, 1, '\\x'::bytea FROM generate_series(1, 5000) i;
ANALYZE;
SET session_replication_role = origin;
"""
DISH = "00000000-0000-7000-9000-000000000007"
PLACE = "00000000-0000-7000-8000-000000000007"
SMALL = {"Seq Scan on cities", "Seq Scan on dish_types"}
BY_KEY = "SELECT * FROM dishes WHERE id = $1"

READ: dict[str, tuple[str, list[Any]]] = {
    "a city's list": (READ_TRENDING, ["city-7", None, "dishes:city-7", 50]),
    "a type's list": (READ_TRENDING, ["city-7", "pho", "dishes:city-7:pho", 50]),
}
# And how many look-ups that may be: of a few dishes with ten acts each.
FOLDED: dict[str, tuple[str, list[Any], int]] = {
    "the lists that changed": (
        TOPS,
        [["dishes:city-7", "dishes:city-7:pho"], ["city-7", "city-7"], [None, "pho"], 50],
        50,
    ),
    "what is let go": (LET_GO, [["ranking"], [DISH], [DISH], [DISH], [DISH], NOW - timedelta(days=2), 10_000], 30),
    "what is added": (ADD_ACTS, [["ranking"], [DISH], [None], [DISH], [PLACE], [6], [NOW]], 20),
    "what is listed": (RELIST, [[DISH], [PLACE], NOW, 21_600.0, 5], 100),
    "what is kept as told": (KEEP_TOLD, [["dishes:city-7"], [2], ["x"]], 5),
    "whether anything is too old": (IS_DUE, [NOW - timedelta(days=2)], 2),
}


@pytest.fixture(scope="module")
async def filled(worker_id: str) -> AsyncGenerator[asyncpg.Connection]:
    """A database of its own, full of acts."""
    connection: asyncpg.Connection = await asyncpg.connect(await make_database(f"trending_{worker_id}"))
    await connection.execute(FILL)
    yield connection
    await connection.close()


@asynccontextmanager
async def as_the_worker(filled: asyncpg.Connection) -> AsyncGenerator[None]:
    """See domain/db.py; and what is run to be explained is not to stay."""
    await filled.execute("BEGIN; SET LOCAL enable_seqscan = off")
    yield
    await filled.execute("ROLLBACK")


PLANS = ["force_custom_plan", "force_generic_plan"]


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", READ)
async def test_a_list_costs_its_rows_and_few_look_ups_by_key(filled: asyncpg.Connection, name: str, plan: str) -> None:
    by_key = await explain(filled, BY_KEY, [DISH])

    read = await explain(filled, *READ[name], plan)

    assert {node for node in read.nodes if node.startswith("Seq Scan")} <= SMALL
    assert read.buffers <= 50 + 5 * by_key.buffers


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", FOLDED)
async def test_folding_costs_look_ups_by_key(filled: asyncpg.Connection, name: str, plan: str) -> None:
    by_key = await explain(filled, BY_KEY, [DISH])
    sql, args, look_ups = FOLDED[name]

    async with as_the_worker(filled):
        read = await explain(filled, sql, args, plan)

    assert [node for node in read.nodes if node.startswith("Seq Scan")] == []
    assert read.buffers <= look_ups * by_key.buffers
