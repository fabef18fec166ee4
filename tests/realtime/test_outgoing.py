"""What waits for a client that reads too slowly: the steps of the ladder, without any network."""

from typing import Any

import msgspec
import pytest

from domain.clock import now
from domain.eventlog import Logged
from realtime import protocol
from realtime.news import Frame, News, entry, wire_for
from realtime.outgoing import Limits, Outgoing
from realtime.protocol import JSON
from tests.realtime.windows import BOARD, Window, changes

WIRE = wire_for(JSON, framed=False)
NEVER = Limits(merge=0, reset=10**9, close=10**9, resume=10**9)
AT_ONCE = Limits(merge=0, reset=0, close=10**9, resume=10**9)
Told = list[tuple[Any, ...]]


def id_of(seq: int | None) -> str | None:
    return None if seq is None else f"{1:012x}{seq:012x}"


def frame(seq: int, prev: int | None, type: str = "said", delivery: str = "event", topic: str = "post:1") -> Frame:
    logged = Logged(seq, type, [topic], "{}", None, None, now())
    return Frame(News(f"1-{seq}", entry(logged, f"1-{seq - 1}", delivery)), topic, id_of(prev))


def state(seq: int, prev: int | None, type: str = "count", topic: str = "post:1") -> Frame:
    return frame(seq, prev, type, "state", topic)


def cursor(seq: int) -> protocol.Cursor:
    return protocol.Cursor(cursor=id_of(seq) or "", ticket=None)


def reset(seq: int, topic: str) -> protocol.Reset:
    return protocol.Reset(topic=topic, cursor=id_of(seq) or "", reason="")


def waiting(*what: Frame | protocol.Answer, limits: Limits = NEVER) -> Outgoing:
    outgoing = Outgoing(WIRE, limits)
    for each in what:
        if isinstance(each, Frame):
            outgoing.add(each)
        else:
            outgoing.add_answer(each)
    return outgoing


def told(outgoing: Outgoing, room: int = 10**9) -> Told:
    """What is written now: (type, id, prev) of an event, (op, topic or None, cursor or None) of anything else."""
    return [_short(msgspec.json.decode(message)) for message in outgoing.take(room)]


def _short(message: dict[str, Any]) -> tuple[Any, ...]:
    def number(name: str) -> int | None:
        return int(message[name][12:], 16) if message.get(name) else None

    if message["op"] == "event":
        return message["type"], number("id"), number("prev")
    return message["op"], message.get("topic"), number("cursor")


def test_what_waits_is_written_in_order_as_far_as_there_is_room() -> None:
    outgoing = waiting(frame(1, None), frame(2, 1), frame(3, 2))
    size = frame(1, None).size

    assert told(outgoing, 1) == [("said", 1, None)]
    assert told(outgoing, 2 * size) == [("said", 2, 1), ("said", 3, 2)]
    assert (len(outgoing), outgoing.bytes, told(outgoing)) == (0, 0, [])


STANDS = protocol.Subscribed(id=1, ticket=None, topics={"post:1": protocol.Outcome(outcome="live", cursor=id_of(9))})


