"""What notifications cost, as one line of JSON: `.venv/bin/python -m loadtests.notifications`, a minute or two.

`reads`: a page of the list, a page of a batch's children and the unread count, in shared buffers and ms beside a
look-up by primary key, at a million rows: one member has a tenth of them in their list, a fifth below a single batch.
`folds`: what a like costs when so many of one post are folded, 20,000 a transaction as the worker does it. Rows are
those of tables; `cpu_ms` is of this process and its PostgreSQL backend, `ms` is on the clock and with the commits.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import asyncpg
import msgspec
import uvloop

from domain import consequences, db, eventlog
from domain.consequences import PAGE, Consequence
from domain.notifications.queries import READ_CHILDREN, READ_NOTIFICATIONS, UNREAD
from domain.settings import settings
from loadtests import crowd
from loadtests.usage import TICKS
from server.embedded import start_postgres
from server.migrate import migrate

ROWS = 1_000_000
MEMBERS = 101_000
LIKES = {1_000: 10, 10_000: 3, 100_000: 1}
"""So many likes of a post, and of how many posts."""
ROUNDS = 25
"""How often a read is timed; the median counts."""
PAGE_SIZE = 21
"""20, and one to know whether there are more."""

ID = "00000000-0000-7000-a000-"
BATCH = f"{ID}{crowd.FIRST}"
"""The batch that has a fifth of all rows below it."""

INDEXES = """
SELECT indexname AS name, indexdef AS definition FROM pg_indexes
WHERE tablename = 'notifications' AND indexname <> 'notifications_pkey'
"""
# Of 100 rows 20 are below the one batch of the member; 10 are in their list, one of these a batch with 50 below it, and
# batches are newer than singles; 20 are in the lists of others. Written in no order, so that what is read together does
# not lie together.
ADD_ROWS = """
INSERT INTO notifications (id, user_id, type, batch_key, actor_id, subject_id, post_id, parent_id, is_batch,
    batch_count, is_open, is_suppressed, created_at, last_updated_at, read_at)
SELECT ($1 || ($2::bigint + i))::uuid, ($3 || ($2::bigint + owner))::uuid,
    CASE WHEN is_batch THEN 'post_interaction' ELSE 'like' END, 'post_interaction:post:' || i,
    CASE WHEN NOT is_batch THEN ($3 || ($2::bigint + actor))::uuid END,
    CASE WHEN NOT is_batch THEN ($1 || ($2::bigint + i))::uuid END, NULL, ($1 || ($2::bigint + parent))::uuid,
    is_batch, CASE WHEN i = 0 THEN $5 / 5 - 1 WHEN is_batch THEN 50 ELSE 1 END, false, false, at, at,
    CASE WHEN i % 3 = 0 THEN at END
FROM (
    SELECT i, CASE WHEN k < 80 THEN 0 ELSE 1 + i % ($4::bigint - 1) END AS owner, 1 + i % ($4::bigint - 1) AS actor,
        CASE WHEN i > 0 AND k < 20 THEN 0 WHEN k BETWEEN 20 AND 69 THEN i - k + 70 END AS parent,
        i = 0 OR k = 70 AS is_batch,
        timestamptz '2026-01-01' + i * interval '1 second' - CASE WHEN k > 70 THEN interval '1 year' ELSE '0' END AS at
    FROM (SELECT i, i % 100 AS k FROM generate_series(0, $5::bigint - 1) i ORDER BY md5(i::text)) made
) placed
"""
ADD_INBOXES = """
INSERT INTO inboxes (user_id, unread)
SELECT u.id, count(n.id) FROM users u
LEFT JOIN notifications n ON n.user_id = u.id AND n.parent_id IS NULL AND n.read_at IS NULL GROUP BY u.id
"""

BY_KEY = "SELECT * FROM notifications WHERE id = $1"

ADD_LIKES = """
INSERT INTO events (type, data, actor)
SELECT 'post.liked', json_build_object('post_id', $1::text, 'user_id', id), id
FROM (SELECT ($2 || ($3::bigint + n))::uuid AS id FROM generate_series(1000, 999 + $4::bigint) n) likers
"""
TOUCHED = """
SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint AS written,
    coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint AS read
