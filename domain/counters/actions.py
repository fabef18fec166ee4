"""Folding: events become changed counts and the news of them, in as many statements for 1 as for 100,000."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import msgspec

from domain import db, topics
from domain.counters.events import PostCounters, UserCounters
from domain.eventlog import Event, Logged, emit_all, of
from domain.posts.events import PostDeleted, PostPublished
from domain.reactions.events import PostLiked, PostUnliked

FOLDED: tuple[type[Event], ...] = (PostLiked, PostUnliked, PostPublished, PostDeleted)

ADD_TO_POSTS = """
INSERT INTO post_counts AS c (post_id, likes)
SELECT post_id, likes FROM unnest($1::uuid[], $2::int[]) AS delta (post_id, likes) ORDER BY post_id
ON CONFLICT (post_id) DO UPDATE SET likes = c.likes + excluded.likes
RETURNING post_id, likes, reactions, comments, shares
"""

ADD_TO_USERS = """
INSERT INTO user_counts AS c (user_id, posts)
SELECT user_id, posts FROM unnest($1::uuid[], $2::int[]) AS delta (user_id, posts) ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET posts = c.posts + excluded.posts
RETURNING user_id, followers, following, posts
"""

FORGET_POSTS = "DELETE FROM post_counts WHERE post_id = ANY($1::uuid[])"


async def fold(events: Sequence[Logged]) -> None:
    """Add what the events say to the counts and tell the new ones."""
    likes: Counter[UUID] = Counter()
    posts: Counter[UUID] = Counter()
    for liked in of(events, PostLiked):
        likes[liked.post_id] += 1
    for unliked in of(events, PostUnliked):
        likes[unliked.post_id] -= 1
    for published in of(events, PostPublished):
        posts[published.post.author.id] += 1
    gone: list[UUID] = []
    for deleted in of(events, PostDeleted):
        gone.append(deleted.id)
        posts[deleted.author_id] -= 1
        likes.pop(deleted.id, None)
    news: list[tuple[Event, str]] = []
    if likes := _nonzero(likes):
        rows = await db.fetch(ADD_TO_POSTS, list(likes), list(likes.values()))
        news += [(_post_counters(row), topics.post(row["post_id"])) for row in rows]
    if posts := _nonzero(posts):
        rows = await db.fetch(ADD_TO_USERS, list(posts), list(posts.values()))
        news += [(_user_counters(row), topics.user(row["user_id"])) for row in rows]
    if gone:
        await db.execute(FORGET_POSTS, gone)
    await emit_all(news)


def _nonzero(deltas: Counter[UUID]) -> Counter[UUID]:
    return Counter({key: delta for key, delta in deltas.items() if delta})


def _post_counters(row: db.Row) -> PostCounters:
    reactions = msgspec.json.decode(row["reactions"], type=dict[str, int])
    return PostCounters(likes=row["likes"], reactions=reactions, comments=row["comments"], shares=row["shares"])


def _user_counters(row: db.Row) -> UserCounters:
    return UserCounters(followers=row["followers"], following=row["following"], posts=row["posts"])
