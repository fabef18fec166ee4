"""Folding acts into inboxes, a constant number of statements for any number of them; reading and deleting."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from domain import db, topics
from domain.accounts.rules import Viewer
from domain.clock import now, stamp
from domain.comments.events import CommentCreated, CommentDeleted
from domain.db import transaction
from domain.errors import Invalid
from domain.eventlog import Event, Logged, emit, emit_all
from domain.graph.events import (
    FollowAccepted,
    FollowerRemoved,
    FollowRequested,
    FollowRequestRejected,
    FollowRequestWithdrawn,
    UserBlocked,
    UserFollowed,
    UserMuted,
    UserUnfollowed,
)
from domain.ids import NotificationID, UserID
from domain.mentions.events import MentionsChanged
from domain.notifications.events import NotificationRemoved, NotificationsRead, NotificationUpserted
from domain.notifications.queries import NotificationNotFound, Unread, notifications_by_id, read_unread
from domain.notifications.rules import Act, ActType, Grouping, Pace, Row, Step, Undo
from domain.posts.events import PostDeleted
from domain.reactions.events import PostLiked, PostUnliked

FOLDED: tuple[type[Event], ...] = (
    PostLiked,
    PostUnliked,
    PostDeleted,
    CommentCreated,
    CommentDeleted,
    UserFollowed,
    UserUnfollowed,
    FollowRequested,
    FollowRequestWithdrawn,
    FollowRequestRejected,
    FollowAccepted,
    FollowerRemoved,
    UserBlocked,
    UserMuted,
    MentionsChanged,
)
_decoders: dict[str, msgspec.json.Decoder[Any]] = {kind.type: msgspec.json.Decoder(kind) for kind in FOLDED}

LIKE: frozenset[ActType] = frozenset({"like"})
FOLLOW: frozenset[ActType] = frozenset({"follow", "follow_request"})
REQUEST: frozenset[ActType] = frozenset({"follow_request"})
ACCEPTED: frozenset[ActType] = frozenset({"follow_accepted"})
MENTION: frozenset[ActType] = frozenset({"mention"})


class ReadWhat(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which notifications the viewer has read: `ids`, or `all`."""

    ids: Annotated[list[NotificationID], Meta(min_length=1, max_length=1000)] | None = None
    all: bool = False


class NamesOrAll(Invalid):
    """Give either `ids` or `all`."""


# Of posts their authors; of comments the authors of what they reply to.
OWNERS = """
SELECT id, author_id FROM posts WHERE id = ANY($1::uuid[])
UNION ALL SELECT c.id, p.author_id FROM comments c JOIN comments p ON p.id = c.parent_id WHERE c.id = ANY($2::uuid[])
"""

# Of these acts, those that may be told: nobody hears of whom they muted or are apart from, or of what they cannot see.
# Who is gone by now did nothing, though each act's undoing is still to be folded.
TELLABLE = """
SELECT act.i
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[])
    WITH ORDINALITY AS act (user_id, actor_id, subject_id, seen_as, i)
WHERE EXISTS (SELECT FROM users u WHERE u.id = act.actor_id)
    AND NOT EXISTS (SELECT FROM mutes m WHERE m.muter_id = act.user_id AND m.muted_id = act.actor_id)
    AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = act.user_id AND b.blocked_id = act.actor_id)
    AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = act.actor_id AND b.blocked_id = act.user_id)
    AND CASE act.seen_as
        WHEN 'comment' THEN EXISTS (SELECT FROM visible_comments(act.user_id) v WHERE v.id = act.subject_id)
        WHEN 'post' THEN EXISTS (SELECT FROM visible_posts(act.user_id) v WHERE v.id = act.subject_id)
        ELSE true END
"""

_UNDONE = """
WITH undone AS (
    SELECT n.* FROM unnest($1::uuid[], $2::uuid[]) AS act (subject_id, actor_id)
    JOIN notifications n ON n.subject_id = act.subject_id AND n.actor_id = act.actor_id AND NOT n.is_batch
    UNION SELECT n.* FROM notifications n WHERE n.subject_id = ANY($3::uuid[]) AND NOT n.is_batch
    UNION SELECT n.* FROM unnest($4::uuid[], $5::uuid[]) AS pair (user_id, actor_id)
    JOIN notifications n ON n.user_id = pair.user_id AND n.actor_id = pair.actor_id AND NOT n.is_batch
    UNION SELECT n.* FROM notifications n WHERE n.post_id = ANY($6::uuid[]) AND n.parent_id IS NULL
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
    UNION SELECT n.* FROM unnest($7::uuid[], $8::text[]) AS head (user_id, batch_key)
    JOIN notifications n ON n.user_id = head.user_id AND n.batch_key = head.batch_key AND n.is_open
)
SELECT * FROM named
UNION SELECT n.* FROM named JOIN notifications n ON n.id = named.parent_id
"""
)

