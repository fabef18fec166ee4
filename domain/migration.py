"""A migration in plain SQL, run by Piccolo: forwards and backwards as two scripts."""

from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.db import DB


def script(migration_id: str, why: str, *, up: str, down: str) -> MigrationManager:
    """A migration whose scripts may hold many statements; they run in one transaction each."""

    async def forwards() -> None:
        await _run(up)

    async def backwards() -> None:
        await _run(down)

    manager: Any = MigrationManager(migration_id=migration_id, app_name="potluck", description=why)
    manager.add_raw(forwards)
    manager.add_raw_backwards(backwards)
    return manager


async def _run(sql: str) -> None:
    # Piccolo's own raw queries take one statement; the connection of its transaction takes a script.
    current: Any = DB.current_transaction.get()
    await current.connection.execute(sql)
