"""What operators see: a request id on every answer, one access line each, metrics; security headers ride along."""

import logging.config
import os
import re
import sys
from secrets import token_hex
from time import perf_counter
from typing import Any, Final

import msgspec
import structlog
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from domain.clock import now
from domain.settings import settings
from server import call, origins
from server.access import AccessLog, Line
from server.call import Call
from server.errors import answer_to, send_answer
from server.incoming import check_target

disable_created_metrics()  # a series more for each, that nobody reads

REQUESTS: Final = Counter("potluck_http_requests_total", "Requests by route and status.", ["method", "route", "status"])
SECONDS: Final = Histogram(
    "potluck_http_request_seconds",
    "From the request's head to the answer's last byte.",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)

SLASHES: Final = re.compile(r"//+")
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SANE_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
CONTENT_POLICY: Final = b"content-security-policy"
SECURITY_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]
NOTHING_BUT_DATA: Final = (CONTENT_POLICY, b"default-src 'none'; frame-ancestors 'none'")
HTTPS_ONLY: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")

access = AccessLog()


class Edge:
    """The outermost layer. One instead of five, because every layer costs every request."""

    def __init__(self, app: ASGIApp, state: Any) -> None:
        self._app = app
        self._state = state
        self._routes: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Every exception ends here at the latest, and every answer leaves through here."""
        _fold_slashes(scope)
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        request = Call(_id_of(scope["headers"]), origins.headers_for(scope))
        gateway = self._state.get("gateway")
        if gateway is not None and scope["path"].startswith("/api/"):
            request.cursor = gateway.position  # before the request's first snapshot
        scope[call.KEY] = request  # type: ignore[literal-required]
        scope["path_template"] = ""
        token = call.under_way.set(scope)
        https = scope["scheme"] == "https"
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], (b"x-request-id", request.id.encode()), *SECURITY_HEADERS]
                headers += request.headers
                if request.cursor:
                    headers.append((b"potluck-cursor", request.cursor.encode()))
                if all(name != CONTENT_POLICY for name, _ in headers):
                    headers.append(NOTHING_BUT_DATA)
                if https:
                    headers.append(HTTPS_ONLY)
                message["headers"] = headers
            await send(message)

        try:
            try:
                await self._pass_on(scope, receive, answer)
            except Exception as error:
                if status:  # too late to say so: the server closes the connection
                    raise
                await send_answer(answer, answer_to(error))
        finally:
            self._record(scope, status or 499, perf_counter() - started)
            call.under_way.reset(token)

    async def _pass_on(self, scope: Any, receive: Receive, send: Send) -> None:
        check_target(scope)
        if scope["method"] == "OPTIONS":  # Litestar's own answer would name only some of the methods in `Allow`
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self._app(scope, receive, send)

    def _record(self, scope: Any, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = scope["path_template"]
        counters = self._routes.get((method, route, status))
        if counters is None:
            counters = (REQUESTS.labels(method, route, str(status)), SECONDS.labels(method, route))
            self._routes[method, route, status] = counters
        counters[0].inc()
        counters[1].observe(seconds)
        if access.write is not None:
            viewer, path = call.viewer_in(scope), route or scope["path"][:200]
            duration_ms = round(seconds * 1000, 3)
            user_id, request_id = None if viewer is None else viewer.id, call.call_of(scope).id
            access.add(Line(now(), request_id, user_id, method, path, status, duration_ms))


def _id_of(headers: Any) -> str:
    for name, value in headers:
        if name == b"x-request-id" and SANE_ID.fullmatch(value):
            return value.decode()
    return token_hex(16)


def _add_request_id(_: Any, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    scope = call.under_way.get(None)
    if scope is not None:
        line["request_id"] = call.call_of(scope).id
    return line


def _add_service(_: Any, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    line["service"] = "potluck"
    return line


def _json(line: structlog.typing.EventDict, **_: Any) -> bytes:
    return msgspec.json.encode(line, enc_hook=repr)


def _json_text(line: structlog.typing.EventDict, **_: Any) -> str:
    return _json(line).decode()


_common: Final[list[structlog.typing.Processor]] = [
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.add_log_level,
    _add_service,
    _add_request_id,
    structlog.processors.format_exc_info,
    structlog.processors.EventRenamer("message"),
]


def _write_out(lines: bytes) -> None:
    sys.stdout.buffer.write(lines)
    sys.stdout.buffer.flush()


def configure_logging() -> None:
    """One JSON object a line on stdout, for our own lines and for those of uvicorn and the libraries."""
    level = settings.log_level.upper()
    number = logging.getLevelNamesMapping().get(level, logging.INFO)
    structlog.configure(
        processors=[*_common, structlog.processors.JSONRenderer(_json)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    access.write = _write_out if number <= logging.INFO else None
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": _common,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(_json_text),
        ],
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": formatter},
            "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": sys.stdout, "formatter": "json"}},
            "root": {"handlers": ["stdout"], "level": level},
            # uvicorn tells of each socket at INFO, and has an access log that we replace
            "loggers": {
                "uvicorn": {"level": level, "handlers": [], "propagate": True},
                "uvicorn.error": {"level": "WARNING"},
                "uvicorn.access": {"level": "CRITICAL"},
            },
        }
    )


def exposition() -> bytes:
    """All metrics in Prometheus' text format; of all processes when they share PROMETHEUS_MULTIPROC_DIR."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    return generate_latest(registry)


def _fold_slashes(scope: Any) -> None:
    """The router folds slashes: so must all that look at the path before it, or a limit is passed by."""
    if "path" in scope:
        scope["path"] = SLASHES.sub("/", scope["path"]).rstrip("/") or "/"
