"""People over HTTP."""

import httpx
import pytest
from litestar import Litestar

from domain import db
from domain.ids import new_id
from server.auth import Revocations, revocations
from tests.factories import PASSWORD, auth, make_comment, make_post, make_user

ME = "/api/v1/auth/me"


async def test_a_profile_has_every_key(client: httpx.AsyncClient) -> None:
    ana, ben = await make_user(), await make_user(username="Ben", display_name="Benjamín")

    answer = await client.get(f"/api/v1/users/{ben.id}", headers=auth(ana))

    profile = answer.json()
    assert answer.status_code == 200
    assert profile == {
        "id": str(ben.id),
        "username": "Ben",
        "display_name": "Benjamín",
        "avatar_url": None,
        "bio": None,
        "city": None,
        "location": None,
        "institutions": [],
        "websites": [],
        "privacy_level": "public",
        "counters": {"followers": 0, "following": 0, "posts": 0},
        "career_level": None,
        "featured_badges": [],
        "relation": {"following": "none", "followed_by": "none", "blocked": False, "muted": False},
        "created_at": profile["created_at"],
    }


async def test_me_is_the_profile_and_what_nobody_else_sees(client: httpx.AsyncClient) -> None:
    viewer = await make_user(email="ana@example.org")

    profile = (await client.get(f"/api/v1/users/{viewer.id}", headers=auth(viewer))).json()
    me = (await client.get(ME, headers=auth(viewer))).json()

    assert me == profile | {
        "email": "ana@example.org",
        "email_verified": False,
        "role": "user",
        "preferences": {},
    }
    assert profile["relation"] is None


async def test_a_profile_is_found_by_username(client: httpx.AsyncClient) -> None:
    ben = await make_user(username="b.en")

    answer = await client.get("/api/v1/users/by-username/B.EN", headers=auth(ben))

    assert answer.json()["id"] == str(ben.id)


