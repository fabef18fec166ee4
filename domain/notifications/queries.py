"""What can be seen of one's notifications: by index only, however many there are."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain import db
from domain.accounts.queries import UserRef
from domain.accounts.rules import Viewer
from domain.clock import stamp
from domain.errors import NotFound
from domain.ids import CommentID, NotificationID, PostID, ReviewID, UserID
from domain.wording import WORDINGS, Details, NotificationType, Priority, message


class About(msgspec.Struct, frozen=True, omit_defaults=True, rename={"old": "from", "new": "to"}):
    """What it is about: where a tap leads. A reply's `parent_id` is the comment that it answers. Of a board: what is
    called `name` entered or left its first `place`, and went `from` a position `to` another; of a batch, the newest."""

    post_id: PostID | None = None
    review_id: ReviewID | None = None
    comment_id: CommentID | None = None
    parent_id: CommentID | None = None
    user_id: UserID | None = None
    badge: str | None = None
    level: int | None = None
    board: str | None = None
    board_name: str | None = None
    entity_id: UUID | None = None
    name: str | None = None
    place: int | None = None
    old: int | None = None
    new: int | None = None


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """A single, a batch, or a child of a batch, which is read when the batch is. `actors` are the latest, up to 3."""

    id: NotificationID
    type: NotificationType
    title: str
    message: str
    data: About
    priority: Priority
    is_batch: bool
    batch_count: int
    batch_key: str
    parent_id: NotificationID | None
    actors: list[UserRef]
    read: bool
    read_at: str | None
    created_at: str
    last_updated_at: str


class Inbox(msgspec.Struct, frozen=True):
    """A part of somebody's notifications, and what is true of all."""

    items: list[Notification]
    unread: int
    version: int


class Unread(msgspec.Struct, frozen=True):
    """How many singles and batches are unread."""

    unread: int


class NotificationNotFound(NotFound):
    """There is no such notification, or it is not yours."""


Before = tuple[datetime, NotificationID]
"""Where a page begins: behind the notification of this id, last updated (of children: made) then."""


# The actors of a batch are looked for among its latest children, so that one of 100,000 costs no more than one of 100.
# People say many things below one post, but like it and follow somebody once: there three children are three actors.
_READ = """
SELECT n.id, n.type, n.batch_key, n.subject_id, n.post_id, n.review_id, n.parent_id, n.is_batch, n.batch_count,
    n.user_id, n.actor_id, n.created_at, n.last_updated_at, n.read_at,
    CASE WHEN n.is_batch AND n.type IN ('board_entered', 'board_left') THEN (
        SELECT c.details FROM notifications c WHERE c.parent_id = n.id ORDER BY c.created_at DESC, c.id DESC LIMIT 1
    ) ELSE n.details END AS details, (
        SELECT coalesce(json_agg(json_build_object('id', u.id, 'username', u.username,
            'display_name', u.display_name, 'avatar_url', u.avatar_url) ORDER BY who.at DESC, who.actor_id), '[]')
        FROM (
            SELECT did.actor_id, max(did.created_at) AS at FROM (
                SELECT n.actor_id, n.created_at WHERE NOT n.is_batch
                UNION ALL (
                    SELECT c.actor_id, c.created_at FROM notifications c WHERE n.is_batch AND c.parent_id = n.id
                    ORDER BY c.created_at DESC, c.id DESC
                    LIMIT CASE WHEN n.type IN ('comment', 'reply', 'mention') THEN 50 ELSE 3 END
                )
            ) did GROUP BY did.actor_id ORDER BY at DESC, did.actor_id LIMIT 3
        ) who JOIN visible_users(n.user_id) u ON u.id = who.actor_id
    )::text AS actors
FROM notifications n
"""

READ_NOTIFICATIONS = (
    """
SELECT coalesce(i.unread, 0) AS unread, coalesce(i.version, 0) AS version, listed.*
FROM (SELECT $1::uuid AS user_id) me LEFT JOIN inboxes i ON i.user_id = me.user_id
LEFT JOIN LATERAL ("""
    + _READ
    + """
    WHERE n.user_id = $1 AND n.parent_id IS NULL AND NOT n.is_suppressed
        AND (n.last_updated_at, n.id) < (coalesce($2::timestamptz, 'infinity'), $3::uuid)
    ORDER BY n.last_updated_at DESC, n.id DESC LIMIT $4
) listed ON true
ORDER BY listed.last_updated_at DESC, listed.id DESC
"""
)

