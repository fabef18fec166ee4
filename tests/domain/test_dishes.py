"""Dishes: what they may be, who adds, edits and removes them, and how they are found."""

from typing import Any

import msgspec
import pytest

from domain import db, topics
from domain.accounts.queries import UserNotFound, UserRef
from domain.accounts.rules import Viewer
from domain.clock import stamp
from domain.departures import leave
from domain.dishes.actions import (
    DishChanges,
    DishRanked,
    NewDish,
    NoSuchDishType,
    NotYourDish,
    add_dish,
    edit_dish,
    remove_dish,
)
from domain.dishes.events import DishAdded, DishEdited, DishRemoved
from domain.dishes.queries import (
    Dish,
    DishNotFound,
    DishTotals,
    Wanted,
    find_dishes,
    read_dish,
    read_dish_types,
    read_edits,
    read_menu,
    search_dishes,
)
from domain.dishes.rules import Currency, Price, check_price, priced
from domain.errors import Invalid
from domain.eventlog import FACT
from domain.ids import DishID, RestaurantID, new_id
from domain.places.actions import NothingToChange
from domain.places.queries import Change, RestaurantNotFound, RestaurantRef
from domain.rankings.actions import NewRanking, rank_dish, unrank_dish
from domain.text import slug
from tests.conftest import Clock, Statements
from tests.factories import make_dish, make_restaurant, make_user

EVENTS = "SELECT type, topics, data::text AS data, actor, audience FROM events WHERE type ~ '^dish' ORDER BY seq"
FULL: dict[str, Any] = {
    "name": "Margherita",
    "description": "With basil",
    "price": "12.50",
    "currency": "EUR",
    "image_url": "https://example.org/m.jpg",
    "dish_type": "pizza",
    "tags": ["vegetarian", "wood-fired"],
    "is_seasonal": True,
    "is_available": True,
}


# what a dish may be


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("12.5", "12.50"),
        ("12", "12.00"),
        ("0", "0.00"),
        ("007.1", "7.10"),
        ("99999999.99", "99999999.99"),
        (None, None),
    ],
)
def test_a_price_has_two_digits_behind_the_point(given: str | None, stored: str | None) -> None:
    assert priced(given) == stored