@pytest.mark.parametrize("name", ["nobody", "%25", "%C3%B1", "%2F", "x" * 2000])
async def test_a_name_that_nobody_has_is_404(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/api/v1/users/by-username/{name}", headers=auth(await make_user()))

    assert answer.status_code == 404


async def test_an_unknown_user_is_404(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/api/v1/users/{new_id()}", headers=auth(await make_user()))

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "user_not_found")


async def test_who_is_not_active_is_404(client: httpx.AsyncClient) -> None:
    viewer, gone = await make_user(), await make_user(username="gone")
    await make_post(gone)
    await db.execute("UPDATE users SET is_active = false WHERE id = $1", gone.id)

    by_id = await client.get(f"/api/v1/users/{gone.id}", headers=auth(viewer))
    by_name = await client.get("/api/v1/users/by-username/gone", headers=auth(viewer))
    posts = await client.get(f"/api/v1/users/{gone.id}/posts", headers=auth(viewer))

    assert (by_id.status_code, by_name.status_code, posts.status_code) == (404, 404, 404)


def test_the_document_describes_people(app: Litestar) -> None:
    schemas = app.openapi_schema.to_schema()["components"]["schemas"]

    assert {"UserRef", "User", "Me", "SignedIn", "Tokens", "Registration"} <= {name.split("_")[-1] for name in schemas}


async def test_one_changes_ones_own_profile(client: httpx.AsyncClient) -> None:
    ana, ben = await make_user(), await make_user()
    changes = {
        "display_name": "Ana",
        "bio": "I cook",
        "city": "Paris",
        "location": {"display_name": "Paris"},
        "institutions": ["A school"],
        "websites": ["https://ana.example.org"],
        "privacy_level": "followers",
    }

    changed = await client.patch(f"/api/v1/users/{ana.id}", headers=auth(ana), json=changes)
    seen = await client.get(f"/api/v1/users/{ana.id}", headers=auth(ben))

    location = {"display_name": "Paris", "lat": None, "lon": None, "place_id": None}
    assert changed.status_code == 200
    assert {name: changed.json()[name] for name in changes} == changes | {"location": location}
    assert changed.json()["relation"] is None
    assert seen.json() == changed.json() | {"relation": seen.json()["relation"]}


async def test_the_profile_of_another_is_403(client: httpx.AsyncClient) -> None:
    ana, ben = await make_user(), await make_user()

    answer = await client.patch(f"/api/v1/users/{ben.id}", headers=auth(ana), json={"bio": "x"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_your_profile")


BAD_CHANGES = {
    "username": "new",
    "display_name": "",
    "bio": "x" * 1001,
    "city": "x" * 101,
    "location": "Paris",
    "location.lat": {"location": {"display_name": "x", "lat": 91}},
    "institutions": ["x"] * 11,
    "websites": ["https://example.org"] * 6,
    "websites[0]": {"websites": ["example.org"]},
    "privacy_level": "secret",
}


@pytest.mark.parametrize("field", BAD_CHANGES)
async def test_a_profile_that_cannot_be_is_400_and_names_the_field(client: httpx.AsyncClient, field: str) -> None:
    ana = await make_user()
    wrong = BAD_CHANGES[field]
    body = wrong if isinstance(wrong, dict) else {field: wrong}

    answer = await client.patch(f"/api/v1/users/{ana.id}", headers=auth(ana), json=body)

    assert (answer.status_code, set(answer.json()["error"]["details"])) == (400, {field})


async def test_deleting_ones_account_deletes_it_and_all_that_it_did(client: httpx.AsyncClient) -> None:
    ana, ben = await make_user(username="ana"), await make_user()
    mine, theirs = await make_post(ana), await make_post(ben)
    said = await make_comment(theirs, ana)

    answer = await client.delete(f"/api/v1/users/{ana.id}", headers=auth(ana))

    gone = [f"/users/{ana.id}", "/users/by-username/ana", f"/users/{ana.id}/posts", f"/posts/{mine.id}"]
    found = [(await client.get(f"/api/v1{path}", headers=auth(ben))).status_code for path in gone]
    comments = (await client.get(f"/api/v1/posts/{theirs.id}/comments", headers=auth(ben))).json()["items"]
    assert (answer.status_code, answer.content) == (204, b"")
    assert found == [404, 404, 404, 404]
    assert str(said.id) not in [each["id"] for each in comments]


async def test_the_account_of_another_is_403(client: httpx.AsyncClient) -> None:
    ana, ben = await make_user(), await make_user()

    answer = await client.delete(f"/api/v1/users/{ben.id}", headers=auth(ana))

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_your_account")
    assert (await client.get(f"/api/v1/users/{ben.id}", headers=auth(ana))).status_code == 200


@pytest.mark.committed
async def test_tokens_of_a_deleted_account_are_refused_by_this_process_and_by_one_that_starts_later(
    client: httpx.AsyncClient,
) -> None:
    ana, later = await make_user(), Revocations()
    unlisten = revocations.listen()
    await client.delete(f"/api/v1/users/{ana.id}", headers=auth(ana))
    unlisten()

    answer = await client.get(ME, headers=auth(ana))
    await later.load()

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "session_ended")
    assert ana.session_id in later


async def test_who_deleted_their_account_cannot_sign_in_and_others_can_take_the_name(client: httpx.AsyncClient) -> None:
    new = {"username": "ana", "email": "ana@example.org", "password": PASSWORD}
    signed_in = (await client.post("/api/v1/auth/register", json=new)).json()
    headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
    await client.delete(f"/api/v1/users/{signed_in['user']['id']}", headers=headers)

    login = await client.post("/api/v1/auth/login", json={"username": "ana", "password": PASSWORD})
    refresh = await client.post("/api/v1/auth/refresh", json={"refresh_token": signed_in["refresh_token"]})
    again = await client.post("/api/v1/auth/register", json=new)

    assert [answer.status_code for answer in (login, refresh, again)] == [401, 401, 201]
    assert again.json()["user"]["id"] != signed_in["user"]["id"]


async def test_a_token_that_outlives_its_account_changes_nothing(client: httpx.AsyncClient) -> None:
    ana, theirs = await make_user(), await make_post()
    await client.delete(f"/api/v1/users/{ana.id}", headers=auth(ana))

    answers = [
        await client.delete(f"/api/v1/users/{ana.id}", headers=auth(ana)),
        await client.get(ME, headers=auth(ana)),
        await client.post("/api/v1/posts", headers=auth(ana), json={"content": "Soup for @everybody"}),
        await client.put(f"/api/v1/posts/{theirs.id}/like", headers=auth(ana)),
        await client.post(f"/api/v1/posts/{theirs.id}/comments", headers=auth(ana), json={"content": "Soup"}),
    ]

    assert [answer.status_code for answer in answers] == [204, 404, 404, 404, 404]
