"""The embedded servers: real ones, really killed."""

import asyncio
import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from server.binaries import CannotStart
from server.embedded import Running, start_postgres, start_valkey
from server.migrate import connect

pytestmark = pytest.mark.xdist_group("embedded")

ROOT = Path(__file__).parents[2]
START_AND_WAIT = """
import sys, time
from pathlib import Path
from server.embedded import start_postgres, start_valkey
data = Path(sys.argv[1])
postgres, valkey = start_postgres(data), start_valkey(data)
print(postgres.pid, valkey.pid, flush=True)
time.sleep(600)
"""


async def query(server: Running, sql: str) -> Any:
    connection = await connect(server.url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def command(server: Running, *words: str) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(" ".join(words).encode() + b"\r\n")
        return connection.recv(4096)


def wait_until_free(lock: Path) -> None:
    """The servers hold their lock for as long as any of their processes lives."""
    with lock.open() as file:
        give_up = time.monotonic() + 20
        while time.monotonic() < give_up:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.02)
            else:
                return
    raise AssertionError(f"somebody still holds {lock}")


async def test_postgres_offers_the_database_potluck(tmp_path: Path) -> None:
    with start_postgres(tmp_path, durable=False) as server:
        assert await query(server, "SELECT current_database()") == "potluck"
        assert int(await query(server, "SHOW server_version_num")) >= 160000


async def test_the_durable_profile_waits_for_the_disk(tmp_path: Path) -> None:
    with start_postgres(tmp_path) as server:
        settings = [await query(server, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "timezone")]

    assert settings == ["on", "on", "UTC"]


async def test_a_commit_survives_a_kill_and_the_port_stays(tmp_path: Path) -> None:
    first = start_postgres(tmp_path)
    await query(first, "CREATE TABLE kept AS SELECT 7 AS number")
    first.kill()

    with start_postgres(tmp_path, port=first.port) as second:
        assert second.url == first.url
        assert await query(second, "SELECT number FROM kept") == 7


async def test_a_stale_lock_file_naming_a_living_process_does_not_prevent_a_start(tmp_path: Path) -> None:
    start_postgres(tmp_path, durable=False).stop()
    (tmp_path / "postgres" / "postmaster.pid").write_text(f"1\n{tmp_path}\n1\n1\n\n127.0.0.1\n 1 1\nready   \n")

    with start_postgres(tmp_path, durable=False) as server:
        assert await query(server, "SELECT 1") == 1


async def test_a_half_made_cluster_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")

    with start_postgres(tmp_path, durable=False) as server:
        assert await query(server, "SELECT 1") == 1


async def test_data_below_a_folder_closed_to_others_works(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    with start_postgres(closed / "data", durable=False) as server, start_valkey(closed / "data") as valkey:
        assert await query(server, "SELECT 1") == 1
        assert command(valkey, "PING") == b"+PONG\r\n"


def test_data_of_another_postgres_is_one_clear_line(tmp_path: Path) -> None:
    start_postgres(tmp_path, durable=False).stop()
    (tmp_path / "postgres" / "PG_VERSION").write_text("12\n")

    with pytest.raises(CannotStart, match="was made by PostgreSQL 12"):
        start_postgres(tmp_path, durable=False)


def test_valkey_keeps_what_it_was_told_through_a_kill(tmp_path: Path) -> None:
    first = start_valkey(tmp_path)
    assert command(first, "SET", "dish", "soup") == b"+OK\r\n"
    time.sleep(0.1)
    first.kill()

    with start_valkey(tmp_path, port=first.port) as second:
        assert second.url == first.url
        assert command(second, "GET", "dish") == b"$4\r\nsoup\r\n"


def test_a_thrown_away_valkey_keeps_nothing(tmp_path: Path) -> None:
    with start_valkey(tmp_path, durable=False) as first:
        command(first, "SET", "dish", "soup")

    with start_valkey(tmp_path, durable=False) as second:
        assert command(second, "GET", "dish") == b"$-1\r\n"


def test_the_servers_listen_on_this_machine_only(tmp_path: Path) -> None:
    with start_valkey(tmp_path, durable=False) as server:
        assert b"127.0.0.1" in command(server, "CONFIG", "GET", "bind")
        assert server.url.startswith("redis://127.0.0.1:")


def test_the_data_is_private(tmp_path: Path) -> None:
    with start_postgres(tmp_path, durable=False), start_valkey(tmp_path, durable=False):
        modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("postgres", "valkey", "postgres.log")]

    assert modes == [0o700, 0o700, 0o600]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change accounts")
def test_root_runs_the_servers_as_somebody_else(tmp_path: Path) -> None:
    with start_postgres(tmp_path, durable=False) as postgres, start_valkey(tmp_path, durable=False) as valkey:
        owners = {Path(f"/proc/{server.pid}").stat().st_uid for server in (postgres, valkey)}

    assert 0 not in owners


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
async def test_the_servers_end_in_order_when_their_parent_is_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", START_AND_WAIT, str(tmp_path), cwd=ROOT, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    await parent.stdout.readline()

    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    wait_until_free(tmp_path / "postgres.lock")
    wait_until_free(tmp_path / "valkey.lock")

    assert "database system is shut down" in (tmp_path / "postgres.log").read_text()
    with start_postgres(tmp_path) as server:
        assert await query(server, "SELECT 1") == 1
