"""How people prove who they are: signing up, in and out, staying signed in."""

import asyncio
import contextvars
import time as real_time
from datetime import UTC, datetime, timedelta
from typing import Any

import argon2
import msgspec
import pytest

from domain import db, passwords, topics
from domain.accounts import rules as access
from domain.accounts.rules import Viewer, viewer_of
from domain.ids import SessionID, new_id
from domain.sessions import actions, queries, rules
from domain.sessions.actions import (
    Device,
    Login,
    NoName,
    NotActive,
    NotYourAccount,
    PasswordChange,
    RefreshToken,
    RefreshTokenInvalid,
    RefreshTokenReused,
    Registration,
    SessionNotFound,
    Taken,
    WrongCredentials,
    WrongPassword,
)
from domain.sessions.queries import SignedIn
from domain.sessions.rules import Email, Use
from domain.settings import settings
from tests.conftest import Clock
from tests.factories import PASSWORD, make_user

EVENTS = "SELECT type, topics, data::text AS data, actor FROM events ORDER BY seq"
NEW = "staple battery horse"
PHONE = Device("a phone", "192.0.2.7")
OUTSIDE = contextvars.Context()  # where no transaction is open


def registration(**other: Any) -> Registration:
    return Registration(**{"username": "ana", "email": "ana@example.org", "password": PASSWORD} | other)


async def sign_in(username: str = "ana", password: str = PASSWORD) -> SignedIn:
    return await actions.login(PHONE, Login(username=username, password=password))


async def revocations() -> list[dict[str, Any]]:
    rows = [row for row in await db.fetch(EVENTS) if row["type"] == "session.revoked"]
    return [{"topics": row["topics"], "actor": row["actor"]} | msgspec.json.decode(row["data"]) for row in rows]


# rules


@pytest.mark.parametrize("email", ["a@b.c", "Ana.María+x@post.example.org", "ana@пример.рф", "a" * 64 + "@b.cd"])
def test_an_address_has_an_at_and_a_dot_behind_it(email: str) -> None:
    assert msgspec.convert(email, Email) == email


NO_ADDRESSES = ["", "ana", "ana@", "@b.c", "ana@b", "a@b@c.d", "a na@b.c", "ana@b.c\n", "ana@.c", "ana@b.", "ana@b..c"]
BAD_ADDRESSES = ["a\0@b.c", "a" * 65 + "@b.c", "ana@" + "b" * 250 + ".c"]


@pytest.mark.parametrize("email", [*NO_ADDRESSES, *BAD_ADDRESSES])
def test_anything_else_is_no_address(email: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(email, Email)


NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)
SOON = NOON + timedelta(seconds=settings.refresh_grace_s)
USES: list[tuple[str, datetime | None, datetime, datetime | None, datetime, Use]] = [
    # what, used at, expires at, revoked at, now
    ("fresh", None, LATER, None, NOON, "first"),
    ("expired", None, LATER, None, LATER, "dead"),
    ("session ended", None, LATER, NOON, NOON, "dead"),
    ("used this moment", NOON, LATER, None, NOON, "repeated"),
    ("used by a clock ahead of ours", SOON, LATER, None, NOON, "repeated"),
    ("used within the grace", NOON, LATER, None, SOON, "repeated"),
    ("used before the grace", NOON, LATER, None, SOON + timedelta(microseconds=1), "reused"),
    ("used, and expired since", NOON, LATER, None, LATER, "reused"),
    ("used, session ended", NOON, LATER, NOON, NOON, "dead"),
]


@pytest.mark.parametrize(
    ("used_at", "expires_at", "revoked_at", "time", "use"), [case[1:] for case in USES], ids=[case[0] for case in USES]
)
def test_what_handing_in_a_refresh_token_means(
    used_at: datetime | None, expires_at: datetime, revoked_at: datetime | None, time: datetime, use: Use
) -> None:
    assert rules.judge_use(used_at, expires_at, revoked_at, time) == use