READ_CHILDREN = (
    _READ  # noqa: S608 # of constants
    + """
WHERE n.parent_id = (SELECT b.id FROM notifications b WHERE b.id = $2 AND b.user_id = $1)
    AND (n.created_at, n.id) < (coalesce($3::timestamptz, 'infinity'), $4::uuid)
ORDER BY n.created_at DESC, n.id DESC LIMIT $5
"""
)

READ_BATCH = """
SELECT read_at FROM notifications WHERE id = $2 AND user_id = $1 AND parent_id IS NULL AND NOT is_suppressed
"""

READ_BY_ID = _READ + "WHERE n.id = ANY($1::uuid[])"

UNREAD = "SELECT unread FROM inboxes WHERE user_id = $1"


async def read_notifications(viewer: Viewer, before: Before | None, limit: int) -> Inbox:
    """The viewer's singles and batches, the latest first, and how many of all are unread."""
    rows = await db.fetch(READ_NOTIFICATIONS, viewer.id, *(before or (None, None)), limit)
    items = [_notification(row, row["read_at"]) for row in rows if row["id"] is not None]
    return Inbox(items, rows[0]["unread"], rows[0]["version"])


async def read_children(
    viewer: Viewer, notification_id: NotificationID, before: Before | None, limit: int
) -> list[Notification]:
    """What a batch consists of, the latest first; of a single, nothing. Raises NotificationNotFound."""
    batch = await db.fetchrow(READ_BATCH, viewer.id, notification_id)
    if batch is None:
        raise NotificationNotFound
    rows = await db.fetch(READ_CHILDREN, viewer.id, notification_id, *(before or (None, None)), limit)
    return [_notification(row, batch["read_at"]) for row in rows]


async def read_unread(viewer: Viewer) -> Unread:
    """How many are unread: one row, whatever there is."""
    return Unread(await db.fetchval(UNREAD, viewer.id) or 0)


async def notifications_by_id(ids: Collection[NotificationID]) -> dict[NotificationID, Notification]:
    """These, whosever they are."""
    return {row["id"]: _notification(row, row["read_at"]) for row in await db.fetch(READ_BY_ID, ids)}


def position_of(notification: Notification) -> Before:
    """Where the page behind it begins."""
    return datetime.fromisoformat(notification.last_updated_at), notification.id


_actors = msgspec.json.Decoder(list[UserRef])
_details = msgspec.json.Decoder(Details)


def _notification(row: db.Row, read_at: datetime | None) -> Notification:
    kind: NotificationType = row["type"]
    actors = _actors.decode(row["actors"])
    wording, name = WORDINGS[kind], actors[0].display_name or actors[0].username if actors else None
    details = details_of(row)
    if details is not None and details.entity_id == row["user_id"]:
        name = "You"
    about = "post" if row["review_id"] is None else "review"
    return Notification(
        id=row["id"],
        type=kind,
        title=wording.title,
        message=message(kind, row["batch_count"], is_batch=row["is_batch"], name=name, about=about, details=details),
        data=_about(kind, row, details),
        priority=wording.priority,
        is_batch=row["is_batch"],
        batch_count=row["batch_count"],
        batch_key=row["batch_key"],
        parent_id=row["parent_id"],
        actors=actors,
        read=read_at is not None,
        read_at=None if read_at is None else stamp(read_at),
        created_at=stamp(row["created_at"]),
        last_updated_at=stamp(row["last_updated_at"]),
    )


def details_of(row: db.Row) -> Details | None:
    """What it says of itself, when nobody did it."""
    return None if row["details"] is None else _details.decode(row["details"])


def _about(kind: NotificationType, row: db.Row, details: Details | None) -> About:
    if details is not None:
        told: dict[str, Any] = {**msgspec.structs.asdict(details), "name": details.name if details.board else None}
        return About(**told)
    post_id, review_id, subject_id = row["post_id"], row["review_id"], row["subject_id"]
    match kind:
        case "follow" | "follow_request" | "follow_accepted":
            return About(user_id=row["actor_id"])
        case "reply":
            return About(post_id, review_id, subject_id, CommentID(_last_part(row["batch_key"])))
        case "like" | "post_interaction" | "review_like" | "review_interaction":
            return About(post_id, review_id)
        case "comment" | "mention":
            return About(post_id, review_id, None if subject_id == post_id else subject_id)
        case _:
            return About()


def _last_part(batch_key: str) -> NotificationID:
    return msgspec.convert(batch_key.rpartition(":")[2], NotificationID)
