"""Boards against plain Python: whatever is done and however it is folded, they say what the rows say, and a client that
applied every message shows it."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import clock as time
from domain import db
from domain.accounts.actions import ProfileChanges, change_profile
from domain.accounts.rules import Viewer
from domain.departures import leave
from domain.dishes.actions import DishChanges, edit_dish
from domain.eventlog import emit
from domain.ids import new_id
from domain.leaderboards import actions
from domain.leaderboards.rules import season_begins, season_name, season_of
from domain.places.actions import RestaurantChanges, edit_restaurant
from domain.progression.events import LevelChanged, PointsChanged
from domain.rankings.actions import NewRanking, rank_dish, unrank_dish
from domain.settings import settings as usual
from tests.conftest import Clock
from tests.domain.leaderboards.folding import Folder, check
from tests.domain.leaderboards.plain import Boards, recomputed
from tests.factories import make_dish, make_restaurant, make_user

RUNS = int(os.environ.get("BOARDS_RUNS", "8"))
PEOPLE, DISHES, PLACES = 4, 6, 2
CITIES = {"Paris": "paris", "  ROMA ": "roma", "Nowhere": "nowhere"}
EXACT, TOLERANCE = 3, 0.1
Act = tuple[str, int, int, int]

who, what = st.integers(0, PEOPLE - 1), st.integers(0, DISHES - 1)
ranks = st.tuples(st.just("rank"), who, what, st.integers(1, 5))
acts = st.one_of(
    *[ranks] * 10,
    st.tuples(st.just("taste"), who, what, st.just(0)),
    st.tuples(st.just("unrank"), who, what, st.just(0)),
    st.tuples(st.just("level"), who, st.just(0), st.integers(0, 7)),
    st.tuples(st.just("points"), who, st.just(0), st.sampled_from([5, 10])),
    st.tuples(st.just("privacy"), who, st.just(0), st.integers(0, 1)),
    st.tuples(st.just("profile"), who, st.just(0), st.integers(0, 2)),
    st.tuples(st.just("dish"), st.just(0), what, st.integers(0, 2)),
    st.tuples(st.just("place"), st.just(0), st.integers(0, PLACES - 1), st.integers(0, 2)),
    st.tuples(st.just("leave"), who, st.just(0), st.just(0)),
    st.tuples(st.just("fold"), st.just(0), st.just(0), st.sampled_from([1, 2, 100])),
    st.tuples(st.just("rescore"), st.just(0), st.just(0), st.just(0)),
    st.tuples(st.just("week"), st.just(0), st.just(0), st.just(0)),
)

SET_LEVEL = """
INSERT INTO user_progress AS p (user_id, level) VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE SET level = $2
"""
AWARD = """
INSERT INTO activity_points (user_id, activity, reference_id, points, awarded_at)
VALUES ($2, 'ranking', $1, $3, $4)
"""
ADD_POINTS = """
INSERT INTO user_progress AS p (user_id, points)
SELECT $1, sum(points) FROM earned_points(ARRAY[$1::uuid], '-infinity', 'infinity')
ON CONFLICT (user_id) DO UPDATE SET points = excluded.points RETURNING points
"""
LIMIT = "UPDATE activities SET daily_points = 15 WHERE activity = 'ranking'"


class World:
    """Some people, dishes and restaurants, and what was done with them."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.folder, self.frozen = clock, Folder(), dict[int, Boards]()
        self.gone: set[Viewer] = set()

    async def begin(self) -> None:
        self.clock.time = datetime.now(UTC)
        await db.execute(LIMIT)
        self.people = [await make_user(display_name=f"Person {i}") for i in range(PEOPLE)]
        self.places = [
            await make_restaurant(self.people[0], city="Paris", cuisine_type=["thai"]),
            await make_restaurant(self.people[0], city="Paris"),
        ]
        self.dishes = [await make_dish(self.people[0], self.places[i % 2]) for i in range(DISHES)]
        self.owner = msgspec.structs.replace(self.people[0], role="moderator")
        await self.folder.begin()
        self.clock.time = datetime(2030, 12, 27, 12, tzinfo=UTC)  # the last days of a year whose last week is 2031's

    @property
    def season(self) -> int:
        return season_of(self.clock.time)

    async def act(self, name: str, who: int, what: int, value: int) -> None:
        """Do it; a moment passes."""
        self.clock.forward(seconds=1)
        viewer = self.people[who]
        if name in {"rank", "taste", "unrank", "level", "points", "privacy", "profile"} and viewer in self.gone:
            return
        await getattr(self, f"_{name}")(viewer, what, value)

    async def _rank(self, viewer: Viewer, what: int, value: int) -> None:
        await rank_dish(viewer, self.dishes[what].id, NewRanking(rank=value, notes="x"))

    async def _taste(self, viewer: Viewer, what: int, _: int) -> None:
        await rank_dish(viewer, self.dishes[what].id, NewRanking(taste="acceptable", notes="x"))

    async def _unrank(self, viewer: Viewer, what: int, _: int) -> None:
        await unrank_dish(viewer, self.dishes[what].id)

    async def _level(self, viewer: Viewer, _: int, value: int) -> None:
        await db.execute(SET_LEVEL, viewer.id, value)
        await emit(LevelChanged(user_id=viewer.id, level=value, before=0))

    async def _points(self, viewer: Viewer, _: int, value: int) -> None:
        await db.execute(AWARD, new_id(), viewer.id, value, time.now())
        points = await db.fetchval(ADD_POINTS, viewer.id)
        await emit(PointsChanged(user_id=viewer.id, points=points))

    async def _privacy(self, viewer: Viewer, _: int, value: int) -> None:
        level: Any = ["public", "private"][value]
        await change_profile(viewer, viewer.id, ProfileChanges(privacy_level=level))

    async def _profile(self, viewer: Viewer, _: int, value: int) -> None:
        changes = ProfileChanges(city=[*CITIES][value], display_name=f"Somebody {value}")
        await change_profile(viewer, viewer.id, changes)

    async def _dish(self, _: Viewer, what: int, value: int) -> None:
        image = [None, "https://example.org/a.jpg", "https://example.org/b.jpg"][value]
        changes = DishChanges(name=f"Dish {value}", image_url=image, is_available=value != 2)
        await edit_dish(self.owner, self.dishes[what].id, changes)

    async def _place(self, _: Viewer, what: int, value: int) -> None:
        cuisines = [["thai"], ["thai", "vegan"], []][value]
        city = ["Paris", "Roma", None][value]
        await edit_restaurant(
            self.owner, self.places[what].id, RestaurantChanges(city=city, cuisine_type=cuisines, name=f"Place {value}")
        )

    async def _leave(self, viewer: Viewer, _: int, __: int) -> None:
        if viewer in self.people[1:] and viewer not in self.gone:
            await leave(viewer, viewer.id)
            self.gone.add(viewer)

    async def _fold(self, _: Viewer, __: int, size: int) -> None:
        await self.folder.fold(size)
        await self.check()

    async def _rescore(self, _: Viewer, __: int, ___: int) -> None:
        await self.folder.fold()
        await actions.rescore_part()
        await self.folder.fold()
        await self.check()

    async def _week(self, _: Viewer, __: int, ___: int) -> None:
        await self.folder.fold()
        await self.check()
        self.frozen[self.season] = await self._recomputed(self.season)
        self.clock.forward(days=7)

    async def _recomputed(self, season: int) -> Boards:
        begins = season_begins(season)
        return await recomputed((begins, begins + timedelta(days=7)), f"@{season_name(season)}", CITIES)

    async def check(self) -> None:
        """What is stored is what the rows say; a week that is over stays, but for names and for who is not seen."""
        expected = await recomputed(None, "", CITIES) | await self._recomputed(self.season)
        names = await self._names()
        for season, boards in self.frozen.items():
            self.frozen[season] = {
                name: {
                    each: told._replace(name=names[each][0], image_url=names[each][1])
                    for each, told in entries.items()
                    if each in names
                }
                for name, entries in boards.items()
            }
            expected |= {name: entries for name, entries in self.frozen[season].items() if entries}
        await check(expected, self.folder.client, exact_size=EXACT, tolerance=TOLERANCE)

    async def _names(self) -> dict[Any, tuple[str, str | None]]:
        rows = await db.fetch(
            "SELECT id, name, image_url FROM dishes UNION ALL SELECT id, name, photos[1] FROM restaurants UNION ALL"
            " SELECT id, coalesce(display_name, username), avatar_url FROM users WHERE privacy_level = 'public'"
        )
        return {row["id"]: (row["name"], row["image_url"]) for row in rows}


@settings(
    max_examples=RUNS,
    deadline=None,
    derandomize=RUNS < 100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    print_blob=True,
)
@given(st.lists(acts, min_size=25, max_size=60))
async def test_boards_say_what_the_rows_say_whatever_is_done_and_however_it_is_folded(
    clock: Clock, sequence: list[Act]
) -> None:
    few = msgspec.structs.replace(usual, leaderboards_exact_size=EXACT, leaderboards_tolerance=TOLERANCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(actions, "settings", few)
        patch.setattr(actions, "SMALL", 4)
        patch.setattr(actions, "RESCORED_AT_ONCE", 2)
        async with db.rolled_back():
            world = World(clock)
            await world.begin()
            for act in sequence:
                await world.act(*act)
            await world.folder.fold()
            await actions.rescore_some()
            await world.folder.fold()
            await world.check()
