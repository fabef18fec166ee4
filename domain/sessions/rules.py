"""What credentials may be, and what it means when a refresh token is handed in."""

import base64
import hmac
import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Literal

from msgspec import Meta

from domain.accounts.rules import KEYS
from domain.settings import settings
from domain.text import Text

# No spaces and no control characters, one @, and a dot behind it. `(?!\n)`: Python's `$` also matches before a last \n.
_EMAIL = r"^[^@\s\x00-\x1f\x7f]{1,64}@[^@\s.\x00-\x1f\x7f]+(\.[^@\s.\x00-\x1f\x7f]+)+$(?!\n)"

Email = Annotated[str, Meta(max_length=254, pattern=_EMAIL)]
Password = Annotated[Text, Meta(min_length=8, max_length=200)]
Given = Annotated[Text, Meta(min_length=1, max_length=254)]
"""A name, a password or a token that is only compared with what is stored."""


def new_refresh_token() -> str:
    """The first of a session."""
    return secrets.token_urlsafe(32)


def successor(token: str, kid: str) -> str:
    """The refresh token that follows. Only we can compute it, and we can again when the answer got lost."""
    key = hmac.digest(KEYS[kid], b"potluck: the next refresh token", sha256)
    return base64.urlsafe_b64encode(hmac.digest(key, token.encode(), sha256)).rstrip(b"=").decode()


def made_with(token: str, replaced_by: bytes) -> str | None:
    """The kid that the successor with this hash was made with; None when the key is gone."""
    return next((kid for kid in KEYS if token_hash(successor(token, kid)) == replaced_by), None)


def token_hash(token: str) -> bytes:
    """What we store of a refresh token. It is random, so a fast hash will do."""
    return sha256(token.encode()).digest()


Use = Literal["first", "repeated", "reused", "dead"]


def judge_use(used_at: datetime | None, expires_at: datetime, revoked_at: datetime | None, time: datetime) -> Use:
    """What handing in a refresh token means: its first use; a repeat because the answer got lost; a theft; nothing."""
    if revoked_at is not None:
        return "dead"
    if used_at is not None:
        return "repeated" if time - used_at <= timedelta(seconds=settings.refresh_grace_s) else "reused"
    return "first" if time < expires_at else "dead"