def test_a_successor_is_the_same_each_time_and_tells_its_key() -> None:
    token = rules.new_refresh_token()

    successor = rules.successor(token, access.signing_key())

    assert successor == rules.successor(token, access.signing_key()) != token
    assert len(successor) == len(token) == 43
    assert rules.made_with(token, rules.token_hash(successor)) == access.signing_key()
    assert rules.made_with(token, rules.token_hash(token)) is None


# signing up


async def test_who_registers_is_signed_in() -> None:
    signed_in = await actions.register(PHONE, registration(display_name="Ana"))

    viewer = viewer_of(signed_in.access_token)
    assert (signed_in.user.id, signed_in.user.username, signed_in.user.display_name) == (viewer.id, "ana", "Ana")
    assert (signed_in.token_type, signed_in.expires_in, viewer.role) == ("bearer", settings.access_token_s, "user")
    (session,) = (await queries.read_sessions(viewer, datetime.now(UTC))).items
    assert (session.id, session.user_agent, session.ip, session.current) == (
        viewer.session_id,
        "a phone",
        "192.0.2.7",
        True,
    )


async def test_a_registration_is_told_to_no_topic() -> None:
    signed_in = await actions.register(PHONE, registration())

    (event,) = await db.fetch(EVENTS)
    assert (event["type"], event["topics"], event["actor"]) == ("user.registered", [], signed_in.user.id)
    assert msgspec.json.decode(event["data"]) == {"user_id": str(signed_in.user.id)}


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"email": "other@example.org", "username": "ANA"}, "username"),
        ({"username": "b.n"}, "email"),
        ({"username": "b.n", "email": "ANA@Example.ORG"}, "email"),
    ],
)
async def test_names_and_addresses_are_taken_in_any_case(other: dict[str, str], field: str) -> None:
    await actions.register(PHONE, registration())

    with pytest.raises(Taken) as raised:
        async with db.savepoint():
            await actions.register(PHONE, registration(**other))

    assert set(raised.value.details) == {field}
    assert await db.fetchval("SELECT count(*) FROM users") == 1


@pytest.mark.committed
async def test_of_two_who_want_a_name_at_once_one_gets_it() -> None:
    attempts = [actions.register(PHONE, registration(email=f"{number}@example.org")) for number in range(6)]

    answers = await asyncio.gather(*attempts, return_exceptions=True)

    assert [type(answer) for answer in answers].count(Taken) == 5
    assert await db.fetchval("SELECT count(*) FROM users") == 1
    assert await db.fetchval("SELECT count(*) FROM credentials") == 1


SECRETS = """
SELECT string_agg(v, ' ') FROM (
    SELECT to_jsonb(c)::text FROM credentials c UNION ALL SELECT to_jsonb(s)::text FROM auth_sessions s
    UNION ALL SELECT to_jsonb(t)::text FROM refresh_tokens t UNION ALL SELECT to_jsonb(e)::text FROM events e
    UNION ALL SELECT to_jsonb(u)::text FROM users u
) AS everything (v)
"""


async def test_nothing_secret_is_stored() -> None:
    signed_in = await actions.register(PHONE, registration())
    next_tokens = await actions.refresh(RefreshToken(signed_in.refresh_token))

    stored = await db.fetchval(SECRETS)

    assert "ana@example.org" in stored
    assert PASSWORD not in stored
    assert signed_in.refresh_token not in stored
    assert next_tokens.refresh_token not in stored
    assert next_tokens.access_token not in stored


# signing in


@pytest.mark.parametrize("name", [{"username": "ANA"}, {"email": "Ana@Example.Org"}])
async def test_one_signs_in_by_name_or_address_in_any_case(name: dict[str, str]) -> None:
    registered = await actions.register(PHONE, registration())

    signed_in = await actions.login(PHONE, Login(**name, password=PASSWORD))

    assert signed_in.user == registered.user
    assert viewer_of(signed_in.access_token).session_id != viewer_of(registered.access_token).session_id


