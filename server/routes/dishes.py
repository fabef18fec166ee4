"""Dishes over HTTP."""

from typing import Annotated
from uuid import UUID

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from domain.accounts.rules import Viewer
from domain.dishes import actions, queries
from domain.dishes.actions import DishChanges, NewDish
from domain.dishes.queries import Dish, DishTypes, Wanted
from domain.ids import DishID, RestaurantID
from domain.places.queries import Edit
from server.paging import Cursor, Limit, Numbered, Page, PageNumber, numbered, page, position_in

Named = Annotated[str | None, QueryParameter(max_length=100, description="A name or a slug.")]


@post("/api/v1/restaurants/{restaurant_id:uuid}/dishes")
async def add_dish(viewer: NamedDependency[Viewer], restaurant_id: FromPath[UUID], data: JSONBody[NewDish]) -> Dish:
    """Add a dish to a restaurant."""
    return await actions.add_dish(viewer, RestaurantID(restaurant_id), data)


@get("/api/v1/restaurants/{restaurant_id:uuid}/dishes")
async def read_menu(
    viewer: NamedDependency[Viewer],
    restaurant_id: FromPath[UUID],
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[Dish]:
    """A restaurant's dishes, in the order of their adding."""
    found = await queries.read_menu(viewer, RestaurantID(restaurant_id), position_in(cursor, UUID), limit + 1)
    return page(found, limit, lambda last: last.id)


@get("/api/v1/dishes")
async def search_dishes(
    *,
    viewer: NamedDependency[Viewer],
    tag: FromQuery[Named] = None,
    dish_type: FromQuery[Named] = None,
    city: FromQuery[Named] = None,
    page: FromQuery[PageNumber] = 1,
    limit: FromQuery[Limit] = 20,
) -> Numbered[Dish]:
    """Dishes, the newest first."""
    found = await queries.search_dishes(viewer, Wanted(tag, dish_type, city), page, limit)
    return numbered(found, page, limit)


@get("/api/v1/dish-types")
async def read_dish_types(viewer: NamedDependency[Viewer]) -> DishTypes:  # noqa: ARG001 - for who has signed in
    """The types of dishes: people rank dishes of one type."""
    return await queries.read_dish_types()


@get("/api/v1/dishes/{dish_id:uuid}")
async def read_dish(viewer: NamedDependency[Viewer], dish_id: FromPath[UUID]) -> Dish:
    """One dish."""
    return await queries.read_dish(viewer, DishID(dish_id))


@patch("/api/v1/dishes/{dish_id:uuid}")
async def edit_dish(viewer: NamedDependency[Viewer], dish_id: FromPath[UUID], data: JSONBody[DishChanges]) -> Dish:
    """Change a dish that one has added, or whose restaurant, or as a moderator; what is left out stays."""
    return await actions.edit_dish(viewer, DishID(dish_id), data)


@delete("/api/v1/dishes/{dish_id:uuid}")
async def remove_dish(viewer: NamedDependency[Viewer], dish_id: FromPath[UUID]) -> None:
    """Delete such a dish; one that somebody ranked stays, no longer available."""
    await actions.remove_dish(viewer, DishID(dish_id))


@get("/api/v1/dishes/{dish_id:uuid}/edits")
async def read_dish_edits(
    viewer: NamedDependency[Viewer],
    dish_id: FromPath[UUID],
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[Edit]:
    """Who changed what of a dish, newest first."""
    found = await queries.read_edits(viewer, DishID(dish_id), position_in(cursor, UUID), limit + 1)
    return page(found, limit, lambda last: last.id)


routes = [add_dish, read_menu, search_dishes, read_dish_types, read_dish, edit_dish, remove_dish, read_dish_edits]
