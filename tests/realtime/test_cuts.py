"""What is known of the newest batches, and when it has to be asked for."""

import pytest

from domain.eventlog import Cut
from realtime.cuts import REMEMBERED, Cuts

LIKES, FOLLOWS, UNKNOWN = frozenset({"post.liked"}), frozenset({"user.followed"}), None


def cut_in_a_row(*types: frozenset[str] | None, first: int = 11) -> Cuts:
    """Batches from 11 on, behind batch 10."""
    cuts = Cuts()
    for batch, each in enumerate(types, first):
        cuts.add(Cut(batch, batch - 1, "1:1:", each))
    return cuts


@pytest.mark.parametrize(
    ("types", "batch", "upto"),
    [
        ([], 10, None),
        ([FOLLOWS], 10, 11),
        ([FOLLOWS, FOLLOWS], 10, 12),
        ([frozenset[str]()], 10, 11),
        ([LIKES], 10, None),
        ([LIKES, FOLLOWS], 10, None),
        ([LIKES, FOLLOWS], 11, 12),
        ([FOLLOWS], 11, 11),
        ([FOLLOWS], 9, None),
        ([FOLLOWS], 12, None),
        ([UNKNOWN, FOLLOWS], 10, None),
        ([UNKNOWN, FOLLOWS], 11, 12),
    ],
)
def test_one_can_stand_behind_all_that_holds_nothing(
    types: list[frozenset[str] | None], batch: int, upto: int | None
) -> None:
    assert cut_in_a_row(*types).without(LIKES, batch) == upto


def test_a_batch_that_somebody_else_cut_between_them_is_not_passed_over() -> None:
    cuts = Cuts()
    cuts.add(Cut(11, 10, "1:1:", FOLLOWS))
    cuts.add(Cut(13, 12, "1:1:", FOLLOWS))

    assert (cuts.without(LIKES, 10), cuts.without(LIKES, 12)) == (None, 13)


def test_what_is_remembered_has_a_bound() -> None:
    cuts = cut_in_a_row(*[FOLLOWS] * (REMEMBERED + 1))

    assert (cuts.without(LIKES, 10), cuts.without(LIKES, 11)) == (None, 11 + REMEMBERED)


async def test_who_waits_is_woken_by_the_next_batch_and_not_kept_waiting_by_one_that_came_before() -> None:
    cuts = cut_in_a_row(FOLLOWS)

    assert await cuts.behind(10, timeout=0)
    assert not await cuts.behind(11, timeout=0)
