"""People over HTTP."""

from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath

from domain.accounts import queries
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


routes = [read_me, read_user, read_user_named]
