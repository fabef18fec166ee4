"""The news is a row: the event log, the batches that give it its one order, and the cursors that read it."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import ClassVar, Literal, TypeVar

import asyncpg
import msgspec

from domain import db
from domain.ids import UserID

Delivery = Literal["event", "state", "board"]


FACT = "fact"
"""The audience of what is told of things and not of people: it is withheld from nobody, whoever did it."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened. The struct is the `data` that clients get; absent fields are unchanged.

    `heard_on` are the kinds of topics on which clients hear of it; none: it is for servers, and for what follows.
    """

    type: ClassVar[str]
    heard_on: ClassVar[tuple[str, ...]] = ()
    delivery: ClassVar[Delivery] = "event"


EventT = TypeVar("EventT", bound=Event)


class Logged(msgspec.Struct, frozen=True):
    """An event as it lies in the log. `data` is its JSON."""

    seq: int
    type: str
    topics: list[str]
    data: str
    actor: UserID | None
    audience: str | None
    at: datetime


class Cut(msgspec.Struct, frozen=True):
    """A batch: its number (ms since 1970, growing), the one before it, and the snapshot that ends it. `types` are those
    of its events, where who cut it is the one who asks."""

    batch: int
    prev: int
    snapshot: str
    types: frozenset[str] | None = None


class Position(msgspec.Struct, frozen=True):
    """How far a reader is: all up to `batch`, and of what is between it and `upto` all up to `seq`."""

    batch: int
    upto: int
    seq: int


EMIT = "SELECT emit_event($1, $2, $3, $4, $5)"


async def emit(event: Event, *topics: str, actor: UserID | None = None, audience: str | None = None) -> None:
    """Record the event in the caller's transaction. The action's last statement, after its last row lock:
    so that transactions that fight for a row draw their numbers in the order in which they commit."""
    await db.fetchval(EMIT, event.type, topics, encode(event), actor, audience)
    announce(event)


EMIT_ALL = """
INSERT INTO events (type, topics, data)
SELECT type, array_remove(ARRAY[topic], NULL), data
FROM unnest($1::text[], $2::text[], $3::json[]) WITH ORDINALITY AS new (type, topic, data, i)
ORDER BY i
"""


async def emit_all(news: Iterable[tuple[Event, str | None]]) -> None:
    """Record many (event, topic), or without a topic, in one statement: for the handlers of consequences."""
    pairs = list(news)
    if not pairs:
        return
    types, topics = [event.type for event, _ in pairs], [topic for _, topic in pairs]
    await db.execute(EMIT_ALL, types, topics, [encode(event) for event, _ in pairs])
    announce(*(event for event, _ in pairs))


def encode(event: Event) -> str:
    """The event's `data` as it goes to the log and, unchanged, to every client."""
    return msgspec.json.encode(event).decode()


_listeners: list[Callable[[Event], None]] = []


def listen(listener: Callable[[Event], None]) -> Callable[[], None]:
    """Have `listener` called after each commit in this process, an event at a time; the answer undoes it."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def announce(*events: Event) -> None:
    """Tell this process's listeners after the commit; for events that a statement recorded itself."""

    def tell() -> None:
        for event in events:
            for listener in _listeners:
                listener(event)

    db.after_commit(tell)


LATEST_CUT = "SELECT batch, prev, snapshot::text AS snapshot FROM batches ORDER BY batch DESC LIMIT 1"


async def latest_cut() -> Cut:
    """The newest batch. There is always one: the migration makes the first."""
    row = await db.fetchrow(LATEST_CUT)
    if row is None:
        raise RuntimeError("the batches table is empty: migrations have not run")
    return Cut(row["batch"], row["prev"], row["snapshot"])


