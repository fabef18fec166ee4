"""The log's one order: on real commits, with several connections that get in each other's way."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import asyncpg
import msgspec
import pytest

from domain import db, eventlog
from domain.eventlog import Cut, Event, Logged, Position, Superseded
from tests.conftest import Statements

pytestmark = pytest.mark.usefixtures("own_database")

TOPIC = "post:1"
FEATURE = "counters"


class Said(Event, frozen=True, kw_only=True):
    """What these tests tell each other."""

    type: ClassVar[str] = "test.said"
    words: str


class Whispered(Event, frozen=True, kw_only=True):
    """What these tests tell somebody else."""

    type: ClassVar[str] = "test.whispered"
    words: str


async def say(*words: str) -> None:
    """Each in a transaction of its own."""
    for each in words:
        await eventlog.emit(Said(words=each), TOPIC)


async def say_and_fail(words: str) -> None:
    """Rolled back."""
    async with db.transaction():
        await say(words)
        raise ZeroDivisionError


@asynccontextmanager
async def saying(words: str) -> AsyncGenerator[None]:
    """A transaction on another connection that has emitted, and commits when the block ends."""
    async with db.pool().acquire() as connection, connection.transaction():
        data = eventlog.encode(Said(words=words))
        await connection.execute(eventlog.EMIT, Said.type, [TOPIC], data, None, None)
        yield


MANY = """
INSERT INTO events (type, topics, data) SELECT $2, ARRAY[$3], '{"words":"old"}' FROM generate_series(1, $1)
"""


def rows_read(plan: dict[str, Any]) -> int:
    """Of the log, by all nodes of a plan, those included that were thrown away."""
    of_log = plan.get("Relation Name", "").startswith("events")
    each = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Join Filter", 0)
    return int(each * plan["Actual Loops"] * of_log) + sum(rows_read(child) for child in plan.get("Plans", ()))


def words_in(events: Sequence[Logged]) -> list[str]:
    return [said.words for said in eventlog.of(events, Said)]


async def next_batch(previous: Cut) -> tuple[Cut, list[str]]:
    made = await eventlog.cut(previous)
    assert made is not None, "there is no news"
    batch, events = made
    return batch, words_in(events)


# batches


async def test_a_late_commit_with_a_small_number_is_not_skipped() -> None:
    start = await eventlog.latest_cut()

    async with saying("drawn first"):
        await say("committed first")
        first, heard_first = await next_batch(start)
    _, heard_then = await next_batch(first)

    assert (heard_first, heard_then) == (["committed first"], ["drawn first"])


async def test_an_open_write_transaction_elsewhere_stops_nothing() -> None:
    start = await eventlog.latest_cut()

    async with saying("still open"):
        await say("a")
        first, heard = await next_batch(start)
        await say("b", "c")
        second, heard_then = await next_batch(first)
        read, _ = await eventlog.read(Position(start.batch, start.batch, 0), 10)

    assert (heard, heard_then) == (["a"], ["b", "c"])
    assert words_in(read) == ["a", "b", "c"]
    assert second.prev == first.batch > start.batch


async def test_what_is_rolled_back_is_never_told() -> None:
    start = await eventlog.latest_cut()
    with pytest.raises(ZeroDivisionError):
        await say_and_fail("never mind")

    assert await eventlog.cut(start) is None


async def test_without_news_there_is_a_batch_only_when_one_is_asked_for() -> None:
    start = await eventlog.latest_cut()

    nothing = await eventlog.cut(start)
    asked_for = await eventlog.cut(start, even_empty=True)

    assert nothing is None
    assert asked_for is not None
    assert asked_for[1] == []
    assert (await eventlog.latest_cut()).batch == asked_for[0].batch


async def test_a_batch_is_told_as_far_as_asked_for_and_the_rest_is_read_behind_it() -> None:
    start = await eventlog.latest_cut()
    await say("a", "b", "c", "d", "e")

    made = await eventlog.cut(start, limit=2)
    assert made is not None
    batch, events = made
    rest = await eventlog.read_range(start.snapshot, batch.snapshot, events[-1].seq, 10, only_told=True)

    assert (words_in(events), words_in(rest)) == (["a", "b"], ["c", "d", "e"])


async def test_events_without_topics_are_read_and_folded_but_not_told() -> None:
    start = await eventlog.latest_cut()
    await eventlog.emit(Said(words="for the log"))
    await say("for all")

    _, told = await next_batch(start)
    read, _ = await eventlog.read(Position(start.batch, start.batch, 0), 10)

    assert told == ["for all"]
    assert words_in(read) == ["for the log", "for all"]


HOT = "CREATE TABLE hot (n int); INSERT INTO hot VALUES (0)"
COUNT = "UPDATE hot SET n = n + 1 RETURNING n"
WRITERS, EACH = 8, 30


async def write_at_random(writer: int) -> None:
    """Half of what is said is the next number of a counter that all fight for, the rest is one's own."""
    chance = random.Random(writer)
    for i in range(EACH):
        async with db.transaction():
            alone = i % 2 == 0
            words = f"{writer}.{i}" if alone else f"hot {await db.fetchval(COUNT)}"
            await say(words)
            await asyncio.sleep(chance.random() / 300)


