"""Comments over HTTP."""

from typing import Any

import httpx
import pytest
from litestar import Litestar

from domain import db
from domain.accounts.rules import Viewer
from domain.comments.actions import delete_comment
from domain.graph.actions import block_user
from domain.ids import new_id
from domain.posts.queries import Post
from tests.factories import auth, make_comment, make_post, make_user


def path(post: Post) -> str:
    return f"/api/v1/posts/{post.id}/comments"


@pytest.fixture
async def me() -> Viewer:
    """Somebody who is signed in."""
    return await make_user(username="ana", display_name="Ana")


async def test_commenting_answers_201_with_every_key(client: httpx.AsyncClient, me: Viewer) -> None:
    post = await make_post()

    answer = await client.post(path(post), json={"content": "Mmh 🍲"}, headers=auth(me))

    said = answer.json()
    assert answer.status_code == 201
    assert said == {
        "id": said["id"],
        "target": {"type": "post", "id": str(post.id)},
        "parent_id": None,
        "author": {"id": str(me.id), "username": "ana", "display_name": "Ana", "avatar_url": None},
        "content": "Mmh 🍲",
        "mentions": [],
        "reply_count": 0,
        "created_at": said["created_at"],
        "edited_at": None,
    }


async def test_the_post_counts_ones_own_comment_at_once(client: httpx.AsyncClient, me: Viewer) -> None:
    post = await make_post()

    said = (await client.post(path(post), json={"content": "Mmh"}, headers=auth(me))).json()
    before = await client.get(f"/api/v1/posts/{post.id}", headers=auth(me))
    await client.delete(f"/api/v1/comments/{said['id']}", headers=auth(me))
    after = await client.get(f"/api/v1/posts/{post.id}", headers=auth(me))

    assert before.json()["counters"]["comments"] == 1
    assert after.json()["counters"]["comments"] == 0


async def test_replies_are_under_their_comment(client: httpx.AsyncClient, me: Viewer) -> None:
    post = await make_post()
    parent = await make_comment(post)

    new = {"content": "Indeed", "parent_id": str(parent.id)}
    reply = (await client.post(path(post), json=new, headers=auth(me))).json()
    top = (await client.get(path(post), headers=auth(me))).json()
    below = (await client.get(f"{path(post)}?parent_id={parent.id}", headers=auth(me))).json()

    assert reply["parent_id"] == str(parent.id)
    assert below == {"items": [reply], "next_cursor": None}
    assert [(each["id"], each["reply_count"]) for each in top["items"]] == [(str(parent.id), 1)]


async def test_pages_are_oldest_first_and_give_each_once_while_others_comment(
    client: httpx.AsyncClient, me: Viewer
) -> None:
    post = await make_post()
    there = [str((await make_comment(post)).id) for _ in range(5)]

    first = (await client.get(f"{path(post)}?limit=2", headers=auth(me))).json()
    there.append(str((await make_comment(post)).id))
    second = (await client.get(f"{path(post)}?limit=2&cursor={first['next_cursor']}", headers=auth(me))).json()
    there.append(str((await make_comment(post)).id))
    third = (await client.get(f"{path(post)}?limit=3&cursor={second['next_cursor']}", headers=auth(me))).json()

    assert [each["id"] for page in (first, second, third) for each in page["items"]] == there
    assert third["next_cursor"] is None


async def test_replies_are_paged_too(client: httpx.AsyncClient, me: Viewer) -> None:
    post = await make_post()
    parent = await make_comment(post)
    there = [str((await make_comment(post, parent=parent)).id) for _ in range(3)]
    replies = f"{path(post)}?parent_id={parent.id}&limit=2"

    first = (await client.get(replies, headers=auth(me))).json()
    second = (await client.get(f"{replies}&cursor={first['next_cursor']}", headers=auth(me))).json()

    assert [each["id"] for page in (first, second) for each in page["items"]] == there


async def test_comments_of_somebody_blocked_are_absent(client: httpx.AsyncClient, me: Viewer) -> None:
    post, ben = await make_post(), await make_user()
    hidden = await make_comment(post, ben)
    await block_user(ben, me.id)

    listed = await client.get(path(post), headers=auth(me))
    below = await client.get(f"{path(post)}?parent_id={hidden.id}", headers=auth(me))
    deleted = await client.delete(f"/api/v1/comments/{hidden.id}", headers=auth(me))
    new = {"content": "Hello?", "parent_id": str(hidden.id)}
    replied = await client.post(path(post), json=new, headers=auth(me))

    assert listed.json() == {"items": [], "next_cursor": None}
    assert (below.status_code, deleted.status_code, replied.status_code) == (404, 404, 400)
    assert below.json()["error"]["code"] == deleted.json()["error"]["code"] == "comment_not_found"