PACES = """
SELECT p.user_id, p.type, p.times FROM unnest($1::uuid[], $2::text[]) AS pace (user_id, type)
JOIN notification_paces p ON p.user_id = pace.user_id AND p.type = pace.type
"""

# What is below a batch goes with it; no foreign key sees to that.
DELETE = "DELETE FROM notifications WHERE id = ANY($1::uuid[]) OR parent_id = ANY($1::uuid[])"

# What closes makes room for what opens. As JSON the rows are made in a third of the time that arrays take, and in that
# time the transaction stands still, and so does the news, which the same process relays.
SAVE = """
INSERT INTO notifications (id, user_id, type, batch_key, actor_id, subject_id, post_id, parent_id, is_batch,
    batch_count, is_open, is_suppressed, created_at, last_updated_at, read_at)
SELECT id, user_id, type, batch_key, actor_id, subject_id, post_id, parent_id, is_batch,
    batch_count, is_open, is_suppressed, created_at, last_updated_at, read_at
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
INSERT INTO notification_paces (user_id, type, times)
SELECT new.user_id, new.type, array_agg(new.at ORDER BY new.at)
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS new (user_id, type, at) GROUP BY 1, 2
ON CONFLICT (user_id, type) DO UPDATE SET times = excluded.times
"""


async def fold(events: Sequence[Logged]) -> None:
    """Put what the events say into the inboxes of those whom it concerns, and tell them."""
    happened = [(event, _decoders[event.type].decode(event.data)) for event in events]
    steps = await _tellable(_steps(happened, await _owners(happened)))
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
    grouping = Grouping((_row(each) for each in loaded), await _paces({(act.user_id, act.type) for act in acts}))
    grouping.take(step for step in steps if isinstance(step, Undo) or step.user_id in versions)
    unread = await _save(grouping)
    await _tell(grouping, versions, unread)


async def _owners(happened: Collection[tuple[Logged, Any]]) -> dict[UUID, UserID]:
    """Whose the posts are that something was done to, and what the comments reply to; of what is gone, nobody's."""
    posts: set[UUID] = set()
    comments: set[UUID] = set()
    for _, data in happened:
        match data:
            case PostLiked(post_id=post_id):
                posts.add(post_id)
            case CommentCreated(comment=comment):
                posts.add(comment.target.id)
                comments |= {comment.id} if comment.parent_id is not None else set()
            case MentionsChanged(target=said, post_id=post_id):
                posts.add(post_id)
                comments |= {said.id} if said.type == "comment" else set()
            case _:
                pass
    return {row["id"]: row["author_id"] for row in await db.fetch(OWNERS, posts, comments)} if posts else {}


def _steps(happened: Collection[tuple[Logged, Any]], owners: dict[UUID, UserID]) -> list[Step]:
    steps: list[Step] = []
    for event, data in happened:
        match data:
            case PostLiked(post_id=post_id, user_id=actor) if post_id in owners:
                key = f"post_interaction:post:{post_id}"
                steps.append(Act(owners[post_id], "like", key, actor, post_id, post_id, event.at))
            case PostLiked():
                pass
            case PostUnliked(post_id=post_id, user_id=actor):
                steps.append(Undo("act", post_id, actor, LIKE))
            case PostDeleted(id=post_id):
                steps.append(Undo("post", post_id))
            case CommentCreated(comment=comment):
                steps += _of_comment(comment, owners, event.at)
            case CommentDeleted(ids=ids):
                steps += [Undo("subject", comment_id) for comment_id in ids]
            case MentionsChanged():
                steps += _of_mentions(data, owners, event.at)
            case UserBlocked(blocker_id=one, blocked_id=other):
                steps += [Undo("pair", one, other), Undo("pair", other, one)]
            case _:
                steps += _of_people(data, event.at)
    return [step for step in steps if isinstance(step, Undo) or step.user_id != step.actor_id]


def _of_comment(comment: Any, owners: dict[UUID, UserID], at: datetime) -> list[Act]:
    """One comment tells nobody twice: whom it replies to hears of the reply, the post's author else of the comment."""
    actor, post_id = comment.author.id, comment.target.id
    acts: list[Act] = []
    if comment.id in owners:
        key = f"reply:comment:{comment.parent_id}"
        acts.append(Act(owners[comment.id], "reply", key, actor, comment.id, post_id, at))
    if post_id in owners and all(owners[post_id] != act.user_id for act in acts):
        acts.append(Act(owners[post_id], "comment", f"comment:post:{post_id}", actor, comment.id, post_id, at))
    return acts


def _of_mentions(changed: MentionsChanged, owners: dict[UUID, UserID], at: datetime) -> list[Step]:
    """Whom a comment is told to anyway hears nothing more of being mentioned in it."""
    said, post_id, actor = changed.target.id, changed.post_id, changed.author_id
    steps: list[Step] = [Undo("act", said, actor, MENTION, user_id) for user_id in changed.removed]
    if post_id in owners:
        key, told = f"mention:post:{post_id}", {owners[post_id], owners.get(said)}
        steps += [Act(each, "mention", key, actor, said, post_id, at) for each in changed.added if each not in told]
    return steps


