"""A city with many restaurants of many cuisines: whether a board is one is found by index."""

from typing import Any

import asyncpg
import pytest

from domain.boards.queries import KNOWN
from loadtests.notifications import explain
from tests.conftest import make_database

pytestmark = pytest.mark.xdist_group("plans")

FILL = """
SET session_replication_role = replica;
INSERT INTO restaurants (id, name, search_name, city_key, state_key, country_key, city_slug, cuisine_type, created_at,
    updated_at)
SELECT gen_random_uuid(), 'Here', 'here', '', '', '', 'city-' || i % 5, ARRAY['cuisine-' || i % 37, 'thai'], now(),
    now()
FROM generate_series(1, 10000) i;
INSERT INTO cities (slug, key, country, name)
SELECT 'city-' || i, 'city-' || i, '', 'City' FROM generate_series(1, 1000) i;
INSERT INTO leaderboards (name, kind, city, about, season)
SELECT 'restaurants:city-' || i || ':thai', 'restaurants', 'city-' || i, 'thai', 0 FROM generate_series(1, 1000) i;
ANALYZE;
SET session_replication_role = origin;
"""


@pytest.mark.parametrize("plan", ["force_custom_plan", "force_generic_plan"])
async def test_whether_there_is_a_board_is_a_few_look_ups(plan: str, worker_id: str) -> None:
    filled: asyncpg.Connection = await asyncpg.connect(await make_database(f"boards_{worker_id}"))
    await filled.execute(FILL)
    args: list[Any] = [["restaurants:city-3:soup@2026-w01"], ["city-3"], [None], ["soup"], [False]]

    read = await explain(filled, KNOWN, args, plan)
    await filled.close()

    assert {node for node in read.nodes if node.startswith("Seq Scan")} <= {"Seq Scan on dish_types"}
    assert read.buffers <= 20
