"""The Redis side of delivery: which keys there are, and clients that wait as long as they must.

The client library types its answers by halves; here they are Any, and whoever reads them says what they are.
"""

import asyncio
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import TimeoutError as RedisTimeout

from domain.settings import settings

STREAM = "potluck:{news}:0"
WAKE = "potluck:wake"

_Redis: Any = Redis  # its own types are known by halves


class _Cancellable(_Redis):
    """Waits with asyncio's own timeout. With `socket_timeout` the library uses `wait_for`, which on Python 3.11 all
    but always loses a cancellation that comes while a command is sent: a relay then goes on that should have ended."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        try:
            async with asyncio.timeout(settings.redis_timeout_s):
                return await _Redis.execute_command(self, *args, **options)
        except TimeoutError:
            raise RedisTimeout(f"no answer in {settings.redis_timeout_s} s") from None


def writer() -> Any:
    """For commands. A command is never sent twice: the script that appends must know what it did."""
    return _Cancellable.from_url(
        settings.redis_url,
        socket_timeout=None,
        socket_connect_timeout=settings.redis_timeout_s,
        retry=Retry(NoBackoff(), 0),
    )


def reader() -> Any:
    """For reads that block: the default client gives up after 5 s and loses its place."""
    return _Redis.from_url(
        settings.redis_url,
        socket_timeout=None,
        socket_connect_timeout=settings.redis_timeout_s,
        retry=Retry(NoBackoff(), 0),
    )
