"""What people do about dishes, as it lies in the log at the time of the test's clock, and what is listed of it."""

from collections.abc import Sequence
from itertools import count

from domain import db
from domain.accounts.queries import UserRef
from domain.clock import stamp
from domain.dishes.queries import Dish
from domain.eventlog import Event, Logged, encode
from domain.ids import RankingID, UserID, new_id
from domain.rankings.events import RankingChanged
from domain.rankings.queries import DishRef, Ranking
from domain.rankings.rules import Placing, Taste
from domain.trending.actions import fold, let_go
from domain.trending.events import TrendingChanged, TrendingDue
from domain.trending.queries import TrendingDishes, read_trending
from tests.conftest import Clock
from tests.factories import make_dish, make_restaurant

NOTHING = Placing(None, None)
CITY = "Springfield"
_numbers = count(1)


def somebody() -> UserID:
    return UserID(new_id())


async def dish_in(city: str = CITY, dish_type: str = "pizza") -> Dish:
    """A dish at a restaurant of its own."""
    return await make_dish(None, await make_restaurant(city=city), dish_type=dish_type)


def logged(clock: Clock, event: Event, *topics: str) -> Logged:
    return Logged(next(_numbers), event.type, [*topics], encode(event), None, None, clock.time)


def ranking(
    clock: Clock,
    dish: Dish,
    user_id: UserID,
    rank: int | None = 1,
    *,
    taste: Taste | None = None,
    before: Placing | None = None,
) -> Logged:
    """Somebody ranks a dish."""
    user = UserRef(user_id, "somebody", None, None)
    made = Ranking(
        id=RankingID(new_id()),
        user=user,
        dish_id=dish.id,
        dish=DishRef(dish.id, dish.name),
        restaurant_id=dish.restaurant.id,
        dish_type=dish.dish_type,
        rank=rank,
        taste=taste,
        notes="x",
        photo_url=None,
        created_at=stamp(clock.time),
        updated_at=stamp(clock.time),
    )
    return _changed(clock, dish, user, made, before)


def unranking(clock: Clock, dish: Dish, user_id: UserID, before: Placing = NOTHING) -> Logged:
    """Somebody takes their ranking back."""
    return _changed(clock, dish, UserRef(user_id, "somebody", None, None), None, before)


def _changed(clock: Clock, dish: Dish, user: UserRef, made: Ranking | None, before: Placing | None) -> Logged:
    changed = RankingChanged(
        user=user,
        dish_id=dish.id,
        restaurant_id=dish.restaurant.id,
        dish_type=dish.dish_type,
        city=None,
        ranking=made,
        before=before,
        moved=[],
    )
    return logged(clock, changed)


async def crowd(clock: Clock, dish: Dish, number: int = 5, rank: int = 1) -> list[UserID]:
    """So many new people rank a dish."""
    people = [somebody() for _ in range(number)]
    await fold([ranking(clock, dish, each, rank) for each in people])
    return people


async def tick(clock: Clock) -> None:
    """What the schedule does, and what follows from it."""
    await let_go()
    await fold([logged(clock, TrendingDue())])


async def listed(city: str = CITY, dish_type: str | None = None) -> list[str]:
    """The names of the dishes on a list."""
    return [each.dish_name for each in (await read(city, dish_type)).top]


async def read(city: str = CITY, dish_type: str | None = None) -> TrendingDishes:
    return await read_trending(city, dish_type, 50)


TOLD = "SELECT topics[1] AS topic, data::text AS data FROM events WHERE type = $1 ORDER BY seq"


async def told() -> Sequence[tuple[str, str]]:
    """(topic, data) of each list that was told, in order."""
    return [(row["topic"], row["data"]) for row in await db.fetch(TOLD, TrendingChanged.type)]
