"""Who is what to whom: lists of people, numbers, and the statements that change it."""

from collections.abc import Collection
from datetime import datetime

import msgspec

from domain import db
from domain.accounts.queries import Following, Relation, UserNotFound, UserRef, visible_users
from domain.accounts.rules import Viewer
from domain.clock import stamp
from domain.ids import UserID


class Person(UserRef, frozen=True, kw_only=True):
    """Somebody in a list: whether the viewer follows them, and since when they are in it."""

    status: Following
    since: str


Before = tuple[datetime, UserID]
"""Where a page begins: behind the person of this id who is in the list since then."""


class FollowStatus(msgspec.Struct, frozen=True):
    """Whether the viewer follows somebody."""

    status: Following


class FollowStatuses(msgspec.Struct, frozen=True):
    """The same for many; who cannot be seen is not followed."""

    statuses: dict[UserID, Following]


class FollowStats(msgspec.Struct, frozen=True):
    """How many follow and are followed; open requests are told to oneself only, others get null."""

    followers: int
    following: int
    pending_requests: int | None
    pending_sent: int | None


# $1 is the viewer, ($2, $3) where the page begins, $4 how many; newest first.
_PERSON = """
SELECT u.id, u.username, u.display_name, u.avatar_url, coalesce(mine.status, 'none') AS status, r.created_at
FROM ("""
_SEEN = ") r JOIN visible_users($1) u ON u.id = r.id"
_PAGE = """
LEFT JOIN follows mine ON mine.follower_id = $1 AND mine.followed_id = r.id
WHERE (r.created_at, r.id) < (coalesce($2::timestamptz, 'infinity'), $3::uuid)
ORDER BY r.created_at DESC, r.id DESC LIMIT $4
"""

_FOLLOWERS = """
    SELECT follower_id AS id, created_at FROM follows
    WHERE followed_id = $5 AND status = $6 AND EXISTS (SELECT FROM visible_users($1) WHERE id = $5)
"""
READ_FOLLOWERS = _PERSON + _FOLLOWERS + _SEEN + _PAGE

_FOLLOWING = """
    SELECT followed_id AS id, created_at FROM follows
    WHERE follower_id = $5 AND status = $6 AND EXISTS (SELECT FROM visible_users($1) WHERE id = $5)
"""
READ_FOLLOWING = _PERSON + _FOLLOWING + _SEEN + _PAGE

_MUTED = "SELECT muted_id AS id, created_at FROM mutes WHERE muter_id = $1"
READ_MUTED = _PERSON + _MUTED + _SEEN + _PAGE

# Whom one has blocked one cannot see, but here.
_BLOCKED = """
    SELECT blocked_id AS id, created_at FROM blocks WHERE blocker_id = $1
) r JOIN users u ON u.id = r.id AND u.is_active
"""
READ_BLOCKED = _PERSON + _BLOCKED + _PAGE


async def read_followers(viewer: Viewer, user_id: UserID, before: Before | None, limit: int) -> list[Person]:
    """Who follows somebody. Raises UserNotFound."""
    return await _existing(viewer, user_id, await _people(READ_FOLLOWERS, viewer, before, limit, user_id, "active"))


async def read_following(viewer: Viewer, user_id: UserID, before: Before | None, limit: int) -> list[Person]:
    """Whom somebody follows. Raises UserNotFound."""
    return await _existing(viewer, user_id, await _people(READ_FOLLOWING, viewer, before, limit, user_id, "active"))


async def read_requests(viewer: Viewer, before: Before | None, limit: int) -> list[Person]:
    """Who asks to follow the viewer."""
    return await _people(READ_FOLLOWERS, viewer, before, limit, viewer.id, "pending")


async def read_sent_requests(viewer: Viewer, before: Before | None, limit: int) -> list[Person]:
    """Whom the viewer has asked and who has not answered."""
    return await _people(READ_FOLLOWING, viewer, before, limit, viewer.id, "pending")


async def read_blocked(viewer: Viewer, before: Before | None, limit: int) -> list[Person]:
    """Whom the viewer has blocked."""
    return await _people(READ_BLOCKED, viewer, before, limit)


async def read_muted(viewer: Viewer, before: Before | None, limit: int) -> list[Person]:
    """Whom the viewer has muted."""
    return await _people(READ_MUTED, viewer, before, limit)


async def _people(sql: str, viewer: Viewer, before: Before | None, limit: int, *args: object) -> list[Person]:
    since, last = before or (None, None)
    return [
        Person(
            id=row["id"],
            username=row["username"],
            display_name=row["display_name"],
            avatar_url=row["avatar_url"],
            status=row["status"],
            since=stamp(row["created_at"]),
        )
        for row in await db.fetch(sql, viewer.id, since, last, limit, *args)
    ]


async def _existing(viewer: Viewer, user_id: UserID, people: list[Person]) -> list[Person]:
    if not people and not await visible_users(viewer, [user_id]):
        raise UserNotFound
    return people


