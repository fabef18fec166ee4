"""Adding dishes, editing and removing them."""

from datetime import datetime
from typing import Annotated, Any

import asyncpg
import msgspec
from msgspec import UNSET, Meta, UnsetType

from domain import db, topics
from domain.accounts.queries import UserNotFound
from domain.accounts.rules import Viewer
from domain.clock import now, stamp
from domain.db import transaction
from domain.dishes.events import DishAdded, DishEdited, DishRemoved
from domain.dishes.queries import Dish, DishNotFound, DishTotals, read_dish
from domain.dishes.rules import TAGS, Currency, Description, DishTypeSlug, Price, Tag, check_price, priced
from domain.errors import Conflict, Forbidden, Invalid
from domain.eventlog import FACT, emit
from domain.ids import DishID, RestaurantID, new_id
from domain.places.actions import as_json, changed_by, given_in
from domain.places.queries import Change, RestaurantNotFound, RestaurantRef
from domain.places.rules import Name, may_edit, slugs
from domain.posts.rules import ImageUrl

Tags = Annotated[list[Tag], Meta(max_length=TAGS)]


class NewDish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A dish to be. `price` is a decimal like 12.50; tags become slugs."""

    name: Name
    dish_type: DishTypeSlug
    description: Description | None = None
    price: Price | None = None
    currency: Currency | None = None
    image_url: ImageUrl | None = None
    tags: Tags = []
    is_seasonal: bool = False
    is_available: bool = True


class DishChanges(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What an editor changes; what is left out stays."""

    name: Name | UnsetType = UNSET
    dish_type: DishTypeSlug | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    price: Price | UnsetType | None = UNSET
    currency: Currency | UnsetType | None = UNSET
    image_url: ImageUrl | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    is_seasonal: bool | UnsetType = UNSET
    is_available: bool | UnsetType = UNSET


class NoSuchDishType(Invalid):
    """There is no such type of dish."""


class NotYourDish(Forbidden):
    """Only whoever added a dish or its restaurant, or a moderator, may change it."""


class DishRanked(Conflict):
    """Somebody has ranked it among dishes of its type: it keeps the type."""


ADD_DISH = """
WITH adder AS (SELECT id FROM users WHERE id = $1 FOR KEY SHARE)
INSERT INTO dishes (added_by, id, restaurant_id, name, description, price, currency, image_url, dish_type, tags,
    is_seasonal, is_available, created_at, updated_at)
SELECT adder.id, $2, $3, $4, $5, $6::text::numeric, $7, $8, $9, $10, $11, $12, $13, $13 FROM adder
RETURNING id
"""

NAMED = """
SELECT r.name, r.city, EXISTS (SELECT FROM dish_types WHERE slug = $2) AS known FROM restaurants r WHERE r.id = $1
"""

# Held against those who rank it: they wait until it is known what becomes of the dish.
HOLD_DISH = """
WITH editor AS (SELECT id FROM users WHERE id = $1 FOR KEY SHARE)
SELECT d.added_by, r.added_by AS restaurant_added_by
FROM editor, dishes d JOIN restaurants r ON r.id = d.restaurant_id WHERE d.id = $2 FOR UPDATE OF d
"""

CHANGE_DISH = """
WITH edit AS (
    INSERT INTO dish_edits (id, dish_id, editor_id, changes, created_at) VALUES ($14, $2, $1, $15, $13)
)
UPDATE dishes SET name = $4, description = $5, price = $6::text::numeric, currency = $7, image_url = $8,
    dish_type = $9, tags = $10, is_seasonal = $11, is_available = $12, updated_at = $13
WHERE id = $2 AND restaurant_id = $3
"""

# Whatever people have said of it, also what they have taken back.
IS_KEPT = """
SELECT EXISTS (SELECT FROM dish_rankings WHERE dish_id = $1) OR EXISTS (SELECT FROM ranking_history WHERE dish_id = $1)
    OR EXISTS (SELECT FROM reviews WHERE dish_id = $1)
"""

DELETE_DISH = "DELETE FROM dishes WHERE id = $1"