@pytest.mark.parametrize(
    ("what", "left"),
    [
        pytest.param([state(2, 1), state(3, 2)], [("count", 3, 1)], id="the newest names what the older one named"),
        pytest.param([state(2, 1), state(3, 2), state(4, 3)], [("count", 4, 1)], id="however many there were"),
        pytest.param(
            [state(2, 1), frame(3, 2), state(4, 3)],
            [("said", 3, 1), ("count", 4, 3)],
            id="so does an event that came between",
        ),
        pytest.param(
            [state(2, 1), frame(3, 2), state(4, 3), frame(5, 4), state(6, 5)],
            [("said", 3, 1), ("said", 5, 3), ("count", 6, 5)],
            id="each gap closes by itself",
        ),
        pytest.param(
            [state(2, 1, "a"), state(3, 2, "b"), state(4, 3, "b"), state(5, 4, "a")],
            [("b", 4, 1), ("a", 5, 4)],
            id="in whatever order they were left out",
        ),
        pytest.param(
            [state(2, 1, "a"), state(3, 2, "b"), state(4, 3, "a")],
            [("b", 3, 1), ("a", 4, 3)],
            id="another type is another state",
        ),
        pytest.param(
            [state(2, 1), state(3, 1, topic="post:2"), state(4, 2)],
            [("count", 3, 1), ("count", 4, 1)],
            id="another topic is another state",
        ),
        pytest.param(
            [frame(2, 1, "ranks", "board"), frame(3, 2, "ranks", "board")],
            [("ranks", 2, 1), ("ranks", 3, 2)],
            id="what applies to the one before it is no state",
        ),
        pytest.param([state(2, None), state(3, None)], [("count", 3, None)], id="where nobody is named, nobody is"),
        pytest.param(
            [state(2, 1), protocol.Ok(id=1, token_expires_in=1), state(3, 2)],
            [("ok", None, None), ("count", 3, 1)],
            id="an answer keeps nothing apart",
        ),
        pytest.param(
            [state(2, 1), cursor(2), state(3, 2)],
            [("cursor", None, 2), ("count", 3, 1)],
            id="nor does a cursor: what is behind it is told to whoever resumes from it",
        ),
        pytest.param(
            [state(2, 1), STANDS, state(10, 2)],
            [("count", 2, 1), ("subscribed", None, None), ("count", 10, 2)],
            id="an answer that says where the client stands on the topic does",
        ),
        pytest.param(
            [cursor(1), frame(2, 1), cursor(2), frame(3, 2)],
            [("said", 2, 1), ("cursor", None, 2), ("said", 3, 2)],
            id="a cursor that waits is replaced by the next",
        ),
    ],
)
def test_of_state_the_newest_waits(what: list[Frame | protocol.Answer], left: Told) -> None:
    outgoing = waiting(*what)

    assert told(outgoing) == left
    assert (outgoing.bytes, outgoing.missed) == (0, 0)


@pytest.mark.parametrize(
    ("what", "left"),
    [
        pytest.param([frame(2, 1), frame(3, 2)], [("reset", "post:1", 3)], id="it covers all it replaced"),
        pytest.param(
            [frame(2, 1), frame(3, 1, topic="post:2"), frame(4, 2)],
            [("reset", "post:1", 4), ("reset", "post:2", 3)],
            id="where the first of each topic was",
        ),
        pytest.param(
            [state(2, 1), frame(3, 2), state(4, 3, topic="post:2")],
            [("reset", "post:1", 3), ("count", 4, 3)],
            id="with the state of these topics, and of no other",
        ),
        pytest.param(
            [frame(2, 1), cursor(2), frame(3, 2)],
            [("reset", "post:1", 3), ("cursor", None, 2)],
            id="before a cursor that covers them",
        ),
        pytest.param(
            [frame(2, 1), protocol.Removed(topic="post:2", code="blocked"), frame(3, 2)],
            [("reset", "post:1", 3), ("removed", "post:2", None)],
            id="and no answer is lost",
        ),
        pytest.param(
            [frame(2, 1), STANDS, frame(10, 2)],
            [("reset", "post:1", 2), ("subscribed", None, None), ("reset", "post:1", 10)],
            id="on either side of what says where the client stands",
        ),
        pytest.param(
            [frame(2, 1), reset(1, "post:1"), frame(3, 1)],
            [("reset", "post:1", 2), ("reset", "post:1", 1), ("reset", "post:1", 3)],
            id="also backwards",
        ),
        pytest.param([frame(2, None, topic="home")], [("reset", "home", 2)], id="where nobody is named too"),
    ],
)
def test_events_are_replaced_by_one_reset_per_topic(what: list[Frame | protocol.Answer], left: Told) -> None:
    outgoing = waiting(*what, limits=AT_ONCE)

    outgoing.relieve(0)

    assert told(outgoing) == left
    assert (len(outgoing), outgoing.bytes) == (0, 0)


