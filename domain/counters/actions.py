"""Folding: events become changed counts and the news of them, in as many statements for 1 as for 100,000."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import msgspec

from domain import db, topics
from domain.accounts.events import UserDeleted
from domain.comments.events import CommentCreated, CommentDeleted
from domain.counters.events import DishCounters, PostCounters, RestaurantCounters, ReviewCounters, UserCounters
from domain.dishes.events import DishAdded, DishRemoved
from domain.eventlog import Event, Logged, emit_all, of
from domain.graph.events import FollowAccepted, FollowerRemoved, UserFollowed, UserUnfollowed
from domain.posts.events import PostDeleted, PostPublished
from domain.rankings.events import RankingChanged
from domain.reactions.events import PostLiked, PostUnliked
from domain.reviews.events import ReviewCreated, ReviewDeleted, ReviewLiked, ReviewUnliked
from domain.targets import TargetType

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
    UserDeleted,
    DishAdded,
    DishRemoved,
    RankingChanged,
    ReviewCreated,
    ReviewDeleted,
    ReviewLiked,
    ReviewUnliked,
)

# Of what is gone by now nothing is counted: its deletion follows, or was folded before.
ADD_TO_POSTS = """
INSERT INTO post_counts AS c (post_id, likes, comments)
SELECT post_id, delta.likes, delta.comments
FROM unnest($1::uuid[], $2::int[], $3::int[]) AS delta (post_id, likes, comments) JOIN posts p ON p.id = post_id
ORDER BY post_id
ON CONFLICT (post_id) DO UPDATE SET likes = c.likes + excluded.likes, comments = c.comments + excluded.comments
RETURNING post_id, likes, reactions, comments, shares
"""

ADD_TO_REVIEWS = """
INSERT INTO review_counts AS c (review_id, likes, comments)
SELECT review_id, delta.likes, delta.comments
FROM unnest($1::uuid[], $2::int[], $3::int[]) AS delta (review_id, likes, comments) JOIN reviews r ON r.id = review_id
ORDER BY review_id
ON CONFLICT (review_id) DO UPDATE SET likes = c.likes + excluded.likes, comments = c.comments + excluded.comments
RETURNING review_id, likes, comments
"""

ADD_TO_USERS = """
INSERT INTO user_counts AS c (user_id, followers, following, posts)
SELECT delta.*
FROM unnest($1::uuid[], $2::int[], $3::int[], $4::int[]) AS delta (user_id, followers, following, posts)
JOIN users u ON u.id = user_id
ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET followers = c.followers + excluded.followers,
    following = c.following + excluded.following, posts = c.posts + excluded.posts
