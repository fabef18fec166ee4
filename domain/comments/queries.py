"""What can be seen of comments, and by whom."""

from collections.abc import Collection
from uuid import UUID

import msgspec

from domain import db, targets
from domain.accounts.queries import UserRef
from domain.accounts.rules import Viewer
from domain.clock import stamp
from domain.errors import NotFound
from domain.ids import CommentID, UserID
from domain.mentions.queries import mentioned
from domain.targets import Target


class Comment(msgspec.Struct, frozen=True, kw_only=True):
    """A comment as a viewer sees it; `reply_count` counts the replies that they may see."""

    id: CommentID
    target: Target
    parent_id: CommentID | None
    author: UserRef
    content: str
    mentions: list[UserRef]
    reply_count: int
    created_at: str
    edited_at: str | None


class Held(msgspec.Struct, frozen=True):
    """A comment that nobody else changes until the transaction ends. `owner_id` is whose target it is on, `above` who
    wrote what it replies to."""

    author_id: UserID
    above: list[UserID]
    owner_id: UserID
    parent_id: CommentID | None
    target: Target


class CommentNotFound(NotFound):
    """There is no such comment, or you may not see it."""


# $1 is the viewer. This is `visible_comments` again, but a list asks once for all who may see what it is on; a plan of
# everything for each row takes ten times as long to make as to run.
_READ = """
SELECT c.id, c.target_type, c.target_id, c.parent_id, c.content, c.created_at, c.edited_at,
    a.id AS author_id, a.username, a.display_name, a.avatar_url,
    (SELECT count(*)::int FROM comments r JOIN visible_users($1) ra ON ra.id = r.author_id WHERE r.parent_id = c.id)
        AS reply_count,
    CASE WHEN c.content LIKE '%@%' THEN (
        SELECT json_agg(m ORDER BY lower(m.username) COLLATE "C") FROM visible_mentions($1, 'comment', c.id) m
    ) END AS mentions
FROM comments c JOIN visible_users($1) a ON a.id = c.author_id
"""

READ_COMMENT = _READ + "WHERE c.id = $2 AND EXISTS (SELECT FROM visible_comments($1) v WHERE v.id = $2)"

READ_COMMENTS = _READ + (
    "WHERE c.target_type = $2 AND c.target_id = $3 AND c.parent_id IS NULL AND ($4::uuid IS NULL OR c.id > $4)\n"
    "    AND EXISTS (SELECT FROM visible_target($1, $2, $3))\n"
    "ORDER BY c.id LIMIT $5"
)

READ_REPLIES = _READ + (
    "WHERE c.target_type = $2 AND c.target_id = $3 AND ($4::uuid IS NULL OR c.id > $4) AND c.parent_id = $6\n"
    "    AND EXISTS (SELECT FROM visible_comments($1) p WHERE p.id = $6)\n"
    "ORDER BY c.id LIMIT $5"
)

SPOKEN_ON = """
SELECT DISTINCT author_id, target_id FROM comments
WHERE author_id = ANY($1::uuid[]) AND target_id = ANY($2::uuid[])
"""

# A statement that has waited for the row finds none when it was deleted meanwhile.
HOLD_COMMENT = """
SELECT c.author_id, c.parent_id, c.target_type, c.target_id, t.owner_id,
    ARRAY(SELECT p.author_id FROM comments p WHERE p.id = c.parent_id) AS above
FROM comments c
CROSS JOIN LATERAL visible_target($1, c.target_type, c.target_id) t
WHERE c.id = $2 AND EXISTS (SELECT FROM visible_comments($1) v WHERE v.id = $2)
FOR UPDATE OF c
"""


async def read_comment(viewer: Viewer, comment_id: CommentID) -> Comment:
    """The comment. Raises CommentNotFound when there is none or the viewer may not see it."""
    row = await db.fetchrow(READ_COMMENT, viewer.id, comment_id)
    if row is None:
        raise CommentNotFound
    return comment_of(row)


async def read_comments(
    viewer: Viewer, target: Target, parent_id: CommentID | None, after: UUID | None, limit: int
) -> list[Comment]:
    """The comments on a target, or the replies to one of them, oldest first, from after an id on.

    Raises what the target's feature says of a target that is not there, and CommentNotFound for the parent.
    """
    args = (viewer.id, target.type, target.id, after, limit)
    if parent_id is None:
        found = await db.fetch(READ_COMMENTS, *args)
    else:
        found = await db.fetch(READ_REPLIES, *args, parent_id)
    if not found:
        await targets.check_visible(viewer, target)
        if parent_id is not None and (await read_comment(viewer, parent_id)).target != target:
            raise CommentNotFound
    return [comment_of(row) for row in found]


async def spoken_on(people: Collection[UserID], target_ids: Collection[UUID]) -> set[tuple[UserID, UUID]]:
    """(person, target) where one of these people commented on one of these targets, of whatever type."""
    rows = await db.fetch(SPOKEN_ON, people, target_ids)
    return {(row["author_id"], row["target_id"]) for row in rows}


async def hold_comment(viewer: Viewer, comment_id: CommentID) -> Held:
    """Lock it until the transaction ends. Raises CommentNotFound."""
    row = await db.fetchrow(HOLD_COMMENT, viewer.id, comment_id)
    if row is None:
        raise CommentNotFound
    target = Target(row["target_type"], row["target_id"])
    return Held(row["author_id"], row["above"], row["owner_id"], row["parent_id"], target)


def comment_of(row: db.Row) -> Comment:
    """A comment of the row's columns, as those of `_READ` are called."""
    edited = row["edited_at"]
    return Comment(
        id=row["id"],
        target=Target(row["target_type"], row["target_id"]),
        parent_id=row["parent_id"],
        author=UserRef(row["author_id"], row["username"], row["display_name"], row["avatar_url"]),
        content=row["content"],
        mentions=mentioned(row["mentions"]),
        reply_count=row["reply_count"],
        created_at=stamp(row["created_at"]),
        edited_at=None if edited is None else stamp(edited),
    )