def test_a_reset_that_waits_takes_in_what_comes_next_and_nothing_once_it_is_written() -> None:
    outgoing = waiting(frame(2, 1), limits=AT_ONCE)
    outgoing.relieve(0)
    for each in (frame(3, 2), state(4, 3), frame(5, 4)):
        outgoing.add(each)

    assert told(outgoing) == [("reset", "post:1", 5)]
    outgoing.add(frame(6, 5))
    assert told(outgoing) == [("said", 6, 5)]
    assert (outgoing.replaced, outgoing.resets) == (4, 1)


def test_states_that_were_left_out_before_a_reset_leave_no_trace() -> None:
    outgoing = waiting(state(2, 1), state(3, 2), frame(4, 3), limits=AT_ONCE)
    outgoing.relieve(0)

    assert told(outgoing) == [("reset", "post:1", 4)]
    outgoing.add(frame(5, 4))
    assert told(outgoing) == [("said", 5, 4)]
    assert (outgoing.merged, outgoing.replaced, outgoing.resets) == (1, 2, 1)


def test_below_the_limit_events_wait_one_by_one() -> None:
    one = frame(2, 1)
    outgoing = waiting(one, limits=AT_ONCE._replace(reset=2 * one.size))

    outgoing.relieve(one.size - 1)
    assert len(outgoing) == 1
    outgoing.relieve(one.size)
    assert told(outgoing) == [("reset", "post:1", 2)]


def test_a_replay_is_told_as_it_was_promised() -> None:
    outgoing = waiting(STANDS, limits=AT_ONCE)
    answer = outgoing.bytes
    for each in (state(2, 1), frame(3, 2)):
        outgoing.add(each, is_missed=True)
    outgoing.add(state(10, 3))
    outgoing.add(frame(11, 10))

    outgoing.relieve(0)

    assert outgoing.missed == state(2, 1).size + frame(3, 2).size
    assert outgoing.bytes < answer + 2 * frame(1, None).size
    assert told(outgoing)[1:] == [("count", 2, 1), ("said", 3, 2), ("reset", "post:1", 11)]
    assert (outgoing.bytes, outgoing.missed) == (0, 0)


def test_a_replay_that_is_more_than_may_wait_ends_in_a_reset() -> None:
    outgoing = waiting(limits=AT_ONCE._replace(resume=2 * frame(1, None).size))
    for seq in range(2, 6):
        outgoing.add(frame(seq, seq - 1), is_missed=True)

    outgoing.relieve(0)

    assert told(outgoing) == [("said", 2, 1), ("said", 3, 2), ("reset", "post:1", 5)]


def test_answers_alone_are_too_much_in_the_end() -> None:
    outgoing = waiting(limits=NEVER._replace(close=10_000))
    answers = 0
    while not outgoing.relieve(5_000):
        outgoing.add_answer(protocol.Pong(id=1, cursor=id_of(1) or ""))
        answers += 1

    assert outgoing.bytes >= 5_000
    assert len(outgoing) == answers


def test_whatever_comes_what_waits_is_bounded() -> None:
    limits = Limits(merge=0, reset=20_000, close=10**9, resume=0)
    outgoing = waiting(limits=limits)
    most = 0
    for seq in range(1, 20_000):
        topic = f"post:{seq % 7}"
        outgoing.add(
            state(seq, None, topic=topic) if seq % 2 else frame(seq, None, topic=topic), is_missed=seq % 3 == 0
        )
        outgoing.relieve(0)
        most = max(most, outgoing.bytes)

    assert most < 20_000 + frame(1, None).size
    assert outgoing.replaced + outgoing.merged + len(outgoing) > 19_900
    newest = {f"post:{seq % 7}": seq for seq in range(19_993, 20_000)}
    assert sorted(told(outgoing)) == [("reset", topic, seq) for topic, seq in sorted(newest.items())]


