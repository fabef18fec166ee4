"""Boards as sorted sets in Redis: how many are ahead of somebody, in O(log n) however many they are.

PostgreSQL is the truth. A copy has the number of the last change that it holds, and answers for that very state only;
who asks brings it up to date by the changes since. When these are many, as when it is made from nothing, that goes on
beside whoever asked, who is told nothing meanwhile. Two who do so at once do no harm: a change is applied to the state
that it follows on, or not at all. Without Redis nobody knows: None.
"""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Final, NamedTuple
from uuid import UUID

import structlog
from prometheus_client import Counter
from redis.exceptions import RedisError

from domain import db
from domain.eventlog import UNREADABLE
from domain.settings import settings

log = structlog.get_logger(__name__)

REBUILT: Final = Counter("potluck_board_copies_rebuilt_total", "Copies of boards in Redis that were made from nothing.")
UNKNOWN: Final = Counter("potluck_board_copies_unknown_total", "Places that Redis could not tell, and PostgreSQL did.")

WAIT_S: Final = 0.25
"""Longest wait of somebody who asks: counting in PostgreSQL takes hardly longer."""
PAUSE_S: Final = 1.0
"""How long nobody asks Redis after it has failed."""
CHANGES: Final = 1_000
"""Changes that are applied at once; Redis serves nobody else meanwhile, a few ms."""
STEPS: Final = 3
"""So many times somebody asks for a state before it is given up."""

# KEYS: the set in order, and when each of it got there; '' is the last change in it, '-' the last that was forgotten
# when it was begun. ARGV: the change before, this change, the last one that is forgotten, seconds to keep it; of each
# that changed its id, when it got there (or nothing: it is gone) and its score below zero.
APPLY: Final = """
local version = redis.call('HGET', KEYS[2], '') or '0'
if version ~= ARGV[1] then return version end
if version == '0' then redis.call('HSET', KEYS[2], '-', ARGV[3]) end
for i = 5, #ARGV, 3 do
    local before = redis.call('HGET', KEYS[2], ARGV[i])
    if before then redis.call('ZREM', KEYS[1], before .. ARGV[i]) end
    if ARGV[i + 1] == '' then
        redis.call('HDEL', KEYS[2], ARGV[i])
    else
        redis.call('ZADD', KEYS[1], ARGV[i + 2], ARGV[i + 1] .. ARGV[i])
        redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
    end
end
redis.call('HSET', KEYS[2], '', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return ARGV[2]
"""

# ARGV: the change, how many there are then, seconds to keep it; of each who is asked for its member and its score below
# zero. Answers the change that the copy has and what was forgotten when it was begun; and when it is this change, of
# each how many are ahead and how many better.
ASK: Final = """
local version = redis.call('HGET', KEYS[2], '') or '0'
local answers = {version, redis.call('HGET', KEYS[2], '-') or '0'}
if version ~= ARGV[1] then return answers end
local whole = redis.call('ZCARD', KEYS[1]) == tonumber(ARGV[2]) and redis.call('HLEN', KEYS[2]) == ARGV[2] + 2
for i = 4, #ARGV, 2 do
    local ahead = redis.call('ZRANK', KEYS[1], ARGV[i])
    whole = whole and ahead
    answers[#answers + 1] = ahead or 0
    answers[#answers + 1] = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[i + 1])
end
if not whole then
    redis.call('DEL', KEYS[1], KEYS[2])
    return {'0', '0'}
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return answers
"""

# What changed behind $2, and where the board is: in one snapshot.
CHANGED = """
SELECT b.seq AS upto, b.forgotten, e.entity_id, e.score, e.reached_at, e.seq
FROM leaderboards b LEFT JOIN LATERAL (
    SELECT * FROM leaderboard_entries e WHERE e.board_id = b.id AND e.seq > $2 ORDER BY e.seq LIMIT $3
) e ON true
WHERE b.id = $1 ORDER BY e.seq
"""


class State(NamedTuple):
    """A board as it was read: `copy_id` names its copy, `seq` its last change."""

    board_id: int
    copy_id: UUID
    seq: int
    size: int


class Seated(NamedTuple):
    """Somebody or something with a place: its score, since when, and its id."""

    score: int
    reached_at: datetime
    entity_id: UUID


class _Redis:
    """The client, once there is one, until when nobody asks it, and the one copy that is being made."""

    client: Any = None
    again_at = 0.0
    copying: asyncio.Task[None] | None = None
    copied: UUID | None = None


