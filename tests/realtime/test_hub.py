"""Who is told what, and when: the hub without any network."""

import zlib
from collections.abc import Callable, Iterable
from uuid import UUID

import pytest

from domain.clock import now
from domain.eventlog import Logged
from domain.ids import UserID
from domain.topics import voice
from realtime.hub import Hub
from realtime.news import Frame, News, Run, entry, wire_for
from realtime.protocol import SUBPROTOCOLS
from tests.realtime.windows import BOARD, Window, apply, changes, data_of, shown

TOPIC = "post:1"


class Ear:
    """A listener that writes down what it hears."""

    def __init__(self, *hidden: str) -> None:
        self.heard: list[tuple[str, str, str | None]] = []
        self.hidden = frozenset(hidden)
        self.send_event: Callable[[Frame | Run], None] = self._write

    def hold(self, topics: Iterable[str], position: str) -> None: ...

    def remove(self, topic: str, code: str) -> None: ...

    def _write(self, event: Frame | Run) -> None:
        for each in event.frames:
            self.heard.append((each.news.type, each.news.id[-2:], each.prev and each.prev[-2:]))


def news(
    seq: int, type: str = "post.counters", delivery: str = "state", *topics: str, actor: UUID | None = None
) -> News:
    logged = Logged(seq, type, [TOPIC, *topics], "{}", None if actor is None else UserID(actor), None, now())
    return News(f"1-{seq}", entry(logged, f"1-{seq - 1}", delivery))


def tell(hub: Hub, news: News, now: float) -> None:
    """A batch of one."""
    hub.deliver(news, now)
    hub.say()


def hub_with(*ears: Ear) -> Hub:
    hub = Hub(state_interval_s=0.1, board_interval_s=0.25)
    for ear in ears:
        hub.join(ear, TOPIC, "", "")
    return hub


def test_an_event_reaches_every_listener_of_its_topic_and_nobody_else() -> None:
    here, there = Ear(), Ear()
    hub = hub_with(here)
    hub.join(there, "post:2", "", "")
    tell(hub, news(1, "comment.created", "event"), 0.0)
    assert here.heard == [("comment.created", "01", "")]
    assert there.heard == []


def test_each_event_names_the_one_before_it() -> None:
    ear = Ear()
    hub = hub_with(ear)
    tell(hub, news(1, "comment.created", "event"), 0.0)
    tell(hub, news(2, "comment.created", "event"), 0.0)
    assert ear.heard[1] == ("comment.created", "02", "01")


def test_the_first_state_goes_out_at_once_and_of_the_next_only_the_newest() -> None:
    ear = Ear()
    hub = hub_with(ear)
    for seq in range(1, 6):
        tell(hub, news(seq), seq / 100)
    hub.flush_due(0.05)
    assert [heard[1] for heard in ear.heard] == ["01"]
    hub.flush_due(0.12)
    assert ear.heard[1:] == [("post.counters", "05", "01")]


def test_what_is_held_back_goes_out_right_before_the_next_event() -> None:
    ear = Ear()
    hub = hub_with(ear)
    tell(hub, news(1), 0.0)
    tell(hub, news(2), 0.01)
    tell(hub, news(3, "comment.created", "event"), 0.02)
    assert ear.heard[1:] == [("post.counters", "02", "01"), ("comment.created", "03", "02")]


def test_states_of_two_types_keep_the_order_of_their_ids() -> None:
    ear = Ear()
    hub = hub_with(ear)
    tell(hub, news(1, "a"), 0.0)
    tell(hub, news(2, "b"), 0.01)
    tell(hub, news(3, "a"), 0.02)
    tell(hub, news(4, "b"), 0.03)
    hub.flush_due(0.2)
    assert [heard[1] for heard in ear.heard] == ["01", "03", "04"]


def test_who_joins_while_something_is_held_back_is_spared_what_they_know() -> None:
    early, late = Ear(), Ear()
    hub = hub_with(early)
    tell(hub, news(1), 0.0)
    tell(hub, news(2), 0.01)
    hub.join(late, TOPIC, "", news(2).id)
    hub.flush_due(0.2)
    tell(hub, news(3, "comment.created", "event"), 0.3)
    assert late.heard == [("comment.created", "03", "02")]


