"""What can be seen of dishes: everything, by everybody."""

from collections.abc import Collection
from functools import cache
from typing import NamedTuple
from uuid import UUID

import msgspec

from domain import db
from domain.accounts.queries import Verdict
from domain.accounts.rules import Viewer
from domain.clock import stamp
from domain.errors import NotFound
from domain.ids import DishID, RestaurantID, UserID
from domain.places.queries import Edit, RestaurantRef, edit_of, read_restaurant
from domain.places.rules import FINDABLE, wanted_slug


class DishTotals(msgspec.Struct, frozen=True):
    """How many ranked it, and how many reviewed it."""

    rankings: int = 0
    reviews: int = 0


class Score(msgspec.Struct, frozen=True):
    """What all rankings of a dish come to, from how many; `rank` among its type in its city is null behind the first
    hundred."""

    score: float
    raters: int
    rank: int | None


class Dish(msgspec.Struct, frozen=True, kw_only=True):
    """A dish; `price` with two digits behind the point. `score` is null while nobody has one."""

    id: DishID
    restaurant: RestaurantRef
    name: str
    description: str | None
    price: str | None
    currency: str | None
    image_url: str | None
    dish_type: str
    tags: list[str]
    is_seasonal: bool
    is_available: bool
    score: Score | None
    counters: DishTotals
    created_at: str
    updated_at: str


class DishType(msgspec.Struct, frozen=True):
    """A type of dish: people rank dishes of one type."""

    slug: str
    name: str


class DishTypes(msgspec.Struct, frozen=True):
    """All of them, by name."""

    items: list[DishType]


class DishNotFound(NotFound):
    """There is no such dish."""


# $1 is the viewer.
_READ_DISH = """
SELECT d.id, d.restaurant_id, r.name AS restaurant_name, r.city, d.name, d.description, d.price, d.currency,
    d.image_url, d.dish_type, d.tags, d.is_seasonal, d.is_available, d.created_at, d.updated_at,
    greatest(coalesce(c.rankings, 0) + coalesce(own.rankings, 0), 0) AS rankings,
    greatest(coalesce(c.reviews, 0) + coalesce(said.reviews, 0), 0) AS reviews,
    scored.score, scored.ratings, scored.rank
FROM dishes d JOIN restaurants r ON r.id = d.restaurant_id LEFT JOIN dish_counts c ON c.dish_id = d.id
LEFT JOIN unfolded_rankings($1) own ON own.dish_id = d.id
LEFT JOIN unfolded_reviews($1) said ON said.thing = d.id
LEFT JOIN LATERAL (
    SELECT e.score, e.ratings, CASE WHEN before.ahead < 100 THEN before.better + 1 END AS rank
    FROM leaderboards b JOIN leaderboard_entries e ON e.board_id = b.id AND e.entity_id = d.id AND e.score IS NOT NULL,
    LATERAL (
        SELECT count(*) AS ahead, count(*) FILTER (WHERE first.score > e.score) AS better FROM (
            SELECT o.score FROM leaderboard_entries o WHERE o.board_id = b.id AND o.score IS NOT NULL
                AND (-o.score, o.reached_at, o.entity_id) < (-e.score, e.reached_at, e.entity_id)
            LIMIT 100
        ) first
    ) before
    WHERE b.name = 'dishes:' || r.city_slug || ':' || d.dish_type
) scored ON true
"""
READ_DISH = _READ_DISH + "WHERE d.id = $2"

READ_MENU = _READ_DISH + "WHERE d.restaurant_id = $2 AND ($3::uuid IS NULL OR d.id > $3) ORDER BY d.id LIMIT $4"

READ_DISH_TYPES = "SELECT slug, name FROM dish_types ORDER BY name"


async def read_dish(viewer: Viewer, dish_id: DishID) -> Dish:
    """The dish. Raises DishNotFound."""
    row = await db.fetchrow(READ_DISH, viewer.id, dish_id)
    if row is None:
        raise DishNotFound
    return _dish(row)


READ_DISHES = _READ_DISH + "WHERE d.id = ANY($2::uuid[])"


async def read_dishes(viewer: Viewer, dish_ids: Collection[UUID]) -> list[Dish]:
    """Those of them that are there, in no order."""
    return [_dish(row) for row in await db.fetch(READ_DISHES, viewer.id, dish_ids)]


async def read_menu(viewer: Viewer, restaurant_id: RestaurantID, after: UUID | None, limit: int) -> list[Dish]:
    """A restaurant's dishes, in the order of their adding, from after an id on. Raises RestaurantNotFound."""
    rows = await db.fetch(READ_MENU, viewer.id, restaurant_id, after, limit)
    if not rows:
        await read_restaurant(viewer, restaurant_id)
    return [_dish(row) for row in rows]


