"""Rankings of dishes over HTTP."""

from uuid import UUID

from litestar import delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from domain.accounts.rules import Viewer
from domain.dishes.rules import DishTypeSlug
from domain.ids import DishID, RestaurantID, UserID
from domain.rankings import actions, queries
from domain.rankings.actions import NewRanking, Ranked
from domain.rankings.queries import NextPair, Ranking, RankingChange
from server.paging import Cursor, Limit, Page, page, position_in


@put("/api/v1/dishes/{dish_id:uuid}/ranking")
async def rank_dish(viewer: NamedDependency[Viewer], dish_id: FromPath[UUID], data: JSONBody[NewRanking]) -> Ranked:
    """Give a dish a rank among those of its type at its restaurant, or a taste. Who held the rank moves down."""
    return await actions.rank_dish(viewer, DishID(dish_id), data)


@delete("/api/v1/dishes/{dish_id:uuid}/ranking", status_code=200)
async def unrank_dish(viewer: NamedDependency[Viewer], dish_id: FromPath[UUID]) -> Ranked:
    """Take a ranking back, if there is one. Who is below moves up."""
    return await actions.unrank_dish(viewer, DishID(dish_id))


@get("/api/v1/dishes/{dish_id:uuid}/rankings")
async def read_rankings_on_dish(
    viewer: NamedDependency[Viewer],
    dish_id: FromPath[UUID],
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[Ranking]:
    """What people think of a dish, the newest first."""
    found = await queries.read_rankings_on(viewer, DishID(dish_id), position_in(cursor, UUID), limit + 1)
    return page(found, limit, lambda last: last.id)


@get("/api/v1/users/{user_id:uuid}/rankings")
async def read_rankings_of(
    *,
    viewer: NamedDependency[Viewer],
    user_id: FromPath[UUID],
    restaurant_id: FromQuery[UUID | None] = None,
    dish_type: FromQuery[DishTypeSlug | None] = None,
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[Ranking]:
    """What somebody ranked, the newest first; at a restaurant, of a type."""
    where = None if restaurant_id is None else RestaurantID(restaurant_id)
    found = await queries.read_rankings_of(
        viewer, UserID(user_id), position_in(cursor, UUID), limit + 1, restaurant_id=where, dish_type=dish_type
    )
    return page(found, limit, lambda last: last.id)


@get("/api/v1/users/{user_id:uuid}/rankings/history")
async def read_history(
    viewer: NamedDependency[Viewer],
    user_id: FromPath[UUID],
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[RankingChange]:
    """How somebody's rankings came to be, the newest change first."""
    found = await queries.read_history(viewer, UserID(user_id), position_in(cursor, UUID), limit + 1)
    return page(found, limit, lambda last: last.id)


@get("/api/v1/rankings/next-pair")
async def next_pair(
    *,
    viewer: NamedDependency[Viewer],
    restaurant_id: FromQuery[UUID],
    dish_type: FromQuery[DishTypeSlug],
    dish_id: FromQuery[UUID | None] = None,
    better_than: FromQuery[UUID | None] = None,
    worse_than: FromQuery[UUID | None] = None,
) -> NextPair:
    """Which two dishes to compare next, to find a dish's rank in few questions. Ask again with the same `dish_id`, and
    with the other dish as `better_than` when the dish is better than it, or else as `worse_than`; keep the one before.
    """
    return await queries.next_pair(
        viewer,
        RestaurantID(restaurant_id),
        dish_type,
        dish_id=_dish(dish_id),
        better_than=_dish(better_than),
        worse_than=_dish(worse_than),
    )


def _dish(dish_id: UUID | None) -> DishID | None:
    return None if dish_id is None else DishID(dish_id)


routes = [rank_dish, unrank_dish, read_rankings_on_dish, read_rankings_of, read_history, next_pair]
