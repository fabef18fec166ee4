"""Migrations: one process at a time, each whole or not at all."""

import asyncio
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from server.embedded import start_postgres
from server.migrate import MigrationError, connect, migrate, migrate_back, status

pytestmark = pytest.mark.xdist_group("embedded")

ROOT = Path(__file__).parents[2]
FILE = '''
from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "{id}"
DESCRIPTION = "{name}"


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up="""{up}""", down="""{down}""")
'''
MIGRATE = """
import asyncio, sys
from pathlib import Path
from server.migrate import migrate
print(len(asyncio.run(migrate(sys.argv[1], Path(sys.argv[2])))))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with start_postgres(tmp_path_factory.mktemp("migrate"), durable=False) as running:
        yield running.url


@pytest.fixture
async def dsn(server: str) -> str:
    """An empty database for one test."""
    name = f"db{uuid4().hex}"
    await run(server, f"CREATE DATABASE {name}")
    return server.replace("/potluck?", f"/{name}?")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two migrations that work."""
    write(tmp_path, 1, "CREATE TABLE one (id int)", "DROP TABLE one")
    write(tmp_path, 2, "CREATE TABLE two (id int); INSERT INTO two VALUES (2)", "DROP TABLE two")
    return tmp_path


def write(folder: Path, number: int, up: str, down: str) -> None:
    text = FILE.format(id=f"2026-01-0{number}T00:00:00:000000", name=f"number {number}", up=up, down=down)
    (folder / f"test_only_{number}.py").write_text(text)


async def run(dsn: str, sql: str) -> Any:
    connection = await connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_an_empty_database_gets_every_migration_in_order(dsn: str, folder: Path) -> None:
    ran = await migrate(dsn, folder)

    assert ran == ["2026-01-01T00:00:00:000000", "2026-01-02T00:00:00:000000"]
    assert await run(dsn, "SELECT id FROM two") == 2


async def test_migrating_twice_changes_nothing(dsn: str, folder: Path) -> None:
    await migrate(dsn, folder)

    assert await migrate(dsn, folder) == []
    assert await run(dsn, "SELECT count(*) FROM migration") == 2


async def test_the_newest_migration_can_be_taken_back_and_run_again(dsn: str, folder: Path) -> None:
    await migrate(dsn, folder)

    assert await migrate_back(dsn, 1, folder) == ["2026-01-02T00:00:00:000000"]
    assert await run(dsn, "SELECT to_regclass('two')") is None
    assert await migrate(dsn, folder) == ["2026-01-02T00:00:00:000000"]


async def test_taking_back_more_than_there_is_takes_all_back(dsn: str, folder: Path) -> None:
    await migrate(dsn, folder)

    assert len(await migrate_back(dsn, 99, folder)) == 2
    assert await run(dsn, "SELECT to_regclass('one')") is None


async def test_a_failed_migration_leaves_nothing_of_itself_and_names_the_file(dsn: str, folder: Path) -> None:
    write(folder, 3, "CREATE TABLE three (id int); SELECT 1/0", "DROP TABLE three")

    with pytest.raises(MigrationError, match=r"^migration test_only_3\.py failed: .*division by zero$"):
        await migrate(dsn, folder)

    assert await run(dsn, "SELECT to_regclass('three')") is None
    assert [each.done for each in await status(dsn, folder)] == [True, True, False]


async def test_status_names_what_waits_without_touching_the_database(dsn: str, folder: Path) -> None:
    found = await status(dsn, folder)

    assert [(each.description, each.done) for each in found] == [("number 1", False), ("number 2", False)]
    assert await run(dsn, "SELECT to_regclass('migration')") is None


async def test_two_processes_that_migrate_at_once_run_each_migration_once(dsn: str, folder: Path) -> None:
    write(folder, 3, "SELECT pg_sleep(0.3); CREATE TABLE three (id int)", "DROP TABLE three")

    async def elsewhere() -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", MIGRATE, dsn, str(folder), cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        return (await process.communicate())[0]

    ran = await asyncio.gather(elsewhere(), elsewhere(), elsewhere())

    assert sorted(ran) == [b"0\n", b"0\n", b"3\n"]
    assert await run(dsn, "SELECT count(*) FROM migration") == 3


async def test_our_own_migrations_go_forwards_back_and_forwards_again(dsn: str) -> None:
    first = await migrate(dsn)
    back = await migrate_back(dsn, len(first))
    again = await migrate(dsn)

    assert first == back[::-1] == again
    assert first
