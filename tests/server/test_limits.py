"""Buckets in Redis: what they hold, what answers say of them, and what happens without Redis."""

# Tests look behind the doors.
# pyright: reportPrivateUsage=false

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from domain.errors import TooMany
from realtime import streams
from server import limits
from server.limits import Limiter, Rate, Verdict, _folded, address_of, bucket_of, check, rate

THREE = {"read": Rate(3, 60), "write": Rate(3, 60), "auth": Rate(1, 60), "login": Rate(2, 60)}


@pytest.fixture
async def redis() -> AsyncGenerator[Any]:
    """An empty Redis."""
    made = streams.writer()
    await made.flushdb()
    yield made
    await made.aclose()


@pytest.fixture
def limiter(redis: Any) -> Limiter:
    """Three tokens, one more each second."""
    return Limiter(redis, THREE)


@asynccontextmanager
async def of_redis(url: str) -> AsyncGenerator[Limiter]:
    connect: Any = Redis.from_url  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] # half typed
    redis = connect(url, retry=Retry(NoBackoff(), 0))
    yield Limiter(redis, THREE)
    await redis.aclose()


@pytest.fixture
async def nobody() -> AsyncGenerator[Limiter]:
    """A limiter whose Redis is not there."""
    async with of_redis("redis://127.0.0.1:1/0") as limiter:
        yield limiter


def took(verdict: Verdict | None) -> Verdict:
    assert verdict is not None
    return verdict


async def test_a_bucket_gives_as_many_tokens_as_it_holds(limiter: Limiter) -> None:
    verdicts = [took(await limiter.take("read", "ada")) for _ in range(4)]

    assert [verdict.allowed for verdict in verdicts] == [True, True, True, False]
    assert [verdict.left for verdict in verdicts] == [2, 1, 0, 0]


async def test_an_empty_bucket_says_when_the_next_token_comes(limiter: Limiter) -> None:
    await asyncio.gather(*(limiter.take("read", "ada") for _ in range(3)))

    refused = took(await limiter.take("read", "ada"))

    assert 0 < refused.next_in <= 1
    assert 2 < refused.full_in <= 3


async def test_tokens_come_back_with_time(limiter: Limiter) -> None:
    limiter._rates = {"read": Rate(1, 1200)}
    await limiter.take("read", "ada")

    await asyncio.sleep(0.06)

    assert took(await limiter.take("read", "ada")).allowed


async def test_everybody_has_a_bucket_of_their_own(limiter: Limiter) -> None:
    await asyncio.gather(*(limiter.take("read", "ada") for _ in range(3)))

    assert took(await limiter.take("read", "bob")).allowed
    assert took(await limiter.take("write", "ada")).allowed


async def test_many_at_once_get_exactly_as_many_tokens_as_there_are(limiter: Limiter) -> None:
    verdicts = await asyncio.gather(*(limiter.take("read", "ada") for _ in range(50)))

    assert sum(took(verdict).allowed for verdict in verdicts) == 3


async def test_those_who_wait_share_a_round_trip(limiter: Limiter, redis: Any) -> None:
    before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] if await _warm(limiter, redis) else 0

    await asyncio.gather(*(limiter.take("read", f"user {i}") for i in range(50)))

    assert (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] - before <= 2


async def _warm(limiter: Limiter, redis: Any) -> bool:
    await limiter.take("read", "first")
    return "cmdstat_evalsha" in await redis.info("commandstats")


async def test_a_bucket_is_forgotten_once_it_is_full_again(limiter: Limiter, redis: Any) -> None:
    await limiter.take("read", "ada")

    assert 0 < await redis.pttl("{limits}:read:ada") <= 1000


def counted() -> float:
    return REGISTRY.get_sample_value("potluck_rate_limits_failed_open_total") or 0


async def test_without_redis_everybody_may_pass_and_it_is_counted(nobody: Limiter) -> None:
    before = counted()

    verdict = await nobody.take("read", "ada")

    check("read", verdict)
    assert verdict is None
    assert counted() == before + 1


