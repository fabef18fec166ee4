"""Restaurants: what they may be, who adds and edits them, and how they are found."""

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import db, topics
from domain.accounts.queries import UserNotFound, UserRef
from domain.accounts.rules import Viewer
from domain.clock import stamp
from domain.counters.events import RestaurantCounters
from domain.departures import leave
from domain.errors import Invalid
from domain.eventlog import FACT
from domain.graph.actions import block_user
from domain.ids import RestaurantID, new_id
from domain.places.actions import (
    LikelyDuplicate,
    NewRestaurant,
    NothingToChange,
    NotYourRestaurant,
    RestaurantChanges,
    add_restaurant,
    edit_restaurant,
)
from domain.places.events import RestaurantAdded, RestaurantEdited
from domain.places.queries import (
    Change,
    Restaurant,
    RestaurantNotFound,
    RestaurantTotals,
    Wanted,
    count_restaurants,
    find_restaurants,
    read_edits,
    read_restaurant,
    search_restaurants,
)
from domain.places.rules import (
    BAND_DEG,
    EARTH_M,
    Hours,
    Near,
    Period,
    bands,
    check_hours,
    check_position,
    city_slugs,
    country_key,
    parse_near,
    slugs,
)
from tests.conftest import Clock, Statements
from tests.factories import make_dish, make_restaurant, make_user, settle

EVENTS = "SELECT type, topics, data::text AS data, actor, audience FROM events WHERE type ~ '^restaurant' ORDER BY seq"
HOURS = Hours(monday=[Period("11:30", "14:30"), Period("18:00", "01:00")], sunday=[Period("10:00", "10:00")])
FULL: dict[str, Any] = {
    "name": "Trattoria Da Nonna",
    "address": "Via Roma 1",
    "city": "Napoli",
    "state": "Campania",
    "country": "Italy",
    "postal_code": "80134",
    "latitude": 40.8518,
    "longitude": 14.2681,
    "phone": "+39 081 123456",
    "website": "https://nonna.example",
    "hours": HOURS,
    "cuisine_type": ["neapolitan", "pizza"],
    "price_range": 2,
    "photos": ["https://nonna.example/1.jpg"],
}


# hours


def hours(**days: list[tuple[str, str]]) -> Hours:
    return Hours(**{day: [Period(*each) for each in periods] for day, periods in days.items()})


OPEN = [
    Hours(),
    hours(monday=[("09:00", "17:00")]),
    hours(monday=[("09:00", "12:00"), ("12:00", "17:00")]),
    hours(monday=[("18:00", "02:00")], tuesday=[("02:00", "03:00")]),
    hours(friday=[("00:00", "00:00")], saturday=[("00:00", "00:00")]),
    hours(sunday=[("22:00", "04:00")], monday=[("04:00", "06:00")]),
]


@pytest.mark.parametrize("opened", OPEN)
def test_periods_that_do_not_overlap_are_hours_also_behind_midnight(opened: Hours) -> None:
    check_hours(opened)


OVERLAPS = [
    (hours(monday=[("09:00", "12:00"), ("11:59", "17:00")]), ["hours.monday[1]"]),
    (hours(monday=[("11:00", "12:00"), ("09:00", "11:30")]), ["hours.monday[0]"]),
    (hours(monday=[("09:00", "12:00"), ("09:00", "12:00")]), ["hours.monday[1]"]),
    (hours(monday=[("18:00", "02:00")], tuesday=[("01:00", "03:00")]), ["hours.tuesday[0]"]),
    (hours(sunday=[("22:00", "04:00")], monday=[("03:59", "06:00")]), ["hours.monday[0]"]),
    (hours(wednesday=[("10:00", "10:00"), ("12:00", "13:00")]), ["hours.wednesday[1]"]),
    (hours(friday=[("20:00", "20:00")], saturday=[("08:00", "09:00"), ("21:00", "22:00")]), ["hours.saturday[0]"]),
]


