"""Following, blocking, muting: each at most one change, however often and at whatever time it is asked for."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
import msgspec
from msgspec import Meta

from domain import db, topics
from domain.accounts.queries import Following, Relation, UserNotFound, visible_users
from domain.accounts.rules import Viewer
from domain.clock import now
from domain.db import transaction
from domain.errors import Invalid, NotFound
from domain.eventlog import emit
from domain.graph.events import (
    FollowAccepted,
    FollowerRemoved,
    FollowRequested,
    FollowRequestRejected,
    FollowRequestWithdrawn,
    UserBlocked,
    UserFollowed,
    UserMuted,
    UserUnblocked,
    UserUnfollowed,
    UserUnmuted,
)
from domain.graph.queries import FollowStatus, read_relation
from domain.ids import UserID


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """Whom the viewer wants to know about."""

    user_ids: Annotated[list[UserID], Meta(max_length=100)]


class CannotFollowYourself(Invalid):
    """You cannot follow yourself."""


class CannotBlockYourself(Invalid):
    """You cannot block yourself."""


class CannotMuteYourself(Invalid):
    """You cannot mute yourself."""


class FollowRequestNotFound(NotFound):
    """They have not asked to follow you, or no longer do."""


LOCK_PAIR = "SELECT lock_pair($1, $2)"


@asynccontextmanager
async def _between(viewer: Viewer, user_id: UserID) -> AsyncGenerator[None]:
    """A transaction in which nobody else changes what these two are to each other."""
    try:
        async with transaction():
            await db.execute(LOCK_PAIR, viewer.id, user_id)
            yield
    except asyncpg.ForeignKeyViolationError:  # an account was deleted at this moment
        raise UserNotFound from None


# The row of whoever is followed is held, so that the account's privacy is still this when the follow is committed.
ADD_FOLLOW = """
WITH them AS (
    SELECT u.id, u.privacy_level FROM users u
    WHERE u.id = $2 AND EXISTS (SELECT FROM visible_users($1) v WHERE v.id = u.id) FOR SHARE
), added AS (
    INSERT INTO follows AS f (follower_id, followed_id, status, created_at)
    SELECT $1, id, CASE privacy_level WHEN 'public' THEN 'active' ELSE 'pending' END, $3 FROM them
    ON CONFLICT (follower_id, followed_id) DO UPDATE SET status = excluded.status, created_at = excluded.created_at
    WHERE f.status = 'pending' AND excluded.status = 'active' RETURNING status
)
SELECT coalesce(added.status, was.status) AS status, added.status IS NOT NULL AS changed
FROM them LEFT JOIN added ON true LEFT JOIN follows was ON was.follower_id = $1 AND was.followed_id = them.id
"""


async def follow_user(viewer: Viewer, user_id: UserID) -> FollowStatus:
    """Follow a public account, ask to follow another; who asked before it became public follows now.

    Raises CannotFollowYourself, UserNotFound.
    """
    if user_id == viewer.id:
        raise CannotFollowYourself
    async with _between(viewer, user_id):
        row = await db.fetchrow(ADD_FOLLOW, viewer.id, user_id, now())
        if row is None:
            raise UserNotFound
        if row["changed"] and row["status"] == "active":
            followed = UserFollowed(follower_id=viewer.id, followed_id=user_id)
            await emit(followed, topics.access(user_id, viewer.id), actor=viewer.id)
        elif row["changed"]:
            await emit(FollowRequested(follower_id=viewer.id, followed_id=user_id), actor=viewer.id)
    return FollowStatus(row["status"])


ACCEPT_FOLLOW = """
WITH them AS (
    SELECT id FROM visible_users($1) WHERE id = $2
), accepted AS (
    UPDATE follows SET status = 'active' FROM them
    WHERE follower_id = them.id AND followed_id = $1 AND status = 'pending' RETURNING follower_id
)
SELECT was.status IS NOT NULL AS asked, EXISTS (SELECT FROM accepted) AS changed
FROM them LEFT JOIN follows was ON was.follower_id = them.id AND was.followed_id = $1
"""


async def accept_request(viewer: Viewer, user_id: UserID) -> FollowStatus:
    """Let them follow the viewer; done before is done. Raises UserNotFound, FollowRequestNotFound."""
    async with _between(viewer, user_id):
        row = await db.fetchrow(ACCEPT_FOLLOW, viewer.id, user_id)
        if row is None:
            raise UserNotFound
        if not row["asked"]:
            raise FollowRequestNotFound
        if row["changed"]:
            accepted = FollowAccepted(follower_id=user_id, followed_id=viewer.id)
            await emit(accepted, topics.access(viewer.id, user_id), actor=viewer.id)
    return FollowStatus("active")


END_FOLLOW = """
WITH them AS (
    SELECT id FROM visible_users($1) WHERE id = $2
), ended AS (
    DELETE FROM follows USING them
    WHERE follower_id = $3 AND followed_id = $4 AND (follower_id = them.id OR followed_id = them.id)
        AND status = ANY($5) RETURNING status
)
SELECT ended.status FROM them LEFT JOIN ended ON true
"""


async def unfollow_user(viewer: Viewer, user_id: UserID) -> FollowStatus:
    """Follow no longer, withdraw the request if it is one. Raises UserNotFound."""
    await _end(viewer, user_id, viewer.id, user_id, "active", "pending")
    return FollowStatus("none")


async def cancel_request(viewer: Viewer, user_id: UserID) -> None:
    """Withdraw a request that is not answered yet. Raises UserNotFound."""
    await _end(viewer, user_id, viewer.id, user_id, "pending")


async def reject_request(viewer: Viewer, user_id: UserID) -> None:
    """Do not let them follow the viewer. Raises UserNotFound."""
    await _end(viewer, user_id, user_id, viewer.id, "pending")


async def remove_follower(viewer: Viewer, user_id: UserID) -> None:
    """Have them follow the viewer no longer. Raises UserNotFound."""
    await _end(viewer, user_id, user_id, viewer.id, "active")


async def _end(viewer: Viewer, user_id: UserID, follower: UserID, followed: UserID, *statuses: Following) -> None:
    async with _between(viewer, user_id):
        row = await db.fetchrow(END_FOLLOW, viewer.id, user_id, follower, followed, statuses)
        if row is None:
            raise UserNotFound
        if row["status"] is not None:
            await _tell_end(viewer, follower, followed, row["status"])


async def _tell_end(viewer: Viewer, follower: UserID, followed: UserID, was: Following) -> None:
    if was == "active":
        kind = UserUnfollowed if follower == viewer.id else FollowerRemoved
        heard_by = [topics.access(followed, follower)]
    else:
        kind = FollowRequestWithdrawn if follower == viewer.id else FollowRequestRejected
        heard_by = []
    await emit(kind(follower_id=follower, followed_id=followed), *heard_by, actor=viewer.id)


# Whom one has blocked one cannot see, and may block again. The new row holds both users' rows before follows are
# touched, as a deletion of either does.
ADD_BLOCK = """
WITH them AS (
    SELECT id FROM visible_users($1) WHERE id = $2
    UNION SELECT blocked_id FROM blocks WHERE blocker_id = $1 AND blocked_id = $2
), added AS (
    INSERT INTO blocks (blocker_id, blocked_id, created_at) SELECT $1, id, $3 FROM them
    ON CONFLICT DO NOTHING RETURNING blocked_id
)
SELECT EXISTS (SELECT FROM added) AS changed FROM them
"""

END_FOLLOWS = """
DELETE FROM follows
WHERE (follower_id = $1 AND followed_id = $2) OR (follower_id = $2 AND followed_id = $1)
RETURNING follower_id, followed_id, status
"""


async def block_user(viewer: Viewer, user_id: UserID) -> Relation:
    """End all there is between the two, and hide each from the other. Raises CannotBlockYourself, UserNotFound."""
    if user_id == viewer.id:
        raise CannotBlockYourself
    async with _between(viewer, user_id):
        changed = await db.fetchval(ADD_BLOCK, viewer.id, user_id, now())
        if changed is None:
            raise UserNotFound
        ended = await db.fetch(END_FOLLOWS, viewer.id, user_id)
        relation = await read_relation(viewer, user_id)
        for follow in ended:
            await _tell_end(viewer, follow["follower_id"], follow["followed_id"], follow["status"])
        if changed:
            hidden = (topics.hidden(viewer.id, user_id), topics.hidden(user_id, viewer.id))
            blocked = UserBlocked(blocker_id=viewer.id, blocked_id=user_id)
            await emit(blocked, *_both(viewer, user_id), *hidden, actor=viewer.id)
    return relation


REMOVE_BLOCK = "DELETE FROM blocks WHERE blocker_id = $1 AND blocked_id = $2"


async def unblock_user(viewer: Viewer, user_id: UserID) -> None:
    """Take a block back; what it ended stays ended. Raises UserNotFound."""
    async with _between(viewer, user_id):
        if db.changed(await db.execute(REMOVE_BLOCK, viewer.id, user_id)):
            unblocked = UserUnblocked(blocker_id=viewer.id, blocked_id=user_id)
            shown = (topics.shown(viewer.id, user_id), topics.shown(user_id, viewer.id))
            await emit(unblocked, *_both(viewer, user_id), *shown, actor=viewer.id)
        elif not await visible_users(viewer, [user_id]):
            raise UserNotFound


def _both(viewer: Viewer, user_id: UserID) -> tuple[str, str]:
    return topics.access(viewer.id, user_id), topics.access(user_id, viewer.id)


ADD_MUTE = """
WITH them AS (
    SELECT id FROM visible_users($1) WHERE id = $2
), added AS (
    INSERT INTO mutes (muter_id, muted_id, created_at) SELECT $1, id, $3 FROM them
    ON CONFLICT DO NOTHING RETURNING muted_id
)
SELECT EXISTS (SELECT FROM added) AS changed FROM them
"""


async def mute_user(viewer: Viewer, user_id: UserID) -> Relation:
    """Hear nothing of what they do: neither at home nor as notifications. Raises CannotMuteYourself, UserNotFound."""
    if user_id == viewer.id:
        raise CannotMuteYourself
    async with _between(viewer, user_id):
        changed = await db.fetchval(ADD_MUTE, viewer.id, user_id, now())
        if changed is None:
            raise UserNotFound
        relation = await read_relation(viewer, user_id)
        if changed:
            await emit(UserMuted(muter_id=viewer.id, muted_id=user_id), actor=viewer.id)
    return relation


REMOVE_MUTE = "DELETE FROM mutes WHERE muter_id = $1 AND muted_id = $2"


async def unmute_user(viewer: Viewer, user_id: UserID) -> None:
    """Want to hear of them again. Raises UserNotFound."""
    async with _between(viewer, user_id):
        if not await visible_users(viewer, [user_id]):
            raise UserNotFound
        if db.changed(await db.execute(REMOVE_MUTE, viewer.id, user_id)):
            await emit(UserUnmuted(muter_id=viewer.id, muted_id=user_id), actor=viewer.id)


# No server need ask what followers may see: what they followed for is gone, and each of it says so.
END_ALL_FOLLOWS = """
WITH ended AS (
    DELETE FROM follows WHERE follower_id = $1 OR followed_id = $1 RETURNING follower_id, followed_id, status
)
SELECT count(emit_event(
    CASE WHEN follower_id = $1 THEN CASE status WHEN 'active' THEN 'user.unfollowed' ELSE 'follow.withdrawn' END
        ELSE CASE status WHEN 'active' THEN 'follower.removed' ELSE 'follow.rejected' END END,
    '{}', json_build_object('follower_id', follower_id, 'followed_id', followed_id), $1, NULL))
FROM ended
"""

# Servers know by heart whose acts are withheld from whom.
END_ALL_BLOCKS = """
WITH ended AS (
    DELETE FROM blocks WHERE blocker_id = $1 OR blocked_id = $1 RETURNING blocker_id, blocked_id
)
SELECT count(emit_event(
    'user.unblocked', ARRAY['shown:' || CASE blocker_id WHEN $1 THEN blocked_id ELSE blocker_id END || ':' || $1::uuid],
    json_build_object('blocker_id', blocker_id, 'blocked_id', blocked_id), $1, NULL))
FROM ended
"""


async def end_all(viewer: Viewer) -> None:
    """End all that who leaves is to others. Mutes are nobody else's business. A part of departures."""
    await db.fetchval(END_ALL_FOLLOWS, viewer.id)
    await db.fetchval(END_ALL_BLOCKS, viewer.id)
