"""Folding: events become changed counts and the news of them, in as many statements for 1 as for 100,000."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import msgspec

from domain import db, topics
from domain.comments.events import CommentCreated, CommentDeleted
from domain.counters.events import PostCounters, UserCounters
from domain.eventlog import Event, Logged, emit_all, of
from domain.graph.events import FollowAccepted, FollowerRemoved, UserFollowed, UserUnfollowed
from domain.posts.events import PostDeleted, PostPublished
from domain.reactions.events import PostLiked, PostUnliked

FOLDED: tuple[type[Event], ...] = (
    PostLiked,
    PostUnliked,
    PostPublished,
    PostDeleted,
    CommentCreated,
    CommentDeleted,
    UserFollowed,
    FollowAccepted,
    UserUnfollowed,
    FollowerRemoved,
)

ADD_TO_POSTS = """
INSERT INTO post_counts AS c (post_id, likes, comments)
SELECT post_id, likes, comments FROM unnest($1::uuid[], $2::int[], $3::int[]) AS delta (post_id, likes, comments)
ORDER BY post_id
ON CONFLICT (post_id) DO UPDATE SET likes = c.likes + excluded.likes, comments = c.comments + excluded.comments
RETURNING post_id, likes, reactions, comments, shares
"""

ADD_TO_USERS = """
INSERT INTO user_counts AS c (user_id, followers, following, posts)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::int[]) AS delta (user_id, followers, following, posts)
ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET followers = c.followers + excluded.followers,
    following = c.following + excluded.following, posts = c.posts + excluded.posts
RETURNING user_id, followers, following, posts
"""

FORGET_POSTS = "DELETE FROM post_counts WHERE post_id = ANY($1::uuid[])"


async def fold(events: Sequence[Logged]) -> None:
    """Add what the events say to the counts and tell the new ones."""
    likes: Counter[UUID] = Counter()
    comments: Counter[UUID] = Counter()
    posts: Counter[UUID] = Counter()
    for liked in of(events, PostLiked):
        likes[liked.post_id] += 1
    for unliked in of(events, PostUnliked):
        likes[unliked.post_id] -= 1
    for created in of(events, CommentCreated):
        comments[created.comment.target.id] += 1
    for removed in of(events, CommentDeleted):
        comments[removed.target.id] -= len(removed.ids)
    for published in of(events, PostPublished):
        posts[published.post.author.id] += 1
    gone: list[UUID] = []
    for deleted in of(events, PostDeleted):
        gone.append(deleted.id)
        posts[deleted.author_id] -= 1
        likes.pop(deleted.id, None)
        comments.pop(deleted.id, None)
    followers, following = _follows(events)
    news: list[tuple[Event, str]] = []
    if touched := list({**_nonzero(likes), **_nonzero(comments)}):
        deltas = [[counter[post_id] for post_id in touched] for counter in (likes, comments)]
        rows = await db.fetch(ADD_TO_POSTS, touched, *deltas)
        news += [(_post_counters(row), topics.post(row["post_id"])) for row in rows]
    if users := list({**_nonzero(followers), **_nonzero(following), **_nonzero(posts)}):
        deltas = [[counter[user_id] for user_id in users] for counter in (followers, following, posts)]
        rows = await db.fetch(ADD_TO_USERS, users, *deltas)
        news += [(_user_counters(row), topics.user(row["user_id"])) for row in rows]
    if gone:
        await db.execute(FORGET_POSTS, gone)
    await emit_all(news)


def _follows(events: Sequence[Logged]) -> tuple[Counter[UUID], Counter[UUID]]:
    """By how much each user has more followers, and follows more."""
    followers: Counter[UUID] = Counter()
    following: Counter[UUID] = Counter()
    for begun in (*of(events, UserFollowed), *of(events, FollowAccepted)):
        followers[begun.followed_id] += 1
        following[begun.follower_id] += 1
    for ended in (*of(events, UserUnfollowed), *of(events, FollowerRemoved)):
        followers[ended.followed_id] -= 1
        following[ended.follower_id] -= 1
    return followers, following


def _nonzero(deltas: Counter[UUID]) -> Counter[UUID]:
    return Counter({key: delta for key, delta in deltas.items() if delta})


def _post_counters(row: db.Row) -> PostCounters:
    reactions = msgspec.json.decode(row["reactions"], type=dict[str, int])
    return PostCounters(likes=row["likes"], reactions=reactions, comments=row["comments"], shares=row["shares"])


def _user_counters(row: db.Row) -> UserCounters:
    return UserCounters(followers=row["followers"], following=row["following"], posts=row["posts"])
