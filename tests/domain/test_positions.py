"""Copies of boards in Redis: whatever becomes of them, they say what PostgreSQL says, or nothing."""

import asyncio
import os
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from redis.exceptions import RedisError

from domain import db, positions
from domain.leaderboards.actions import Entry, Place, change, forget_gone
from domain.positions import Seated, State, ahead_of
from realtime import streams

RUNS = int(os.environ.get("POSITIONS_RUNS", "15"))
BOARD = "users:global"
REBUILT = "potluck_board_copies_rebuilt_total"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
READ = """
SELECT b.id, b.copy_id, b.seq, b.size, e.entity_id, e.score, e.reached_at
FROM leaderboards b LEFT JOIN leaderboard_entries e ON e.board_id = b.id AND e.score IS NOT NULL WHERE b.name = $1
"""
Everybody = tuple[State, list[Seated]]


@pytest.fixture(autouse=True)
async def redis(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Any]:
    """The client that is asked, however long it takes."""
    monkeypatch.setattr(positions, "WAIT_S", 10)
    client = streams.writer()
    positions.use(client)
    yield client
    positions.use(None)
    await client.aclose()


class People:
    """Who is on the board, and what they have."""

    def __init__(self) -> None:
        self.has: dict[Place, Entry] = {}

    async def get(self, who: int, points: int, hour: int = 0) -> None:
        """Have so many points; none: they are gone."""
        place = (BOARD, UUID(int=who))
        reached = NOON + timedelta(hours=hour, microseconds=who % 2)
        entry = Entry(f"Person {who}", None, Decimal(0), Decimal(points), 0, reached) if points else None
        if entry == self.has.get(place):
            return
        await change({place: entry}, dict(self.has))
        self.has.pop(place, None)
        self.has |= {place: entry} if entry else {}


async def read() -> Everybody:
    rows = await db.fetch(READ, BOARD)
    first = rows[0]
    everybody = [Seated(row["score"], row["reached_at"], row["entity_id"]) for row in rows if row["entity_id"]]
    return State(first["id"], first["copy_id"], first["seq"], first["size"]), everybody


def plain(everybody: list[Seated]) -> list[tuple[int, int]]:
    """How many are ahead of each, and how many better."""
    keys = [(-each.score, each.reached_at, each.entity_id) for each in everybody]
    return [(sum(other < key for other in keys), sum(other[0] < key[0] for other in keys)) for key in keys]


async def keys_of(redis: Any, state: State) -> list[Any]:
    return sorted(await redis.keys(f"potluck:{{board:{state.board_id}}}:{state.copy_id}:*"))


async def is_right() -> None:
    state, everybody = await read()
    if everybody:
        assert await ahead_of(state, everybody) == plain(everybody)


acts = st.one_of(
    st.tuples(st.just("get"), st.integers(0, 9), st.integers(0, 4), st.integers(0, 2)),
    st.tuples(st.just("get"), st.integers(0, 9), st.integers(0, 4), st.integers(0, 2)),
    st.tuples(st.just("read"), st.just(0), st.just(0), st.just(0)),
    st.tuples(st.just("copy"), st.just(0), st.just(0), st.just(0)),
    st.tuples(st.just("lose"), st.integers(0, 2), st.just(0), st.just(0)),
    st.tuples(st.just("forget"), st.just(0), st.just(0), st.just(0)),
)


@settings(
    max_examples=RUNS,
    deadline=None,
    derandomize=RUNS < 100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(acts, min_size=10, max_size=40))
