"""What nobody did is told like what somebody did: once, grouped, so many an hour."""

from typing import Any

import msgspec
import pytest

from domain.accounts.queries import BadgeRef, CareerLevelRef
from domain.accounts.rules import Viewer
from domain.acts.actions import fold
from domain.clock import stamp
from domain.departures import leave
from domain.eventlog import Event, Logged, encode
from domain.ids import new_id
from domain.leaderboards.events import BoardCrossed
from domain.notifications.actions import take
from domain.notifications.queries import read_children, read_notifications
from domain.notifications.rules import Act, Undo
from domain.progression.events import BadgeEarned, LevelReached
from domain.rankings.actions import NewRanking, rank_dish
from domain.settings import settings
from domain.wording import Details
from tests.domain.notifications.folding import NOON, after
from tests.factories import make_dish, make_restaurant, make_user


def earned(viewer: Viewer, name: str) -> BadgeEarned:
    badge = BadgeRef(name.lower(), name, None)
    return BadgeEarned(id=new_id(), user_id=viewer.id, badge=badge, awarded_at=stamp(NOON))


async def happen(*events: Event, **by: float) -> None:
    """Fold these as if they had happened so long after noon."""
    await fold([Logged(i, each.type, [], encode(each), None, None, after(**by)) for i, each in enumerate(events)])


async def lines(viewer: Viewer) -> list[str]:
    return [each.message for each in (await read_notifications(viewer, None, 100)).items]


async def entered(viewer: Viewer, entity: Any, **by: float) -> None:
    """The acts of an entity that has entered a board, for the first time or again."""
    details = Details("Margherita", board="dishes:paris:pizza", board_name="Pizza", entity_id=entity, new=3)
    key = f"board_entered:user:{viewer.id}"
    act = Act(viewer.id, "board_entered", key, None, entity, None, after(**by), details=details)
    await take([Undo("subject", entity), act])


async def test_a_badge_is_told_with_its_name_and_without_an_actor(database: None) -> None:
    ana = await make_user()

    await happen(earned(ana, "Scout"))

    (row,) = (await read_notifications(ana, None, 100)).items
    assert (row.type, row.title, row.message) == ("badge_earned", "New badge", "You earned the badge Scout")
    assert (row.actors, row.batch_key) == ([], f"badge_earned:user:{ana.id}")
    assert msgspec.to_builtins(row.data) == {"badge": "scout"}


async def test_a_level_is_told_with_its_number(database: None) -> None:
    ana = await make_user()
    level = CareerLevelRef(2, "district-reviewer", "District Reviewer", None)

    await happen(LevelReached(id=new_id(), user_id=ana.id, level=level, awarded_at=stamp(NOON)))

    (row,) = (await read_notifications(ana, None, 100)).items
    assert (row.message, msgspec.to_builtins(row.data)) == ("You are a District Reviewer now", {"level": 2})


async def test_badges_of_an_hour_are_one_line_and_each_is_below_it(database: None) -> None:
    ana = await make_user()

    await happen(earned(ana, "Scout"))
    await happen(earned(ana, "Regular"), earned(ana, "Decided"), minutes=59)

    (row,) = (await read_notifications(ana, None, 100)).items
    below = [each.message for each in await read_children(ana, row.id, None, 100)]
    assert (row.message, row.batch_count) == ("You earned 3 badges", 3)
    assert sorted(below) == [f"You earned the badge {name}" for name in ("Decided", "Regular", "Scout")]


async def test_there_are_only_so_many_an_hour(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "domain.notifications.rules.settings", msgspec.structs.replace(settings, notifications_per_hour=1)
    )
    ana = await make_user()
    shown, suppressed = (
        Act(ana.id, "badge_earned", f"badge_earned:{number}", None, new_id(), None, NOON, details=Details(f"{number}"))
        for number in range(2)
    )

    await take([shown, suppressed])

    assert await lines(ana) == ["You earned the badge 0"]


async def test_what_is_told_anew_takes_the_place_of_what_was_told(database: None) -> None:
    ana, dish = await make_user(), new_id()

    await entered(ana, dish)
    await entered(ana, dish, hours=2)

    (row,) = (await read_notifications(ana, None, 100)).items
    assert (row.message, row.created_at) == ("Number 3 of Pizza: Margherita", stamp(after(hours=2)))
    assert msgspec.to_builtins(row.data) == {"board": "dishes:paris:pizza", "entity_id": str(dish), "to": 3}


async def test_who_has_left_by_then_is_told_nothing(database: None) -> None:
    ana = await make_user()
    await leave(ana, ana.id)

    await happen(earned(ana, "Scout"))

    assert await lines(ana) == []


def crossed(entity: Any, old: int | None, new: int | None, board: str = "dishes:paris:pizza") -> BoardCrossed:
    return BoardCrossed(board=board, entity_id=entity, name="Margherita", old=old, new=new)


async def test_who_ranks_a_dish_first_is_told_of_its_place_and_nobody_else(database: None) -> None:
    ana, ben = await make_user(), await make_user()
    there = await make_restaurant(ana)
    dish, other = await make_dish(ana, there), await make_dish(ana, there)
    await rank_dish(ana, dish.id, NewRanking(rank=1, notes="x"))
    await rank_dish(ben, other.id, NewRanking(rank=1, notes="x"))
    await rank_dish(ben, dish.id, NewRanking(rank=2, notes="x"))

    await happen(crossed(dish.id, 12, 2))

    assert await lines(ana) == ["Number 2 of Pizza in Paris: Margherita"]
    assert await lines(ben) == []


async def test_of_a_place_that_comes_and_goes_the_newest_is_told(database: None) -> None:
    ana = await make_user()
    board = "users:global@2026-w47"

    await happen(crossed(ana.id, None, 3, board))
    await happen(crossed(ana.id, 3, 4, board), hours=2)

    assert await lines(ana) == ["No longer among the best of Reviewers, week 47: Margherita"]


async def test_only_so_many_who_rank_a_dish_first_are_told(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.acts.actions.settings", msgspec.structs.replace(settings, leaderboards_fans=1))
    ana, ben = await make_user(), await make_user()
    dish = await make_dish(ana)
    for each in (ana, ben):
        await rank_dish(each, dish.id, NewRanking(rank=1, notes="x"))

    await happen(crossed(dish.id, None, 1))

    assert [len(await lines(each)) for each in (ana, ben)] == [1, 0]
