"""Reviewing dishes, editing and deleting reviews; liking them."""

from typing import TypeVar

import asyncpg
import msgspec
from msgspec import UNSET, UnsetType

from domain import db, eventlog, topics
from domain.accounts.queries import UserNotFound, UserRef
from domain.accounts.rules import Viewer
from domain.clock import now, stamp
from domain.db import transaction
from domain.dishes.queries import DishNotFound
from domain.errors import Conflict, Forbidden, Invalid
from domain.eventlog import Event, emit, encode
from domain.ids import DishID, ReviewID, new_id
from domain.rankings.queries import DishRef
from domain.reactions.queries import Likes
from domain.reviews.events import ReviewCreated, ReviewDeleted, ReviewEdited, ReviewLiked, ReviewUnliked
from domain.reviews.queries import Review, ReviewNotFound, ReviewOwn, ReviewTotals, read_review
from domain.reviews.rules import Content, Photos, Stars

T = TypeVar("T")


class NewReview(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A review to be."""

    content: Content
    stars: Stars | None = None
    photos: Photos = []


class ReviewChanges(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What an author changes; what is left out stays."""

    content: Content | UnsetType = UNSET
    stars: Stars | UnsetType | None = UNSET
    photos: Photos | UnsetType = UNSET


class AlreadyReviewed(Conflict):
    """You have reviewed this dish: edit that review, which `details` names."""


class NotYourReview(Forbidden):
    """Only its author may change a review."""


class NothingToChange(Invalid):
    """Name at least one field to change."""


# The author's row is the first that is held, so that the account stays as public as what is told of it; their departure
# waits for this, or this for it.
HOLD_AUTHOR = """
SELECT id, username, display_name, avatar_url, privacy_level = 'public' AS is_public FROM users
WHERE id = $1 FOR SHARE
"""

ADD_REVIEW = """
WITH dish AS (
    SELECT d.id, d.restaurant_id, d.name, d.dish_type, r.city_slug
    FROM dishes d JOIN restaurants r ON r.id = d.restaurant_id WHERE d.id = $3 FOR KEY SHARE OF d
), added AS (
    INSERT INTO reviews (id, author_id, dish_id, restaurant_id, content, stars, photos, created_at)
    SELECT $1, $2, dish.id, dish.restaurant_id, $4, $5, $6, $7 FROM dish
    ON CONFLICT ON CONSTRAINT reviews_once DO NOTHING RETURNING id
)
SELECT dish.*, EXISTS (SELECT FROM added) AS added FROM dish
"""

REVIEW_OF = "SELECT id FROM reviews WHERE author_id = $1 AND dish_id = $2"

CHANGE_REVIEW = """
UPDATE reviews r SET
    content = CASE WHEN 'content' = ANY($3) THEN $4 ELSE r.content END,
    stars = CASE WHEN 'stars' = ANY($3) THEN $5 ELSE r.stars END,
    photos = CASE WHEN 'photos' = ANY($3) THEN $6 ELSE r.photos END,
    edited_at = $7
FROM (SELECT id, stars FROM reviews WHERE id = $1 AND author_id = $2 FOR NO KEY UPDATE) old
WHERE r.id = old.id
RETURNING old.stars
"""

DELETE_REVIEW = "DELETE FROM reviews WHERE id = $1 AND author_id = $2 RETURNING dish_id, restaurant_id"


async def review_dish(viewer: Viewer, dish_id: DishID, new: NewReview) -> Review:
    """Say something of a dish. Raises DishNotFound, AlreadyReviewed; UserNotFound when the account is gone."""
    time, review_id = now(), ReviewID(new_id())
    async with transaction():
        author, is_public = await _hold(viewer)
        values = (review_id, viewer.id, dish_id, new.content, new.stars, new.photos, time)
        dish = await db.fetchrow(ADD_REVIEW, *values)
        if dish is None:
            raise DishNotFound
        if not dish["added"]:  # a statement of its own: it sees what this one has waited for
            raise AlreadyReviewed({"review_id": str(await db.fetchval(REVIEW_OF, viewer.id, dish_id))})
        told = Review(
            id=review_id,
            author=author,
            dish_id=dish_id,
            dish=DishRef(dish_id, dish["name"]),
            restaurant_id=dish["restaurant_id"],
            content=new.content,
            stars=new.stars,
            photos=new.photos,
            counters=ReviewTotals(),
            viewer=None,
            created_at=stamp(time),
            edited_at=None,
        )
        created = ReviewCreated(review=told, dish_type=dish["dish_type"], city=dish["city_slug"])
        heard_by = [topics.dish(dish_id), topics.restaurant(told.restaurant_id)] if is_public else []
        heard_by += [topics.holds(topics.review(review_id))] if is_public else []
        await emit(created, *heard_by, actor=viewer.id)
    return msgspec.structs.replace(told, viewer=ReviewOwn(liked=False))


async def edit_review(viewer: Viewer, review_id: ReviewID, changes: ReviewChanges) -> Review:
    """Change one's own review. Raises ReviewNotFound, NotYourReview, NothingToChange."""
    fields = [name for name in changes.__struct_fields__ if getattr(changes, name) is not UNSET]
    if not fields:
        raise NothingToChange(dict.fromkeys(changes.__struct_fields__, "may be changed"))
    values = [_given(value) for value in (changes.content, changes.stars, changes.photos)]
    async with transaction():
        _, is_public = await _hold(viewer)
        before = await db.fetchrow(CHANGE_REVIEW, review_id, viewer.id, fields, *values, now())
        review = await read_review(viewer, review_id)
        if before is None:
            raise NotYourReview
        edited = ReviewEdited(
            id=review_id,
            dish_id=review.dish_id,
            restaurant_id=review.restaurant_id,
            content=review.content,
            stars=review.stars,
            stars_before=before["stars"],
            photos=review.photos,
            edited_at=review.edited_at or review.created_at,
        )
        holds = topics.holds(topics.review(review_id))
        await emit(edited, *_heard_by(edited, is_public=is_public), holds, actor=viewer.id)
    return review


async def delete_review(viewer: Viewer, review_id: ReviewID) -> None:
    """Delete one's own review and all below it. Raises ReviewNotFound, NotYourReview."""
    async with transaction():
        _, is_public = await _hold(viewer)
        gone = await db.fetchrow(DELETE_REVIEW, review_id, viewer.id)
        if gone is None:
            await read_review(viewer, review_id)
            raise NotYourReview
        deleted = ReviewDeleted(id=review_id, author_id=viewer.id, **gone)
        ended = topics.gone(topics.review(review_id))
        await emit(deleted, *_heard_by(deleted, is_public=is_public), ended, actor=viewer.id)


async def _hold(viewer: Viewer) -> tuple[UserRef, bool]:
    """Who reviews, and whether everybody may hear of it."""
    row = await db.fetchrow(HOLD_AUTHOR, viewer.id)
    if row is None:
        raise UserNotFound
    return UserRef(row["id"], row["username"], row["display_name"], row["avatar_url"]), row["is_public"]


def _heard_by(news: ReviewEdited | ReviewDeleted, *, is_public: bool) -> list[str]:
    everywhere = [topics.dish(news.dish_id), topics.restaurant(news.restaurant_id)]
    return [topics.review(news.id), *(everywhere if is_public else [])]


def _given(value: T | UnsetType) -> T | None:
    return None if isinstance(value, UnsetType) else value


DELETE_ALL_REVIEWS = "DELETE FROM reviews WHERE author_id = $1 RETURNING id, dish_id, restaurant_id"

TELL_DELETED = """
SELECT count(emit_event('review.deleted', ARRAY['review:' || r.id, 'gone:review:' || r.id]
        || CASE WHEN u.privacy_level = 'public'
            THEN ARRAY['dish:' || dish_id, 'restaurant:' || restaurant_id] ELSE '{}' END,
    json_build_object('id', r.id, 'author_id', u.id, 'dish_id', dish_id, 'restaurant_id', restaurant_id), u.id, NULL))
FROM users u, unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS r (id, dish_id, restaurant_id) WHERE u.id = $1
"""


async def delete_all_reviews(viewer: Viewer) -> None:
    """Delete all reviews of who leaves, with what is below them. A part of departures."""
    gone = await db.fetch(DELETE_ALL_REVIEWS, viewer.id)
    # A statement of its own: the deletion has waited for all below the reviews, and told their news comes before this.
    columns = ([row[name] for row in gone] for name in ("id", "dish_id", "restaurant_id"))
    await db.fetchval(TELL_DELETED, viewer.id, *columns)


# As with posts: see domain/reactions/queries.py for the order of what is held.
_LIKE = """
SELECT greatest(coalesce(c.likes, 0) + coalesce(own.likes, 0) - (l.user_id IS NOT NULL)::int, 0) AS others,
    EXISTS (SELECT FROM told) AS changed
FROM review LEFT JOIN review_counts c ON c.review_id = review.id
LEFT JOIN review_likes l ON l.review_id = review.id AND l.user_id = $1
LEFT JOIN unfolded_review_likes($1) own ON own.review_id = review.id
"""

ADD_LIKE = (
    """
WITH review AS (
    SELECT r.id FROM visible_reviews($1) r WHERE r.id = $2
), liker AS (
    SELECT id FROM users WHERE id = $1 FOR KEY SHARE
), added AS (
    INSERT INTO review_likes (review_id, user_id, created_at) SELECT review.id, liker.id, $4 FROM review, liker
    ON CONFLICT DO NOTHING RETURNING review_id
), told AS (
    SELECT emit_event('review.liked', '{}', $3, $1, NULL) FROM added
)
"""  # noqa: S608 # of constants
    + _LIKE
    + "WHERE EXISTS (SELECT FROM liker)"
)

REMOVE_LIKE = (
    """
WITH review AS (
    SELECT r.id FROM visible_reviews($1) r WHERE r.id = $2
), removed AS (
    DELETE FROM review_likes USING review WHERE review_id = review.id AND user_id = $1 RETURNING review_id
), told AS (
    SELECT emit_event('review.unliked', '{}', $3, $1, NULL) FROM removed
)
"""  # noqa: S608 # of constants
    + _LIKE
)


async def like_review(viewer: Viewer, review_id: ReviewID) -> Likes:
    """Like a review; twice is once. Raises ReviewNotFound."""
    liked = ReviewLiked(review_id=review_id, user_id=viewer.id)
    try:
        row = await db.fetchrow(ADD_LIKE, viewer.id, review_id, encode(liked), now())
    except asyncpg.ForeignKeyViolationError:  # the review, or the account, was deleted while the statement waited
        raise ReviewNotFound from None
    return Likes(_changed(row, liked) + 1, liked=True)


async def unlike_review(viewer: Viewer, review_id: ReviewID) -> Likes:
    """Take a like back, if there is one. Raises ReviewNotFound."""
    unliked = ReviewUnliked(review_id=review_id, user_id=viewer.id)
    row = await db.fetchrow(REMOVE_LIKE, viewer.id, review_id, encode(unliked))
    return Likes(_changed(row, unliked), liked=False)


def _changed(row: db.Row | None, told: Event) -> int:
    """How many others like it."""
    if row is None:
        raise ReviewNotFound
    if row["changed"]:
        eventlog.announce(told)
    return row["others"]


UNLIKE_ALL_REVIEWS = """
WITH removed AS (
    DELETE FROM review_likes WHERE user_id = $1 RETURNING review_id
)
SELECT count(emit_event('review.unliked', '{}', json_build_object('review_id', review_id, 'user_id', $1::uuid), $1,
    NULL))
FROM removed
"""


async def unlike_all_reviews(viewer: Viewer) -> None:
    """Take all likes of who leaves back. A part of departures."""
    await db.fetchval(UNLIKE_ALL_REVIEWS, viewer.id)