async def cut_until(done: asyncio.Task[None], previous: Cut) -> list[tuple[int, Logged]]:
    """Everything told, batch by batch, until nobody writes any more."""
    told: list[tuple[int, Logged]] = []
    while True:
        last_look = done.done()
        made = await eventlog.cut(previous, limit=1_000_000)
        if made is not None:
            previous, events = made
            told += [(previous.batch, event) for event in events]
        elif last_look:
            return told


async def all_write() -> None:
    await asyncio.gather(*(write_at_random(writer) for writer in range(WRITERS)))


async def test_every_event_comes_out_once_and_after_what_it_saw_and_the_same_again_from_sql() -> None:
    await db.execute(HOT)
    start = await eventlog.latest_cut()

    async with saying("open all the time"):
        told = await cut_until(asyncio.create_task(all_write()), start)

    words = words_in([event for _, event in told])
    counted = [int(each.removeprefix("hot ")) for each in words if each.startswith("hot ")]
    lines: defaultdict[str, list[int]] = defaultdict(list)
    for writer, _, i in (each.partition(".") for each in words if "." in each):
        lines[writer].append(int(i))
    assert counted == list(range(1, WRITERS * EACH // 2 + 1))
    assert lines == {str(writer): list(range(0, EACH, 2)) for writer in range(WRITERS)}
    assert await eventlog.read_batches(start.batch, told[-1][0]) == [(start.batch, None), *told]


async def test_the_ids_grow_also_when_the_clock_does_not() -> None:
    start = await eventlog.latest_cut()
    await db.execute("INSERT INTO batches VALUES ($1, $2, $3::text::pg_snapshot)", 1 << 42, start.batch, start.snapshot)
    await say("in the past")

    batch, heard = await next_batch(await eventlog.latest_cut())

    assert (batch.batch, heard) == ((1 << 42) + 1, ["in the past"])


async def test_a_batch_is_cut_from_what_is_new_however_long_the_log_is() -> None:
    await db.execute(MANY, 20_000, Said.type, TOPIC)
    before, _ = await next_batch(await eventlog.latest_cut())
    await say("one", "two", "three")

    async with db.transaction():
        await db.execute("SET LOCAL enable_seqscan = off")  # as the worker's connections have it
        bounds = eventlog.snapshot_bounds(before.snapshot)
        plan = await db.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) " + eventlog.CUT, before.batch, *bounds, False, 10)

    assert rows_read(msgspec.json.decode(plan)[0]["Plan"]) < 100


async def test_of_two_relays_that_cut_at_once_one_is_fenced() -> None:
    start = await eventlog.latest_cut()
    await say("once")

    cuts = await asyncio.gather(*(eventlog.cut(start) for _ in range(2)), return_exceptions=True)

    assert sorted(type(each).__name__ for each in cuts) == ["UniqueViolationError", "tuple"]
    assert await eventlog.cut(await eventlog.latest_cut()) is None


async def test_a_relay_that_stood_still_until_its_batch_was_forgotten_cuts_nothing() -> None:
    stale = await eventlog.latest_cut()
    newest = await later(stale, 1_000_000)
    await all_cursors_to(newest.batch)
    await later(newest, 1)
    await eventlog.prune_batches(0)
    await say("for another relay")

    made = await eventlog.cut(stale, even_empty=True)

    assert made is None


# reading the batches again


async def later(previous: Cut, seconds: float) -> Cut:
    """A batch that was cut so much later."""
    batch = previous.batch + int(seconds * 1000)
    insert = "INSERT INTO batches (batch, prev, snapshot) VALUES ($1, $2, pg_current_snapshot())"
    await db.execute(insert, batch, previous.batch)
    return await eventlog.latest_cut()


async def all_cursors_to(batch: int) -> None:
    await db.execute("UPDATE cursors SET batch = $1, upto = $1, seq = 0", batch)


async def batches() -> list[int]:
    return [row["batch"] for row in await db.fetch("SELECT batch FROM batches ORDER BY batch")]


async def test_batches_that_are_not_all_there_are_not_told_in_part() -> None:
    first = await eventlog.latest_cut()
    second = await later(first, 1)
    third = await later(second, 1)
    await db.execute("DELETE FROM batches WHERE batch = $1", first.batch)

    assert await eventlog.read_batches(first.batch, third.batch) is None
    assert await eventlog.read_batches(second.batch, third.batch) is None
    assert await eventlog.read_batches(third.batch, third.batch) == [(third.batch, None)]
    assert await eventlog.read_batches(third.batch, third.batch + 1) is None


async def test_what_batches_are_told_from_is_read_however_long_the_log_is() -> None:
    last = await eventlog.latest_cut()
    await db.execute(MANY, 20_000, Said.type, TOPIC)
    numbers: list[int] = []
    for words in ("one", "two", "three"):
        last, _ = await next_batch(last)
        numbers.append(last.batch)
        await say(words)

    plan = await db.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) " + eventlog.READ_BATCHES, numbers[1:])

    assert rows_read(msgspec.json.decode(plan)[0]["Plan"]) < 100


