"""Rate limits: token buckets in Redis, many to a round trip; without Redis everybody may pass."""

import asyncio
import contextvars
import math
from ipaddress import IPv6Address, ip_address
from time import monotonic
from typing import Any, Final

import msgspec
import structlog
from litestar.types import ASGIApp, Receive, Scope, Send
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.errors import TooMany
from domain.settings import settings
from server.call import call_of, viewer_in

log = structlog.get_logger(__name__)

REFUSED: Final = Counter("potluck_rate_limited_total", "Requests refused by a rate limit.", ["bucket"])
FAILED_OPEN: Final = Counter("potluck_rate_limits_failed_open_total", "Requests let through while Redis was down.")

WAIT_S: Final = 0.25
"""Longest wait for Redis. A limit is not worth more of anybody's time."""
PAUSE_S: Final = 1.0
"""How long nobody asks Redis after it has failed."""

# A bucket is kept as the time at which it will be full again (GCRA, ITU-T I.371): one number, one read, one write.
# KEYS: buckets. ARGV: for each, microseconds per token and how many tokens it holds.
# Answers, for each: allowed, tokens left, microseconds until it is full, microseconds until the next token.
TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answers = {}
for i, key in ipairs(KEYS) do
    local per_token, size = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local full_at = math.max(tonumber(redis.call('GET', key) or 0), now)
    local after = full_at + per_token
    local wait = after - per_token * size - now
    if wait <= 0 then
        redis.call('SET', key, string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
        full_at = after
    end
    answers[#answers + 1] = wait <= 0 and 1 or 0
    answers[#answers + 1] = math.floor((per_token * size - (full_at - now)) / per_token)
    answers[#answers + 1] = full_at - now
    answers[#answers + 1] = math.max(wait, 0)
end
return answers
"""


class Rate(msgspec.Struct, frozen=True):
    """A bucket holds `burst` tokens and gets `per_minute` new ones."""

    burst: int
    per_minute: int


def rate(text: str) -> Rate:
    """Read `burst/per minute`; ValueError when it is none."""
    burst, per_minute = (int(part) for part in text.split("/"))
    if burst < 1 or per_minute < 1:
        raise ValueError(text)
    return Rate(burst, per_minute)


RATES: Final = {
    "read": rate(settings.rate_read),
    "write": rate(settings.rate_write),
    "auth": rate(settings.rate_auth),
    "login": rate(settings.rate_login),
}


class Verdict(msgspec.Struct, frozen=True):
    """What a bucket said; times in seconds."""

    allowed: bool
    limit: int
    left: int
    full_in: float
    next_in: float

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The `RateLimit-*` headers of draft-ietf-httpapi-ratelimit-headers-07."""
        return [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % max(self.left, 0)),
            (b"ratelimit-reset", b"%d" % math.ceil(self.full_in)),
        ]


class Limiter:
    """Asks Redis for tokens: whoever comes while a question is under way shares the next one."""

    def __init__(self, redis: "Redis", rates: dict[str, Rate] | None = None) -> None:
        self._script = redis.register_script(TAKE)
        self._rates = rates or RATES
        self._waiting: list[tuple[str, Rate, asyncio.Future[Verdict | None]]] = []
        self._asking: asyncio.Task[None] | None = None
        self._failed = False
        self._ask_again_at = 0.0

    async def take(self, bucket: str, key: str) -> Verdict | None:
        """Take a token of `key`'s bucket; None when Redis cannot be asked."""
        now = monotonic()
        if self._failed:
            if now < self._ask_again_at:
                FAILED_OPEN.inc()
                return None
            self._ask_again_at = now + PAUSE_S  # this one tries, the others need not wait for it
        future: asyncio.Future[Verdict | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((f"{{limits}}:{bucket}:{key}", self._rates[bucket], future))
        if self._asking is None:
            # Not in the caller's context, which may hold a transaction.
            self._asking = asyncio.create_task(self._ask_all(), context=contextvars.Context())
        return await future

    async def _ask_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                for (_, _, future), verdict in zip(batch, await self._ask(batch), strict=True):
                    if not future.done():
                        future.set_result(verdict)
        finally:
            self._asking = None

    async def _ask(self, batch: list[tuple[str, Rate, Any]]) -> list[Verdict | None]:
        keys = [key for key, _, _ in batch]
        args = [number for _, rate, _ in batch for number in (60_000_000 // rate.per_minute, rate.burst)]
        try:
            async with asyncio.timeout(WAIT_S):
                answer: list[int] = await self._script(keys=keys, args=args)
        except (RedisError, OSError) as error:
            if not self._failed:
                log.warning("rate limits are off: Redis cannot be reached", error=str(error))
            self._failed, self._ask_again_at = True, monotonic() + PAUSE_S
            FAILED_OPEN.inc(len(batch))
            return [None] * len(batch)
        self._failed = False
        groups = zip(*[iter(answer)] * 4, strict=True)
        return [
            Verdict(allowed == 1, rate.burst, left, full_in / 1e6, next_in / 1e6)
            for (_, rate, _), (allowed, left, full_in, next_in) in zip(batch, groups, strict=True)
        ]


class RateLimits:
    """Takes a token for every call of the API, and tells how many are left."""

    def __init__(self, app: ASGIApp, state: Any) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises TooMany when the bucket is empty."""
        if scope["type"] == "http" and scope["path"].startswith("/api/") and scope["method"] != "OPTIONS":
            bucket = bucket_of(scope["method"], scope["path"])
            verdict = await self._state.limiter.take(bucket, _key(scope, bucket))
            if verdict is not None:
                call_of(scope).headers.extend(verdict.headers())
                check(bucket, verdict)
        await self._app(scope, receive, send)


def check(bucket: str, verdict: Verdict | None) -> None:
    """Raises TooMany unless the bucket had a token, or nobody could be asked."""
    if verdict is not None and not verdict.allowed:
        REFUSED.labels(bucket).inc()
        raise TooMany(retry_after=verdict.next_in)


def bucket_of(method: str, path: str) -> str:
    """Which bucket a call takes from: what checks or sets passwords has a smaller one."""
    if method in {"GET", "HEAD"}:
        return "read"
    if path.startswith("/api/v1/auth/") and path not in {"/api/v1/auth/refresh", "/api/v1/auth/logout"}:
        return "auth"
    return "write"


def _key(scope: Scope, bucket: str) -> str:
    viewer = None if bucket == "auth" else viewer_in(scope)
    return address_of(scope) if viewer is None else str(viewer.id)


def address_of(scope: Any) -> str:
    """The client's address; of IPv6 the network, for a client has as many addresses as it likes."""
    client = scope.get("client")
    if client is None:
        return "local"
    try:
        address = ip_address(client[0])
    except ValueError:
        return str(client[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address)


def _folded(name: str) -> str:
    """All spellings that the database takes for one name: its lower() makes an i of a dotted capital I too."""
    return name.replace("\u0130", "i").casefold()


async def limit_account(connection: Any, name: str) -> None:
    """Take a token of this account's name at this client's address: against guessing passwords."""
    limiter = getattr(connection.app.state, "limiter", None)
    if limiter is not None:
        check("login", await limiter.take("login", f"{address_of(connection.scope)}:{_folded(name)}"))
