"""Putting acts into inboxes, a constant number of statements for any number of them; reading and deleting."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from domain import db, topics
from domain.accounts.rules import Viewer
from domain.clock import now, stamp
from domain.db import transaction
from domain.errors import Invalid
from domain.eventlog import Event, emit, emit_all
from domain.ids import NotificationID, UserID
from domain.notifications.events import NotificationRemoved, NotificationsRead, NotificationUpserted
from domain.notifications.queries import NotificationNotFound, Unread, details_of, notifications_by_id, read_unread
from domain.notifications.rules import Act, Grouping, Pace, Row, Slot, Step, Undo
from domain.settings import settings


class ReadWhat(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which notifications the viewer has read: `ids`, or `all`."""

    ids: Annotated[list[NotificationID], Meta(min_length=1, max_length=1000)] | None = None
    all: bool = False


class NamesOrAll(Invalid):
    """Give either `ids` or `all`."""


_UNDONE = """
WITH undone AS (
    SELECT n.* FROM unnest($1::uuid[], $2::uuid[]) AS act (subject_id, actor_id)
    JOIN notifications n ON n.subject_id = act.subject_id AND n.actor_id = act.actor_id AND NOT n.is_batch
    UNION SELECT n.* FROM notifications n WHERE n.subject_id = ANY($3::uuid[]) AND NOT n.is_batch
    UNION SELECT n.* FROM unnest($4::uuid[], $5::uuid[]) AS pair (user_id, actor_id)
    JOIN notifications n ON n.user_id = pair.user_id AND n.actor_id = pair.actor_id AND NOT n.is_batch
    UNION SELECT n.* FROM notifications n WHERE n.post_id = ANY($6::uuid[]) AND n.parent_id IS NULL
    UNION SELECT n.* FROM notifications n WHERE n.review_id = ANY($7::uuid[]) AND n.parent_id IS NULL
)"""
CONCERNED = _UNDONE + "SELECT DISTINCT user_id FROM undone"  # noqa: S608 # of constants

# Users who are deleted at this moment are waited for, and then are none: their inboxes go with them.
LOCK_INBOXES = """
WITH there AS (SELECT id FROM users WHERE id = ANY($1::uuid[]) ORDER BY id FOR KEY SHARE)
INSERT INTO inboxes AS i (user_id) SELECT id FROM there ORDER BY id
ON CONFLICT (user_id) DO UPDATE SET version = i.version + 1
RETURNING user_id, version
"""

LOAD = (
    _UNDONE  # noqa: S608 # of constants
    + """, named AS (
    SELECT * FROM undone
    UNION SELECT n.* FROM unnest($8::uuid[], $9::text[]) AS head (user_id, batch_key)
    JOIN notifications n ON n.user_id = head.user_id AND n.batch_key = head.batch_key AND n.is_open
)
SELECT * FROM named
UNION SELECT n.* FROM named JOIN notifications n ON n.id = named.parent_id
"""
)

PACES = """
SELECT p.user_id, p.type, p.slots FROM unnest($1::uuid[], $2::text[]) AS pace (user_id, type)
JOIN notification_paces p ON p.user_id = pace.user_id AND p.type = pace.type
UNION SELECT user_id, type, slots FROM notification_paces WHERE user_id = ANY($3::uuid[])
"""

# What is below a batch goes with it; no foreign key sees to that.
DELETE = "DELETE FROM notifications WHERE id = ANY($1::uuid[]) OR parent_id = ANY($1::uuid[])"

# What closes makes room for what opens. As JSON the rows are made in a third of the time that arrays take, and in that
# time the transaction stands still, and so does the news, which the same process relays.
SAVE = """
INSERT INTO notifications (id, user_id, type, batch_key, actor_id, subject_id, post_id, review_id, parent_id, is_batch,
    batch_count, is_open, is_suppressed, created_at, last_updated_at, read_at, details)
SELECT id, user_id, type, batch_key, actor_id, subject_id, post_id, review_id, parent_id, is_batch,
    batch_count, is_open, is_suppressed, created_at, last_updated_at, read_at, details
FROM json_populate_recordset(NULL::notifications, $1) ORDER BY is_open
ON CONFLICT (id) DO UPDATE SET parent_id = excluded.parent_id, batch_count = excluded.batch_count,
    is_open = excluded.is_open, is_suppressed = excluded.is_suppressed, last_updated_at = excluded.last_updated_at,
    read_at = excluded.read_at
"""

