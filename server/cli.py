"""The commands behind `./run`: serve, worker, migrate, recompute, demo and loadtest."""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import re
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - it has none

from server.binaries import POSTGRES_AT_LEAST, REDIS_AT_LEAST, CannotStart
from server.embedded import make_data_folder, open_lock, start_postgres, start_valkey, try_lock
from server.migrate import CONNECT_S, MigrationError, connect, migrate, migrate_back, status
from server.supervisor import Child, Signals, Supervisor, allow_files, say

BACKLOG = 2048


class Servers(NamedTuple):
    """Where the servers are that somebody gave us or that run already; None for what is not known."""

    database_url: str | None
    redis_url: str | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Whatever stands in the way is one line on stderr."""
    asked = _parser().parse_args(arguments)
    commands = {"serve": _serve, "worker": _worker, "migrate": _migrate, "recompute": _recompute}
    commands |= {"demo": _demo, "loadtest": _loadtest}
    try:
        commands[asked.command](asked)
    except (CannotStart, MigrationError) as problem:
        say(str(problem))
        return 1
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one has nothing left to end
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument(
        "--data", type=_folder, default=Path(".potluck").absolute(), metavar="DIR", help="where data lives"
    )
    parser = argparse.ArgumentParser(prog="run", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", parents=[data], help="start everything")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=_port, default=8000)
    serve.add_argument("--workers", type=_positive, default=1, metavar="N", help="server processes")
    serve.add_argument("--no-worker", action="store_true", help="leave relay and consequences to `run worker`")
    commands.add_parser("worker", parents=[data], help="relay and consequences, apart from serving")
    migrations = commands.add_parser("migrate", parents=[data], help="bring the database up to date")
    which = migrations.add_mutually_exclusive_group()
    which.add_argument("--back", type=_positive, metavar="N", help="take the newest N migrations back")
    which.add_argument("--status", action="store_true", help="list the migrations")
    recompute = commands.add_parser("recompute", parents=[data], help="compute a derived state anew")
    recompute.add_argument("name", help="of what, such as progression")
    recompute.add_argument("--check", action="store_true", help="only say in what the stored one differs")
    demo = commands.add_parser("demo", help="have 77 people live on a server of their own")
    demo.add_argument("--once", action="store_true", help="from beginning to end, then check every number")
    demo.add_argument("--kill", action="store_true", help="the same, with a server process killed in the middle")
    demo.add_argument("--data", type=_folder, metavar="DIR", help="keep the data in this empty folder")
    ready = f"Benchmarks: {', '.join(_ready('benchmarks'))}. Scenarios: {', '.join(_ready('scenarios'))}."
    _add_loadtest(commands.add_parser("loadtest", help="run a benchmark, or play a scenario", epilog=ready))
    return parser


def _add_loadtest(loadtest: argparse.ArgumentParser) -> None:
    loadtest.add_argument("name", help="of a benchmark or a scenario, or a scenario's file")
    loadtest.add_argument("--users", type=_positive, metavar="N", help="how many people, or connections")
    loadtest.add_argument("--for", type=_seconds, metavar="SECONDS", dest="seconds", help="how long")
    loadtest.add_argument("--no-peers", action="store_true", help="of a benchmark: measure Potluck alone")
    loadtest.add_argument("--processes", type=_positive, metavar="N", help="that they are spread over")
    loadtest.add_argument("--target", metavar="URL", help="a deployment, instead of a server of its own")
    loadtest.add_argument("--i-own-this-host", action="store_true", help="needed for a target that is not this machine")
    loadtest.add_argument("--out", type=_folder, metavar="DIR", help="where the report is written")


def _ready(kind: str) -> list[str]:
    """The names of the ready `benchmarks` or `scenarios`."""
    return sorted(each.stem for each in Path(__file__).parents[1].glob(f"loadtests/{kind}/[a-z]*.py"))


def _folder(text: str) -> Path:
    """A path, seen from where ./run was called."""
    return Path(os.environ.get("CALLED_FROM", ""), Path(text).expanduser()).absolute()


def _port(text: str) -> int:
    if not (text.isdigit() and int(text) < 65536):
        raise argparse.ArgumentTypeError("a number from 0 (any free port) to 65535")
    return int(text)


def _positive(text: str) -> int:
    if not (text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError("a number from 1 up")
    return int(text)


def _seconds(text: str) -> float:
    if not (re.fullmatch(r"\d+(\.\d+)?", text) and float(text) > 0):
        raise argparse.ArgumentTypeError("a number above 0")
    return float(text)


def _serve(asked: argparse.Namespace) -> None:
    signals = Signals()
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_listen(asked.host, asked.port))
        given, data = _given(), asked.data
        if None in given:
            stack.enter_context(_only_one_on(data))
        # Relay and folds count in the worker's process: with one folder every process answers for all.
        folder = tempfile.TemporaryDirectory(prefix="potluck-metrics-", ignore_cleanup_errors=True)
        metrics = stack.enter_context(folder)
        allow_files()
        supervisor = Supervisor(signals, _drain_s())
        stack.callback(supervisor.stop)
        try:
            environment = _start_servers(supervisor, given, data)
            asyncio.run(migrate(environment["DATABASE_URL"]))
            environment["POTLUCK_JWT_KEYS"] = _jwt_keys(data)
            environment["POTLUCK_LISTEN_FD"] = str(listener.fileno())
            environment["PROMETHEUS_MULTIPROC_DIR"] = metrics
            children = [
                Child(f"server process {number + 1}", "server.process", environment, [listener.fileno()])
                for number in range(asked.workers)
            ]
            if not asked.no_worker:
                children.append(Child("worker process", "server.worker", environment, []))
            supervisor.start_children(children)
        except KeyboardInterrupt:
            return
        signals.interrupt = False  # from here on the supervisor looks at them
        print(f"Potluck is ready: {_address(listener)}", flush=True)
        supervisor.watch()


def _start_servers(supervisor: Supervisor, given: Servers, data: Path) -> dict[str, str]:
    """Start or check both servers; the environment for our processes."""
    if given.database_url:
        asyncio.run(_check_postgres(given.database_url))
    if given.redis_url:
        _check_redis(given.redis_url)
    database_url = given.database_url or supervisor.start_server(partial(start_postgres, data)).url
    redis_url = given.redis_url or supervisor.start_server(partial(start_valkey, data)).url
    if None in given:
        ours = {
            "database_url": None if given.database_url else database_url,
            "redis_url": None if given.redis_url else redis_url,
        }
        _write_private(data / "servers.json", json.dumps(ours))
    return _environment(database_url, redis_url)


def _worker(asked: argparse.Namespace) -> None:
    found = _found(asked.data)
    if not found.database_url or not found.redis_url:
        raise CannotStart("the worker needs DATABASE_URL and REDIS_URL, or a running `serve` on the same --data")
    environment = _environment(found.database_url, found.redis_url)
    os.execve(sys.executable, [sys.executable, "-m", "server.worker"], environment)  # noqa: S606 - our own command


def _migrate(asked: argparse.Namespace) -> None:
    url = _found(asked.data).database_url
    with contextlib.ExitStack() as stack:
        if url:
            asyncio.run(_check_postgres(url))
        else:
            stack.enter_context(_only_one_on(asked.data))
            url = stack.enter_context(start_postgres(asked.data)).url
        if asked.status:
            for each in asyncio.run(status(url)):
                print(f"{'done   ' if each.done else 'waiting'}  {each.id}  {each.description}")
        elif asked.back:
            _report("taken back", asyncio.run(migrate_back(url, asked.back)))
        else:
            _report("done", asyncio.run(migrate(url)))


def _recompute(asked: argparse.Namespace) -> None:
    found = _found(asked.data)
    if not found.database_url:
        raise CannotStart("recompute needs DATABASE_URL, or a running `serve` on the same --data")
    environment = os.environ | {"DATABASE_URL": found.database_url}
    arguments = [asked.name, *(["--check"] if asked.check else [])]
    os.execve(sys.executable, [sys.executable, "-m", "server.recompute", *arguments], environment)  # noqa: S606 - ours


def _demo(asked: argparse.Namespace) -> None:
    # It needs what only ./run demo and ./run test install.
    from loadtests.demo import play  # noqa: PLC0415 - see above

    sys.exit(play.main(once=asked.once or asked.kill, kill=asked.kill, data=asked.data))


def _loadtest(asked: argparse.Namespace) -> None:
    # It needs what only ./run loadtest and ./run test install.
    from loadtests.measured import play as measuring  # noqa: PLC0415 - see above
    from loadtests.scripted import play  # noqa: PLC0415 - see above

    if asked.name in _ready("benchmarks"):
        if asked.target or asked.processes or asked.out:
            raise CannotStart(f"{asked.name} is a benchmark: it takes only --users, --for and --no-peers")
        sys.exit(measuring.main(asked.name, measuring.Asked(asked.users, asked.seconds, peers=not asked.no_peers)))
    try:
        play.refuse_what_is_not_ours(asked.target, is_ours=asked.i_own_this_host)
    except CannotStart as problem:
        say(str(problem))
        sys.exit(2)  # 1 is a threshold that does not hold
    of = play.Asked(
        str(_folder(asked.name)) if asked.name.endswith(".py") else asked.name,
        asked.users,
        asked.seconds,
        asked.processes,
        asked.target,
        asked.out,
    )
    sys.exit(play.main(of))


def _report(what: str, ids: Sequence[str]) -> None:
    print("\n".join(f"{what}: {each}" for each in ids) or "nothing to do")


def _given() -> Servers:
    return Servers(*(os.environ.get(f"POTLUCK_{name}") or os.environ.get(name) for name in _URLS))


def _found(data: Path) -> Servers:
    """What the environment names, else what a `serve` has running on this data."""
    given = _given()
    path = data / "servers.json"
    if None not in given or not path.exists() or not _is_locked(data):
        return given
    running = json.loads(path.read_text())
    return Servers(given.database_url or running["database_url"], given.redis_url or running["redis_url"])


_URLS = ("DATABASE_URL", "REDIS_URL")


def _environment(database_url: str, redis_url: str) -> dict[str, str]:
    """Ours, with the servers' addresses under one name each."""
    hidden = {f"POTLUCK_{name}" for name in _URLS}
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, "DATABASE_URL": database_url, "REDIS_URL": redis_url}


