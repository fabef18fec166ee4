"""Dishes over HTTP."""

from typing import Any

import httpx
import pytest

from domain import db
from domain.ids import new_id
from tests.conftest import Clock
from tests.factories import auth, make_dish, make_restaurant, make_user

DISHES = "/api/v1/dishes"
FULL: dict[str, Any] = {
    "name": "Margherita",
    "description": "With basil",
    "price": "12.50",
    "currency": "EUR",
    "image_url": "https://example.org/m.jpg",
    "dish_type": "pizza",
    "tags": ["vegetarian"],
    "is_seasonal": True,
    "is_available": True,
}


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def menu(restaurant_id: object) -> str:
    return f"/api/v1/restaurants/{restaurant_id}/dishes"


async def test_a_new_dish_is_answered_with_every_key(client: httpx.AsyncClient, clock: Clock) -> None:
    there = await make_restaurant(name="Da Nonna", city="Napoli")

    answer = await client.post(menu(there.id), json=FULL | {"price": "12.5"}, headers=auth(await make_user()))

    made = answer.json()
    time = f"{clock.time:%Y-%m-%dT%H:%M:%S.%f}Z"
    assert answer.status_code == 201
    assert made == FULL | {
        "id": made["id"],
        "restaurant": {"id": str(there.id), "name": "Da Nonna", "city": "Napoli"},
        "score": None,
        "counters": {"rankings": 0, "reviews": 0},
        "created_at": time,
        "updated_at": time,
    }
    read = await client.get(f"{DISHES}/{made['id']}", headers=auth(await make_user()))
    assert (read.status_code, read.json()) == (200, made)


async def test_a_menu_and_a_search_hold_the_same_dishes(client: httpx.AsyncClient) -> None:
    headers = auth(await make_user())
    there = await make_restaurant(city="Napoli")
    made = [(await client.post(menu(there.id), json=FULL, headers=headers)).json() for _ in range(3)]

    first = (await client.get(f"{menu(there.id)}?limit=2", headers=headers)).json()
    rest = (await client.get(menu(there.id), params={"cursor": first["next_cursor"]}, headers=headers)).json()
    found = await client.get(f"{DISHES}?tag=Vegetarian&dish_type=pizza&city=NAPOLI&limit=2", headers=headers)

    assert [*first["items"], *rest["items"]] == made
    assert rest["next_cursor"] is None
    assert found.json() == {
        "items": made[:0:-1],
        "pagination": {"page": 1, "limit": 2, "total": 3, "total_pages": 2},
    }


async def test_the_types_are_listed(client: httpx.AsyncClient) -> None:
    found = (await client.get("/api/v1/dish-types", headers=auth(await make_user()))).json()["items"]

    assert {"slug": "pho", "name": "Phở"} in found
    assert [each["name"] for each in found] == sorted(each["name"] for each in found)


async def test_an_edit_answers_with_the_dish_and_is_listed(client: httpx.AsyncClient) -> None:
    ana = await make_user()
    made = (await client.post(menu((await make_restaurant()).id), json=FULL, headers=auth(ana))).json()
    path = f"{DISHES}/{made['id']}"

    edited = await client.patch(path, json={"price": "9"}, headers=auth(ana))
    edits = await client.get(f"{path}/edits", headers=auth(ana))

    assert edited.json() == made | {"price": "9.00", "updated_at": edited.json()["updated_at"]}
    assert [each["changes"] for each in edits.json()["items"]] == [{"price": {"old": "12.50", "new": "9.00"}}]


async def test_a_deleted_dish_is_404_unless_somebody_ranked_it(client: httpx.AsyncClient) -> None:
    ana = await make_user()
    paths = [f"{DISHES}/{(await make_dish(ana)).id}" for _ in range(2)]
    await client.put(f"{paths[0]}/ranking", json={"rank": 1, "notes": "x"}, headers=auth(ana))

    deleted = [await client.delete(path, headers=auth(ana)) for path in paths]
    kept, gone = [await client.get(path, headers=auth(ana)) for path in paths]

    assert [each.status_code for each in deleted] == [204, 204]
    assert (kept.status_code, kept.json()["is_available"]) == (200, False)
    assert error(gone) == (404, "dish_not_found")


async def test_somebody_elses_dish_is_403_and_no_dish_404(client: httpx.AsyncClient) -> None:
    headers, dish, nothing = auth(await make_user()), await make_dish(), f"{DISHES}/{new_id()}"

    answers = [
        await client.patch(f"{DISHES}/{dish.id}", json={"name": "Mine"}, headers=headers),
        await client.delete(f"{DISHES}/{dish.id}", headers=headers),
        await client.get(nothing, headers=headers),
        await client.patch(nothing, json={"name": "Mine"}, headers=headers),
        await client.delete(nothing, headers=headers),
        await client.get(f"{nothing}/edits", headers=headers),
        await client.post(menu(new_id()), json=FULL, headers=headers),
    ]

    assert [error(answer) for answer in answers] == [
        *[(403, "not_your_dish")] * 2,
        *[(404, "dish_not_found")] * 4,
        (404, "restaurant_not_found"),
    ]


BODIES: list[tuple[dict[str, Any], str]] = [
    ({"name": " "}, "name"),
    ({"dish_type": "nothing"}, "dish_type"),
    ({"dish_type": None}, "dish_type"),
    ({"price": 12.5}, "price"),
    ({"price": "12,50"}, "price"),
    ({"price": "-1"}, "price"),
    ({"price": None}, "price"),
    ({"currency": None}, "currency"),
    ({"currency": "eur"}, "currency"),
    ({"currency": "ABC"}, "currency"),
    ({"image_url": "nowhere"}, "image_url"),
    ({"tags": ["vegan", "?"]}, "tags[1]"),
    ({"tags": ["x"] * 21}, "tags"),
    ({"is_seasonal": "yes"}, "is_seasonal"),
    ({"score": 5}, "score"),
]


@pytest.mark.parametrize(("wrong", "field"), BODIES, ids=[f"{wrong}"[:40] for wrong, _ in BODIES])
async def test_what_no_dish_can_be_is_400_and_named(
    client: httpx.AsyncClient, wrong: dict[str, Any], field: str
) -> None:
    there, headers = await make_restaurant(), auth(await make_user())

    answer = await client.post(menu(there.id), json=FULL | wrong, headers=headers)

    assert answer.status_code == 400
    assert list(answer.json()["error"]["details"]) == [field]
    assert await db.fetchval("SELECT count(*) FROM dishes") == 0