@pytest.mark.parametrize(
    "login",
    [
        Login(username="ana", password="wrong password"),
        Login(username="ben", password=PASSWORD),
        Login(email="ana@example.com", password=PASSWORD),
        Login(email="ana", password=PASSWORD),
        Login(username="ana@example.org", password=PASSWORD),
    ],
)
async def test_wrong_names_and_wrong_passwords_are_the_same_error(login: Login) -> None:
    await actions.register(PHONE, registration())

    with pytest.raises(WrongCredentials):
        await actions.login(PHONE, login)


@pytest.mark.parametrize("names", [{}, {"username": "ana", "email": "ana@example.org"}])
async def test_a_login_names_the_account_in_one_way(names: dict[str, str]) -> None:
    with pytest.raises(NoName) as raised:
        await actions.login(PHONE, Login(**names, password=PASSWORD))

    assert set(raised.value.details) == {"email", "username"}


async def seconds_of(login: Login) -> float:
    started = real_time.perf_counter()
    with pytest.raises(WrongCredentials):
        await actions.login(PHONE, login)
    return real_time.perf_counter() - started


async def test_an_unknown_name_takes_as_long_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "HASHER", argon2.PasswordHasher(time_cost=3, memory_cost=16_384, parallelism=1))
    await actions.register(PHONE, registration())

    unknown, wrong = (
        Login(username="nobody", password="wrong password"),
        Login(username="ana", password="wrong password"),
    )
    pairs = [(await seconds_of(unknown), await seconds_of(wrong)) for _ in range(7)]

    fastest_unknown, fastest_wrong = map(min, zip(*pairs, strict=True))
    assert 0.5 < fastest_unknown / fastest_wrong < 2


async def test_who_is_not_active_cannot_sign_in_and_only_who_knows_the_password_learns_why() -> None:
    signed_in = await actions.register(PHONE, registration())
    await db.execute("UPDATE users SET is_active = false WHERE id = $1", signed_in.user.id)

    with pytest.raises(NotActive):
        await sign_in()
    with pytest.raises(WrongCredentials):
        await sign_in(password="wrong password")
    with pytest.raises(NotActive):
        await actions.refresh(RefreshToken(signed_in.refresh_token))


async def test_signing_in_stores_a_better_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    await actions.register(PHONE, registration())
    monkeypatch.setattr(passwords, "HASHER", argon2.PasswordHasher(time_cost=1, memory_cost=128, parallelism=1))

    await sign_in()

    assert "m=128,t=1" in await db.fetchval("SELECT password_hash FROM credentials")
    assert (await sign_in()).user.username == "ana"


@pytest.mark.committed
async def test_many_can_sign_in_at_once_while_their_hash_is_made_better(monkeypatch: pytest.MonkeyPatch) -> None:
    await actions.register(PHONE, registration())
    monkeypatch.setattr(passwords, "HASHER", argon2.PasswordHasher(time_cost=1, memory_cost=128, parallelism=1))

    signed_in = await asyncio.gather(*(sign_in() for _ in range(8)))

    assert len({each.refresh_token for each in signed_in}) == 8


# staying signed in


async def test_a_refresh_token_is_good_for_the_next_pair(clock: Clock) -> None:
    first = await actions.register(PHONE, registration())
    clock.forward(hours=1)

    second = await actions.refresh(RefreshToken(first.refresh_token))
    third = await actions.refresh(RefreshToken(second.refresh_token))

    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    old, new = viewer_of_expired(first.access_token), viewer_of(third.access_token)
    assert (new.id, new.session_id, new.expires_at - old.expires_at) == (old.id, old.session_id, 3600)


def viewer_of_expired(token: str) -> Viewer:
    return access._verified(token)  # pyright: ignore[reportPrivateUsage] - the time has passed


async def test_a_lost_answer_is_given_again(clock: Clock) -> None:
    first = await actions.register(PHONE, registration())
    answer = await actions.refresh(RefreshToken(first.refresh_token))

    clock.forward(seconds=settings.refresh_grace_s)

    assert await actions.refresh(RefreshToken(first.refresh_token)) == answer
    assert await db.fetchval("SELECT count(*) FROM refresh_tokens") == 2
    assert await revocations() == []


