"""Liking and unliking. Each is one statement, and so one transaction: the row and its event. Likes that come while
others are under way share theirs.
"""

from collections.abc import Sequence

import asyncpg

from domain import db, eventlog
from domain.accounts.rules import Viewer
from domain.ids import PostID
from domain.posts.queries import PostNotFound
from domain.reactions import queries
from domain.reactions.events import PostLiked, PostUnliked
from domain.reactions.queries import Likes
from domain.settings import settings
from domain.together import Together


async def like_post(viewer: Viewer, post_id: PostID) -> Likes:
    """Like a post; twice is once. Raises PostNotFound, and TooMany when the database is far behind."""
    liked = PostLiked(post_id=post_id, user_id=viewer.id)
    likes = None if db.in_transaction() else await _together.of(liked)
    return await _like_alone(liked) if likes is None else likes


async def _like_alone(liked: PostLiked) -> Likes:
    try:
        change = await queries.add_like(liked)
    except asyncpg.ForeignKeyViolationError:  # the post, or the account, was deleted while the statement waited
        raise PostNotFound from None
    if change is None:
        raise PostNotFound
    if change.changed:
        eventlog.announce(liked)
    return change.likes


async def _like_together(liked: Sequence[PostLiked]) -> list[Likes | None]:
    """None for what has to be asked for alone: it has to wait for somebody, or there is no such post."""
    changes = await queries.add_likes(list(dict.fromkeys(liked)))
    eventlog.announce(*(each for each, change in changes.items() if change.changed))
    return [changes[each].likes if each in changes else None for each in liked]


_together = Together(
    _like_together,
    lanes=settings.like_lanes,
    at_most=settings.likes_per_statement,
    longest=settings.likes_waiting,
)


async def unlike_post(viewer: Viewer, post_id: PostID) -> Likes:
    """Take a like back, if there is one. Raises PostNotFound."""
    unliked = PostUnliked(post_id=post_id, user_id=viewer.id)
    change = await queries.remove_like(viewer, unliked)
    if change is None:
        raise PostNotFound
    if change.changed:
        eventlog.announce(unliked)
    return change.likes


UNLIKE_ALL = """
WITH removed AS (
    DELETE FROM likes WHERE user_id = $1 RETURNING post_id
)
SELECT count(emit_event('post.unliked', '{}', json_build_object('post_id', post_id, 'user_id', $1::uuid), $1, NULL))
FROM removed
"""


async def unlike_all(viewer: Viewer) -> None:
    """Take all likes of who leaves back. A part of departures."""
    await db.fetchval(UNLIKE_ALL, viewer.id)
