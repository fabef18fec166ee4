"""uvicorn's HTTP protocol, writing an answer's head and body at once: one system call and one packet, not two."""

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST: Final = 65_536
"""Bytes held back at most: whoever sends much without a pause is to meet the transport's own limit."""


class JoinedWrites:
    """A transport, as far as uvicorn's HTTP needs one, that writes once a turn of the loop."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []
        self._bytes = 0

    def write(self, data: bytes) -> None:
        """Write it together with what follows before the loop turns."""
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(data)
        self._bytes += len(data)
        if self._bytes > MOST:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._parts:
            self.transport.write(b"".join(self._parts))
            self._parts, self._bytes = [], 0

    def close(self) -> None:
        """Close, once what waits is written."""
        self.flush()
        self.transport.close()


class HttpProtocol(HttpToolsProtocol):
    """Pinned to uvicorn 0.54 by its tests. What becomes a WebSocket gets the transport itself."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(cast("Any", JoinedWrites(cast("asyncio.Transport", transport))))

    def handle_websocket_upgrade(self) -> None:
        """Hand over to the WebSocket's protocol."""
        joined = cast("JoinedWrites", self.transport)
        joined.flush()
        self.transport = joined.transport
        super().handle_websocket_upgrade()
