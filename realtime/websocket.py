"""Where a connection's messages come from and its frames go: uvicorn's transport, or plain ASGI under any other server.

uvicorn shakes hands; after that its protocol object, the task that runs the application and everything they hold are
in the way of ten thousand quiet sockets, so the transport is handed to a `Socket`, which is all that stays.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.server import ServerProtocol

from domain.settings import settings
from realtime import frames
from realtime.frames import Broken, Piece

EXTENSION = "potluck.handover"
CLOSE_TIMEOUT_S = 10.0
PING = frames.whole(frames.PING)
# No message refers to the one before it, in either direction: so one compressed frame serves all clients.
DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True,
    client_no_context_takeover=True,
    server_max_window_bits=frames.DEFLATE_BITS,
    client_max_window_bits=frames.DEFLATE_BITS,
)
STALLED_BYTES = settings.slow_reader_merge_bytes
DRAINED_BYTES = STALLED_BYTES // 4

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Outlet(Protocol):
    """Takes what is written to one client."""

    framed: bool
    deflated: bool
    """Whether the client takes compressed frames, each by itself."""

    def write(self, message: bytes) -> None:
        """Send it behind what was written before; never waits."""
        ...

    def waiting(self) -> int:
        """The bytes that wait for the client to read."""
        ...

    def ping(self) -> None:
        """Called about once a heartbeat: ask for a sign of life, or give up."""
        ...

    def read_on(self) -> None:
        """The last message is dealt with: the next one, please."""
        ...

    def close(self, code: int, reason: str) -> None:
        """End the connection with a close code, after what was written."""
        ...


class Client(Protocol):
    """Whose socket it is."""

    @property
    def busy(self) -> bool:
        """Whether a message is still being dealt with: the next one has to wait."""
        ...

    def hear(self, message: str | bytes) -> None:
        """Take a message; only when not busy."""
        ...

    def stalled(self) -> None:
        """More than `slow_reader_merge_bytes` wait for the client: what is written now waits for long."""
        ...

    def drained(self) -> None:
        """It was stalled, and has read nearly all of it."""
        ...

    def lost(self) -> None:
        """The connection is gone. Called once."""
        ...


class FrameProtocol(WebSocketsSansIOProtocol):
    """uvicorn's sans-I/O protocol, up to the handshake. Pinned to uvicorn 0.54 by its tests."""

    def __init__(self, config: Config, *more: Any, **named: Any) -> None:
        super().__init__(config, *more, **named)
        if settings.compression == "on":
            self.conn = ServerProtocol(extensions=[DEFLATE], max_size=config.ws_max_size, logger=self.logger)

    async def run_asgi(self) -> None:
        extensions: dict[str, Any] = self.scope["extensions"]  # type: ignore[typeddict-item] # uvicorn makes it above
        extensions[EXTENSION] = self.hand_over
        await super().run_asgi()

    def hand_over(self, open_client: Callable[["Socket", str], Client], subprotocol: str) -> None:
        """Give the transport away, right after `websocket.accept`; the application may return then."""
        transport, self.transport = self.transport, _Released()
        self.connections.discard(self)
        self.scope["extensions"].clear()  # type: ignore[typeddict-item] # it names us, and would keep us until collected
        self.conn.parser.close()  # the same
        if transport.is_closing():
            return
        agreed = [each for each in self.conn.extensions if isinstance(each, PerMessageDeflate)]
        # A client may have asked for a smaller window than shared frames are made with.
        deflated = any(each.local_max_window_bits == frames.DEFLATE_BITS for each in agreed)
        socket = Socket(transport, inflates=bool(agreed), deflated=deflated)
        socket.client = open_client(socket, subprotocol)
        transport.set_protocol(socket)


class _Released(asyncio.Transport):
    """What is left of a transport that was given away: uvicorn closes it when the application returns."""

    def close(self) -> None: ...


