"""Rankings of dishes over HTTP."""

from typing import Any

import httpx
import pytest

from domain import db
from domain.accounts.rules import Viewer
from domain.dishes.queries import Dish
from domain.ids import new_id
from tests.conftest import Clock
from tests.factories import auth, make_dish, make_restaurant, make_user

API = "/api/v1"
GOOD = {"rank": 1, "notes": "Crisp"}


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def some_dishes(number: int) -> list[Dish]:
    there = await make_restaurant()
    return [await make_dish(None, there) for _ in range(number)]


async def rank(client: httpx.AsyncClient, viewer: Viewer, dish: Dish, **body: Any) -> httpx.Response:
    return await client.put(f"{API}/dishes/{dish.id}/ranking", json={"notes": "Crisp"} | body, headers=auth(viewer))


async def test_a_ranking_is_answered_with_every_key_and_what_moved(client: httpx.AsyncClient, clock: Clock) -> None:
    ana, (first, second) = await make_user(username="ana"), await some_dishes(2)
    await rank(client, ana, first, rank=1)

    answer = await rank(client, ana, second, rank=1)

    made, time = answer.json(), f"{clock.time:%Y-%m-%dT%H:%M:%S.%f}Z"
    assert answer.status_code == 200
    assert made == {
        "ranking": {
            "id": made["ranking"]["id"],
            "user": {"id": str(ana.id), "username": "ana", "display_name": None, "avatar_url": None},
            "dish_id": str(second.id),
            "dish": {"id": str(second.id), "name": second.name},
            "restaurant_id": str(second.restaurant.id),
            "dish_type": "pizza",
            "rank": 1,
            "taste": None,
            "notes": "Crisp",
            "photo_url": None,
            "created_at": time,
            "updated_at": time,
        },
        "moved": [{"dish_id": str(first.id), "from": 1, "to": 2}],
    }


async def test_the_one_that_falls_out_moves_to_null(client: httpx.AsyncClient) -> None:
    ana, dishes = await make_user(), await some_dishes(6)
    for dish in dishes[:5]:
        await rank(client, ana, dish, rank=5)

    moved = (await rank(client, ana, dishes[5], rank=5)).json()["moved"]

    assert moved == [{"dish_id": str(dishes[4].id), "from": 5, "to": None}]


async def test_a_ranking_that_is_taken_back_answers_with_what_moved_also_twice(client: httpx.AsyncClient) -> None:
    ana, (first, second) = await make_user(), await some_dishes(2)
    await rank(client, ana, first, rank=1)
    await rank(client, ana, second, rank=2)
    path = f"{API}/dishes/{first.id}/ranking"

    answers = [await client.delete(path, headers=auth(ana)) for _ in range(2)]

    assert [each.status_code for each in answers] == [200, 200]
    assert [each.json() for each in answers] == [
        {"ranking": None, "moved": [{"dish_id": str(second.id), "from": 2, "to": 1}]},
        {"ranking": None, "moved": []},
    ]


async def test_rankings_are_listed_by_person_and_by_dish(client: httpx.AsyncClient) -> None:
    ana, ben, (first, second) = await make_user(), await make_user(), await some_dishes(2)
    made = [(await rank(client, ana, each, rank=5)).json()["ranking"] for each in (first, second)]
    await rank(client, ben, first, taste="acceptable")
    path = f"{API}/users/{ana.id}/rankings"

    mine = (await client.get(f"{path}?limit=1", headers=auth(ben))).json()
    rest = (await client.get(path, params={"cursor": mine["next_cursor"]}, headers=auth(ben))).json()
    here = await client.get(f"{path}?restaurant_id={first.restaurant.id}&dish_type=pizza", headers=auth(ben))
    elsewhere = await client.get(f"{path}?restaurant_id={first.restaurant.id}&dish_type=soup", headers=auth(ben))
    on_dish = await client.get(f"{API}/dishes/{first.id}/rankings", headers=auth(ben))

    assert [*mine["items"], *rest["items"]] == made[::-1]
    assert (here.json()["items"], elsewhere.json()["items"]) == (made[::-1], [])
    assert [each["user"]["id"] for each in on_dish.json()["items"]] == [str(ben.id), str(ana.id)]


async def test_the_history_is_listed(client: httpx.AsyncClient) -> None:
    ana, (dish,) = await make_user(), await some_dishes(1)
    await rank(client, ana, dish, rank=1)
    await rank(client, ana, dish, taste="second_chance")

    listed = (await client.get(f"{API}/users/{ana.id}/rankings/history", headers=auth(await make_user()))).json()

    assert listed["next_cursor"] is None
    assert listed["items"][0] == {
        "id": listed["items"][0]["id"],
        "dish": {"id": str(dish.id), "name": dish.name},
        "restaurant_id": str(dish.restaurant.id),
        "dish_type": "pizza",
        "old": {"rank": 1, "taste": None},
        "new": {"rank": None, "taste": "second_chance"},
        "because_of": str(dish.id),
        "created_at": listed["items"][0]["created_at"],
    }
    assert len(listed["items"]) == 2


