"""Adding restaurants and editing them."""

from datetime import datetime
from typing import Annotated, Any
from zlib import crc32

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domain import db, topics
from domain.accounts.queries import UserNotFound
from domain.accounts.rules import Viewer, Website
from domain.clock import now, stamp
from domain.db import transaction
from domain.errors import Conflict, Forbidden, Invalid
from domain.eventlog import FACT, emit
from domain.ids import RestaurantID, new_id
from domain.location import Latitude, Longitude
from domain.places.events import CityNamed, RestaurantAdded, RestaurantEdited
from domain.places.queries import (
    LIKELY_SAME,
    Change,
    Restaurant,
    RestaurantNotFound,
    RestaurantTotals,
    read_restaurant,
)
from domain.places.rules import (
    CUISINES,
    PHOTOS,
    Address,
    Cuisine,
    Hours,
    Name,
    Phone,
    PostalCode,
    PriceRange,
    Region,
    bands,
    check_hours,
    check_position,
    check_regions,
    chord,
    city_slugs,
    country_key,
    may_edit,
    slugs,
)
from domain.posts.rules import ImageUrl
from domain.settings import settings
from domain.text import folded, slug

Cuisines = Annotated[list[Cuisine], Meta(max_length=CUISINES)]
Photos = Annotated[list[ImageUrl], Meta(max_length=PHOTOS)]


class NewRestaurant(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A restaurant to be. Cuisines become slugs."""

    name: Name
    address: Address | None = None
    city: Region | None = None
    state: Region | None = None
    country: Region | None = None
    postal_code: PostalCode | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    phone: Phone | None = None
    website: Website | None = None
    hours: Hours | None = None
    cuisine_type: Cuisines = []
    price_range: PriceRange | None = None
    photos: Photos = []


class RestaurantChanges(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What an editor changes; what is left out stays."""

    name: Name | UnsetType = UNSET
    address: Address | UnsetType | None = UNSET
    city: Region | UnsetType | None = UNSET
    state: Region | UnsetType | None = UNSET
    country: Region | UnsetType | None = UNSET
    postal_code: PostalCode | UnsetType | None = UNSET
    latitude: Latitude | UnsetType | None = UNSET
    longitude: Longitude | UnsetType | None = UNSET
    phone: Phone | UnsetType | None = UNSET
    website: Website | UnsetType | None = UNSET
    hours: Hours | UnsetType | None = UNSET
    cuisine_type: Cuisines | UnsetType = UNSET
    price_range: PriceRange | UnsetType | None = UNSET
    photos: Photos | UnsetType = UNSET


class LikelyDuplicate(Conflict):
    """There seems to be this restaurant already: see `details`, by id, or add it with `?force=true`."""


class NotYourRestaurant(Forbidden):
    """Only whoever added a restaurant, or a moderator, may edit it."""


class NothingToChange(Invalid):
    """Name at least one field to change."""


# Two who add the same restaurant at once: the second one sees the first. Near ones have a band in common, those of the
# same name a name. A statement of its own, before the one that looks.
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('restaurants'), place) FROM unnest($1::int[]) AS place"

CITY = """
WITH added AS (
    INSERT INTO cities (slug, key, country, name) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING slug
)
SELECT slug, true AS is_new FROM added UNION ALL SELECT slug, false FROM cities
WHERE key = $2 AND (country = $3 OR ($3 = '' AND slug = key)) LIMIT 1
"""

# Who adds is held first: their departure waits for this, or this for it.
ADD_RESTAURANT = """
WITH adder AS (SELECT id FROM users WHERE id = $1 FOR KEY SHARE)
INSERT INTO restaurants (added_by, id, name, address, city, state, country, postal_code, latitude, longitude, phone,
    website, hours, cuisine_type, price_range, photos, search_name, city_key, state_key, country_key, city_slug,
    created_at, updated_at)
SELECT adder.id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $22
FROM adder
RETURNING id
"""

HOLD_RESTAURANT = """
WITH editor AS (SELECT id FROM users WHERE id = $1 FOR KEY SHARE)
SELECT r.added_by FROM editor, restaurants r WHERE r.id = $2 FOR NO KEY UPDATE OF r
"""

CHANGE_RESTAURANT = """
WITH edit AS (
    INSERT INTO restaurant_edits (id, restaurant_id, editor_id, changes, created_at) VALUES ($23, $2, $1, $24, $22)
)
UPDATE restaurants SET name = $3, address = $4, city = $5, state = $6, country = $7, postal_code = $8, latitude = $9,
    longitude = $10, phone = $11, website = $12, hours = $13, cuisine_type = $14, price_range = $15, photos = $16,
    search_name = $17, city_key = $18, state_key = $19, country_key = $20, city_slug = $21, updated_at = $22
WHERE id = $2
"""


