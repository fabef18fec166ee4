"""Comments over HTTP."""

from uuid import UUID

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from domain.accounts.rules import Viewer
from domain.comments import actions, queries
from domain.comments.actions import CommentChanges, NewComment
from domain.comments.queries import Comment
from domain.ids import CommentID
from domain.targets import Target
from server.paging import Cursor, Limit, Page, page, position_in


@post("/api/v1/posts/{post_id:uuid}/comments")
async def comment_on_post(
    viewer: NamedDependency[Viewer], post_id: FromPath[UUID], data: JSONBody[NewComment]
) -> Comment:
    """Comment on a post, or reply to a comment on it."""
    return await actions.comment_on(viewer, Target("post", post_id), data)


@get("/api/v1/posts/{post_id:uuid}/comments")
async def read_comments_on_post(
    viewer: NamedDependency[Viewer],
    post_id: FromPath[UUID],
    parent_id: FromQuery[UUID | None] = None,
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[Comment]:
    """The comments on a post, or the replies to one of them, oldest first."""
    return await _page(viewer, Target("post", post_id), parent_id, limit, cursor)


@post("/api/v1/reviews/{review_id:uuid}/comments")
async def comment_on_review(
    viewer: NamedDependency[Viewer], review_id: FromPath[UUID], data: JSONBody[NewComment]
) -> Comment:
    """Comment on a review, or reply to a comment on it."""
    return await actions.comment_on(viewer, Target("review", review_id), data)


@get("/api/v1/reviews/{review_id:uuid}/comments")
async def read_comments_on_review(
    viewer: NamedDependency[Viewer],
    review_id: FromPath[UUID],
    parent_id: FromQuery[UUID | None] = None,
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[Comment]:
    """The comments on a review, or the replies to one of them, oldest first."""
    return await _page(viewer, Target("review", review_id), parent_id, limit, cursor)


@patch("/api/v1/comments/{comment_id:uuid}")
async def edit_comment(
    viewer: NamedDependency[Viewer], comment_id: FromPath[UUID], data: JSONBody[CommentChanges]
) -> Comment:
    """Change one's own comment."""
    return await actions.edit_comment(viewer, CommentID(comment_id), data)


@delete("/api/v1/comments/{comment_id:uuid}")
async def delete_comment(viewer: NamedDependency[Viewer], comment_id: FromPath[UUID]) -> None:
    """Delete one's own comment, or one on one's own post or review, and its replies."""
    await actions.delete_comment(viewer, CommentID(comment_id))


async def _page(
    viewer: Viewer, target: Target, parent_id: UUID | None, limit: int, cursor: str | None
) -> Page[Comment]:
    parent, after = None if parent_id is None else CommentID(parent_id), position_in(cursor, UUID)
    found = await queries.read_comments(viewer, target, parent, after, limit + 1)
    return page(found, limit, lambda last: last.id)


routes = [
    comment_on_post,
    read_comments_on_post,
    comment_on_review,
    read_comments_on_review,
    edit_comment,
    delete_comment,
]