@pytest.mark.parametrize(("opened", "fields"), OVERLAPS)
def test_a_period_that_begins_while_it_is_open_is_named(opened: Hours, fields: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        check_hours(opened)

    assert list(refused.value.details) == fields


minutes = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
days = st.lists(st.builds(Period, minutes, minutes), max_size=3)


def minutes_open(opened: Hours) -> list[int]:
    """Every minute of the week at which it is open, as often as it is said."""
    found: list[int] = []
    for number, (_, periods) in enumerate(msgspec.structs.asdict(opened).items()):
        for period in periods:
            begin, end = (int(each[:2]) * 60 + int(each[3:]) for each in (period.opens, period.closes))
            span = range(begin, end if end > begin else end + 1440)
            found += [(1440 * number + minute) % (7 * 1440) for minute in span]
    return found


@given(st.builds(Hours, *[days] * 7))
def test_hours_are_refused_just_when_a_minute_is_named_twice(opened: Hours) -> None:
    said = minutes_open(opened)
    try:
        check_hours(opened)
    except Invalid:
        assert len(set(said)) < len(said)
    else:
        assert len(set(said)) == len(said)


@pytest.mark.parametrize("time", ["24:00", "9:00", "09:60", "0900", "09:00:00", "", "\0"])
def test_a_time_is_two_digits_and_two(time: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"opens": time, "closes": "10:00"}, Period)


# names, cities, positions


def test_cuisines_become_slugs_each_once() -> None:
    assert slugs(["Italian", "Dim Sum", "italian"], "cuisine_type") == ["italian", "dim-sum"]


def test_a_cuisine_without_a_letter_is_named() -> None:
    with pytest.raises(Invalid) as refused:
        slugs(["Thai", "!", "?"], "cuisine_type")

    assert list(refused.value.details) == ["cuisine_type[1]", "cuisine_type[2]"]


@pytest.mark.parametrize(
    ("country", "key"), [(None, ""), ("France", "fr"), ("FR", "fr"), ("Atlantis Nova", "atlantis-nova"), ("!", "")]
)
def test_a_country_is_compared_by_its_code_or_its_name(country: str | None, key: str) -> None:
    assert country_key(country) == key


def test_a_city_is_called_by_its_name_or_else_with_its_country() -> None:
    assert city_slugs("paris", "fr")[:3] == ["paris", "fr-paris", "fr-paris-2"]


async def test_a_city_has_a_name_though_others_have_taken_those_that_it_could_have(database: None) -> None:
    for taken in ("Zar", "fr Zar", "fr Zar 2", "fr Zar 3"):
        await make_restaurant(city=taken, country="United States")

    there = await make_restaurant(city="Zar", country="France")

    assert await db.fetchval("SELECT city_slug FROM restaurants WHERE id = $1", there.id) == "fr-zar-4"