# What was not visible to the batch before and is visible to this statement. `xid = ANY` are those that were
# running then, `xid >=` those that had not begun: each an index condition of its own, for together with OR they are
# a filter over the whole log. docs/decisions says why neither seq nor xid alone will do.
CUT = """
WITH cut AS (
    INSERT INTO batches (batch, prev, snapshot)
    SELECT greatest(batch + 1, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint), batch,
        pg_current_snapshot()
    FROM batches
    WHERE batch = $1 AND ($4
        OR EXISTS (SELECT FROM events WHERE xid >= $3::xid8 AND pg_visible_in_snapshot(xid, pg_current_snapshot()))
        OR EXISTS (SELECT FROM events WHERE xid = ANY($2) AND pg_visible_in_snapshot(xid, pg_current_snapshot()))
    )
    RETURNING batch, snapshot::text AS snapshot
), told AS (
    SELECT seq, type, topics, data::text AS data, actor, audience, at FROM events
    WHERE xid >= $3::xid8 AND pg_visible_in_snapshot(xid, pg_current_snapshot()) AND topics <> '{}'
    UNION ALL
    SELECT seq, type, topics, data::text AS data, actor, audience, at FROM events
    WHERE xid = ANY($2::xid8[]) AND pg_visible_in_snapshot(xid, pg_current_snapshot()) AND topics <> '{}'
    ORDER BY seq LIMIT $5
), kinds AS (
    SELECT array_agg(DISTINCT type) AS types FROM (
        SELECT type FROM events WHERE xid >= $3::xid8 AND pg_visible_in_snapshot(xid, pg_current_snapshot())
        UNION ALL
        SELECT type FROM events WHERE xid = ANY($2::xid8[]) AND pg_visible_in_snapshot(xid, pg_current_snapshot())
    ) AS cut_here
)
SELECT cut.batch, cut.snapshot, coalesce(kinds.types, '{}') AS types, told.*
FROM cut CROSS JOIN kinds LEFT JOIN told ON true ORDER BY told.seq
"""


async def cut(previous: Cut, *, even_empty: bool = False, limit: int = 1000) -> tuple[Cut, list[Logged]] | None:
    """Cut the next batch: it and its first `limit` events that have topics; None when there is no news, or when
    `previous` was cut so long ago that it is forgotten.

    Raises asyncpg.UniqueViolationError when another relay has cut after `previous` already.
    """
    running, next_xid = snapshot_bounds(previous.snapshot)
    rows = await db.fetch(CUT, previous.batch, running, next_xid, even_empty, limit)
    if not rows:
        return None
    made = Cut(rows[0]["batch"], previous.batch, rows[0]["snapshot"], frozenset(rows[0]["types"]))
    return made, [_logged(row) for row in rows if row["seq"] is not None]


def snapshot_bounds(snapshot: str) -> tuple[list[int], int]:
    """(transactions running then, the first that had not begun) of a pg_snapshot's text."""
    _, xmax, running = snapshot.split(":")
    return [int(xid) for xid in running.split(",") if xid], int(xmax)


READ_RANGE = """
SELECT seq, type, topics, data::text AS data, actor, audience, at FROM events
WHERE (xid = ANY($1::xid8[]) OR xid >= $2::xid8) AND xid < $3::xid8
    AND pg_visible_in_snapshot(xid, $4::text::pg_snapshot) AND seq > $5 AND ($7 OR topics <> '{}')
    AND ($8::text[] IS NULL OR type = ANY($8))
ORDER BY seq LIMIT $6
"""


async def read_range(
    after: str, upto: str, seq: int, limit: int, *, only_told: bool = False, types: Collection[str] | None = None
) -> list[Logged]:
    """Events that became visible between two snapshots, in order of `seq`, from behind `seq` on; all, or of types."""
    running, next_xid = snapshot_bounds(after)
    _, end = snapshot_bounds(upto)
    args = (running, next_xid, end, upto, seq, limit, not only_told, types)
    return [_logged(row) for row in await db.fetch(READ_RANGE, *args)]


class Superseded(Exception):
    """Another reader has moved the cursor."""


