"""A POST that is sent again with its Idempotency-Key happens once and is answered again."""

import asyncio
from typing import Any

import httpx
import pytest

from domain import db
from domain.idempotency.actions import forget_old_answers
from tests.factories import auth, make_user

POSTS = "/api/v1/posts"
COUNT = "SELECT count(*) FROM posts"


@pytest.fixture
async def headers() -> dict[str, str]:
    """Of somebody who uses one key again and again."""
    return auth(await make_user()) | {"Idempotency-Key": "7c9e-1"}


async def test_the_same_key_again_gets_the_same_answer(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    first = await client.post(POSTS, json={"content": "soup"}, headers=headers)
    second = await client.post(POSTS, json={"content": "soup"}, headers=headers)

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    assert await db.fetchval(COUNT) == 1


async def test_another_body_under_the_same_key_is_a_conflict(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    await client.post(POSTS, json={"content": "soup"}, headers=headers)

    answer = await client.post(POSTS, json={"content": "stew"}, headers=headers)

    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "idempotency_key_reused"
    assert await db.fetchval(COUNT) == 1


async def test_another_query_under_the_same_key_is_a_conflict(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    await client.post(POSTS, json={"content": "soup"}, headers=headers)

    answer = await client.post(f"{POSTS}?force=true", json={"content": "soup"}, headers=headers)

    assert answer.status_code == 409


async def test_another_key_is_another_request(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    first = await client.post(POSTS, json={"content": "soup"}, headers=headers)
    second = await client.post(POSTS, json={"content": "soup"}, headers=headers | {"Idempotency-Key": "7c9e-2"})

    assert first.json()["id"] != second.json()["id"]


async def test_the_key_of_somebody_else_is_another_key(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    mine = await client.post(POSTS, json={"content": "soup"}, headers=headers)
    theirs = await client.post(POSTS, json={"content": "soup"}, headers=headers | auth(await make_user()))

    assert mine.json()["author"]["id"] != theirs.json()["author"]["id"]


@pytest.mark.parametrize("key", ["", "k" * 256, "a b", "\x7f"])
async def test_a_key_is_up_to_255_visible_characters(
    client: httpx.AsyncClient, headers: dict[str, str], key: str
) -> None:
    answer = await client.post(POSTS, json={"content": "soup"}, headers=headers | {"Idempotency-Key": key})

    assert answer.status_code == 400
    assert list(answer.json()["error"]["details"]) == ["Idempotency-Key"]
    assert await db.fetchval(COUNT) == 0


@pytest.mark.committed
async def test_an_error_is_not_kept_and_the_key_stays_free(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    refused = await client.post(POSTS, json={"content": ""}, headers=headers)
    answer = await client.post(POSTS, json={"content": "soup"}, headers=headers)

    assert (refused.status_code, answer.status_code) == (400, 201)


@pytest.mark.committed
async def test_of_two_at_once_one_happens_and_both_get_its_answer(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answers = await asyncio.gather(*(client.post(POSTS, json={"content": "soup"}, headers=headers) for _ in range(5)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 4
    assert await db.fetchval(COUNT) == 1


async def test_after_a_day_the_key_is_new_again(client: httpx.AsyncClient, headers: dict[str, str], clock: Any) -> None:
    first = await client.post(POSTS, json={"content": "soup"}, headers=headers)
    await db.execute("UPDATE idempotent_answers SET created_at = created_at - interval '24 hours 1 second'")

    second = await client.post(POSTS, json={"content": "stew"}, headers=headers)

    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]


async def test_keys_of_yesterday_are_deleted_and_others_kept(
    client: httpx.AsyncClient, headers: dict[str, str], clock: Any
) -> None:
    await client.post(POSTS, json={"content": "soup"}, headers=headers)
    clock.forward(hours=23)
    await client.post(POSTS, json={"content": "soup"}, headers=headers | auth(await make_user()))
    clock.forward(hours=2)

    assert await forget_old_answers() == 1
    assert await forget_old_answers() == 0


async def test_without_a_token_the_key_counts_for_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.post(POSTS, json={"content": "soup"}, headers={"Idempotency-Key": "7c9e-1"})

    assert answer.status_code == 401


async def test_a_body_that_is_too_large_is_refused_before_the_handler(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await client.post(POSTS, json={"content": "x" * 300_000}, headers=headers)

    assert answer.status_code == 413