COUNT = """
UPDATE inboxes i SET unread = i.unread + delta.unread
FROM unnest($1::uuid[], $2::int[]) AS delta (user_id, unread) WHERE i.user_id = delta.user_id
RETURNING i.user_id, i.unread
"""

SAVE_PACES = """
INSERT INTO notification_paces (user_id, type, slots)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::jsonb[])
ON CONFLICT (user_id, type) DO UPDATE SET slots = excluded.slots
"""


async def take(steps: Sequence[Step]) -> None:
    """Put acts into the inboxes of those whom they concern, take out what is undone, and tell them."""
    undone = _arrays([step for step in steps if isinstance(step, Undo)])
    acts = [step for step in steps if isinstance(step, Act)]
    concerned = {act.user_id for act in acts}
    if any(undone):
        concerned |= {row["user_id"] for row in await db.fetch(CONCERNED, *undone)}
    if not concerned:
        return
    versions = {row["user_id"]: row["version"] for row in await db.fetch(LOCK_INBOXES, concerned)}
    keys = {(act.user_id, act.batch_key) for act in acts}
    loaded = await db.fetch(LOAD, *undone, *_columns(keys, 2))
    turned = {step.one for step in steps if isinstance(step, Undo) and step.by == "pair"}
    paces = await _paces({(act.user_id, act.type) for act in acts}, turned)
    grouping = Grouping((_row(each) for each in loaded), paces)
    grouping.take(step for step in steps if isinstance(step, Undo) or step.user_id in versions)
    unread = await _save(grouping)
    await _tell(grouping, versions, unread)


def _arrays(undone: Collection[Undo]) -> list[list[Any]]:
    """The parameters that name what is undone."""
    by: dict[str, set[tuple[Any, Any]]] = defaultdict(set)
    for undo in undone:
        by[undo.by].add((undo.one, undo.other))
    subjects, posts, reviews = ([one for one, _ in by[each]] for each in ("subject", "post", "review"))
    return [*_columns(by["act"], 2), subjects, *_columns(by["pair"], 2), posts, reviews]


async def _paces(paces: Collection[Pace], user_ids: Collection[UUID]) -> dict[Pace, list[Slot]]:
    """These, and all of these users."""
    if not paces and not user_ids:
        return {}
    rows = await db.fetch(PACES, *_columns(paces, 2), user_ids)
    return {(row["user_id"], row["type"]): msgspec.json.decode(row["slots"], type=list[Slot]) for row in rows}


async def _save(grouping: Grouping) -> dict[UserID, int]:
    """Store what changed; how many are unread now of everybody to whom it matters."""
    if gone := grouping.gone():
        await db.execute(DELETE, gone)
    if saved := grouping.saved():
        await db.execute(SAVE, msgspec.json.encode(saved).decode())
    if grouping.paced:
        slots = [(*pace, msgspec.json.encode(grouping.paces[pace]).decode()) for pace in grouping.paced]
        await db.execute(SAVE_PACES, *_columns(slots, 3))
    if not (unread := grouping.unread()):
        return {}
    return {row["user_id"]: row["unread"] for row in await db.fetch(COUNT, *_columns(unread.items(), 2))}


async def _tell(grouping: Grouping, versions: dict[UserID, int], unread: dict[UserID, int]) -> None:
    changed = list(grouping.news())
    if not changed:
        return
    there = await notifications_by_id([row_id for _, row_id, is_there in changed if is_there])
    news: list[tuple[Event, str]] = []
    for user_id, row_id, is_there in changed:
        told = {"unread": unread[user_id], "version": versions[user_id]}
        if is_there:
            event = NotificationUpserted(notification=there[row_id], **told)
        else:
            event = NotificationRemoved(id=row_id, **told)
        news.append((event, topics.notifications(user_id)))
    await emit_all(news)