async def add_restaurant(viewer: Viewer, new: NewRestaurant, *, force: bool = False) -> Restaurant:
    """Add it. Raises LikelyDuplicate, unless forced; Invalid; UserNotFound when the account is gone."""
    time = now()
    given: dict[str, Any] = msgspec.structs.asdict(new)
    check_regions(given)
    given["cuisine_type"] = slugs(new.cuisine_type, "cuisine_type")
    restaurant = Restaurant(
        id=RestaurantID(new_id()),
        counters=RestaurantTotals(),
        created_at=stamp(time),
        updated_at=stamp(time),
        **given,
    )
    _check(restaurant)
    async with transaction():
        if not force:
            await _check_new(restaurant)
        if await db.fetchval(ADD_RESTAURANT, viewer.id, *await _values(restaurant, time)) is None:
            raise UserNotFound
        told = RestaurantAdded(restaurant=restaurant)
        await emit(told, topics.restaurant(restaurant.id), actor=viewer.id, audience=FACT)
    return restaurant


async def edit_restaurant(viewer: Viewer, restaurant_id: RestaurantID, changes: RestaurantChanges) -> Restaurant:
    """Change what is named. Raises RestaurantNotFound, NotYourRestaurant, NothingToChange, Invalid."""
    given = given_in(changes)
    check_regions(given)
    if "cuisine_type" in given:
        given["cuisine_type"] = slugs(given["cuisine_type"], "cuisine_type")
    async with transaction():
        held = await db.fetchrow(HOLD_RESTAURANT, viewer.id, restaurant_id)
        if held is None:
            raise RestaurantNotFound
        if not may_edit(viewer, held["added_by"]):
            raise NotYourRestaurant
        before = await read_restaurant(viewer, restaurant_id)
        time = now()
        changed = changed_by(given, before)
        if not changed:
            return before
        after = msgspec.structs.replace(before, **given, updated_at=stamp(time))
        _check(after)
        await db.execute(CHANGE_RESTAURANT, viewer.id, *await _values(after, time), new_id(), as_json(changed))
        told = RestaurantEdited(**{name: getattr(after, name) for name in RestaurantEdited.__struct_fields__})
        await emit(told, topics.restaurant(restaurant_id), actor=viewer.id, audience=FACT)
    return after


def given_in(changes: msgspec.Struct) -> dict[str, Any]:
    """The fields that are not left out. Raises NothingToChange when all are."""
    fields = {name: getattr(changes, name) for name in changes.__struct_fields__}
    given = {name: value for name, value in fields.items() if value is not UNSET}
    if not given:
        raise NothingToChange(dict.fromkeys(fields, "may be changed"))
    return given


def changed_by(given: dict[str, Any], before: msgspec.Struct) -> dict[str, Change]:
    """Those of the fields that are another than before."""
    pairs = {name: Change(getattr(before, name), value) for name, value in given.items()}
    return {name: pair for name, pair in pairs.items() if pair.old != pair.new}


def as_json(value: object) -> str | None:
    """For a column of JSON."""
    return None if value is None else msgspec.json.encode(value).decode()


def _check(restaurant: Restaurant) -> None:
    check_position(restaurant.latitude, restaurant.longitude)
    check_hours(restaurant.hours)


async def _check_new(new: Restaurant) -> None:
    within, name = settings.duplicate_within_m, folded(new.name)
    strips = [] if new.latitude is None else bands(new.latitude, within)
    await db.execute(ONE_AT_A_TIME, sorted({*strips, crc32(name.encode()) - 2**31}))
    where = (new.latitude, new.longitude, chord(within), settings.duplicate_similarity)
    found = await db.fetch(LIKELY_SAME, name, *where, slug(new.city or ""), country_key(new.country))
    if found:
        raise LikelyDuplicate({str(row["id"]): _told_apart(row) for row in found})


def _told_apart(row: db.Row) -> str:
    distance = None if row["metres"] is None else f"{row['metres']:.0f} m away"
    return ", ".join(part for part in (row["name"], row["address"], distance) if part)


async def _values(restaurant: Restaurant, time: datetime) -> tuple[object, ...]:
    """The parameters from $2 on."""
    one = restaurant
    where = (one.address, one.city, one.state, one.country, one.postal_code, one.latitude, one.longitude)
    what = (one.phone, one.website, as_json(one.hours), one.cuisine_type, one.price_range, one.photos)
    keys = (folded(one.name), slug(one.city or ""), slug(one.state or ""), country_key(one.country))
    return (one.id, one.name, *where, *what, *keys, await _city_slug(one.city, one.country), time)


async def _city_slug(city: str | None, country: str | None) -> str | None:
    """The city's slug, and the city where it is named for the first time; None for no city.

    Without a country it is the one that has been known the longest. Two who name a city at once: the statement has
    waited for the other, whose slug it does not see, and the next one does.
    """
    key = slug(city or "")
    if not key:
        return None
    where = country_key(country)
    for name in city_slugs(key, where):
        found = await db.fetchrow(CITY, name, key, where, city)
        if found is not None:
            if found["is_new"]:
                await emit(CityNamed(slug=found["slug"], key=key, country=where))
            return found["slug"]
    return None
