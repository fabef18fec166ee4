"""What happens to dishes. Facts, as with restaurants: who has a block with whom did it hears of it, too."""

from typing import ClassVar

from domain.dishes.queries import Dish
from domain.eventlog import Event
from domain.ids import DishID, RestaurantID


class DishAdded(Event, frozen=True, kw_only=True):
    """Somebody added a dish to a restaurant."""

    type: ClassVar[str] = "dish.added"
    heard_on: ClassVar[tuple[str, ...]] = ("restaurant",)
    dish: Dish


class DishEdited(Event, frozen=True, kw_only=True):
    """Somebody changed it. Score and counters are not repeated: they have writers of their own."""

    type: ClassVar[str] = "dish.edited"
    heard_on: ClassVar[tuple[str, ...]] = ("restaurant", "dish")
    id: DishID
    name: str
    description: str | None
    price: str | None
    currency: str | None
    image_url: str | None
    dish_type: str
    tags: list[str]
    is_seasonal: bool
    is_available: bool
    updated_at: str


class DishRemoved(Event, frozen=True, kw_only=True):
    """It is gone: nobody had ranked or reviewed it; else it is edited instead, and no longer available."""

    type: ClassVar[str] = "dish.removed"
    heard_on: ClassVar[tuple[str, ...]] = ("restaurant", "dish")
    id: DishID
    restaurant_id: RestaurantID
