"""Lists against a plain model that adds up every act anew: at any time, whatever was done, taken back or forgotten."""

import os
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.eventlog import Logged
from domain.ids import DishID, UserID
from domain.rankings.rules import Placing
from domain.trending.actions import fold
from tests.conftest import Clock
from tests.domain.trending.playing import dish_in, ranking, read, somebody, tick, unranking

RUNS = int(os.environ.get("TRENDING_RUNS", "20"))
DISHES, PEOPLE = 4, 7
HALF_LIFE_H, WINDOW_H, FLOOR = 6, 48, 5
WEIGHTS = {1: 6, 2: 5, 3: 4, 4: 3, 5: 2}
_cities = count(1)


class Step(NamedTuple):
    """After so many minutes somebody ranks a dish, or takes it back, and it is folded at once or with the next."""

    minutes: int
    dish: int
    person: int
    rank: int | None
    is_folded: bool


steps = st.lists(
    st.builds(
        Step,
        st.sampled_from([0, 1, 30, 400, 1500]),
        st.integers(0, DISHES - 1),
        st.integers(0, PEOPLE - 1),
        st.one_of(st.integers(1, 5), st.integers(1, 5), st.none()),
        st.booleans(),
    ),
    min_size=25,
    max_size=60,
)


class Model:
    """Everybody's acts on each dish by day: when first, and how last."""

    def __init__(self) -> None:
        self._acts: defaultdict[tuple[DishID, UserID], dict[date, tuple[datetime, int]]] = defaultdict(dict)

    def rank(self, dish: DishID, person: UserID, rank: int | None, at: datetime) -> None:
        """A rank of None takes everything back."""
        days = self._acts[dish, person]
        if rank is None:
            days.clear()
        else:
            first, _ = days.get(at.date(), (at, 0))
            days[at.date()] = first, WEIGHTS[rank]

    def scores(self, time: datetime) -> dict[DishID, float]:
        """Of those that are listed."""
        scores: defaultdict[DishID, float] = defaultdict(float)
        people: defaultdict[DishID, set[UserID]] = defaultdict(set)
        for (dish, person), days in self._acts.items():
            for at, weight in days.values():
                if time - at <= timedelta(hours=WINDOW_H):
                    scores[dish] += weight * 0.5 ** ((time - at) / timedelta(hours=HALF_LIFE_H))
                    people[dish].add(person)
        return {dish: score for dish, score in scores.items() if len(people[dish]) >= FLOOR}


@settings(
    max_examples=RUNS,
    deadline=None,
    derandomize=RUNS < 100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)
@given(steps=steps, later=st.sampled_from([0, 7, 600, 1400]))
async def test_the_order_and_the_scores_are_those_of_adding_up_anew(
    clock: Clock, steps: Sequence[Step], later: int
) -> None:
    city = f"City {next(_cities)}"
    dishes = [await dish_in(city) for _ in range(DISHES)]
    people = [somebody() for _ in range(PEOPLE)]
    model, waiting = Model(), list[Logged]()
    ranked: dict[tuple[int, int], Placing] = {}
    for step in steps:
        clock.forward(minutes=step.minutes)
        dish, person = dishes[step.dish], people[step.person]
        before = ranked.get((step.dish, step.person))
        if step.rank is not None and before != Placing(step.rank, None):
            model.rank(dish.id, person, step.rank, clock.time)
            waiting.append(ranking(clock, dish, person, step.rank, before=before))
            ranked[step.dish, step.person] = Placing(step.rank, None)
        elif step.rank is None and before is not None:
            model.rank(dish.id, person, None, clock.time)
            waiting.append(unranking(clock, dish, person, before))
            del ranked[step.dish, step.person]
        if step.is_folded:
            await fold(waiting)
            waiting = []
    await fold(waiting)
    for minutes in (0, later):
        clock.forward(minutes=minutes)
        await tick(clock)

        expected = model.scores(clock.time)
        found = (await read(city)).top

        assert {each.dish_id: each.trending_score for each in found} == pytest.approx(expected, rel=1e-6, abs=0.001)
        exact = [expected[each.dish_id] for each in found]
        assert exact == pytest.approx(sorted(exact, reverse=True), rel=1e-9)
