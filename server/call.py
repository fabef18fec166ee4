"""What the layers around the handlers know of a request; made by the outermost, kept in the scope."""

from typing import Any

import msgspec

from domain.accounts.rules import Viewer, viewer_of
from domain.errors import Unauthorized

KEY = "potluck"


class Call(msgspec.Struct):
    """A request under way."""

    id: str
    headers: list[tuple[bytes, bytes]]
    """What the answer carries besides its own headers."""
    cursor: str = ""
    """From where to follow live what this answer shows."""
    viewer: Viewer | None = None
    checked: bool = False
    """Whether the token was looked at."""


def call_of(scope: Any) -> Call:
    """The request of a scope."""
    return scope[KEY]


def viewer_in(scope: Any) -> Viewer | None:
    """The viewer of the request's token, checked once; None without one, and with one that is not valid."""
    call = call_of(scope)
    if not call.checked:
        call.checked = True
        token = token_in(scope)
        if token is not None:
            try:
                call.viewer = viewer_of(token)
            except Unauthorized:
                call.viewer = None
    return call.viewer


def token_in(scope: Any) -> str | None:
    """The token of `Authorization: Bearer …`."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            return token.strip() if scheme.lower() == "bearer" and token else None
    return None
