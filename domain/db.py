"""PostgreSQL: one pool, one way to run SQL, and transactions that join the one they are called in."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import asyncpg
from piccolo.engine.postgres import PostgresEngine

from domain.settings import settings


class Row(Protocol):
    """A row, by column name or position."""

    def __getitem__(self, key: str | int, /) -> Any: ...
    def values(self) -> Any: ...
    def keys(self) -> Any: ...


class LazyEngine(PostgresEngine):
    """Piccolo's engine, on our pool; it does not connect when it is imported."""

    async def prep_database(self) -> None:
        """Extensions are made by migrations."""

    async def check_version(self) -> None:
        """The supervisor checks the version, with a message of its own."""


DB = LazyEngine(config={"dsn": settings.database_url}, extensions=())


class _Transaction:
    """A connection with an open transaction, and what waits for its commit."""

    __slots__ = ("after", "connection")

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.after: list[Callable[[], None]] = []


_current: ContextVar[_Transaction | None] = ContextVar("transaction", default=None)


async def _keep(_: Any) -> None:
    """Nothing to reset: we leave no session state behind, and the default costs a round trip a request."""


async def open_pool(size: int | None = None, url: str | None = None) -> None:
    """Connect. Piccolo uses the same pool."""
    opened: Any = await asyncpg.create_pool(
        dsn=url or settings.database_url,
        min_size=1,
        max_size=size or settings.db_pool_size,
        command_timeout=settings.db_timeout_s,
        statement_cache_size=512,
        max_cached_statement_lifetime=0,
        reset=_keep,
        server_settings={"application_name": "potluck", "jit": "off"},
    )
    DB.pool = opened


async def close_pool() -> None:
    """Let running statements end, then disconnect."""
    if DB.pool is not None:
        await DB.pool.close()
        DB.pool = None


def pool() -> Any:
    """The open pool."""
    if DB.pool is None:
        raise RuntimeError("the pool is not open")
    return DB.pool


@asynccontextmanager
async def transaction() -> AsyncGenerator[None]:
    """Everything inside commits together or not at all; a nested call joins the outer transaction."""
    if _current.get() is not None:
        yield
        return
    async with pool().acquire() as connection:
        opened = _Transaction(connection)
        token = _current.set(opened)
        try:
            async with connection.transaction():
                yield
        finally:
            _current.reset(token)
    for call in opened.after:
        call()


@asynccontextmanager
async def savepoint() -> AsyncGenerator[None]:
    """Inside a transaction: what fails in here is undone alone, together with what waited for its commit."""
    opened = _current.get()
    if opened is None:
        raise RuntimeError("a savepoint needs a transaction")
    waiting = len(opened.after)
    try:
        async with opened.connection.transaction():
            yield
    except BaseException:
        del opened.after[waiting:]
        raise


@asynccontextmanager
async def rolled_back() -> AsyncGenerator[None]:
    """A transaction that is always undone: for tests and rehearsals. Nothing that waits for a commit is called."""
    async with pool().acquire() as connection:
        undo = connection.transaction()
        await undo.start()
        token = _current.set(_Transaction(connection))
        try:
            yield
        finally:
            _current.reset(token)
            await undo.rollback()


def after_commit(call: Callable[[], None]) -> None:
    """Call once the current transaction is committed; at once when there is none."""
    opened = _current.get()
    if opened is None:
        call()
    else:
        opened.after.append(call)


def _runner() -> Any:
    opened = _current.get()
    return pool() if opened is None else opened.connection


async def fetch(sql: str, *args: object) -> Sequence[Row]:
    """All rows."""
    return await _runner().fetch(sql, *args)


async def fetchrow(sql: str, *args: object) -> Row | None:
    """The first row, or None."""
    return await _runner().fetchrow(sql, *args)


async def fetchval(sql: str, *args: object) -> Any:
    """The first column of the first row, or None."""
    return await _runner().fetchval(sql, *args)


async def execute(sql: str, *args: object) -> str:
    """Run it; the status line, such as `DELETE 1`."""
    return await _runner().execute(sql, *args)


def changed(status: str) -> int:
    """How many rows a status line of `execute` names."""
    return int(status.rsplit(" ", 1)[-1])
