"""What operators and load balancers ask: is it alive, is it ready, how is it doing."""

import asyncio
from collections.abc import Coroutine
from time import perf_counter
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request, Response, get

from domain import clock, eventlog
from realtime import reference
from realtime.gateway import Gateway
from server import errors, observe

T = TypeVar("T")

WAIT_S: Final = 2.0
RELAY_MAY_LAG_S: Final = 5.0


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether a part works; if not, why. Times in seconds."""

    ok: bool
    error: str | None = None
    took_s: float | None = None
    age_s: float | None = None


class Readiness(msgspec.Struct, frozen=True):
    """`ready` when every check is ok, else `not_ready`."""

    status: str
    checks: dict[str, Check]


@get("/health/live", include_in_schema=False)
async def live() -> dict[str, str]:
    """The process runs and answers. It asks nobody else, for a restart would not help those."""
    return {"status": "live"}


@get("/health/ready", include_in_schema=False)
async def ready(request: Request[Any, Any, Any]) -> Response[Readiness]:
    """Whether requests should be sent here; names what is down."""
    state = request.app.state
    (database, relay), redis = await asyncio.gather(_database_and_relay(), _redis(state.redis.ping()))
    checks = {"database": database, "redis": redis, "relay": relay}
    if (gateway := state.get("gateway")) is not None:
        checks["delivery"] = _delivery(gateway)
    is_ready = all(check.ok for check in checks.values())
    return Response(
        Readiness("ready" if is_ready else "not_ready", checks),
        status_code=200 if is_ready else 503,
        headers={} if is_ready else {"Retry-After": str(errors.RETRY_AFTER_S)},
    )


@get("/docs/realtime", include_in_schema=False, media_type="text/markdown; charset=utf-8")
async def realtime_contract() -> str:
    """The live contract, for people."""
    return reference.PAGE.read_text()


@get("/metrics", include_in_schema=False, media_type="text/plain; version=0.0.4")
async def metrics() -> bytes:
    """For Prometheus."""
    return observe.exposition()


async def _database_and_relay() -> tuple[Check, Check]:
    started = perf_counter()
    try:
        newest = await _soon(eventlog.latest_cut())
    except (*errors.UNAVAILABLE, RuntimeError) as error:
        return _down(error), Check(ok=False, error="unknown: it is read from the database")
    # A batch's number is the time at which it was cut, and an idle relay cuts empty ones.
    age_s = round(clock.now().timestamp() - newest.batch / 1000, 3)
    lags = age_s > RELAY_MAY_LAG_S
    return _up(started), Check(ok=not lags, age_s=age_s, error="no relay is cutting batches" if lags else None)


async def _redis(ask: Coroutine[Any, Any, Any]) -> Check:
    started = perf_counter()
    try:
        await _soon(ask)
    except errors.UNAVAILABLE as error:
        return _down(error)
    return _up(started)


_late: set[asyncio.Task[Any]] = set()


async def _soon(ask: Coroutine[Any, Any, T]) -> T:
    """The answer, or TimeoutError. Not asyncio.timeout: it waits for asyncpg to tell a silent server to stop."""
    task = asyncio.create_task(ask)
    _late.add(task)
    task.add_done_callback(_forget)
    done, _ = await asyncio.wait({task}, timeout=WAIT_S)
    if not done:
        task.cancel()
        raise TimeoutError
    return task.result()


def _forget(task: asyncio.Task[Any]) -> None:
    _late.discard(task)
    if not task.cancelled():
        task.exception()  # was told, or came too late


def _delivery(gateway: Gateway) -> Check:
    if gateway.draining:
        return Check(ok=False, error="this process is going away")
    return Check(ok=True) if gateway.healthy else Check(ok=False, error="no news has arrived from Redis lately")


def _up(started: float) -> Check:
    return Check(ok=True, took_s=round(perf_counter() - started, 4))


def _down(error: Exception) -> Check:
    return Check(ok=False, error=type(error).__name__)


routes = [live, ready, realtime_contract, metrics]
