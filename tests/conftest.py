"""A throw-away PostgreSQL and Valkey for the run, a database for each worker, a rolled-back transaction a test."""

# ruff: noqa: PLC0415 - `domain` reads the environment when it is imported, and this file makes the environment

import asyncio
import base64
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

_running = ExitStack()

TEMPLATE = "potluck"
TEST_KEY = base64.b64encode(b"a key for tests, and only for them").decode()
ENVIRONMENT = {
    "POTLUCK_JWT_KEYS": f"test:{TEST_KEY}",
    "POTLUCK_PASSWORD_MEMORY_KIB": "64",
    "POTLUCK_PASSWORD_TIME_COST": "1",
    "POTLUCK_DB_POOL_SIZE": "8",
    # Limits that no test meets by chance; tests of limits bring their own.
    "POTLUCK_RATE_READ": "100000/100000",
    "POTLUCK_RATE_WRITE": "100000/100000",
    "POTLUCK_RATE_AUTH": "100000/100000",
    "POTLUCK_RATE_LOGIN": "100000/100000",
}


def pytest_configure(config: pytest.Config) -> None:
    """The environment is complete before anything of `domain` is imported, for settings are read at import."""
    config.addinivalue_line("markers", "committed: this test commits; its database is emptied afterwards")
    worker = getattr(config, "workerinput", {}).get("workerid", "main")
    os.environ.update(ENVIRONMENT)
    if worker == "main":
        data = Path(
            _running.enter_context(tempfile.TemporaryDirectory(prefix="potluck-tests-", ignore_cleanup_errors=True))
        )
        data.chmod(0o711)  # root's PostgreSQL runs as somebody else
        _prepare(data / "prepared")
        _start_servers(data / "shared")
    name = f"test_{worker}"
    os.environ["DATABASE_URL"] = _url_of(name)
    os.environ["REDIS_URL"] = f"{os.environ['TEST_REDIS']}/{_number_of(worker)}"
    asyncio.run(make_database(name))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Where pytest and xdist do not fit, groups are forgotten in silence, and every worker starts every server."""
    if not session.config.getoption("loadgroup", default=False):
        return
    grouped = [each.nodeid for each in session.items if each.get_closest_marker("xdist_group")]  # pyright: ignore[reportUnknownMemberType]
    if forgotten := [each for each in grouped if "@" not in each]:
        pytest.exit(f"xdist forgets groups, as of {forgotten[0]}: see pytest's version in pyproject.toml", 1)


def pytest_unconfigure() -> None:
    """The servers end with the run; if it is killed, with its process (see server/embedded.py)."""
    _running.close()


def _prepare(data: Path) -> None:
    """A data folder with all tables and no rows, which is copied for whoever needs servers of their own."""
    from loadtests.running import PREPARED, ROOT, environment

    command = [sys.executable, "-m", "server.cli", "migrate", "--data", str(data)]
    subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, check=True)
    os.environ[PREPARED] = str(data)


def _start_servers(data: Path) -> None:
    from loadtests.running import begin
    from server.embedded import start_postgres, start_valkey

    begin(data)
    postgres = _running.enter_context(start_postgres(data, durable=False))
    valkey = _running.enter_context(start_valkey(data, durable=False))
    os.environ["TEST_POSTGRES"] = postgres.url
    os.environ["TEST_REDIS"] = valkey.url.removesuffix("/0")


def _url_of(database: str) -> str:
    return os.environ["TEST_POSTGRES"].replace(f"/{TEMPLATE}?", f"/{database}?")


def _number_of(worker: str) -> int:
    return 0 if worker == "main" else 1 + int(worker.removeprefix("gw")) % 15


async def make_database(name: str) -> str:
    """A new database with all tables and no rows, in a few milliseconds; its URL."""
    connection: Any = await asyncpg.connect(_url_of("postgres"))
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}" STRATEGY file_copy')
    finally:
        await connection.close()
    return _url_of(name)


@pytest.fixture(scope="session")
async def pool() -> AsyncGenerator[None]:
    """Connections to this worker's database."""
    from domain import db

    await db.open_pool()
    yield
    await db.close_pool()


# Batches and cursors stay as they are: they know what of the log was read. Migrations bring the catalogues.
TABLES = """
SELECT string_agg(quote_ident(relname), ', ') FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    AND relname NOT IN ('migration', 'batches', 'cursors', 'dish_types', 'activities', 'badges', 'career_levels',
        'career_level_badges')
"""


@pytest.fixture
async def database(request: pytest.FixtureRequest, pool: None) -> AsyncGenerator[None]:
    """Everything the test writes is undone; with the marker `committed` it is committed, and deleted at the end."""
    from domain import db

    if "own_database" in request.fixturenames:
        yield
        return
    if request.node.get_closest_marker("committed") is None:  # pyright: ignore[reportUnknownMemberType] - known by halves
        async with db.rolled_back():
            yield
        return
    yield
    await db.execute(f"TRUNCATE {await db.fetchval(TABLES)}")


@pytest.fixture
async def own_database(pool: None, worker_id: str) -> AsyncGenerator[None]:
    """A new database behind `domain.db`: real commits, and a log that nobody else has written to."""
    from domain import db

    shared = db.DB.pool
    await db.open_pool(url=await make_database(f"own_{worker_id}"))
    yield
    await db.close_pool()
    db.DB.pool = shared


Statements = Callable[[Awaitable[object]], Awaitable[list[str]]]


OF_THE_DRIVER = ("typeinfo_tree", "current_setting('jit')")
"""In what it asks when a connection meets a type for the first time."""


@pytest.fixture
def statements(database: None) -> Statements:
    """`await statements(act)`: the SQL that an act runs in the test's rolled-back transaction."""
    from domain import db

    async def run_by(act: Awaitable[object]) -> list[str]:
        opened = db._current.get()  # pyright: ignore[reportPrivateUsage] - nothing else need know the connection
        assert opened is not None, "a test that commits has no connection of its own"
        seen: list[str] = []

        def note(statement: Any) -> None:
            if not any(each in statement.query for each in OF_THE_DRIVER):
                seen.append(statement.query)

        opened.connection.add_query_logger(note)
        await act
        await asyncio.sleep(0)  # the logger is called a turn of the loop later
        opened.connection.remove_query_logger(note)
        return seen

    return run_by


@pytest.fixture(scope="session")
async def app(pool: None) -> AsyncGenerator[Any]:
    """The application with its pool and Redis, but without news: those come to journeys."""
    from server import app as module

    made = module.create_app()
    async with module.redis(made):
        yield made


@pytest.fixture
async def client(app: Any) -> AsyncGenerator[httpx.AsyncClient]:
    """Calls the application in the test's own event loop and transaction."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://potluck") as made:
        yield made


class Clock:
    """The time, standing still until a test moves it."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def now(self, zone: tzinfo) -> datetime:
        """In place of `datetime.now`."""
        return self.time.astimezone(zone)

    def forward(self, **by: float) -> None:
        """Let time pass: `forward(minutes=5)`."""
        self.time += timedelta(**by)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What `domain.clock.now()` says."""
    from domain import clock as module

    stopped = Clock()
    monkeypatch.setattr(module, "datetime", stopped)
    return stopped
