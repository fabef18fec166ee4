"""What follows is folded once, by whoever leads, and one bad event does not stop the rest."""

import asyncio
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import asyncpg
import pytest

from domain import db, eventlog
from domain.consequences import PAGE, Consequence, fold
from domain.eventlog import Event, Logged, Position, Superseded

pytestmark = pytest.mark.usefixtures("notes")

FEATURE = "notes"


class Noted(Event, frozen=True, kw_only=True):
    """What the feature of these tests folds."""

    type: ClassVar[str] = "test.noted"
    word: str


class Ignored(Event, frozen=True, kw_only=True):
    """What it does not."""

    type: ClassVar[str] = "test.ignored"


TABLES = """
CREATE TABLE notes (word text);
INSERT INTO cursors (feature, batch, upto) SELECT 'notes', max(batch), max(batch) FROM batches;
"""
ADD = "INSERT INTO notes (word) SELECT unnest($1::text[])"
WORDS = "SELECT word FROM notes ORDER BY ctid"
PARKED = "SELECT feature, type, data::text, error FROM event_failures ORDER BY seq"


@pytest.fixture
async def notes(own_database: None) -> None:
    """A derived feature with a table and a cursor of its own."""
    await db.execute(TABLES)


def noting(fail: Callable[[list[str]], object] = len) -> Consequence:
    """A handler that notes the words, and then meets whatever `fail` raises at them."""

    async def note(events: Sequence[Logged]) -> None:
        words = [noted.word for noted in eventlog.of(events, Noted)]
        await db.execute(ADD, words)
        fail(words)

    return Consequence(FEATURE, (Noted,), note)


def at_word(bad: str, error: Exception) -> Callable[[list[str]], None]:
    """Fails at a batch that holds a word; "" is in all."""

    def fail(words: list[str]) -> None:
        if bad in ("", *words):
            raise error

    return fail


class Read(NamedTuple):
    """Events as a leader reads them, and where it stood before and after."""

    events: list[Logged]
    old: Position
    new: Position


async def logged(*words: str) -> Read:
    await eventlog.emit_all((Noted(word=word), "post:1") for word in words)
    await eventlog.cut(await eventlog.latest_cut())
    old = await eventlog.position(FEATURE)
    events, new = await eventlog.read(old, 1000)
    return Read(events, old, new)


async def noted() -> list[str]:
    return [row["word"] for row in await db.fetch(WORDS)]


async def parked() -> list[tuple[str, ...]]:
    return [tuple(row.values()) for row in await db.fetch(PARKED)]


async def test_a_batch_is_folded_and_the_cursor_moved_with_it() -> None:
    read = await logged("a", "b", "c")

    failures = await fold(noting(), *read)

    assert failures == 0
    assert await noted() == ["a", "b", "c"]
    assert await eventlog.position(FEATURE) == read.new


async def test_what_is_of_no_concern_moves_the_cursor_and_bothers_nobody() -> None:
    await eventlog.emit(Ignored(), "post:1")
    read = await logged()

    failures = await fold(noting(at_word("", AssertionError())), *read)

    assert (failures, await parked()) == (0, [])
    assert [event.type for event in read.events] == [Ignored.type]
    assert await eventlog.position(FEATURE) == read.new


async def test_a_second_leader_is_superseded_and_changes_nothing() -> None:
    read = await logged("a", "b")
    await fold(noting(), *read)

    with pytest.raises(Superseded):
        await fold(noting(), *read)

    assert await noted() == ["a", "b"]
    assert await eventlog.position(FEATURE) == read.new


async def test_a_second_leader_parks_nothing_either() -> None:
    read = await logged("a", "b")
    await fold(noting(), *read)

    with pytest.raises(Superseded):
        await fold(noting(at_word("a", ValueError())), *read)

    assert await parked() == []


async def test_of_leaders_that_fold_the_same_batch_at_once_one_does() -> None:
    read = await logged("a", "b")

    folds = await asyncio.gather(*(fold(noting(), *read) for _ in range(4)), return_exceptions=True)

    assert sorted(map(repr, folds)) == ["0", *["Superseded('notes')"] * 3]
    assert await noted() == ["a", "b"]


async def test_the_event_that_fails_is_parked_with_its_error_and_all_others_are_folded() -> None:
    words = [f"w{i}" for i in range(25)]
    read = await logged(*words)

    failures = await fold(noting(at_word("w13", ValueError("thirteen"))), *read)

    assert failures == 1
    assert await noted() == [word for word in words if word != "w13"]
    assert await parked() == [("notes", "test.noted", '{"word":"w13"}', "ValueError('thirteen')")]
    assert await eventlog.position(FEATURE) == read.new