def use(client: Any) -> None:
    """Ask this client from now on; None: nobody."""
    if _Redis.copying is not None:
        _Redis.copying.cancel()
    _Redis.client, _Redis.again_at, _Redis.copying, _Redis.copied = client, 0.0, None, None


async def ahead_of(state: State, seated: Sequence[Seated]) -> list[tuple[int, int]] | None:
    """Of each how many are ahead, and how many have a better score, in this state of the board; None when that cannot
    be told: Redis is away, or the board has changed since it was read."""
    if _Redis.client is None or monotonic() < _Redis.again_at:
        return None
    if _Redis.copied == state.copy_id:
        UNKNOWN.inc()
        return None
    try:
        found = await _ask(state, seated)
    except (RedisError, OSError) as error:
        log.warning("positions are counted: Redis cannot be reached", error=repr(error))
        _Redis.again_at = monotonic() + PAUSE_S
        found = None
    if found is None:
        UNKNOWN.inc()
    return found


async def _ask(state: State, seated: Sequence[Seated]) -> list[tuple[int, int]] | None:
    asked = [part for each in seated for part in (_member(each), -each.score)]
    for _ in range(STEPS):
        args = (state.seq, state.size, settings.leaderboards_copy_s, *asked)
        version, begun, *counts = await _run(WAIT_S, ASK, state, *args)
        if counts:
            return list(zip(counts[::2], counts[1::2], strict=True))
        rest = await _catch_up(WAIT_S, state, int(version), int(begun))
        if rest is None:
            return None
        if rest:
            _copy_on(state)
            return None
    return None


def _copy_on(state: State) -> None:
    """Make the rest of a copy, unless this process is making another one: who asks next begins it then."""
    if _Redis.copied is None:
        _Redis.copied = state.copy_id
        # Not in the asker's context, whose transaction may end before.
        _Redis.copying = asyncio.create_task(_copy(state), context=Context())


async def _copy(state: State) -> None:
    try:
        await copy(state)
    except (RedisError, *UNREADABLE) as error:
        log.warning("a copy of a board is unfinished: who asks next goes on", error=repr(error))
    finally:
        _Redis.copied = None


async def copy(state: State) -> None:
    """Bring the copy of a board up to date, however much there is to do; whoever else wants PostgreSQL, Redis or this
    process has half of the time. Raises RedisError and what the database raises."""
    rest = True
    while rest:
        began = monotonic()
        version, begun = (await _run(settings.redis_timeout_s, ASK, state, -1, 0, settings.leaderboards_copy_s))[:2]
        rest = bool(await _catch_up(settings.redis_timeout_s, state, int(version), int(begun)))
        await asyncio.sleep(monotonic() - began)


async def _catch_up(wait_s: float, state: State, version: int, begun: int) -> bool | None:
    """Apply what changed behind this version, and whether that was not all; None when the state that is asked for is in
    the past already."""
    rows = await db.fetch(CHANGED, state.board_id, version, CHANGES)
    if not rows:
        return None
    upto, forgotten = rows[0]["upto"], rows[0]["forgotten"]
    if version > upto or (version < forgotten and begun < forgotten and version):
        # The database is older than it was; or it is forgotten that somebody left who may be in the copy.
        await _run(wait_s, "return redis.call('DEL', KEYS[1], KEYS[2])", state)
        return await _catch_up(wait_s, state, 0, 0)
    if version == 0:
        REBUILT.inc()
    changed = [row for row in rows if row["seq"] is not None]
    rest = len(changed) == CHANGES
    reached = changed[-1]["seq"] if rest else upto
    parts: list[object] = []
    for row in changed:
        is_gone = row["score"] is None
        parts += [row["entity_id"].bytes, b"" if is_gone else _since(row["reached_at"]), -(row["score"] or 0)]
    await _run(wait_s, APPLY, state, version, reached, forgotten, settings.leaderboards_copy_s, *parts)
    return rest if rest or reached <= state.seq else None


async def _run(wait_s: float, script: str, state: State, *args: object) -> Any:
    key = f"potluck:{{board:{state.board_id}}}:{state.copy_id}"
    async with asyncio.timeout(wait_s):
        return await _Redis.client.eval(script, 2, f"{key}:order", f"{key}:since", *args)


def _member(seated: Seated) -> bytes:
    """What sorts as places do among equal scores: by time, then by id."""
    return _since(seated.reached_at) + seated.entity_id.bytes


def _since(time: datetime) -> bytes:
    return ((time - _EPOCH) // _MICROSECOND).to_bytes(8, "big")


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
