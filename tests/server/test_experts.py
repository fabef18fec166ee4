"""Experts over HTTP."""

from typing import Any

import httpx
import pytest

from domain import db
from domain.eventlog import Logged
from domain.experts.actions import fold
from tests.factories import auth, make_dish, make_restaurant, make_review, make_user

API = "/api/v1"
LOG = "SELECT seq, type, topics, data::text AS data, actor, audience, at FROM events ORDER BY seq"


async def fold_all() -> None:
    await fold([Logged(*row.values()) for row in await db.fetch(LOG)])


async def test_an_expert_is_answered_with_every_key_and_why(client: httpx.AsyncClient) -> None:
    ana = await make_user(username="ana")
    await make_review(ana, await make_dish(ana, await make_restaurant(ana, city="São Paulo")))
    await fold_all()

    answer = await client.get(f"{API}/experts", params={"city": "São Paulo"}, headers=auth(await make_user()))

    nothing = {"count": 0, "points": 0.0}
    (expert,) = answer.json()["items"]
    assert expert == {
        "user": {"id": str(ana.id), "username": "ana", "display_name": None, "avatar_url": None},
        "score": expert["score"],
        "influence": {
            "total": 2.079,
            "followers": nothing | {"weight": 10},
            "rankings": nothing | {"weight": 4},
            "reviews": {"count": 1, "weight": 3, "points": 2.079},
            "likers": nothing | {"weight": 2},
        },
        "here": {"rankings": 0, "reviews": 1},
    }
    assert round(expert["score"], 3) == 2.079


async def test_experts_are_paged(client: httpx.AsyncClient) -> None:
    me, there = await make_user(), await make_restaurant(city="Lyon")
    people = [await make_user() for _ in range(5)]
    for number, each in enumerate(people):
        for _ in range(1 + number % 2):
            await make_review(each, await make_dish(None, there))
    await fold_all()
    found: list[Any] = []
    cursor: str | None = None
    for _ in range(3):
        query = {"city": "lyon", "limit": 2} | ({} if cursor is None else {"cursor": cursor})
        page = (await client.get(f"{API}/experts", params=query, headers=auth(me))).json()
        found, cursor = found + page["items"], page["next_cursor"]

    assert cursor is None
    assert [each["here"]["reviews"] for each in found] == [2, 2, 1, 1, 1]
    assert {each["user"]["id"] for each in found} == {str(each.id) for each in people}


BAD: list[tuple[dict[str, str], int, str, list[str]]] = [
    ({}, 400, "invalid", ["city"]),
    ({"city": ""}, 400, "invalid", ["city"]),
    ({"city": "?!"}, 400, "invalid", ["city"]),
    ({"city": "a\0"}, 400, "invalid", ["city"]),
    ({"city": "x" * 101}, 400, "invalid", ["city"]),
    ({"city": "atlantis"}, 404, "city_not_found", ["city"]),
    ({"city": "lyon", "limit": "0"}, 400, "invalid", ["limit"]),
    ({"city": "lyon", "cursor": "x"}, 400, "invalid", ["cursor"]),
]


@pytest.mark.parametrize(("query", "status", "code", "fields"), BAD, ids=[f"{query}"[:40] for query, *_ in BAD])
async def test_what_is_no_question_is_refused_and_named(
    client: httpx.AsyncClient, query: dict[str, str], status: int, code: str, fields: list[str]
) -> None:
    await make_restaurant(city="Lyon")

    answer = await client.get(f"{API}/experts", params=query, headers=auth(await make_user()))

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], list(error["details"])) == (status, code, fields)