class Socket(asyncio.Protocol):
    """A client's connection after the handshake: frames in, frames out. It has no task, no queue and no timer.

    A server's frames are unmasked, so the same bytes serve every client, and go straight into the transport; uvloop
    writes what it was given in one turn of the loop at once.
    """

    __slots__ = (
        "_closing",
        "_deaf",
        "_inflates",
        "_is_deflated",
        "_kind",
        "_parts",
        "_paused",
        "_rest",
        "_transport",
        "_unanswered",
        "client",
        "deflated",
    )
    framed = True

    def __init__(self, transport: asyncio.Transport, *, inflates: bool, deflated: bool) -> None:
        self.deflated = deflated
        self._inflates = inflates
        self._is_deflated = False  # the message in several frames
        self.client: Client | None = None
        self._transport = transport
        self._rest = b""  # of what was received, what is not yet a whole frame, or has to wait
        self._parts: bytearray | None = None  # of a message in several frames
        self._kind = 0
        self._unanswered = 0
        self._paused = False
        self._deaf = False
        self._closing: asyncio.TimerHandle | None = None
        transport.set_write_buffer_limits(STALLED_BYTES, DRAINED_BYTES)

    # in

    def data_received(self, data: bytes) -> None:
        self._rest = self._rest + data if self._rest else data
        if not self._paused:
            self.read_on()

    def read_on(self) -> None:
        """See Outlet."""
        data, at, client = self._rest, 0, self.client
        if client is None or self._deaf:
            self._rest = b""
            return
        try:
            while not self._deaf and (self._closing is not None or not client.busy):
                piece = frames.read(data, at, settings.message_bytes - len(self._parts or b""), deflates=self._inflates)
                if piece is None:
                    break
                at = piece.end
                self._take(piece, client)
        except Broken as broken:
            at = len(data)
            self._fail(broken.code)
        self._rest = data[at:]
        self._pause(client.busy and self._closing is None)

    def _pause(self, pause: bool) -> None:
        if pause != self._paused and not self._transport.is_closing():
            self._paused = pause
            (self._transport.pause_reading if pause else self._transport.resume_reading)()

    def _take(self, piece: Piece, client: Client) -> None:
        match piece.opcode:
            case frames.CLOSE:
                self._goodbye(piece.payload)
            case _ if self._closing is not None:
                pass  # we have said goodbye: it is too late
            case frames.PING:
                self._pong(piece.payload)
            case frames.PONG:
                self._unanswered = 0
            case opcode:
                message = self._whole(opcode, piece)
                if message is not None:
                    client.hear(message)

    def _whole(self, opcode: int, piece: Piece) -> str | bytes | None:
        """The message that this piece completes."""
        if (opcode == frames.CONTINUATION) == (self._parts is None):
            raise Broken(frames.PROTOCOL_ERROR)
        payload = piece.payload
        if self._parts is None:
            self._kind, self._is_deflated = opcode, piece.is_deflated
        else:
            self._parts += payload
            payload = bytes(self._parts) if piece.is_final else b""
        if not piece.is_final:
            self._parts = bytearray(payload) if self._parts is None else self._parts
            return None
        self._parts = None
        if self._is_deflated:
            payload = frames.inflate(payload, settings.message_bytes)
        return frames.text(payload) if self._kind == frames.TEXT else payload

    def _pong(self, payload: bytes) -> None:
        """Answer, but not somebody who pings without ever reading the answers."""
        if self.waiting() > settings.slow_reader_close_bytes:
            self._transport.abort()
        else:
            self.write(frames.whole(frames.PONG, payload))

    def _fail(self, code: int) -> None:
        """What comes from now on makes no sense: say so, and wait until the client has read that, and hangs up."""
        self._deaf = True
        self.close(code, "")
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def _goodbye(self, payload: bytes) -> None:
        answer = frames.farewell(payload)
        if self._closing is None:
            self._transport.write(answer)
        self._deaf = True
        self._cut_off_later()
        self._transport.close()

    def _cut_off_later(self) -> None:
        """What is closed waits for what was written to be read; not for ever."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    def eof_received(self) -> None:
        self._cut_off_later()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        if self._closing is not None:
            self._closing.cancel()
        client, self.client = self.client, None
        if client is not None:
            client.lost()

    # out

    def pause_writing(self) -> None:
        if self.client is not None:
            self.client.stalled()

    def resume_writing(self) -> None:
        if self.client is not None:
            self.client.drained()

    def write(self, message: bytes) -> None:
        """See Outlet."""
        if self._closing is None:
            self._transport.write(message)

    def waiting(self) -> int:
        """See Outlet."""
        return self._transport.get_write_buffer_size()

    def ping(self) -> None:
        """See Outlet. The second in a row that nobody answered ends the connection, whatever still waits for it."""
        if self._unanswered >= 2:
            self._transport.abort()
        else:
            self._unanswered += 1
            self.write(PING)

    def close(self, code: int, reason: str) -> None:
        """See Outlet. A client that does not answer is cut off."""
        if self._closing is not None:
            return
        if not self._transport.is_closing():
            self._transport.write(frames.close(code, reason))
        self._cut_off_later()
        self._pause(False)


class AsgiOutlet:
    """The same for servers that know only ASGI: a task drains what is written, and they send the pings."""

    framed = deflated = False

    def __init__(self, send: Send, *, text: bool) -> None:
        self._send = send
        self._text = text
        self._client: Client | None = None
        self._messages: deque[bytes] = deque()
        self._bytes = 0
        self._is_stalled = False
        self._free = asyncio.Event()
        self._closing: tuple[int, str] | None = None
        self._task: asyncio.Task[None] | None = None

    async def serve(self, client: Client, receive: Receive) -> None:
        """Hand on what the client says until it is gone, or we have said goodbye."""
        self._client = client
        try:
            while self._closing is None and (event := await receive())["type"] == "websocket.receive":
                text = event.get("text")
                client.hear(event["bytes"] if text is None else text)
                while client.busy:
                    self._free.clear()
                    await self._free.wait()
            if self._task is not None:
                await self._task
        finally:
            self._client = None
            client.lost()

    def read_on(self) -> None:
        """See Outlet."""
        self._free.set()

    def write(self, message: bytes) -> None:
        """See Outlet."""
        if self._closing is None:
            self._messages.append(message)
            self._bytes += len(message)
            self._start()
            if self._bytes > STALLED_BYTES and not self._is_stalled and self._client is not None:
                self._is_stalled = True
                self._client.stalled()

    def waiting(self) -> int:
        """See Outlet."""
        return self._bytes

    def ping(self) -> None:
        """See Outlet."""

    def close(self, code: int, reason: str) -> None:
        """See Outlet."""
        self._closing = self._closing or (code, reason)
        self._start()

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            while self._messages:
                message = self._messages.popleft()
                content: dict[str, Any] = {"text": message.decode()} if self._text else {"bytes": message}
                await self._send({"type": "websocket.send", **content})
                self._bytes -= len(message)
                if self._is_stalled and self._bytes <= DRAINED_BYTES:
                    self._is_stalled = False
                    if self._client is not None:
                        self._client.drained()
            if self._closing is not None:
                code, reason = self._closing
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (OSError, RuntimeError):  # the client is gone: `receive` says so too
            self._messages.clear()
