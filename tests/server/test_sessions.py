"""Signing up, in and out over HTTP."""

import asyncio
from typing import Any

import httpx
import pytest

from domain.ids import new_id
from domain.settings import settings
from tests.conftest import Clock
from tests.factories import PASSWORD, auth, make_user

AUTH = "/api/v1/auth"
ANA = {"username": "ana", "email": "ana@example.org", "password": PASSWORD}


async def register(client: httpx.AsyncClient, **other: Any) -> dict[str, Any]:
    answer = await client.post(f"{AUTH}/register", json=ANA | other)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post(f"{AUTH}/refresh", json={"refresh_token": token})


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def error(answer: httpx.Response, status: int) -> tuple[str, set[str]]:
    assert answer.status_code == status
    told = answer.json()["error"]
    return told["code"], set(told["details"])


async def test_registering_answers_with_the_user_and_tokens(client: httpx.AsyncClient) -> None:
    signed_in = await register(client, display_name="Ana")

    assert set(signed_in) == {"user", "access_token", "refresh_token", "token_type", "expires_in"}
    assert (signed_in["token_type"], signed_in["expires_in"]) == ("bearer", settings.access_token_s)
    profile = await client.get(f"/api/v1/users/{signed_in['user']['id']}", headers=bearer(signed_in))
    assert profile.json() == signed_in["user"]


async def test_a_name_that_is_taken_is_409_and_named(client: httpx.AsyncClient) -> None:
    await register(client)

    answer = await client.post(f"{AUTH}/register", json=ANA | {"username": "ANA", "email": "other@example.org"})

    assert error(answer, 409) == ("taken", {"username"})


async def test_an_address_that_is_taken_is_409_and_named(client: httpx.AsyncClient) -> None:
    await register(client)

    answer = await client.post(f"{AUTH}/register", json=ANA | {"username": "other", "email": "Ana@example.org"})

    assert error(answer, 409) == ("taken", {"email"})


@pytest.mark.committed
async def test_of_many_registrations_of_one_name_at_once_one_is_201(client: httpx.AsyncClient) -> None:
    posts = [client.post(f"{AUTH}/register", json=ANA | {"email": f"{number}@example.org"}) for number in range(6)]

    statuses = [answer.status_code for answer in await asyncio.gather(*posts)]

    assert sorted(statuses) == [201, 409, 409, 409, 409, 409]


@pytest.mark.parametrize("name", [{"username": "Ana"}, {"email": "ANA@example.org"}])
async def test_signing_in_answers_with_the_user_and_tokens(client: httpx.AsyncClient, name: dict[str, str]) -> None:
    registered = await register(client)

    answer = await client.post(f"{AUTH}/login", json=name | {"password": PASSWORD})

    assert answer.status_code == 200
    assert set(answer.json()) == set(registered)
    assert answer.json()["user"] == registered["user"]


@pytest.mark.parametrize("name", [{"username": "ana"}, {"email": "ana@example.org"}, {"username": "nobody"}])
async def test_wrong_names_and_passwords_get_one_answer(client: httpx.AsyncClient, name: dict[str, str]) -> None:
    await register(client)

    answer = await client.post(f"{AUTH}/login", json=name | {"password": "wrong password"})

    assert error(answer, 401) == ("wrong_credentials", set())


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"password": PASSWORD}, {"email", "username"}),
        ({"username": "ana", "email": "ana@example.org", "password": PASSWORD}, {"email", "username"}),
        ({"username": "ana"}, {"password"}),
        ({"username": "a\0a", "password": PASSWORD}, {"username"}),
        ({"username": "ana", "password": PASSWORD, "remember": True}, {"remember"}),
    ],
)
async def test_a_bad_login_is_400_and_names_the_field(
    client: httpx.AsyncClient, body: dict[str, Any], fields: set[str]
) -> None:
    assert error(await client.post(f"{AUTH}/login", json=body), 400) == (
        "invalid" if len(fields) == 1 else "no_name",
        fields,
    )


async def test_tokens_are_refreshed_and_a_lost_answer_is_repeated(client: httpx.AsyncClient) -> None:
    first = await register(client)

    answer = await refresh(client, first["refresh_token"])
    repeated = await refresh(client, first["refresh_token"])

    assert (answer.status_code, set(answer.json())) == (200, set(first) - {"user"})
    assert repeated.content == answer.content
    assert (await client.get(f"{AUTH}/me", headers=bearer(answer.json()))).status_code == 200