FROM pg_stat_xact_user_tables
"""
STATEMENTS = "SELECT sum(calls)::bigint FROM pg_stat_statements WHERE toplevel"


class Read(msgspec.Struct, frozen=True):
    """What a query took: shared buffers touched, ms in the database, and the kinds of its plan's nodes."""

    buffers: int
    ms: float
    nodes: list[str]


async def fill(connection: asyncpg.Connection, rows: int, members: int) -> None:
    """Members, and so many notifications of theirs."""
    await connection.execute("SET session_replication_role = replica")  # all is as it should be: no need to look
    await connection.execute(crowd.ADD_MEMBERS, crowd.MEMBER_ID, crowd.FIRST, members)
    indexes = await connection.fetch(INDEXES)
    await connection.execute(f"DROP INDEX {', '.join(row['name'] for row in indexes)}")
    await connection.execute(ADD_ROWS, ID, crowd.FIRST, crowd.MEMBER_ID, members, rows)
    for row in indexes:
        await connection.execute(row["definition"])
    await connection.execute("VACUUM ANALYZE users, notifications")
    await connection.execute(ADD_INBOXES)
    await connection.execute("VACUUM ANALYZE inboxes")
    await connection.execute("SET session_replication_role = origin")


def reads(rows: int) -> dict[str, tuple[str, Sequence[Any]]]:
    """What is asked, of the member who has the most; the deep ones begin in the middle."""
    member, middle = crowd.member(0), f"{ID}{crowd.FIRST + rows // 2}"
    then = datetime.fromtimestamp(datetime(2026, 1, 1, tzinfo=UTC).timestamp() + rows // 2, UTC)
    return {
        "by_key": (BY_KEY, [middle]),
        "list": (READ_NOTIFICATIONS, [member, None, None, PAGE_SIZE]),
        "list_deep": (READ_NOTIFICATIONS, [member, then, middle, PAGE_SIZE]),
        "children": (READ_CHILDREN, [member, BATCH, None, None, PAGE_SIZE]),
        "children_deep": (READ_CHILDREN, [member, BATCH, then, middle, PAGE_SIZE]),
        "unread": (UNREAD, [member]),
    }


async def explain(
    connection: asyncpg.Connection, sql: str, args: Sequence[Any], plan: str = "force_custom_plan"
) -> Read:
    """Run it with a plan made for these arguments, or for any (`force_generic_plan`), and say what it took."""
    values = ", ".join(map(literal, args))
    await connection.execute(f"SET plan_cache_mode = {plan}; PREPARE explained AS {sql}")
    try:
        said = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE explained ({values})")
    finally:
        await connection.execute("DEALLOCATE explained; RESET plan_cache_mode")
    (explained,) = msgspec.json.decode(said)
    top = explained["Plan"]
    return Read(top["Shared Hit Blocks"] + top["Shared Read Blocks"], explained["Execution Time"], nodes_of(top))


def literal(value: Any) -> str:
    """A value as it stands in a statement: quoted, lists as arrays."""
    if isinstance(value, list):
        values = cast("list[Any]", value)
        return "'{" + ",".join("NULL" if each is None else f'"{each}"' for each in values) + "}'"
    return "NULL" if value is None else f"'{value}'"


def nodes_of(plan: dict[str, Any]) -> list[str]:
    """The kinds of nodes of a plan, from the top; those that read all of a table with its name."""
    kind = plan["Node Type"]
    own = f"{kind} on {plan['Relation Name']}" if kind == "Seq Scan" else kind
    return [own, *(each for below in plan.get("Plans", ()) for each in nodes_of(below))]


async def measure_reads(connection: asyncpg.Connection) -> dict[str, object]:
    """Each read, beside the look-up by key."""
    found: dict[str, Read] = {}
    for name, (sql, args) in reads(ROWS).items():
        runs = [await explain(connection, sql, args) for _ in range(ROUNDS)]
        found[name] = msgspec.structs.replace(runs[-1], ms=statistics.median(run.ms for run in runs))
    key = found["by_key"]
    return {
        name: {
            "buffers": read.buffers,
            "buffers_per_key": read.buffers / key.buffers,
            "ms": round(read.ms, 3),
            "ms_per_key": round(read.ms / key.ms, 1),
        }
        for name, read in found.items()
    }


class Fold(msgspec.Struct):
    """What folding likes took."""

    likes: int = 0
    transactions: int = 0
    statements: int = 0
    rows_written: int = 0
    rows_read: int = 0
    ms: float = 0.0
    cpu_ms: float = 0.0

    def figures(self) -> dict[str, float]:
        """For the report."""
        return {
            "transactions": self.transactions,
            "statements_per_transaction": round(self.statements / self.transactions, 1),
            "rows_written_per_like": round(self.rows_written / self.likes, 4),
            "rows_read_per_like": round(self.rows_read / self.likes, 4),
            "ms_per_like": round(self.ms / self.likes, 4),
            "cpu_ms_per_like": round(self.cpu_ms / self.likes, 4),
            "ms_per_transaction": round(self.ms / self.transactions, 1),
        }


async def add_fold(total: Fold, watch: asyncpg.Connection, post: int, number: int) -> None:
    """Have that many members like the post, and fold their likes."""
    (consequence,) = [each for each in PAGE if each.feature == "notifications"]
    await watch.execute(ADD_LIKES, crowd.post(post), crowd.MEMBER_ID, crowd.FIRST, number)
    await eventlog.cut(await eventlog.latest_cut())
    total.likes += number
    at = await eventlog.position(consequence.feature)
    while True:
        events, after = await eventlog.read(at, settings.fold_limit)
        if after == at:
            return
        if events:
            await _add_transaction(total, watch, consequence, events, (at, after))
        else:
            await consequences.fold(consequence, events, at, after)
        at = after


async def _add_transaction(
    total: Fold,
    watch: asyncpg.Connection,
    consequence: Consequence,
    events: Sequence[eventlog.Logged],
    positions: tuple[eventlog.Position, eventlog.Position],
) -> None:
    async with db.transaction():
        backend = await db.fetchval("SELECT pg_backend_pid()")
        before, calls = await db.fetchrow(TOUCHED), await watch.fetchval(STATEMENTS)
        cpu, started = _cpu_ms(backend), time.perf_counter()
        await consequences.fold(consequence, events, *positions)
        total.ms += (time.perf_counter() - started) * 1000
        after, calls = await db.fetchrow(TOUCHED), await watch.fetchval(STATEMENTS) - calls - 2  # with these two
        started = time.perf_counter()
    total.ms += (time.perf_counter() - started) * 1000
    total.cpu_ms += _cpu_ms(backend) - cpu
    assert before is not None
    assert after is not None
    total.transactions += 1
    total.statements += calls
    total.rows_written += after["written"] - before["written"]
    total.rows_read += after["read"] - before["read"]


def _cpu_ms(backend: int) -> float:
    """What this process and a backend of PostgreSQL have used."""
    fields = Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() * 1000 + sum(map(int, fields[11:13])) * 1000 / TICKS


async def measure_folds(watch: asyncpg.Connection) -> dict[str, object]:
    """Each number of likes, after some for warmth."""
    await watch.execute("CREATE EXTENSION pg_stat_statements")
    await watch.execute(crowd.ADD_POSTS, crowd.POST_ID, crowd.FIRST, 100, crowd.MEMBER_ID)
    await add_fold(Fold(), watch, 1, 5_000)
    found: dict[str, object] = {}
    post = 2
    for number, posts in LIKES.items():
        total = Fold()
        for _ in range(posts):
            await add_fold(total, watch, post, number)
            post += 1
        found[str(number)] = total.figures()
    return found


async def measure(url: str) -> dict[str, object]:
    """Everything, in an empty database."""
    await migrate(url)
    watch: asyncpg.Connection = await asyncpg.connect(url)
    await db.open_pool(url, worker=True)
    try:
        await fill(watch, ROWS, MEMBERS)
        return {"rows": ROWS, "reads": await measure_reads(watch), "folds": await measure_folds(watch)}
    finally:
        await db.close_pool()
        await watch.close()


def main() -> None:
    """Start PostgreSQL as shipped, measure, print, end it."""
    with tempfile.TemporaryDirectory(prefix="potluck-notifications-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # root's PostgreSQL runs as somebody else
        with start_postgres(Path(folder)) as postgres:
            figures = uvloop.run(measure(postgres.url))
    print(msgspec.json.encode(figures).decode())


if __name__ == "__main__":
    main()
