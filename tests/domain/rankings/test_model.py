"""Rankings against a plain model: whatever somebody does, ranks, moves, history and news are what it says."""

import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import db
from domain.accounts.rules import Viewer
from domain.dishes.queries import Dish
from domain.ids import DishID
from domain.rankings.actions import NewRanking, Ranked, rank_dish, unrank_dish
from domain.rankings.rules import Moved
from tests.domain.rankings.replay import check
from tests.factories import make_dish, make_restaurant, make_user

RUNS = int(os.environ.get("RANKINGS_RUNS", "30"))
PIZZAS = 8
Act = tuple[str, int, Any]

acts = st.one_of(
    st.tuples(st.just("rank"), st.integers(0, PIZZAS + 1), st.integers(1, 5)),
    st.tuples(st.just("rank"), st.integers(0, PIZZAS + 1), st.integers(1, 5)),
    st.tuples(st.just("taste"), st.integers(0, PIZZAS + 1), st.sampled_from(["acceptable", "dissatisfied"])),
    st.tuples(st.just("take back"), st.integers(0, PIZZAS + 1), st.none()),
)


class Model:
    """Someone's rankings as a table of ranks, changed one by one."""

    def __init__(self) -> None:
        self.ranks: dict[DishID, int] = {}
        self.tastes: dict[DishID, str] = {}
        self.fallen: set[DishID] = set()

    def act(self, what: str, dish: DishID, scope: set[DishID], value: Any) -> list[Moved]:
        """Do it; the others that moved."""
        before = dict(self.ranks)
        self._take(dish, scope)
        if what == "taste":
            self.tastes[dish] = value
        elif what == "rank":
            self._put(dish, scope, value)
        others = [each for each in scope if each != dish and before.get(each) != self.ranks.get(each)]
        found = [Moved(each, before[each], self.ranks.get(each)) for each in others]
        return sorted(found, key=lambda each: each.old)

    def _take(self, dish: DishID, scope: set[DishID]) -> None:
        self.tastes.pop(dish, None)
        self.fallen.discard(dish)
        held = self.ranks.pop(dish, None)
        for each in scope & self.ranks.keys():
            if held is not None and self.ranks[each] > held:
                self.ranks[each] -= 1

    def _put(self, dish: DishID, scope: set[DishID], rank: int) -> None:
        among = scope & self.ranks.keys()
        rank = min(rank, len(among) + 1)
        for each in among:
            if self.ranks[each] >= rank:
                self.ranks[each] += 1
            if self.ranks[each] > 5:
                del self.ranks[each]
                self.fallen.add(each)
        self.ranks[dish] = rank

    def listed(self) -> dict[DishID, tuple[int | None, str | None]]:
        """What is stored."""
        return {
            **{dish: (rank, None) for dish, rank in self.ranks.items()},
            **{dish: (None, taste) for dish, taste in self.tastes.items()},
            **dict.fromkeys(self.fallen, (None, None)),
        }


async def do(viewer: Viewer, what: str, dish: Dish, value: Any) -> Ranked:
    if what == "take back":
        return await unrank_dish(viewer, dish.id)
    return await rank_dish(viewer, dish.id, NewRanking(notes="x", **{what: value}))


@settings(
    max_examples=RUNS,
    deadline=None,
    derandomize=RUNS < 100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    print_blob=True,
)
@given(st.lists(acts, min_size=15, max_size=60))
async def test_rankings_are_what_the_model_says_whatever_is_done(sequence: list[Act]) -> None:
    async with db.rolled_back():
        viewer = await make_user()
        there = await make_restaurant(viewer)
        dishes = [await make_dish(viewer, there) for _ in range(PIZZAS)]
        dishes += [await make_dish(viewer, there, dish_type="soup"), await make_dish(viewer)]
        model = Model()
        for what, number, value in sequence:
            dish = dishes[number]
            scope = {
                each.id for each in dishes if (each.restaurant, each.dish_type) == (dish.restaurant, dish.dish_type)
            }

            done = await do(viewer, what, dish, value)

            assert done.moved == model.act(what, dish.id, scope, value)
            said = None if done.ranking is None else (done.ranking.rank, done.ranking.taste)
            assert said == model.listed().get(dish.id)
        rows = await check(viewer, dishes)
        assert {dish: (each.rank, each.taste) for dish, each in rows.items()} == model.listed()
