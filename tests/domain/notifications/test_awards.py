"""What nobody did is told like what somebody did: once, grouped, so many an hour."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from domain import db
from domain.accounts.queries import BadgeRef, CareerLevelRef
from domain.accounts.rules import Viewer
from domain.acts.actions import fold, forget_crossings, tell_waiting_crossings
from domain.clock import now, stamp
from domain.departures import leave
from domain.eventlog import Event, Logged, encode
from domain.ids import DishID, new_id
from domain.leaderboards.events import BoardCrossed
from domain.notifications.actions import take
from domain.notifications.events import NotificationUpserted
from domain.notifications.queries import read_children, read_notifications
from domain.notifications.rules import Act, Undo
from domain.progression.events import BadgeEarned, LevelReached
from domain.rankings.actions import NewRanking, rank_dish
from domain.settings import settings
from domain.wording import Details
from tests.conftest import Clock
from tests.domain.notifications.folding import NOON, Log, after, told
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
    board: dict[str, Any] = {"board": "dishes:paris:pizza", "board_name": "pizza"}
    details = Details("Margherita", **board, entity_id=entity, place=3, new=3)
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
    assert (row.message, row.created_at) == ("Margherita entered the top 3 of pizza", stamp(after(hours=2)))
    assert msgspec.to_builtins(row.data) == {
        "board": "dishes:paris:pizza",
        "board_name": "pizza",
        "entity_id": str(dish),
        "name": "Margherita",
        "place": 3,
        "to": 3,
    }


async def test_who_has_left_by_then_is_told_nothing(database: None) -> None:
    ana = await make_user()
    await leave(ana, ana.id)

    await happen(earned(ana, "Scout"))

    assert await lines(ana) == []


PIZZA = "dishes:paris:pizza"


def crossed(
    entity: Any, old: int | None, new: int | None, board: str = PIZZA, name: str = "Margherita"
) -> BoardCrossed:
    return BoardCrossed(board=board, entity_id=entity, name=name, old=old, new=new)


async def fan_of(number: int) -> tuple[Viewer, list[DishID]]:
    """Somebody who ranks so many dishes first."""
    ana = await make_user()
    dishes = [(await make_dish(ana, await make_restaurant(ana))).id for _ in range(number)]
    for each in dishes:
        await rank_dish(ana, each, NewRanking(rank=1, notes="x"))
    return ana, dishes


async def test_who_ranks_a_dish_first_is_told_of_its_place_and_nobody_else(database: None) -> None:
    ana, ben = await make_user(), await make_user()
    there = await make_restaurant(ana)
    dish, other = await make_dish(ana, there), await make_dish(ana, there)
    await rank_dish(ana, dish.id, NewRanking(rank=1, notes="x"))
    await rank_dish(ben, other.id, NewRanking(rank=1, notes="x"))
    await rank_dish(ben, dish.id, NewRanking(rank=2, notes="x"))

    await happen(crossed(dish.id, 12, 2))

    assert await lines(ana) == ["Margherita entered the top 3 of pizza in Paris"]
    assert await lines(ben) == []


async def test_of_a_place_that_comes_and_goes_the_newest_is_told(database: None) -> None:
    ana = await make_user()
    board = "users:global@2026-w47"

    await happen(crossed(ana.id, None, 3, board))
    await happen(crossed(ana.id, 3, 4, board), hours=2)

    assert await lines(ana) == ["You left the top 3 of reviewers this week"]


async def test_only_so_many_who_rank_a_dish_first_are_told(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.acts.actions.settings", msgspec.structs.replace(settings, leaderboards_fans=1))
    ana, ben = await make_user(), await make_user()
    dish = await make_dish(ana)
    for each in (ana, ben):
        await rank_dish(each, dish.id, NewRanking(rank=1, notes="x"))

    await happen(crossed(dish.id, None, 1))

    assert [len(await lines(each)) for each in (ana, ben)] == [1, 0]


async def test_a_place_that_changes_hands_all_the_time_is_told_twice_an_hour(database: None) -> None:
    ana, (dish,) = await fan_of(1)
    log = Log()
    await log.new()

    for i in range(60):
        await happen(crossed(dish, 4, 3), seconds=2 * i)
        await happen(crossed(dish, 3, 4), seconds=2 * i + 1)
    within = told(await log.new())[ana.id]
    await happen(crossed(dish, 4, 3), hours=1)
    later = told(await log.new())[ana.id]

    kinds = ["board_entered", "board_left"]
    assert [each.notification.type for each in within if isinstance(each, NotificationUpserted)] == kinds
    assert len(within) == 4  # each is removed by what is true then
    assert [each.notification.type for each in later if isinstance(each, NotificationUpserted)] == kinds[:1]


async def test_what_is_not_told_again_takes_away_what_is_not_true_any_more(database: None) -> None:
    ana, (dish,) = await fan_of(1)

    await happen(crossed(dish, 4, 3), crossed(dish, 3, 4), minutes=1)
    before = await lines(ana)
    await happen(crossed(dish, 4, 3), minutes=2)

    assert before == ["Margherita left the top 3 of pizza in Paris"]
    assert await lines(ana) == []


async def wait(log: Log, **by: float) -> None:
    """The job runs so long after noon, and what it says is folded."""
    await tell_waiting_crossings()
    told = [each for each in await log.new() if each.type == BoardCrossed.type]
    if told:
        await fold([replace(each, at=after(**by)) for each in told])


async def test_after_an_hour_of_coming_and_going_it_is_told_where_it_ended(database: None, clock: Clock) -> None:
    ana, (dish,) = await fan_of(1)
    log = Log()
    for minute, (old, new) in enumerate([(12, 1), (1, 17), (17, 2), (2, 12), (12, 3)]):
        await happen(crossed(dish, old, new), minutes=minute)
    within = await lines(ana)
    await log.new()

    clock.time = after(minutes=59)
    await wait(log, minutes=59)
    sooner = await lines(ana)
    clock.time = after(minutes=61)
    await wait(log, minutes=61)
    later = await lines(ana)
    await wait(log, minutes=62)

    assert (within, sooner) == ([], [])
    assert later == ["Margherita entered the top 3 of pizza in Paris"] == await lines(ana)
    assert await db.fetchval("SELECT count(*) FROM waiting_crossings") == 0


async def test_what_waited_and_is_so_no_more_is_not_told(database: None, clock: Clock) -> None:
    ana, (dish,) = await fan_of(1)
    log = Log()
    await happen(crossed(dish, 12, 1), crossed(dish, 1, 17), crossed(dish, 17, 2))
    await log.new()
    clock.time = after(minutes=61)
    await tell_waiting_crossings()
    (waited,) = [each for each in await log.new() if each.type == BoardCrossed.type]

    await happen(crossed(dish, 2, 40), minutes=61)  # before what was told to be still so is folded
    await fold([replace(waited, at=after(minutes=61, seconds=1))])

    assert await lines(ana) == ["Margherita left the top 10 of pizza in Paris"]


async def test_what_was_told_last_and_is_so_again_waits_for_nothing(database: None) -> None:
    ana, (dish,) = await fan_of(1)

    await happen(crossed(dish, 12, 1), crossed(dish, 12, 1, f"{PIZZA}@2026-w47"))

    assert await lines(ana) == ["Margherita entered the top 3 of pizza in Paris"]
    assert await db.fetchval("SELECT count(*) FROM waiting_crossings") == 0


async def test_a_board_and_its_week_are_one_news_unless_the_week_says_more(database: None) -> None:
    ana, (one, other) = await fan_of(2)
    week = f"{PIZZA}@2026-w47"

    await happen(crossed(one, 12, 9), crossed(one, None, 10, week))
    await happen(crossed(other, 12, 9, name="Diavola"), crossed(other, 5, 1, week, "Diavola"), minutes=1)

    assert sorted(await lines(ana)) == [
        "Diavola and 1 other entered the top 10 of pizza in Paris",
        "Diavola entered the top 3 of pizza in Paris this week",
    ]


async def test_a_group_says_which_board_it_is_and_each_below_it_its_dish(database: None) -> None:
    ana, dishes = await fan_of(3)

    for i, name in enumerate(["Margherita", "Diavola", "Marinara"]):
        await happen(crossed(dishes[i], 12, 8, name=name), minutes=i)

    (row,) = (await read_notifications(ana, None, 100)).items
    below = [each.message for each in await read_children(ana, row.id, None, 100)]
    assert row.message == "Marinara and 2 others entered the top 10 of pizza in Paris"
    assert (row.data.board_name, row.data.place, row.data.name) == ("pizza in Paris", 10, "Marinara")
    assert below[0] == "Marinara entered the top 10 of pizza in Paris"
    assert len(below) == 3


async def test_what_was_told_is_forgotten_once_it_may_be_told_again(database: None) -> None:
    _, (dish, other) = await fan_of(2)
    await happen(crossed(dish, 4, 3), hours=-48)
    await fold([Logged(1, BoardCrossed.type, [], encode(crossed(other, 4, 3)), None, None, now())])

    await forget_crossings()

    assert await db.fetchval("SELECT count(*) FROM told_crossings") == 1
