"""Raw HTTP/1.1 on kept connections with ready-made requests: cheap enough not to be what is measured."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import msgspec

HEAD_ENDS = b"\r\n\r\n"
LENGTH = b"content-length: "


class Unexpected(Exception):
    """An answer that is not of success, or a connection that ended."""


class Connection(asyncio.Protocol):
    """A connection that is asked one thing at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[bytes] | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # of a socket, so both ways

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """Send the request; the body of its answer."""
        assert self._transport is not None
        self._waiting = self._loop.create_future()
        self._transport.write(request)
        return self._waiting

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data
        head = received.find(HEAD_ENDS)
        if head < 0:
            return
        at = received.find(LENGTH, 0, head) + len(LENGTH)
        body = head + len(HEAD_ENDS)
        if len(received) < body + int(received[at : received.find(b"\r", at)]):
            return
        self._received = b""
        waiting, self._waiting = self._waiting, None
        assert waiting is not None
        if received.startswith(b"HTTP/1.1 20"):
            waiting.set_result(received[body:])
        else:
            waiting.set_exception(Unexpected(received[:2000].decode()))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(Unexpected(f"the connection ended: {exc}"))

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()


async def connect(url: str, number: int) -> list[Connection]:
    """So many connections to `url` (http://host:port)."""
    loop, (host, _, port) = asyncio.get_running_loop(), urlsplit(url).netloc.rpartition(":")
    made = [await loop.create_connection(Connection, host, int(port)) for _ in range(number)]
    return [connection for _, connection in made]


def request(method: str, path: str, token: str, body: object = None) -> bytes:
    """A request under /api/v1, as bytes."""
    content = b"" if body is None else msgspec.json.encode(body)
    head = f"{method} /api/v1{path} HTTP/1.1\r\nHost: potluck\r\nAuthorization: Bearer {token}\r\n"
    kind = "Content-Type: application/json\r\n" if content else ""
    return f"{head}{kind}Content-Length: {len(content)}\r\n\r\n".encode() + content


class Burst(msgspec.Struct):
    """What came of asking flat out."""

    seconds: float
    took_s: list[float]
    client_s: float
    """CPU that asking took."""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.took_s) / self.seconds


async def flat_out(connections: Sequence[Connection], requests: Iterator[bytes], seconds: float) -> Burst:
    """Every connection asks as soon as it is answered, until the time or the requests are up."""
    clock = time.perf_counter
    took_s: list[float] = []
    started, client = clock(), time.process_time()
    ends = started + seconds

    async def keep_asking(connection: Connection) -> None:
        asked = clock()
        for each in requests:
            await connection.ask(each)
            answered = clock()
            took_s.append(answered - asked)
            if answered >= ends:
                return
            asked = answered

    await asyncio.gather(*(keep_asking(connection) for connection in connections))
    return Burst(clock() - started, took_s, time.process_time() - client)


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """The median and the 99th percentile, in ms."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    return {
        f"p{part}": round(ordered[min(len(ordered) * part // 100, len(ordered) - 1)] * 1000, 2) for part in (50, 99)
    }
