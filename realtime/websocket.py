"""Where a connection's frames go: straight into uvicorn's transport, or through plain ASGI under any other server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.protocol import State

from domain.settings import settings

EXTENSION = "potluck.frames"

Send = Callable[[Any], Awaitable[None]]


class Outlet(Protocol):
    """Takes what is written to one client."""

    framed: bool

    def write(self, messages: list[bytes]) -> int:
        """Write them all at once; the bytes that still wait for the client after that."""
        ...

    def close(self, code: int, reason: str) -> None:
        """End the connection with a close code, after what was written."""
        ...


class FrameProtocol(WebSocketsSansIOProtocol):
    """uvicorn's sans-I/O protocol, which lets the application write ready-made frames.

    A server's frames are unmasked, so one frame's bytes serve every client: they bypass `send`, which would frame
    them again, and they are joined into one write per client and loop turn. Pinned to uvicorn 0.54 by its tests.
    """

    framed = True
    unanswered = 0

    async def run_asgi(self) -> None:
        extensions: dict[str, Any] = self.scope["extensions"]  # type: ignore[typeddict-item] # uvicorn makes it above
        extensions[EXTENSION] = self
        await super().run_asgi()

    def write(self, messages: list[bytes]) -> int:
        """See Outlet."""
        if self.close_sent or self.disconnected or self.conn.state is not State.OPEN or self.transport.is_closing():
            return 0
        self.transport.write(messages[0] if len(messages) == 1 else b"".join(messages))
        return self.transport.get_write_buffer_size()

    def keepalive_timeout(self) -> None:
        """A ping was not answered: the second in a row ends the connection, whatever still waits for it."""
        self.unanswered += 1
        if self.unanswered < 2:
            self.pong_timer = None
            self.pending_ping_payload = None
            self.send_keepalive_ping()
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
        self.transport.abort()

    def handle_ping(self) -> None:
        """Answer, but not somebody who pings without ever reading the answers."""
        if self.transport.get_write_buffer_size() > settings.slow_reader_bytes:
            self.transport.abort()
        else:
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        self.unanswered = 0
        super().handle_pong(event)

    def close(self, code: int, reason: str) -> None:
        """See Outlet. A client that does not read is cut off after `close_timeout`."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)


class AsgiOutlet:
    """The same for servers that know only ASGI: a task drains what is written."""

    framed = False

    def __init__(self, send: Send, *, text: bool) -> None:
        self._send = send
        self._text = text
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._closing: tuple[int, str] | None = None
        self._task: asyncio.Task[None] | None = None

    def write(self, messages: list[bytes]) -> int:
        """See Outlet."""
        if self._closing is not None:
            return 0
        self._waiting += messages
        self._bytes += sum(map(len, messages))
        self._start()
        return self._bytes

    def close(self, code: int, reason: str) -> None:
        """See Outlet."""
        self._closing = self._closing or (code, reason)
        self._start()

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            while self._waiting:
                message = self._waiting.pop(0)
                content: dict[str, Any] = {"text": message.decode()} if self._text else {"bytes": message}
                await self._send({"type": "websocket.send", **content})
                self._bytes -= len(message)
            if self._closing is not None:
                code, reason = self._closing
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (OSError, RuntimeError):  # the client is gone: `receive` says so too
            self._waiting.clear()
