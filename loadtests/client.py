"""A client of the live contract: keeps a position per topic, applies what is new, and notices what is missing."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

JSON = "potluck.v1.json"
MSGPACK = "potluck.v1.msgpack"


class Followed:
    """A topic as the client knows it: its position, the newest state of each type, and what broke the contract."""

    def __init__(self) -> None:
        self.position = ""
        self.state: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.resets = 0
        self.duplicates = 0
        self.gaps = 0


class LiveClient:
    """One socket. `await LiveClient.open(...)` says hello; frames are applied as they come."""

    def __init__(self, socket: ClientConnection, subprotocol: str) -> None:
        self.topics: dict[str, Followed] = {}
        self.welcome: dict[str, Any] = {}
        self.frames = 0
        self.others: list[dict[str, Any]] = []
        self.on_event: Callable[[dict[str, Any]], None] = lambda _: None
        self._socket = socket
        self._json = subprotocol == JSON
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._next_id = 0
        self._asked: dict[str, str | None] = {}
        self._changed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        url: str,
        token: str,
        topics: dict[str, str | None] | None = None,
        subprotocol: str = JSON,
        ticket: str | None = None,
    ) -> "LiveClient":
        """Connect to `url` (http://host:port), say hello and begin to read."""
        address = url.replace("http", "ws", 1) + "/api/v1/ws"
        socket = await connect(address, subprotocols=[subprotocol], max_size=None, compression=None, ping_interval=None)  # type: ignore[list-item] # a Subprotocol is a str
        client = cls(socket, subprotocol)
        client._asked = topics or {}
        await client._send(
            {"op": "hello", "token": token, "topics": topics or {}, "ticket": ticket, "client": "loadtests"}
        )
        client.welcome = client._decode(await socket.recv())
        client._subscribed(client.welcome)
        client._reading = asyncio.create_task(client._read())
        return client

    async def close(self) -> None:
        """Hang up."""
        await self._socket.close()
        if self._reading is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading

    def cut(self) -> None:
        """Lose the connection without a word."""
        self._socket.transport.abort()

    @property
    def close_code(self) -> int | None:
        """The code that the server closed with."""
        return self._socket.close_code

    async def closed(self) -> int | None:
        """Wait until the server closes; its code."""
        await self._socket.wait_closed()
        return self._socket.close_code

    async def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self._next_id += 1
        self._answers[self._next_id] = answer = asyncio.get_running_loop().create_future()
        await self._send({"op": op, "id": self._next_id, **fields})
        return await asyncio.wait_for(answer, 10)

    async def subscribe(self, topics: dict[str, str | None]) -> dict[str, Any]:
        """Listen to more topics."""
        return await self.ask("subscribe", topics=topics)

    async def until(self, done: Callable[[], bool], timeout: float = 10.0) -> None:
        """Wait until what was received makes `done()` true; TimeoutError otherwise."""
        give_up = time.monotonic() + timeout
        while not done():
            self._changed.clear()
            left = give_up - time.monotonic()
            if left <= 0:
                raise TimeoutError
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)

    def counters(self, topic: str) -> dict[str, Any]:
        """The newest state of a topic's counters."""
        for kind, data in self.topics[topic].state.items():
            if kind.endswith(".counters"):
                return data
        return {}

    async def _send(self, message: dict[str, Any]) -> None:
        await self._socket.send(
            msgspec.json.encode(message).decode() if self._json else msgspec.msgpack.encode(message)
        )

    def _decode(self, message: str | bytes) -> dict[str, Any]:
        if self._json:
            return msgspec.json.decode(message)
        return msgspec.msgpack.decode(message if isinstance(message, bytes) else message.encode())

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in self._socket:
                self._take(self._decode(message))
        self._changed.set()

    def _take(self, frame: dict[str, Any]) -> None:
        self.frames += 1
        match frame["op"]:
            case "event":
                self._apply(frame)
            case "cursor":
                for followed in self.topics.values():
                    followed.position = max(followed.position, frame["cursor"])
            case "reset":
                followed = self.topics[frame["topic"]]
                followed.resets += 1
                followed.position = frame["cursor"]
            case _:
                self._answered(frame)
        self._changed.set()

    def _answered(self, frame: dict[str, Any]) -> None:
        if frame["op"] == "subscribed":
            self._subscribed(frame)
        answer = self._answers.pop(frame.get("id") or 0, None)
        if answer is None or answer.done():
            self.others.append(frame)
        else:
            answer.set_result(frame)

    def _subscribed(self, frame: dict[str, Any]) -> None:
        for topic, outcome in frame.get("topics", {}).items():
            if outcome["outcome"] == "error":
                continue
            followed = self.topics.setdefault(topic, Followed())
            if outcome["outcome"] == "reset":
                followed.resets += 1
                followed.position = outcome["cursor"]
            elif outcome["outcome"] == "live":
                followed.position = max(followed.position, outcome["cursor"])
            else:
                followed.position = followed.position or self._asked.get(topic) or ""

    def _apply(self, frame: dict[str, Any]) -> None:
        followed = self.topics[frame["topic"]]
        if frame["id"] <= followed.position:
            followed.duplicates += 1
            return
        if frame["prev"] is not None and frame["prev"] > followed.position:
            followed.gaps += 1
        followed.position = frame["id"]
        if frame["type"].endswith((".counters", ".changed")):
            followed.state[frame["type"]] = followed.state.get(frame["type"], {}) | frame["data"]
        else:
            followed.events.append(frame)
        self.on_event(frame)