READ_STATS = """
SELECT coalesce(c.followers, 0) + coalesce(own.followers, 0) AS followers,
    coalesce(c.following, 0) + coalesce(own.following, 0) AS following,
    (SELECT count(*)::int FROM follows r JOIN visible_users($1) v ON v.id = r.follower_id
        WHERE r.followed_id = $1 AND r.status = 'pending' AND u.id = $1) AS pending_requests,
    (SELECT count(*)::int FROM follows r JOIN visible_users($1) v ON v.id = r.followed_id
        WHERE r.follower_id = $1 AND r.status = 'pending' AND u.id = $1) AS pending_sent
FROM visible_users($1) u LEFT JOIN user_counts c ON c.user_id = u.id
LEFT JOIN unfolded_follows($1) own ON own.user_id = u.id
WHERE u.id = $2
"""


async def read_stats(viewer: Viewer, user_id: UserID) -> FollowStats:
    """How many follow somebody, and whom. Raises UserNotFound."""
    row = await db.fetchrow(READ_STATS, viewer.id, user_id)
    if row is None:
        raise UserNotFound
    own = user_id == viewer.id
    return FollowStats(
        followers=row["followers"],
        following=row["following"],
        pending_requests=row["pending_requests"] if own else None,
        pending_sent=row["pending_sent"] if own else None,
    )


READ_STATUSES = """
SELECT r.followed_id, r.status FROM follows r JOIN visible_users($1) u ON u.id = r.followed_id
WHERE r.follower_id = $1 AND r.followed_id = ANY($2::uuid[])
"""


async def read_statuses(viewer: Viewer, user_ids: Collection[UserID]) -> FollowStatuses:
    """Which of these users the viewer follows."""
    found: dict[UserID, Following] = dict.fromkeys(user_ids, "none")
    found |= {row["followed_id"]: row["status"] for row in await db.fetch(READ_STATUSES, viewer.id, list(user_ids))}
    return FollowStatuses(found)


READ_RELATION = """
SELECT coalesce((SELECT status FROM follows WHERE follower_id = $1 AND followed_id = $2), 'none') AS following,
    coalesce((SELECT status FROM follows WHERE follower_id = $2 AND followed_id = $1), 'none') AS followed_by,
    EXISTS (SELECT FROM blocks WHERE blocker_id = $1 AND blocked_id = $2) AS blocked,
    EXISTS (SELECT FROM mutes WHERE muter_id = $1 AND muted_id = $2) AS muted
"""


async def read_relation(viewer: Viewer, user_id: UserID) -> Relation:
    """What the viewer and somebody else are to each other, whether they see each other or not."""
    row = await db.fetchrow(READ_RELATION, viewer.id, user_id)
    assert row is not None  # it has no FROM
    return Relation(row["following"], row["followed_by"], blocked=row["blocked"], muted=row["muted"])


FOLLOWERS_OF = """
SELECT a.id AS author, first.followers FROM unnest($1::uuid[]) a (id), LATERAL (
    SELECT CASE WHEN count(*) <= $2 THEN coalesce(array_agg(follower_id), '{}') END AS followers FROM (
        SELECT f.follower_id FROM follows f
        WHERE f.followed_id = a.id AND f.status = 'active'
            AND NOT EXISTS (SELECT FROM mutes m WHERE m.muter_id = f.follower_id AND m.muted_id = f.followed_id)
        LIMIT $2::int + 1
    ) found
) first
"""


async def followers_of(authors: Collection[UserID], at_most: int) -> dict[UserID, list[UserID] | None]:
    """Who follows each of the authors and has not muted them; None where these are more than so many."""
    rows = await db.fetch(FOLLOWERS_OF, list(authors), at_most)
    return {row["author"]: row["followers"] for row in rows}


FOLLOWERS_AMONG = """
SELECT f.followed_id AS author, array_agg(f.follower_id) AS followers FROM follows f
WHERE f.followed_id = ANY($1::uuid[]) AND f.follower_id = ANY($2::uuid[]) AND f.status = 'active'
    AND NOT EXISTS (SELECT FROM mutes m WHERE m.muter_id = f.follower_id AND m.muted_id = f.followed_id)
GROUP BY f.followed_id
"""


async def followers_among(authors: Collection[UserID], users: Collection[UserID]) -> dict[UserID, list[UserID]]:
    """The same, of these users only; an author whom none of them follows is left out."""
    rows = await db.fetch(FOLLOWERS_AMONG, list(authors), list(users))
    return {row["author"]: row["followers"] for row in rows}


HIDDEN_FROM = """
SELECT blocker_id AS viewer, blocked_id AS hidden FROM blocks WHERE blocker_id = ANY($1::uuid[])
UNION ALL SELECT blocked_id, blocker_id FROM blocks WHERE blocked_id = ANY($1::uuid[])
"""


async def hidden_from(viewers: Collection[UserID]) -> dict[UserID, set[UserID]]:
    """Whom each of these has blocked, and by whom they are blocked."""
    hidden: dict[UserID, set[UserID]] = {viewer: set() for viewer in viewers}
    for row in await db.fetch(HIDDEN_FROM, list(hidden)):
        hidden[row["viewer"]].add(row["hidden"])
    return hidden
