"""Computing boards anew, beside a fold that goes on."""

from collections.abc import AsyncGenerator
from typing import Final, get_args
from uuid import UUID

from domain.clock import now
from domain.db import transaction
from domain.leaderboards.actions import recount, rescore_part
from domain.leaderboards.rules import ALL_TIME, Kind, season_of
from domain.passing import LOOKS, has_folded, hold_fold
from domain.revision.queries import Difference, boards_that_differ, entries_that_differ, next_of
from domain.settings import settings
from domain.standings.actions import take

AT_ONCE: Final = 200
"""Dishes, restaurants or people that a statement looks at."""

MOST: Final = 1000
"""Differences after which no more are looked for."""

_Found = dict[tuple[Kind, UUID], list[Difference]]


async def find_differences() -> AsyncGenerator[str]:
    """In what the stored boards differ from those computed anew, a line each. What was only on its way into the fold is
    no difference: it is looked at again once the fold has passed it."""
    found: _Found = {}
    boards: list[Difference] = []
    async for kind, ids in _everything():
        found |= await _look_at(kind, ids)
        if len(found) >= MOST:
            break
    for _ in range(LOOKS):
        boards = await boards_that_differ(settings.leaderboards_exact_size, settings.leaderboards_tolerance)
        if not (found or boards) or not await has_folded("leaderboards"):
            break
        found = {place: lines for kind, one in found for place, lines in (await _look_at(kind, [one])).items()}
    for each in [*(line for lines in found.values() for line in lines), *boards]:
        yield str(each)


async def mend() -> AsyncGenerator[str]:
    """Bring all boards up to date, and tell it; what differed, a line each. Some at once, each a transaction."""
    async for kind, ids in _everything():
        async with transaction():
            await hold_fold("leaderboards")
            found = await _look_at(kind, ids)
            if found:
                await take(kind, [one for _, one in found], [season_of(now())])
        for lines in found.values():
            for each in lines:
                yield str(each)
    for each in await boards_that_differ(settings.leaderboards_exact_size, settings.leaderboards_tolerance):
        async with transaction():
            await hold_fold("leaderboards")
            await recount(each.board)
        yield str(each)
    while await rescore_part():
        pass


async def _look_at(kind: Kind, ids: list[UUID]) -> _Found:
    found: _Found = {}
    for season in (ALL_TIME, season_of(now())):
        for each in await entries_that_differ(kind, ids, season):
            assert each.entity_id is not None
            found.setdefault((kind, each.entity_id), []).append(each)
    return found


async def _everything() -> AsyncGenerator[tuple[Kind, list[UUID]]]:
    for kind in get_args(Kind):
        last = UUID(int=0)
        while ids := await next_of(kind, last, AT_ONCE):
            yield kind, ids
            last = ids[-1]
