"""The Redis side of delivery: which keys there are, and clients that wait as long as they must.

The client library types its answers by halves; here they are Any, and whoever reads them says what they are.
"""

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from domain.settings import settings

STREAM = "potluck:{news}:0"
WAKE = "potluck:wake"

_connect: Any = getattr(Redis, "from_url")  # noqa: B009 # its own type is known by halves


def writer() -> Any:
    """For commands. A command is never sent twice: the script that appends must know what it did."""
    return _connect(
        settings.redis_url,
        socket_timeout=settings.redis_timeout_s,
        socket_connect_timeout=settings.redis_timeout_s,
        retry=Retry(NoBackoff(), 0),
    )


def reader() -> Any:
    """For reads that block: the default client gives up after 5 s and loses its place."""
    return _connect(
        settings.redis_url,
        socket_timeout=None,
        socket_connect_timeout=settings.redis_timeout_s,
        retry=Retry(NoBackoff(), 0),
    )
