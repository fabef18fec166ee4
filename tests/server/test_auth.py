"""Who asks: a route without a viewer is the exception, and a session that ended is refused at once."""

import re
from datetime import timedelta

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from domain import db
from domain.accounts.rules import Viewer, access_token, signing_key, viewer_of
from domain.clock import now
from domain.ids import SessionID, new_id
from domain.sessions import actions
from domain.settings import settings
from server import call
from server.app import ROUTES
from server.auth import KEPT, Revocations, revocations
from tests.conftest import Clock
from tests.factories import auth, make_user

ME = "/api/v1/auth/me"
PUBLIC = {f"/api/v1/auth/{name}" for name in ("register", "login", "refresh", "logout")}
HANDLERS = [each for each in ROUTES if isinstance(each, HTTPRouteHandler)]
PRIVATE = [
    (method, path)
    for each in HANDLERS
    for path in each.paths
    for method in sorted(each.http_methods)
    if "viewer" in (asked := each.parsed_fn_signature.parameters)
]


def refusal(answer: httpx.Response) -> str:
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert set(answer.json()["error"]) == {"code", "message", "details"}
    return answer.json()["error"]["code"]


@pytest.mark.parametrize(("method", "path"), PRIVATE, ids=[" ".join(each) for each in PRIVATE])
async def test_without_a_token_nothing_is_told(client: httpx.AsyncClient, method: str, path: str) -> None:
    with_ids = re.sub(r"\{\w+:uuid\}", "019b0000-0000-7000-8000-000000000000", path)

    answer = await client.request(method, re.sub(r"\{\w+:str\}", "ana", with_ids), json={})

    assert refusal(answer) == "unauthorized"


def test_the_routes_without_a_token_are_those_we_know() -> None:
    open_to_all = {
        path for each in HANDLERS if "viewer" not in each.parsed_fn_signature.parameters for path in each.paths
    }

    assert {path for path in open_to_all if path.startswith("/api/")} == PUBLIC


async def test_a_token_is_looked_at_once_a_request(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = await make_user()
    seen: list[str] = []

    def looked_at(token: str) -> Viewer:
        seen.append(token)
        return viewer_of(token)

    monkeypatch.setattr(call, "viewer_of", looked_at)
    answer = await client.get(ME, headers=auth(ana))

    assert (answer.status_code, seen) == (200, [access_token(ana, signing_key())])


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer hello", "Bearer a.b.c", "Bearer é", "hello"]
)
async def test_what_is_no_token_is_refused(client: httpx.AsyncClient, header: str) -> None:
    answer = await client.get(ME, headers={b"Authorization": header.encode()})

    assert refusal(answer) in {"unauthorized", "token_invalid"}


async def test_a_token_that_has_expired_is_refused_and_named(client: httpx.AsyncClient, clock: Clock) -> None:
    headers = auth(await make_user())
    clock.forward(seconds=settings.access_token_s)

    assert refusal(await client.get(ME, headers=headers)) == "token_expired"


async def test_the_scheme_is_written_in_any_case(client: httpx.AsyncClient) -> None:
    token = access_token(await make_user(), signing_key())

    assert (await client.get(ME, headers={"Authorization": f"bearer {token}"})).status_code == 200


@pytest.mark.committed
async def test_a_session_that_ends_here_is_refused_at_once(client: httpx.AsyncClient) -> None:
    viewer = await make_user()
    unlisten = revocations.listen()

    answer = await client.delete(f"/api/v1/auth/sessions/{viewer.session_id}", headers=auth(viewer))
    unlisten()

    assert answer.status_code == 204
    assert refusal(await client.get(ME, headers=auth(viewer))) == "session_ended"


async def test_a_session_that_ended_elsewhere_is_refused_at_once(client: httpx.AsyncClient) -> None:
    viewer = await make_user()

    revocations.add(viewer.session_id)

    assert refusal(await client.get(ME, headers=auth(viewer))) == "session_ended"


async def test_other_sessions_of_the_user_go_on(client: httpx.AsyncClient) -> None:
    viewer = await make_user()
    other = Viewer(viewer.id, SessionID(new_id()), viewer.role, viewer.expires_at)

    revocations.add(other.session_id)

    assert (await client.get(ME, headers=auth(viewer))).status_code == 200


@pytest.mark.committed
async def test_an_end_that_is_rolled_back_is_none() -> None:
    viewer, heard = await make_user(), Revocations()
    unlisten = heard.listen()

    async def end_and_fail() -> None:
        async with db.transaction():
            await actions.end_session(viewer, viewer.session_id)
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        await end_and_fail()
    unlisten()

    assert viewer.session_id not in heard


async def test_at_the_start_the_sessions_that_ended_lately_are_known() -> None:
    lately, long_ago, alive = await make_user(), await make_user(), await make_user()
    await ended(lately, KEPT - timedelta(seconds=1))
    await ended(long_ago, KEPT + timedelta(seconds=1))
    known = Revocations()

    await known.load()

    assert [each.session_id in known for each in (lately, long_ago, alive)] == [True, False, False]


async def ended(viewer: Viewer, ago: timedelta) -> None:
    await actions.end_session(viewer, viewer.session_id)
    told = "UPDATE events SET at = $2 WHERE type = 'session.revoked' AND data->>'session_id' = $1::uuid::text"
    await db.execute(told, viewer.session_id, now() - ago)


def test_a_session_is_forgotten_when_its_last_token_has_expired(clock: Clock) -> None:
    known, first, second = Revocations(), SessionID(new_id()), SessionID(new_id())
    known.add(first)
    clock.forward(seconds=settings.access_token_s)
    known.add(second)
    assert first in known

    clock.forward(seconds=60)
    known.add(second)

    assert first not in known
    assert second in known
    assert len(known) == 1


def test_news_of_the_same_end_may_come_twice(clock: Clock) -> None:
    known, session = Revocations(), SessionID(new_id())

    known.add(session)
    known.add(session)

    assert len(known) == 1