async def add_dish(viewer: Viewer, restaurant_id: RestaurantID, new: NewDish) -> Dish:
    """Add it to a restaurant. Raises RestaurantNotFound, NoSuchDishType, Invalid; UserNotFound."""
    time = now()
    async with transaction():
        named = await db.fetchrow(NAMED, restaurant_id, new.dish_type)
        if named is None:
            raise RestaurantNotFound
        if not named["known"]:
            raise _no_such_type()
        dish = Dish(
            id=DishID(new_id()),
            restaurant=RestaurantRef(restaurant_id, named["name"], named["city"]),
            score=None,
            counters=DishTotals(),
            created_at=stamp(time),
            updated_at=stamp(time),
            **_normal(msgspec.structs.asdict(new)),
        )
        check_price(dish.price, dish.currency)
        if await db.fetchval(ADD_DISH, viewer.id, *_values(dish, time)) is None:
            raise UserNotFound
        await emit(DishAdded(dish=dish), topics.restaurant(restaurant_id), actor=viewer.id, audience=FACT)
    return dish


async def edit_dish(viewer: Viewer, dish_id: DishID, changes: DishChanges) -> Dish:
    """Change what is named. Raises DishNotFound, NotYourDish, NothingToChange, NoSuchDishType, DishRanked, Invalid."""
    given = _normal(given_in(changes))
    try:
        async with transaction():
            return await _change(viewer, await _held(viewer, dish_id), given)
    except asyncpg.ForeignKeyViolationError as violation:
        if violation.constraint_name == "dishes_dish_type_fkey":
            raise _no_such_type() from None
        raise DishRanked({"dish_type": DishRanked().message}) from None


async def remove_dish(viewer: Viewer, dish_id: DishID) -> None:
    """Delete it; one that somebody ranked or reviewed is only no longer available. Raises DishNotFound, NotYourDish."""
    async with transaction():
        dish = await _held(viewer, dish_id)
        if await db.fetchval(IS_KEPT, dish_id):
            await _change(viewer, dish, {"is_available": False})
            return
        await db.execute(DELETE_DISH, dish_id)
        topic = topics.dish(dish_id)
        told = DishRemoved(id=dish_id, restaurant_id=dish.restaurant.id)
        heard_by = (topics.restaurant(dish.restaurant.id), topic, topics.gone(topic))
        await emit(told, *heard_by, actor=viewer.id, audience=FACT)


async def _held(viewer: Viewer, dish_id: DishID) -> Dish:
    """The dish, held until the transaction ends, once it is the viewer's to change."""
    held = await db.fetchrow(HOLD_DISH, viewer.id, dish_id)
    if held is None:
        raise DishNotFound
    if not may_edit(viewer, *held.values()):
        raise NotYourDish
    return await read_dish(viewer, dish_id)


async def _change(viewer: Viewer, before: Dish, given: dict[str, Any]) -> Dish:
    changed: dict[str, Change] = changed_by(given, before)
    if not changed:
        return before
    time = now()
    after = msgspec.structs.replace(before, **given, updated_at=stamp(time))
    check_price(after.price, after.currency)
    await db.execute(CHANGE_DISH, viewer.id, *_values(after, time), new_id(), as_json(changed))
    told = DishEdited(**{name: getattr(after, name) for name in DishEdited.__struct_fields__})
    heard_by = (topics.dish(after.id), topics.restaurant(after.restaurant.id))
    await emit(told, *heard_by, actor=viewer.id, audience=FACT)
    return after


def _normal(given: dict[str, Any]) -> dict[str, Any]:
    """The fields as they are stored."""
    normal = dict(given)
    if "price" in given:
        normal["price"] = priced(given["price"])
    if "tags" in given:
        normal["tags"] = slugs(given["tags"], "tags")
    return normal


def _values(dish: Dish, time: datetime) -> tuple[object, ...]:
    """The parameters from $2 on."""
    one = dish
    what = (one.name, one.description, one.price, one.currency, one.image_url, one.dish_type, one.tags)
    return (one.id, one.restaurant.id, *what, one.is_seasonal, one.is_available, time)


def _no_such_type() -> NoSuchDishType:
    return NoSuchDishType({"dish_type": "See GET /api/v1/dish-types."})
