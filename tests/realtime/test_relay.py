"""From the log into the stream and out again: in order, once, whatever happens to the stream on the way."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, ClassVar

import msgspec
import pytest

from domain import db, eventlog
from domain.clock import now
from domain.eventlog import Event, Logged
from realtime import relay as relaying
from realtime import tail as tailing
from realtime.news import STREAM_FIELD, News, entry, stream_id, wire_id
from realtime.relay import Fenced, Relay, wake_relay
from realtime.streams import STREAM, writer
from realtime.tail import Tail

pytestmark = pytest.mark.usefixtures("own_database")

TOPIC = "post:1"


class Said(Event, frozen=True, kw_only=True):
    """What these tests tell each other."""

    type: ClassVar[str] = "test.said"
    words: str


async def say(*words: str) -> None:
    """In one transaction."""
    await eventlog.emit_all((Said(words=each), TOPIC) for each in words)


class Ear:
    """A tail, and what it hands on."""

    def __init__(self) -> None:
        self.news: list[News] = []
        self.begun: list[str] = []
        self.lost: list[str] = []
        self.tail = Tail(self.begun.append, self.news.extend, self.lost.append)

    @property
    def words(self) -> list[str]:
        return [msgspec.json.decode(news.data)["words"] for news in self.news if news.topics]

    @property
    def unchained(self) -> list[str]:
        """News that names another one before it than the one that was handed on before it."""
        return [later.id for earlier, later in pairwise(self.news) if wire_id(later.prev) != earlier.id]

    @property
    def gaps(self) -> int:
        """How often it could not go on from where it was."""
        return len(self.begun) - 1 + len(self.lost)

    async def hears(self, words: str) -> None:
        await until(lambda: words in self.words)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


@asynccontextmanager
async def running(*work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """All of it beside the block; none of it may end by itself."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
        assert [task for task in tasks if task.done()] == []
    finally:
        for task in tasks:
            task.cancel()
        _, deaf = await asyncio.wait(tasks, timeout=10)
    assert deaf == set()


