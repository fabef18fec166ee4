"""Posts over HTTP."""

from uuid import UUID

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from domain.accounts.rules import Viewer
from domain.ids import PostID, UserID
from domain.posts import actions, queries
from domain.posts.actions import NewPost, PostChanges
from domain.posts.queries import Post
from server.paging import Cursor, Limit, Page, page, position_in


@post("/api/v1/posts")
async def publish_post(viewer: NamedDependency[Viewer], data: JSONBody[NewPost]) -> Post:
    """Post something."""
    return await actions.publish_post(viewer, data)


@get("/api/v1/posts/{post_id:uuid}")
async def read_post(viewer: NamedDependency[Viewer], post_id: FromPath[UUID]) -> Post:
    """One post."""
    return await queries.read_post(viewer, PostID(post_id))


@get("/api/v1/users/{user_id:uuid}/posts")
async def read_posts_of(
    viewer: NamedDependency[Viewer],
    user_id: FromPath[UUID],
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[Post]:
    """Somebody's posts, newest first."""
    found = await queries.read_posts_of(viewer, UserID(user_id), position_in(cursor, UUID), limit + 1)
    return page(found, limit, lambda last: last.id)


@patch("/api/v1/posts/{post_id:uuid}")
async def edit_post(viewer: NamedDependency[Viewer], post_id: FromPath[UUID], data: JSONBody[PostChanges]) -> Post:
    """Change one's own post; what is left out stays."""
    return await actions.edit_post(viewer, PostID(post_id), data)


@delete("/api/v1/posts/{post_id:uuid}")
async def delete_post(viewer: NamedDependency[Viewer], post_id: FromPath[UUID]) -> None:
    """Delete one's own post and all below it."""
    await actions.delete_post(viewer, PostID(post_id))


routes = [publish_post, read_post, read_posts_of, edit_post, delete_post]
