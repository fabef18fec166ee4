"""Which pages may call us from a browser."""

from typing import Any

import httpx
import pytest

from server import origins
from server.origins import headers_for


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One other page may call."""
    monkeypatch.setattr(origins, "ALLOWED", frozenset({b"https://app.example"}))


def asked(origin: bytes | None, method: str = "GET", **more: bytes) -> Any:
    headers = [(name.replace("_", "-").encode(), value) for name, value in more.items()]
    return {"method": method, "headers": [*headers, (b"origin", origin)] if origin else headers}


def test_a_listed_page_may_read_the_answer_and_its_headers() -> None:
    headers = dict(headers_for(asked(b"https://app.example")))

    assert headers[b"access-control-allow-origin"] == b"https://app.example"
    assert b"Retry-After" in headers[b"access-control-expose-headers"]
    assert b"access-control-allow-credentials" not in headers


@pytest.mark.parametrize("origin", [b"https://app.example.evil", b"http://app.example", b"null", None])
def test_no_other_page_may(origin: bytes | None) -> None:
    assert headers_for(asked(origin)) == [(b"vary", b"Origin")]


def test_without_a_list_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins, "ALLOWED", frozenset[bytes]())

    assert headers_for(asked(b"https://app.example")) == []


def test_a_browser_that_asks_first_is_told_what_it_may_send() -> None:
    scope = asked(b"https://app.example", "OPTIONS", access_control_request_method=b"POST")

    assert b"Idempotency-Key" in dict(headers_for(scope))[b"access-control-allow-headers"]


async def test_errors_too_can_be_read(client: httpx.AsyncClient) -> None:

    answer = await client.get("/api/v1/nothing", headers={"Origin": "https://app.example"})

    assert answer.status_code == 404
    assert answer.headers["access-control-allow-origin"] == "https://app.example"


async def test_asking_first_succeeds(client: httpx.AsyncClient) -> None:

    answer = await client.options(
        "/api/v1/nothing", headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    )

    assert answer.status_code == 204
    assert "POST" in answer.headers["access-control-allow-methods"]