@pytest.mark.parametrize(("latitude", "longitude", "missing"), [(1.0, None, "longitude"), (None, 1.0, "latitude")])
def test_a_latitude_needs_a_longitude(latitude: float | None, longitude: float | None, missing: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_position(latitude, longitude)

    assert list(refused.value.details) == [missing]


def test_near_is_a_point_and_kilometres() -> None:
    assert parse_near("48.8566, 2.3522,1.5") == Near(48.8566, 2.3522, 1500)


@pytest.mark.parametrize(
    "text",
    ["", "1,2", "1,2,3,4", "a,b,c", "91,0,1", "-91,0,1", "0,181,1", "0,0,0", "0,0,-1", "0,0,101", "nan,0,1", "0,0,inf"],
)
def test_near_is_somewhere_and_not_too_far(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_near(text)

    assert list(refused.value.details) == ["near"]


latitudes = st.floats(-90, 90)


@given(latitudes, latitudes, st.floats(1, 20_000))
def test_who_is_in_each_others_reach_has_a_band_in_common(one: float, other: float, metres: float) -> None:
    apart = abs(one - other) / 180 * 3.141592653589793 * EARTH_M
    shared = set(bands(one, metres)) & set(bands(other, metres))

    assert shared or apart > metres
    assert len(bands(one, metres)) <= metres / (BAND_DEG * 111_000) * 2 + 2


# adding


async def test_a_restaurant_is_what_was_said_of_it(clock: Clock) -> None:
    ana = await make_user()

    said: dict[str, Any] = {"cuisine_type": ["Neapolitan", "Pizza", "pizza"]}
    added = await add_restaurant(ana, NewRestaurant(**FULL | said))

    assert added == Restaurant(
        id=added.id,
        counters=RestaurantTotals(dishes=0, reviews=0),
        created_at=stamp(clock.time),
        updated_at=stamp(clock.time),
        **FULL,
    )
    assert await read_restaurant(await make_user(), added.id) == added


async def test_a_restaurant_needs_nothing_but_a_name() -> None:
    added = await add_restaurant(await make_user(), NewRestaurant(name="The Corner"))

    assert (added.city, added.latitude, added.hours, added.cuisine_type, added.photos) == (None, None, None, [], [])


async def test_adding_is_told_as_a_fact_and_says_in_the_log_who_did_it() -> None:
    ana = await make_user()
    added = await add_restaurant(ana, NewRestaurant(**FULL))

    (told,) = await db.fetch(EVENTS)

    assert (told["type"], told["topics"]) == ("restaurant.added", [topics.restaurant(added.id)])
    assert (told["actor"], told["audience"]) == (ana.id, FACT)
    assert msgspec.json.decode(told["data"], type=RestaurantAdded).restaurant == added


@pytest.mark.parametrize("wrong", [{"latitude": None}, {"hours": OVERLAPS[0][0]}, {"cuisine_type": ["?"]}])
async def test_what_cannot_be_is_neither_stored_nor_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await add_restaurant(await make_user(), NewRestaurant(**FULL | wrong))

    assert await db.fetchval("SELECT count(*) FROM restaurants") == 0
    assert await db.fetch(EVENTS) == []


async def test_adding_costs_a_fixed_number_of_statements(statements: Statements) -> None:
    ana = await make_user()
    await make_restaurant(ana, city="Napoli", country="Italy")

    run = await statements(add_restaurant(ana, NewRestaurant(**FULL)))

    assert len([sql for sql in run if "SAVEPOINT" not in sql]) == 5  # hold, look, city, add, tell


async def test_who_is_gone_adds_nothing() -> None:
    ana = await make_user()
    await leave(ana, ana.id)

    with pytest.raises(UserNotFound):
        await add_restaurant(ana, NewRestaurant(**FULL))


# likely the same

METRE_DEG = 1 / 111_195


@pytest.mark.parametrize(
    "like",
    [
        {},
        {"name": "TRATTORIA  da nonna"},
        {"name": "Trattoria da Nona"},
        {"name": "Tràttoria Da Nonnà", "latitude": 40.8518 + 149 * METRE_DEG},
        {"longitude": 14.2681 + 0.0017, "city": "Naples"},
    ],
)
async def test_a_like_name_within_150_metres_is_likely_the_same(like: dict[str, Any]) -> None:
    ana, ben = await make_user(), await make_user()
    there = await add_restaurant(ana, NewRestaurant(**FULL))

    with pytest.raises(LikelyDuplicate) as refused:
        await add_restaurant(ben, NewRestaurant(**FULL | like))

    assert list(refused.value.details) == [str(there.id)]
    assert "Trattoria Da Nonna, Via Roma 1, " in refused.value.details[str(there.id)]


@pytest.mark.parametrize(
    "other",
    [{"name": "Bar Sport"}, {"latitude": 40.8518 + 151 * METRE_DEG}, {"longitude": 14.2681 + 0.0019}],
)
async def test_another_name_or_another_place_is_another_restaurant(other: dict[str, Any]) -> None:
    ana = await make_user()
    await add_restaurant(ana, NewRestaurant(**FULL))

    await add_restaurant(ana, NewRestaurant(**FULL | other))

    assert await db.fetchval("SELECT count(*) FROM restaurants") == 2


async def test_it_can_be_added_all_the_same() -> None:
    ana = await make_user()
    await add_restaurant(ana, NewRestaurant(**FULL))

    await add_restaurant(ana, NewRestaurant(**FULL), force=True)

    assert await db.fetchval("SELECT count(*) FROM restaurants") == 2


NOWHERE: dict[str, Any] = {"latitude": None, "longitude": None}


async def test_without_a_position_the_same_name_in_the_same_city_is_likely_the_same() -> None:
    ana = await make_user()
    there = await add_restaurant(ana, NewRestaurant(**FULL | NOWHERE))

    others: list[dict[str, Any]] = [{"city": "Roma"}, {"name": "Trattoria Da Nonno"}]

    with pytest.raises(LikelyDuplicate) as refused:
        await make_restaurant(ana, force=False, **FULL | {"country": "IT"})
    for other in others:
        await make_restaurant(ana, force=False, **FULL | NOWHERE | other)

    assert list(refused.value.details) == [str(there.id)]


async def test_the_same_restaurant_added_many_times_at_once_is_there_once(own_database: None) -> None:
    people = [await make_user() for _ in range(6)]
    near = [FULL | {"latitude": FULL["latitude"] + 20 * i * METRE_DEG} for i in range(len(people))]

    acts = [add_restaurant(each, NewRestaurant(**new)) for each, new in zip(people, near, strict=True)]
    found = await asyncio.gather(*acts, return_exceptions=True)

    assert sorted(type(each).__name__ for each in found) == [*["LikelyDuplicate"] * 5, "Restaurant"]


# cities

CITIES = "SELECT slug, key, country, name FROM cities ORDER BY slug"


async def city_of(restaurant: Restaurant) -> str | None:
    return await db.fetchval("SELECT city_slug FROM restaurants WHERE id = $1", restaurant.id)


async def test_a_city_is_made_when_it_is_first_named() -> None:
    ana = await make_user()
    one = await make_restaurant(ana, city="São Paulo", country="Brazil")
    two = await make_restaurant(ana, city="sao paulo", country="BR")

    assert await city_of(one) == await city_of(two) == "sao-paulo"
    assert [tuple(row.values()) for row in await db.fetch(CITIES)] == [("sao-paulo", "sao-paulo", "br", "São Paulo")]


async def test_a_name_that_another_country_has_taken_gets_the_country_before_it() -> None:
    first = await make_restaurant(city="Paris", country="USA")
    second = await make_restaurant(city="Paris", country="France")
    third = await make_restaurant(city="Paris", country="us")

    assert [await city_of(each) for each in (first, second, third)] == ["paris", "fr-paris", "paris"]


async def test_a_city_without_a_country_is_the_one_that_has_the_name() -> None:
    first = await make_restaurant(city="Paris", country="France")
    without = await make_restaurant(city="Paris")
    unknown = await make_restaurant(city="Springfield")
    known = await make_restaurant(city="Springfield", country="US")

    assert [await city_of(each) for each in (first, without)] == ["paris", "paris"]
    assert [await city_of(each) for each in (unknown, known)] == ["springfield", "us-springfield"]


@pytest.mark.parametrize(("city", "slug"), [("東京", "東京"), ("Москва", "москва"), ("القاهرة", "القاهرة"), ("6", "6")])
async def test_a_city_has_a_slug_in_whatever_script(city: str, slug: str) -> None:
    assert await city_of(await make_restaurant(city=city)) == slug


@pytest.mark.parametrize("name", [" ", "!!!", "\u200b", "???", "\u3000-", "🍕"])
@pytest.mark.parametrize("field", ["city", "state", "country"])
async def test_a_city_a_state_or_a_country_without_a_word_is_refused(field: str, name: str) -> None:
    ana, given = await make_user(), {"name": "Here", field: name}
    new, changes = msgspec.convert(given, NewRestaurant), msgspec.convert(given, RestaurantChanges)
    there = await make_restaurant(ana, city="Paris")
    before = await db.fetchval("SELECT count(*) FROM restaurants")

    with pytest.raises(Invalid) as added:
        await add_restaurant(ana, new)
    with pytest.raises(Invalid) as edited:
        await edit_restaurant(ana, there.id, changes)

    assert list(added.value.details) == list(edited.value.details) == [field]
    assert await read_restaurant(ana, there.id) == there
    assert await db.fetchval("SELECT count(*) FROM restaurants") == before


async def test_a_restaurant_may_be_in_no_city() -> None:
    ana = await make_user()
    there = await make_restaurant(ana, city="Paris", country="France")

    without = await edit_restaurant(ana, there.id, RestaurantChanges(city=None, country=None))

    assert [await city_of(each) for each in (without, await make_restaurant(ana))] == [None, None]


async def test_who_names_a_city_at_the_same_time_finds_the_same_one(own_database: None) -> None:
    people = [await make_user() for _ in range(6)]
    countries = ["FR", "US"] * 3

    acts = [make_restaurant(each, city="Paris", country=c) for each, c in zip(people, countries, strict=True)]
    made = await asyncio.gather(*acts)

    called = [await city_of(each) for each in made]
    assert tuple(called) in (("paris", "us-paris") * 3, ("fr-paris", "paris") * 3)


# editing

CHANGES: list[dict[str, Any]] = [
    {"name": "Da Nonna"},
    {"address": None, "postal_code": None},
    {"city": "Roma", "state": "Lazio", "country": "IT"},
    {"latitude": 41.9, "longitude": 12.5},
    {"latitude": None, "longitude": None},
    {"phone": "(081) 99", "website": None},
    {"hours": None},
    {"hours": OPEN[3]},
    {"cuisine_type": []},
    {"price_range": None, "photos": []},
]


@pytest.mark.parametrize("changes", CHANGES, ids=" ".join)
async def test_an_edit_changes_what_it_names_and_keeps_what_was_before(clock: Clock, changes: dict[str, Any]) -> None:
    ana, ben = await make_user(username="ana"), await make_user()
    before = await add_restaurant(ana, NewRestaurant(**FULL))
    clock.forward(minutes=5)

    after = await edit_restaurant(ana, before.id, RestaurantChanges(**changes))

    assert after == msgspec.structs.replace(before, updated_at=stamp(clock.time), **changes)
    assert await read_restaurant(ben, before.id) == after
    (edit,) = await read_edits(ben, before.id, None, 10)
    shown = msgspec.to_builtins({name: Change(getattr(before, name), value) for name, value in changes.items()})
    assert (edit.editor, edit.created_at) == (UserRef(ana.id, "ana", None, None), stamp(clock.time))
    assert msgspec.to_builtins(edit.changes) == shown


async def test_an_edit_is_told_without_the_counts() -> None:
    ana = await make_user()
    before = await make_restaurant(ana)

    after = await edit_restaurant(ana, before.id, RestaurantChanges(price_range=4))

    told = (await db.fetch(EVENTS))[-1]
    shown = msgspec.to_builtins(after)
    del shown["counters"], shown["created_at"]
    assert (told["type"], told["topics"]) == (RestaurantEdited.type, [topics.restaurant(before.id)])
    assert (told["actor"], told["audience"]) == (ana.id, FACT)
    assert msgspec.json.decode(told["data"]) == shown


async def test_an_edit_that_changes_nothing_is_no_edit() -> None:
    ana = await make_user()
    before = await add_restaurant(ana, NewRestaurant(**FULL))

    after = await edit_restaurant(
        ana, before.id, RestaurantChanges(name=FULL["name"], cuisine_type=["Neapolitan", "pizza"])
    )

    assert after == before
    assert await read_edits(ana, before.id, None, 10) == []
    assert len(await db.fetch(EVENTS)) == 1


async def test_an_edit_names_something() -> None:
    ana = await make_user()
    there = await make_restaurant(ana)

    with pytest.raises(NothingToChange) as refused:
        await edit_restaurant(ana, there.id, RestaurantChanges())

    assert set(refused.value.details) == set(RestaurantChanges.__struct_fields__)


@pytest.mark.parametrize("wrong", [{"latitude": None}, {"hours": OVERLAPS[0][0]}, {"cuisine_type": ["?"]}])
async def test_an_edit_to_what_cannot_be_changes_nothing(wrong: dict[str, Any]) -> None:
    ana = await make_user()
    before = await add_restaurant(ana, NewRestaurant(**FULL))

    with pytest.raises(Invalid):
        await edit_restaurant(ana, before.id, RestaurantChanges(**wrong))

    assert await read_restaurant(ana, before.id) == before
    assert len(await db.fetch(EVENTS)) == 1


async def moderator() -> Viewer:
    return msgspec.structs.replace(await make_user(), role="moderator")


async def test_others_do_not_edit_but_moderators_do() -> None:
    there, changes = await make_restaurant(), RestaurantChanges(price_range=1)

    with pytest.raises(NotYourRestaurant):
        await edit_restaurant(await make_user(), there.id, changes)

    assert (await edit_restaurant(await moderator(), there.id, changes)).price_range == 1


async def test_what_is_not_there_can_be_neither_read_nor_edited() -> None:
    ana, nothing = await make_user(), RestaurantID(new_id())

    with pytest.raises(RestaurantNotFound):
        await read_restaurant(ana, nothing)
    with pytest.raises(RestaurantNotFound):
        await edit_restaurant(ana, nothing, RestaurantChanges(name="x"))
    with pytest.raises(RestaurantNotFound):
        await read_edits(ana, nothing, None, 10)


async def test_edits_are_listed_newest_first_and_who_is_hidden_is_not_named() -> None:
    ana, ben = await make_user(), await make_user()
    there = await make_restaurant(ana)
    for price in (1, 2, 3):
        await edit_restaurant(ana, there.id, RestaurantChanges(price_range=price))
    await block_user(ana, ben.id)

    first = await read_edits(ben, there.id, None, 2)
    rest = await read_edits(ben, there.id, first[-1].id, 2)

    assert [each.changes["price_range"].new for each in [*first, *rest]] == [3, 2, 1]
    assert [each.editor for each in first] == [None, None]


async def test_a_restaurant_stays_when_who_added_it_leaves_and_nobody_knows_who_it_was() -> None:
    ana, ben = await make_user(), await make_user()
    before = await make_restaurant(ana)
    there = await edit_restaurant(ana, before.id, RestaurantChanges(price_range=1))

    await leave(ana, ana.id)

    assert await read_restaurant(ben, there.id) == there
    assert [each.editor for each in await read_edits(ben, there.id, None, 10)] == [None]
    assert (await edit_restaurant(await moderator(), there.id, RestaurantChanges(price_range=2))).price_range == 2


# finding

PARIS: dict[str, Any] = {"city": "Paris", "country": "France", "latitude": 48.8566, "longitude": 2.3522}


async def names(viewer: Viewer, page: int = 1, limit: int = 10, **wanted: Any) -> list[str]:
    found, _ = await search_restaurants(viewer, Wanted(**wanted), page, limit)
    return [each.name for each in found]


async def some_restaurants() -> Viewer:
    """In Paris, from its middle outwards; one on the other side of the earth, and one that is nowhere."""
    ana = await make_user()
    paris: list[tuple[str, int, dict[str, Any]]] = [
        ("Chez Louise", 0, {"cuisine_type": ["French"], "price_range": 4}),
        ("Pizzeria Vesuvio", 1, {"cuisine_type": ["Pizza", "Italian"], "price_range": 2}),
        ("Café Österreich", 5, {"cuisine_type": ["Austrian"], "price_range": 2, "state": "Île-de-France"}),
    ]
    for name, km, more in paris:
        where: dict[str, Any] = PARIS | {"latitude": 48.8566 + km / 111.195}
        await make_restaurant(ana, name=name, **where | more)
    await make_restaurant(ana, name="Louise's Diner", city="Paris", country="USA", state="TX")
    await make_restaurant(ana, name="Suva Pizza", latitude=-18.1416, longitude=179.9999)
    return ana


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["Café Österreich", "Chez Louise", "Louise's Diner", "Pizzeria Vesuvio", "Suva Pizza"]),
        ({"q": "louise"}, ["Chez Louise", "Louise's Diner"]),
        ({"q": "LOUÎSE chez"}, ["Chez Louise"]),
        ({"q": "osterreich"}, ["Café Österreich"]),
        ({"q": "vesuvo"}, ["Pizzeria Vesuvio"]),
        ({"q": "piz"}, ["Pizzeria Vesuvio", "Suva Pizza"]),
        ({"q": "sushi"}, []),
        ({"near": Near(48.8566, 2.3522, 2000)}, ["Chez Louise", "Pizzeria Vesuvio"]),
        ({"near": Near(48.9, 2.3522, 1000)}, ["Café Österreich"]),
        ({"near": Near(48.9, 2.3522, 4500)}, ["Café Österreich", "Pizzeria Vesuvio"]),
        ({"near": Near(-18.1416, -179.9999, 100)}, ["Suva Pizza"]),
        ({"city": "PARIS"}, ["Café Österreich", "Chez Louise", "Louise's Diner", "Pizzeria Vesuvio"]),
        ({"city": "paris", "country": "US"}, ["Louise's Diner"]),
        ({"city": "us-paris"}, ["Louise's Diner"]),
        ({"state": "ile de france"}, ["Café Österreich"]),
        ({"country": "united states"}, ["Louise's Diner"]),
        ({"cuisine": "Italian"}, ["Pizzeria Vesuvio"]),
        ({"price": 2}, ["Café Österreich", "Pizzeria Vesuvio"]),
        ({"price": 2, "cuisine": "pizza", "city": "Paris", "q": "vesuvio"}, ["Pizzeria Vesuvio"]),
        ({"price": 1}, []),
    ],
)
async def test_what_is_asked_for_is_found_in_its_order(wanted: dict[str, Any], expected: list[str]) -> None:
    ana = await some_restaurants()

    assert await names(ana, **wanted) == expected


