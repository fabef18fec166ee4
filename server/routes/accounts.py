"""People over HTTP."""

from uuid import UUID

from litestar import delete, get, patch
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from domain import departures
from domain.accounts import actions, queries
from domain.accounts.actions import ProfileChanges
from domain.accounts.queries import Me, User
from domain.accounts.rules import Viewer
from domain.ids import UserID


@get("/api/v1/auth/me")
async def read_me(viewer: NamedDependency[Viewer]) -> Me:
    """The viewer's own profile."""
    return await queries.read_me(viewer)


@get("/api/v1/users/{user_id:uuid}")
async def read_user(viewer: NamedDependency[Viewer], user_id: FromPath[UUID]) -> User:
    """A profile."""
    return await queries.read_user(viewer, UserID(user_id))


@get("/api/v1/users/by-username/{username:str}")
async def read_user_named(viewer: NamedDependency[Viewer], username: FromPath[str]) -> User:
    """A profile by its username, in whatever case."""
    return await queries.read_user_named(viewer, username)


@patch("/api/v1/users/{user_id:uuid}")
async def change_profile(
    viewer: NamedDependency[Viewer], user_id: FromPath[UUID], data: JSONBody[ProfileChanges]
) -> User:
    """Change one's own profile; what is left out stays."""
    return await actions.change_profile(viewer, UserID(user_id), data)


@delete("/api/v1/users/{user_id:uuid}")
async def delete_account(viewer: NamedDependency[Viewer], user_id: FromPath[UUID]) -> None:
    """Delete one's own account, with all that it did: at once, and for good."""
    await departures.leave(viewer, UserID(user_id))


routes = [read_me, read_user, read_user_named, change_profile, delete_account]