async def test_a_copy_says_what_the_board_says_whatever_becomes_of_it(redis: Any, sequence: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        async with db.rolled_back():
            people = People()
            await people.get(0, 3)
            for act, who, points, hour in sequence:
                if act == "get":
                    await people.get(who, points, hour)
                elif act == "read":
                    await is_right()
                elif act == "copy":
                    patch.setattr(positions, "CHANGES", 3)
                    await positions.copy((await read())[0])
                    patch.setattr(positions, "CHANGES", 30)
                elif act == "forget":
                    old = "UPDATE leaderboard_entries SET reached_at = now() - interval '2 hours' WHERE score IS NULL"
                    await db.execute(old)
                    await forget_gone()
                else:
                    keys = await keys_of(redis, (await read())[0])
                    if gone := keys if who == 2 else keys[who : who + 1]:
                        await redis.delete(*gone)
            await is_right()


async def test_a_copy_that_is_deleted_is_made_again_as_it_was(redis: Any) -> None:
    people = People()
    for who in range(20):
        await people.get(who, 1 + who % 3, who % 2)
    await people.get(7, 0)
    await is_right()
    state, _ = await read()
    keys = await keys_of(redis, state)
    before = [await redis.dump(key) for key in keys]
    order = await redis.zrange(keys[0], 0, -1, withscores=True)

    await redis.delete(*keys)
    await is_right()

    assert len(before) == 2
    assert await redis.zrange(keys[0], 0, -1, withscores=True) == order
    assert await redis.hgetall(keys[1])


async def test_of_a_board_that_has_changed_since_it_was_read_nothing_is_told(redis: Any) -> None:
    people = People()
    await people.get(1, 5)
    before, everybody = await read()
    await people.get(2, 9)
    await is_right()

    assert await ahead_of(before, everybody) is None


async def test_a_copy_of_what_the_database_does_not_know_is_made_anew(redis: Any) -> None:
    people = People()
    await people.get(1, 5)
    await is_right()
    state, _ = await read()
    (_, since) = await keys_of(redis, state)
    await redis.hset(since, "", state.seq + 1_000)

    await is_right()


async def test_a_large_board_is_copied_beside_whoever_asked(
    own_database: None, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, "CHANGES", 4)
    people = People()
    for who in range(40):
        await people.get(who, 1 + who)
    state, everybody = await read()

    first = await ahead_of(state, everybody[:1])
    copying = positions._Redis.copying  # pyright: ignore[reportPrivateUsage] - nobody else waits for it
    assert copying is not None
    meanwhile = await ahead_of(state, everybody[:1])
    await copying

    assert (first, meanwhile) == (None, None)
    assert await ahead_of(state, everybody) == plain(everybody)


async def test_a_copy_that_was_not_finished_is_gone_on_with(
    own_database: None, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, "CHANGES", 4)
    people = People()
    for who in range(20):
        await people.get(who, 1 + who)
    state, everybody = await read()
    await ahead_of(state, everybody)
    positions.use(redis)  # whoever made it has ended
    before = REGISTRY.get_sample_value(REBUILT)

    await positions.copy(state)

    assert await ahead_of(state, everybody) == plain(everybody)
    assert REGISTRY.get_sample_value(REBUILT) == before


async def test_redis_that_is_gone_is_asked_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        asked = 0

        async def eval(self, *_: object) -> None:
            self.asked += 1
            raise RedisError("gone")

    people, gone = People(), Gone()
    await people.get(1, 5)
    positions.use(gone)
    state, everybody = await read()

    told = [await ahead_of(state, everybody) for _ in range(3)]

    assert told == [None, None, None]
    assert gone.asked == 1


async def test_many_who_read_at_once_do_no_harm(own_database: None, redis: Any) -> None:

    people = People()
    for who in range(30):
        await people.get(who, 1 + who % 5)

    async def reader() -> int:
        right = 0
        for _ in range(20):
            state, everybody = await read()
            told = await ahead_of(state, everybody)
            assert told in (None, plain(everybody))
            right += told is not None
        return right

    async def writer() -> None:
        for number in range(60):
            async with db.transaction():
                await people.get(number % 30, 1 + number % 7, number % 3)

    writing = asyncio.create_task(writer())
    found = await asyncio.gather(*(reader() for _ in range(5)))
    await writing

    assert sum(found)
    await is_right()