def _of_people(data: Any, at: datetime) -> list[Step]:
    if isinstance(data, UserMuted):
        return [Undo("pair", data.muter_id, data.muted_id)]
    follower, followed = data.follower_id, data.followed_id
    match data:
        case UserFollowed():
            asked = Undo("act", followed, follower, REQUEST)
            return [asked, Act(followed, "follow", f"follow:user:{followed}", follower, followed, None, at)]
        case FollowRequested():
            return [Act(followed, "follow_request", f"follow_request:user:{followed}", follower, followed, None, at)]
        case FollowAccepted():
            key = f"follow_accepted:user:{follower}"
            answered = Undo("act", followed, follower, REQUEST)
            return [answered, Act(follower, "follow_accepted", key, followed, follower, None, at)]
        case _:
            return [Undo("act", followed, follower, FOLLOW), Undo("act", follower, followed, ACCEPTED)]


async def _tellable(steps: list[Step]) -> list[Step]:
    acts = [step for step in steps if isinstance(step, Act)]
    if not acts:
        return steps
    columns = _columns([(act.user_id, act.actor_id, act.subject_id, _seen_as(act)) for act in acts], 4)
    told: set[Act] = {acts[row["i"] - 1] for row in await db.fetch(TELLABLE, *columns)}
    return [step for step in steps if isinstance(step, Undo) or step in told]


def _seen_as(act: Act) -> str:
    """As what of theirs the recipient must be able to see the subject."""
    match act.type:
        case "comment" | "reply":
            return "comment"
        case "mention":
            return "post" if act.subject_id == act.post_id else "comment"
        case _:
            return ""


def _arrays(undone: Collection[Undo]) -> list[list[Any]]:
    """The parameters that name what is undone."""
    by: dict[str, set[tuple[Any, Any]]] = defaultdict(set)
    for undo in undone:
        by[undo.by].add((undo.one, undo.other))
    subjects, posts = [one for one, _ in by["subject"]], [one for one, _ in by["post"]]
    return [*_columns(by["act"], 2), subjects, *_columns(by["pair"], 2), posts]


async def _paces(paces: Collection[Pace]) -> dict[Pace, list[datetime]]:
    if not paces:
        return {}
    return {(row["user_id"], row["type"]): row["times"] for row in await db.fetch(PACES, *_columns(paces, 2))}


async def _save(grouping: Grouping) -> dict[UserID, int]:
    """Store what changed; how many are unread now of everybody to whom it matters."""
    if gone := grouping.gone():
        await db.execute(DELETE, gone)
    if saved := grouping.saved():
        await db.execute(SAVE, msgspec.json.encode(saved).decode())
    if grouping.paced:
        times = [(*pace, at) for pace in grouping.paced for at in grouping.paces[pace]]
        await db.execute(SAVE_PACES, *_columns(times, 3))
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
    return Row(**{name: found[name] for name in Row.__struct_fields__})


LOCK_INBOX = "UPDATE inboxes SET version = version + 1 WHERE user_id = $1 RETURNING version"

READ_THESE = """
WITH read AS (
    UPDATE notifications SET read_at = $2
    WHERE user_id = $1 AND parent_id IS NULL AND NOT is_suppressed AND read_at IS NULL
        AND ($3::uuid[] IS NULL OR id = ANY($3))
    RETURNING id, last_updated_at
), counted AS (
    UPDATE inboxes SET unread = unread - (SELECT count(*)::int FROM read) WHERE user_id = $1 RETURNING unread
)
SELECT unread, (SELECT array_agg(id ORDER BY id) FROM read) AS ids, (SELECT max(last_updated_at) FROM read) AS up_to
FROM counted
"""


async def read(viewer: Viewer, what: ReadWhat) -> Unread:
    """Have them read; those that are read already, or are not there, stay as they are. Raises NamesOrAll."""
    if (what.ids is None) is not what.all:
        raise NamesOrAll(dict.fromkeys(("ids", "all"), "give one of them"))
    async with transaction():
        version = await db.fetchval(LOCK_INBOX, viewer.id)
        row = await db.fetchrow(READ_THESE, viewer.id, now(), what.ids)
        if row is None or row["ids"] is None:
            return await read_unread(viewer)
        told = NotificationsRead(
            ids=None if what.all else row["ids"],
            all=what.all,
            up_to=stamp(row["up_to"]) if what.all else None,
            unread=row["unread"],
            version=version,
        )
        await emit(told, topics.notifications(viewer.id), actor=viewer.id)
    return Unread(row["unread"])


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
        unread = await db.fetchval(DELETE_ONE, viewer.id, notification_id)
        if unread is None:
            raise NotificationNotFound
        removed = NotificationRemoved(id=notification_id, unread=unread, version=version)
        await emit(removed, topics.notifications(viewer.id), actor=viewer.id)
