"""A process that is stopped while PostgreSQL tells it something long: nobody waits for its locks."""

import asyncio
import os
import subprocess
import sys

import asyncpg

from tests.conftest import make_database

STOPPED = """
import asyncio, os, signal, threading
from domain import db

async def hold():
    await db.open_pool()
    async with db.transaction():
        await db.execute("UPDATE cursors SET seq = seq")
        threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGSTOP)).start()
        print("holds", flush=True)
        await db.fetch("SELECT repeat('x', 1000000) FROM generate_series(1, 200)")

asyncio.run(hold())
"""


async def test_who_reads_nothing_of_a_long_answer_loses_the_session_and_its_locks(pool: None) -> None:
    url = await make_database("standing_still")
    where = os.environ | {"DATABASE_URL": url, "POTLUCK_DB_TIMEOUT_S": "1"}
    stopped = subprocess.Popen([sys.executable, "-c", STOPPED], env=where, stdout=subprocess.PIPE)
    connection = await asyncpg.connect(url)
    try:
        assert stopped.stdout is not None
        await asyncio.to_thread(stopped.stdout.readline)
        await connection.execute("UPDATE cursors SET seq = seq", timeout=20)
    finally:
        stopped.kill()
        stopped.wait()
        stopped.stdout.close() if stopped.stdout else None
        await connection.close()
