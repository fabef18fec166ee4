"""What a journey needs: two server processes on one database, members who have registered, and their clients."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import msgspec

from loadtests.client import JSON, LiveClient
from tests.journeys.running import Potluck

QUICK = {
    "POTLUCK_RATE_LIMITS": "off",
    "POTLUCK_JWT_KEYS": f"test:{base64.b64encode(b'a key for journeys, and for them only').decode()}",
    "POTLUCK_PASSWORD_MEMORY_KIB": "64",
    "POTLUCK_PASSWORD_TIME_COST": "1",
    "POTLUCK_DRAIN_S": "0.2",
}
PASSWORD = "correct horse battery"
_numbers = count(1)


@contextmanager
def two_processes(folder: Path, **settings: str) -> Generator[tuple[Potluck, Potluck]]:
    """One `serve` with its own servers and the worker, and a second on the same servers."""
    environment = {**QUICK, **settings}
    first = second = None
    try:
        first = Potluck(folder / "first", **environment)
        servers = msgspec.json.decode((first.data / "servers.json").read_bytes())
        urls = {"DATABASE_URL": servers["database_url"], "REDIS_URL": servers["redis_url"]}
        second = Potluck(folder / "second", "--no-worker", **environment, **urls)
        yield first, second
    finally:
        for each in (second, first):
            if each is not None and each.process.poll() is None:
                each.interrupt()


class Member:
    """Somebody who has registered, as an HTTP client; `live` opens a socket."""

    def __init__(self, url: str, http: httpx.AsyncClient, signed_in: dict[str, Any]) -> None:
        self.url = url
        self.http = http
        self.id: str = signed_in["user"]["id"]
        self.token: str = signed_in["access_token"]
        self.refresh_token: str = signed_in["refresh_token"]
        self._headers = {"Authorization": f"Bearer {self.token}"}

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """A request under /api/v1."""
        given = {} if body is None else {"json": body}
        return await self.http.request(
            method, f"{self.url}/api/v1{path}", headers={**self._headers, **headers}, **given
        )

    async def do(self, method: str, path: str, body: Any = None) -> Any:
        """A request that must succeed; its body."""
        answer = await self.ask(method, path, body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def live(self, topics: dict[str, str | None], url: str = "", subprotocol: str = JSON) -> LiveClient:
        """Open a socket, here or on another process."""
        return await LiveClient.open(url or self.url, self.token, topics, subprotocol)


@asynccontextmanager
async def members(number: int, *urls: str) -> AsyncGenerator[list[Member]]:
    """So many members, spread over the processes."""
    async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=64)) as http:
        yield list(await asyncio.gather(*(register(http, urls[i % len(urls)]) for i in range(number))))


async def register(http: httpx.AsyncClient, url: str) -> Member:
    """Somebody new."""
    name = f"member{next(_numbers)}"
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    answer = await http.post(f"{url}/api/v1/auth/register", json=body)
    assert answer.status_code == 201, answer.text
    return Member(url, http, answer.json())
