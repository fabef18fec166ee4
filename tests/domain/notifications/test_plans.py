"""A million notifications, many of them one user's: what is asked for is found by index."""

from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import msgspec
import pytest

from domain.notifications.actions import CONCERNED, DELETE, DELETE_ONE, LOAD, LOCK_INBOX, READ_THESE
from domain.notifications.queries import READ_BATCH, READ_BY_ID
from loadtests import crowd
from loadtests.notifications import BATCH, ID, MEMBERS, PAGE_SIZE, ROWS, Read, explain, fill, nodes_of, reads
from tests.conftest import make_database
from tests.domain.notifications.folding import NOON

pytestmark = pytest.mark.xdist_group("plans")

READS = list(reads(ROWS))
PLANS = ["force_custom_plan", "force_generic_plan"]
ME, ANOTHER, ONE = crowd.member(0), crowd.member(7), f"{ID}{crowd.FIRST + 70}"


@pytest.fixture(scope="module")
async def filled(worker_id: str) -> AsyncGenerator[asyncpg.Connection]:
    """A database of its own, full of notifications."""
    connection: asyncpg.Connection = await asyncpg.connect(await make_database(f"plans_{worker_id}"))
    await fill(connection, ROWS, MEMBERS)
    yield connection
    await connection.close()


async def read(filled: asyncpg.Connection, name: str, plan: str = PLANS[0]) -> Read:
    return await explain(filled, *reads(ROWS)[name], plan)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", READS)
async def test_nothing_is_read_in_sequence(filled: asyncpg.Connection, name: str, plan: str) -> None:
    assert [node for node in (await read(filled, name, plan)).nodes if node.startswith("Seq Scan")] == []


BLOCKS = 2  # look-ups: nobody sees the name of whom they block, or who blocks them


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", ["list", "list_deep"])
async def test_a_page_costs_no_more_than_looking_up_its_rows_their_last_children_and_actors_by_key(
    filled: asyncpg.Connection, name: str, plan: str
) -> None:
    by_key = await read(filled, "by_key")

    assert by_key.buffers <= 5
    assert (await read(filled, name, plan)).buffers <= PAGE_SIZE * (1 + 3 + 3 * (1 + BLOCKS)) * by_key.buffers


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", ["children", "children_deep"])
async def test_children_cost_no_more_than_looking_up_each_and_its_actor_by_key(
    filled: asyncpg.Connection, name: str, plan: str
) -> None:
    by_key = await read(filled, "by_key")

    assert (await read(filled, name, plan)).buffers <= PAGE_SIZE * (1 + 1 + BLOCKS) * by_key.buffers


@pytest.mark.parametrize("plan", PLANS)
async def test_the_unread_count_costs_a_look_up_by_key(filled: asyncpg.Connection, plan: str) -> None:
    by_key = await read(filled, "by_key")

    assert (await read(filled, "unread", plan)).buffers <= by_key.buffers


UNDONE: list[Any] = [[ONE], [ME], [ONE], [ME], [ME], [ONE], [ONE]]
OTHERS: dict[str, tuple[str, list[Any]]] = {
    "what is undone, and of whom": (CONCERNED, UNDONE),
    "what is undone or open": (LOAD, [*UNDONE, [ME], ["follow:user:1"]]),
    "what is deleted, with what is below it": (DELETE, [[BATCH]]),
    "one with what is below it": (DELETE_ONE, [ME, BATCH]),
    "some that are read": (READ_THESE, [ME, NOON, [ONE]]),
    "an inbox": (LOCK_INBOX, [ME]),
    "a batch": (READ_BATCH, [ME, BATCH]),
    "those that changed": (READ_BY_ID, [[ONE, BATCH]]),
    "those of an account that is deleted": ("DELETE FROM notifications WHERE user_id = $1", [ANOTHER]),
}


@pytest.mark.parametrize("name", OTHERS)
async def test_what_is_written_is_found_by_index_too(filled: asyncpg.Connection, name: str) -> None:
    sql, args = OTHERS[name]
    said = await filled.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *args)

    (explained,) = msgspec.json.decode(said)
    assert [node for node in nodes_of(explained["Plan"]) if node.startswith("Seq Scan")] == []
