"""Pages of other origins: which of them may call us, and what they may send and read (CORS)."""

from typing import Any, Final

from domain.settings import settings

ALLOWED = frozenset(each.strip().encode() for each in settings.cors_origins.split(",") if each.strip())

_MAY_READ: Final = (
    b"X-Request-Id, Potluck-Cursor, Idempotency-Replayed, "
    b"RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, Location"
)
_MAY_SEND: Final = [
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, Idempotency-Key, X-Request-Id"),
    (b"access-control-max-age", b"3600"),
]


def headers_for(scope: Any) -> list[tuple[bytes, bytes]]:
    """What an answer needs so that the page that asked may read it. No cookies: tokens travel in headers."""
    if not ALLOWED:
        return []
    vary = (b"vary", b"Origin")
    origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
    if origin not in ALLOWED:
        return [vary]
    found = [vary, (b"access-control-allow-origin", origin), (b"access-control-expose-headers", _MAY_READ)]
    return found + _MAY_SEND if is_preflight(scope) else found


def is_preflight(scope: Any) -> bool:
    """Whether a browser asks before it sends the request itself."""
    if scope["method"] != "OPTIONS":
        return False
    return any(name == b"access-control-request-method" for name, _ in scope["headers"])