SNAPSHOTS = """
SELECT batch, snapshot::text AS snapshot FROM batches WHERE batch = ANY($1::bigint[])
UNION (SELECT batch, snapshot::text FROM batches WHERE $2 ORDER BY batch DESC LIMIT 1)
"""
POSITION = "SELECT batch, upto, seq FROM cursors WHERE feature = $1"


async def position(feature: str) -> Position:
    """Where the feature's reader stands."""
    row = await db.fetchrow(POSITION, feature)
    if row is None:
        raise RuntimeError(f"no cursor for {feature}: its migration makes one")
    return Position(row["batch"], row["upto"], row["seq"])


async def read(at: Position, limit: int, types: Collection[str] | None = None) -> tuple[list[Logged], Position]:
    """Up to `limit` events behind a position, all or of types, whatever batches they lie in, and the position after
    them.

    Raises Superseded when the position's batches are forgotten: the cursor has long been moved by somebody else.
    """
    rows = await db.fetch(SNAPSHOTS, [at.batch, at.upto], at.upto == at.batch)
    snapshots: dict[int, str] = {row["batch"]: row["snapshot"] for row in rows}
    upto = max(snapshots, default=0) if at.upto == at.batch else at.upto
    if upto == at.batch:
        return [], at
    if at.batch not in snapshots or upto not in snapshots:
        raise Superseded
    seq = at.seq if upto == at.upto else 0
    events = await read_range(snapshots[at.batch], snapshots[upto], seq, limit, types=types)
    if len(events) < limit:
        return events, Position(upto, upto, 0)
    return events, Position(at.batch, upto, events[-1].seq)


MOVE = """
UPDATE cursors SET batch = $5, upto = $6, seq = $7 WHERE feature = $1 AND batch = $2 AND upto = $3 AND seq = $4
"""


async def move(feature: str, old: Position, new: Position) -> bool:
    """Move the feature's cursor in the caller's transaction; False when somebody else has moved it."""
    args = (old.batch, old.upto, old.seq, new.batch, new.upto, new.seq)
    return db.changed(await db.execute(MOVE, feature, *args)) == 1


def _logged(row: db.Row) -> Logged:
    return Logged(row["seq"], row["type"], row["topics"], row["data"], row["actor"], row["audience"], row["at"])


def of(events: Sequence[Logged], kind: type[EventT]) -> list[EventT]:
    """The events of one type, decoded."""
    return [msgspec.json.decode(event.data, type=kind) for event in events if event.type == kind.type]


class LogUnreadable(Exception):
    """The database did not answer."""


UNREADABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


READ_BATCHES = """
SELECT b.batch, e.seq, e.type, e.topics, e.data::text AS data, e.actor, e.audience, e.at
FROM batches b LEFT JOIN batches p ON p.batch = b.prev
LEFT JOIN LATERAL (
    SELECT * FROM events
    WHERE xid = ANY(ARRAY(SELECT pg_snapshot_xip(p.snapshot)))
        AND pg_visible_in_snapshot(xid, b.snapshot) AND topics <> '{}'
    UNION ALL
    SELECT * FROM events
    WHERE xid >= pg_snapshot_xmax(p.snapshot) AND xid < pg_snapshot_xmax(b.snapshot)
        AND pg_visible_in_snapshot(xid, b.snapshot) AND topics <> '{}'
) e ON true
WHERE b.batch = ANY($1::bigint[]) ORDER BY b.batch, e.seq
"""
# A batch's events can be told only while the batch before it is there; the very first has none.
CHAIN = """
SELECT batch, prev FROM batches b WHERE batch BETWEEN $1 AND $2
    AND (prev = 0 OR EXISTS (SELECT FROM batches p WHERE p.batch = b.prev))
ORDER BY batch
"""


