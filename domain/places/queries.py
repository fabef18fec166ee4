"""What can be seen of restaurants: everything, by everybody."""

from collections.abc import Collection
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from domain import db
from domain.accounts.queries import UserRef, Verdict
from domain.accounts.rules import Viewer
from domain.clock import stamp
from domain.errors import NotFound
from domain.ids import RestaurantID, UserID
from domain.places.rules import FINDABLE, Hours, Near, country_key, wanted_slug
from domain.text import folded


class RestaurantTotals(msgspec.Struct, frozen=True):
    """How many dishes it has, and how many reviews they have."""

    dishes: int = 0
    reviews: int = 0


class Restaurant(msgspec.Struct, frozen=True, kw_only=True):
    """A restaurant; degrees in WGS 84, `price_range` from 1 to 4."""

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
    counters: RestaurantTotals
    created_at: str
    updated_at: str


class RestaurantRef(msgspec.Struct, frozen=True):
    """A restaurant, as far as its dishes name it."""

    id: RestaurantID
    name: str
    city: str | None


class Change(msgspec.Struct, frozen=True):
    """A field before and after an edit."""

    old: Any
    new: Any


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody changed, of each field. Who is gone, or hidden, is null."""

    id: UUID
    editor: UserRef | None
    changes: dict[str, Change]
    created_at: str


class RestaurantNotFound(NotFound):
    """There is no such restaurant."""


# $1 is the viewer.
_READ_RESTAURANT = """
SELECT r.id, r.name, r.address, r.city, r.state, r.country, r.postal_code, r.latitude, r.longitude, r.phone, r.website,
    r.hours, r.cuisine_type, r.price_range, r.photos, r.created_at, r.updated_at,
    greatest(coalesce(c.dishes, 0) + coalesce(own.dishes, 0), 0) AS dishes,
    greatest(coalesce(c.reviews, 0) + coalesce(said.reviews, 0), 0) AS reviews
