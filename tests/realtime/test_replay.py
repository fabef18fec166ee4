"""What can be told again, and what can not."""

import pytest

from domain.clock import now
from domain.eventlog import Logged
from realtime.news import News, entry
from realtime.replay import Ring
from tests.realtime.windows import BOARD, changes, data_of

SECOND = 1000


def news(batch: int, seq: int, topic: str = "post:1", *also: str, type: str = "x", delivery: str = "event") -> News:
    logged = Logged(seq, type, [topic, *also], "{}", None, None, now())
    return News(f"{batch}-{seq}", entry(logged, "0-0", delivery))


def ring_with(*entries: News, window_s: float = 300, budget: int = 1_000_000) -> Ring:
    ring = Ring(window_s, budget)
    ring.clear(f"{0:024x}")
    for each in entries:
        ring.add(each)
    return ring


def told(ring: Ring, topic: str, cursor: str) -> list[tuple[str, str]] | None:
    found = ring.since(topic, cursor)
    return None if found is None else [(each.id, prev) for each, prev in found]


def test_what_came_behind_a_cursor_is_told_with_the_id_before_it() -> None:
    first, second, third = news(1, 1), news(1, 2, "post:2"), news(2, 3)
    ring = ring_with(first, second, third)
    assert told(ring, "post:1", first.id) == [(third.id, first.id)]


def test_from_the_floor_on_everything_is_told_and_before_it_nothing_can_be() -> None:
    first, second = news(1 * SECOND, 1), news(400 * SECOND, 2)
    ring = ring_with(first, second)
    assert ring.floor == first.id
    assert told(ring, "post:1", first.id) == [(second.id, "")]
    assert told(ring, "post:1", f"{0:024x}") is None


def test_of_state_only_the_newest_of_a_type_is_told() -> None:
    states = [news(1, seq, delivery="state") for seq in (1, 2, 3)]
    ring = ring_with(*states, news(1, 4, type="y"))
    assert told(ring, "post:1", states[0].id) == [(states[2].id, states[0].id), (news(1, 4).id, states[2].id)]


def test_what_is_withheld_is_not_told_again_either() -> None:
    first, second, third = news(1, 1), news(1, 2, "post:1", "voice:nasty"), news(1, 3)
    found = ring_with(first, second, third).since("post:1", first.id, lambda each: not each.is_withheld({"nasty"}))
    assert found == [(third, first.id)]


def test_the_ring_keeps_to_its_budget_of_bytes() -> None:
    ring = ring_with(*(news(1, seq) for seq in range(1, 101)), budget=5_000)
    assert ring.bytes <= 5_000
    assert told(ring, "post:1", ring.floor) is not None


def test_age_is_counted_from_the_newest_entry() -> None:
    ring = ring_with(news(1 * SECOND, 1), news(2 * SECOND, 2))
    assert told(ring, "post:1", f"{0:024x}") is not None


def test_an_entry_that_is_not_the_newest_is_refused() -> None:
    ring = ring_with(news(1, 2))
    with pytest.raises(ValueError, match="not newer"):
        ring.add(news(1, 1))


def test_of_a_board_what_came_behind_a_cursor_is_told_as_one_change() -> None:
    parts = changes([[], [(1, 1.0)], [(2, 1.0)], [(1, 1.0), (2, 1.0)], [(2, 1.0)]])
    ((whole, prev),) = ring_with(*parts).since(BOARD, parts[0].id) or []
    assert (whole.id, prev) == (parts[-1].id, parts[0].id)
    assert (data_of(whole)["from_version"], data_of(whole)["version"]) == (1, 4)


def test_changes_of_a_board_that_do_not_follow_each_other_are_told_one_by_one() -> None:
    first, _, third, fourth = changes([[], [(1, 1.0)], [(2, 1.0)], [(1, 1.0), (2, 1.0)], [(2, 1.0)]])
    ring = ring_with(first, third, fourth)
    assert told(ring, BOARD, f"{0:024x}") == [(first.id, ""), (fourth.id, first.id)]
