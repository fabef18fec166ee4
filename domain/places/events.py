"""What happens to restaurants. Facts: who has a block with whom added or changed one hears of it, too."""

from typing import ClassVar

from domain.eventlog import Event
from domain.ids import RestaurantID
from domain.places.queries import Restaurant
from domain.places.rules import Hours


class RestaurantAdded(Event, frozen=True, kw_only=True):
    """Somebody added it."""

    type: ClassVar[str] = "restaurant.added"
    heard_on: ClassVar[tuple[str, ...]] = ("restaurant",)
    restaurant: Restaurant


class RestaurantEdited(Event, frozen=True, kw_only=True):
    """Somebody changed it. Counters are not repeated: they have a writer of their own."""

    type: ClassVar[str] = "restaurant.edited"
    heard_on: ClassVar[tuple[str, ...]] = ("restaurant",)
    id: RestaurantID
    name: str
    address: str | None
    city: str | None
    state: str | None
    country: str | None
    postal_code: str | None
    latitude: float | None
    longitude: float | None
    phone: str | None
    website: str | None
    hours: Hours | None
    cuisine_type: list[str]
    price_range: int | None
    photos: list[str]
    updated_at: str


class CityNamed(Event, frozen=True, kw_only=True):
    """A city is known from now on, by a name of its own; `key` and `country` are what cities are compared by. For
    servers."""

    type: ClassVar[str] = "city.named"
    slug: str
    key: str
    country: str