def _listen(host: str, port: int) -> socket.socket:
    """The socket that all server processes share. Bound first: a busy port is the commonest mistake."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Two sockets may be bound to a port as long as neither listens: only now is it ours.
        listener.listen(BACKLOG)
    except OSError as error:
        raise CannotStart(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from None
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _drain_s() -> float:
    """How long the processes may take to end; checks all settings on the way, before they would."""
    try:
        # At the top a wrong variable would be a traceback instead of a line.
        from domain.settings import settings  # noqa: PLC0415 - see above
    except ValueError as wrong:
        raise CannotStart(str(wrong)) from None
    return settings.drain_s


async def _check_postgres(url: str) -> None:
    try:
        connection = await connect(url)
        major = connection.get_server_version().major
        await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise CannotStart(f"cannot reach PostgreSQL at {_masked(url)}: {_reason(error)}") from None
    if major < POSTGRES_AT_LEAST:
        raise CannotStart(f"PostgreSQL at {_masked(url)} is version {major}: {POSTGRES_AT_LEAST} or newer is needed")


def _check_redis(url: str) -> None:
    # A third of a second to import, and only needed for a server that is not ours.
    import redis  # noqa: PLC0415 - see above

    try:
        with redis.Redis.from_url(url, socket_timeout=CONNECT_S, socket_connect_timeout=CONNECT_S) as client:  # pyright: ignore[reportUnknownMemberType] - half typed
            about: dict[str, Any] = client.info("server")  # pyright: ignore[reportUnknownMemberType] - half typed
    except (redis.RedisError, OSError, ValueError) as error:
        raise CannotStart(f"cannot reach Redis at {_masked(url)}: {_reason(error)}") from None
    major = int(str(about["redis_version"]).partition(".")[0])
    if major < REDIS_AT_LEAST:
        raise CannotStart(f"Redis at {_masked(url)} is version {major}: {REDIS_AT_LEAST} or newer is needed")


def _masked(url: str) -> str:
    """The address without its password, and without its query, which may hold another one."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the given address"
    user, at, place = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    return parts._replace(netloc=f"{name}{colon}{'***' if colon else ''}{at}{place}", query="", fragment="").geturl()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer in {CONNECT_S} s"
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextmanager
def _only_one_on(data: Path) -> Generator[None]:
    """Keep a second `serve` off this data; the lock ends with this process, however it ends."""
    make_data_folder(data)
    lock = open_lock(data / "lock")
    try:
        if not try_lock(lock):
            owner = os.pread(lock, 20, 0).decode(errors="replace").strip()
            raise CannotStart(f"Potluck already runs on {data} (process {owner}): choose another --data")
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