async def test_a_search_is_counted_and_paged() -> None:
    ana = await some_restaurants()

    pages = [await search_restaurants(ana, Wanted(), page, 2) for page in (1, 2, 3, 4, 10_000)]

    assert [len(found) for found, _ in pages] == [2, 2, 1, 0, 0]
    assert [total for _, total in pages] == [5] * 5
    assert len({each.id for found, _ in pages for each in found}) == 5


async def test_a_search_costs_two_statements(statements: Statements) -> None:
    ana = await some_restaurants()

    assert len(await statements(names(ana, city="Paris"))) == 2


GENERATE = """
INSERT INTO restaurants (id, name, search_name, city_key, state_key, country_key, latitude, longitude, cuisine_type,
    created_at, updated_at)
SELECT gen_random_uuid(), name, name, 'city-' || i % 500, '', 'xx', 40 + (i % 200) * 0.05, 5 + (i / 200) * 0.1,
    ARRAY['cuisine-' || i % 100], now(), now()
FROM (
    SELECT i, 'house ' || substr(md5(i::text), 1, 6) || ' of ' || substr(md5('x' || i), 1, 5) AS name
    FROM generate_series(1, 20000) AS i
) AS made
"""

PLANS: list[tuple[dict[str, Any], str]] = [
    ({"near": Near(45.0, 6.0, 5000.0)}, "restaurants_position"),
    ({"near": Near(45.0, 6.0, 5000.0), "q": "house"}, "restaurants_position"),
    ({"q": "c4ca42"}, "restaurants_search"),
    ({"city": "city-7"}, "restaurants_city"),
    ({"cuisine": "cuisine-7", "city": "city-7"}, "restaurants_city"),
    ({}, "restaurants_name"),
]


