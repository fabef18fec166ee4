"""Thousands of WebSockets in one process, cheap enough not to be what is measured, and with every frame looked at.

All that arrives is received straight into one block of memory, with the time of its arrival. While a burst lasts that
is all that is done; what the frames say is read when it is over.
"""

import asyncio
import json
import resource
import socket
import time
from array import array
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from itertools import count
from typing import NamedTuple, TypeVar

from server.binaries import CannotStart

MARK = b"#"
"""Begins the number of a piece of news, of six digits, in whatever it is wrapped."""
DIGITS = 6
AT_ONCE = 256
"""Clients that are on their way in at the same time."""
ENTER_S = 60.0
READ = 262_144
LOG_BYTES = 268_435_456
"""What a burst may amount to before some of it is read meanwhile."""
SPARE_FILES = 200

HEAD = (
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
HEAD_ENDS = b"\r\n\r\n"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

T = TypeVar("T")


class Door(NamedTuple):
    """How a client gets in, and what it hears there."""

    address: tuple[str, int]
    path: str
    subprotocol: str = ""
    greeting: bytes = b""
    """What the client says first."""
    welcome: bytes = b""
    """How the message begins that lets it in; empty: the upgrade is enough."""
    news: bytes = b""
    """How every piece of news begins."""
    reply: tuple[bytes, bytes] = (b"", b"")
    """What is asked of clients from time to time, and their answer."""


class Refused(Exception):
    """The upgrade failed, or the socket ended before the client was in."""


class Ears:
    """What all sockets have heard: for each piece of news who heard it, its number, and when it arrived."""

    def __init__(self) -> None:
        self.who, self.numbers, self.times = array("l"), array("l"), array("d")
        self.ended = 0
        """Sockets that ended, however."""
        self.deferred = False
        self.memory = bytearray(READ)
        self._view = memoryview(self.memory)
        self._at = 0
        self._log: list[tuple[Socket, int, int, float]] = []

    def forget(self) -> None:
        """Begin anew."""
        self.who, self.numbers, self.times = array("l"), array("l"), array("d")

    def make_room(self) -> None:
        """Have the memory that a burst needs, and touch it, so that the burst does not have to."""
        if len(self.memory) < LOG_BYTES:
            self.memory = bytearray(b"\1") * LOG_BYTES
            self._view = memoryview(self.memory)

    def buffer(self) -> memoryview:
        """Where the next read goes."""
        return self._view[self._at : self._at + READ]

    def arrived(self, by: "Socket", size: int) -> None:
        """So much was read."""
        now = time.perf_counter()
        if not self.deferred:
            by.take(self.memory, self._at, self._at + size, now)
            return
        self._log.append((by, self._at, self._at + size, now))
        self._at += size
        if self._at + READ > len(self.memory):
            self.listen()

    def listen(self) -> None:
        """Read what a burst has left."""
        log, self._log, self._at = self._log, [], 0
        for by, begin, end, at in log:
            by.take(self.memory, begin, end, at)

    @property
    def waiting(self) -> int:
        """Bytes that are not read yet."""
        return self._at


class Socket(asyncio.BufferedProtocol):
    """A client."""

    __slots__ = ("_door", "_ears", "_rest", "_transport", "_upgraded", "entered", "number")

    def __init__(self, ears: Ears, number: int, door: Door) -> None:
        self.number = number
        self.entered: asyncio.Future[bytes] | None = asyncio.get_running_loop().create_future()
        self._ears = ears
        self._door = door
        self._rest = b""
        self._upgraded = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # of a socket, so both ways
        head = HEAD.format(path=self._door.path)
        if self._door.subprotocol:
            head += f"Sec-WebSocket-Protocol: {self._door.subprotocol}\r\n"
        self._write(head.encode() + b"\r\n")

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's name
        return self._ears.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        self._ears.arrived(self, nbytes)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ears.ended += 1
        self._let_in(Refused(f"the connection ended: {exc}"))

    def take(self, data: bytes | bytearray, begin: int, end: int, at: float) -> None:
        """Understand what arrived."""
        if self._rest:
            data, begin = self._rest + data[begin:end], 0
            end = len(data)
        if not self._upgraded:
            begin = self._upgrade(data, begin, end)
        if self._upgraded:
            begin = self._read_frames(data, begin, end, at)
        self._rest = bytes(data[begin:end])

    def _upgrade(self, data: bytes | bytearray, begin: int, end: int) -> int:
        ends = data.find(HEAD_ENDS, begin, end)
        if ends < 0:
            return begin
        if not data.startswith(b"HTTP/1.1 101 ", begin):
            self._let_in(Refused(bytes(data[begin:end][:500]).decode()))
            return end
        self._upgraded = True
        if self._door.greeting:
            self.say(self._door.greeting)
        if not self._door.welcome:
            self._let_in(b"")
        return ends + len(HEAD_ENDS)

    def _read_frames(self, data: bytes | bytearray, at: int, end: int, when: float) -> int:
        """Read whole frames; where the first begins that is not whole."""
        news, ears = self._door.news, self._ears
        while end - at >= 2:
            size, begin = data[at + 1], at + 2
            if size == 126:
                begin = at + 4
                if begin > end:
                    break
                size = data[at + 2] << 8 | data[at + 3]
            elif size == 127:
                begin = at + 10
                if begin > end:
                    break
                size = int.from_bytes(data[at + 2 : begin], "big")
            ends = begin + size
            if ends > end:
                break
            if data[at] == 0x81 and data.startswith(news, begin) and self._upgraded and self.entered is None:
                mark = data.find(MARK, begin, ends) + 1
                ears.who.append(self.number)
                ears.numbers.append(int(data[mark : mark + DIGITS]))
                ears.times.append(when)
            else:
                self._heed(data[at] & 15, bytes(data[begin:ends]))
            at = ends
        return at

    def _heed(self, kind: int, message: bytes) -> None:
        """A frame that is no news."""
        asked, answer = self._door.reply
        if kind == PING:
            self.say(message, PONG)
        elif kind == CLOSE:
            self._let_in(Refused(f"closed: {message!r}"))
        elif asked and message == asked:
            self.say(answer)
        elif self._door.welcome and message.startswith(self._door.welcome):
            self._let_in(message)

    def _let_in(self, with_what: bytes | Refused) -> None:
        entered, self.entered = self.entered, None
        if entered is None or entered.done():
            return
        if isinstance(with_what, Refused):
            entered.set_exception(with_what)
        else:
            entered.set_result(with_what)

    def say(self, message: bytes, kind: int = TEXT) -> None:
        """Send a frame. Clients mask theirs; with a mask of zeros the bytes stay what they are."""
        size = len(message)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        self._write(bytes([0x80 | kind]) + length + b"\0\0\0\0" + message)

    def leave(self) -> None:
        """Close the connection, without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)


async def enter(ears: Ears, number: int, door: Door, source: str | None = None) -> tuple[Socket, bytes]:
    """Get a client in; it, and what it was welcomed with. Raises Refused, OSError or TimeoutError."""
    loop = asyncio.get_running_loop()
    local = (source, 0) if source else None
    client = Socket(ears, number, door)
    entered = client.entered
    assert entered is not None
    await loop.create_connection(lambda: client, *door.address, local_addr=local)
    try:
        async with asyncio.timeout(ENTER_S):
            return client, await entered
    except BaseException:
        client.leave()
        raise


async def enter_all(
    ears: Ears, doors: Sequence[Door], at_once: int = AT_ONCE, first: int = 0
) -> tuple[list[Socket], list[bytes]]:
    """Get a client in through each door, numbered from `first` on; they, and what they were welcomed with, in order."""

    async def work(number: int, door: Door) -> tuple[Socket, bytes]:
        return await enter(ears, number, door)

    works = [partial(work, first + i, door) for i, door in enumerate(doors)]
    entered = await all_of(works, at_once)
    return [client for client, _ in entered], [welcome for _, welcome in entered]


async def all_of(works: Iterable[Callable[[], Awaitable[T]]], at_once: int) -> list[T]:
    """Do them all, so many at the same time; what came of them, in order."""
    found: dict[int, T] = {}
    numbered = zip(count(), works, strict=False)

    async def work() -> None:
        for number, each in numbered:
            found[number] = await each()

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
    return [found[number] for number in sorted(found)]


async def until(done: Callable[[], bool], seconds: float) -> None:
    """Wait for it, but no longer than so many seconds: what is missing then counts as lost."""
    give_up = time.perf_counter() + seconds
    while not done() and time.perf_counter() < give_up:
        await asyncio.sleep(0.01)


def allow_files(number: int) -> None:
    """Have this process open so many files. Raises CannotStart."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if number + SPARE_FILES > most:
        raise CannotStart(f"{number} sockets need more open files than the {most} that `ulimit -Hn` allows")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def text(value: object) -> bytes:
    """As JSON."""
    return json.dumps(value, separators=(",", ":")).encode()
