"""The socket after the handshake, on a real server: uvicorn shakes hands and lets go, then nothing of it is left."""

import asyncio
import contextlib
import gc
import struct
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from realtime import frames, websocket
from realtime.protocol import JSON
from realtime.websocket import EXTENSION, AsgiOutlet, FrameProtocol, Outlet


class Echo:
    """Says back what it hears; `wait` keeps it busy until it is freed, `close` makes it say goodbye."""

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet
        self.busy = False
        self.is_lost = False

    def hear(self, message: str | bytes) -> None:
        assert not self.busy
        if message == "close":
            self.outlet.close(4321, "as you wish")
        elif message == "wait":
            self.busy = True
        else:
            self.say(message)

    def say(self, message: str | bytes) -> None:
        payload = message.encode() if isinstance(message, str) else message
        self.outlet.write(frames.frame(payload, JSON) if self.outlet.framed else payload)

    def free(self) -> None:
        self.busy = False
        self.outlet.read_on()

    def stalled(self) -> None: ...

    def drained(self) -> None: ...

    def lost(self) -> None:
        assert not self.is_lost
        self.is_lost = True


class Running:
    """A server of echoes."""

    def __init__(self, protocol: type[asyncio.Protocol] | str) -> None:
        self.echoes: list[Echo] = []
        options: dict[str, Any] = {
            "interface": "asgi3",
            "ws": protocol,
            "ws_per_message_deflate": False,
            "ws_ping_interval": None,
        }
        self.server = uvicorn.Server(
            uvicorn.Config(self._app, port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=1, **options)
        )

    @property
    def port(self) -> int:
        return self.server.servers[0].sockets[0].getsockname()[1]

    async def connect(self, **options: Any) -> ClientConnection:
        return await connect(f"ws://127.0.0.1:{self.port}", compression=None, ping_interval=None, **options)

    def _open(self, outlet: Outlet, _: str) -> Echo:
        self.echoes.append(Echo(outlet))
        return self.echoes[-1]

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        hand_over: Callable[..., None] | None = scope["extensions"].get(EXTENSION)
        if hand_over is not None:
            hand_over(self._open, JSON)
        else:
            outlet = AsgiOutlet(send, text=True)
            await outlet.serve(self._open(outlet, JSON), receive)


@pytest.fixture(params=[FrameProtocol, "websockets-sansio"], ids=["handed over", "plain ASGI"])
async def either(request: pytest.FixtureRequest) -> AsyncGenerator[Running]:
    async with serving(Running(request.param)) as running:
        yield running


@pytest.fixture
async def running() -> AsyncGenerator[Running]:
    async with serving(Running(FrameProtocol)) as running:
        yield running


@contextlib.asynccontextmanager
async def serving(running: Running) -> AsyncGenerator[Running]:
    serve = asyncio.create_task(running.server.serve())
    while not running.server.started:
        await asyncio.sleep(0.01)
    try:
        yield running
    finally:
        running.server.should_exit = True
        await serve


class Raw:
    """A client that sends whatever bytes it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def dial(cls, running: Running) -> "Raw":
        raw = cls(*await asyncio.open_connection("127.0.0.1", running.port))
        raw.writer.write(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert b" 101 " in await raw.reader.readuntil(b"\r\n\r\n")
        return raw

    def send(self, opcode: Opcode, payload: bytes, *, fin: bool = True) -> None:
        self.writer.write(Frame(opcode, payload, fin).serialize(mask=True))

    async def hear(self) -> tuple[int, bytes]:
        """The next frame's opcode and payload; raises IncompleteReadError at the end."""
        async with asyncio.timeout(5):
            first, size = await self.reader.readexactly(2)
            return first & 0x0F, await self.reader.readexactly(size)

    async def code(self) -> int:
        """What the server closes with."""
        opcode, payload = await self.hear()
        assert opcode == frames.CLOSE
        return struct.unpack("!H", payload[:2])[0]


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not done():
            await asyncio.sleep(0.01)


async def test_messages_come_and_go_in_order(either: Running) -> None:
    async with await either.connect() as socket:
        for number in range(50):
            await socket.send(f"{number}")
        assert [await socket.recv() for _ in range(50)] == [f"{number}" for number in range(50)]


async def test_who_hangs_up_is_lost_once(either: Running) -> None:
    async with await either.connect() as socket:
        await socket.close(1000)
    await until(lambda: either.echoes[0].is_lost)
    assert socket.close_code == 1000


async def test_who_vanishes_is_lost_too(either: Running) -> None:
    async with await either.connect() as socket:
        socket.transport.abort()
        await until(lambda: either.echoes[0].is_lost)


async def test_a_goodbye_bears_its_code_and_reason(either: Running) -> None:
    async with await either.connect() as socket:
        await socket.send("close")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert (socket.close_code, socket.close_reason) == (4321, "as you wish")
    await until(lambda: either.echoes[0].is_lost)


