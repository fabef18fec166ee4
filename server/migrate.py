"""Migrations, forwards and back: one process at a time, each migration whole or not at all.

Piccolo builds the migrations and keeps its own table of those that ran. Its commands are not used: they take
no lock, note a migration only after its commit, and print.
"""

import contextlib
import importlib.util
import io
import logging
import os
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - it has none

APP = "potluck"
MIGRATIONS = Path(__file__).parent.parent / "migrations"
CONNECT_S = 5
WAIT_S = 600.0  # for another process that migrates; a large table takes its time
LOCK = 5_043_772_001  # any number, the same for everyone

RECORDED = "SELECT name FROM migration WHERE app_name = $1"
HAS_TABLE = "SELECT to_regclass('migration') IS NOT NULL"

log = logging.getLogger(__name__)


class MigrationError(Exception):
    """What went wrong, as the one line that the user reads."""


class Migration(NamedTuple):
    """A file in `migrations/`, and whether this database has it."""

    id: str
    description: str
    file: Path
    done: bool


async def status(dsn: str, folder: Path = MIGRATIONS) -> list[Migration]:
    """Every migration, the oldest first."""
    async with _connected(dsn) as connection:
        return await _status(connection, folder)


async def migrate(dsn: str, folder: Path = MIGRATIONS) -> list[str]:
    """Run what this database does not have yet; the ids of it. Running it twice is not an error."""
    async with _connected(dsn) as connection:
        # Nothing to do is the usual case: no lock then, and no import of Piccolo (a third of a second).
        if all(each.done for each in await _status(connection, folder)):
            return []
        async with _alone(connection):
            waiting = [each for each in await _status(connection, folder) if not each.done]
            await _run(dsn, waiting, backwards=False)
    return [each.id for each in waiting]


async def migrate_back(dsn: str, count: int, folder: Path = MIGRATIONS) -> list[str]:
    """Take the newest `count` migrations back; their ids, the newest first."""
    async with _connected(dsn) as connection, _alone(connection):
        done = [each for each in await _status(connection, folder) if each.done]
        leaving = done[::-1][:count]
        await _run(dsn, leaving, backwards=True)
    return [each.id for each in leaving]


async def connect(dsn: str) -> Any:
    """One connection outside every pool."""
    return await asyncpg.connect(dsn, timeout=CONNECT_S)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


@asynccontextmanager
async def _connected(dsn: str) -> AsyncGenerator[Any]:
    connection = await connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _alone(connection: Any) -> AsyncGenerator[None]:
    """A lock of the session: it is gone with the connection, however this process ends."""
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK, timeout=WAIT_S)
    except TimeoutError:
        raise MigrationError(f"another process has been migrating for {WAIT_S:.0f} s") from None
    yield


async def _status(connection: Any, folder: Path) -> list[Migration]:
    done: set[str] = set()
    if await connection.fetchval(HAS_TABLE):
        done = {row["name"] for row in await connection.fetch(RECORDED, APP)}
    return _files(folder, done)


def _files(folder: Path, done: set[str]) -> list[Migration]:
    return sorted(_read(file, done) for file in folder.glob("*.py") if file.name != "__init__.py")


def _read(file: Path, done: set[str]) -> Migration:
    """The id and the description as they stand in the file, without importing it."""
    text = file.read_text(encoding="utf-8")
    values = dict(re.findall(r'^(ID|DESCRIPTION) = "(.*)"$', text, re.MULTILINE))
    if "ID" not in values:
        raise MigrationError(f'{file.name} has no line `ID = "…"`')
    return Migration(values["ID"], values.get("DESCRIPTION", ""), file, values["ID"] in done)


async def _run(dsn: str, migrations: list[Migration], *, backwards: bool) -> None:
    if not migrations:
        return
    os.environ.setdefault("PICCOLO_CONF", "domain.piccolo_conf")
    # Piccolo and all our tables take a third of a second to import, which `serve` rarely needs.
    from piccolo.apps.migrations.tables import Migration as Ran  # noqa: PLC0415 - see above

    from domain.db import DB  # noqa: PLC0415 - see above

    pool, config = DB.pool, DB.config
    DB.pool, DB.config = None, {"dsn": dsn, "timeout": CONNECT_S}
    try:
        await Ran.create_table(if_not_exists=True)
        for each in migrations:
            noise = io.StringIO()
            try:
                with contextlib.redirect_stdout(noise):
                    manager = await _load(each.file).forwards()
                    async with _whole(manager, DB.transaction):
                        await manager.run(backwards=backwards)
                        if backwards:
                            await Ran.delete().where((Ran.name == each.id) & (Ran.app_name == APP))
                        else:
                            await Ran.insert(Ran(name=each.id, app_name=APP))
            except Exception as error:
                log.debug("Piccolo said: %s", noise.getvalue())
                direction = "back from " if backwards else ""
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                raise MigrationError(f"migration {direction}{each.file.name} failed: {reason}") from error
    finally:
        DB.pool, DB.config = pool, config


def _whole(manager: Any, transaction: Callable[[], Any]) -> AbstractAsyncContextManager[Any]:
    """One transaction for the migration and for the note that it ran, unless it cannot run in one.

    Piccolo's own transaction joins the outer one.
    """
    return transaction() if manager.wrap_in_transaction else contextlib.nullcontext()


def _load(file: Path) -> ModuleType | Any:
    """Import by path: by bare name, as Piccolo does, a migration could shadow another module."""
    spec = importlib.util.spec_from_file_location(f"migrations.{file.stem}", file)
    if spec is None or spec.loader is None:
        raise MigrationError(f"cannot import {file.name}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
