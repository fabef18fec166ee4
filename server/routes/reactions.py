"""Likes over HTTP."""

from uuid import UUID

from litestar import delete, put
from litestar.di import NamedDependency
from litestar.params import FromPath

from domain.accounts.rules import Viewer
from domain.ids import PostID
from domain.reactions import actions
from domain.reactions.queries import Likes


@put("/api/v1/posts/{post_id:uuid}/like")
async def like_post(viewer: NamedDependency[Viewer], post_id: FromPath[UUID]) -> Likes:
    """Like a post; twice is once."""
    return await actions.like_post(viewer, PostID(post_id))


@delete("/api/v1/posts/{post_id:uuid}/like", status_code=200)
async def unlike_post(viewer: NamedDependency[Viewer], post_id: FromPath[UUID]) -> Likes:
    """Take a like back."""
    return await actions.unlike_post(viewer, PostID(post_id))


routes = [like_post, unlike_post]