async def test_the_first_batch_of_a_window_is_the_newest_before_it_or_else_the_oldest_that_can_be_told() -> None:
    first = await eventlog.latest_cut()
    second = await later(first, 1)
    third = await later(second, 1)
    asked = (third.batch + 5, third.batch - 1, first.batch)
    whole = [await eventlog.first_batch(at) for at in asked]
    await db.execute("DELETE FROM batches WHERE batch = $1", first.batch)

    assert whole == [third.batch, second.batch, first.batch]
    assert await eventlog.first_batch(first.batch) == third.batch


async def test_a_log_that_does_not_answer_is_said_to_be_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventlog, "CHAIN", "SELECT pg_terminate_backend(pg_backend_pid()), $1::bigint, $2::bigint")

    with pytest.raises(eventlog.LogUnreadable):
        await eventlog.read_batches(1, 2)


# cursors


async def test_a_big_range_is_read_in_pages_each_event_once_whatever_is_committed_meanwhile() -> None:
    await all_cursors_to((await eventlog.latest_cut()).batch)
    start = await eventlog.position(FEATURE)
    async with saying("late"):
        await say(*map(str, range(25)))
        await eventlog.cut(await eventlog.latest_cut())
        first, at = await eventlog.read(start, 10)
    await say("later")
    await eventlog.cut(await eventlog.latest_cut())

    second, at = await eventlog.read(at, 10)
    third, at = await eventlog.read(at, 10)
    fourth, at = await eventlog.read(at, 10)
    nothing, still = await eventlog.read(at, 10)

    assert words_in([*first, *second, *third]) == [str(i) for i in range(25)]
    assert words_in(fourth) == ["late", "later"]
    assert (nothing, still) == ([], at)


async def test_a_page_that_ends_with_the_range_is_followed_by_an_empty_one_and_then_by_the_next_range() -> None:
    start = await eventlog.latest_cut()
    await say("a", "b")
    await eventlog.cut(start)

    full, at = await eventlog.read(Position(start.batch, start.batch, 0), 2)
    empty, at = await eventlog.read(at, 2)
    await say("c")
    await eventlog.cut(await eventlog.latest_cut())
    following, _ = await eventlog.read(at, 2)

    assert [words_in(page) for page in (full, empty, following)] == [["a", "b"], [], ["c"]]


