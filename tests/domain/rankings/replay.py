"""What somebody's rankings are by what was told of them: by the events, and by the history."""

from typing import NamedTuple

import msgspec

from domain import db
from domain.accounts.rules import Viewer
from domain.dishes.queries import Dish
from domain.ids import DishID
from domain.rankings.events import RankingChanged
from domain.rankings.rules import Placing

NONE = Placing(None, None)
STORED = "SELECT dish_id, rank, taste FROM dish_rankings WHERE user_id = $1"
TOLD = "SELECT data::text AS data FROM events WHERE type = 'ranking.changed' AND actor = $1 ORDER BY seq"
HISTORY = """
SELECT dish_id, old_rank, old_taste, new_rank, new_taste FROM ranking_history WHERE user_id = $1 ORDER BY seq
"""


async def stored(viewer: Viewer) -> dict[DishID, Placing]:
    """What the table says."""
    return {row["dish_id"]: Placing(row["rank"], row["taste"]) for row in await db.fetch(STORED, viewer.id)}


async def told(viewer: Viewer) -> dict[DishID, Placing]:
    """What a client holds that applied every event in the order of the log. Each has to fit to those before it."""
    held: dict[DishID, Placing] = {}
    for row in await db.fetch(TOLD, viewer.id):
        event = msgspec.json.decode(row["data"], type=RankingChanged)
        assert held.pop(event.dish_id, None) == event.before
        for each in event.moved:
            assert held[each.dish_id] == Placing(each.old, None)
            held[each.dish_id] = Placing(each.new, None)
        if event.ranking is not None:
            held[event.dish_id] = Placing(event.ranking.rank, event.ranking.taste)
    return held


async def remembered(viewer: Viewer) -> dict[DishID, Placing]:
    """The newest of each dish in the history, of which each row begins where the one before it ended."""
    held: dict[DishID, Placing] = {}
    for row in await db.fetch(HISTORY, viewer.id):
        assert held.get(row["dish_id"], NONE) == Placing(row["old_rank"], row["old_taste"])
        held[row["dish_id"]] = Placing(row["new_rank"], row["new_taste"])
    return held


class Scopes(NamedTuple):
    """Dishes by restaurant and type."""

    dishes: list[Dish]

    def ranks(self, placings: dict[DishID, Placing]) -> list[list[int]]:
        """The ranks in each scope, sorted."""
        found: dict[tuple[object, str], list[int]] = {}
        for dish in self.dishes:
            rank = placings.get(dish.id, NONE).rank
            found.setdefault((dish.restaurant.id, dish.dish_type), []).extend([] if rank is None else [rank])
        return [sorted(each) for each in found.values()]


async def check(viewer: Viewer, dishes: list[Dish]) -> dict[DishID, Placing]:
    """What is stored is what was told and what is remembered, and ranks are 1 to n without holes."""
    rows = await stored(viewer)
    assert await told(viewer) == rows
    assert {dish: each for dish, each in (await remembered(viewer)).items() if each != NONE} == {
        dish: each for dish, each in rows.items() if each != NONE
    }
    ranks = Scopes(dishes).ranks(rows)
    assert ranks == [list(range(1, len(each) + 1)) for each in ranks]
    return rows
