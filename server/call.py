"""What the layers around the handlers know of a request; made by the outermost, kept in the scope."""

from contextvars import ContextVar
from typing import Any, Final

import msgspec

from domain.accounts.rules import Viewer, viewer_of
from domain.errors import Unauthorized

KEY = "potluck"

under_way: Final[ContextVar[Any]] = ContextVar("under_way")
"""The scope of the request that is being answered."""


class Call(msgspec.Struct):
    """A request under way."""

    id: str
    headers: list[tuple[bytes, bytes]]
    """What the answer carries besides its own headers."""
    cursor: str = ""
    """From where to follow live what this answer shows."""
    viewer: Viewer | None = None
    refusal: Unauthorized | None = None
    """Why there is no viewer, once that is known."""


def call_of(scope: Any) -> Call:
    """The request of a scope."""
    return scope[KEY]


def viewer_of_token(scope: Any) -> Viewer:
    """The viewer of the request's token, which is looked at once. Raises Unauthorized: TokenInvalid, TokenExpired."""
    call = call_of(scope)
    if call.viewer is None and call.refusal is None:
        try:
            call.viewer = viewer_of(token_in(scope))
        except Unauthorized as refusal:
            call.refusal = refusal
    if call.viewer is None:
        raise call.refusal or Unauthorized
    return call.viewer


def viewer_in(scope: Any) -> Viewer | None:
    """The viewer of the request's token; None without one, and with one that is not valid."""
    try:
        return viewer_of_token(scope)
    except Unauthorized:
        return None


def token_in(scope: Any) -> str:
    """The token of `Authorization: Bearer …`. Raises Unauthorized without one."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer" and token:
                return token.strip()
    raise Unauthorized
