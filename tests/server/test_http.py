"""What is written of an answer, and when."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from server.http import MOST, HttpProtocol


class Transport(asyncio.Transport):
    """Remembers what is done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[Any] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.done.append(bytes(data))

    def close(self) -> None:
        self.done.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.done

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.done.append(protocol)


Serve = Callable[[Any, bytes], Transport]


@pytest.fixture
def serve() -> Serve:
    """Has an application answer what was received on a new connection."""

    def received(app: Any, data: bytes) -> Transport:
        config = uvicorn.Config(app, http=HttpProtocol, ws="websockets-sansio", log_config=None, lifespan="off")
        config.load()
        protocol, transport = HttpProtocol(config, ServerState(), {}), Transport()
        protocol.connection_made(transport)
        protocol.data_received(data)
        return transport

    return received


def answering(*parts: bytes, pause: float | None = None) -> Any:
    """An application that sends these, each after a pause."""

    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
        for part in parts:
            if pause is not None:
                await asyncio.sleep(pause)
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


async def settled(transport: Transport) -> list[Any]:
    """All that was done, once it was a while ago."""
    await asyncio.sleep(0.01)
    return transport.done


HEAD = b"GET / HTTP/1.1\r\nHost: potluck\r\n"


async def test_head_and_body_are_one_write(serve: Serve) -> None:
    (written,) = await settled(serve(answering(b"soup"), HEAD + b"\r\n"))

    assert written.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"soup" in written


async def test_what_comes_after_a_pause_is_not_waited_for(serve: Serve) -> None:
    done = await settled(serve(answering(b"soup", b"salad", pause=0.001), HEAD + b"\r\n"))

    assert [sum(word in each for word in (b"200 OK", b"soup", b"salad")) for each in done] == [1, 1, 1]


async def test_much_is_not_held_back(serve: Serve) -> None:
    done = await settled(serve(answering(*[b"x" * MOST] * 3), HEAD + b"\r\n"))

    assert len(done) >= 3
    assert max(map(len, done)) < 2 * MOST


async def test_an_answer_is_written_before_its_connection_is_closed(serve: Serve) -> None:
    done = await settled(serve(answering(b"soup"), HEAD + b"Connection: close\r\n\r\n"))

    assert b"soup" in done[0]
    assert done[1:] == ["closed"]


async def test_a_websocket_gets_the_transport_itself(serve: Serve) -> None:
    async def app(_: Any, receive: Any, __: Any) -> None:
        await receive()

    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    transport = serve(app, HEAD + upgrade + b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")

    (protocol,) = [each for each in await settled(transport) if isinstance(each, asyncio.Protocol)]
    assert protocol.transport is transport  # type: ignore[attr-defined] # uvicorn's
