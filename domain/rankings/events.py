"""What happens to rankings. Who has a block between them and the actor hears nothing of it."""

from typing import ClassVar

from domain.accounts.queries import UserRef
from domain.eventlog import Event
from domain.ids import DishID, RestaurantID
from domain.rankings.queries import Ranking
from domain.rankings.rules import Moved, Placing


class RankingChanged(Event, frozen=True, kw_only=True):
    """Somebody ranked a dish, or no longer does: `ranking` is null then, and `before` when it is new to them.
    `moved` are the others whose ranks changed by it. Told to clients when the account is public. `city` is a slug."""

    type: ClassVar[str] = "ranking.changed"
    heard_on: ClassVar[tuple[str, ...]] = ("dish", "restaurant")
    user: UserRef
    dish_id: DishID
    restaurant_id: RestaurantID
    dish_type: str
    city: str | None
    ranking: Ranking | None
    before: Placing | None
    moved: list[Moved]
