"""What clients hear of what is trending: the whole list, so that the newest is enough."""

from typing import ClassVar

from domain.eventlog import Delivery, Event
from domain.trending.queries import TrendingDish


class TrendingChanged(Event, frozen=True, kw_only=True):
    """A list has changed, and not only by the time that went by: scores are as of `at`, and half of that
    `half_life_s` later. `version` counts the changes of a list."""

    type: ClassVar[str] = "trending.changed"
    heard_on: ClassVar[tuple[str, ...]] = ("trending",)
    delivery: ClassVar[Delivery] = "state"
    version: int
    at: str
    half_life_s: float
    top: list[TrendingDish]


class TrendingDue(Event, frozen=True, kw_only=True):
    """Some acts are older than the window: to be let go by who folds."""

    type: ClassVar[str] = "trending.due"
