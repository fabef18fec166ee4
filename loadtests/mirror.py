"""A client that keeps a copy of topics true, whatever happens to its connection: the contract, to the letter."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException

from loadtests.client import JSON

Apply = Callable[[dict[str, Any]], None]


class Copied:
    """A topic: where we are, how to begin anew, and how to go on."""

    def __init__(self, fetch: Callable[[], Awaitable[None]], apply: Apply) -> None:
        self.fetch = fetch
        self.apply = apply
        self.position: str | None = None
        self.stale = True
        self.waiting: list[dict[str, Any]] = []
        self.removed: str | None = None
        self.fetching: asyncio.Task[None] | None = None


class Mirror:
    """Follows topics on any of several servers, with tickets, until stopped. Counts what it saw."""

    def __init__(self, urls: Sequence[str], token: str, *, tickets: bool = True, seed: int = 0) -> None:
        self.topics: dict[str, Copied] = {}
        self.outcomes: list[str] = []
        self.resets = 0
        self.gaps = 0
        self.duplicates = 0
        self.closes: list[int | None] = []
        self.frames = 0
        self._urls = list(urls)
        self._token = token
        self._tickets = tickets
        self._ticket: str | None = None
        self._chance = random.Random(seed)
        self._socket: ClientConnection | None = None
        self._running: asyncio.Task[None] | None = None
        self._fetching: set[asyncio.Task[None]] = set()
        self._paused = asyncio.Event()
        self._paused.set()

    def follow(self, topic: str, fetch: Callable[[], Awaitable[None]], apply: Apply) -> None:
        """Keep a copy of a topic: `fetch` replaces the copy by what HTTP says, `apply` adds one event. Before start."""
        self.topics[topic] = Copied(fetch, apply)

    async def listen(self, topics: Mapping[str, tuple[Callable[[], Awaitable[None]], Apply]]) -> None:
        """Keep copies of more topics, after the start."""
        for topic, how in topics.items():
            self.follow(topic, *how)
        if self._socket is not None:
            command = {"op": "subscribe", "id": 0, "topics": dict.fromkeys(topics)}
            with contextlib.suppress(ConnectionClosed):  # then the next hello names them
                await self._socket.send(msgspec.json.encode(command).decode())

    def start(self) -> None:
        """Connect, and stay connected."""
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Hang up for good."""
        for task in (self._running, *self._fetching):
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in (self._running, *self._fetching) if task), return_exceptions=True)
        if self._socket is not None:
            self._socket.transport.abort()

    def forget_ticket(self) -> None:
        """Resume with the usual checks next time."""
        self._ticket = None

    async def away(self, seconds: float) -> None:
        """Be cut off for a while."""
        self._paused.clear()
        if self._socket is not None:
            self._socket.transport.abort()
        await asyncio.sleep(seconds)
        self._paused.set()

    @property
    def settled(self) -> bool:
        """Whether nothing is being fetched."""
        return not self._fetching and all(not each.stale or each.removed for each in self.topics.values())

    async def _run(self) -> None:
        delay = 0.05
        while True:
            await self._paused.wait()
            url = self._chance.choice(self._urls).replace("http", "ws", 1) + "/api/v1/ws"
            subprotocols: Any = [JSON]
            try:
                socket = await connect(url, subprotocols=subprotocols, compression=None, open_timeout=5, max_size=None)
            except (OSError, TimeoutError, InvalidHandshake):
                await asyncio.sleep(delay * self._chance.random())
                delay = min(delay * 2, 1.0)
                continue
            self._socket = socket
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                await self._converse(socket)
                delay = 0.05
            self.closes.append(socket.close_code)
            socket.transport.abort()
            await asyncio.sleep(delay * self._chance.random())
            delay = min(delay * 2, 1.0)

    async def _converse(self, socket: ClientConnection) -> None:
        topics = {topic: copied.position for topic, copied in self.topics.items() if copied.removed is None}
        hello = {"op": "hello", "token": self._token, "topics": topics, "ticket": self._ticket, "client": "mirror"}
        await socket.send(msgspec.json.encode(hello).decode())
        async with asyncio.timeout(10):
            self._take(msgspec.json.decode(await socket.recv()))
        async for message in socket:
            self._take(msgspec.json.decode(message))

    def _take(self, frame: dict[str, Any]) -> None:
        self.frames += 1
        if self._tickets and frame.get("ticket"):
            self._ticket = frame["ticket"]
        match frame["op"]:
            case "welcome" | "subscribed":
                for topic, outcome in frame["topics"].items():
                    self._begun(topic, outcome)
            case "event":
                self._event(frame)
            case "cursor":
                for copied in self.topics.values():
                    if copied.position is not None:
                        copied.position = max(copied.position, frame["cursor"])
            case "reset":
                self.resets += 1
                self._begin_anew(frame["topic"], frame["cursor"])
            case "removed":
                self.topics[frame["topic"]].removed = frame["code"]
            case _:
                pass

    def _begun(self, topic: str, outcome: dict[str, Any]) -> None:
        copied = self.topics[topic]
        self.outcomes.append(outcome["outcome"])
        match outcome["outcome"]:
            case "error":
                copied.removed = outcome["code"]
            case "reset":
                self._begin_anew(topic, outcome["cursor"])
            case "live" if copied.position is None:
                self._begin_anew(topic, outcome["cursor"])
            case "live":
                copied.position = max(copied.position or "", outcome["cursor"])
            case _:
                pass

    def _event(self, frame: dict[str, Any]) -> None:
        copied = self.topics[frame["topic"]]
        position = copied.position or ""
        if frame["id"] <= position:
            self.duplicates += 1
            return
        if frame["prev"] is not None and frame["prev"] > position:
            self.gaps += 1
            if self._socket is not None:
                self._socket.transport.abort()  # resume from what we have
            return
        copied.position = frame["id"]
        if copied.stale:
            copied.waiting.append(frame)
        else:
            copied.apply(frame)

    def _begin_anew(self, topic: str, cursor: str) -> None:
        copied = self.topics[topic]
        copied.position, copied.stale, copied.waiting = cursor, True, []
        if copied.fetching is not None:  # its answer may be older than what is to be waited for
            copied.fetching.cancel()
        copied.fetching = task = asyncio.create_task(self._fetch(copied))
        self._fetching.add(task)
        task.add_done_callback(self._fetching.discard)

    async def _fetch(self, copied: Copied) -> None:
        while copied.stale and copied.removed is None:
            try:
                await copied.fetch()
            except OSError:
                await asyncio.sleep(0.1)
                continue
            for frame in copied.waiting:
                copied.apply(frame)
            copied.waiting, copied.stale = [], False
