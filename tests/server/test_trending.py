"""What is trending over HTTP."""

import httpx
import pytest

from domain.clock import stamp
from domain.ids import UserID, new_id
from domain.trending.actions import fold
from realtime.access import Verdict, judge
from tests.conftest import Clock
from tests.domain.trending.playing import crowd, dish_in, ranking
from tests.factories import auth, make_user

TRENDING = "/api/v1/trending/dishes"


async def test_a_list_is_answered_with_every_key(client: httpx.AsyncClient, clock: Clock) -> None:
    dish = await dish_in("Napoli")
    await crowd(clock, dish, 5)
    clock.forward(hours=6)

    answer = await client.get(TRENDING, params={"city": "Napoli"}, headers=auth(await make_user()))

    assert answer.status_code == 200
    assert answer.json() == {
        "scope": "dishes:napoli",
        "version": 1,
        "at": stamp(clock.time),
        "half_life_s": 21600,
        "top": [
            {
                "dish_id": str(dish.id),
                "dish_name": dish.name,
                "restaurant_id": str(dish.restaurant.id),
                "restaurant_name": dish.restaurant.name,
                "dish_type": "pizza",
                "image_url": None,
                "ranking_count": 0,
                "trending_score": 15,
            }
        ],
    }


async def test_a_list_is_of_a_type_and_as_long_as_it_is_asked_for(client: httpx.AsyncClient, clock: Clock) -> None:
    pizzas = [await dish_in("Napoli") for _ in range(3)]
    await crowd(clock, await dish_in("Napoli", "pasta"), 9)
    await fold([ranking(clock, dish, UserID(new_id())) for i, dish in enumerate(pizzas) for _ in range(5 + i)])

    params = {"city": "napoli", "dish_type": "pizza", "limit": "2"}
    found = (await client.get(TRENDING, params=params, headers=auth(await make_user()))).json()

    assert [each["dish_id"] for each in found["top"]] == [str(pizzas[2].id), str(pizzas[1].id)]


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("", 400, "city"),
        ("city=", 400, "city"),
        ("city=-", 400, "city"),
        ("city=nowhere", 404, "city"),
        ("city=napoli&dish_type=stones", 404, "dish_type"),
        ("city=napoli&dish_type=", 400, "dish_type"),
        ("city=napoli&dish_type=-", 400, "dish_type"),
        ("city=napoli&limit=0", 400, "limit"),
        ("city=napoli&limit=51", 400, "limit"),
    ],
)
async def test_what_cannot_be_asked_is_named(client: httpx.AsyncClient, query: str, status: int, field: str) -> None:
    await dish_in("Napoli")

    answer = await client.get(f"{TRENDING}?{query}", headers=auth(await make_user()))

    assert (answer.status_code, list(answer.json()["error"]["details"])) == (status, [field])


async def test_who_has_signed_in_may_listen_to_the_lists_there_can_be(clock: Clock) -> None:
    await dish_in("Napoli")
    viewer = (await make_user()).id
    scopes = ["dishes:napoli", "dishes:napoli:pho"]
    none = ["dishes:rome", "dishes:napoli:stones", "dishes", "users:napoli", "dishes:napoli:pho:pho"]

    verdicts = await judge([(viewer, f"trending:{each}") for each in [*none, *scopes]])

    assert [verdicts[viewer, f"trending:{each}"] for each in none] == [Verdict("", "deleted")] * len(none)
    assert [verdicts[viewer, f"trending:{each}"] for each in scopes] == [Verdict("None", "ok")] * 2
