"""Computing anew what people have earned, beside a fold that goes on."""

from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Final
from uuid import UUID

from domain import db
from domain.clock import now
from domain.db import transaction
from domain.ids import DishID, UserID
from domain.passing import LOOKS, has_folded, hold_fold
from domain.progression.actions import settle
from domain.progression.events import RankersMoved
from domain.progression.rules import Touched
from domain.reckoning.queries import Difference, look_at, people_after

AT_ONCE: Final = 200
"""People that a statement looks at."""

IN_TURN: Final = 25
"""So often that many, before others have their turn."""

MOST: Final = 1000
"""Differences after which no more are looked for."""


async def find_differences() -> AsyncGenerator[str]:
    """In what the stored state differs from that computed anew, a line each. What was only on its way into the fold is
    no difference: it is looked at again once the fold has passed it."""
    found: set[Difference] = set()
    async for people in _everybody():
        found |= set((await look_at(people)).differences)
        if len(found) >= MOST:
            break
    for _ in range(LOOKS):
        if not found or not await has_folded("progression", RankersMoved.type):
            break
        people = sorted({each.user_id for each in found})
        for start in range(0, len(people), AT_ONCE):
            part = people[start : start + AT_ONCE]
            again = (await look_at(part)).differences
            found -= {each for each in found if each.user_id in part} - set(again)
    for each in sorted(found, key=str):
        yield str(each)


async def mend() -> AsyncGenerator[str]:
    """Bring everybody up to date, and tell them; what differed, a line each. Some at once, each a transaction."""
    async for people in _everybody():
        async with transaction():
            differences = await _mend(people)
        for each in differences:
            yield str(each)


async def _mend(people: Collection[UserID]) -> list[Difference]:
    """Bring these up to date, while nobody folds; what differed."""
    await hold_fold("progression")
    differences, gone = await look_at(people)
    if differences:
        what = touched_by(differences)
        what.left = gone & {each.user_id for each in differences}
        await settle(what, now())
    return differences


# Whoever has changed what earns what has everybody reckoned anew.
NOTICE = """
INSERT INTO reckoned (catalogues, upto)
SELECT md5(concat_ws('|',
    (SELECT string_agg(concat_ws(' ', activity, points, daily_points), ',' ORDER BY activity) FROM activities),
    (SELECT string_agg(concat_ws(' ', code, requirements), ',' ORDER BY code) FROM badges),
    (SELECT string_agg(concat_ws(' ', level, required_points, required_rankings), ',' ORDER BY level)
     FROM career_levels),
    (SELECT string_agg(concat_ws(' ', level, badge), ',' ORDER BY level, badge) FROM career_level_badges)
)), '00000000-0000-0000-0000-000000000000'
ON CONFLICT (is_one) DO UPDATE SET catalogues = excluded.catalogues, upto = excluded.upto
WHERE reckoned.catalogues <> excluded.catalogues
"""
UPTO = "SELECT upto FROM reckoned WHERE upto IS NOT NULL"
GO_ON = "UPDATE reckoned SET upto = $2 WHERE upto = $1"


async def reckon_some() -> None:
    """Go on giving everybody what is theirs by catalogues that somebody has changed, and tell them: so many people,
    some at once, each a transaction."""
    await db.execute(NOTICE)
    for _ in range(IN_TURN):
        upto = await db.fetchval(UPTO)
        if upto is None:
            return
        people = await people_after(upto, AT_ONCE)
        async with transaction():
            if people:
                await _mend(people)
            await db.execute(GO_ON, upto, people[-1] if people else None)


def touched_by(differences: Sequence[Difference]) -> Touched:
    """What to settle for these to be none."""
    what = Touched(measured={each.user_id for each in differences})
    things = {"post": what.posts, "comment": what.comments, "restaurant": what.restaurants, "dish": what.dishes}
    things |= {"review": what.reviews, "review_photo": what.reviews}
    for each in differences:
        if each.reference_id is None:
            continue
        if each.what in things:
            things[each.what].add(each.reference_id)
        else:
            what.rankings.add((each.user_id, DishID(each.reference_id)))
    return what


async def _everybody() -> AsyncGenerator[Collection[UserID]]:
    last = UserID(UUID(int=0))
    while people := await people_after(last, AT_ONCE):
        yield people
        last = people[-1]