RETURNING user_id, followers, following, posts
"""

# Restaurants are never deleted.
ADD_TO_RESTAURANTS = """
INSERT INTO restaurant_counts AS c (restaurant_id, dishes, reviews)
SELECT delta.* FROM unnest($1::uuid[], $2::int[], $3::int[]) AS delta (restaurant_id, dishes, reviews)
ORDER BY restaurant_id
ON CONFLICT (restaurant_id) DO UPDATE SET dishes = c.dishes + excluded.dishes, reviews = c.reviews + excluded.reviews
RETURNING restaurant_id, dishes, reviews
"""

ADD_TO_DISHES = """
INSERT INTO dish_counts AS c (dish_id, rankings, reviews)
SELECT delta.* FROM unnest($1::uuid[], $2::int[], $3::int[]) AS delta (dish_id, rankings, reviews)
JOIN dishes d ON d.id = dish_id
ORDER BY dish_id
ON CONFLICT (dish_id) DO UPDATE SET rankings = c.rankings + excluded.rankings, reviews = c.reviews + excluded.reviews
RETURNING dish_id, rankings, reviews
"""

FORGET_DISHES = "DELETE FROM dish_counts WHERE dish_id = ANY($1::uuid[])"

FORGET_POSTS = "DELETE FROM post_counts WHERE post_id = ANY($1::uuid[])"

FORGET_REVIEWS = "DELETE FROM review_counts WHERE review_id = ANY($1::uuid[])"

FORGET_USERS = "DELETE FROM user_counts WHERE user_id = ANY($1::uuid[])"


async def fold(events: Sequence[Logged]) -> None:
    """Add what the events say to the counts and tell the new ones, also where it nets to nothing: a page may hold a
    count with what its viewer did, and took back before either was folded."""
    gone = {deleted.id: deleted.author_id for deleted in of(events, PostDeleted)}
    left = [each.user_id for each in of(events, UserDeleted)]
    likes, comments = _likes(events), _comments(events, "post")
    posts: Counter[UUID] = Counter(published.post.author.id for published in of(events, PostPublished))
    posts.subtract(gone.values())
    followers, following = _follows(events)
    news: list[tuple[Event, str]] = []
    if touched := [post_id for post_id in dict(likes) | comments if post_id not in gone]:
        deltas = [[counter[post_id] for post_id in touched] for counter in (likes, comments)]
        rows = await db.fetch(ADD_TO_POSTS, touched, *deltas)
        news += [(_post_counters(row), topics.post(row["post_id"])) for row in rows]
    if users := list(dict(followers) | following | {each: number for each, number in posts.items() if number}):
        deltas = [[counter[user_id] for user_id in users] for counter in (followers, following, posts)]
        rows = await db.fetch(ADD_TO_USERS, users, *deltas)
        news += [(_user_counters(row), topics.user(row["user_id"])) for row in rows]
    news += await _reviews(events)
    news += await _places(events)
    if gone:
        await db.execute(FORGET_POSTS, list(gone))
    if left:
        await db.execute(FORGET_USERS, left)
    await emit_all(news)


async def _reviews(events: Sequence[Logged]) -> list[tuple[Event, str]]:
    """Count likes of reviews and comments on them; the news of it."""
    gone = {deleted.id for deleted in of(events, ReviewDeleted)}
    likes: Counter[UUID] = Counter(liked.review_id for liked in of(events, ReviewLiked))
    likes.subtract(unliked.review_id for unliked in of(events, ReviewUnliked))
    comments = _comments(events, "review")
    news: list[tuple[Event, str]] = []
    if touched := [review_id for review_id in dict(likes) | comments if review_id not in gone]:
        deltas = [[counter[review_id] for review_id in touched] for counter in (likes, comments)]
        rows = await db.fetch(ADD_TO_REVIEWS, touched, *deltas)
        news += [(_review_counters(row), topics.review(row["review_id"])) for row in rows]
    if gone:
        await db.execute(FORGET_REVIEWS, list(gone))
    return news


async def _places(events: Sequence[Logged]) -> list[tuple[Event, str]]:
    """Count dishes, their rankings and reviews; the news of it."""
    removed = of(events, DishRemoved)
    rankings: Counter[UUID] = Counter()
    for each in of(events, RankingChanged):
        rankings[each.dish_id] += (each.before is None) - (each.ranking is None)
    dishes: Counter[UUID] = Counter(added.dish.restaurant.id for added in of(events, DishAdded))
    dishes.subtract(each.restaurant_id for each in removed)
    created, deleted = of(events, ReviewCreated), of(events, ReviewDeleted)
    said: Counter[UUID] = Counter(each.review.dish_id for each in created)
    said.subtract(each.dish_id for each in deleted)
    said_at: Counter[UUID] = Counter(each.review.restaurant_id for each in created)
    said_at.subtract(each.restaurant_id for each in deleted)
    news: list[tuple[Event, str]] = []
    if restaurants := list(dict(dishes) | said_at):
        deltas = [[counter[restaurant_id] for restaurant_id in restaurants] for counter in (dishes, said_at)]
        rows = await db.fetch(ADD_TO_RESTAURANTS, restaurants, *deltas)
        news += [(_restaurant_counters(row), topics.restaurant(row["restaurant_id"])) for row in rows]
    if touched := list(dict(rankings) | said):
        deltas = [[counter[dish_id] for dish_id in touched] for counter in (rankings, said)]
        rows = await db.fetch(ADD_TO_DISHES, touched, *deltas)
        news += [(_dish_counters(row), topics.dish(row["dish_id"])) for row in rows]
    if removed:
        await db.execute(FORGET_DISHES, [each.id for each in removed])
    return news


def _likes(events: Sequence[Logged]) -> Counter[UUID]:
    """By how many each post has more likes."""
    likes: Counter[UUID] = Counter(liked.post_id for liked in of(events, PostLiked))
    likes.subtract(unliked.post_id for unliked in of(events, PostUnliked))
    return likes


def _comments(events: Sequence[Logged], kind: TargetType) -> Counter[UUID]:
    """By how many each target of this type has more comments."""
    created = (each.comment.target for each in of(events, CommentCreated))
    comments: Counter[UUID] = Counter(target.id for target in created if target.type == kind)
    for removed in of(events, CommentDeleted):
        if removed.target.type == kind:
            comments[removed.target.id] -= len(removed.ids)
    return comments


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


def _post_counters(row: db.Row) -> PostCounters:
    reactions = msgspec.json.decode(row["reactions"], type=dict[str, int])
    return PostCounters(likes=row["likes"], reactions=reactions, comments=row["comments"], shares=row["shares"])


def _review_counters(row: db.Row) -> ReviewCounters:
    return ReviewCounters(likes=row["likes"], comments=row["comments"])


def _user_counters(row: db.Row) -> UserCounters:
    return UserCounters(followers=row["followers"], following=row["following"], posts=row["posts"])


def _restaurant_counters(row: db.Row) -> RestaurantCounters:
    return RestaurantCounters(dishes=row["dishes"], reviews=row["reviews"])


def _dish_counters(row: db.Row) -> DishCounters:
    return DishCounters(rankings=row["rankings"], reviews=row["reviews"])