@pytest.mark.parametrize("price", ["", "-1", "1.234", "1,50", "1e3", " 1", "1.", ".5", "100000000", "NaN", "१", "1\n"])
def test_a_price_is_a_decimal(price: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(price, Price)


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "E", "€", "EUR\n"])
def test_a_currency_is_three_letters(currency: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(currency, Currency)


@pytest.mark.parametrize(
    ("price", "currency", "field"), [("1.00", None, "currency"), (None, "EUR", "price"), ("1.00", "XYZ", "currency")]
)
def test_a_price_comes_with_a_currency_that_there_is(price: str | None, currency: str | None, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_price(price, currency)

    assert list(refused.value.details) == [field]


async def test_the_types_are_a_catalogue_of_slugs_by_name() -> None:
    found = (await read_dish_types()).items

    assert len(found) > 40
    assert {"pizza", "ramen", "tacos", "other"} < {each.slug for each in found}
    assert all(slug(each.slug) == each.slug for each in found)
    assert len({each.slug for each in found}) == len(found)


# adding


async def test_a_dish_is_what_was_said_of_it(clock: Clock) -> None:
    ana = await make_user()
    there = await make_restaurant(ana, name="Da Nonna", city="Napoli")

    said: dict[str, Any] = {"price": "12.5", "tags": ["Vegetarian", "Wood fired"]}
    added = await add_dish(ana, there.id, NewDish(**FULL | said))

    assert added == Dish(
        id=added.id,
        restaurant=RestaurantRef(there.id, "Da Nonna", "Napoli"),
        score=None,
        counters=DishTotals(rankings=0, reviews=0),
        created_at=stamp(clock.time),
        updated_at=stamp(clock.time),
        **FULL,
    )
    assert await read_dish(await make_user(), added.id) == added


async def test_a_dish_needs_nothing_but_a_name_and_a_type() -> None:
    added = await add_dish(await make_user(), (await make_restaurant()).id, NewDish(name="Soup", dish_type="soup"))

    assert (added.price, added.currency, added.tags, added.is_seasonal, added.is_available) == (
        None,
        None,
        [],
        False,
        True,
    )


async def test_adding_is_told_to_who_listens_to_the_restaurant() -> None:
    ana = await make_user()
    added = await make_dish(ana)

    (told,) = await db.fetch(EVENTS)

    assert (told["type"], told["topics"]) == (DishAdded.type, [topics.restaurant(added.restaurant.id)])
    assert (told["actor"], told["audience"]) == (ana.id, FACT)
    assert msgspec.json.decode(told["data"], type=DishAdded).dish == added


async def test_a_dish_is_of_a_restaurant_and_of_a_type_that_there_are() -> None:
    ana, new = await make_user(), NewDish(name="Soup", dish_type="soup")

    with pytest.raises(RestaurantNotFound):
        await add_dish(ana, RestaurantID(new_id()), new)
    with pytest.raises(NoSuchDishType) as refused:
        await add_dish(ana, (await make_restaurant()).id, NewDish(name="Soup", dish_type="Soup"))

    assert list(refused.value.details) == ["dish_type"]
    assert await db.fetch(EVENTS) == []


async def test_who_is_gone_adds_nothing() -> None:
    ana, there = await make_user(), await make_restaurant()
    await leave(ana, ana.id)

    with pytest.raises(UserNotFound):
        await add_dish(ana, there.id, NewDish(name="Soup", dish_type="soup"))


# editing

CHANGES: list[dict[str, Any]] = [
    {"name": "Marinara"},
    {"description": None},
    {"price": "13.00"},
    {"price": None, "currency": None},
    {"currency": "USD"},
    {"image_url": None},
    {"dish_type": "pie"},
    {"tags": []},
    {"is_seasonal": False, "is_available": False},
]


@pytest.mark.parametrize("changes", CHANGES, ids=" ".join)
async def test_an_edit_changes_what_it_names_and_keeps_what_was_before(clock: Clock, changes: dict[str, Any]) -> None:
    ana, ben = await make_user(username="ana"), await make_user()
    before = await make_dish(ana, **FULL)
    clock.forward(minutes=5)

    after = await edit_dish(ana, before.id, DishChanges(**changes))

    assert after == msgspec.structs.replace(before, updated_at=stamp(clock.time), **changes)
    assert await read_dish(ben, before.id) == after
    (edit,) = await read_edits(ben, before.id, None, 10)
    assert edit.editor == UserRef(ana.id, "ana", None, None)
    assert edit.changes == {name: Change(getattr(before, name), value) for name, value in changes.items()}


async def test_an_edit_is_told_to_who_listens_to_the_dish_or_its_restaurant() -> None:
    ana = await make_user()
    before = await make_dish(ana, **FULL)

    after = await edit_dish(ana, before.id, DishChanges(price="9.9"))

    told = (await db.fetch(EVENTS))[-1]
    shown = msgspec.to_builtins(after)
    for key in ("restaurant", "score", "counters", "created_at"):
        del shown[key]
    assert set(told["topics"]) == {topics.dish(before.id), topics.restaurant(before.restaurant.id)}
    assert (told["type"], told["actor"], told["audience"]) == (DishEdited.type, ana.id, FACT)
    assert msgspec.json.decode(told["data"]) == shown | {"price": "9.90"}


async def test_an_edit_that_changes_nothing_is_no_edit() -> None:
    ana = await make_user()
    before = await make_dish(ana, **FULL)

    assert await edit_dish(ana, before.id, DishChanges(price="12.5", tags=["Vegetarian", "wood-fired"])) == before

    assert await read_edits(ana, before.id, None, 10) == []
    assert len(await db.fetch(EVENTS)) == 1


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({}, NothingToChange),
        ({"currency": None}, Invalid),
        ({"price": None}, Invalid),
        ({"currency": "XYZ"}, Invalid),
        ({"dish_type": "nothing"}, NoSuchDishType),
        ({"tags": ["?"]}, Invalid),
    ],
)
async def test_an_edit_to_what_cannot_be_changes_nothing(changes: dict[str, Any], refusal: type[Invalid]) -> None:
    ana = await make_user()
    before = await make_dish(ana, **FULL)

    with pytest.raises(refusal):
        await edit_dish(ana, before.id, DishChanges(**changes))

    assert await read_dish(ana, before.id) == before
    assert len(await db.fetch(EVENTS)) == 1


