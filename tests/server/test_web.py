"""What browsers load: how it is served, and how much of it there is."""

import gzip

import httpx
import pytest

from server.routes.web import FILES

TYPES = {
    "potluck.js": "text/javascript; charset=utf-8",
    "potluck.d.ts": "application/typescript; charset=utf-8",
    "board.js": "text/javascript; charset=utf-8",
    "board.d.ts": "application/typescript; charset=utf-8",
    "live.html": "text/html; charset=utf-8",
    "live-board.js": "text/javascript; charset=utf-8",
    "live-draw.js": "text/javascript; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "live.css": "text/css; charset=utf-8",
}


def test_every_file_is_known_here() -> None:
    assert {each.name for each in FILES.iterdir()} == TYPES.keys()


@pytest.mark.parametrize(("name", "kind"), TYPES.items())
async def test_a_file_is_served_as_what_it_is_to_anybody(client: httpx.AsyncClient, name: str, kind: str) -> None:
    answer = await client.get(f"/static/{name}")

    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert answer.content == (FILES / name).read_bytes()
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-encoding"] == "gzip"


async def test_who_takes_no_gzip_gets_the_file_as_it_is(client: httpx.AsyncClient) -> None:
    answer = await client.get("/static/potluck.js", headers={"Accept-Encoding": "identity"})

    assert "content-encoding" not in answer.headers
    assert answer.content == (FILES / "potluck.js").read_bytes()
    assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_who_has_a_file_already_gets_no_second_one(client: httpx.AsyncClient, encoding: str) -> None:
    accept = {"Accept-Encoding": encoding}
    tag = (await client.get("/static/potluck.js", headers=accept)).headers["etag"]

    again = await client.get("/static/potluck.js", headers={**accept, "If-None-Match": tag})
    stale = await client.get("/static/potluck.js", headers={**accept, "If-None-Match": '"older"'})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert stale.status_code == 200


@pytest.mark.parametrize("name", ["potluck", "nothing.js", "..%2Fapp.py", "%2e%2e%2fapp.py"])
async def test_nothing_else_is_served(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/static/{name}")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_the_page_runs_nothing_but_its_own_files(client: httpx.AsyncClient) -> None:
    answer = await client.get("/static/live.html")

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
    assert "unsafe" not in policy
    assert "<script>" not in answer.text
    assert "style=" not in answer.text


def test_the_client_is_under_eight_kilobytes() -> None:
    assert len(gzip.compress((FILES / "potluck.js").read_bytes(), 9)) < 8_192


def test_the_client_depends_on_nothing() -> None:
    assert "import " not in (FILES / "potluck.js").read_text(encoding="utf-8")
