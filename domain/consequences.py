"""What follows from what, on one page: which derived feature folds which events, and how a batch is folded."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import asyncpg

from domain import db, eventlog
from domain.acts import actions as acts
from domain.acts.rules import FOLDED as ACTS
from domain.counters import actions as counters
from domain.eventlog import Event, Logged, Position, Superseded
from domain.experts import actions as experts
from domain.progression import actions as progression
from domain.progression.rules import FOLDED as PROGRESSION
from domain.settings import settings
from domain.standings import actions as standings
from domain.trending import actions as trending


class Consequence(NamedTuple):
    """A derived feature: its cursor's name, the events it folds, the handler that takes a whole batch, and the least
    time between two batches, in seconds."""

    feature: str
    of: tuple[type[Event], ...]
    handler: Callable[[Sequence[Logged]], Awaitable[None]]
    pace_s: float = 0


PAGE = (
    Consequence("counters", counters.FOLDED, counters.fold, settings.counters_pace_s),
    Consequence("notifications", ACTS, acts.fold, settings.notifications_pace_s),
    Consequence("experts", experts.FOLDED, experts.fold, settings.experts_pace_s),
    Consequence("progression", PROGRESSION, progression.fold, settings.progression_pace_s),
    Consequence("leaderboards", standings.FOLDED, standings.fold, settings.leaderboards_pace_s),
    Consequence("trending", trending.FOLDED, trending.fold, settings.trending_pace_s),
)


# A failure of the machinery is tried again; any other is the handler's own, and its event is parked.
MACHINERY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    Superseded,
)

PARK = """
INSERT INTO event_failures (feature, seq, type, data, error) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (feature, seq) DO UPDATE SET error = excluded.error, at = clock_timestamp()
"""


async def fold(consequence: Consequence, events: Sequence[Logged], old: Position, new: Position) -> int:
    """Handle events and move the cursor, in one transaction; how many events had to be parked.

    A batch that fails is halved down to the events that fail, which are parked with their error.
    Raises Superseded, or what the database raises, and then nothing has changed.
    """
    wanted = [event for event in events if event.type in {kind.type for kind in consequence.of}]
    try:
        async with db.transaction():
            await _move(consequence, old, new)
            if wanted:
                await consequence.handler(wanted)
    except MACHINERY:
        raise
    except Exception:  # noqa: BLE001 # whatever a handler raises must not stop all that follows
        async with db.transaction():
            await _move(consequence, old, new)
            return await _halve(consequence, wanted)
    return 0


async def _move(consequence: Consequence, old: Position, new: Position) -> None:
    if not await eventlog.move(consequence.feature, old, new):
        raise Superseded(consequence.feature)


async def _halve(consequence: Consequence, events: Sequence[Logged]) -> int:
    try:
        async with db.savepoint():
            await consequence.handler(events)
    except MACHINERY:
        raise
    except Exception as failure:  # noqa: BLE001 # as above
        if len(events) > 1:
            middle = len(events) // 2
            return await _halve(consequence, events[:middle]) + await _halve(consequence, events[middle:])
        (event,) = events
        # repr: escaped, for a text that cannot be stored would stop the feature for good
        await db.execute(PARK, consequence.feature, event.seq, event.type, event.data, repr(failure))
        return 1
    return 0