async def moderator() -> Viewer:
    return msgspec.structs.replace(await make_user(), role="moderator")


async def test_who_added_the_dish_or_its_restaurant_may_change_it_and_moderators() -> None:
    ana, ben, eve = await make_user(), await make_user(), await make_user()
    dish = await make_dish(ben, await make_restaurant(ana))

    for price, editor in (("1.00", ana), ("2.00", ben), ("3.00", await moderator())):
        await edit_dish(editor, dish.id, DishChanges(price=price, currency="EUR"))
    with pytest.raises(NotYourDish):
        await edit_dish(eve, dish.id, DishChanges(price="4.00"))
    with pytest.raises(NotYourDish):
        await remove_dish(eve, dish.id)

    assert (await read_dish(eve, dish.id)).price == "3.00"


# removing


async def test_a_dish_of_which_nobody_said_anything_is_gone() -> None:
    ana = await make_user()
    dish = await make_dish(ana)
    await edit_dish(ana, dish.id, DishChanges(name="x"))

    await remove_dish(ana, dish.id)

    told = (await db.fetch(EVENTS))[-1]
    topic = topics.dish(dish.id)
    assert msgspec.json.decode(told["data"], type=DishRemoved) == DishRemoved(
        id=dish.id, restaurant_id=dish.restaurant.id
    )
    assert set(told["topics"]) == {topic, topics.gone(topic), topics.restaurant(dish.restaurant.id)}
    assert (told["type"], told["audience"]) == (DishRemoved.type, FACT)
    with pytest.raises(DishNotFound):
        await read_dish(ana, dish.id)
    with pytest.raises(DishNotFound):
        await remove_dish(ana, dish.id)


@pytest.mark.parametrize("is_taken_back", [False, True])
async def test_a_dish_that_somebody_ranked_stays_and_is_no_longer_available(*, is_taken_back: bool) -> None:
    ana, ben = await make_user(), await make_user()
    dish = await make_dish(ana)
    await rank_dish(ben, dish.id, NewRanking(rank=1, notes="Good"))
    if is_taken_back:
        await unrank_dish(ben, dish.id)

    await remove_dish(ana, dish.id)
    await remove_dish(ana, dish.id)

    assert not (await read_dish(ana, dish.id)).is_available
    assert [row["type"] for row in await db.fetch(EVENTS)] == [DishAdded.type, DishEdited.type]
    assert (await read_edits(ben, dish.id, None, 10))[0].changes == {"is_available": Change(old=True, new=False)}


async def test_a_dish_that_somebody_ranked_keeps_its_type() -> None:
    ana, ben = await make_user(), await make_user()
    dish = await make_dish(ana)
    await rank_dish(ben, dish.id, NewRanking(taste="acceptable", notes="Well"))

    with pytest.raises(DishRanked) as refused:
        await edit_dish(ana, dish.id, DishChanges(dish_type="soup"))

    assert list(refused.value.details) == ["dish_type"]
    assert (await read_dish(ana, dish.id)).dish_type == "pizza"
    assert (await edit_dish(ana, dish.id, DishChanges(dish_type="pizza", name="Pie"))).name == "Pie"


async def test_what_is_not_there_can_be_neither_read_nor_changed() -> None:
    ana, nothing = await make_user(), DishID(new_id())

    with pytest.raises(DishNotFound):
        await read_dish(ana, nothing)
    with pytest.raises(DishNotFound):
        await edit_dish(ana, nothing, DishChanges(name="x"))
    with pytest.raises(DishNotFound):
        await remove_dish(ana, nothing)
    with pytest.raises(DishNotFound):
        await read_edits(ana, nothing, None, 10)


