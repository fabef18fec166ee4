"""What a journey needs: two server processes on one database, members who have registered, and their clients."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import msgspec

from loadtests.client import JSON, Client, only
from loadtests.listeners import Frame, Listener
from loadtests.running import Potluck

QUICK = {
    "POTLUCK_RATE_LIMITS": "off",
    "POTLUCK_JWT_KEYS": f"test:{base64.b64encode(b'a key for journeys, and for them only').decode()}",
    "POTLUCK_PASSWORD_MEMORY_KIB": "64",
    "POTLUCK_PASSWORD_TIME_COST": "1",
    "POTLUCK_DRAIN_S": "0.2",
    "POTLUCK_LEADERBOARDS_NEWS_SIZE": "1000",  # nobody is among the first of all members by chance
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
        self.name: str = signed_in["user"]["username"]
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

    async def live(self, topics: dict[str, str | None], url: str = "", subprotocol: str = JSON) -> "Live":
        """Open a socket, here or on another process."""
        return await Live.open(url or self.url, self.token, topics, subprotocol)

    async def access(self, fresh: bool) -> str | None:
        """The token, or that of a new session; None when there is none to be had."""
        if fresh:
            body = {"username": self.name, "password": PASSWORD}
            try:
                answer = await self.http.post(f"{self.url}/api/v1/auth/login", json=body)
            except httpx.HTTPError as trouble:
                raise OSError from trouble
            if answer.status_code == 401:
                return None
            if not answer.is_success:
                raise OSError(answer.status_code)
            self.token = answer.json()["access_token"]
        return self.token


class Heard(Listener):
    """A topic as a test looks at it: its events one by one, and the newest state of each type."""

    def __init__(self, topic: str, cursor: str | None) -> None:
        super().__init__(topic, self._keep, cursor)
        self.events: list[Frame] = []
        self.state: dict[str, Frame] = {}
        self.on_event: Callable[[Frame], None] = lambda _: None

    def _keep(self, frame: Frame) -> None:
        if frame["type"].endswith(".counters") or frame["type"] == "profile.changed":
            self.state[frame["type"]] = self.state.get(frame["type"], {}) | frame["data"]
        else:
            self.events.append(frame)
        self.on_event(frame)


class Refused(Exception):
    """The server hung up instead of a welcome."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Live(Client):
    """A socket of a member, who stops when the token is not good any more, and what each topic told."""

    topics: dict[str, Heard]

    @classmethod
    async def open(
        cls,
        url: str,
        token: str,
        topics: dict[str, str | None],
        subprotocol: str = JSON,
        ticket: str | None = None,
    ) -> "Live":
        """Be welcomed, listening to these from behind these cursors. Raises Refused."""
        live = cls([url], only(token), subprotocol=subprotocol)
        live.topics = {}
        live.contract.ticket = ticket
        live._listen(topics)
        live.start()
        await live.until(lambda: bool(live.contract.welcome or live.contract.closes))
        if not live.contract.welcome:
            await live.stop()
            raise Refused(live.contract.closes[0])
        return live

    @property
    def welcome(self) -> Frame:
        """The last one."""
        return self.contract.welcome

    async def closed(self) -> int:
        """Wait until the server hangs up; its code."""
        await self.until(lambda: bool(self.contract.closes))
        return self.contract.closes[0]

    async def subscribe(self, topics: dict[str, str | None]) -> None:
        """Listen to more topics, or to some anew; `removed` is the error when one may not be listened to."""
        self._listen(topics)
        await self.until(lambda: all(self.topics[topic].settled for topic in topics))

    async def unsubscribe(self, topic: str) -> None:
        """Listen to it no more."""
        await self.drop(self.topics.pop(topic))

    def counters(self, topic: str) -> Frame:
        """The newest state of a topic's counters."""
        none: Frame = {}
        return next((data for kind, data in self.topics[topic].state.items() if kind.endswith(".counters")), none)

    def _listen(self, topics: dict[str, str | None]) -> None:
        for topic, cursor in topics.items():
            self.topics[topic] = heard = Heard(topic, cursor)
            self.add(heard)


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
