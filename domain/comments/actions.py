"""Commenting, replying, editing and deleting."""

from datetime import datetime

import asyncpg
import msgspec

from domain import db, eventlog, targets, topics
from domain.accounts.queries import UserRef
from domain.accounts.rules import Viewer
from domain.clock import now, stamp
from domain.comments.events import CommentCreated, CommentDeleted, CommentEdited
from domain.comments.queries import Comment, hold_comment, read_comment
from domain.comments.rules import Content
from domain.db import transaction
from domain.errors import Forbidden, Invalid
from domain.eventlog import emit, encode
from domain.ids import CommentID, new_id
from domain.mentions.actions import mention
from domain.mentions.queries import Said
from domain.mentions.rules import names_in
from domain.targets import Target


class NewComment(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A comment to be; with a parent, a reply."""

    content: Content
    parent_id: CommentID | None = None


class CommentChanges(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What an author changes."""

    content: Content


class NotYourComment(Forbidden):
    """Only its author may change a comment; deleting it is for its author and the author of what it is on."""


class NoSuchParent(Invalid):
    """There is no such comment to reply to."""


class ReplyToReply(Invalid):
    """A reply has no replies of its own: reply to the comment above it."""


# One statement holds the checks, the row and its event. The event comes without its author, whom only the database
# knows. The check of the keys, when the statement ends, waits for a deletion of the target or the parent.
ADD_COMMENT = """
WITH author AS (
    SELECT id, username, display_name, avatar_url FROM users WHERE id = $1 FOR KEY SHARE
), target AS (
    SELECT $4::uuid AS id FROM visible_target($1, $3, $4)
), parent AS (
    SELECT parent_id, author_id FROM visible_comments($1) WHERE id = $5 AND target_type = $3 AND target_id = $4
), added AS (
    INSERT INTO comments (id, target_type, target_id, parent_id, author_id, content, created_at)
    SELECT $2, $3, target.id, $5, author.id, $6, $7 FROM target, author
    WHERE $5::uuid IS NULL OR EXISTS (SELECT FROM parent WHERE parent_id IS NULL)
    RETURNING id
), told AS (
    SELECT emit_event('comment.created', ARRAY[$8, 'holds:comment:' || $2::uuid]
            || ARRAY(SELECT unnest(ARRAY['voice:' || author_id, 'holds:comment:' || $5::uuid]) FROM parent),
        jsonb_set($9::jsonb, '{comment,author}', (SELECT to_jsonb(author) FROM author))::json, $1, NULL)
    FROM added
)
SELECT author.*, EXISTS (SELECT FROM target) AS visible, EXISTS (SELECT FROM parent) AS parent,
    (SELECT count(*)::int FROM told) AS added
FROM author
"""

CHANGE_COMMENT = """
UPDATE comments c SET content = $3, edited_at = $4
FROM (SELECT id, content FROM comments WHERE id = $1 AND author_id = $2 FOR NO KEY UPDATE) old
WHERE c.id = old.id
RETURNING old.content, ARRAY(SELECT p.author_id FROM comments p WHERE p.id = c.parent_id) AS above
"""

DELETE_COMMENT = "DELETE FROM comments WHERE id = $1 OR parent_id = $1 RETURNING id"


async def comment_on(viewer: Viewer, target: Target, new: NewComment) -> Comment:
    """Comment on a target, or reply to a comment on it.

    Raises what the target's feature says of a target that is not there; NoSuchParent, ReplyToReply.
    """
    time = now()
    draft = Comment(
        id=CommentID(new_id()),
        target=target,
        parent_id=new.parent_id,
        author=UserRef(viewer.id, "", None, None),
        content=new.content,
        mentions=[],
        reply_count=0,
        created_at=stamp(time),
        edited_at=None,
    )
    try:
        if names_in(new.content):
            return await _add_mentioning(viewer, draft, time)
        return await _add(viewer, draft, time)
    except asyncpg.ForeignKeyViolationError:  # what it goes with was deleted while the statement waited
        raise targets.missing(target) if new.parent_id is None else _refused(NoSuchParent) from None


async def _add_mentioning(viewer: Viewer, draft: Comment, time: datetime) -> Comment:
    async with transaction():
        said = Said("comment", draft.id)
        mentioned = await mention(viewer, said, draft.target, draft.content)
        comment = await _add(viewer, msgspec.structs.replace(draft, mentions=mentioned.users), time)
        if mentioned.news is not None:
            await emit(mentioned.news, actor=viewer.id)
    return comment


async def _add(viewer: Viewer, draft: Comment, time: datetime) -> Comment:
    target = draft.target
    where, told = targets.topic(target), encode(CommentCreated(comment=draft))
    values = (target.type, target.id, draft.parent_id, draft.content, time, where, told)
    row = await db.fetchrow(ADD_COMMENT, viewer.id, draft.id, *values)
    if row is None or not row["visible"]:
        raise targets.missing(target)
    if not row["added"]:
        raise _refused(ReplyToReply if row["parent"] else NoSuchParent)
    author = UserRef(row["id"], row["username"], row["display_name"], row["avatar_url"])
    comment = msgspec.structs.replace(draft, author=author)
    eventlog.announce(CommentCreated(comment=comment))
    return comment


async def edit_comment(viewer: Viewer, comment_id: CommentID, changes: CommentChanges) -> Comment:
    """Change one's own comment. Raises CommentNotFound, NotYourComment."""
    async with transaction():
        before = await db.fetchrow(CHANGE_COMMENT, comment_id, viewer.id, changes.content, now())
        comment = await read_comment(viewer, comment_id)
        if before is None:
            raise NotYourComment
        said = Said("comment", comment_id)
        mentioned = await mention(viewer, said, comment.target, comment.content, before["content"])
        comment = msgspec.structs.replace(comment, mentions=mentioned.users)
        edited = CommentEdited(
            id=comment_id,
            content=comment.content,
            mentions=comment.mentions,
            edited_at=comment.edited_at or comment.created_at,
        )
        things = [f"comment:{each}" for each in (comment_id, comment.parent_id) if each is not None]
        servers = [*map(topics.voice, before["above"]), *map(topics.holds, things)]
        await emit(edited, targets.topic(comment.target), *servers, actor=viewer.id)
        if mentioned.news is not None:
            await emit(mentioned.news, actor=viewer.id)
    return comment


async def delete_comment(viewer: Viewer, comment_id: CommentID) -> None:
    """Delete a comment and its replies: one's own, or on what is one's own. Raises CommentNotFound, NotYourComment."""
    async with transaction():
        held = await hold_comment(viewer, comment_id)
        if viewer.id not in {held.author_id, held.owner_id}:
            raise NotYourComment
        # A statement of its own: only now does it see the replies that the lock has waited for.
        gone = {CommentID(row["id"]) for row in await db.fetch(DELETE_COMMENT, comment_id)}
        ids = [comment_id, *sorted(gone - {comment_id})]
        deleted = CommentDeleted(id=comment_id, ids=ids, parent_id=held.parent_id, target=held.target)
        servers = [*map(topics.voice, [held.author_id, *held.above]), topics.gone(f"comment:{comment_id}")]
        await emit(deleted, targets.topic(held.target), *servers, actor=viewer.id)


# What is above is held first, as by everybody else who deletes: so nobody waits for somebody who waits for them, and no
# reply comes that would go untold.
HOLD_POSTS = """
SELECT FROM posts WHERE id IN (SELECT target_id FROM comments WHERE author_id = $1) ORDER BY id FOR KEY SHARE
"""

HOLD_REVIEWS = """
SELECT FROM reviews WHERE id IN (SELECT target_id FROM comments WHERE author_id = $1) ORDER BY id FOR KEY SHARE
"""

HOLD_ABOVE = """
SELECT FROM comments WHERE id IN (SELECT coalesce(parent_id, id) FROM comments WHERE author_id = $1)
ORDER BY id FOR UPDATE
"""

# A comment is told with its replies, whoever wrote them; a reply alone, unless it goes with the comment above it.
DELETE_ALL_COMMENTS = """
WITH gone AS (
    DELETE FROM comments WHERE id IN (
        SELECT id FROM comments WHERE author_id = $1
        UNION SELECT r.id FROM comments c JOIN comments r ON r.parent_id = c.id WHERE c.author_id = $1
    )
    RETURNING id, parent_id, target_type, target_id
), ended AS (
    SELECT coalesce(above.id, gone.id) AS id, json_agg(gone.id ORDER BY above.id IS NOT NULL, gone.id) AS ids
    FROM gone LEFT JOIN gone above ON above.id = gone.parent_id GROUP BY 1
)
SELECT count(emit_event('comment.deleted',
    ARRAY[target_type || ':' || target_id, 'voice:' || $1::uuid, 'gone:comment:' || gone.id]
        || ARRAY(SELECT 'voice:' || p.author_id FROM comments p WHERE p.id = gone.parent_id),
    json_build_object('id', id, 'ids', ids, 'parent_id', parent_id,
        'target', json_build_object('type', target_type, 'id', target_id)), $1, NULL))
FROM gone JOIN ended USING (id)
"""


async def delete_all_comments(viewer: Viewer) -> None:
    """Delete all that who leaves has said, and what was replied to it. A part of departures."""
    await db.fetch(HOLD_POSTS, viewer.id)
    await db.fetch(HOLD_REVIEWS, viewer.id)
    await db.fetch(HOLD_ABOVE, viewer.id)
    await db.fetchval(DELETE_ALL_COMMENTS, viewer.id)


def _refused(error: type[Invalid]) -> Invalid:
    return error({"parent_id": error().message})