@pytest.fixture(autouse=True)
async def redis() -> AsyncGenerator[Any]:
    """A client of this worker's Redis, which is empty."""
    client = writer()
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tail that hears nothing soon wonders why."""
    monkeypatch.setattr(tailing, "BLOCK_MS", 50)


async def ids(redis: Any) -> list[str]:
    return [key.decode() for key, _ in await redis.xrange(STREAM)]


async def ids_of_the_log() -> list[str]:
    batches = [row["batch"] for row in await db.fetch("SELECT batch FROM batches ORDER BY batch")]
    told = await eventlog.read_batches(batches[0], batches[-1])
    assert told is not None
    return [stream_id(batch, 0 if event is None else event.seq) for batch, event in told]


async def in_stream(redis: Any, words: str) -> None:
    """Until something is published."""
    data = msgspec.json.encode({"words": words})
    async with asyncio.timeout(10):
        while not any(
            data in fields[STREAM_FIELD] for _, fields in await redis.xrange(STREAM) if STREAM_FIELD in fields
        ):
            await asyncio.sleep(0.002)


# in good days


async def test_what_is_committed_arrives_in_order_each_naming_the_one_before_it() -> None:
    ear = Ear()
    async with running(Relay().run(lead=True), ear.tail.run()):
        await say("a", "b")
        await ear.hears("b")
        await say("c")
        await ear.hears("c")

    assert ear.words == ["a", "b", "c"]
    assert ear.unchained == []
    assert ear.gaps == 0


async def test_news_arrives_with_all_that_was_said_of_it() -> None:
    ear = Ear()
    actor = await db.fetchval("SELECT gen_random_uuid()")
    async with running(Relay().run(lead=True), ear.tail.run()):
        await eventlog.emit(Said(words="ñ\u2028"), "post:1", "user:2", actor=actor, audience="followers")
        await ear.hears("ñ\u2028")

    (news,) = [each for each in ear.news if each.topics]
    assert (news.topics, news.type, news.delivery) == (["post:1", "user:2"], "test.said", "event")
    assert (news.actor, news.audience, news.data) == (str(actor), "followers", '{"words":"ñ\u2028"}'.encode())


async def test_what_writers_commit_all_at_once_arrives_once_each_in_the_order_of_the_log() -> None:
    ear = Ear()
    async with running(Relay().run(lead=True), ear.tail.run()):
        await asyncio.gather(*(say(f"{i}.1", f"{i}.2") for i in range(100)))
        await say("last")
        await ear.hears("last")
        heard = [news.id for news in ear.news]

    assert sorted(ear.words) == sorted(["last", *(f"{i}.{j}" for i in range(100) for j in (1, 2))])
    assert ear.unchained == []
    assert set(heard) <= {wire_id(each) for each in await ids_of_the_log()}


async def test_a_batch_larger_than_what_is_appended_at_once_arrives_whole() -> None:
    ear = Ear()
    words = [str(i) for i in range(2 * relaying.CHUNK + 7)]
    async with running(Relay().run(lead=True), ear.tail.run()):
        await ear.tail.ready.wait()
        await say(*words)
        await ear.hears(words[-1])

    assert ear.words == words
    assert ear.unchained == []


async def test_a_tail_that_begins_late_reads_what_the_stream_holds_and_only_then_is_ready() -> None:
    early, late = Ear(), Ear()
    async with running(Relay().run(lead=True), early.tail.run()):
        await early.tail.ready.wait()
        await say(*map(str, range(1500)))
        await early.hears("1499")
        async with running(late.tail.run()):
            await late.tail.ready.wait()
            heard = late.words

    assert heard == early.words
    assert late.unchained == []


async def test_a_tail_waits_for_the_first_relay() -> None:
    ear = Ear()
    async with running(ear.tail.run()):
        await say("before any relay")
        was_ready = ear.tail.ready.is_set()
        async with running(Relay().run(lead=True)):
            await say("after")
            await ear.hears("after")

    assert not was_ready
    assert ear.words[-1] == "after"


async def test_a_commit_elsewhere_wakes_the_relay(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = msgspec.structs.replace(relaying.settings, relay_poll_s=60.0, watermark_s=60.0)
    monkeypatch.setattr(relaying, "settings", patient)
    committed, ear, relay = asyncio.Event(), Ear(), Relay()
    unlisten = eventlog.listen(lambda _: committed.set())
    async with running(relay.run(lead=True), ear.tail.run(), wake_relay(redis, committed)):
        await ear.tail.ready.wait()
        await until_somebody_listens(redis)
        await say("wake up")
        await ear.hears("wake up")
    unlisten()

    assert ear.words == ["wake up"]


class Published:
    """Counts what is published."""

    def __init__(self) -> None:
        self.number = 0

    async def publish(self, *_: object) -> None:
        self.number += 1


async def test_many_commits_wake_the_relay_no_oftener_than_it_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = msgspec.structs.replace(relaying.settings, relay_pace_s=60.0)
    monkeypatch.setattr(relaying, "settings", slow)
    committed, redis = asyncio.Event(), Published()
    async with running(wake_relay(redis, committed)):
        committed.set()
        await asyncio.sleep(0.005)
        committed.set()
        await asyncio.sleep(0.005)

    assert redis.number == 1


async def until_somebody_listens(redis: Any) -> None:
    async with asyncio.timeout(10):
        while not (await redis.pubsub_numsub(relaying.WAKE))[0][1]:
            await asyncio.sleep(0.002)


# when the stream is gone, in part or as a whole, or not ours

WIPES: list[tuple[str, ...]] = [("DEL", STREAM), ("FLUSHALL",), ("XTRIM", STREAM, "MAXLEN", "0")]


@pytest.mark.parametrize("wipe", WIPES, ids=lambda wipe: wipe[0])
async def test_a_stream_that_is_wiped_is_published_again_and_nobody_misses_or_repeats_anything(
    redis: Any, wipe: tuple[str, ...]
) -> None:
    ear = Ear()
    async with running(Relay().run(lead=True), ear.tail.run()):
        await say("a", "b")
        await ear.hears("b")
        before = await ids(redis)
        await redis.execute_command(*wipe)
        await say("c")
        await ear.hears("c")
        after = await ids(redis)

    assert ear.words == ["a", "b", "c"]
    assert ear.unchained == []
    assert ear.gaps == 0
    assert set(before) <= set(after)


async def test_a_stream_that_is_wiped_again_and_again_under_load_loses_and_repeats_nothing(redis: Any) -> None:
    ear = Ear()
    words = [str(i) for i in range(150)]
    async with running(Relay().run(lead=True), ear.tail.run()):
        await ear.tail.ready.wait()
        await asyncio.gather(say_slowly(words), wipe_often(redis, 10))
        await ear.hears(words[-1])

    assert ear.words == words
    assert ear.unchained == []
    assert ear.gaps == 0


async def say_slowly(words: list[str]) -> None:
    for each in words:
        await say(each)
        await asyncio.sleep(0.002)


async def wipe_often(redis: Any, times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0.03)
        await redis.delete(STREAM)


async def test_what_was_cut_but_not_published_is_published_by_the_next_relay() -> None:
    ear = Ear()
    async with running(ear.tail.run()):
        async with running(Relay().run(lead=True)):
            await say("a")
            await ear.hears("a")
        await say("b", "c")
        await eventlog.cut(await eventlog.latest_cut())
        async with running(Relay().run(lead=True)):
            await ear.hears("c")

    assert ear.words == ["a", "b", "c"]
    assert ear.unchained == []


async def test_a_batch_that_was_published_in_part_is_completed(redis: Any) -> None:
    ear = Ear()
    async with running(ear.tail.run()):
        async with running(Relay().run(lead=True)):
            await say("a", "b", "c")
            await ear.hears("c")
        published = await ids(redis)
        last_of_all = await redis.xrevrange(STREAM, count=1)
        await redis.xdel(STREAM, last_of_all[0][0])
        async with running(Relay().run(lead=True)):
            await say("d")
            await ear.hears("d")

    assert ear.words == ["a", "b", "c", "d"]
    assert set(published) <= {*await ids(redis), last_of_all[0][0].decode()}


async def test_without_stream_and_relay_what_is_in_the_log_is_read_from_there(redis: Any, impatient: None) -> None:
    ear = Ear()
    async with running(ear.tail.run()):
        async with running(Relay().run(lead=True)):
            await say("a")
            await ear.hears("a")
        await redis.delete(STREAM)
        await say("b")
        await eventlog.cut(await eventlog.latest_cut())
        await ear.hears("b")
        async with running(Relay().run(lead=True)):
            await say("c")
            await ear.hears("c")

    assert ear.words == ["a", "b", "c"]
    assert ear.unchained == []
    assert ear.gaps == 0


FOREIGN_FIELDS = [
    {"hello": "world"},
    {"e": "no entry"},
    {"e": msgspec.msgpack.encode(["", "", "", [], "", None, None, b""])},
]


@pytest.mark.parametrize("fields", FOREIGN_FIELDS, ids=["other fields", "not packed", "no prev"])
@pytest.mark.parametrize("key", ["*", "99999999999999-1", "the next"])
async def test_what_somebody_else_writes_into_the_stream_is_thrown_out_and_nobody_misses_or_repeats_anything(
    redis: Any, key: str, fields: dict[str, Any]
) -> None:
    ear = Ear()
    async with running(Relay().run(lead=True), ear.tail.run()):
        await say("a", "b")
        await ear.hears("b")
        newest = (await ids(redis))[-1]
        await redis.xadd(STREAM, fields, id=f"{newest}9" if key == "the next" else key)
        await say("c")
        await ear.hears("c")

    assert ear.words == ["a", "b", "c"]
    assert ear.unchained == []
    assert ear.gaps == 0
    assert set(await ids(redis)) <= set(await ids_of_the_log())


async def test_a_tail_does_not_begin_with_what_somebody_else_has_written(redis: Any) -> None:
    ear = Ear()
    await redis.xadd(STREAM, {"hello": "world"})
    async with running(ear.tail.run(), Relay().run(lead=True)):
        await say("a")
        await ear.hears("a")

    assert set(await ids(redis)) <= set(await ids_of_the_log())


async def test_a_stream_of_another_log_that_is_ahead_is_replaced_and_its_listeners_begin_anew(
    redis: Any, impatient: None
) -> None:
    ahead = f"{1 << 45}-1"
    other = Logged(1, Said.type, [TOPIC], '{"words":"of another log"}', None, None, now())
    await redis.xadd(STREAM, {STREAM_FIELD: entry(other, "5-5", "event")}, id=ahead)
    ear = Ear()
    async with running(ear.tail.run()):
        await ear.hears("of another log")
        async with running(Relay().run(lead=True)):
            await say("of this log")
            await ear.hears("of this log")

    assert ear.words == ["of another log", "of this log"]
    assert ear.begun[0] == wire_id("5-5")
    assert len(ear.begun) == 2
    assert ahead not in await ids(redis)


# two relays


async def test_two_relays_at_once_publish_each_event_once(redis: Any) -> None:
    ear = Ear()
    words = [str(i) for i in range(150)]
    async with running(Relay().run(lead=True), Relay().run(lead=True), ear.tail.run()):
        await ear.tail.ready.wait()
        await say_slowly(words)
        await ear.hears(words[-1])

    published, all_ids = await ids(redis), await ids_of_the_log()
    assert ear.words == words
    assert ear.unchained == []
    assert ear.gaps == 0
    assert published == all_ids[all_ids.index(published[0]) :][: len(published)]


async def test_two_relays_mend_a_stream_that_is_wiped_again_and_again(redis: Any) -> None:
    ear = Ear()
    words = [str(i) for i in range(100)]
    async with running(Relay().run(lead=True), Relay().run(lead=True), ear.tail.run()):
        await ear.tail.ready.wait()
        await asyncio.gather(say_slowly(words), wipe_often(redis, 5))
        await ear.hears(words[-1])

    assert ear.words == words
    assert ear.unchained == []


async def test_a_relay_that_stands_in_ends_when_another_is_alive() -> None:
    standing_in = asyncio.create_task(Relay().run(lead=False))
    async with running(Relay().run(lead=True)):
        await asyncio.gather(say_slowly([str(i) for i in range(50)]), asyncio.wait_for(standing_in, 10))

    assert standing_in.result() is None


async def test_a_relay_whose_last_batch_is_forgotten_looks_again() -> None:
    stale = await eventlog.latest_cut()
    await eventlog.cut(stale, even_empty=True)
    await db.execute("DELETE FROM batches WHERE prev IN (0, $1)", stale.batch)

    with pytest.raises(Fenced):
        await Relay()._cut(stale, even_empty=True)  # pyright: ignore[reportPrivateUsage] - it stood still right there


# a tail that was away


async def away_while_the_stream_is_trimmed(redis: Any, ear: Ear) -> None:
    """It hears a; misses b, c and d; and the stream forgets all but d and what comes after."""
    async with running(Relay().run(lead=True)):
        async with running(ear.tail.run()):
            await say("a")
            await ear.hears("a")
        await say("b")
        await in_stream(redis, "b")
        await say("c")
        await in_stream(redis, "c")
        await say("d")
        await in_stream(redis, "d")
    await redis.xtrim(STREAM, maxlen=1, approximate=False)


async def test_a_tail_that_was_away_past_a_trimmed_gap_reads_the_gap_from_the_log(redis: Any) -> None:
    ear = Ear()
    await away_while_the_stream_is_trimmed(redis, ear)

    async with running(Relay().run(lead=True), ear.tail.run()):
        await say("e")
        await ear.hears("e")

    assert ear.words == ["a", "b", "c", "d", "e"]
    assert ear.unchained == []
    assert ear.gaps == 0


async def test_a_tail_whose_gap_cannot_be_proved_says_so_and_goes_on_behind_it(redis: Any) -> None:
    ear = Ear()
    await away_while_the_stream_is_trimmed(redis, ear)
    heard = ear.tail.position
    await db.execute("DELETE FROM batches WHERE batch <= $1", int(heard.partition("-")[0]))

    async with running(Relay().run(lead=True), ear.tail.run()):
        await say("e")
        await ear.hears("e")

    assert (ear.words[0], ear.words[-1]) == ("a", "e")
    assert (len(ear.begun), len(ear.lost)) == (1, 1)
    assert ear.lost[-1] > wire_id(heard)
    assert [each for each in ear.unchained if each <= ear.lost[-1]] == []


async def test_a_tail_waits_while_the_log_does_not_answer(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ear, asked = Ear(), asyncio.Event()
    await away_while_the_stream_is_trimmed(redis, ear)
    real = eventlog.read_batches

    async def unreadable(after: int, last: int) -> Any:
        asked.set()
        raise eventlog.LogUnreadable

    monkeypatch.setattr(eventlog, "read_batches", unreadable)
    async with running(ear.tail.run()):
        await asked.wait()
        while_unreadable = list(ear.words)
        monkeypatch.setattr(eventlog, "read_batches", real)
        await ear.hears("d")

    assert while_unreadable == ["a"]
    assert ear.words == ["a", "b", "c", "d"]
    assert ear.gaps == 0
