"""What an act weighs, which list a dish is on, and how scores fade."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

from domain.ids import DishID, ReviewID, UserID
from domain.rankings.rules import Placing

TOP: Final = 50
"""How long a list is, read and told."""

EXPIRED: Final = 10_000
"""How many acts one fold lets go."""

RANKS: Final = {1: 6, 2: 5, 3: 4, 4: 3, 5: 2}
TASTES: Final = {"acceptable": 1, "second_chance": 0, "dissatisfied": 0}

REVIEW: Final = 3
STAR: Final = 2
"""What a review weighs more for each star above three, and less for each below."""
COMMENT: Final = 3
LIKE: Final = 2

Kind = Literal["ranking", "review", "comment", "like"]


class Act(NamedTuple):
    """What somebody did about a dish, at a time (UTC); `thing_id` is what it was done to or said in: a dish that is
    ranked, a review, a comment. On a review, which names the dish. A weight of 0 takes back what they did of this kind
    to this thing before, on whatever day."""

    kind: Kind
    dish_id: DishID | None
    review_id: ReviewID | None
    thing_id: UUID
    actor_id: UserID
    weight: int
    at: datetime


class Key(NamedTuple):
    """What is taken back: a kind of act that somebody did to a thing."""

    kind: Kind
    thing_id: UUID
    actor_id: UserID


def weight_of(placing: Placing | None) -> int:
    """What a ranking weighs; one that is no longer there, or fell out of the ranks, nothing."""
    if placing is None:
        return 0
    return RANKS.get(placing.rank or 0, 0) + TASTES.get(placing.taste or "", 0)


def weight_of_review(stars: int | None) -> int:
    """What a review weighs: one without stars as one with three. Of a bad one nothing is left, but nobody takes away
    what others gave: a dish that all dislike is not trending, and a sum of what is above 0 has a logarithm."""
    return REVIEW if stars is None else max(REVIEW + STAR * (stars - 3), 0)


def netted(acts: Iterable[Act]) -> tuple[list[Key], list[Act]]:
    """What acts in their order come to: what is taken back, and then done; once a day, first then and last so."""
    back: dict[Key, None] = {}
    done: dict[Key, dict[date, Act]] = {}
    for act in acts:
        key = Key(act.kind, act.thing_id, act.actor_id)
        if act.weight == 0:
            back[key] = None
            done.pop(key, None)
            continue
        days = done.setdefault(key, {})
        first = days.get(act.at.date(), act)
        days[act.at.date()] = act._replace(at=first.at)
    return list(back), [act for days in done.values() for act in days.values()]


def scope_of(city: str, dish_type: str | None) -> str:
    """The list of a city, of all types or of one; both are slugs."""
    return f"dishes:{city}" if dish_type is None else f"dishes:{city}:{dish_type}"


def parse_scope(scope: str) -> tuple[str, str | None] | None:
    """The city and the type of a list, or null for all types; None when no list is called so."""
    match scope.split(":"):
        case ["dishes", city]:
            return city, None
        case ["dishes", city, dish_type]:
            return city, dish_type
        case _:
            return None


def score_at(time: datetime, one_at: datetime, half_life_s: float) -> float:
    """What a score has come to at a time, three digits behind the point, when it is 1 at `one_at`."""
    return round(2 ** ((one_at - time).total_seconds() / half_life_s), 3)
