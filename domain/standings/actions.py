"""Folding: what was ranked, earned or edited becomes what is wanted on boards."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from domain import clock, db
from domain.accounts.events import PrivacyChanged, ProfileChanged, UserDeleted
from domain.dishes.events import DishEdited
from domain.eventlog import Event, Logged, of
from domain.ids import DishID, RestaurantID, UserID
from domain.leaderboards.actions import GONE, Entry, Place, change
from domain.leaderboards.rules import ALL_TIME, EVERYWHERE, WEEK, Board, Kind, parse_board, season_begins, season_of
from domain.places.events import CityNamed, RestaurantEdited
from domain.progression.events import LevelChanged, PointsChanged
from domain.rankings.events import RankingChanged
from domain.standings.queries import (
    Standing,
    Week,
    dish_standings,
    people_of,
    people_standings,
    restaurant_standings,
)

T = TypeVar("T")

FOLDED: tuple[type[Event], ...] = (
    RankingChanged,
    LevelChanged,
    PointsChanged,
    DishEdited,
    RestaurantEdited,
    ProfileChanged,
    PrivacyChanged,
    UserDeleted,
    CityNamed,
)

AT_ONCE: Final = 1_000
"""So many dishes, restaurants or people are taken in a statement."""
LATE: Final = timedelta(minutes=1)
"""What is done in the last moment of a week may be told in the next one."""

# Dishes with their restaurants: these, those of restaurants, and those that people rank.
TOUCHED = """
SELECT id, restaurant_id FROM dishes WHERE id = ANY($1::uuid[])
UNION SELECT id, restaurant_id FROM dishes WHERE restaurant_id = ANY($2::uuid[])
UNION SELECT dish_id, restaurant_id FROM dish_rankings WHERE user_id = ANY($3::uuid[]) AND rank IS NOT NULL
"""


async def fold(events: Sequence[Logged]) -> None:
    """Have the boards say what is true by now of all that the events touch, and tell what is seen of it. Nothing is
    added to what they said before: folded twice, it is the same."""
    seasons = _open_seasons(events)
    dishes, restaurants, people = _touched(events)
    graded = {each.user_id for each in of(events, LevelChanged)}
    if dishes or restaurants or graded:
        rows = await db.fetch(TOUCHED, dishes, restaurants, graded)
        await take("dishes", {row["id"] for row in rows}, seasons)
        await take("restaurants", {row["restaurant_id"] for row in rows}, seasons)
    await take("users", people | await people_of({(each.key, each.country) for each in of(events, CityNamed)}), seasons)


async def take(kind: Kind, things: Collection[UUID], seasons: Sequence[int]) -> None:
    """Have these stand where they belong, of all time and in weeks. Dishes go before their restaurants."""
    weeks = [Week(each, season_begins(each), season_begins(each) + WEEK) for each in seasons]
    for part in _parts(things):
        await _take(kind, part, await _STANDINGS[kind](part, weeks), weeks)


_STANDINGS: Final[dict[Kind, Callable[[Collection[Any], Sequence[Week]], Awaitable[list[Standing]]]]] = {
    "dishes": dish_standings,
    "restaurants": restaurant_standings,
    "users": people_standings,
}


def _open_seasons(events: Sequence[Logged]) -> list[int]:
    """The weeks of which something may have been told: the last one has its end behind it. Others are frozen."""
    told = {season_of(time) for event in events for time in (event.at, event.at - LATE)}
    return sorted(told | {season_of(clock.now())})


def _touched(events: Sequence[Logged]) -> tuple[set[DishID], set[RestaurantID], set[UserID]]:
    """The dishes, restaurants and people that the events name."""
    rankings = of(events, RankingChanged)
    dishes = {each.dish_id for each in rankings} | {each.id for each in of(events, DishEdited)}
    dishes |= {moved.dish_id for each in rankings for moved in each.moved}
    restaurants = {each.id for each in of(events, RestaurantEdited)}
    people = {each.user_id for kind in (PointsChanged, PrivacyChanged, UserDeleted) for each in of(events, kind)}
    return dishes, restaurants, people | {each.id for each in of(events, ProfileChanged)}


def _parts(things: Collection[T]) -> Iterator[list[T]]:
    """All of them, so many at once, in the order of their ids."""
    ordered = sorted(things, key=str)
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]


OLD = """
SELECT b.name AS board, b.season, e.entity_id, e.name, e.image_url, e.weight, e.points, e.ratings, e.reached_at
FROM leaderboard_entries e JOIN leaderboards b ON b.id = e.board_id
WHERE e.entity_id = ANY($1::uuid[]) AND e.score IS NOT NULL
"""


async def _take(kind: Kind, ids: Sequence[UUID], standings: Sequence[Standing], weeks: Sequence[Week]) -> None:
    """Have these stand on the boards where they belong, and on no other."""
    places = (each for standing in standings for each in _places(kind, standing))
    wanted = {place: entry for place, entry in places if parse_board(place[0])}  # a name may be too long for a board
    names = {each.entity_id: (each.name, each.image_url) for each in standings}
    seasons = {ALL_TIME, *(week.season for week in weeks)}
    old: dict[Place, Entry] = {}
    new: dict[Place, Entry | None] = dict(wanted)
    for row in await db.fetch(OLD, ids):
        board, season, entity_id, *values = row.values()
        place, entry = (board, entity_id), Entry(*values)
        old[place] = entry
        if entity_id not in names or (season in seasons and place not in wanted):
            new[place] = GONE
        elif season not in seasons:  # what was reached in a week that is over stays
            name, image_url = names[entity_id]
            new[place] = entry._replace(name=name, image_url=image_url)
    changed = {place: entry for place, entry in new.items() if entry != old.get(place)}
    if changed:
        await change(changed, old)


def _places(kind: Kind, standing: Standing) -> Iterator[tuple[Place, Entry]]:
    """On which boards it belongs."""
    if standing.season is None:
        return
    entry = Entry(*standing[2:8])
    if kind == "users":
        yield (Board(kind, None, None, standing.season).name, standing.entity_id), entry
        if standing.city is not None and standing.city != EVERYWHERE:
            yield (Board(kind, standing.city, None, standing.season).name, standing.entity_id), entry
    elif standing.city is not None:
        for about in standing.abouts:
            yield (Board(kind, standing.city, about, standing.season).name, standing.entity_id), entry