async def read_batches(after: int, last: int) -> list[tuple[int, Logged | None]] | None:
    """What the stream says of the batches behind `after` up to `last`, `after` itself included as the first:
    each event with topics, and (batch, None) for a batch without. None when they are not all there any more."""
    try:
        chain = [(row["batch"], row["prev"]) for row in await db.fetch(CHAIN, after, last)]
        if not _is_chain(chain, after, last):
            return None
        numbers = [batch for batch, _ in chain]
        found: list[tuple[int, Logged | None]] = []
        for start in range(0, len(numbers), 200):
            rows = await db.fetch(READ_BATCHES, numbers[start : start + 200])
            found += [(row["batch"], None if row["seq"] is None else _logged(row)) for row in rows]
    except UNREADABLE as trouble:
        raise LogUnreadable(str(trouble)) from trouble
    return found


def _is_chain(chain: Sequence[tuple[int, int]], first: int, last: int) -> bool:
    """Whether these are all batches from `first` to `last`, each naming the one before it."""
    if not chain or chain[0][0] != first or chain[-1][0] != last:
        return False
    return all(later[1] == earlier[0] for earlier, later in pairwise(chain))


async def newest_batch() -> int:
    """The number of the newest batch. Raises LogUnreadable."""
    try:
        return (await latest_cut()).batch
    except UNREADABLE as trouble:
        raise LogUnreadable(str(trouble)) from trouble


FIRST_BATCH = """
SELECT coalesce(
    (SELECT max(batch) FROM batches b WHERE batch <= $1
        AND (prev = 0 OR EXISTS (SELECT FROM batches p WHERE p.batch = b.prev))),
    (SELECT min(batch) FROM batches b WHERE prev = 0 OR EXISTS (SELECT FROM batches p WHERE p.batch = b.prev)))
"""


async def first_batch(at: int) -> int:
    """The newest batch up to a time in ms, or else the oldest, that can still be told whole."""
    return await db.fetchval(FIRST_BATCH, at)


# Making and dropping a partition locks the whole log: behind one transaction that stays open every writer would
# wait. There are days of time: better to fail at once, and to try again later.
BRIEFLY = "SET LOCAL lock_timeout = '100ms'"
MAKE_PARTITIONS = "SELECT make_event_partitions(7)"


async def make_partitions() -> None:
    """Have a partition for today and the days ahead. Raises asyncpg.PostgresError when writers are in the way."""
    async with db.transaction():
        await db.execute(BRIEFLY)
        await db.fetchval(MAKE_PARTITIONS)


# A batch row is needed while somebody may read from it: the ring's window twice over, and every cursor.
PRUNE_BATCHES = """
DELETE FROM batches WHERE batch < (
    SELECT min(needed) FROM (
        SELECT max(batch) - ($1::float8 * 1000)::bigint AS needed FROM batches
        UNION ALL SELECT min(batch) FROM cursors
    ) AS needs
)
"""


async def prune_batches(window_s: float) -> None:
    """Forget batches that nobody can ask for any more."""
    await db.execute(PRUNE_BATCHES, 2 * window_s + 60)


OLD_PARTITIONS = """
SELECT c.relname AS name, to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC' AS begins
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'events'::regclass
    AND c.relname < 'events_' || to_char(now() AT TIME ZONE 'UTC' - make_interval(days => $1), 'YYYYMMDD')
ORDER BY c.relname
"""

# What a partition still holds that a cursor has not passed. By its times, so that no other partition is read.
STILL_NEEDED = """
SELECT EXISTS (
    SELECT FROM events e, cursors k JOIN batches b ON b.batch = k.batch
    WHERE e.at >= $1 AND e.at < $1 + interval '24 hours' AND NOT pg_visible_in_snapshot(e.xid, b.snapshot)
)
"""


async def drop_old_partitions(days: int) -> None:
    """Drop the days that are past their retention and below every cursor; those that hold what a transaction
    still writes wait for it. Raises asyncpg.PostgresError when writers are in the way."""
    for row in await db.fetch(OLD_PARTITIONS, days):
        if await db.fetchval(STILL_NEEDED, row["begins"]):
            return
        async with db.transaction():
            await db.execute(BRIEFLY)
            await db.execute(f"DROP TABLE {row['name']}")  # from the catalogue: events_ and eight digits