async def test_a_lost_answer_is_given_again_after_the_key_was_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    first = await actions.register(PHONE, registration())
    answer = await actions.refresh(RefreshToken(first.refresh_token))

    keys = {"new": b"another key, as long as they must be", **access.KEYS}
    monkeypatch.setattr(access, "KEYS", keys)
    monkeypatch.setattr(rules, "KEYS", keys)

    assert await actions.refresh(RefreshToken(first.refresh_token)) == answer
    assert await actions.refresh(RefreshToken(answer.refresh_token)) != answer


async def test_a_token_that_is_used_again_later_ends_its_session(clock: Clock) -> None:
    first = await actions.register(PHONE, registration())
    second = await actions.refresh(RefreshToken(first.refresh_token))
    clock.forward(seconds=settings.refresh_grace_s + 0.1)

    with pytest.raises(RefreshTokenReused):
        await actions.refresh(RefreshToken(first.refresh_token))

    viewer = viewer_of(first.access_token)
    assert await revocations() == [
        {
            "topics": [topics.session(viewer.session_id)],
            "actor": viewer.id,
            "session_id": str(viewer.session_id),
            "user_id": str(viewer.id),
            "reason": "token_reused",
        }
    ]
    with pytest.raises(RefreshTokenInvalid):
        await actions.refresh(RefreshToken(second.refresh_token))
    with pytest.raises(RefreshTokenInvalid):
        await actions.refresh(RefreshToken(first.refresh_token))
    assert len(await revocations()) == 1


@pytest.mark.committed
async def test_the_end_of_a_session_is_committed_although_the_answer_is_an_error(clock: Clock) -> None:
    first = await actions.register(PHONE, registration())
    await actions.refresh(RefreshToken(first.refresh_token))
    clock.forward(minutes=1)

    with pytest.raises(RefreshTokenReused):
        await actions.refresh(RefreshToken(first.refresh_token))

    assert await db.fetchval("SELECT revoked_at FROM auth_sessions") == clock.time
    assert len(await revocations()) == 1


@pytest.mark.committed
async def test_a_token_that_is_used_many_times_at_once_has_one_successor() -> None:
    first = await actions.register(PHONE, registration())

    answers = await asyncio.gather(*(actions.refresh(RefreshToken(first.refresh_token)) for _ in range(8)))

    assert len({msgspec.json.encode(answer) for answer in answers}) == 1
    assert await db.fetchval("SELECT count(*) FROM refresh_tokens") == 2


@pytest.mark.committed
async def test_no_token_is_made_for_a_session_that_ends_at_the_same_time() -> None:
    first = await actions.register(PHONE, registration())
    viewer, given = viewer_of(first.access_token), RefreshToken(first.refresh_token)

    async with db.transaction():
        await actions.end_session(viewer, viewer.session_id)
        waiting = asyncio.create_task(actions.refresh(given), context=OUTSIDE.copy())
        await asyncio.sleep(0.1)

    with pytest.raises(RefreshTokenInvalid):
        await waiting
    assert await db.fetchval("SELECT count(*) FROM refresh_tokens") == 1


async def test_a_session_that_is_not_used_expires(clock: Clock) -> None:
    first = await actions.register(PHONE, registration())
    clock.forward(seconds=settings.refresh_token_s)

    with pytest.raises(RefreshTokenInvalid):
        await actions.refresh(RefreshToken(first.refresh_token))


@pytest.mark.parametrize("token", ["unknown", "ünknown", "x" * 254])
async def test_a_token_that_we_never_gave_out_is_not_valid(token: str) -> None:
    with pytest.raises(RefreshTokenInvalid):
        await actions.refresh(RefreshToken(token))


# signing out


async def test_who_signs_out_cannot_refresh() -> None:
    signed_in = await actions.register(PHONE, registration())

    await actions.logout(RefreshToken(signed_in.refresh_token))
    await actions.logout(RefreshToken(signed_in.refresh_token))
    await actions.logout(RefreshToken("unknown"))

    assert [each["reason"] for each in await revocations()] == ["signed_out"]
    with pytest.raises(RefreshTokenInvalid):
        await actions.refresh(RefreshToken(signed_in.refresh_token))