async def test_who_wants_some_types_reads_those_alone_and_passes_the_others_by() -> None:
    start = await eventlog.latest_cut()
    await eventlog.emit_all((kind(words=str(i)), TOPIC) for i in range(6) for kind in (Said, Whispered))
    await eventlog.cut(start)

    first, at = await eventlog.read(Position(start.batch, start.batch, 0), 4, [Said.type])
    second, at = await eventlog.read(at, 4, [Said.type])
    nothing, still = await eventlog.read(at, 4, [Said.type])

    assert [words_in(page) for page in (first, second)] == [["0", "1", "2", "3"], ["4", "5"]]
    assert len(first + second) == 6
    assert (nothing, still) == ([], at)


async def test_a_reader_asks_once_whether_there_is_news_and_once_for_it(statements: Statements) -> None:
    newest = (await eventlog.latest_cut()).batch
    position = Position(newest, newest, 0)

    async with db.rolled_back():
        await eventlog.read(position, 10)  # the first time it also asks what an array is
        asked = await statements(eventlog.read(position, 10))
        await eventlog.cut(await eventlog.latest_cut(), even_empty=True)
        asked_again = await statements(eventlog.read(position, 10))

    assert asked == [eventlog.SNAPSHOTS]
    assert asked_again == [eventlog.SNAPSHOTS, eventlog.READ_RANGE]


async def test_a_cursor_is_moved_only_from_where_it_is() -> None:
    old = await eventlog.position(FEATURE)
    new, other = Position(old.batch, old.upto + 1, 7), Position(old.batch, old.upto + 2, 7)

    moved = await eventlog.move(FEATURE, old, new)
    moved_again = await eventlog.move(FEATURE, old, other)

    assert (moved, moved_again) == (True, False)
    assert await eventlog.position(FEATURE) == new


async def test_of_two_leaders_that_move_a_cursor_at_once_one_learns_that_it_is_late() -> None:
    old = await eventlog.position(FEATURE)

    moves = await asyncio.gather(*(eventlog.move(FEATURE, old, Position(9, 9, i)) for i in range(8)))

    assert sorted(moves) == [False] * 7 + [True]


async def test_a_reader_whose_batch_is_forgotten_is_superseded() -> None:
    at = await eventlog.position(FEATURE)
    newest = await later(await later(await eventlog.latest_cut(), 1), 1)
    await db.execute("DELETE FROM batches WHERE batch = $1", at.batch)

    with pytest.raises(Superseded):
        await eventlog.read(at, 10)
    assert newest == await eventlog.latest_cut()


# keeping house

PARTITIONS = "SELECT count(*)::int FROM pg_inherits WHERE inhparent = 'events'::regclass"
HAS = "SELECT to_regclass($1) IS NOT NULL"
IN_A_WEEK = "SELECT 'events_' || to_char((now() AT TIME ZONE 'UTC')::date + 7, 'YYYYMMDD')"
OLD = "events_20200101"
ADD_OLD = f"CREATE TABLE {OLD} PARTITION OF events FOR VALUES FROM ('2020-01-01Z') TO ('2020-01-02Z')"
SAY_THEN = "INSERT INTO events (at, type, topics, data) VALUES ('2020-01-01 12:00Z', 'test.said', '{x}', '{}')"


async def test_there_are_partitions_for_the_days_ahead() -> None:
    before = await db.fetchval(PARTITIONS)
    newest = await db.fetchval(IN_A_WEEK)
    await db.execute(f"DROP TABLE {newest}")

    await eventlog.make_partitions()
    await eventlog.make_partitions()

    assert await db.fetchval(HAS, newest)
    assert await db.fetchval(PARTITIONS) == before


