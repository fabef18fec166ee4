"""Who people are: names, access tokens, and what others see of them."""

import base64
import json
from typing import Any

import jwt
import msgspec
import pytest

from domain import db, topics
from domain.accounts import queries, rules
from domain.accounts.actions import NotYourProfile, ProfileChanges, change_profile
from domain.accounts.queries import Relation, UserCounters, UserNotFound
from domain.accounts.rules import DisplayName, TokenExpired, TokenInvalid, Username, Viewer, Website
from domain.clock import now, stamp
from domain.ids import SessionID, UserID, new_id
from domain.location import Location
from domain.settings import settings
from tests.conftest import Clock
from tests.factories import make_user

# names


@pytest.mark.parametrize("name", ["ana", "A.n-a_9", "x" * 50, "..."])
def test_a_username_is_letters_digits_dots_dashes_and_underscores(name: str) -> None:
    assert msgspec.convert(name, Username) == name


@pytest.mark.parametrize("name", ["", "an", "x" * 51, "a na", "añna", "ana\n", "a@na", "ana\0", "an/a"])
def test_anything_else_is_no_username(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(name, Username)


@pytest.mark.parametrize("name", ["Ana María", "安娜", "A", "n" * 100])
def test_a_display_name_is_any_text(name: str) -> None:
    assert msgspec.convert(name, DisplayName) == name


@pytest.mark.parametrize("name", ["", "n" * 101, "an\0a", "\0", "ana\0\n"])
def test_a_display_name_is_neither_empty_nor_long_nor_holds_nul(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(name, DisplayName)


# access tokens

JWT: Any = jwt  # its types need a package that HS256 does not
OTHER_KEY = b"another key, as long as they must be"


def someone(expires_in: int = 60) -> Viewer:
    return Viewer(UserID(new_id()), SessionID(new_id()), "user", int(now().timestamp()) + expires_in)


def signed(claims: dict[str, Any], key: bytes, **headers: Any) -> str:
    return JWT.PyJWS().encode(json.dumps(claims).encode(), key, "HS256", headers=headers)


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = (json.dumps(each).encode() for each in (header, claims))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


def claims_of(viewer: Viewer) -> dict[str, Any]:
    return {
        "sub": str(viewer.id),
        "sid": str(viewer.session_id),
        "role": viewer.role,
        "iat": 0,
        "exp": viewer.expires_at,
    }


def test_a_token_says_who_the_viewer_is() -> None:
    viewer = someone()

    assert rules.viewer_of(rules.access_token(viewer, rules.signing_key())) == viewer


def test_a_token_is_an_ordinary_jwt() -> None:
    viewer = someone()

    token = rules.access_token(viewer, rules.signing_key())
    claims = JWT.decode(token, rules.KEYS[rules.signing_key()], algorithms=["HS256"])

    assert claims == claims_of(viewer) | {"iat": viewer.expires_at - settings.access_token_s}
    assert jwt.get_unverified_header(token)["kid"] == rules.signing_key()


def test_a_token_expires_although_it_was_seen_before(clock: Clock) -> None:
    token = rules.access_token(someone(expires_in=60), rules.signing_key())
    clock.forward(seconds=59)
    rules.viewer_of(token)

    clock.forward(seconds=1)

    with pytest.raises(TokenExpired):
        rules.viewer_of(token)


def test_every_key_verifies_and_the_first_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    old = rules.access_token(someone(), rules.signing_key())
    monkeypatch.setattr(rules, "KEYS", {"new": OTHER_KEY, **rules.KEYS})

    new = rules.access_token(someone(), rules.signing_key())

    assert rules.signing_key() == "new"
    assert rules.viewer_of(new) != rules.viewer_of(old)


def test_a_token_of_a_key_that_was_taken_away_is_not_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    old = rules.access_token(someone(), rules.signing_key())
    monkeypatch.setattr(rules, "KEYS", {"new": OTHER_KEY})

    with pytest.raises(TokenInvalid):
        rules.viewer_of(old)


KEY = rules.KEYS[rules.signing_key()]
KID = rules.signing_key()
GOOD = claims_of(someone(expires_in=100_000))
FORGED = {
    "nothing": "",
    "no token": "hello",
    "not ASCII": "é.é.é",
    "another key": signed(GOOD, OTHER_KEY, kid=KID),
    "no kid": signed(GOOD, KEY),
    "unknown kid": signed(GOOD, KEY, kid="other"),
    "a kid that is no text": unsigned({"alg": "HS256", "kid": [1]}, GOOD) + "sig",
    "no signature": unsigned({"alg": "none", "kid": KID}, GOOD),
    "another algorithm": JWT.PyJWS().encode(json.dumps(GOOD).encode(), KEY * 2, "HS512", headers={"kid": KID}),
    "no expiry": signed({name: value for name, value in GOOD.items() if name != "exp"}, KEY, kid=KID),
    "a subject that is no id": signed(GOOD | {"sub": "1"}, KEY, kid=KID),
    "an expiry that is no number": signed(GOOD | {"exp": "never"}, KEY, kid=KID),
    "cut off": signed(GOOD, KEY, kid=KID)[:-2],
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED)
def test_whatever_we_did_not_sign_is_not_valid(token: str) -> None:
    with pytest.raises(TokenInvalid):
        rules.viewer_of(token)


ENCODED = base64.b64encode(OTHER_KEY).decode()


def test_keys_are_read_in_their_order() -> None:
    assert list(rules.parse_keys(f"b:{ENCODED}, a:{ENCODED}")) == ["b", "a"]
    assert rules.parse_keys("") == {}


@pytest.mark.parametrize("text", [ENCODED, f":{ENCODED}", "a:", "a:c2hvcnQ=", f"a:{ENCODED},b", "a:*" + ENCODED])
def test_keys_that_cannot_be_read_are_named_but_not_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"POTLUCK_JWT_KEYS: key \d") as raised:
        rules.parse_keys(text)

    assert ENCODED not in str(raised.value)


# profiles


async def test_a_new_user_has_an_empty_profile() -> None:
    viewer = await make_user(username="Ana", display_name="Ana María")

    user = await queries.read_user(viewer, viewer.id)

    assert (user.username, user.display_name, user.avatar_url) == ("Ana", "Ana María", None)
    assert (user.bio, user.city, user.location, user.institutions, user.websites) == (None, None, None, [], [])
    assert (user.privacy_level, user.career_level, user.featured_badges) == ("public", None, [])
    assert user.counters == UserCounters(followers=0, following=0, posts=0)


async def test_one_has_no_relation_to_oneself_but_to_others() -> None:
    ana, ben = await make_user(), await make_user()

    assert (await queries.read_user(ana, ana.id)).relation is None
    assert (await queries.read_user(ana, ben.id)).relation == Relation("none", "none", blocked=False, muted=False)


async def test_times_always_have_six_digits(clock: Clock) -> None:
    clock.time = clock.time.replace(year=2026, month=11, day=20, hour=12, minute=0, second=0, microsecond=0)
    viewer = await make_user()

    assert (await queries.read_user(viewer, viewer.id)).created_at == "2026-11-20T12:00:00.000000Z"
    assert stamp(clock.time.replace(microsecond=120)) == "2026-11-20T12:00:00.000120Z"


async def test_counters_are_what_was_folded() -> None:
    viewer = await make_user()
    await db.execute("INSERT INTO user_counts (user_id, followers, following, posts) VALUES ($1, 3, 2, 1)", viewer.id)

    assert (await queries.read_user(viewer, viewer.id)).counters == UserCounters(followers=3, following=2, posts=1)


async def test_a_name_is_found_in_whatever_case() -> None:
    viewer = await make_user(username="Ana")

    assert (await queries.read_user_named(viewer, "aNA")).id == viewer.id


@pytest.mark.parametrize("name", ["nobody", "", "\0", "a\0b", "%", "ñ"])
async def test_a_name_that_nobody_has_is_not_found(name: str) -> None:
    viewer = await make_user(username="ana")

    with pytest.raises(UserNotFound):
        await queries.read_user_named(viewer, name)


async def test_who_is_not_active_cannot_be_seen() -> None:
    viewer, gone = await make_user(), await make_user(username="gone")
    await db.execute("UPDATE users SET is_active = false WHERE id = $1", gone.id)

    assert await queries.visible_users(viewer, [viewer.id, gone.id]) == {viewer.id}
    with pytest.raises(UserNotFound):
        await queries.read_user(viewer, gone.id)
    with pytest.raises(UserNotFound):
        await queries.read_user_named(viewer, "gone")


async def test_only_oneself_sees_the_address() -> None:
    viewer = await make_user(email="ana@example.org")

    me = await queries.read_me(viewer)

    assert (me.email, me.email_verified, me.role, me.preferences) == ("ana@example.org", False, "user", {})
    assert "example.org" not in msgspec.json.encode(await queries.read_user(viewer, viewer.id)).decode()


# changing one's profile

PLACE = Location(display_name="Paris", lat=48.85, lon=2.35)
EVENTS = """
SELECT type, topics, data::text AS data FROM events WHERE type IN ('profile.changed', 'privacy.changed') ORDER BY seq
"""


async def told() -> list[tuple[str, list[str], dict[str, Any]]]:
    return [(row["type"], row["topics"], json.loads(row["data"])) for row in await db.fetch(EVENTS)]


async def test_what_is_changed_is_changed_and_told_and_the_rest_stays() -> None:
    viewer = await make_user(username="ana", display_name="Ana")
    await change_profile(viewer, viewer.id, ProfileChanges(bio="I cook", websites=["https://ana.example.org"]))

    changed = await change_profile(
        viewer, viewer.id, ProfileChanges(display_name=None, city="Paris", location=PLACE, institutions=["A school"])
    )

    assert changed == await queries.read_user(viewer, viewer.id)
    assert (changed.display_name, changed.bio, changed.city, changed.location) == (None, "I cook", "Paris", PLACE)
    assert (changed.institutions, changed.websites) == (["A school"], ["https://ana.example.org"])
    _, (kind, heard_by, data) = await told()
    assert (kind, heard_by) == ("profile.changed", [topics.user(viewer.id)])
    assert data == {
        "id": str(viewer.id),
        "username": "ana",
        "display_name": None,
        "avatar_url": None,
        "bio": "I cook",
        "city": "Paris",
        "location": {"display_name": "Paris", "lat": 48.85, "lon": 2.35, "place_id": None},
        "institutions": ["A school"],
        "websites": ["https://ana.example.org"],
        "privacy_level": "public",
        "career_level": None,
        "featured_badges": [],
    }


async def test_a_change_of_nothing_is_told_to_nobody() -> None:
    viewer = await make_user(display_name="Ana")
    same = ProfileChanges(display_name="Ana", bio=None, institutions=[], privacy_level="public")

    await change_profile(viewer, viewer.id, ProfileChanges())
    await change_profile(viewer, viewer.id, same)

    assert await told() == []


async def test_another_privacy_makes_servers_ask_again() -> None:
    viewer = await make_user()

    await change_profile(viewer, viewer.id, ProfileChanges(privacy_level="followers"))
    await change_profile(viewer, viewer.id, ProfileChanges(privacy_level="followers"))

    privacy, profile = await told()
    assert privacy == (
        "privacy.changed",
        [topics.access(viewer.id)],
        {"user_id": str(viewer.id), "privacy_level": "followers"},
    )
    assert (profile[0], profile[2]["privacy_level"]) == ("profile.changed", "followers")


async def test_one_cannot_change_the_profile_of_others() -> None:
    viewer, other = await make_user(), await make_user()

    with pytest.raises(NotYourProfile):
        await change_profile(viewer, other.id, ProfileChanges(bio="x"))


async def test_a_profile_that_is_gone_is_not_found() -> None:
    viewer = await make_user()
    await db.execute("DELETE FROM users WHERE id = $1", viewer.id)

    with pytest.raises(UserNotFound):
        await change_profile(viewer, viewer.id, ProfileChanges(bio="x"))


GOOD_SITES = [
    "https://example.org",
    "http://a.b-c.example.org:8080/x?y#z",
    "https://кухня.рф/путь",
    "https://192.0.2.1/",
    "https://example.org?q=a@b",
]


@pytest.mark.parametrize("site", GOOD_SITES)
def test_a_website_is_an_address_of_the_web(site: str) -> None:
    assert msgspec.convert(site, Website) == site


BAD_SITES = [
    "",
    "example.org",
    "ftp://example.org",
    "javascript:alert(1)",
    "https://",
    "https://localhost",
    "https://-a.example.org",
    "https://a..b",
    "https://good.example.org@evil.example.org",
    "https://example.org\\@evil.example.org",
    "https://example.org/a b",
    "https://example.org/\n",
    "https://example.org/\0",
    "https://example.org:port",
    "https://example.org/" + "x" * 500,
]


@pytest.mark.parametrize("site", BAD_SITES)
def test_anything_else_is_no_website(site: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(site, Website)