async def test_a_dish_stays_when_who_added_it_leaves() -> None:
    ana, ben = await make_user(), await make_user()
    dish = await make_dish(ana)
    changed = await edit_dish(ana, dish.id, DishChanges(name="x"))

    await leave(ana, ana.id)

    assert await read_dish(ben, dish.id) == changed
    assert [each.editor for each in await read_edits(ben, dish.id, None, 10)] == [None]
    with pytest.raises(NotYourDish):
        await edit_dish(ben, dish.id, DishChanges(name="y"))


# finding


async def test_a_menu_is_listed_in_the_order_of_its_making() -> None:
    ana = await make_user()
    there = await make_restaurant(ana)
    made = [await make_dish(ana, there) for _ in range(3)]
    await make_dish(ana)

    first = await read_menu(ana, there.id, None, 2)
    rest = await read_menu(ana, there.id, first[-1].id, 2)

    assert [*first, *rest] == [await read_dish(ana, each.id) for each in made]
    with pytest.raises(RestaurantNotFound):
        await read_menu(ana, RestaurantID(new_id()), None, 2)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["Ramen", "Calzone", "Marinara"]),
        ({"tag": "Vegan"}, ["Ramen", "Marinara"]),
        ({"tag": "spicy"}, []),
        ({"dish_type": "pizza"}, ["Calzone", "Marinara"]),
        ({"dish_type": "Pizza", "tag": "vegan"}, ["Marinara"]),
        ({"city": "PARIS"}, ["Ramen", "Marinara"]),
        ({"city": "us-paris"}, ["Ramen"]),
    ],
)
async def test_dishes_are_found_the_newest_first(wanted: dict[str, Any], expected: list[str]) -> None:
    ana = await make_user()
    for city, country, name, kind, tags in (
        ("Paris", "FR", "Marinara", "pizza", ["vegan"]),
        ("Rome", "IT", "Calzone", "pizza", []),
        ("Paris", "US", "Ramen", "ramen", ["vegan"]),
    ):
        there = await make_restaurant(ana, city=city, country=country)
        await make_dish(ana, there, name=name, dish_type=kind, tags=tags)

    found, total = await search_dishes(ana, Wanted(**wanted), 1, 10)

    assert [each.name for each in found] == expected
    assert total == len(expected)


async def test_a_search_is_counted_and_paged_in_two_statements(statements: Statements) -> None:
    ana = await make_user()
    there = await make_restaurant(ana)
    for _ in range(3):
        await make_dish(ana, there)

    pages = [await search_dishes(ana, Wanted(), page, 2) for page in (1, 2, 3)]

    assert [(len(found), total) for found, total in pages] == [(2, 3), (1, 3), (0, 3)]
    assert len(await statements(search_dishes(ana, Wanted(dish_type="pizza"), 1, 2))) == 2


GENERATE = """
WITH places AS (
    INSERT INTO restaurants (id, name, search_name, city_key, state_key, country_key, created_at, updated_at)
    SELECT gen_random_uuid(), 'r' || i, 'r' || i, 'city-' || i % 100, '', '', now(), now()
    FROM generate_series(1, 2000) AS i RETURNING id
)
INSERT INTO dishes (id, restaurant_id, name, dish_type, tags, created_at, updated_at)
SELECT gen_random_uuid(), places.id, 'd', CASE WHEN i = 1 THEN 'pho' ELSE 'pizza' END,
    ARRAY['tag-' || (random() * 500)::int], now(), now()
FROM places, generate_series(1, 10) AS i
"""


@pytest.mark.parametrize(
    ("asked", "args", "index"),
    [
        (("tag",), ["tag-7", None, None], "dishes_tags"),
        (("city",), [None, None, "city-7"], "dishes_pkey"),
        ((), [None, None, None], "dishes_pkey"),
        (("dish_type",), [None, "pho", None], "dishes_type"),
    ],
)
async def test_a_search_reads_an_index_and_never_the_whole_table(
    asked: tuple[str, ...], args: list[Any], index: str
) -> None:
    ana = await make_user()
    await db.execute(GENERATE)
    await db.execute("ANALYZE restaurants, dishes")

    plan = await db.fetch(f"EXPLAIN {find_dishes(asked)}", ana.id, *args, 20, 0)

    said = "\n".join(row[0] for row in plan)
    assert index in said
    assert "Seq Scan on dishes" not in said
