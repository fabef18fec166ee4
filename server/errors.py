"""Every error an answer can hold, in one shape: from the kind of exception to status, code and details."""

import math
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, NotFoundException, ValidationException
from prometheus_client import Counter
from redis.exceptions import RedisError

from domain.errors import Conflict, DomainError, Forbidden, Invalid, NotFound, TooMany, Unauthorized

log = structlog.get_logger(__name__)

UNEXPECTED: Final = Counter("potluck_unexpected_errors_total", "Exceptions nobody foresaw, answered with 500.")

STATUS_OF_KIND: Final[Mapping[type[DomainError], int]] = {
    Unauthorized: 401,
    NotFound: 404,
    Forbidden: 403,
    Conflict: 409,
    Invalid: 400,
    TooMany: 429,
}

CODE_OF_STATUS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("invalid", "The request is not valid."),
    401: ("unauthorized", "Sign in first: the token is missing, expired or not valid."),
    403: ("forbidden", "You may not do this."),
    404: ("not_found", "There is no such thing, or you may not know of it."),
    409: ("conflict", "This contradicts what is already there."),
    405: ("method_not_allowed", "This method is not offered here."),
    413: ("too_large", "The request's body is too large."),
    415: ("unsupported_media_type", "The body must be JSON, sent as application/json."),
    429: ("too_many", "Too many requests: wait a moment."),
    500: ("internal", "Something went wrong on our side."),
    503: ("unavailable", "A part of the service cannot be reached: try again in a moment."),
}

# What the database and Redis say when they cannot be reached or cannot do it now; a second try may succeed.
UNAVAILABLE: Final = (
    OSError,  # refused, reset, unknown host; TimeoutError is one too
    RedisError,
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,  # a connection that broke in the middle of something
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.ReadOnlySQLTransactionError,
)
RETRY_AFTER_S: Final = 1


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong: a code for programs, a sentence for people, and the fields concerned."""

    code: str
    message: str
    details: dict[str, str]


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The body of every answer from 400 on."""

    error: ErrorBody


class Answer(msgspec.Struct, frozen=True):
    """An error as it goes out."""

    status: int
    error: ErrorBody
    headers: dict[str, str]

    def body(self) -> bytes:
        return msgspec.json.encode(ErrorAnswer(self.error))


class TooLarge(HTTPException):
    """The body is over `settings.max_body_bytes`."""

    status_code = 413


class UnsupportedBody(HTTPException):
    """The body is something else than JSON in UTF-8."""

    status_code = 415


class Disconnected(Exception):
    """The client left before its request was complete; nobody reads the answer."""


def answer_to(error: Exception) -> Answer:
    """The answer to an exception. Unforeseen ones are logged and counted here; nothing of them is told."""
    if isinstance(error, DomainError):
        return _domain_answer(error)
    if isinstance(error, HTTPException) and error.status_code < 500:
        return _http_answer(error)
    if isinstance(error, Disconnected):
        return _plain(400, {})
    if _unavailable(error):
        log.warning("unavailable", error=f"{type(error).__name__}: {error}")
        return _plain(503, {}, {"Retry-After": str(RETRY_AFTER_S)})
    UNEXPECTED.inc()
    log.error("unexpected error", exc_info=error)
    return _plain(500, {})


def _domain_answer(error: DomainError) -> Answer:
    status = next((status for kind, status in STATUS_OF_KIND.items() if isinstance(error, kind)), 400)
    headers: dict[str, str] = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 429 or error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after or RETRY_AFTER_S)))
    return Answer(status, ErrorBody(error.code, error.message, error.details), headers)


def _http_answer(error: HTTPException) -> Answer:
    headers = {name.title(): value for name, value in (error.headers or {}).items()}
    if error.status_code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    details = _fields_of(error) if isinstance(error, ValidationException) else {}
    if not details and isinstance(error.extra, dict):
        details = {str(name): str(message) for name, message in error.extra.items()}
    return _plain(error.status_code, details, headers)


def _plain(status: int, details: dict[str, str], headers: dict[str, str] | None = None) -> Answer:
    code, message = CODE_OF_STATUS.get(status) or (
        re.sub(r"\W+", "_", HTTPStatus(status).phrase.lower()),
        f"{HTTPStatus(status).phrase}.",
    )
    return Answer(status, ErrorBody(code, message, details), headers or {})


def _unavailable(error: Exception) -> bool:
    if isinstance(error, UNAVAILABLE):
        return True
    # asyncpg says InterfaceError both for a closed connection and for our own mistakes.
    return isinstance(error, asyncpg.InterfaceError) and "clos" in str(error)


_MISSING = re.compile(r"Missing required \w+ parameter '([^']+)'")


def _fields_of(error: ValidationException) -> dict[str, str]:
    """{field: message} of what Litestar found wrong with parameters."""
    if missing := _MISSING.search(error.detail):
        return {missing[1]: "This parameter is required."}
    found: dict[str, str] = {}
    for each in error.extra if isinstance(error.extra, list) else []:
        field = str(each.get("key", "body"))
        found["body" if field == "data" else field] = (
            "A JSON body is required." if field == "data" else f"{each['message']}."
        )
    return found


def handle(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's handler of every exception."""
    if isinstance(error, NotFoundException) and not isinstance(error.__cause__, HTTPException | None):
        error = Invalid(bad_path_ids(request))
    answer = answer_to(error)
    return Response(answer.body(), status_code=answer.status, headers=answer.headers, media_type="application/json")


def bad_path_ids(request: Request[Any, Any, Any]) -> dict[str, str]:
    """The parts of the path that should be UUIDs and are none; the router only says that there is one."""
    parts = request.scope["path"].strip("/").split("/")
    for route in request.app.routes:
        wanted = route.path_components
        if len(wanted) != len(parts):
            continue
        pairs = list(zip(wanted, parts, strict=True))
        if all(want == part for want, part in pairs if isinstance(want, str)):
            wrong = {want.name for want, part in pairs if not isinstance(want, str) and not _is_uuid(want.type, part)}
            if wrong:
                return dict.fromkeys(sorted(wrong), "This is no id (a UUID).")
    return {"path": "This is no id (a UUID)."}


def _is_uuid(wanted: type, part: str) -> bool:
    if wanted is not UUID:
        return True
    try:
        UUID(part)
    except ValueError:
        return False
    return True


async def send_answer(send: Any, answer: Answer, kind: str = "http.response") -> None:
    """Send an error from outside Litestar."""
    body = answer.body()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    await send({"type": f"{kind}.start", "status": answer.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body, "more_body": False})


async def send_refusal(scope: Any, send: Any, status: int, code: str, message: str) -> None:
    """Answer a request that cannot become a WebSocket, or refuse a handshake with an HTTP answer."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": message})
        return
    headers = {"Upgrade": "websocket"} if status == 426 else {}
    kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    await send_answer(send, Answer(status, ErrorBody(code, message, {}), headers), kind)