FROM restaurants r LEFT JOIN restaurant_counts c ON c.restaurant_id = r.id
LEFT JOIN unfolded_dishes($1) own ON own.restaurant_id = r.id
LEFT JOIN unfolded_reviews($1) said ON said.thing = r.id
"""

READ_RESTAURANT = _READ_RESTAURANT + "WHERE r.id = $2"


async def read_restaurant(viewer: Viewer, restaurant_id: RestaurantID) -> Restaurant:
    """The restaurant. Raises RestaurantNotFound."""
    row = await db.fetchrow(READ_RESTAURANT, viewer.id, restaurant_id)
    if row is None:
        raise RestaurantNotFound
    return _restaurant(row)


def _restaurant(row: db.Row) -> Restaurant:
    hours = row["hours"]
    return Restaurant(
        id=row["id"],
        name=row["name"],
        address=row["address"],
        city=row["city"],
        state=row["state"],
        country=row["country"],
        postal_code=row["postal_code"],
        latitude=row["latitude"],
        longitude=row["longitude"],
        phone=row["phone"],
        website=row["website"],
        hours=None if hours is None else msgspec.json.decode(hours, type=Hours),
        cuisine_type=row["cuisine_type"],
        price_range=row["price_range"],
        photos=row["photos"],
        counters=RestaurantTotals(row["dishes"], row["reviews"]),
        created_at=stamp(row["created_at"]),
        updated_at=stamp(row["updated_at"]),
    )


class Wanted(NamedTuple):
    """What restaurants are looked for; what is None may be anything. A city is a name or a slug."""

    q: str | None = None
    near: Near | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    cuisine: str | None = None
    price: int | None = None


# A condition for each thing that is asked for, and no other: so that a plan that is kept uses the index of this one.
# What is said here of a parameter is its type; every one is in `_ASKED`, whether it is asked for or not.
_ASKED = """
WITH asked AS (
    SELECT $1::uuid, $2::text, $3::float8, $4::float8, $5::float8, $6::text, $7::text, $8::text, $9::text, $10::int
)
"""
_CONDITIONS = {
    "q": "r.search_name %> $2",
    "near": "globe(r.latitude, r.longitude) <@ cube_enlarge(globe($3, $4), $5, 3)\n"
    "    AND globe(r.latitude, r.longitude) <-> globe($3, $4) <= $5",
    "city": "(r.city_key = $6 OR r.city_slug = $6)",
    "state": "r.state_key = $7",
    "country": "r.country_key = $8",
    "cuisine": "r.cuisine_type @> ARRAY[$9]",
    "price": "r.price_range = $10",
}
_ORDERS = {
    "near": "globe(r.latitude, r.longitude) <-> globe($3, $4), r.id",
    "q": "word_similarity($2, r.search_name) DESC, r.search_name, r.id",
}
_BY_NAME = "r.search_name, r.id"


@cache
def find_restaurants(asked: tuple[str, ...]) -> str:
    """The statement that looks for what has these fields of Wanted: a page, the nearest, likest or first first."""
    order = next((order for name, order in _ORDERS.items() if name in asked), _BY_NAME)
    return " ".join([_ASKED, _READ_RESTAURANT, _where(asked), "ORDER BY", order, "LIMIT $11 OFFSET $12"])


@cache
def count_restaurants(asked: tuple[str, ...]) -> str:
    """The statement that counts the same, as far as they can be paged."""
    return " ".join([_ASKED, "SELECT count(*) FROM (SELECT FROM restaurants r", _where(asked), "LIMIT $11) found"])


def _where(asked: tuple[str, ...]) -> str:
    return "WHERE " + " AND ".join(["true", *(_CONDITIONS[name] for name in asked)])


async def search_restaurants(viewer: Viewer, wanted: Wanted, page: int, limit: int) -> tuple[list[Restaurant], int]:
    """A page of those that are wanted, from 1 on, and how many there are; both end at FINDABLE. Raises Invalid."""
    asked = tuple(name for name, value in wanted._asdict().items() if value is not None)
    args = (viewer.id, *_arguments(wanted))
    total = await db.fetchval(count_restaurants(asked), *args, FINDABLE)
    offset = limit * (page - 1)
    if offset >= total:
        return [], total
    rows = await db.fetch(find_restaurants(asked), *args, min(limit, FINDABLE - offset), offset)
    return [_restaurant(row) for row in rows], total


def _arguments(wanted: Wanted) -> tuple[object, ...]:
    near = wanted.near
    return (
        None if wanted.q is None else folded(wanted.q),
        *((None, None, None) if near is None else (near.latitude, near.longitude, near.chord)),
        wanted_slug(wanted.city, "city"),
        wanted_slug(wanted.state, "state"),
        wanted_slug(wanted.country, "country") and country_key(wanted.country),
        wanted_slug(wanted.cuisine, "cuisine"),
        wanted.price,
    )


# Two that have no positions are the same when they have the same name and city.
LIKELY_SAME = """
SELECT id, name, address, metres FROM (
    SELECT r.id, r.name, r.address, globe(r.latitude, r.longitude) <-> globe($2, $3) AS metres FROM restaurants r
    WHERE globe(r.latitude, r.longitude) <@ cube_enlarge(globe($2, $3), $4, 3)
        AND globe(r.latitude, r.longitude) <-> globe($2, $3) <= $4
        AND (r.search_name = $1 OR similarity(r.search_name, $1) >= $5)
    UNION ALL
    SELECT r.id, r.name, r.address, NULL FROM restaurants r
    WHERE r.search_name = $1 AND r.city_key = $6 AND ($7 IN ('', r.country_key) OR r.country_key = '')
        AND (r.latitude IS NULL OR $2::float8 IS NULL)
) AS found
ORDER BY metres, id LIMIT 10
"""

READ_EDITS = """
SELECT e.id, e.changes, e.created_at, u.id AS editor_id, u.username, u.display_name, u.avatar_url
FROM restaurant_edits e LEFT JOIN visible_users($1) u ON u.id = e.editor_id
WHERE e.restaurant_id = $2 AND ($3::uuid IS NULL OR e.id < $3) ORDER BY e.id DESC LIMIT $4
"""


async def read_edits(viewer: Viewer, restaurant_id: RestaurantID, before: UUID | None, limit: int) -> list[Edit]:
    """The edits of a restaurant, newest first, from before an id on. Raises RestaurantNotFound."""
    rows = await db.fetch(READ_EDITS, viewer.id, restaurant_id, before, limit)
    if not rows:
        await read_restaurant(viewer, restaurant_id)
    return [edit_of(row) for row in rows]


def edit_of(row: db.Row) -> Edit:
    """An edit with its editor, of whatever."""
    editor = UserRef(row["editor_id"], row["username"], row["display_name"], row["avatar_url"])
    return Edit(
        id=row["id"],
        editor=None if row["editor_id"] is None else editor,
        changes=msgspec.json.decode(row["changes"], type=dict[str, Change]),
        created_at=stamp(row["created_at"]),
    )


RESTAURANT_ACCESS = """
SELECT asked.viewer, r.id FROM unnest($1::uuid[], $2::uuid[]) AS asked (viewer, id) JOIN restaurants r USING (id)
"""


async def restaurant_access(asked: Collection[tuple[UserID, UUID]]) -> list[tuple[UserID, UUID, None, Verdict]]:
    """Of each (viewer, restaurant) those that are there: nobody's, and open to everybody."""
    rows = await db.fetch(RESTAURANT_ACCESS, [viewer for viewer, _ in asked], [thing for _, thing in asked])
    return [(row["viewer"], row["id"], None, "ok") for row in rows]
