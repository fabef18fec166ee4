"""What names may be, and what an access token says: who the viewer is."""

import base64
import binascii
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

import jwt
import msgspec
from msgspec import Meta

from domain.clock import now
from domain.errors import Unauthorized
from domain.ids import SessionID, UserID
from domain.settings import settings
from domain.text import Readable, Text

# `(?!\n)`: Python's `$` also matches before a last line feed.
Username = Annotated[str, Meta(min_length=3, max_length=50, pattern=r"^[A-Za-z0-9_.-]+$(?!\n)")]
DisplayName = Annotated[Readable, Meta(max_length=100)]
Bio = Annotated[Text, Meta(min_length=1, max_length=1000)]
City = Annotated[Text, Meta(min_length=1, max_length=100)]
Institution = Annotated[Text, Meta(min_length=1, max_length=200)]
# A host with a dot, and nothing before it that could be taken for one; letters of any language.
Website = Annotated[
    str,
    Meta(
        max_length=500,
        pattern=r"\Ahttps?://(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W_](?:[\w-]{0,61}[^\W_])?(?::\d{1,5})?(?:[/?#][^\s\x00]*)?\Z",
    ),
]
PrivacyLevel = Literal["public", "followers", "private"]
"""On another level than public, whoever wants to follow has to ask, and posts are for followers at most."""

ALGORITHM: Final = "HS256"
KEY_BYTES: Final = 32

_JWS: Final[Any] = jwt.PyJWS()  # its types need a package that HS256 does not


class Viewer(msgspec.Struct, frozen=True):
    """Who asks, as their access token says. `expires_at` is the token's end, in seconds since 1970."""

    id: UserID
    session_id: SessionID
    role: str
    expires_at: int


class TokenInvalid(Unauthorized):
    """The access token is not valid: sign in again."""


class TokenExpired(Unauthorized):
    """The access token has expired: refresh it."""


class _Claims(msgspec.Struct, frozen=True):
    sub: UserID
    sid: SessionID
    role: str
    iat: int
    exp: int


def parse_keys(text: str) -> dict[str, bytes]:
    """`kid:base64[,kid:base64…]` as {kid: key}. ValueError, which repeats no key, when it is something else."""
    keys: dict[str, bytes] = {}
    for part in filter(None, text.split(",")):
        kid, colon, encoded = part.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not kid or not colon or len(key) < KEY_BYTES:
            raise ValueError(f"POTLUCK_JWT_KEYS: key {len(keys) + 1} is not kid:base64 of at least {KEY_BYTES} bytes")
        keys[kid] = key
    return keys


KEYS: Final = parse_keys(settings.jwt_keys)


def signing_key() -> str:
    """The kid that new tokens are signed with."""
    if not KEYS:
        raise RuntimeError("POTLUCK_JWT_KEYS is empty: `./run serve` makes a key")
    return next(iter(KEYS))


def access_token(viewer: Viewer, kid: str) -> str:
    """The viewer as a token. The same viewer and key give the same token."""
    issued_at = viewer.expires_at - settings.access_token_s
    claims = _Claims(viewer.id, viewer.session_id, viewer.role, issued_at, viewer.expires_at)
    return _JWS.encode(msgspec.json.encode(claims), KEYS[kid], ALGORITHM, headers={"kid": kid})


def viewer_of(token: str) -> Viewer:
    """Who the access token speaks for. Raises TokenInvalid, TokenExpired. Knows nothing of ended sessions."""
    viewer = _verified(token)
    if viewer.expires_at <= now().timestamp():
        raise TokenExpired
    return viewer


@lru_cache(maxsize=8192)  # a signature costs more than all else in a small request; what raises is not kept
def _verified(token: str) -> Viewer:
    try:
        key = KEYS[jwt.get_unverified_header(token)["kid"]]
        claims = msgspec.json.decode(_JWS.decode(token, key, [ALGORITHM]), type=_Claims)
    except (KeyError, jwt.InvalidTokenError, msgspec.DecodeError):
        raise TokenInvalid from None
    return Viewer(claims.sub, claims.sid, claims.role, claims.exp)