def test_who_joins_while_something_is_held_back_hears_what_comes_after() -> None:
    early, late = Ear(), Ear()
    hub = hub_with(early)
    tell(hub, news(1), 0.0)
    tell(hub, news(2), 0.01)
    hub.join(late, TOPIC, "", news(2).id)
    tell(hub, news(3), 0.02)
    hub.flush_due(0.2)
    assert late.heard == [("post.counters", "03", "01")]


def test_a_topic_that_nobody_listens_to_any_more_is_forgotten() -> None:
    ear = Ear()
    hub = hub_with(ear)
    tell(hub, news(1), 0.0)
    tell(hub, news(2), 0.01)
    hub.leave(ear, TOPIC)
    assert hub.channels == {}
    assert hub.holding == set()


def test_a_frame_is_encoded_once_for_all_who_want_the_same_bytes() -> None:
    ears = [Ear() for _ in range(3)]
    frames: list[bytes] = []
    hub = hub_with(*ears)
    for ear in ears:
        ear.send_event = lambda event: frames.append(event.bytes_for(wire_for("potluck.v1.json", framed=True)))
    tell(hub, news(1, "comment.created", "event"), 0.0)
    assert len(frames) == 3
    assert len({id(frame) for frame in frames}) == 1


def test_what_somebody_may_not_see_is_withheld_and_their_next_frame_names_what_they_were_sent_last() -> None:
    nasty, nice = UUID(int=1), UUID(int=2)
    wary, other = Ear(str(nasty)), Ear()
    hub = hub_with(wary, other)
    for seq, actor in enumerate([nice, nasty, nasty, nice], start=1):
        tell(hub, news(seq, "comment.created", "event", actor=actor), 0.0)
    assert wary.heard == [("comment.created", "01", ""), ("comment.created", "04", "01")]
    assert [prev for _, _, prev in other.heard] == ["", "01", "02", "03"]


def test_who_leaves_and_joins_again_is_told_what_they_were_sent_last_not_what_was_withheld() -> None:
    nasty = UUID(int=1)
    ear = Ear(str(nasty))
    hub = hub_with(ear)
    tell(hub, news(1, "comment.created", "event"), 0.0)
    tell(hub, withheld := news(2, "comment.created", "event", actor=nasty), 0.0)
    last = hub.leave(ear, TOPIC)
    hub.join(ear, TOPIC, withheld.id, withheld.id, last=last)
    tell(hub, news(3, "comment.created", "event"), 0.0)
    assert ear.heard == [("comment.created", "01", ""), ("comment.created", "03", "01")]


def test_nothing_is_withheld_of_somebody_on_what_is_theirs() -> None:
    late = UUID(int=1)  # may be seen again, which the listener may be told in a moment
    ear, hub = Ear(str(late)), Hub(state_interval_s=0.1, board_interval_s=0.25)
    hub.join(ear, TOPIC, "", "", owner=str(late))
    hub.deliver(news(1, "post.edited", "event", actor=late), 0.0)
    assert ear.heard == [("post.edited", "01", "")]


def test_what_is_below_somebody_hidden_is_withheld_whoever_says_it() -> None:
    nasty, nice = UUID(int=1), UUID(int=2)
    wary, other = Ear(str(nasty)), Ear()
    hub = hub_with(wary, other)
    tell(hub, news(1, "comment.created", "event", voice(UserID(nasty)), actor=nice), 0.0)
    tell(hub, news(2, "comment.created", "event", voice(UserID(nice)), actor=nice), 0.0)
    assert wary.heard == [("comment.created", "02", "")]
    assert len(other.heard) == 2


@pytest.mark.parametrize("subprotocol", SUBPROTOCOLS)
def test_a_frame_is_compressed_once_for_all_and_without_what_came_before_it(subprotocol: str) -> None:
    said = Frame(news(2, "comment.created", "event", "x" * 50, "x" * 50), "post:1" + "1" * 200, "0" * 24)
    plain, deflated = wire_for(subprotocol, framed=True), wire_for(subprotocol, framed=True, deflated=True)
    short = said.bytes_for(deflated)

    assert said.bytes_for(deflated) is short
    assert (short[0], short[1]) == (said.bytes_for(plain)[0] | 0x40, len(short) - (4 if short[1] == 126 else 2))
    payload = zlib.decompressobj(-12).decompress(short[2 if short[1] < 126 else 4 :] + b"\0\0\xff\xff")
    assert payload == said.bytes_for(wire_for(subprotocol, framed=False))
    assert len(short) < len(said.bytes_for(plain))


