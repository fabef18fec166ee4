"""What can be seen of people, and by whom."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from domain import db
from domain.accounts.rules import PrivacyLevel, Viewer
from domain.clock import stamp
from domain.errors import NotFound
from domain.ids import UserID
from domain.location import Location

Following = Literal["none", "pending", "active"]
Verdict = Literal["ok", "deleted", "suspended", "blocked", "private"]
"""Whether the viewer may see a thing; if not, why."""


class UserRef(msgspec.Struct, frozen=True):
    """A person, as far as a list shows them."""

    id: UserID
    username: str
    display_name: str | None
    avatar_url: str | None


class UserCounters(msgspec.Struct, frozen=True):
    """How many follow them, how many they follow, how much they posted."""

    followers: int = 0
    following: int = 0
    posts: int = 0


class Relation(msgspec.Struct, frozen=True):
    """What the viewer and somebody else are to each other."""

    following: Following = "none"
    followed_by: Following = "none"
    blocked: bool = False
    muted: bool = False


class CareerLevelRef(msgspec.Struct, frozen=True):
    """A career level, as far as a profile shows it; domain/progression has the rest."""

    level: int
    code: str
    name: str
    icon_url: str | None


class BadgeRef(msgspec.Struct, frozen=True):
    """A badge, as far as a profile shows it."""

    code: str
    name: str
    icon_url: str | None


class User(UserRef, frozen=True, kw_only=True):
    """A profile as a viewer sees it; `relation` is null for oneself."""

    bio: str | None
    city: str | None
    location: Location | None
    institutions: list[str]
    websites: list[str]
    privacy_level: PrivacyLevel
    counters: UserCounters
    career_level: CareerLevelRef | None = None
    featured_badges: list[BadgeRef] = []
    relation: Relation | None
    created_at: str


class Me(User, frozen=True, kw_only=True):
    """One's own profile, with what nobody else sees."""

    email: str
    email_verified: bool
    role: str
    preferences: dict[str, Any]


class UserNotFound(NotFound):
    """There is no such user, or you may not see them."""


# What somebody has earned, as far as their profile shows it, of the users u.
EARNED = """
    (SELECT json_build_object('level', l.level, 'code', l.code, 'name', l.name, 'icon_url', l.icon_url)
        FROM user_progress g JOIN career_levels l ON l.level = g.level WHERE g.user_id = u.id) AS career_level,
    (SELECT coalesce(json_agg(json_build_object('code', b.code, 'name', b.name, 'icon_url', b.icon_url)
            ORDER BY h.awarded_at, b.code), '[]')
        FROM user_badges h JOIN badges b ON b.code = h.badge WHERE h.user_id = u.id AND h.is_featured)
        AS featured_badges
"""

# $1 is the viewer.
_READ_USER = (
    """
SELECT u.id, u.username, u.display_name, u.avatar_url, u.privacy_level, u.created_at, p.bio, p.city, p.location,
    p.institutions, p.websites, coalesce(c.followers, 0) + coalesce(own.followers, 0) AS followers,
    coalesce(c.following, 0) + coalesce(own.following, 0) AS following, coalesce(c.posts, 0) AS posts,
    coalesce(mine.status, 'none') AS following_them, coalesce(theirs.status, 'none') AS followed_by_them,
    m.muter_id IS NOT NULL AS muted,
"""
    + EARNED
    + """
FROM visible_users($1) u JOIN profiles p ON p.user_id = u.id LEFT JOIN user_counts c ON c.user_id = u.id
LEFT JOIN unfolded_follows($1) own ON own.user_id = u.id
LEFT JOIN follows mine ON mine.follower_id = $1 AND mine.followed_id = u.id
LEFT JOIN follows theirs ON theirs.follower_id = u.id AND theirs.followed_id = $1
LEFT JOIN mutes m ON m.muter_id = $1 AND m.muted_id = u.id
"""
)

READ_USER = _READ_USER + "WHERE u.id = $2"

READ_USER_NAMED = _READ_USER + "WHERE lower(u.username) = lower($2)"

