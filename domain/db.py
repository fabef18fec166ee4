"""PostgreSQL: one pool, one way to run SQL, and transactions that join the one they are called in."""

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
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
    """A connection with an open transaction, and what waits for its commit. In a rehearsal nothing ever commits:
    there a transaction is a savepoint, and its end counts as the commit."""

    __slots__ = ("after", "connection", "rehearsal")

    def __init__(self, connection: Any, *, rehearsal: bool = False) -> None:
        self.connection = connection
        self.rehearsal = rehearsal
        self.after: list[Callable[[], None]] = []


_current: ContextVar[_Transaction | None] = ContextVar("transaction", default=None)
_patience: ContextVar[float | None] = ContextVar("patience", default=None)


async def _keep(_: Any) -> None:
    """Nothing to reset: we leave no session state behind, and the default costs a round trip a request."""


async def open_pool(url: str | None = None, *, worker: bool = False) -> None:
    """Connect. Piccolo uses the same pool.

    A process that stands still in the middle of a transaction holds its locks: PostgreSQL ends such a session, also
    one that reads nothing of a long answer. A worker never plans to read a whole table: it reads the log's newest
    rows, plans while today's partition is empty, and would keep a plan that reads all of it.
    """
    opened: Any = await asyncpg.create_pool(
        dsn=url or settings.database_url,
        min_size=1,
        max_size=settings.db_pool_size,
        command_timeout=settings.db_timeout_s,
        statement_cache_size=512,
        max_cached_statement_lifetime=0,
        reset=_keep,
        server_settings={
            **({"enable_seqscan": "off"} if worker else {}),
            "application_name": "potluck worker" if worker else "potluck",
            "idle_in_transaction_session_timeout": f"{settings.db_timeout_s * 1000:.0f}",
            "jit": "off",
            "synchronous_commit": "on",
            "tcp_user_timeout": f"{settings.db_timeout_s * 1000:.0f}",
        },
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
    outer = _current.get()
    if outer is None:
        async with _acquired() as connection, _begun(connection) as opened:
            yield
    elif outer.rehearsal:
        async with _begun(outer.connection) as opened:
            yield
    else:
        yield
        return
    for call in opened.after:
        call()


@asynccontextmanager
async def _begun(connection: Any) -> AsyncGenerator[_Transaction]:
    opened = _Transaction(connection)
    token = _current.set(opened)
    try:
        async with connection.transaction():
            yield opened
    finally:
        _current.reset(token)


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
    """A rehearsal: everything works as if it were committed, and is undone at the end."""
    async with pool().acquire() as connection:
        undo = connection.transaction()
        await undo.start()
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        token = _current.set(_Transaction(connection, rehearsal=True))
        try:
            yield
        finally:
            _current.reset(token)
            await undo.rollback()


@contextmanager
def patience(seconds: float) -> Generator[None]:
    """In here each statement may take so long, whatever is usual."""
    token = _patience.set(seconds)
    try:
        yield
    finally:
        _patience.reset(token)


def in_transaction() -> bool:
    """Whether what runs now belongs to an open transaction."""
    return _current.get() is not None


def after_commit(call: Callable[[], None]) -> None:
    """Call once the current transaction is committed; at once when there is none."""
    opened = _current.get()
    if opened is None or opened.rehearsal:
        call()
    else:
        opened.after.append(call)


def _acquired() -> Any:
    return pool().acquire(timeout=settings.db_timeout_s)


async def fetch(sql: str, *args: object) -> Sequence[Row]:
    """All rows."""
    if (opened := _current.get()) is not None:
        return await opened.connection.fetch(sql, *args, timeout=_patience.get())
    async with _acquired() as connection:
        return await connection.fetch(sql, *args, timeout=_patience.get())


async def fetchrow(sql: str, *args: object) -> Row | None:
    """The first row, or None."""
    if (opened := _current.get()) is not None:
        return await opened.connection.fetchrow(sql, *args, timeout=_patience.get())
    async with _acquired() as connection:
        return await connection.fetchrow(sql, *args, timeout=_patience.get())


async def fetchval(sql: str, *args: object) -> Any:
    """The first column of the first row, or None."""
    if (opened := _current.get()) is not None:
        return await opened.connection.fetchval(sql, *args, timeout=_patience.get())
    async with _acquired() as connection:
        return await connection.fetchval(sql, *args, timeout=_patience.get())


async def execute(sql: str, *args: object) -> str:
    """Run it; the status line, such as `DELETE 1`."""
    if (opened := _current.get()) is not None:
        return await opened.connection.execute(sql, *args, timeout=_patience.get())
    async with _acquired() as connection:
        return await connection.execute(sql, *args, timeout=_patience.get())


def changed(status: str) -> int:
    """How many rows a status line of `execute` names."""
    return int(status.rsplit(" ", 1)[-1])
