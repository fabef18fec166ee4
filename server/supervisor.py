"""Keeps the processes of one `serve` alive, and takes them down in order: clients first, then their servers.

Plain synchronous code, and nothing heavy is imported: this process is in the way of every start.
"""

import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

from server.binaries import CannotStart
from server.embedded import Running, end_with_parent

READY_S = 60.0
DRAIN_MARGIN_S = 5.0  # after the time that a process gives its clients to leave
TICK_S = 1.0  # signals wake us at once; this is for whatever they miss
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
HEALTHY_S = 60.0  # who lived this long starts again without a pause

_ROOT = Path(__file__).parent.parent


class StartServer(Protocol):
    """`start_postgres` or `start_valkey`, on a given data folder."""

    def __call__(self, *, port: int | None = None) -> Running:
        """Start, on this port if it was started before."""
        ...


class Signals:
    """Ctrl-C, SIGTERM and a closed terminal, counted; and whatever must wake the supervisor."""

    def __init__(self) -> None:
        self.stops = 0
        self.interrupt = True  # while starting: whatever we wait for, stop waiting
        self._receive, self._send = socket.socketpair()
        self._receive.setblocking(False)
        self._send.setblocking(False)
        signal.set_wakeup_fd(self._send.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stops += 1
        if self.interrupt:
            self.interrupt = False
            raise KeyboardInterrupt

    def wait(self, seconds: float, also: Sequence[int] = ()) -> Sequence[int]:
        """Wait for a signal or for one of the descriptors; the descriptors that can be read."""
        ready: list[int] = select.select([self._receive.fileno(), *also], [], [], max(seconds, 0))[0]
        with contextlib.suppress(BlockingIOError):
            self._receive.recv(4096)
        return [descriptor for descriptor in ready if descriptor in also]


class Pause:
    """How long to wait before starting again what died: longer each time, until it lives for a while."""

    def __init__(self) -> None:
        self.until = 0.0
        self._next = FIRST_PAUSE_S

    def begin(self, lived_s: float) -> float:
        """Begin the pause after a death; its length in seconds."""
        length = FIRST_PAUSE_S if lived_s > HEALTHY_S else self._next
        self._next = min(length * 2, LONGEST_PAUSE_S)
        self.until = time.monotonic() + length
        return length

    @property
    def over(self) -> bool:
        """Whether it may start again."""
        return time.monotonic() >= self.until


class Child:
    """A Python process of ours, which says when it is ready."""

    def __init__(self, name: str, module: str, environment: Mapping[str, str], inherits: Sequence[int]) -> None:
        self.name = name
        self.ready = False
        self.pipe = -1
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.pause = Pause()
        self._module = module
        self._environment = environment
        self._inherits = inherits

    def start(self) -> None:
        """Start it; its output goes to our stderr, for stdout has the one line that says we are ready."""
        self.pipe, theirs = os.pipe()
        self.ready, self.started_at = False, time.monotonic()
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", self._module],
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
                env={**self._environment, "POTLUCK_READY_FD": str(theirs)},
                cwd=_ROOT,
                start_new_session=True,  # Ctrl-C reaches us alone; we end the others in order
                pass_fds=(*self._inherits, theirs),
                preexec_fn=end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - the only way to follow the parent
            )
        finally:
            os.close(theirs)

    def hear(self) -> None:
        """Read the pipe: a byte says ready, its end says nothing more will come."""
        self.ready = os.read(self.pipe, 1) == b"1"
        self.close_pipe()

    def close_pipe(self) -> None:
        """Stop listening for readiness."""
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1

    def forget_gauges(self) -> None:
        """Its sockets are gone: what it measured of the moment counts no more."""
        folder = self._environment.get("PROMETHEUS_MULTIPROC_DIR")
        if folder and self.process:
            for file in Path(folder).glob(f"gauge_live*_{self.process.pid}.db"):
                file.unlink(missing_ok=True)

    @property
    def ended(self) -> str | None:
        """How it ended, in words; None while it runs or was not started."""
        return _ending(self.process.poll()) if self.process else None


@dataclass
class _Kept:
    """A server, how to start it again, and when."""

    running: Running
    start: StartServer
    pause: Pause
    since: float


class Supervisor:
    """Everything that one `serve` started."""

    def __init__(self, signals: Signals, drain_s: float) -> None:
        self._signals = signals
        self._drain_s = drain_s
        self._servers: list[_Kept] = []
        self._children: list[Child] = []

    def start_server(self, start: StartServer) -> Running:
        """Start a server that everything else needs; they are stopped last, the newest first."""
        running = start()
        self._servers.append(_Kept(running, start, Pause(), time.monotonic()))
        return running

    def start_children(self, children: Sequence[Child]) -> None:
        """Start them all and return when all are ready; CannotStart when one is not."""
        for child in children:
            self._children.append(child)
            child.start()
        give_up = time.monotonic() + READY_S
        while not all(child.ready for child in children):
            self._listen(TICK_S)
            for child in children:
                if child.ended:
                    raise CannotStart(f"the {child.name} {child.ended} before it was ready")
            if time.monotonic() > give_up:
                slow = next(child.name for child in children if not child.ready)
                raise CannotStart(f"the {slow} is not ready after {READY_S:.0f} s")

    def watch(self) -> None:
        """Start again whatever dies, until somebody says stop."""
        while not self._signals.stops:
            self._listen(TICK_S)
            if not self._signals.stops:
                self._revive_servers()
                self._revive_children()

    def stop(self) -> None:
        """End the children, then the servers. A second Ctrl-C does not wait for clients to leave."""
        self._signals.interrupt = False
        asked = self._signals.stops
        running = [child.process for child in self._children if child.process and not child.ended]
        for process in running:
            process.terminate()
        give_up = time.monotonic() + self._drain_s + DRAIN_MARGIN_S
        while any(process.poll() is None for process in running):
            if time.monotonic() > give_up or self._signals.stops > asked:
                for process in running:
                    process.kill()
            self._signals.wait(0.05 if time.monotonic() > give_up else TICK_S / 4)
        for child in self._children:
            child.close_pipe()
        for kept in reversed(self._servers):
            kept.running.stop()

    def _listen(self, seconds: float) -> None:
        pipes = {child.pipe: child for child in self._children if child.pipe >= 0}
        for descriptor in self._signals.wait(seconds, list(pipes)):
            pipes[descriptor].hear()

    def _revive_servers(self) -> None:
        for kept in self._servers:
            ended = _ending(kept.running.process.poll())
            if ended and kept.pause.over:
                say(f"{kept.running.name} {ended}; starting it again on port {kept.running.port}")
                try:
                    kept.running = kept.start(port=kept.running.port)
                except CannotStart as problem:
                    say(str(problem))
                kept.pause.begin(time.monotonic() - kept.since)
                kept.since = time.monotonic()

    def _revive_children(self) -> None:
        for child in self._children:
            if child.ended and child.process:
                say(f"the {child.name} (process {child.process.pid}) {child.ended}; starting it again")
                child.forget_gauges()
                child.process = None
                child.close_pipe()
                child.pause.begin(time.monotonic() - child.started_at)
            if child.process is None and child.pause.over:
                child.start()


def allow_files() -> None:
    """Let us and all that we start open as many files as the system allows: every socket is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def say(line: str) -> None:
    """One line for whoever looks after this machine."""
    print(f"potluck: {line}", file=sys.stderr, flush=True)


def _ending(code: int | None) -> str | None:
    if code is None:
        return None
    return f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"
