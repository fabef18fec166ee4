"""Mentions over HTTP: in posts and comments, and which names there are."""

from typing import Any

import httpx
import pytest
from litestar import Litestar

from domain.accounts.rules import Viewer
from domain.graph.actions import block_user
from domain.ids import UserID
from tests.factories import auth, make_comment, make_post, make_user

NAMES = "/api/v1/users/validate-usernames"


@pytest.fixture
async def me() -> Viewer:
    """Somebody who is signed in."""
    return await make_user(username="Ana", display_name="Ana")


def ref(user_id: UserID, username: str, display_name: str | None = None) -> dict[str, Any]:
    """A person, as lists show them."""
    return {"id": str(user_id), "username": username, "display_name": display_name, "avatar_url": None}


async def test_a_post_answers_whom_it_mentions(client: httpx.AsyncClient, me: Viewer) -> None:
    ben = await make_user(username="Ben", display_name="Benjamín")

    made = await client.post("/api/v1/posts", json={"content": "@ben, @nobody!"}, headers=auth(me))
    path = f"/api/v1/posts/{made.json()['id']}"
    read = await client.get(path, headers=auth(ben))
    listed = await client.get(f"/api/v1/users/{me.id}/posts", headers=auth(ben))
    edited = await client.patch(path, json={"content": "Soup"}, headers=auth(me))

    mentions = [ref(ben.id, "Ben", "Benjamín")]
    assert made.json()["mentions"] == read.json()["mentions"] == listed.json()["items"][0]["mentions"] == mentions
    assert edited.json()["mentions"] == []


async def test_a_comment_answers_whom_it_mentions(client: httpx.AsyncClient, me: Viewer) -> None:
    ben = await make_user(username="ben")
    path = f"/api/v1/posts/{(await make_post()).id}/comments"

    made = await client.post(path, json={"content": "@ben, @nobody!"}, headers=auth(me))
    listed = await client.get(path, headers=auth(ben))
    edited = await client.patch(f"/api/v1/comments/{made.json()['id']}", json={"content": "@ana"}, headers=auth(me))

    assert made.json()["mentions"] == listed.json()["items"][0]["mentions"] == [ref(ben.id, "ben")]
    assert edited.json()["mentions"] == []


async def test_a_comment_that_cannot_be_is_refused_with_mentions_as_without(
    client: httpx.AsyncClient, me: Viewer
) -> None:
    await make_user(username="ben")
    hidden, post = await make_post(visibility="private"), await make_post()
    reply = await make_comment(post, parent=await make_comment(post))

    on_hidden = await client.post(f"/api/v1/posts/{hidden.id}/comments", json={"content": "@ben"}, headers=auth(me))
    new = {"content": "@ben", "parent_id": str(reply.id)}
    below_reply = await client.post(f"/api/v1/posts/{post.id}/comments", json=new, headers=auth(me))

    assert (on_hidden.status_code, on_hidden.json()["error"]["code"]) == (404, "post_not_found")
    assert (below_reply.status_code, below_reply.json()["error"]["code"]) == (400, "reply_to_reply")


async def test_names_are_somebodys_or_nobodys(client: httpx.AsyncClient, me: Viewer) -> None:
    ben, eve = await make_user(username="ben", display_name="Ben"), await make_user(username="eve")
    await block_user(eve, me.id)
    asked = ["zoe", "BEN", "eve", "ana", "not a name", "zoe", ""]

    answer = await client.post(NAMES, json={"usernames": asked}, headers=auth(me))

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "valid": [ref(me.id, "Ana", "Ana"), ref(ben.id, "ben", "Ben")],
            "unknown": ["zoe", "eve", "not a name", ""],
        },
    )


@pytest.mark.parametrize("names", [[], ["x" * 255], [f"name{i}" for i in range(50)]])
async def test_up_to_fifty_names_may_be_asked_about(client: httpx.AsyncClient, me: Viewer, names: list[str]) -> None:
    answer = await client.post(NAMES, json={"usernames": names}, headers=auth(me))

    assert (answer.status_code, answer.json()) == (200, {"valid": [], "unknown": names})


BODIES: list[tuple[Any, str]] = [
    ({}, "usernames"),
    ({"usernames": None}, "usernames"),
    ({"usernames": "ana"}, "usernames"),
    ({"usernames": ["x"] * 51}, "usernames"),
    ({"usernames": [1]}, "usernames[0]"),
    ({"usernames": ["a\0b"]}, "usernames[0]"),
    ({"usernames": ["x" * 256]}, "usernames[0]"),
    ({"usernames": [], "limit": 1}, "limit"),
    (["ana"], "body"),
]


@pytest.mark.parametrize(("body", "field"), BODIES, ids=[str(body)[:40] for body, _ in BODIES])
async def test_what_are_no_names_is_refused_and_named(
    client: httpx.AsyncClient, me: Viewer, body: Any, field: str
) -> None:
    answer = await client.post(NAMES, json=body, headers=auth(me))

    assert answer.status_code == 400
    assert list(answer.json()["error"]["details"]) == [field]


async def test_nobody_asks_for_names_without_a_token(client: httpx.AsyncClient) -> None:
    assert (await client.post(NAMES, json={"usernames": []})).status_code == 401


def test_the_document_describes_names(app: Litestar) -> None:
    document = app.openapi_schema.to_schema()

    assert NAMES in document["paths"]
    assert {"Names", "KnownNames"} <= {name.split("_")[-1] for name in document["components"]["schemas"]}
