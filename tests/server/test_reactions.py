"""Likes over HTTP."""

import httpx
import pytest

from domain.ids import new_id
from tests.factories import auth, make_post, make_user


async def test_a_like_answers_with_the_count_that_includes_it(client: httpx.AsyncClient) -> None:
    ana, post = await make_user(), await make_post()

    answer = await client.put(f"/api/v1/posts/{post.id}/like", headers=auth(ana))

    assert (answer.status_code, answer.json()) == (200, {"likes": 1, "liked": True})


async def test_liking_and_unliking_twice_succeed_and_change_nothing(client: httpx.AsyncClient) -> None:
    ana, post = await make_user(), await make_post()
    path = f"/api/v1/posts/{post.id}/like"

    answers = [await client.request(method, path, headers=auth(ana)) for method in ("PUT", "PUT", "DELETE", "DELETE")]

    liked, unliked = (200, {"likes": 1, "liked": True}), (200, {"likes": 0, "liked": False})
    assert [(answer.status_code, answer.json()) for answer in answers] == [liked, liked, unliked, unliked]


async def test_ones_own_like_is_on_the_post_at_once(client: httpx.AsyncClient) -> None:
    ana, post = await make_user(), await make_post()
    await client.put(f"/api/v1/posts/{post.id}/like", headers=auth(ana))

    read = (await client.get(f"/api/v1/posts/{post.id}", headers=auth(ana))).json()

    assert (read["counters"]["likes"], read["viewer"]) == (1, {"liked": True, "reaction": None})


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_what_one_may_not_see_is_404(client: httpx.AsyncClient, method: str) -> None:
    ana, hidden = await make_user(), await make_post(visibility="private")

    answers = [
        await client.request(method, f"/api/v1/posts/{post_id}/like", headers=auth(ana))
        for post_id in (hidden.id, new_id())
    ]

    found = [(answer.status_code, answer.json()["error"]["code"]) for answer in answers]
    assert found == [(404, "post_not_found")] * 2


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_who_has_not_signed_in_is_asked_to(client: httpx.AsyncClient, method: str) -> None:
    post = await make_post()

    answer = await client.request(method, f"/api/v1/posts/{post.id}/like")

    assert answer.status_code == 401
