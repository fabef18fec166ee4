"""Likes, and the statements that add and remove them: one round trip holds the check, the change and its event."""

from collections.abc import Sequence

import msgspec

from domain import db
from domain.accounts.rules import Viewer
from domain.eventlog import encode
from domain.reactions.events import PostLiked, PostUnliked


class Likes(msgspec.Struct, frozen=True):
    """How many like it, the viewer's own like included at once, and whether the viewer does."""

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

# The same for many, in as many rows as can be had without waiting: who or what is held by somebody else is left out.
# So nobody waits for another's luck, and no two of these for each other: what they do wait for they take in one order.
# (SELECT $1) hides from the planner how many there are: else it would make a plan for each number, and each time.
ADD_LIKES = """
WITH asked AS (
    SELECT * FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[]), (SELECT $3::json[])) AS a (user_id, post_id, data)
), liker AS (
    SELECT id FROM users WHERE id = ANY(ARRAY(SELECT user_id FROM asked)) FOR KEY SHARE SKIP LOCKED
), post AS (
    SELECT id FROM posts WHERE id = ANY(ARRAY(SELECT post_id FROM asked)) FOR KEY SHARE SKIP LOCKED
), seen AS (
    SELECT asked.* FROM asked JOIN liker ON liker.id = user_id JOIN post ON post.id = post_id
    WHERE EXISTS (SELECT FROM visible_posts(user_id) v WHERE v.id = post_id)
), added AS (
    INSERT INTO likes (post_id, user_id) SELECT post_id, user_id FROM seen ORDER BY post_id, user_id
    ON CONFLICT DO NOTHING RETURNING post_id, user_id
), told AS (
    INSERT INTO events (type, data, actor)
    SELECT 'post.liked', data, user_id FROM added JOIN seen USING (post_id, user_id)
)
SELECT seen.user_id, seen.post_id, added.user_id IS NOT NULL AS changed,
    coalesce((SELECT c.likes FROM post_counts c WHERE c.post_id = seen.post_id), 0) + coalesce(own.likes, 0)
        - (SELECT count(*)::int FROM likes l WHERE l.post_id = seen.post_id AND l.user_id = seen.user_id) AS others
FROM seen LEFT JOIN added USING (post_id, user_id) LEFT JOIN unfolded_likes_of($1) own USING (post_id, user_id)
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


async def add_like(liked: PostLiked) -> Change | None:
    """Like a post; None when who likes may not see it. A like that was there already changes nothing."""
    row = await db.fetchrow(ADD_LIKE, liked.user_id, liked.post_id, encode(liked))
    return None if row is None else Change(Likes(row["others"] + 1, liked=True), row["changed"])


async def add_likes(liked: Sequence[PostLiked]) -> dict[PostLiked, Change]:
    """Like posts; without those that who likes may not see, and without those that would have to wait."""
    users, posts = [each.user_id for each in liked], [each.post_id for each in liked]
    rows = await db.fetch(ADD_LIKES, users, posts, [encode(each) for each in liked])
    return {
        PostLiked(post_id=row["post_id"], user_id=row["user_id"]): Change(
            Likes(row["others"] + 1, liked=True), row["changed"]
        )
        for row in rows
    }


async def remove_like(viewer: Viewer, unliked: PostUnliked) -> Change | None:
    """Take a like back; None when the viewer may not see the post."""
    row = await db.fetchrow(REMOVE_LIKE, viewer.id, unliked.post_id, encode(unliked))
    return None if row is None else Change(Likes(row["others"], liked=False), row["changed"])