async def test_without_redis_nobody_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PAUSE_S", 60)
    calls: list[asyncio.StreamWriter] = []

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(writer)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, of_redis(f"redis://{host}:{port}/0") as limiter:
        await limiter.take("read", "ada")
        asked = len(calls)
        verdicts = await asyncio.gather(*(limiter.take("read", "ada") for _ in range(1000)))

    assert verdicts == [None] * 1000
    assert len(calls) == asked > 0


async def test_redis_is_asked_again_after_a_pause(nobody: Limiter, redis: Any) -> None:
    await nobody.take("read", "ada")
    nobody._script.registered_client = redis
    nobody._ask_again_at = 0

    assert took(await nobody.take("read", "ada")).allowed


@pytest.fixture
async def strict(app: Any, limiter: Limiter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The application with small buckets."""
    monkeypatch.setattr(app.state, "limiter", limiter)


async def test_answers_say_how_much_is_left(client: httpx.AsyncClient, strict: None) -> None:
    answer = await client.get("/api/v1/nothing")

    assert answer.headers["ratelimit-limit"] == "3"
    assert answer.headers["ratelimit-remaining"] == "2"
    assert answer.headers["ratelimit-reset"] == "1"


async def test_one_too_many_is_429_with_the_time_to_wait(client: httpx.AsyncClient, strict: None) -> None:
    answers = [await client.get("/api/v1/nothing") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [404, 404, 404, 429]
    assert answers[-1].headers["retry-after"] == "1"
    assert answers[-1].headers["ratelimit-remaining"] == "0"
    assert answers[-1].json()["error"]["code"] == "too_many"


async def test_health_is_never_limited(client: httpx.AsyncClient, strict: None) -> None:
    answers = [await client.get("/health/live") for _ in range(10)]

    assert {answer.status_code for answer in answers} == {200}


BUCKETS = [
    ("GET", "/api/v1/posts/1", "read"),
    ("GET", "/api/v1/auth/me", "read"),
    ("PUT", "/api/v1/posts/1/like", "write"),
    ("POST", "/api/v1/auth/login", "auth"),
    ("POST", "/api/v1/auth/register", "auth"),
    ("POST", "/api/v1/auth/refresh", "write"),
    ("POST", "/api/v1/auth/logout", "write"),
]


@pytest.mark.parametrize(("method", "path", "bucket"), BUCKETS)
def test_calls_take_from_the_bucket_of_their_kind(method: str, path: str, bucket: str) -> None:
    assert bucket_of(method, path) == bucket


ADDRESSES = [
    (("192.0.2.7", 1), "192.0.2.7"),
    (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64"),
    (("testclient", 1), "testclient"),
    (None, "local"),
]


@pytest.mark.parametrize(("client", "key"), ADDRESSES)
def test_a_client_is_its_address_or_its_network(client: tuple[str, int] | None, key: str) -> None:
    assert address_of({"client": client}) == key


@pytest.mark.parametrize("text", ["", "10", "10/0", "0/10", "a/b", "1/2/3"])
def test_a_rate_is_burst_and_per_minute(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever the parts say
        rate(text)


def test_a_refusal_is_too_many() -> None:
    with pytest.raises(TooMany) as refused:
        check("read", Verdict(allowed=False, limit=3, left=0, full_in=3, next_in=0.5))

    assert refused.value.retry_after == 0.5


@pytest.mark.parametrize("path", ["//api/v1/auth/login", "/api//v1/auth/login", "/api/v1/auth/login/"])
async def test_slashes_more_or_less_are_the_same_path_and_the_same_bucket(
    client: httpx.AsyncClient, strict: None, path: str
) -> None:
    body = {"username": "nobody", "password": "wrong password"}

    statuses = [
        (await client.post(f"http://potluck{each}", json=body)).status_code for each in ("/api/v1/auth/login", path)
    ]

    assert statuses == [401, 429]


def test_all_spellings_that_the_database_takes_for_one_name_have_one_bucket() -> None:
    assert {_folded(name) for name in ("kiki", "KIKI", "K\u0130k\u0130", "\u212ai\u212ai")} == {"kiki"}
