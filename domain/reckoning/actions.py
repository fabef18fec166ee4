"""Computing anew what people have earned, beside a fold that goes on."""

from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Final
from uuid import UUID

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
            await hold_fold("progression")
            differences, gone = await look_at(people)
            if differences:
                what = touched_by(differences)
                what.left = gone & {each.user_id for each in differences}
                await settle(what, now())
        for each in differences:
            yield str(each)


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