async def test_a_partition_past_its_retention_is_dropped_once_every_cursor_has_passed_it() -> None:
    await db.execute(ADD_OLD)
    await db.execute(SAY_THEN)
    before = await db.fetchval(PARTITIONS)

    await eventlog.drop_old_partitions(7)
    kept = await db.fetchval(HAS, OLD)
    await eventlog.cut(await eventlog.latest_cut())
    await all_cursors_to((await eventlog.latest_cut()).batch)
    await eventlog.drop_old_partitions(7)

    assert kept
    assert not await db.fetchval(HAS, OLD)
    assert await db.fetchval(PARTITIONS) == before - 1


async def test_a_young_partition_is_kept_although_every_cursor_has_passed_it() -> None:
    await say("today")
    await eventlog.cut(await eventlog.latest_cut())
    await all_cursors_to((await eventlog.latest_cut()).batch)
    before = await db.fetchval(PARTITIONS)

    await eventlog.drop_old_partitions(1)

    assert await db.fetchval(PARTITIONS) == before


async def test_an_old_partition_waits_for_a_better_moment_rather_than_have_all_writers_wait() -> None:
    await db.execute(ADD_OLD)

    async with saying("still open"):
        with pytest.raises(asyncpg.PostgresError, match="lock timeout"):
            await eventlog.drop_old_partitions(7)
        await asyncio.wait_for(say("nothing is in the way"), 1)
    await eventlog.drop_old_partitions(7)

    assert not await db.fetchval(HAS, OLD)


async def test_a_new_partition_waits_for_a_better_moment_too() -> None:
    newest = await db.fetchval(IN_A_WEEK)
    await db.execute(f"DROP TABLE {newest}")

    async with saying("still open"):
        with pytest.raises(asyncpg.PostgresError, match="lock timeout"):
            await eventlog.make_partitions()
        await asyncio.wait_for(say("nothing is in the way"), 1)
    await eventlog.make_partitions()

    assert await db.fetchval(HAS, newest)


async def test_a_batch_is_kept_while_it_can_be_replayed_or_a_cursor_needs_it() -> None:
    first = await eventlog.latest_cut()
    needed = await later(first, 1)
    between = await later(needed, 1)
    young = await later(between, 1_000)
    newest = await later(young, 600)
    await all_cursors_to(needed.batch)

    await eventlog.prune_batches(300)
    while_needed = await batches()
    await all_cursors_to(newest.batch)
    await eventlog.prune_batches(300)

    assert while_needed == [needed.batch, between.batch, young.batch, newest.batch]
    assert await batches() == [young.batch, newest.batch]


# emitting


async def test_listeners_hear_of_an_event_once_it_is_committed_and_not_before() -> None:
    heard: list[Event] = []
    unlisten = eventlog.listen(heard.append)

    async with db.transaction():
        await say("a")
        before = list(heard)
    after = list(heard)
    unlisten()
    await say("b")

    assert before == []
    assert after == heard == [Said(words="a")]


async def test_listeners_hear_nothing_of_what_is_rolled_back() -> None:
    heard: list[Event] = []
    unlisten = eventlog.listen(heard.append)
    with pytest.raises(ZeroDivisionError):
        await say_and_fail("never mind")
    unlisten()

    assert heard == []


async def test_many_events_are_recorded_in_their_order_each_to_its_own_topic() -> None:
    start = await eventlog.latest_cut()

    await eventlog.emit_all((Said(words=str(i)), f"post:{i}") for i in range(12))
    made = await eventlog.cut(start)

    assert made is not None
    assert [(event.topics, event.data) for event in made[1]] == [
        ([f"post:{i}"], f'{{"words":"{i}"}}') for i in range(12)
    ]


async def test_an_event_is_logged_with_all_that_was_said_of_it() -> None:
    viewer = await db.fetchval("SELECT gen_random_uuid()")
    start = await eventlog.latest_cut()

    await eventlog.emit(Said(words="ñ\u2028\"'"), "post:1", "user:2", actor=viewer, audience="followers")
    made = await eventlog.cut(start)

    assert made is not None
    (event,) = made[1]
    assert (event.type, event.topics, event.actor, event.audience) == (
        "test.said",
        ["post:1", "user:2"],
        viewer,
        "followers",
    )
    assert eventlog.of([event], Said) == [Said(words="ñ\u2028\"'")]
