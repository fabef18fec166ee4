"""A running `serve`: real processes, for journeys and for whatever kills them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = {"DATABASE_URL", "REDIS_URL", "PYTEST_XDIST_WORKER"}
PREPARED = "PREPARED_DATA"
"""In the environment: a data folder that has been served from; what starts on a new one begins with a copy of it."""


def environment(**more: str) -> dict[str, str]:
    """Ours, without what names servers: a fresh machine has none."""
    kept = {name: value for name, value in os.environ.items() if not (name in OURS or name.startswith("POTLUCK_"))}
    return {**kept, **more}


@contextmanager
def uninterrupted() -> Generator[None]:
    """Ctrl-C and SIGTERM come when this has ended; whoever is started meanwhile does not hear them at all."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin(data: Path) -> None:
    """Begin with what is prepared, if there is anything and the folder is new."""
    prepared = os.environ.get(PREPARED)
    if prepared and not data.exists():
        subprocess.run(["/bin/cp", "-a", prepared, data], check=True)  # noqa: S603 - with its owners


class Potluck:
    """A running `serve`. When it cannot be waited for, it has ended before that is raised."""

    def __init__(self, data: Path, *arguments: str, **more: str) -> None:
        self.data = data
        self.errors = data.with_name("stderr")
        begin(data)
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and command
                [sys.executable, "-m", "server.cli", "serve", "--port", "0", "--data", str(data), *arguments],
                cwd=ROOT,
                env=environment(**more),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        try:
            self.line: str = self.process.stdout.readline().rstrip("\n")
        except BaseException:  # Ctrl-C is for us only: it is in a session of its own
            self.interrupt()
            raise
        self.url = self.line.removeprefix("Potluck is ready: ")

    def interrupt(self) -> int:
        """End it; a second Ctrl-C of ours waits until it has ended."""
        with uninterrupted():
            self.process.send_signal(signal.SIGINT)
            return self.end()

    def end(self) -> int:
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def family(self) -> list[int]:
        """The supervisor and everything below it, however many sessions there are."""
        return family_of(self.process.pid)

    def pid_of(self, words: str) -> int:
        return next(pid for pid in self.family() if words in words_of(pid))

    def database_url(self) -> str:
        return json.loads((self.data / "servers.json").read_text())["database_url"]


def family_of(process: int) -> list[int]:
    """It and everything below it."""
    parents = {pid: parent for pid, parent in map(parent_of, running()) if parent}
    found = [process]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


def running() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def parent_of(pid: int) -> tuple[int, int]:
    """(process, parent); no parent when it is gone or only waits to be collected."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return pid, 0
    return pid, 0 if state == "Z" else int(parent)


def words_of(pid: int) -> str:
    """The command line; nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
