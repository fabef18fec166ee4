"""What people earn. Points and levels are told to what follows from them; badges and reached levels to their owner."""

from typing import ClassVar
from uuid import UUID

from domain.accounts.queries import BadgeRef, CareerLevelRef
from domain.eventlog import Event
from domain.ids import RestaurantID, UserID


class PointsChanged(Event, frozen=True, kw_only=True):
    """Somebody has so many points now, maybe as many as before but others. For servers."""

    type: ClassVar[str] = "points.changed"
    user_id: UserID
    points: int


class RankersMoved(Event, frozen=True, kw_only=True):
    """Of whoever ranked at a restaurant that is elsewhere now, or cooks something else, those up to `after` have what
    that earns them; those behind are next. For servers."""

    type: ClassVar[str] = "rankers.moved"
    restaurant_id: RestaurantID
    after: UserID


class LevelChanged(Event, frozen=True, kw_only=True):
    """Somebody's career level is another than before; 0 is none. For servers."""

    type: ClassVar[str] = "level.changed"
    user_id: UserID
    level: int
    before: int


class BadgeEarned(Event, frozen=True, kw_only=True):
    """Somebody has a badge that they did not have."""

    type: ClassVar[str] = "badge.earned"
    heard_on: ClassVar[tuple[str, ...]] = ("notifications",)
    id: UUID
    user_id: UserID
    badge: BadgeRef
    awarded_at: str


class LevelReached(Event, frozen=True, kw_only=True):
    """Somebody has reached a level that they had not."""

    type: ClassVar[str] = "level.reached"
    heard_on: ClassVar[tuple[str, ...]] = ("notifications",)
    id: UUID
    user_id: UserID
    level: CareerLevelRef
    awarded_at: str