async def test_a_search_reads_an_index_and_never_the_whole_table(own_database: None) -> None:
    await db.execute(GENERATE)
    await db.execute("ANALYZE restaurants")
    ana = await make_user()
    found: list[tuple[str, bool, bool]] = []
    for wanted, index in PLANS:
        asked = tuple(wanted)
        near = wanted.get("near")
        where = (None, None, None) if near is None else (near.latitude, near.longitude, near.chord)
        values = (wanted.get("q"), *where, wanted.get("city"), None, None, wanted.get("cuisine"), None)
        listing = await db.fetch(f"EXPLAIN {find_restaurants(asked)}", ana.id, *values, 20, 0)
        plan = "\n".join(row[0] for row in listing)
        found.append((index, f"{index}" in plan, "Seq Scan on restaurants" in plan))

    assert found == [(index, True, False) for _, index in PLANS]
    counting = await db.fetch(f"EXPLAIN {count_restaurants(('q',))}", ana.id, "c4ca42", *[None] * 8, 10_000)
    assert "restaurants_search" in "\n".join(row[0] for row in counting)
    assert await names(ana, q="c4ca42") == ["house c4ca42 of 6dbf9"]


# counts


async def test_dishes_are_counted_and_the_count_is_told(own_database: None) -> None:
    ana, ben = await make_user(), await make_user()
    there = await make_restaurant(ana)
    await make_dish(ana, there)
    await make_dish(ben, there)
    own = (await read_restaurant(ana, there.id)).counters

    await settle()

    assert own == RestaurantTotals(dishes=1, reviews=0)  # at once, of what is one's own
    assert (await read_restaurant(ana, there.id)).counters == RestaurantTotals(dishes=2, reviews=0)
    told = await db.fetchrow("SELECT topics, data::text AS data FROM events WHERE type = 'restaurant.counters'")
    assert told is not None
    assert told["topics"] == [topics.restaurant(there.id)]
    assert msgspec.json.decode(told["data"], type=RestaurantCounters) == RestaurantCounters(dishes=2, reviews=0)


@pytest.mark.parametrize("field", ["city", "state", "country", "cuisine"])
async def test_what_has_no_letter_is_not_looked_for(field: str) -> None:
    wanted: dict[str, Any] = {field: "!"}

    with pytest.raises(Invalid) as refused:
        await search_restaurants(await make_user(), Wanted(**wanted), 1, 10)

    assert list(refused.value.details) == [field]