class BoardEar(Ear):
    """A listener to a board, that writes down from which version to which it is told, and the ids."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self.spans: list[tuple[int, int]] = []

    def _write(self, event: Frame | Run) -> None:
        super()._write(event)
        for each in event.frames:
            self.frames.append(each)
            data = data_of(each.news)
            self.spans.append((data["from_version"], data["version"]))


WINDOWS: list[Window] = [[], [(1, 1.0)], [(2, 2.0), (1, 1.0)], [(1, 3.0), (2, 2.0)], [(1, 3.0)], [(2, 2.0)]]


def board_of(*ears: BoardEar) -> tuple[Hub, list[News]]:
    """A hub that has told the first change just now, and the next ones."""
    hub = Hub(state_interval_s=0.1, board_interval_s=0.25)
    first, *later = changes(WINDOWS)
    for ear in ears:
        hub.join(ear, BOARD, "", "")
    tell(hub, first, 0.0)
    return hub, later


def test_of_a_board_the_first_change_goes_out_at_once_and_the_next_ones_as_one() -> None:
    ear = BoardEar()
    hub, later = board_of(ear)
    for news in later[:3]:
        tell(hub, news, 0.1)
    hub.flush_due(0.24)
    assert ear.spans == [(0, 1)]
    hub.flush_due(0.25)
    assert ear.spans[1:] == [(1, 4)]
    assert ear.heard[1:] == [("leaderboard.changed", "04", "01")]
    assert apply(shown(WINDOWS[1]), data_of(ear.frames[1].news)) == shown(WINDOWS[4])


def test_a_change_of_a_board_that_waited_long_enough_goes_out_with_the_next() -> None:
    ear = BoardEar()
    hub, later = board_of(ear)
    tell(hub, later[0], 0.1)
    tell(hub, later[1], 0.3)
    assert ear.spans == [(0, 1), (1, 3)]


def test_a_position_does_not_cover_a_change_that_is_held_back_with_others() -> None:
    ear = BoardEar()
    hub, later = board_of(ear)
    for news in later[:2]:
        tell(hub, news, 0.1)
    assert ear.frames[0].news.id <= hub.settled(BOARD, later[1].id) < later[0].id


def test_who_joins_between_changes_that_are_held_back_is_told_what_is_behind_their_position() -> None:
    early, late, latest = BoardEar(), BoardEar(), BoardEar()
    hub, later = board_of(early)
    tell(hub, later[0], 0.1)
    hub.join(late, BOARD, later[0].id, later[0].id)
    tell(hub, later[1], 0.11)
    tell(hub, later[2], 0.12)
    hub.join(latest, BOARD, later[2].id, later[2].id)
    hub.flush_due(0.3)
    tell(hub, later[3], 0.9)
    assert early.spans == [(0, 1), (1, 4), (4, 5)]
    assert late.spans == [(2, 4), (4, 5)]
    assert late.heard[0][1:] == ("04", "01")
    assert latest.spans == [(4, 5)]


def test_who_joins_at_the_same_change_shares_the_frames() -> None:
    ears = [BoardEar() for _ in range(3)]
    hub, later = board_of(BoardEar())
    tell(hub, later[0], 0.1)
    for ear in ears:
        hub.join(ear, BOARD, later[0].id, later[0].id)
    tell(hub, later[1], 0.11)
    hub.flush_due(0.3)
    assert len({id(ear.frames[0]) for ear in ears}) == 1


def test_changes_of_a_board_that_do_not_follow_each_other_go_out_one_by_one() -> None:
    early, late = BoardEar(), BoardEar()
    hub, later = board_of(early)
    tell(hub, later[0], 0.1)
    hub.join(late, BOARD, later[0].id, later[0].id)
    tell(hub, later[2], 0.11)
    hub.flush_due(0.3)
    assert early.heard[1:] == [("leaderboard.changed", "02", "01"), ("leaderboard.changed", "04", "02")]
    assert late.heard == [("leaderboard.changed", "04", "01")]


def test_a_state_beside_a_board_waits_with_it() -> None:
    ear = BoardEar()
    hub, later = board_of(ear)
    state = news(100)
    state.topics = [BOARD]
    state.data = b'{"from_version":0,"version":0}'
    tell(hub, later[0], 0.1)
    tell(hub, state, 0.11)
    hub.flush_due(0.2)
    assert len(ear.heard) == 1
    hub.flush_due(0.25)
    assert [heard[1] for heard in ear.heard] == ["01", "02", "64"]