async def test_editing_answers_200_with_the_comment(client: httpx.AsyncClient, me: Viewer) -> None:
    said = await make_comment(await make_post(), me)

    answer = await client.patch(f"/api/v1/comments/{said.id}", json={"content": "Mmmh"}, headers=auth(me))

    assert answer.status_code == 200
    assert answer.json()["content"] == "Mmmh"
    assert answer.json()["edited_at"] is not None


async def test_deleting_answers_204_and_then_404(client: httpx.AsyncClient, me: Viewer) -> None:
    said = await make_comment(await make_post(), me)

    once = await client.delete(f"/api/v1/comments/{said.id}", headers=auth(me))
    twice = await client.delete(f"/api/v1/comments/{said.id}", headers=auth(me))

    assert (once.status_code, once.content) == (204, b"")
    assert (twice.status_code, twice.json()["error"]["code"]) == (404, "comment_not_found")


async def test_what_is_somebody_elses_is_403(client: httpx.AsyncClient, me: Viewer) -> None:
    said = await make_comment(await make_post())

    edited = await client.patch(f"/api/v1/comments/{said.id}", json={"content": "Mine"}, headers=auth(me))
    deleted = await client.delete(f"/api/v1/comments/{said.id}", headers=auth(me))

    assert (edited.status_code, edited.json()["error"]["code"]) == (403, "not_your_comment")
    assert (deleted.status_code, deleted.json()["error"]["code"]) == (403, "not_your_comment")


async def test_the_posts_author_may_delete_but_not_edit(client: httpx.AsyncClient, me: Viewer) -> None:
    said = await make_comment(await make_post(me))

    edited = await client.patch(f"/api/v1/comments/{said.id}", json={"content": "Mine"}, headers=auth(me))
    deleted = await client.delete(f"/api/v1/comments/{said.id}", headers=auth(me))

    assert (edited.status_code, deleted.status_code) == (403, 204)


async def test_a_post_that_cannot_be_seen_is_404(client: httpx.AsyncClient, me: Viewer) -> None:
    hidden = await make_post(visibility="private")

    read = await client.get(path(hidden), headers=auth(me))
    said = await client.post(path(hidden), json={"content": "Mmh"}, headers=auth(me))

    assert (read.status_code, said.status_code) == (404, 404)
    assert read.json()["error"]["code"] == said.json()["error"]["code"] == "post_not_found"


async def test_a_reply_to_a_reply_is_400_and_names_the_parent(client: httpx.AsyncClient, me: Viewer) -> None:
    post = await make_post()
    reply = await make_comment(post, parent=await make_comment(post))

    new = {"content": "And so on", "parent_id": str(reply.id)}
    answer = await client.post(path(post), json=new, headers=auth(me))

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "reply_to_reply")
    assert list(answer.json()["error"]["details"]) == ["parent_id"]