async def test_asking_for_pairs_leads_to_a_rank(client: httpx.AsyncClient) -> None:
    ana, (first, second, new) = await make_user(), await some_dishes(3)
    for dish in (first, second):
        await rank(client, ana, dish, rank=5)
    path, scope = f"{API}/rankings/next-pair", {"restaurant_id": str(new.restaurant.id), "dish_type": "pizza"}

    one = (await client.get(path, params=scope, headers=auth(ana))).json()
    answers = {"dish_id": one["dish"]["id"], "better_than": one["other"]["id"]}
    two = (await client.get(path, params=scope | answers, headers=auth(ana))).json()
    answers["worse_than"] = two["other"]["id"]
    three = (await client.get(path, params=scope | answers, headers=auth(ana))).json()

    names = [{"id": str(each.id), "name": each.name} for each in (first, second, new)]
    assert one == {"dish": names[2], "other": names[1], "rank": None, "questions": 2}
    assert two == {"dish": names[2], "other": names[0], "rank": None, "questions": 1}
    assert three == {"dish": names[2], "other": None, "rank": 2, "questions": 0}


BODIES: list[tuple[dict[str, Any], set[str]]] = [
    ({"rank": 0, "notes": "x"}, {"rank"}),
    ({"rank": 6, "notes": "x"}, {"rank"}),
    ({"rank": -1, "notes": "x"}, {"rank"}),
    ({"rank": "1", "notes": "x"}, {"rank"}),
    ({"rank": 1.5, "notes": "x"}, {"rank"}),
    ({"rank": True, "notes": "x"}, {"rank"}),
    ({"rank": 1, "taste": "acceptable", "notes": "x"}, {"rank", "taste"}),
    ({"notes": "x"}, {"rank", "taste"}),
    ({"taste": "delicious", "notes": "x"}, {"taste"}),
    ({"rank": 1}, {"notes"}),
    ({"rank": 1, "notes": ""}, {"notes"}),
    ({"rank": 1, "notes": " "}, {"notes"}),
    ({"rank": 1, "notes": None}, {"notes"}),
    ({"rank": 1, "notes": "x" * 2001}, {"notes"}),
    ({"rank": 1, "notes": "x", "photo_url": "me.jpg"}, {"photo_url"}),
    ({"rank": 1, "notes": "x", "dish_type": "soup"}, {"dish_type"}),
]
ROWS = "SELECT (SELECT count(*) FROM dish_rankings) + (SELECT count(*) FROM ranking_history) + count(*) FROM events"


@pytest.mark.parametrize(("body", "fields"), BODIES, ids=[f"{body}"[:50] for body, _ in BODIES])
async def test_what_no_ranking_can_be_is_400_and_named_and_changes_nothing(
    client: httpx.AsyncClient, body: dict[str, Any], fields: set[str]
) -> None:
    ana, dishes = await make_user(), await some_dishes(2)
    for dish in dishes:
        await rank(client, ana, dish, rank=1)
    before = await db.fetchval(ROWS)

    answer = await client.put(f"{API}/dishes/{dishes[0].id}/ranking", json=body, headers=auth(ana))

    assert answer.status_code == 400
    assert set(answer.json()["error"]["details"]) == fields
    assert await db.fetchval(ROWS) == before


async def test_a_dish_that_is_not_there_is_404(client: httpx.AsyncClient) -> None:
    headers, path = auth(await make_user()), f"{API}/dishes/{new_id()}"

    answers = [
        await client.put(f"{path}/ranking", json=GOOD, headers=headers),
        await client.delete(f"{path}/ranking", headers=headers),
        await client.get(f"{path}/rankings", headers=headers),
    ]

    assert [error(answer) for answer in answers] == [(404, "dish_not_found")] * 3


async def test_a_pair_of_another_type_or_of_nothing_is_refused_and_named(client: httpx.AsyncClient) -> None:
    ana = await make_user()
    there = await make_restaurant()
    soup, pizza = await make_dish(None, there, dish_type="soup"), await make_dish(None, there)
    await rank(client, ana, soup, rank=1)
    scope = {"restaurant_id": str(there.id), "dish_type": "pizza"}
    asked: list[tuple[str, dict[str, Any]]] = [
        ("dish_id", scope | {"dish_id": str(soup.id)}),
        ("better_than", scope | {"dish_id": str(pizza.id), "better_than": str(soup.id)}),
        ("worse_than", scope | {"dish_id": str(pizza.id), "worse_than": str(new_id())}),
        ("dish_type", scope | {"dish_type": "nothing"}),
        ("dish_type", {"restaurant_id": str(there.id)}),
        ("restaurant_id", {"dish_type": "pizza"}),
        ("restaurant_id", scope | {"restaurant_id": "here"}),
    ]

    answers = [await client.get(f"{API}/rankings/next-pair", params=query, headers=auth(ana)) for _, query in asked]
    nowhere = scope | {"restaurant_id": str(new_id())}
    gone = await client.get(f"{API}/rankings/next-pair", params=nowhere, headers=auth(ana))

    assert [each.status_code for each in answers] == [400] * len(asked)
    assert [list(each.json()["error"]["details"]) for each in answers] == [[field] for field, _ in asked]
    assert error(gone) == (404, "restaurant_not_found")


async def test_somebody_who_is_not_there_has_no_rankings(client: httpx.AsyncClient) -> None:
    headers, path = auth(await make_user()), f"{API}/users/{new_id()}/rankings"

    answers = [await client.get(each, headers=headers) for each in (path, f"{path}/history")]

    assert [error(answer) for answer in answers] == [(404, "user_not_found")] * 2
