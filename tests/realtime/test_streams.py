"""The clients of Redis: they end when they are told to, and wait no longer than they may."""

import asyncio
import random
from typing import Any

import msgspec
import pytest
from redis.exceptions import RedisError

from realtime import streams
from realtime.streams import reader, writer


async def work_on(redis: Any) -> None:
    while True:
        await redis.ping()


async def begin_and_cancel(seed: int) -> bool:
    """Whether a task ends that is cancelled while it is busy with Redis."""
    redis = writer()
    busy = asyncio.create_task(work_on(redis))
    await asyncio.sleep(0.005 + random.Random(seed).random() / 500)
    busy.cancel()
    _, deaf = await asyncio.wait([busy], timeout=1)
    await redis.aclose()
    return not deaf


async def test_what_is_busy_with_redis_ends_when_it_is_cancelled() -> None:
    assert all([await begin_and_cancel(seed) for seed in range(30)])


async def test_an_answer_that_does_not_come_is_an_error_of_redis_and_the_client_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    redis, other = writer(), reader()
    monkeypatch.setattr(streams, "settings", msgspec.structs.replace(streams.settings, redis_timeout_s=0.2))

    with pytest.raises(RedisError, match="no answer"):
        await redis.blpop("nothing", timeout=5)

    assert await redis.ping()
    assert await other.blpop("nothing", timeout=0.5) is None
    await asyncio.gather(redis.aclose(), other.aclose())
