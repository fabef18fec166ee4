"""What can be seen of reviews, and by whom; and the statements that like them."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import msgspec

from domain import db, targets, topics
from domain.accounts.queries import UserRef, Verdict
from domain.accounts.rules import Viewer
from domain.clock import stamp
from domain.dishes.queries import read_dish
from domain.errors import NotFound
from domain.ids import DishID, RestaurantID, ReviewID, UserID
from domain.rankings.queries import DishRef
from domain.reviews.rules import Stars
from domain.targets import Kind


class ReviewTotals(msgspec.Struct, frozen=True):
    """How many like it, and how many comments it has."""

    likes: int = 0
    comments: int = 0


class ReviewOwn(msgspec.Struct, frozen=True):
    """What the viewer did with it."""

    liked: bool


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody says of a dish, as a viewer sees it; `viewer` is null in what everybody is told."""

    id: ReviewID
    author: UserRef
    dish_id: DishID
    dish: DishRef
    restaurant_id: RestaurantID
    content: str
    stars: Stars | None
    photos: list[str]
    counters: ReviewTotals
    viewer: ReviewOwn | None
    created_at: str
    edited_at: str | None


class Liker(UserRef, frozen=True, kw_only=True):
    """Somebody who likes it, and since when."""

    since: str


class ReviewNotFound(NotFound):
    """There is no such review, or you may not see it."""


Before = tuple[datetime, UserID]
"""Where a page of likers begins: behind the one of this id who likes it since then."""

targets.register("review", Kind(topics.review, ReviewNotFound))


# $1 is the viewer.
_READ = """
SELECT r.id, r.dish_id, d.name AS dish_name, r.restaurant_id, r.content, r.stars, r.photos, r.created_at, r.edited_at,
    a.id AS author_id, a.username, a.display_name, a.avatar_url,
    greatest(coalesce(c.likes, 0) + coalesce(own.likes, 0), 0) AS likes,
    greatest(coalesce(c.comments, 0) + coalesce(said.comments, 0), 0) AS comments, l.user_id IS NOT NULL AS liked
FROM visible_reviews($1) r JOIN users a ON a.id = r.author_id JOIN dishes d ON d.id = r.dish_id
LEFT JOIN review_counts c ON c.review_id = r.id
LEFT JOIN review_likes l ON l.review_id = r.id AND l.user_id = $1
LEFT JOIN unfolded_review_likes($1) own ON own.review_id = r.id
LEFT JOIN unfolded_comments($1) said ON said.target_id = r.id
"""

READ_REVIEW = _READ + "WHERE r.id = $2"

READ_REVIEWS_ON = _READ + "WHERE r.dish_id = $2 AND ($3::uuid IS NULL OR r.id < $3) ORDER BY r.id DESC LIMIT $4"

READ_LIKERS = """
SELECT u.id, u.username, u.display_name, u.avatar_url, l.created_at
FROM review_likes l JOIN visible_users($1) u ON u.id = l.user_id
WHERE l.review_id = $2 AND (l.created_at, l.user_id) < (coalesce($3::timestamptz, 'infinity'), $4::uuid)
    AND EXISTS (SELECT FROM visible_reviews($1) v WHERE v.id = $2)
ORDER BY l.created_at DESC, l.user_id DESC LIMIT $5
"""

REVIEW_ACCESS = """
SELECT asked.viewer, a.id, a.owner, a.verdict
FROM unnest($1::uuid[], $2::uuid[]) AS asked (viewer, id), review_access(asked.viewer, ARRAY[asked.id]) a
"""

# What is told on dishes and restaurants of people: what they rank, and what they say of it.
HEARD_OF = """
SELECT user_id, dish_id AS thing FROM dish_rankings WHERE user_id = ANY($1::uuid[]) AND dish_id = ANY($2::uuid[])
UNION
SELECT user_id, restaurant_id FROM dish_rankings WHERE user_id = ANY($1::uuid[]) AND restaurant_id = ANY($2::uuid[])
UNION
SELECT author_id, dish_id FROM reviews WHERE author_id = ANY($1::uuid[]) AND dish_id = ANY($2::uuid[])
UNION
SELECT author_id, restaurant_id FROM reviews WHERE author_id = ANY($1::uuid[]) AND restaurant_id = ANY($2::uuid[])
"""


async def read_review(viewer: Viewer, review_id: ReviewID) -> Review:
    """The review. Raises ReviewNotFound when there is none or the viewer may not see it."""
    row = await db.fetchrow(READ_REVIEW, viewer.id, review_id)
    if row is None:
        raise ReviewNotFound
    return review_of(row)


async def read_reviews_on(viewer: Viewer, dish_id: DishID, before: UUID | None, limit: int) -> list[Review]:
    """The reviews of a dish, newest first, from before an id on. Raises DishNotFound."""
    rows = await db.fetch(READ_REVIEWS_ON, viewer.id, dish_id, before, limit)
    if not rows:
        await read_dish(viewer, dish_id)
    return [review_of(row) for row in rows]


async def read_likers(viewer: Viewer, review_id: ReviewID, before: Before | None, limit: int) -> list[Liker]:
    """Who likes a review, as far as the viewer may see them, the latest first. Raises ReviewNotFound."""
    rows = await db.fetch(READ_LIKERS, viewer.id, review_id, *(before or (None, None)), limit)
    if not rows:
        await read_review(viewer, review_id)
    return [
        Liker(row["id"], row["username"], row["display_name"], row["avatar_url"], since=stamp(row["created_at"]))
        for row in rows
    ]


def position_of(liker: Liker) -> Before:
    """Where the page behind them begins."""
    return datetime.fromisoformat(liker.since), liker.id


async def review_access(asked: Collection[tuple[UserID, UUID]]) -> list[tuple[UserID, UUID, UserID | None, Verdict]]:
    """Of each (viewer, review): its author, and whether the viewer may see it or why not."""
    rows = await db.fetch(REVIEW_ACCESS, [viewer for viewer, _ in asked], [review_id for _, review_id in asked])
    return [(row["viewer"], row["id"], row["owner"], row["verdict"]) for row in rows]


async def heard_of(people: Collection[UserID], things: Collection[UUID]) -> set[tuple[UserID, UUID]]:
    """(person, thing) where one of these people ranked or reviewed one of these dishes, or at these restaurants."""
    return {(row["user_id"], row["thing"]) for row in await db.fetch(HEARD_OF, people, things)}


def review_of(row: db.Row) -> Review:
    """A review of the row's columns, as those of `_READ` are called."""
    edited = row["edited_at"]
    return Review(
        id=row["id"],
        author=UserRef(row["author_id"], row["username"], row["display_name"], row["avatar_url"]),
        dish_id=row["dish_id"],
        dish=DishRef(row["dish_id"], row["dish_name"]),
        restaurant_id=row["restaurant_id"],
        content=row["content"],
        stars=row["stars"],
        photos=row["photos"],
        counters=ReviewTotals(row["likes"], row["comments"]),
        viewer=ReviewOwn(row["liked"]),
        created_at=stamp(row["created_at"]),
        edited_at=None if edited is None else stamp(edited),
    )
