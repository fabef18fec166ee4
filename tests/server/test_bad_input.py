"""Bad input is a 4xx in the one shape that names the field, and changes nothing."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from domain import db
from domain.accounts.rules import Viewer
from tests.factories import auth, make_user

POSTS = "/api/v1/posts"
USER = {"username": "ada", "email": "ada@example.org", "password": "correct horse"}
DEEP = b'{"content": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.fixture
async def me() -> Viewer:
    """Somebody who is signed in."""
    return await make_user()


@pytest.fixture
def headers(me: Viewer) -> dict[str, str]:
    """Of their requests."""
    return auth(me)


ROWS = "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM posts) + (SELECT count(*) FROM events)"


@pytest.fixture(autouse=True)
async def unchanged(headers: dict[str, str]) -> AsyncIterator[None]:
    """None of these tests may leave a row more or less."""
    before = await db.fetchval(ROWS)
    yield
    assert await db.fetchval(ROWS) == before


def told(answer: httpx.Response, status: int = 400) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "details"}
    return error["details"]


BODIES = [
    (b'{"content": "x", "role": "admin"}', "role"),
    (b"{}", "content"),
    (b'{"content": 1}', "content"),
    (b'{"content": null}', "content"),
    (b'{"content": ["x"]}', "content"),
    (b'{"content": ""}', "content"),
    (b'{"content": "a\\u0000b"}', "content"),
    (b'{"content": "a\x00b"}', "content"),
    (b'{"content": "\\ud800"}', "content"),
    (b'{"content": "\xff"}', "content"),
    (b'{"content": "x", "title": "\\u0000"}', "title"),
    (b'{"content": "x", "post_type": "weekly"}', "post_type"),
    (b'{"content": "x", "visibility": 1}', "visibility"),
    (b'{"content": "x", "image_url": "javascript:alert(1)"}', "image_url"),
    (b"", "body"),
    (b"null", "body"),
    (b"[]", "body"),
    (b'"x"', "body"),
    (b'{"content": "x"', "body"),
    (b'{"content": "x"} {}', "body"),
    (b"\xff\xfe", "body"),
    (DEEP, "body"),
]


@pytest.mark.parametrize(("body", "field"), BODIES, ids=[str(body[:40]) for body, _ in BODIES])
async def test_a_bad_body_is_refused_and_its_field_named(
    client: httpx.AsyncClient, headers: dict[str, str], body: bytes, field: str
) -> None:
    answer = await client.post(POSTS, content=body, headers=headers | {"Content-Type": "application/json"})

    assert list(told(answer)) == [field]


SIGN_UPS = [
    (USER | {"role": "admin"}, "role"),
    (USER | {"id": "019b0000-0000-7000-8000-000000000000"}, "id"),
    (USER | {"username": "a\0b"}, "username"),
    (USER | {"username": ""}, "username"),
    (USER | {"username": "x" * 51}, "username"),
    (USER | {"email": "nobody"}, "email"),
    (USER | {"email": "a\0@example.org"}, "email"),
    (USER | {"password": "short"}, "password"),
    (USER | {"password": 12345678}, "password"),
    (USER | {"display_name": "x" * 101}, "display_name"),
]


@pytest.mark.parametrize(("body", "field"), SIGN_UPS, ids=[f"{field}" for _, field in SIGN_UPS])
async def test_a_bad_registration_is_refused_and_its_field_named(
    client: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    answer = await client.post("/api/v1/auth/register", json=body)

    assert list(told(answer)) == [field]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "json"]
)
async def test_another_content_type_is_415(
    client: httpx.AsyncClient, headers: dict[str, str], content_type: str
) -> None:
    answer = await client.post(POSTS, content=b'{"content": "x"}', headers=headers | {"Content-Type": content_type})

    assert list(told(answer, 415)) == ["content-type"]


async def test_an_encoded_body_is_415(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.post(POSTS, content=b"\x1f\x8b", headers=headers | {"Content-Encoding": "gzip"})

    assert list(told(answer, 415)) == ["content-encoding"]


async def test_a_body_that_says_it_is_too_large_is_413(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.post(POSTS, json={"content": "x" * 300_000}, headers=headers)

    told(answer, 413)


async def test_a_body_without_end_is_413_as_soon_as_it_is_too_large(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100_000):
            sent += 4096
            yield b"x" * 4096

    answer = await client.post(POSTS, content=endless(), headers=headers)

    told(answer, 413)
    assert sent < 300_000


PATHS = [
    ("GET", "/api/v1/posts/12", "post_id"),
    ("PATCH", "/api/v1/posts/12", "post_id"),
    ("DELETE", "/api/v1/posts/%F0%9F%8D%B2", "post_id"),
    ("PUT", "/api/v1/posts/019b0000-0000-7000-8000-00000000000/like", "post_id"),
    ("DELETE", "/api/v1/posts/null/like", "post_id"),
    ("GET", "/api/v1/users/12", "user_id"),
    ("GET", "/api/v1/users/12/posts", "user_id"),
    ("DELETE", "/api/v1/auth/sessions/12", "session_id"),
    ("GET", "/api/v1/posts/%00", "path"),
    ("GET", "/api/v1/users/by-username/%00", "path"),
    ("GET", "/api/v1/users/by-username/%ff", "path"),
]


@pytest.mark.parametrize(("method", "path", "field"), PATHS)
async def test_an_id_that_is_none_is_refused_and_named(
    client: httpx.AsyncClient, headers: dict[str, str], method: str, path: str, field: str
) -> None:
    answer = await client.request(method, path, headers=headers)

    assert list(told(answer)) == [field]


UNKNOWN = [
    ("GET", "/api/v1/posts/019b0000-0000-7000-8000-000000000000"),
    ("DELETE", "/api/v1/posts/019b0000-0000-7000-8000-000000000000"),
    ("PUT", "/api/v1/posts/019b0000-0000-7000-8000-000000000000/like"),
    ("GET", "/api/v1/users/019b0000-0000-7000-8000-000000000000"),
    ("GET", "/api/v1/users/019b0000-0000-7000-8000-000000000000/posts"),
    ("GET", "/api/v1/users/by-username/nobody-of-this-name"),
    ("GET", "/api/v1/nothing"),
]


@pytest.mark.parametrize(("method", "path"), UNKNOWN)
async def test_an_id_of_nothing_is_404(
    client: httpx.AsyncClient, headers: dict[str, str], method: str, path: str
) -> None:
    answer = await client.request(method, path, headers=headers)

    told(answer, 404)


QUERIES = [
    ("limit=0", "limit"),
    ("limit=-1", "limit"),
    ("limit=101", "limit"),
    ("limit=ten", "limit"),
    ("limit=1.5", "limit"),
    ("limit=99999999999999999999999999", "limit"),
    ("limit=", "limit"),
    ("%00=1", "query"),
]


@pytest.mark.parametrize(("query", "field"), QUERIES, ids=[query[:20] for query, _ in QUERIES])
async def test_a_bad_parameter_is_refused_and_named(
    client: httpx.AsyncClient, me: Viewer, headers: dict[str, str], query: str, field: str
) -> None:
    answer = await client.get(f"/api/v1/users/{me.id}/posts?{query}", headers=headers)

    assert list(told(answer)) == [field]
