"""The commands as a user meets them: real processes, started, interrupted and killed."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - it has none
import pytest

from loadtests.running import PREPARED, ROOT, Potluck, environment, parent_of
from server.embedded import start_valkey
from server.migrate import connect

pytestmark = [
    pytest.mark.xdist_group("commands"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]

Serve = Callable[..., "Potluck"]


def command(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *arguments],
        cwd=ROOT,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if parent_of(pid)[1]]


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
            return answer.status == 200
    except OSError:
        return False


def ask(url: str, sql: str) -> Any:
    async def asked() -> Any:
        connection = await connect(url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(asked())


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    """What a refused start says: one line and no other."""
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def can_ask(url: str) -> bool:
    try:
        return ask(url, "SELECT true")
    except (OSError, asyncpg.PostgresError):
        return False


@pytest.fixture
def serve(tmp_path: Path) -> Generator[Serve]:
    """Start `serve` on this test's data; whatever the test leaves is ended."""
    started: list[Potluck] = []

    def start(*arguments: str, **more: str) -> Potluck:
        started.append(Potluck(tmp_path / "data", *arguments, **more))
        assert started[-1].line.startswith("Potluck is ready: http://127.0.0.1:"), started[-1].errors.read_text()
        return started[-1]

    yield start
    for each in started:
        each.process.send_signal(signal.SIGINT)
        each.end()


def test_serve_on_a_fresh_machine_becomes_ready_and_healthy(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PREPARED)
    potluck = serve("--workers", "2")

    assert answers(f"{potluck.url}/health/live")
    wait_until(lambda: answers(f"{potluck.url}/health/ready"))


def test_secrets_are_made_once_and_nobody_else_reads_them(serve: Serve) -> None:
    potluck = serve()
    path = potluck.data / "secrets.json"
    first = path.read_text()
    potluck.interrupt()
    serve()

    assert path.read_text() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((potluck.data / "servers.json").stat().st_mode) == 0o600


def test_ctrl_c_ends_well_leaves_no_process_and_keeps_the_data(serve: Serve) -> None:
    potluck = serve("--workers", "2")
    family = potluck.family()
    ask(potluck.database_url(), "CREATE TABLE kept AS SELECT 7 AS number")

    assert potluck.interrupt() == 0
    assert alive(family) == []
    assert ask(serve().database_url(), "SELECT number FROM kept") == 7


def test_the_data_survives_a_kill_of_everything_at_once(serve: Serve) -> None:
    potluck = serve()
    ask(potluck.database_url(), "CREATE TABLE kept AS SELECT 7 AS number")

    for pid in potluck.family():
        with contextlib.suppress(ProcessLookupError):  # PostgreSQL's own processes end with their first
            os.kill(pid, signal.SIGKILL)
    potluck.end()

    assert ask(serve().database_url(), "SELECT number FROM kept") == 7


def test_a_kill_of_the_supervisors_group_takes_everything_down_and_keeps_the_data(serve: Serve) -> None:
    potluck = serve()
    family = potluck.family()
    ask(potluck.database_url(), "CREATE TABLE kept AS SELECT 7 AS number")

    os.killpg(potluck.process.pid, signal.SIGKILL)
    potluck.end()
    again = serve()

    assert ask(again.database_url(), "SELECT number FROM kept") == 7
    wait_until(lambda: not alive(family))


def test_a_server_process_may_open_as_many_files_as_the_system_allows(serve: Serve) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, limits[1]))
    try:
        potluck = serve()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    of_server = Path(f"/proc/{potluck.pid_of('server.process')}/limits").read_text()
    (files,) = [line.split() for line in of_server.splitlines() if line.startswith("Max open files")]
    assert files[3:5] == [str(limits[1])] * 2


def test_a_server_process_that_dies_is_started_again(serve: Serve) -> None:
    potluck = serve()
    first = potluck.pid_of("server.process")

    os.kill(first, signal.SIGKILL)

    wait_until(lambda: "server process 1" in potluck.errors.read_text())
    wait_until(lambda: answers(f"{potluck.url}/health/live"))
    assert potluck.pid_of("server.process") != first


def test_an_embedded_server_that_dies_is_started_again_at_the_same_address(serve: Serve) -> None:
    potluck = serve()
    url = potluck.database_url()
    first = potluck.pid_of("bin/postgres")

    os.kill(first, signal.SIGKILL)
    wait_until(lambda: "PostgreSQL was ended by signal 9" in potluck.errors.read_text())

    wait_until(lambda: can_ask(url))
    assert potluck.pid_of("bin/postgres") != first


