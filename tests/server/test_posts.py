"""Posts over HTTP."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from domain.accounts.rules import Viewer
from domain.ids import UserID, new_id
from tests.conftest import Clock
from tests.factories import auth, make_post, make_user

POSTS = "/api/v1/posts"
FULL: dict[str, Any] = {
    "content": "Wonderful ñoquis",
    "title": "Lunch",
    "post_type": "photo",
    "image_url": "https://example.org/n.jpg",
    "visibility": "public",
    "subject": {"type": "dish", "id": "019b0000-0000-7000-8000-000000000000"},
    "location": {"display_name": "Rome", "lat": 41.9, "lon": 12.5, "place_id": None},
}


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_new_post_is_answered_with_every_key(client: httpx.AsyncClient, clock: Clock) -> None:
    clock.time = clock.time.replace(microsecond=0)
    ana = await make_user(username="ana", display_name="Ana")

    answer = await client.post(POSTS, json=FULL, headers=auth(ana))

    post = answer.json()
    assert answer.status_code == 201
    assert UUID(post["id"]).version == 7
    assert post == FULL | {
        "id": post["id"],
        "author": {"id": str(ana.id), "username": "ana", "display_name": "Ana", "avatar_url": None},
        "mentions": [],
        "counters": {"likes": 0, "reactions": {}, "comments": 0, "shares": 0},
        "viewer": {"liked": False, "reaction": None},
        "created_at": f"{clock.time:%Y-%m-%dT%H:%M:%S}.000000Z",
        "edited_at": None,
    }


async def test_what_was_left_out_is_null(client: httpx.AsyncClient) -> None:
    post = (await client.post(POSTS, json={"content": "Soup"}, headers=auth(await make_user()))).json()

    assert [post[key] for key in ("title", "image_url", "subject", "location", "edited_at")] == [None] * 5
    assert (post["post_type"], post["visibility"]) == ("daily", "public")


async def test_others_read_the_same_post(client: httpx.AsyncClient) -> None:
    ana, ben = await make_user(), await make_user()
    post = (await client.post(POSTS, json=FULL, headers=auth(ana))).json()

    answer = await client.get(f"{POSTS}/{post['id']}", headers=auth(ben))

    assert (answer.status_code, answer.json()) == (200, post)


async def test_a_private_post_is_404_for_everybody_else_whatever_they_try(client: httpx.AsyncClient) -> None:
    ana, ben = await make_user(), await make_user()
    post = await make_post(ana, visibility="private")
    path, others = f"{POSTS}/{post.id}", auth(ben)

    own = await client.get(path, headers=auth(ana))
    tried = [
        await client.get(path, headers=others),
        await client.patch(path, json={"content": "Mine"}, headers=others),
        await client.delete(path, headers=others),
        await client.put(f"{path}/like", headers=others),
    ]

    assert (own.status_code, own.json()["visibility"]) == (200, "private")
    assert [error(answer) for answer in tried] == [(404, "post_not_found")] * 4


async def test_an_edit_answers_with_the_changed_post(client: httpx.AsyncClient) -> None:
    ana = await make_user()
    post = (await client.post(POSTS, json=FULL, headers=auth(ana))).json()
    changes = {"content": "Better words", "title": None}

    answer = await client.patch(f"{POSTS}/{post['id']}", json=changes, headers=auth(ana))

    edited = answer.json()
    assert answer.status_code == 200
    assert edited == post | changes | {"edited_at": edited["edited_at"]}
    assert edited["edited_at"] >= post["created_at"]
    assert (await client.get(f"{POSTS}/{post['id']}", headers=auth(ana))).json() == edited


@pytest.mark.parametrize("changes", [{"author": "me"}, {"content": None}, {"content": " "}, {"post_type": None}])
async def test_an_edit_of_what_cannot_be_so_is_400_and_names_it(client: httpx.AsyncClient, changes: Any) -> None:
    ana = await make_user()
    post = await make_post(ana)

    answer = await client.patch(f"{POSTS}/{post.id}", json=changes, headers=auth(ana))

    assert answer.status_code == 400
    assert set(answer.json()["error"]["details"]) == set(changes)


async def test_an_edit_of_nothing_is_400_and_says_what_may_be_changed(client: httpx.AsyncClient) -> None:
    ana = await make_user()
    post = await make_post(ana)

    answer = await client.patch(f"{POSTS}/{post.id}", json={}, headers=auth(ana))

    assert error(answer) == (400, "nothing_to_change")
    assert "content" in answer.json()["error"]["details"]


async def test_somebody_elses_post_is_403(client: httpx.AsyncClient) -> None:
    ben, post = await make_user(), await make_post()
    path = f"{POSTS}/{post.id}"

    edited = await client.patch(path, json={"content": "Mine"}, headers=auth(ben))
    deleted = await client.delete(path, headers=auth(ben))

    assert [error(edited), error(deleted)] == [(403, "not_your_post")] * 2
    assert (await client.get(path, headers=auth(ben))).json()["content"] == post.content


async def test_a_deleted_post_is_404(client: httpx.AsyncClient) -> None:
    ana = await make_user()
    path = f"{POSTS}/{(await make_post(ana)).id}"

    deleted = await client.delete(path, headers=auth(ana))
    tried = [await client.get(path, headers=auth(ana)), await client.delete(path, headers=auth(ana))]

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert [error(answer) for answer in tried] == [(404, "post_not_found")] * 2


@pytest.mark.parametrize(
    ("method", "path"), [("POST", POSTS), ("GET", f"{POSTS}/019b0000-0000-7000-8000-000000000000")]
)
async def test_who_has_not_signed_in_is_asked_to(client: httpx.AsyncClient, method: str, path: str) -> None:
    assert error(await client.request(method, path, json={"content": "x"}))[0] == 401


# lists


async def page(client: httpx.AsyncClient, viewer: Viewer, author: UserID, **query: Any) -> dict[str, Any]:
    answer = await client.get(f"/api/v1/users/{author}/posts", params=query, headers=auth(viewer))
    assert answer.status_code == 200
    assert set(answer.json()) == {"items", "next_cursor"}
    return answer.json()


async def test_pages_hold_each_post_once_while_more_are_posted(client: httpx.AsyncClient) -> None:
    ana, ben = await make_user(), await make_user()
    made = [str((await make_post(ana)).id) for _ in range(5)]

    first = await page(client, ben, ana.id, limit=2)
    await make_post(ana)
    second = await page(client, ben, ana.id, limit=2, cursor=first["next_cursor"])
    await make_post(ana)
    third = await page(client, ben, ana.id, limit=2, cursor=second["next_cursor"])

    pages = [[post["id"] for post in each["items"]] for each in (first, second, third)]
    assert pages == [made[:-3:-1], made[2:0:-1], made[:1]]
    assert third["next_cursor"] is None


async def test_a_page_that_is_just_full_is_the_last(client: httpx.AsyncClient) -> None:
    ana = await make_user()
    await make_post(ana)
    await make_post(ana)

    assert (await page(client, ana, ana.id, limit=2))["next_cursor"] is None


async def test_a_list_holds_twenty_unless_asked_otherwise(client: httpx.AsyncClient) -> None:
    ana = await make_user()
    for _ in range(21):
        await make_post(ana)

    assert len((await page(client, ana, ana.id))["items"]) == 20
    assert len((await page(client, ana, ana.id, limit=100))["items"]) == 21


async def test_a_listed_post_is_the_post(client: httpx.AsyncClient) -> None:
    ana, ben = await make_user(), await make_user()
    post = await make_post(ana)
    await client.put(f"{POSTS}/{post.id}/like", headers=auth(ben))

    listed = (await page(client, ben, ana.id))["items"]

    assert listed == [(await client.get(f"{POSTS}/{post.id}", headers=auth(ben))).json()]
    assert listed[0]["viewer"]["liked"]


async def test_others_do_not_find_private_posts_on_the_list(client: httpx.AsyncClient) -> None:
    ana, ben = await make_user(), await make_user()
    await make_post(ana, visibility="private")

    assert (await page(client, ben, ana.id))["items"] == []
    assert len((await page(client, ana, ana.id))["items"]) == 1


async def test_nobodys_posts_are_404(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/api/v1/users/{new_id()}/posts", headers=auth(await make_user()))

    assert error(answer) == (404, "user_not_found")
