"""Signing up, in and out over HTTP."""

from typing import Any
from uuid import UUID

from litestar import Request, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from domain.accounts.rules import Viewer
from domain.clock import now
from domain.ids import SessionID, UserID
from domain.sessions import actions, queries
from domain.sessions.actions import Device, Login, PasswordChange, RefreshToken, Registration
from domain.sessions.queries import Sessions, SignedIn, Tokens
from server.limits import limit_account

PUBLIC: list[dict[str, list[str]]] = [{}]  # for OpenAPI: no token is needed


@post("/api/v1/auth/register", security=PUBLIC)
async def register(device: NamedDependency[Device], data: JSONBody[Registration]) -> SignedIn:
    """Make an account, and sign it in."""
    return await actions.register(device, data)


@post("/api/v1/auth/login", security=PUBLIC, status_code=200)
async def login(request: Request[Any, Any, Any], device: NamedDependency[Device], data: JSONBody[Login]) -> SignedIn:
    """Sign in by e-mail address or username."""
    await limit_account(request, data.email or data.username or "")
    return await actions.login(device, data)


@post("/api/v1/auth/refresh", security=PUBLIC, status_code=200)
async def refresh(data: JSONBody[RefreshToken]) -> Tokens:
    """The next pair of tokens. Handing in the same one again within seconds gives the same answer; later it ends
    the session."""
    return await actions.refresh(data)


@post("/api/v1/auth/logout", security=PUBLIC, status_code=204)
async def logout(data: JSONBody[RefreshToken]) -> None:
    """End the token's session."""
    await actions.logout(data)


@get("/api/v1/auth/sessions")
async def read_sessions(viewer: NamedDependency[Viewer]) -> Sessions:
    """Where the viewer is signed in."""
    return await queries.read_sessions(viewer, now())


@delete("/api/v1/auth/sessions/{session_id:uuid}")
async def end_session(viewer: NamedDependency[Viewer], session_id: FromPath[UUID]) -> None:
    """Sign out one of the viewer's devices."""
    await actions.end_session(viewer, SessionID(session_id))


@patch("/api/v1/users/{user_id:uuid}/password", status_code=204)
async def change_password(
    request: Request[Any, Any, Any],
    viewer: NamedDependency[Viewer],
    user_id: FromPath[UUID],
    data: JSONBody[PasswordChange],
) -> None:
    """Set one's own password. All other sessions end."""
    await limit_account(request, str(viewer.id))
    await actions.change_password(viewer, UserID(user_id), data)


routes = [register, login, refresh, logout, read_sessions, end_session, change_password]