async def read_dish_types() -> DishTypes:
    """The catalogue of types."""
    return DishTypes([DishType(row["slug"], row["name"]) for row in await db.fetch(READ_DISH_TYPES)])


class Wanted(NamedTuple):
    """What dishes are looked for; what is None may be anything. A city is a name or a slug."""

    tag: str | None = None
    dish_type: str | None = None
    city: str | None = None


# As for restaurants: a condition for each thing that is asked for, and no other.
_ASKED = "WITH asked AS (SELECT $1::uuid, $2::text, $3::text, $4::text)"
_CONDITIONS = {
    "tag": "d.tags @> ARRAY[$2]",
    "dish_type": "d.dish_type = $3",
    "city": "d.restaurant_id IN (SELECT id FROM restaurants WHERE city_key = $4 OR city_slug = $4)",
}


@cache
def find_dishes(asked: tuple[str, ...]) -> str:
    """The statement that looks for what has these fields of Wanted: a page, the newest first."""
    page = [_ASKED, ", page AS (SELECT d.id FROM dishes d", _where(asked), "ORDER BY d.id DESC LIMIT $5 OFFSET $6)"]
    return " ".join([*page, _READ_DISH, "WHERE d.id = ANY(ARRAY(SELECT id FROM page)) ORDER BY d.id DESC"])


@cache
def count_dishes(asked: tuple[str, ...]) -> str:
    """The statement that counts the same, as far as they can be paged."""
    return " ".join([_ASKED, "SELECT count(*) FROM (SELECT FROM dishes d", _where(asked), "LIMIT $5) found"])


def _where(asked: tuple[str, ...]) -> str:
    return "WHERE " + " AND ".join(["true", *(_CONDITIONS[name] for name in asked)])


async def search_dishes(viewer: Viewer, wanted: Wanted, page: int, limit: int) -> tuple[list[Dish], int]:
    """A page of those that are wanted, from 1 on, and how many there are; both end at FINDABLE. Raises Invalid."""
    asked = tuple(name for name, value in wanted._asdict().items() if value is not None)
    args = (viewer.id, *(wanted_slug(value, name) for name, value in wanted._asdict().items()))
    total = await db.fetchval(count_dishes(asked), *args, FINDABLE)
    offset = limit * (page - 1)
    if offset >= total:
        return [], total
    rows = await db.fetch(find_dishes(asked), *args, min(limit, FINDABLE - offset), offset)
    return [_dish(row) for row in rows], total


def _dish(row: db.Row) -> Dish:
    price = row["price"]
    return Dish(
        id=row["id"],
        restaurant=RestaurantRef(row["restaurant_id"], row["restaurant_name"], row["city"]),
        name=row["name"],
        description=row["description"],
        price=None if price is None else str(price),
        currency=row["currency"],
        image_url=row["image_url"],
        dish_type=row["dish_type"],
        tags=row["tags"],
        is_seasonal=row["is_seasonal"],
        is_available=row["is_available"],
        score=None if row["score"] is None else Score(row["score"] / 10_000, row["ratings"], row["rank"]),
        counters=DishTotals(row["rankings"], row["reviews"]),
        created_at=stamp(row["created_at"]),
        updated_at=stamp(row["updated_at"]),
    )


READ_EDITS = """
SELECT e.id, e.changes, e.created_at, u.id AS editor_id, u.username, u.display_name, u.avatar_url
FROM dish_edits e LEFT JOIN visible_users($1) u ON u.id = e.editor_id
WHERE e.dish_id = $2 AND ($3::uuid IS NULL OR e.id < $3) ORDER BY e.id DESC LIMIT $4
"""


async def read_edits(viewer: Viewer, dish_id: DishID, before: UUID | None, limit: int) -> list[Edit]:
    """The edits of a dish, newest first, from before an id on. Raises DishNotFound."""
    rows = await db.fetch(READ_EDITS, viewer.id, dish_id, before, limit)
    if not rows:
        await read_dish(viewer, dish_id)
    return [edit_of(row) for row in rows]


DISH_ACCESS = """
SELECT asked.viewer, d.id FROM unnest($1::uuid[], $2::uuid[]) AS asked (viewer, id) JOIN dishes d USING (id)
"""


async def dish_access(asked: Collection[tuple[UserID, UUID]]) -> list[tuple[UserID, UUID, None, Verdict]]:
    """Of each (viewer, dish) those that are there: nobody's, and open to everybody."""
    rows = await db.fetch(DISH_ACCESS, [viewer for viewer, _ in asked], [thing for _, thing in asked])
    return [(row["viewer"], row["id"], None, "ok") for row in rows]
