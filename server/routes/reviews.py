"""Reviews of dishes over HTTP."""

from uuid import UUID

from litestar import delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from domain.accounts.rules import Viewer
from domain.ids import DishID, ReviewID
from domain.reactions.queries import Likes
from domain.reviews import actions, queries
from domain.reviews.actions import NewReview, ReviewChanges
from domain.reviews.queries import Before, Liker, Review
from server.paging import Cursor, Limit, Page, page, position_in


@post("/api/v1/dishes/{dish_id:uuid}/reviews")
async def review_dish(viewer: NamedDependency[Viewer], dish_id: FromPath[UUID], data: JSONBody[NewReview]) -> Review:
    """Review a dish, once; a second time is 409, and names the review that there is."""
    return await actions.review_dish(viewer, DishID(dish_id), data)


@get("/api/v1/dishes/{dish_id:uuid}/reviews")
async def read_reviews_on_dish(
    viewer: NamedDependency[Viewer],
    dish_id: FromPath[UUID],
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[Review]:
    """What people say of a dish, the newest first."""
    found = await queries.read_reviews_on(viewer, DishID(dish_id), position_in(cursor, UUID), limit + 1)
    return page(found, limit, lambda last: last.id)


@get("/api/v1/reviews/{review_id:uuid}")
async def read_review(viewer: NamedDependency[Viewer], review_id: FromPath[UUID]) -> Review:
    """One review."""
    return await queries.read_review(viewer, ReviewID(review_id))


@patch("/api/v1/reviews/{review_id:uuid}")
async def edit_review(
    viewer: NamedDependency[Viewer], review_id: FromPath[UUID], data: JSONBody[ReviewChanges]
) -> Review:
    """Change one's own review; what is left out stays."""
    return await actions.edit_review(viewer, ReviewID(review_id), data)


@delete("/api/v1/reviews/{review_id:uuid}")
async def delete_review(viewer: NamedDependency[Viewer], review_id: FromPath[UUID]) -> None:
    """Delete one's own review and all below it."""
    await actions.delete_review(viewer, ReviewID(review_id))


@put("/api/v1/reviews/{review_id:uuid}/like")
async def like_review(viewer: NamedDependency[Viewer], review_id: FromPath[UUID]) -> Likes:
    """Like a review; twice is once."""
    return await actions.like_review(viewer, ReviewID(review_id))


@delete("/api/v1/reviews/{review_id:uuid}/like", status_code=200)
async def unlike_review(viewer: NamedDependency[Viewer], review_id: FromPath[UUID]) -> Likes:
    """Take a like back."""
    return await actions.unlike_review(viewer, ReviewID(review_id))


@get("/api/v1/reviews/{review_id:uuid}/likes")
async def read_likers(
    viewer: NamedDependency[Viewer],
    review_id: FromPath[UUID],
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[Liker]:
    """Who likes a review, the latest first."""
    found = await queries.read_likers(viewer, ReviewID(review_id), position_in(cursor, Before), limit + 1)
    return page(found, limit, queries.position_of)


routes = [
    review_dish,
    read_reviews_on_dish,
    read_review,
    edit_review,
    delete_review,
    like_review,
    unlike_review,
    read_likers,
]
