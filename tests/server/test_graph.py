"""Who is what to whom, over HTTP; and what of somebody the others see."""

from typing import Any

import httpx
import pytest

from domain import db
from domain.accounts.rules import Viewer
from domain.graph import actions
from domain.ids import new_id
from tests.factories import auth, make_post, make_user

API = "/api/v1"


async def ask(client: httpx.AsyncClient, viewer: Viewer, method: str, path: str, body: Any = None) -> httpx.Response:
    given: dict[str, Any] = {} if body is None else {"json": body}
    return await client.request(method, API + path, headers=auth(viewer), **given)


async def do(client: httpx.AsyncClient, viewer: Viewer, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = await ask(client, viewer, method, path, body)
    return answer.status_code, answer.json() if answer.content else None


async def set_privacy(viewer: Viewer, level: str) -> None:
    await db.execute("UPDATE users SET privacy_level = $2 WHERE id = $1", viewer.id, level)


async def make_private() -> Viewer:
    viewer = await make_user()
    await set_privacy(viewer, "private")
    return viewer


def ids(page: Any) -> list[str]:
    return [each["id"] for each in page["items"]]


async def test_following_answers_with_the_status_and_the_profile_shows_it(client: httpx.AsyncClient) -> None:
    ana, ben = await make_user(), await make_user()

    assert await do(client, ana, "PUT", f"/users/{ben.id}/follow") == (200, {"status": "active"})
    assert await do(client, ana, "PUT", f"/users/{ben.id}/follow") == (200, {"status": "active"})

    profile = (await ask(client, ana, "GET", f"/users/{ben.id}")).json()
    assert profile["counters"] == {"followers": 1, "following": 0, "posts": 0}
    assert profile["relation"] == {"following": "active", "followed_by": "none", "blocked": False, "muted": False}

    assert await do(client, ana, "DELETE", f"/users/{ben.id}/follow") == (200, {"status": "none"})
    assert await do(client, ana, "DELETE", f"/users/{ben.id}/follow") == (200, {"status": "none"})
    assert (await ask(client, ana, "GET", f"/users/{ben.id}")).json()["counters"]["followers"] == 0


async def test_requests_are_made_listed_and_answered(client: httpx.AsyncClient) -> None:
    ana, ben, eve, dan = await make_user(), await make_user(), await make_user(), await make_private()
    for each in (ana, ben, eve):
        assert await do(client, each, "PUT", f"/users/{dan.id}/follow") == (200, {"status": "pending"})

    assert ids((await ask(client, dan, "GET", "/follow-requests")).json()) == [str(eve.id), str(ben.id), str(ana.id)]
    assert ids((await ask(client, ana, "GET", "/follow-requests/sent")).json()) == [str(dan.id)]
    assert await do(client, dan, "PUT", f"/follow-requests/{ana.id}") == (200, {"status": "active"})
    assert await do(client, dan, "DELETE", f"/follow-requests/{ben.id}") == (204, None)
    assert await do(client, eve, "DELETE", f"/follow-requests/sent/{dan.id}") == (204, None)

    assert (await ask(client, dan, "GET", "/follow-requests")).json() == {"items": [], "next_cursor": None}
    assert ids((await ask(client, dan, "GET", f"/users/{dan.id}/followers")).json()) == [str(ana.id)]
    assert await do(client, dan, "DELETE", f"/users/{ana.id}/follower") == (204, None)
    assert ids((await ask(client, dan, "GET", f"/users/{dan.id}/followers")).json()) == []


async def test_accepting_what_nobody_asked_for_is_404(client: httpx.AsyncClient) -> None:
    ana, ben = await make_user(), await make_user()

    status, body = await do(client, ana, "PUT", f"/follow-requests/{ben.id}")

    assert (status, body["error"]["code"]) == (404, "follow_request_not_found")


async def test_lists_are_paged_and_every_key_is_there(client: httpx.AsyncClient) -> None:
    ana = await make_user(username="Ana", display_name="Ana María")
    others = [await make_user() for _ in range(3)]
    for each in others:
        await actions.follow_user(ana, each.id)
        await actions.follow_user(each, ana.id)

    first = (await ask(client, others[0], "GET", f"/users/{ana.id}/following?limit=2")).json()
    rest = (
        await ask(client, others[0], "GET", f"/users/{ana.id}/following?limit=2&cursor={first['next_cursor']}")
    ).json()
    (person,) = (await ask(client, others[0], "GET", f"/users/{others[1].id}/followers")).json()["items"]

    assert ids(first) + ids(rest) == [str(each.id) for each in reversed(others)]
    assert rest["next_cursor"] is None
    assert person == {
        "id": str(ana.id),
        "username": "Ana",
        "display_name": "Ana María",
        "avatar_url": None,
        "status": "active",
        "since": person["since"],
    }


@pytest.mark.parametrize("path", ["/follow-requests", "/follow-requests/sent", "/blocks", "/mutes"])
async def test_a_cursor_of_something_else_is_400(client: httpx.AsyncClient, path: str) -> None:
    assert (await ask(client, await make_user(), "GET", f"{path}?cursor=hello")).status_code == 400


async def test_stats_and_statuses(client: httpx.AsyncClient) -> None:
    ana, ben, dan = await make_user(), await make_user(), await make_private()
    await actions.follow_user(ana, ben.id)
    await actions.follow_user(ana, dan.id)
    asked = [str(ben.id), str(dan.id), str(new_id())]

    own = await do(client, ana, "GET", f"/users/{ana.id}/follow-stats")
    of_another = await do(client, ana, "GET", f"/users/{ben.id}/follow-stats")
    statuses = await do(client, ana, "POST", "/follows/status", {"user_ids": asked})

    assert own == (200, {"followers": 0, "following": 1, "pending_requests": 0, "pending_sent": 1})
    assert of_another == (200, {"followers": 1, "following": 0, "pending_requests": None, "pending_sent": None})
    assert statuses == (200, {"statuses": dict(zip(asked, ["active", "pending", "none"], strict=True))})


@pytest.mark.parametrize(
    "body", [{}, {"user_ids": "x"}, {"user_ids": ["x"]}, {"user_ids": [str(new_id())] * 101}, {"user_ids": [], "x": 1}]
)
async def test_statuses_of_more_than_a_hundred_or_of_no_ids_are_400(client: httpx.AsyncClient, body: Any) -> None:
    assert (await ask(client, await make_user(), "POST", "/follows/status", body)).status_code == 400


async def test_blocks_and_mutes_are_made_listed_and_taken_back(client: httpx.AsyncClient) -> None:
    ana, ben = await make_user(), await make_user()

    muted = await do(client, ana, "PUT", f"/users/{ben.id}/mute")
    mutes = (await ask(client, ana, "GET", "/mutes")).json()
    unmuted = await do(client, ana, "DELETE", f"/users/{ben.id}/mute")
    blocked = await do(client, ana, "PUT", f"/users/{ben.id}/block")
    blocks = (await ask(client, ana, "GET", "/blocks")).json()
    unblocked = await do(client, ana, "DELETE", f"/users/{ben.id}/block")

    nothing = {"following": "none", "followed_by": "none", "blocked": False, "muted": False}
    assert (muted, unmuted) == ((200, nothing | {"muted": True}), (204, None))
    assert (blocked, unblocked) == ((200, nothing | {"blocked": True}), (204, None))
    assert (ids(mutes), ids(blocks)) == ([str(ben.id)], [str(ben.id)])


@pytest.mark.parametrize("what", ["follow", "block", "mute"])
async def test_doing_it_to_oneself_is_400(client: httpx.AsyncClient, what: str) -> None:
    ana = await make_user()

    status, body = await do(client, ana, "PUT", f"/users/{ana.id}/{what}")

    assert (status, body["error"]["code"]) == (400, f"cannot_{what}_yourself")


OF_A_USER = [
    ("GET", "/users/{}"),
    ("GET", "/users/{}/posts"),
    ("GET", "/users/{}/followers"),
    ("GET", "/users/{}/following"),
    ("GET", "/users/{}/follow-stats"),
    ("PUT", "/users/{}/follow"),
    ("DELETE", "/users/{}/follow"),
    ("DELETE", "/users/{}/follower"),
    ("PUT", "/follow-requests/{}"),
    ("DELETE", "/follow-requests/{}"),
    ("DELETE", "/follow-requests/sent/{}"),
    ("PUT", "/users/{}/mute"),
    ("DELETE", "/users/{}/mute"),
]
BLOCKING = [("PUT", "/users/{}/block"), ("DELETE", "/users/{}/block")]


@pytest.mark.parametrize(("method", "path"), [*OF_A_USER, *BLOCKING])
async def test_who_has_blocked_the_viewer_is_404_everywhere(client: httpx.AsyncClient, method: str, path: str) -> None:
    ana, ben = await make_user(), await make_user()
    await make_post(ben)
    await actions.follow_user(ben, (await make_user()).id)
    await actions.block_user(ben, ana.id)

    status, body = await do(client, ana, method, path.format(ben.id))

    assert (status, body["error"]["code"]) == (404, "user_not_found")


@pytest.mark.parametrize(("method", "path"), OF_A_USER)
async def test_who_is_blocked_is_404_too(client: httpx.AsyncClient, method: str, path: str) -> None:
    ana, ben = await make_user(), await make_user()
    await make_post(ben)
    await actions.block_user(ana, ben.id)

    status, body = await do(client, ana, method, path.format(ben.id))

    assert (status, body["error"]["code"]) == (404, "user_not_found")


# The matrix: what of a post, under each privacy and visibility, somebody may see.

LEVELS = ["public", "followers", "private"]


async def stranger(viewer: Viewer, author: Viewer) -> None:
    """Nothing is between them."""


async def follower(viewer: Viewer, author: Viewer) -> None:
    await actions.follow_user(viewer, author.id)


async def followed(viewer: Viewer, author: Viewer) -> None:
    await actions.follow_user(author, viewer.id)


async def pending(viewer: Viewer, author: Viewer) -> None:
    await set_privacy(author, "private")
    await actions.follow_user(viewer, author.id)


async def muting(viewer: Viewer, author: Viewer) -> None:
    await actions.mute_user(viewer, author.id)


async def muted(viewer: Viewer, author: Viewer) -> None:
    await actions.mute_user(author, viewer.id)


async def former_follower(viewer: Viewer, author: Viewer) -> None:
    await actions.follow_user(viewer, author.id)
    await actions.remove_follower(author, viewer.id)


async def blocking(viewer: Viewer, author: Viewer) -> None:
    await actions.follow_user(viewer, author.id)
    await actions.block_user(viewer, author.id)


async def blocked(viewer: Viewer, author: Viewer) -> None:
    await actions.follow_user(viewer, author.id)
    await actions.block_user(author, viewer.id)


async def unblocked(viewer: Viewer, author: Viewer) -> None:
    await actions.follow_user(viewer, author.id)
    await actions.block_user(author, viewer.id)
    await actions.unblock_user(author, viewer.id)


async def follower_of_the_suspended(viewer: Viewer, author: Viewer) -> None:
    await actions.follow_user(viewer, author.id)
    await db.execute("UPDATE users SET is_active = false WHERE id = $1", author.id)


# relation: is the profile seen, and which posts (public, followers, private) of a public account and of another
AS_A_STRANGER = (True, (True, False, False), (False, False, False))
AS_A_FOLLOWER = (True, (True, True, False), (True, True, False))
NOT_AT_ALL = (False, (False, False, False), (False, False, False))
SEES: dict[Any, tuple[bool, tuple[bool, ...], tuple[bool, ...]]] = {
    stranger: AS_A_STRANGER,
    followed: AS_A_STRANGER,
    pending: AS_A_STRANGER,
    muting: AS_A_STRANGER,
    muted: AS_A_STRANGER,
    former_follower: AS_A_STRANGER,
    unblocked: AS_A_STRANGER,
    follower: AS_A_FOLLOWER,
    blocking: NOT_AT_ALL,
    blocked: NOT_AT_ALL,
    follower_of_the_suspended: NOT_AT_ALL,
}
CASES = [
    pytest.param(become, privacy, visibility, (profile, posts[i]), id=f"{become.__name__}-{privacy}-{visibility}")
    for become, (profile, of_public, of_other) in SEES.items()
    for privacy in LEVELS
    for posts in [of_public if privacy == "public" else of_other]
    for i, visibility in enumerate(LEVELS)
]


@pytest.mark.parametrize(("become", "privacy", "visibility", "sees"), CASES)
async def test_who_sees_what(
    client: httpx.AsyncClient, become: Any, privacy: str, visibility: str, sees: tuple[bool, bool]
) -> None:
    sees_profile, sees_post = sees
    viewer, author = await make_user(), await make_user()
    await make_user()
    post = await make_post(author, visibility=visibility)
    await become(viewer, author)
    await set_privacy(author, privacy)

    profile, listed, read, like, unlike = [
        await ask(client, viewer, method, path)
        for method, path in [
            ("GET", f"/users/{author.id}"),
            ("GET", f"/users/{author.id}/posts"),
            ("GET", f"/posts/{post.id}"),
            ("PUT", f"/posts/{post.id}/like"),
            ("DELETE", f"/posts/{post.id}/like"),
        ]
    ]

    assert (profile.status_code, listed.status_code) == ((200, 200) if sees_profile else (404, 404))
    assert ids(listed.json() if sees_profile else {"items": []}) == [str(post.id)] * sees_post
    expected = 200 if sees_post else 404
    assert (read.status_code, like.status_code, unlike.status_code) == (expected, expected, expected)


@pytest.mark.parametrize("privacy", LEVELS)
@pytest.mark.parametrize("visibility", LEVELS)
async def test_an_author_sees_all_their_posts(client: httpx.AsyncClient, privacy: str, visibility: str) -> None:
    author = await make_user()
    await set_privacy(author, privacy)
    post = await make_post(author, visibility=visibility)

    listed = (await ask(client, author, "GET", f"/users/{author.id}/posts")).json()
    like = await ask(client, author, "PUT", f"/posts/{post.id}/like")

    assert (ids(listed), like.status_code) == ([str(post.id)], 200)


async def test_showing_a_post_to_others_is_a_change_of_it(client: httpx.AsyncClient) -> None:
    ana, ben = await make_user(), await make_user()
    post = await make_post(ana)

    changed = await ask(client, ana, "PATCH", f"/posts/{post.id}", {"visibility": "private"})
    wrong = await ask(client, ana, "PATCH", f"/posts/{post.id}", {"visibility": "nobody"})

    assert (changed.status_code, changed.json()["visibility"]) == (200, "private")
    assert wrong.status_code == 400
    assert (await ask(client, ben, "GET", f"/posts/{post.id}")).status_code == 404
