"""Mentioning: as a part of publishing, commenting and editing."""

from typing import Annotated

import msgspec
from msgspec import Meta

from domain import db
from domain.accounts.queries import UserRef
from domain.accounts.rules import Viewer
from domain.clock import now
from domain.ids import PostID, ReviewID
from domain.mentions.events import MentionsChanged
from domain.mentions.queries import Said, mentioned
from domain.mentions.rules import NAMES, Name, names_in
from domain.targets import Target


class Names(msgspec.Struct, forbid_unknown_fields=True):
    """What the viewer wants to know to be usernames."""

    usernames: Annotated[list[Name], Meta(max_length=NAMES)]


class Mentioned(msgspec.Struct, frozen=True):
    """Whom a content mentions, and what of that is to be told, if anything."""

    users: list[UserRef]
    news: MentionsChanged | None


# Nobody who is mentioned is deleted before this is committed. Who is being deleted at this moment is nobody to
# mention, and takes their mentions along: waiting for them could be for ever, for they may wait for this comment.
MENTION = """
WITH named AS (
    SELECT u.id, u.username, u.display_name, u.avatar_url FROM users u
    WHERE lower(u.username) = ANY($5::text[]) AND u.id <> $1
        AND EXISTS (SELECT FROM visible_users($1) v WHERE v.id = u.id)
    FOR KEY SHARE OF u SKIP LOCKED
), left_out AS (
    SELECT target_type, target_id, user_id FROM mentions
    WHERE target_type = $2 AND target_id = $3 AND user_id NOT IN (SELECT id FROM named) FOR UPDATE SKIP LOCKED
), removed AS (
    DELETE FROM mentions m USING left_out l
    WHERE (m.target_type, m.target_id, m.user_id) = (l.target_type, l.target_id, l.user_id) RETURNING m.user_id
), added AS (
    INSERT INTO mentions (target_type, target_id, user_id, created_at) SELECT $2, $3, id, $4 FROM named
    ON CONFLICT DO NOTHING RETURNING user_id
)
SELECT (SELECT json_agg(n ORDER BY lower(n.username) COLLATE "C") FROM named n) AS users,
    ARRAY(SELECT user_id FROM added ORDER BY user_id) AS added,
    ARRAY(SELECT user_id FROM removed ORDER BY user_id) AS removed
"""


async def mention(viewer: Viewer, said: Said, on: Target, content: str, before: str = "") -> Mentioned:
    """Have what was said, itself `on` or a comment on that, mention whom its content names, and no longer whom it named
    `before`.

    A part of the caller's transaction, behind its lock on what was said; the caller emits the news after its own.
    """
    names = names_in(content)
    if not names and not names_in(before):
        return Mentioned([], None)
    row = await db.fetchrow(MENTION, viewer.id, said.type, said.id, now(), names)
    assert row is not None  # it has no FROM
    users, added, removed = mentioned(row["users"]), row["added"], row["removed"]
    if not added and not removed:
        return Mentioned(users, None)
    news = MentionsChanged(
        target=said,
        post_id=PostID(on.id) if on.type == "post" else None,
        review_id=ReviewID(on.id) if on.type == "review" else None,
        author_id=viewer.id,
        added=added,
        removed=removed,
    )
    return Mentioned(users, news)
