"""Commenting, replying, editing and deleting."""

import asyncpg
import msgspec

from domain import db, eventlog, targets
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
    SELECT id, username, display_name, avatar_url FROM users WHERE id = $1
), target AS (
    SELECT id FROM visible_targets($1) WHERE type = $3 AND id = $4
), parent AS (
    SELECT parent_id FROM visible_comments($1) WHERE id = $5 AND target_type = $3 AND target_id = $4
), added AS (
    INSERT INTO comments (id, target_type, target_id, parent_id, author_id, content, created_at)
    SELECT $2, $3, target.id, $5, author.id, $6, $7 FROM target, author
    WHERE $5::uuid IS NULL OR EXISTS (SELECT FROM parent WHERE parent_id IS NULL)
    RETURNING id
), told AS (
    SELECT emit_event('comment.created', ARRAY[$8],
        jsonb_set($9::jsonb, '{comment,author}', (SELECT to_jsonb(author) FROM author))::json, $1, NULL)
    FROM added
)
SELECT author.*, EXISTS (SELECT FROM target) AS visible, EXISTS (SELECT FROM parent) AS parent,
    (SELECT count(*)::int FROM told) AS added
FROM author
"""

CHANGE_COMMENT = "UPDATE comments SET content = $3, edited_at = $4 WHERE id = $1 AND author_id = $2"

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
    where, told = targets.topic(target), encode(CommentCreated(comment=draft))
    values = (target.type, target.id, new.parent_id, new.content, time, where, told)
    try:
        row = await db.fetchrow(ADD_COMMENT, viewer.id, draft.id, *values)
    except asyncpg.ForeignKeyViolationError:  # what it goes with was deleted while the statement waited
        raise targets.missing(target) if new.parent_id is None else _refused(NoSuchParent) from None
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
        status = await db.execute(CHANGE_COMMENT, comment_id, viewer.id, changes.content, now())
        comment = await read_comment(viewer, comment_id)
        if not db.changed(status):
            raise NotYourComment
        edited = CommentEdited(
            id=comment_id, content=comment.content, edited_at=comment.edited_at or comment.created_at
        )
        await emit(edited, targets.topic(comment.target), actor=viewer.id)
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
        await emit(deleted, targets.topic(held.target), actor=viewer.id)


def _refused(error: type[Invalid]) -> Invalid:
    return error({"parent_id": error().message})
