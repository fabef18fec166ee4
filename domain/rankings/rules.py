"""How ranks move, and which two dishes to compare next."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from domain.errors import Invalid
from domain.ids import DishID
from domain.text import Readable

LAST: Final = 5
"""The last rank there is."""

Rank = Annotated[int, Meta(ge=1, le=LAST)]
Taste = Literal["acceptable", "second_chance", "dissatisfied"]
Notes = Annotated[Readable, Meta(max_length=2000)]


class Placing(msgspec.Struct, frozen=True):
    """What somebody thinks of a dish: a rank or a taste; neither when it fell out of the ranks."""

    rank: Rank | None
    taste: Taste | None


class Moved(msgspec.Struct, frozen=True, rename={"old": "from", "new": "to"}):
    """Another dish whose rank changed; `to` is null when it fell out."""

    dish_id: DishID
    old: Rank
    new: Rank | None


def check_placing(placing: Placing) -> None:
    """Raises Invalid unless it is a rank or a taste."""
    if (placing.rank is None) == (placing.taste is None):
        raise Invalid(dict.fromkeys(("rank", "taste"), "Give a rank or a taste, one of them."))


def placed(order: Sequence[DishID], dish_id: DishID, rank: Rank | None) -> list[DishID]:
    """The order once a dish has this rank, or the next free one when it lies behind that; or none.

    One that falls out is the sixth of the answer.
    """
    others = [each for each in order if each != dish_id]
    return others if rank is None else [*others[: rank - 1], dish_id, *others[rank - 1 :]]


def moved(before: Sequence[DishID], after: Sequence[DishID], dish_id: DishID) -> list[Moved]:
    """The dishes but this one whose ranks differ."""
    ranks = {each: rank for rank, each in enumerate(after[:LAST], 1)}
    found = [Moved(each, rank, ranks.get(each)) for rank, each in enumerate(before, 1) if each != dish_id]
    return [each for each in found if each.old != each.new]


def rank_in(order: Sequence[DishID], dish_id: DishID) -> Rank | None:
    """The dish's rank, if it has one."""
    return order.index(dish_id) + 1 if dish_id in order else None


class Bounds(NamedTuple):
    """A dish belongs to one of the ranks from `best` to `worst`; behind the last one it has none."""

    best: int
    worst: int

    @property
    def compare_with(self) -> int | None:
        """The rank of the dish to compare with: whatever the answer, half of the ranks are out of the question.

        Binary insertion: of n dishes at most ceil(log2(n + 1)) are compared. None when it is known.
        """
        return None if self.best == self.worst else (self.best + self.worst) // 2

    @property
    def questions(self) -> int:
        """How many comparisons there are to come, at most."""
        return (self.worst - self.best).bit_length()


def bounds(others: Sequence[DishID], better_than: DishID | None, worse_than: DishID | None) -> Bounds:
    """Where a dish belongs that is better than the one and worse than the other. Raises Invalid."""
    for field, dish_id in (("better_than", better_than), ("worse_than", worse_than)):
        if dish_id is not None and dish_id not in others:
            raise Invalid({field: "This is none of the ranked dishes it can be compared with."})
    best = 1 if worse_than is None else others.index(worse_than) + 2
    worst = len(others) + 1 if better_than is None else others.index(better_than) + 1
    if best > worst:
        raise Invalid(dict.fromkeys(("better_than", "worse_than"), "The first is ranked above the second."))
    return Bounds(best, worst)
