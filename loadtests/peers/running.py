"""Peers at work: each is started, listened to, published to and ended in the same way."""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from loadtests.measured.sockets import Door, free_port
from loadtests.peers import install
from loadtests.peers.install import SERVERS, Missing
from loadtests.running import family_of

START_S = 15.0
PUBLISH_S = 60.0
ANSWERED = b"HTTP/1.1 2"


class Speaker:
    """Whoever has something to tell a peer's clients."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def publish(self, topic: str, messages: Sequence[bytes]) -> None:
        """Tell the listeners of a topic, in order, as fast as it takes them."""
        if self._open is None:
            self._open = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._open
        bodies = messages if self.name == "nchan" else [b"\n".join(messages)]
        head = f"POST /publish/{topic} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: "
        writer.write(b"".join(b"%s%d\r\n\r\n%s" % (head.encode(), len(body), body) for body in bodies))
        said = b""
        async with asyncio.timeout(PUBLISH_S):
            while said.count(ANSWERED) < len(bodies):
                more = await reader.read(65_536)
                if not more:
                    raise Missing(f"{self.name} hung up on its publisher: {said[-500:]!r}")
                said += more
            await asyncio.sleep(0)

    def close(self) -> None:
        """Let the publisher go."""
        if self._open is not None:
            self._open[1].close()


class Peer(Speaker):
    """A running one."""

    def __init__(self, name: str, port: int, process: int, doors: Callable[[int, Sequence[str]], Door]) -> None:
        super().__init__(name, port)
        self._process = process
        self._doors = doors

    def door(self, topics: Sequence[str]) -> Door:
        """For a client that listens to these topics."""
        return self._doors(self.port, topics)

    def pids(self) -> list[int]:
        """Its processes."""
        return family_of(self._process)


class _Kind(NamedTuple):
    command: Callable[[int, Path], tuple[Sequence[str | Path], Path]]
    door: Callable[[int, Sequence[str]], Door]


def _channels(port: int, folder: Path) -> tuple[Sequence[str | Path], Path]:
    return [install.python(), SERVERS / "channels_server.py", str(port)], folder


def _channels_door(port: int, topics: Sequence[str]) -> Door:
    return Door(("127.0.0.1", port), f"/ws?topics={','.join(topics)}", news=b"#")


def _socketio(port: int, folder: Path) -> tuple[Sequence[str | Path], Path]:  # noqa: ARG001 - as its kind
    program, packages = install.node()
    return [program, SERVERS / "socketio_server.mjs", str(port)], packages


def _socketio_door(port: int, topics: Sequence[str]) -> Door:
    path = f"/socket.io/?EIO=4&transport=websocket&topics={','.join(topics)}"
    return Door(("127.0.0.1", port), path, "", b"40", b"40", b'42["news"', (b"2", b"3"))


def _nchan(port: int, folder: Path) -> tuple[Sequence[str | Path], Path]:
    program, modules = install.nginx()
    user = "user root;" if os.geteuid() == 0 else ""
    filled = {"PORT": str(port), "FOLDER": str(folder), "MODULES": str(modules), "USER": user}
    text = (SERVERS / "nchan.conf").read_text()
    for name, value in filled.items():
        text = text.replace(name, value)
    (folder / "nginx.conf").write_text(text)
    return [program, "-e", folder / "error.log", "-p", folder, "-c", folder / "nginx.conf"], folder


def _nchan_door(port: int, topics: Sequence[str]) -> Door:
    asked = "&".join(f"{letter}={topic}" for letter, topic in zip("abc", topics, strict=False))
    return Door(("127.0.0.1", port), f"/ws{len(topics)}?{asked}", news=b"#")


KINDS = {
    "nchan": _Kind(_nchan, _nchan_door),
    "channels": _Kind(_channels, _channels_door),
    "socketio": _Kind(_socketio, _socketio_door),
}


@contextmanager
def running(name: str) -> Generator[Peer]:
    """Start it; ended when left. Raises Missing."""
    kind, port = KINDS[name], free_port()
    with tempfile.TemporaryDirectory(prefix=f"potluck-{name}-", ignore_cleanup_errors=True) as folder:
        command, where = kind.command(port, Path(folder))
        with started(name, command, where, port) as process, closing(Peer(name, port, process, kind.door)) as peer:
            yield peer


@contextmanager
def started(name: str, command: Sequence[str | Path], where: Path, port: int) -> Generator[int]:
    """Have a program listen on a port; its process. Ended when left. Raises Missing."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=where, stdout=said, stderr=said)  # noqa: S603 - our own command
        try:
            give_up = time.monotonic() + START_S
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > give_up:
                    said.seek(0)
                    raise Missing(f"{name} did not start: {said.read().decode(errors='replace')[-500:]}")
                time.sleep(0.05)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _listens(port: int) -> bool:
    """Whether somebody does, without connecting: a server may count who comes."""
    wanted = f"0100007F:{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state = line.split()[:4]
        if local == wanted and state == "0A":
            return True
    return False