def test_a_second_start_on_the_same_data_is_one_clear_line(serve: Serve) -> None:
    potluck = serve()

    line = only_line(command("serve", "--port", "0", "--data", str(potluck.data)))

    assert "already runs on" in line
    assert f"process {potluck.process.pid}" in line
    assert answers(f"{potluck.url}/health/live")


def test_a_busy_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        line = only_line(command("serve", "--port", str(port), "--data", str(tmp_path / "data")))

    assert f"127.0.0.1:{port}" in line
    assert "in use" in line


def test_an_unreachable_database_is_one_clear_line_without_the_password(tmp_path: Path) -> None:
    url = "postgresql://cook:secret@127.0.0.1:1/potluck?password=secret"

    line = only_line(command("serve", "--port", "0", "--data", str(tmp_path / "data"), DATABASE_URL=url))

    assert "cannot reach PostgreSQL at postgresql://cook:***@127.0.0.1:1/potluck:" in line
    assert "secret" not in line


def test_an_unreachable_redis_is_one_clear_line(tmp_path: Path) -> None:
    url = "redis://:secret@127.0.0.1:1/0"

    line = only_line(command("serve", "--port", "0", "--data", str(tmp_path / "data"), REDIS_URL=url))

    assert "cannot reach Redis at redis://:***@127.0.0.1:1/0:" in line


def test_a_redis_that_is_too_old_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as old:
        asked = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "serve", "--port", "0", "--data", str(tmp_path / "data")],
            cwd=ROOT,
            env=environment(REDIS_URL=f"redis://127.0.0.1:{old.getsockname()[1]}/0?protocol=2"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        answer_as_redis(old, b"redis_version:6.2.14\r\n")
        output, errors = asked.communicate(timeout=30)

    line = only_line(subprocess.CompletedProcess([], asked.returncode, output, errors))
    assert "is version 6: 7 or newer is needed" in line


def answer_as_redis(listener: socket.socket, about: bytes) -> None:
    """Answer INFO, and OK to whatever a client says first."""
    listener.settimeout(20)
    connection, _ = listener.accept()
    with connection:
        while said := connection.recv(4096):
            commands = said.count(b"*")
            info = b"$%d\r\n%s\r\n" % (len(about), about)
            connection.sendall(info if b"INFO" in said else b"+OK\r\n" * commands)


@pytest.mark.parametrize("folder", ["/sys/kernel", "/sys/kernel/potluck"])
def test_a_read_only_folder_is_one_clear_line(folder: str) -> None:
    line = only_line(command("serve", "--port", "0", "--data", folder))

    assert f"cannot write to the data folder {folder}" in line


def test_a_wrong_setting_is_one_clear_line(tmp_path: Path) -> None:
    line = only_line(command("serve", "--port", "0", "--data", str(tmp_path / "data"), POTLUCK_DRAIN_S="soon"))

    assert "POTLUCK_DRAIN_S" in line


def test_a_given_redis_replaces_only_the_embedded_one(serve: Serve, tmp_path: Path) -> None:
    with start_valkey(tmp_path / "given", durable=False) as given:
        potluck = serve(REDIS_URL=given.url)
        embedded = sorted(path.name for path in potluck.data.iterdir() if path.is_dir())
        potluck.interrupt()

    assert embedded == ["postgres"]


def test_migrate_works_beside_a_running_serve_and_without_one(serve: Serve) -> None:
    potluck = serve()
    beside = command("migrate", "--data", str(potluck.data))
    potluck.interrupt()
    alone = command("migrate", "--status", "--data", str(potluck.data))

    assert (beside.returncode, beside.stdout) == (0, "nothing to do\n")
    assert alone.returncode == 0
    assert {line.split()[0] for line in alone.stdout.splitlines()} == {"done"}


def test_a_worker_with_nothing_running_is_one_clear_line(tmp_path: Path) -> None:
    line = only_line(command("worker", "--data", str(tmp_path / "data")))

    assert "DATABASE_URL and REDIS_URL" in line


def test_run_without_a_command_says_what_there_is() -> None:
    done = subprocess.run([ROOT / "run"], capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 2
    assert "./run serve" in done.stdout