async def test_nothing_is_heard_while_a_message_is_dealt_with_and_nothing_is_forgotten(either: Running) -> None:
    async with await either.connect() as socket:
        for message in ("wait", "1", "2"):
            await socket.send(message)
        await until(lambda: bool(either.echoes) and either.echoes[0].busy)
        either.echoes[0].free()
        assert [await socket.recv(), await socket.recv()] == ["1", "2"]


async def test_a_ping_is_answered_with_what_it_said(running: Running) -> None:
    async with await running.connect() as socket:
        await asyncio.wait_for(await socket.ping(b"still there?"), 5)


async def test_a_message_may_come_in_pieces_with_a_ping_between(running: Running) -> None:
    raw = await Raw.dial(running)
    raw.send(Opcode.TEXT, b"caf", fin=False)
    raw.send(Opcode.PING, b"?")
    raw.send(Opcode.CONT, "é".encode()[:1], fin=False)
    raw.send(Opcode.CONT, "é".encode()[1:])
    assert await raw.hear() == (frames.PONG, b"?")
    assert await raw.hear() == (frames.TEXT, "café".encode())
    raw.writer.close()


async def test_a_frame_may_come_byte_by_byte(running: Running) -> None:
    raw = await Raw.dial(running)
    for byte in Frame(Opcode.TEXT, b"drip").serialize(mask=True):
        raw.writer.write(bytes([byte]))
        await raw.writer.drain()
        await asyncio.sleep(0.001)
    assert await raw.hear() == (frames.TEXT, b"drip")
    raw.writer.close()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([(Opcode.CONT, b"of nothing", True)], 1002),
        ([(Opcode.TEXT, b"one", False), (Opcode.TEXT, b"two", True)], 1002),
        ([(Opcode.TEXT, b"\xff", True)], 1007),
        ([(Opcode.TEXT, b"x" * 40_000, False), (Opcode.CONT, b"x" * 40_000, True)], 1009),
        ([(Opcode.CLOSE, b"\x00", True)], 1002),
    ],
)
async def test_who_breaks_the_protocol_is_told_how_and_let_go(
    running: Running, sent: list[tuple[Opcode, bytes, bool]], code: int
) -> None:
    raw = await Raw.dial(running)
    for opcode, payload, fin in sent:
        raw.send(opcode, payload, fin=fin)
    raw.send(Opcode.TEXT, b"and more")
    assert await raw.code() == code
    assert await raw.reader.read() == b""
    raw.writer.close()
    await until(lambda: running.echoes[0].is_lost)


async def test_two_pings_without_an_answer_end_the_connection(running: Running) -> None:
    raw = await Raw.dial(running)
    await until(lambda: bool(running.echoes))
    for _ in range(3):
        running.echoes[0].outlet.ping()
    assert await raw.hear() == (frames.PING, b"")
    await until(lambda: running.echoes[0].is_lost)
    raw.writer.close()


async def test_an_answered_ping_starts_anew(running: Running) -> None:
    async with await running.connect() as socket:
        await until(lambda: bool(running.echoes))
        for _ in range(4):
            running.echoes[0].outlet.ping()
            await socket.send("alive")  # its pong goes ahead of this
            await socket.recv()
    await until(lambda: running.echoes[0].is_lost)


async def keep_pinging(raw: Raw) -> None:
    """Until it is cut off, or for 20 s."""
    pings = Frame(Opcode.PING, b"p" * 125).serialize(mask=True) * 100
    async with asyncio.timeout(20):
        while True:
            raw.writer.write(pings)
            await raw.writer.drain()


async def test_who_pings_without_reading_is_cut_off(running: Running) -> None:
    raw = await Raw.dial(running)
    with pytest.raises(ConnectionError):
        await keep_pinging(raw)
    raw.writer.close()
    await until(lambda: running.echoes[0].is_lost)


@pytest.mark.parametrize("how", ["a goodbye", "an end"])
async def test_who_leaves_without_reading_is_cut_off(
    running: Running, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(websocket, "CLOSE_TIMEOUT_S", 0.2)
    raw = await Raw.dial(running)
    await until(lambda: bool(running.echoes))
    echo = running.echoes[0]
    for _ in range(400):
        echo.say(b"x" * 60_000)
    if how == "a goodbye":
        raw.send(Opcode.CLOSE, struct.pack("!H", 1000))
    else:
        raw.writer.write_eof()
    await until(lambda: echo.is_lost)
    raw.writer.close()


async def test_what_follows_a_goodbye_is_not_heard(running: Running) -> None:
    raw = await Raw.dial(running)
    goodbye = Frame(Opcode.CLOSE, struct.pack("!H", 1000)).serialize(mask=True)
    raw.writer.write(goodbye + Frame(Opcode.TEXT, b"wait").serialize(mask=True))
    await until(lambda: bool(running.echoes) and running.echoes[0].is_lost)
    assert not running.echoes[0].busy
    raw.writer.close()


async def test_nothing_of_the_handshake_is_kept(running: Running) -> None:
    async with await running.connect() as socket:
        await socket.send("hello")
        assert await socket.recv() == "hello"
        gc.collect()
        assert not [each for each in gc.get_objects() if isinstance(each, FrameProtocol)]
        assert not running.server.server_state.connections
        assert not running.server.server_state.tasks