async def test_signing_out_ends_one_session_of_many() -> None:
    first = await actions.register(PHONE, registration())
    second = await sign_in()

    await actions.logout(RefreshToken(first.refresh_token))

    assert await actions.refresh(RefreshToken(second.refresh_token))


async def test_sessions_are_listed_the_last_used_first(clock: Clock) -> None:
    registered = await actions.register(PHONE, registration())
    clock.forward(minutes=1)
    here = viewer_of((await sign_in()).access_token)
    clock.forward(minutes=1)
    await actions.refresh(RefreshToken(registered.refresh_token))
    await actions.logout(RefreshToken((await sign_in()).refresh_token))
    await make_user()

    sessions = (await queries.read_sessions(here, clock.time)).items

    there = viewer_of(registered.access_token)
    assert [(each.id, each.current) for each in sessions] == [(there.session_id, False), (here.session_id, True)]
    assert sessions[0].last_used_at > sessions[0].created_at


async def test_one_can_end_ones_sessions_and_twice_is_no_error() -> None:
    viewer = await make_user()

    await actions.end_session(viewer, viewer.session_id)
    await actions.end_session(viewer, viewer.session_id)

    assert [each["reason"] for each in await revocations()] == ["ended"]
    assert (await queries.read_sessions(viewer, datetime.now(UTC))).items == []


async def test_one_cannot_end_sessions_of_others() -> None:
    viewer, other = await make_user(), await make_user()

    with pytest.raises(SessionNotFound):
        await actions.end_session(viewer, other.session_id)
    with pytest.raises(SessionNotFound):
        await actions.end_session(viewer, SessionID(new_id()))

    assert await revocations() == []


# changing the password


async def test_a_new_password_replaces_the_old_and_ends_all_other_sessions() -> None:
    registered = await actions.register(PHONE, registration())
    viewer = viewer_of(registered.access_token)
    elsewhere = [await sign_in(), await sign_in()]

    await actions.change_password(viewer, viewer.id, PasswordChange(PASSWORD, NEW))

    assert (await sign_in(password=NEW)).user.id == viewer.id
    with pytest.raises(WrongCredentials):
        await sign_in()
    ended = {each["session_id"]: each["reason"] for each in await revocations()}
    assert ended == {str(viewer_of(each.access_token).session_id): "password_changed" for each in elsewhere}
    assert await actions.refresh(RefreshToken(registered.refresh_token))


async def test_a_new_password_needs_the_old_one() -> None:
    viewer = await make_user()

    with pytest.raises(WrongPassword) as raised:
        await actions.change_password(viewer, viewer.id, PasswordChange("wrong password", NEW))

    assert set(raised.value.details) == {"current_password"}


async def test_one_cannot_change_the_password_of_others() -> None:
    viewer, other = await make_user(), await make_user()

    with pytest.raises(NotYourAccount):
        await actions.change_password(viewer, other.id, PasswordChange(PASSWORD, NEW))


@pytest.mark.committed
async def test_no_session_opens_with_a_password_that_is_changed_at_the_same_time() -> None:
    registered = await actions.register(PHONE, registration())
    viewer = viewer_of(registered.access_token)

    async with db.transaction():
        await actions.change_password(viewer, viewer.id, PasswordChange(PASSWORD, NEW))
        waiting = asyncio.create_task(sign_in(), context=OUTSIDE.copy())
        await asyncio.sleep(0.1)

    with pytest.raises(WrongCredentials):
        await waiting
    assert await db.fetchval("SELECT count(*) FROM auth_sessions") == 1


@pytest.mark.committed
async def test_of_two_new_passwords_at_once_one_counts() -> None:
    registered = await actions.register(PHONE, registration())
    viewer = viewer_of(registered.access_token)
    changes = [PasswordChange(PASSWORD, NEW), PasswordChange(PASSWORD, NEW + "!")]

    answers = await asyncio.gather(
        *(actions.change_password(viewer, viewer.id, change) for change in changes), return_exceptions=True
    )

    assert sorted(type(answer).__name__ for answer in answers) == ["NoneType", "WrongPassword"]