WINDOWS: list[Window] = [[], [(1, 1.0)], [(2, 2.0), (1, 1.0)], [(1, 3.0), (2, 2.0)], [(1, 3.0)], [(2, 2.0)]]


def change(version: int, topic: str = BOARD) -> Frame:
    """A frame of a board's news, whose id's number is its version."""
    return Frame(changes(WINDOWS, topic=topic)[version - 1], topic, id_of(version - 1))


def spans(outgoing: Outgoing) -> list[tuple[int, int, int | None]]:
    """From which version to which the changes are that are written now, and the number of what they name as `prev`."""
    messages = [msgspec.json.decode(each) for each in outgoing.take(10**9)]
    events = [each for each in messages if each["op"] == "event"]
    return [
        (each["data"]["from_version"], each["data"]["version"], each["prev"] and int(each["prev"][12:], 16))
        for each in events
    ]


def test_changes_of_a_board_wait_as_one() -> None:
    outgoing = waiting(change(2), change(3), change(4))

    assert len(outgoing) == 1
    assert outgoing.bytes == sum(item.size for item in outgoing._items.values())  # pyright: ignore[reportPrivateUsage]
    assert outgoing.merged == 2
    assert spans(outgoing) == [(1, 4, 1)]
    assert outgoing.bytes == 0


def test_a_change_that_is_written_is_not_merged_with_what_comes_next() -> None:
    outgoing = waiting(change(2), change(3))

    assert spans(outgoing) == [(1, 3, 1)]
    outgoing.add(change(4))
    assert spans(outgoing) == [(3, 4, 3)]


def test_no_cursor_comes_between_changes_that_are_merged() -> None:
    outgoing = waiting(change(2), cursor(2), change(3), change(4))

    assert told(outgoing) == [("leaderboard.changed", 4, 1), ("cursor", None, 2)]


def test_boards_wait_each_for_itself() -> None:
    outgoing = waiting(change(2), change(2, "leaderboard:users:roma"), change(3), change(3, "leaderboard:users:roma"))

    assert spans(outgoing) == [(1, 3, 1), (1, 3, 1)]


def test_a_change_is_not_merged_across_what_says_where_the_client_stands() -> None:
    stands = protocol.Subscribed(id=1, ticket=None, topics={BOARD: protocol.Outcome(outcome="live", cursor=id_of(2))})
    outgoing = waiting(change(2), stands, change(3), change(4))

    assert spans(outgoing) == [(1, 2, 1), (2, 4, 2)]


def test_a_change_that_is_part_of_a_replay_is_told_as_it_was_promised() -> None:
    outgoing = Outgoing(WIRE, NEVER)
    outgoing.add(change(2), is_missed=True)
    outgoing.add(change(3))
    outgoing.add(change(4))

    assert spans(outgoing) == [(1, 2, 1), (2, 4, 2)]


def test_a_change_that_does_not_follow_waits_by_itself() -> None:
    outgoing = waiting(change(2), change(4), change(5))

    assert spans(outgoing) == [(1, 2, 1), (3, 5, 3)]


def test_changes_of_a_board_stay_when_the_events_of_other_topics_are_replaced() -> None:
    outgoing = waiting(change(2), frame(2, 1), change(3), limits=AT_ONCE)
    outgoing.relieve(0)

    assert told(outgoing) == [("leaderboard.changed", 3, 1), ("reset", "post:1", 2)]


def test_slow_readers_share_a_merge() -> None:
    slow = [waiting() for _ in range(3)]
    for each in [change(2), change(3), change(4)]:
        for outgoing in slow:
            outgoing.add(each)

    whats = [item.what for each in slow for item in each._items.values()]  # pyright: ignore[reportPrivateUsage]
    assert len({id(what.news) for what in whats if isinstance(what, Frame)}) == 1
    assert len(whats) == 3