async def test_a_token_that_is_reused_later_ends_the_session(client: httpx.AsyncClient, clock: Clock) -> None:
    first = await register(client)
    second = (await refresh(client, first["refresh_token"])).json()
    clock.forward(seconds=settings.refresh_grace_s + 1)

    reused = await refresh(client, first["refresh_token"])

    assert error(reused, 401) == ("refresh_token_reused", set())
    assert error(await refresh(client, second["refresh_token"]), 401) == ("refresh_token_invalid", set())


async def test_signing_out_needs_only_the_refresh_token_and_twice_is_no_error(client: httpx.AsyncClient) -> None:
    tokens = await register(client)
    body = {"refresh_token": tokens["refresh_token"]}

    answers = [await client.post(f"{AUTH}/logout", json=body) for _ in range(2)]

    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b""), (204, b"")]
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401


async def test_sessions_are_listed_with_the_one_that_asks(client: httpx.AsyncClient) -> None:
    tokens = await register(client)
    login = {"username": "ana", "password": PASSWORD}
    await client.post(f"{AUTH}/login", json=login, headers={"User-Agent": "x" * 500})

    sessions = (await client.get(f"{AUTH}/sessions", headers=bearer(tokens))).json()["items"]

    assert [each["current"] for each in sessions] == [False, True]
    assert [each["user_agent"] for each in sessions] == ["x" * 400, client.headers["user-agent"]]
    assert set(sessions[0]) == {
        *("id", "user_agent", "ip", "created_at", "last_used_at", "expires_at", "current"),
    }


async def test_a_session_can_be_ended_from_another(client: httpx.AsyncClient) -> None:
    tokens = await register(client)
    elsewhere = (await client.post(f"{AUTH}/login", json={"username": "ana", "password": PASSWORD})).json()
    (other,) = [
        each["id"]
        for each in (await client.get(f"{AUTH}/sessions", headers=bearer(tokens))).json()["items"]
        if not each["current"]
    ]

    answers = [await client.delete(f"{AUTH}/sessions/{other}", headers=bearer(tokens)) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert (await refresh(client, elsewhere["refresh_token"])).status_code == 401
    assert (await refresh(client, tokens["refresh_token"])).status_code == 200


async def test_sessions_of_others_are_404(client: httpx.AsyncClient) -> None:
    viewer, other = await make_user(), await make_user()

    theirs = await client.delete(f"{AUTH}/sessions/{other.session_id}", headers=auth(viewer))
    nobodys = await client.delete(f"{AUTH}/sessions/{new_id()}", headers=auth(viewer))

    assert error(theirs, 404) == error(nobodys, 404) == ("session_not_found", set())


async def test_a_password_is_changed(client: httpx.AsyncClient) -> None:
    tokens = await register(client)
    change = {"current_password": PASSWORD, "new_password": "staple battery horse"}

    answer = await client.patch(f"/api/v1/users/{tokens['user']['id']}/password", json=change, headers=bearer(tokens))

    assert (answer.status_code, answer.content) == (204, b"")
    old = await client.post(f"{AUTH}/login", json={"username": "ana", "password": PASSWORD})
    new = await client.post(f"{AUTH}/login", json={"username": "ana", "password": "staple battery horse"})
    assert (old.status_code, new.status_code) == (401, 200)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"current_password": "wrong password", "new_password": "staple battery horse"}, "current_password"),
        ({"current_password": PASSWORD, "new_password": "short"}, "new_password"),
        ({"current_password": PASSWORD, "new_password": "with a \0 in it"}, "new_password"),
        ({"new_password": "staple battery horse"}, "current_password"),
    ],
)
async def test_a_bad_change_of_password_is_400_and_names_the_field(
    client: httpx.AsyncClient, change: dict[str, str], field: str
) -> None:
    viewer = await make_user()

    answer = await client.patch(f"/api/v1/users/{viewer.id}/password", json=change, headers=auth(viewer))

    assert error(answer, 400)[1] == {field}


async def test_the_password_of_others_is_403(client: httpx.AsyncClient) -> None:
    viewer, other = await make_user(), await make_user()
    change = {"current_password": PASSWORD, "new_password": "staple battery horse"}

    answer = await client.patch(f"/api/v1/users/{other.id}/password", json=change, headers=auth(viewer))

    assert error(answer, 403) == ("not_your_account", set())
