"""Restaurants over HTTP."""

from typing import Annotated
from uuid import UUID

from litestar import get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from domain.accounts.rules import Viewer
from domain.ids import RestaurantID
from domain.places import actions, queries
from domain.places.actions import NewRestaurant, RestaurantChanges
from domain.places.queries import Edit, Restaurant, Wanted
from domain.places.rules import parse_near
from server.paging import Cursor, Limit, Numbered, Page, PageNumber, numbered, page, position_in

Searched = Annotated[
    str | None, QueryParameter(min_length=2, max_length=100, description="Words of the name; small slips are forgiven.")
]
Named = Annotated[str | None, QueryParameter(max_length=100, description="A name, in whatever case.")]
State = Annotated[str | None, QueryParameter(name="state")]  # `state` is Litestar's own
PriceRange = Annotated[int | None, QueryParameter(ge=1, le=4)]
Near = Annotated[
    str | None, QueryParameter(max_length=100, description="`latitude,longitude,kilometres`; the nearest come first.")
]
Force = Annotated[bool, QueryParameter(description="Add it although it seems to be there already.")]


@post("/api/v1/restaurants")
async def add_restaurant(
    viewer: NamedDependency[Viewer], data: JSONBody[NewRestaurant], force: FromQuery[Force] = False
) -> Restaurant:
    """Add a restaurant. 409 names, by id, those that seem to be the same."""
    return await actions.add_restaurant(viewer, data, force=force)


@get("/api/v1/restaurants")
async def search_restaurants(
    *,
    viewer: NamedDependency[Viewer],
    q: FromQuery[Searched] = None,
    near: FromQuery[Near] = None,
    city: FromQuery[Named] = None,
    of_state: FromQuery[State] = None,
    country: FromQuery[Named] = None,
    cuisine: FromQuery[Named] = None,
    price: FromQuery[PriceRange] = None,
    page: FromQuery[PageNumber] = 1,
    limit: FromQuery[Limit] = 20,
) -> Numbered[Restaurant]:
    """Restaurants: the nearest first, or those whose name is most like `q`, or by name."""
    wanted = Wanted(q, None if near is None else parse_near(near), city, of_state, country, cuisine, price)
    return numbered(await queries.search_restaurants(viewer, wanted, page, limit), page, limit)


@get("/api/v1/restaurants/{restaurant_id:uuid}")
async def read_restaurant(viewer: NamedDependency[Viewer], restaurant_id: FromPath[UUID]) -> Restaurant:
    """One restaurant."""
    return await queries.read_restaurant(viewer, RestaurantID(restaurant_id))


@patch("/api/v1/restaurants/{restaurant_id:uuid}")
async def edit_restaurant(
    viewer: NamedDependency[Viewer], restaurant_id: FromPath[UUID], data: JSONBody[RestaurantChanges]
) -> Restaurant:
    """Change a restaurant that one has added, or as a moderator; what is left out stays."""
    return await actions.edit_restaurant(viewer, RestaurantID(restaurant_id), data)


@get("/api/v1/restaurants/{restaurant_id:uuid}/edits")
async def read_edits(
    viewer: NamedDependency[Viewer],
    restaurant_id: FromPath[UUID],
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[Edit]:
    """Who changed what of a restaurant, newest first."""
    found = await queries.read_edits(viewer, RestaurantID(restaurant_id), position_in(cursor, UUID), limit + 1)
    return page(found, limit, lambda last: last.id)


routes = [add_restaurant, search_restaurants, read_restaurant, edit_restaurant, read_edits]