def _columns(rows: Collection[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Rows as columns, for `unnest`."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _row(found: db.Row) -> Row:
    as_stored = {name: found[name] for name in Row.__struct_fields__ if name != "details"}
    return Row(**as_stored, details=details_of(found))


LOCK_INBOX = "UPDATE inboxes SET version = version + 1 WHERE user_id = $1 RETURNING version"

READ_THESE = """
UPDATE notifications SET read_at = $2
WHERE user_id = $1 AND id = ANY($3::uuid[]) AND parent_id IS NULL AND NOT is_suppressed AND read_at IS NULL
RETURNING id
"""

READ_SOME = """
WITH unread AS (
    SELECT id FROM notifications
    WHERE user_id = $1 AND parent_id IS NULL AND NOT is_suppressed AND read_at IS NULL LIMIT $3
), read AS (
    UPDATE notifications n SET read_at = $2 FROM unread WHERE n.id = unread.id RETURNING n.last_updated_at
)
SELECT count(*)::int AS number, max(last_updated_at) AS up_to FROM read
"""
AT_ONCE = 10_000

COUNT_READ = "UPDATE inboxes SET unread = unread - $2 WHERE user_id = $1 RETURNING unread"


async def read(viewer: Viewer, what: ReadWhat) -> Unread:
    """Have them read; those that are read already, or are not there, stay as they are. Raises NamesOrAll."""
    if (what.ids is None) is not what.all:
        raise NamesOrAll(dict.fromkeys(("ids", "all"), "give one of them"))
    async with transaction():
        version = await db.fetchval(LOCK_INBOX, viewer.id)
        if version is None:
            return Unread(0)
        ids = (
            None if what.ids is None else [row["id"] for row in await db.fetch(READ_THESE, viewer.id, now(), what.ids)]
        )
        number, up_to = await _read_all(viewer) if ids is None else (len(ids), None)
        if not number:
            return await read_unread(viewer)
        unread = await db.fetchval(COUNT_READ, viewer.id, number)
        until = None if up_to is None else stamp(up_to)
        told = NotificationsRead(ids=ids, all=what.all, up_to=until, unread=unread, version=version)
        await emit(told, topics.notifications(viewer.id), actor=viewer.id)
    return Unread(unread)


async def _read_all(viewer: Viewer) -> tuple[int, datetime | None]:
    """How many were read, and when the latest of them was last updated; some at once, for there may be very many."""
    total, up_to, time = 0, None, now()
    while True:
        row = await db.fetchrow(READ_SOME, viewer.id, time, AT_ONCE)
        if row is None or not row["number"]:
            return total, up_to
        total, up_to = total + row["number"], max(row["up_to"], up_to or row["up_to"])
        if row["number"] < AT_ONCE:
            return total, up_to


DELETE_ONE = """
WITH deleted AS (
    DELETE FROM notifications WHERE id = $2 AND user_id = $1 AND parent_id IS NULL AND NOT is_suppressed
    RETURNING read_at
), below AS (
    DELETE FROM notifications WHERE parent_id = $2 AND user_id = $1
)
UPDATE inboxes SET unread = unread - (SELECT count(*)::int FROM deleted WHERE read_at IS NULL)
WHERE user_id = $1 AND EXISTS (SELECT FROM deleted) RETURNING unread
"""


async def delete_notification(viewer: Viewer, notification_id: NotificationID) -> None:
    """Take one out of the list, with what is below it. Raises NotificationNotFound."""
    async with transaction():
        version = await db.fetchval(LOCK_INBOX, viewer.id)
        if version is None:
            raise NotificationNotFound
        unread = await db.fetchval(DELETE_ONE, viewer.id, notification_id)
        if unread is None:
            raise NotificationNotFound
        removed = NotificationRemoved(id=notification_id, unread=unread, version=version)
        await emit(removed, topics.notifications(viewer.id), actor=viewer.id)


FORGET_SUPPRESSED = "DELETE FROM notifications WHERE is_suppressed AND created_at < $1"


async def forget_suppressed() -> None:
    """Delete what was never shown and can not be any more: nothing joins it after its window."""
    window = timedelta(seconds=settings.notification_single_s)
    await db.execute(FORGET_SUPPRESSED, now() - 2 * window)