def _is_locked(data: Path) -> bool:
    lock = open_lock(data / "lock")
    try:
        return not try_lock(lock)
    finally:
        os.close(lock)


def _jwt_keys(data: Path) -> str:
    """The keys that sign tokens: given, or made once and kept, so that nobody is signed out by a restart."""
    given = os.environ.get("POTLUCK_JWT_KEYS")
    if given:
        return given
    path = data / "secrets.json"
    if not path.exists():
        make_data_folder(data)
        key = f"{secrets.token_hex(4)}:{base64.b64encode(secrets.token_bytes(32)).decode()}"
        _write_private(path, json.dumps({"POTLUCK_JWT_KEYS": key}), replace=False)
    try:
        return str(json.loads(path.read_text())["POTLUCK_JWT_KEYS"])
    except (OSError, ValueError, KeyError) as error:
        raise CannotStart(f"cannot read {path}: {error!r}; remove it to have new keys made") from None


def _write_private(path: Path, text: str, *, replace: bool = True) -> None:
    """Whole or not at all, and for our eyes only."""
    try:
        descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        if replace:
            Path(beside).replace(path)
        else:
            with contextlib.suppress(FileExistsError):  # somebody was faster: theirs counts
                path.hardlink_to(beside)
            Path(beside).unlink()
    except OSError as error:
        raise CannotStart(f"cannot write {path}: {error.strerror}") from None


if __name__ == "__main__":
    sys.exit(main())