READ_PRIVATE = """
SELECT c.email, c.email_verified, u.role, p.preferences
FROM users u JOIN credentials c ON c.user_id = u.id JOIN profiles p ON p.user_id = u.id WHERE u.id = $1
"""

VISIBLE_USERS = "SELECT id FROM visible_users($1) WHERE id = ANY($2::uuid[])"

USER_ACCESS = """
SELECT asked.viewer, a.id, a.owner, a.verdict
FROM unnest($1::uuid[], $2::uuid[]) AS asked (viewer, id), user_access(asked.viewer, ARRAY[asked.id]) a
"""


async def read_user(viewer: Viewer, user_id: UserID) -> User:
    """A profile. Raises UserNotFound."""
    return _user(viewer, await db.fetchrow(READ_USER, viewer.id, user_id))


async def read_user_named(viewer: Viewer, username: str) -> User:
    """A profile by its username, in whatever case. Raises UserNotFound."""
    if "\0" in username:
        raise UserNotFound
    return _user(viewer, await db.fetchrow(READ_USER_NAMED, viewer.id, username))


async def read_me(viewer: Viewer) -> Me:
    """The viewer's own profile. Raises UserNotFound when the account is gone."""
    user = await read_user(viewer, viewer.id)
    private = await db.fetchrow(READ_PRIVATE, viewer.id)
    if private is None:
        raise UserNotFound
    return Me(
        **msgspec.structs.asdict(user),
        email=private["email"],
        email_verified=private["email_verified"],
        role=private["role"],
        preferences=msgspec.json.decode(private["preferences"], type=dict[str, Any]),
    )


async def visible_users(viewer: Viewer, user_ids: Collection[UserID]) -> set[UserID]:
    """Which of these users the viewer may see."""
    return {row["id"] for row in await db.fetch(VISIBLE_USERS, viewer.id, list(user_ids))}


async def user_access(asked: Collection[tuple[UserID, UUID]]) -> list[tuple[UserID, UUID, UserID | None, Verdict]]:
    """Of each (viewer, user): themselves, and whether the viewer may see their profile or why not."""
    rows = await db.fetch(USER_ACCESS, [viewer for viewer, _ in asked], [user_id for _, user_id in asked])
    return [(row["viewer"], row["id"], row["owner"], row["verdict"]) for row in rows]


def said_in(row: db.Row) -> dict[str, Any]:
    """What is stored as JSON of a profile, and what is earned, by field."""
    location, level = row["location"], row["career_level"]
    return {
        "location": None if location is None else msgspec.json.decode(location, type=Location),
        "institutions": msgspec.json.decode(row["institutions"], type=list[str]),
        "websites": msgspec.json.decode(row["websites"], type=list[str]),
        "career_level": None if level is None else msgspec.json.decode(level, type=CareerLevelRef),
        "featured_badges": msgspec.json.decode(row["featured_badges"], type=list[BadgeRef]),
    }


def _user(viewer: Viewer, row: db.Row | None) -> User:
    if row is None:
        raise UserNotFound
    # Who has blocked, or is blocked, is not seen at all.
    relation = Relation(row["following_them"], row["followed_by_them"], blocked=False, muted=row["muted"])
    return User(
        id=row["id"],
        username=row["username"],
        display_name=row["display_name"],
        avatar_url=row["avatar_url"],
        bio=row["bio"],
        city=row["city"],
        **said_in(row),
        privacy_level=row["privacy_level"],
        counters=UserCounters(row["followers"], row["following"], row["posts"]),
        relation=None if row["id"] == viewer.id else relation,
        created_at=stamp(row["created_at"]),
    )


ADD_USER = """
WITH new_user AS (
    INSERT INTO users (id, username, display_name, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)
)
INSERT INTO profiles (user_id) VALUES ($1)
"""  # the key between the tables is checked when the statement ends


async def add_user(user_id: UserID, username: str, display_name: str | None, time: datetime) -> None:
    """A user with an empty profile. Raises asyncpg.UniqueViolationError of `users_username`."""
    await db.execute(ADD_USER, user_id, username, display_name, time)
