"""Likes, and the statements that add and remove them: one round trip holds the check, the change and its event."""

import msgspec

from domain import db
from domain.accounts.rules import Viewer
from domain.eventlog import encode
from domain.reactions.events import PostLiked, PostUnliked


class Likes(msgspec.Struct, frozen=True):
    """How many like a post, the viewer's own like included at once, and whether the viewer does."""

    likes: int
    liked: bool


class Change(msgspec.Struct, frozen=True):
    """What a statement found and did."""

    likes: Likes
    changed: bool


# The event is drawn from the row that was added: no row, no event. Its number is drawn after the row's lock.
# It may have waited for the same like from elsewhere, which it then does not see; `others` is right either way.
# Who likes is held before the post: their departure, which deletes their posts, waits for this or this for it.
ADD_LIKE = """
WITH post AS (
    SELECT id FROM visible_posts($1) WHERE id = $2
), liker AS (
    SELECT id FROM users WHERE id = $1 FOR KEY SHARE
), added AS (
    INSERT INTO likes (post_id, user_id) SELECT post.id, liker.id FROM post, liker
    ON CONFLICT DO NOTHING RETURNING post_id
), told AS (
    SELECT emit_event('post.liked', '{}', $3, $1, NULL) FROM added
)
SELECT coalesce(c.likes, 0) + coalesce(own.likes, 0) - (l.user_id IS NOT NULL)::int AS others,
    EXISTS (SELECT FROM told) AS changed
FROM post JOIN liker ON true LEFT JOIN post_counts c ON c.post_id = post.id
LEFT JOIN likes l ON l.post_id = post.id AND l.user_id = $1
LEFT JOIN unfolded_likes($1) own ON own.post_id = post.id
"""

REMOVE_LIKE = """
WITH post AS (
    SELECT id FROM visible_posts($1) WHERE id = $2
), removed AS (
    DELETE FROM likes USING post WHERE post_id = post.id AND user_id = $1 RETURNING post_id
), told AS (
    SELECT emit_event('post.unliked', '{}', $3, $1, NULL) FROM removed
)
SELECT coalesce(c.likes, 0) + coalesce(own.likes, 0) - (l.user_id IS NOT NULL)::int AS others,
    EXISTS (SELECT FROM told) AS changed
FROM post LEFT JOIN post_counts c ON c.post_id = post.id
LEFT JOIN likes l ON l.post_id = post.id AND l.user_id = $1
LEFT JOIN unfolded_likes($1) own ON own.post_id = post.id
"""


async def add_like(viewer: Viewer, liked: PostLiked) -> Change | None:
    """Like a post; None when the viewer may not see it. A like that was there already changes nothing."""
    row = await db.fetchrow(ADD_LIKE, viewer.id, liked.post_id, encode(liked))
    return None if row is None else Change(Likes(row["others"] + 1, liked=True), row["changed"])


async def remove_like(viewer: Viewer, unliked: PostUnliked) -> Change | None:
    """Take a like back; None when the viewer may not see the post."""
    row = await db.fetchrow(REMOVE_LIKE, viewer.id, unliked.post_id, encode(unliked))
    return None if row is None else Change(Likes(row["others"], liked=False), row["changed"])