async def test_when_every_event_fails_every_one_is_parked_and_the_cursor_moves_on() -> None:
    read = await logged("a", "b", "c")

    failures = await fold(noting(at_word("", ValueError())), *read)

    assert failures == len(await parked()) == 3
    assert await noted() == []
    assert await eventlog.position(FEATURE) == read.new


async def test_one_bad_event_among_many_costs_few_attempts() -> None:
    read = await logged(*(f"w{i}" for i in range(256)))
    attempts: list[int] = []

    def fail(words: list[str]) -> None:
        attempts.append(len(words))
        at_word("w99", ValueError())(words)

    await fold(noting(fail), *read)

    assert len(await noted()) == 255
    assert len(attempts) <= 2 + 2 * 8


async def test_what_a_failed_attempt_emitted_is_neither_logged_nor_heard() -> None:
    read = await logged("good", "bad")
    heard: list[Event] = []

    async def echo(events: Sequence[Logged]) -> None:
        words = eventlog.of(events, Noted)
        await eventlog.emit_all((Noted(word=f"echo of {said.word}"), "post:2") for said in words)
        at_word("bad", ValueError())([said.word for said in words])

    unlisten = eventlog.listen(heard.append)
    await fold(Consequence(FEATURE, (Noted,), echo), *read)
    unlisten()

    assert heard == [Noted(word="echo of good")]
    assert await db.fetchval("SELECT count(*) FROM events WHERE data->>'word' LIKE 'echo%'") == 1


MACHINERY_FAILURES = [
    ConnectionResetError("reset by peer"),
    TimeoutError(),
    asyncpg.InterfaceError("the connection is closed"),
    asyncpg.PostgresConnectionError("gone"),
    asyncpg.AdminShutdownError("shutting down"),
    asyncpg.QueryCanceledError("canceled"),
    asyncpg.TooManyConnectionsError("too many"),
    asyncpg.DeadlockDetectedError("deadlock"),
    asyncpg.SerializationError("serialization"),
]


@pytest.mark.parametrize("failure", MACHINERY_FAILURES, ids=lambda failure: type(failure).__name__)
async def test_a_failure_of_the_machinery_changes_nothing(failure: Exception) -> None:
    read = await logged("a", "b")

    with pytest.raises(type(failure)):
        await fold(noting(at_word("b", failure)), *read)

    assert (await noted(), await parked()) == ([], [])
    assert await eventlog.position(FEATURE) == read.old


async def test_a_failure_of_the_machinery_while_halving_changes_nothing_either() -> None:
    read = await logged("bad", "b", "c", "d")

    def fail(words: list[str]) -> None:
        at_word("bad", ValueError())(words)
        at_word("d", TimeoutError())(words)

    with pytest.raises(TimeoutError):
        await fold(noting(fail), *read)

    assert (await noted(), await parked()) == ([], [])
    assert await eventlog.position(FEATURE) == read.old


TOO_LARGE = "INSERT INTO notes (word) SELECT $1::int::text"


async def test_a_value_that_the_driver_cannot_send_is_the_events_fault_and_not_the_machinerys() -> None:
    read = await logged("a", "999999999999", "b")

    async def count(events: Sequence[Logged]) -> None:
        await db.execute(ADD, [noted.word for noted in eventlog.of(events, Noted) if noted.word.isalpha()])
        for noted in eventlog.of(events, Noted):
            await db.execute(TOO_LARGE, int(noted.word) if noted.word.isdigit() else 0)

    failures = await fold(Consequence(FEATURE, (Noted,), count), *read)

    assert failures == 1
    assert await noted() == ["a", "0", "b", "0"]


async def test_an_error_whose_text_cannot_be_stored_is_parked_all_the_same() -> None:
    read = await logged("bad")

    failures = await fold(noting(at_word("bad", ValueError("\0 and \ud800"))), *read)

    assert failures == 1
    assert [error for *_, error in await parked()] == [r"ValueError('\x00 and \ud800')"]


def test_every_consequence_has_a_feature_and_events_of_its_own() -> None:
    features = [each.feature for each in PAGE]

    assert len(set(features)) == len(features)
    assert all(each.of for each in PAGE)


async def test_every_consequence_has_a_cursor_from_its_migration() -> None:
    stored = {row["feature"] for row in await db.fetch("SELECT feature FROM cursors")}

    assert {each.feature for each in PAGE} | {FEATURE} == stored