async def test_the_same_comment_sent_again_with_its_key_is_one(client: httpx.AsyncClient, me: Viewer) -> None:
    post = await make_post()
    headers = auth(me) | {"Idempotency-Key": "once"}

    answers = [await client.post(path(post), json={"content": "Mmh"}, headers=headers) for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert await db.fetchval("SELECT count(*) FROM comments") == 1


BODIES: list[tuple[Any, str]] = [
    ({}, "content"),
    ({"content": None}, "content"),
    ({"content": 1}, "content"),
    ({"content": ""}, "content"),
    ({"content": " \n"}, "content"),
    ({"content": "x" * 2001}, "content"),
    ({"content": "a\0b"}, "content"),
    ({"content": ["x"]}, "content"),
    ({"content": "x", "parent_id": "x"}, "parent_id"),
    ({"content": "x", "parent_id": 1}, "parent_id"),
    ({"content": "x", "parent_id": "019b0000-0000-7000-8000-000000000000"}, "parent_id"),
    ({"content": "x", "author_id": "019b0000-0000-7000-8000-000000000000"}, "author_id"),
    ({"content": "x", "created_at": "2026-11-20T12:00:00.000000Z"}, "created_at"),
    (None, "body"),
    ([], "body"),
    ("x", "body"),
]


@pytest.mark.parametrize(("body", "field"), BODIES, ids=[str(body)[:40] for body, _ in BODIES])
async def test_a_bad_comment_is_refused_and_its_field_named(
    client: httpx.AsyncClient, me: Viewer, body: Any, field: str
) -> None:
    answer = await client.post(path(await make_post()), json=body, headers=auth(me))

    assert answer.status_code == 400
    assert list(answer.json()["error"]["details"]) == [field]
    assert await db.fetchval("SELECT count(*) FROM comments") == 0


CHANGES: list[tuple[Any, str]] = [
    ({}, "content"),
    ({"content": ""}, "content"),
    ({"content": None}, "content"),
    ({"content": "x" * 2001}, "content"),
    ({"content": "x", "parent_id": None}, "parent_id"),
    ({"content": "x", "edited_at": None}, "edited_at"),
]


@pytest.mark.parametrize(("body", "field"), CHANGES, ids=[str(body)[:40] for body, _ in CHANGES])
async def test_a_bad_change_is_refused_and_its_field_named(
    client: httpx.AsyncClient, me: Viewer, body: Any, field: str
) -> None:
    said = await make_comment(await make_post(), me)

    answer = await client.patch(f"/api/v1/comments/{said.id}", json=body, headers=auth(me))

    assert answer.status_code == 400
    assert list(answer.json()["error"]["details"]) == [field]


ADDRESSES = [
    ("GET", "/api/v1/posts/12/comments", "post_id"),
    ("GET", "/api/v1/posts/019b0000-0000-7000-8000-000000000000/comments?parent_id=12", "parent_id"),
    ("GET", "/api/v1/posts/019b0000-0000-7000-8000-000000000000/comments?parent_id=", "parent_id"),
    ("GET", "/api/v1/posts/019b0000-0000-7000-8000-000000000000/comments?limit=0", "limit"),
    ("GET", "/api/v1/posts/019b0000-0000-7000-8000-000000000000/comments?cursor=none", "cursor"),
    ("DELETE", "/api/v1/comments/12", "comment_id"),
]


@pytest.mark.parametrize(("method", "address", "field"), ADDRESSES)
async def test_an_address_that_is_none_is_400_and_named(
    client: httpx.AsyncClient, me: Viewer, method: str, address: str, field: str
) -> None:
    answer = await client.request(method, address, headers=auth(me))

    assert answer.status_code == 400
    assert list(answer.json()["error"]["details"]) == [field]


NOTHING = [
    ("GET", f"/api/v1/posts/{new_id()}/comments", None),
    ("POST", f"/api/v1/posts/{new_id()}/comments", {"content": "x"}),
    ("PATCH", f"/api/v1/comments/{new_id()}", {"content": "x"}),
    ("DELETE", f"/api/v1/comments/{new_id()}", None),
]


@pytest.mark.parametrize(("method", "address", "body"), NOTHING, ids=[method for method, _, _ in NOTHING])
async def test_what_there_is_not_is_404(
    client: httpx.AsyncClient, me: Viewer, method: str, address: str, body: Any
) -> None:
    answer = await client.request(method, address, json=body, headers=auth(me))

    assert answer.status_code == 404


@pytest.mark.parametrize(("method", "address", "body"), NOTHING, ids=[method for method, _, _ in NOTHING])
async def test_nobody_may_without_a_token(client: httpx.AsyncClient, method: str, address: str, body: Any) -> None:
    answer = await client.request(method, address, json=body)

    assert answer.status_code == 401


async def test_replies_to_what_was_deleted_are_404(client: httpx.AsyncClient, me: Viewer) -> None:
    post = await make_post()
    said = await make_comment(post, me)
    await delete_comment(me, said.id)

    answer = await client.get(f"{path(post)}?parent_id={said.id}", headers=auth(me))

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "comment_not_found")


def test_the_document_describes_comments(app: Litestar) -> None:
    document = app.openapi_schema.to_schema()

    assert {"/api/v1/posts/{post_id}/comments", "/api/v1/comments/{comment_id}"} <= document["paths"].keys()
    assert {"Comment", "NewComment", "CommentChanges"} <= {
        name.split("_")[-1] for name in document["components"]["schemas"]
    }
