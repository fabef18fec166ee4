"""Boards through what can be done: who stands where, since when, and who may listen."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest

from domain import db
from domain.accounts.actions import ProfileChanges, change_profile
from domain.boards.queries import board_access
from domain.clock import now
from domain.dishes.actions import DishChanges, edit_dish
from domain.dishes.queries import Dish
from domain.eventlog import Logged
from domain.explanations.queries import explain_entry
from domain.leaderboards import actions
from domain.leaderboards.actions import Entry, change, forget_gone, rescore_part
from domain.leaderboards.rules import season_name, season_of
from domain.places.actions import RestaurantChanges, edit_restaurant
from domain.rankings.actions import NewRanking, rank_dish, unrank_dish
from domain.standings.actions import fold
from tests.conftest import Clock, Statements
from tests.domain.leaderboards.folding import Folder
from tests.factories import make_dish, make_restaurant, make_user


async def test_who_has_signed_in_may_listen_to_any_board_that_there_can_be(clock: Clock) -> None:
    clock.time = datetime(2026, 11, 20, tzinfo=UTC)
    viewer = (await make_user()).id
    await make_restaurant(city="Paris", country="France", cuisine_type=["Thai"])
    await make_restaurant(city="Lyon", country="France", cuisine_type=["Sushi"])
    boards = ["dishes:paris:pizza", "restaurants:paris:thai@2026-w47", "users:paris", "users:global@2026-w47"]
    none = ["dishes:rome:pizza", "dishes:paris:soups", "users:rome", "users:PARIS", "users", "dishes:paris:pizza@x"]
    none += ["restaurants:paris:sushi", "restaurants:rome:thai", "restaurants:paris:thai@2026-w48"]
    none += ["users:global@2026-w46", "users:global@0001-w01", "users:global@9999-w52"]

    found = await board_access([(viewer, each) for each in [*none, *boards]])

    assert found == [(viewer, each, None, "ok") for each in boards]


async def test_a_board_that_was_made_stays_when_its_week_is_over_and_its_restaurants_are_of_another_cuisine(
    clock: Clock,
) -> None:
    ana = await make_user()
    there = await make_restaurant(ana, city="Paris", cuisine_type=["thai"])
    dish = await make_dish(ana, there)
    folder = Folder()
    await folder.begin()
    await rank_dish(ana, dish.id, NewRanking(rank=1, notes="x"))
    await folder.fold()
    week = season_name(season_of(now()))
    boards = ["restaurants:paris:thai", f"restaurants:paris:thai@{week}", f"dishes:paris:pizza@{week}"]

    await edit_restaurant(ana, there.id, RestaurantChanges(cuisine_type=["french"]))
    clock.forward(days=7)

    assert await board_access([(ana.id, each) for each in [*boards, f"users:paris@{week}"]]) == [
        (ana.id, each, None, "ok") for each in boards
    ]


async def test_what_boards_there_are_is_asked_in_one_statement(statements: Statements) -> None:
    viewer = (await make_user()).id
    await make_restaurant(city="Paris", cuisine_type=["thai"])
    boards = ["restaurants:paris:thai", "users:global@2026-w01", "dishes:paris:pizza", "restaurants:paris:sushi"]

    assert len(await statements(board_access([(viewer, each) for each in boards]))) == 1


async def folded(number: int) -> tuple[list[Logged], list[Dish]]:
    """So many rankings, each of another dish, by as many people; not folded yet."""
    folder = Folder()
    ana = await make_user()
    there = await make_restaurant(ana, city="Paris", cuisine_type=["thai"])
    dishes = [await make_dish(ana, there) for _ in range(number)]
    await folder.begin()
    for dish in dishes:
        await rank_dish(ana, dish.id, NewRanking(rank=1, notes="x"))
    return await folder.waiting(), dishes


async def test_a_fold_is_as_many_statements_for_many_events_as_for_one(statements: Statements) -> None:
    one, _ = await folded(1)
    few = await statements(fold(one))
    many, _ = await folded(40)
    lots = await statements(fold(many * 25))

    assert len(lots) <= len(few) <= 36


async def test_what_changes_nothing_is_told_to_nobody_and_writes_nothing(statements: Statements) -> None:
    events, _ = await folded(2)
    await fold(events)

    again = await statements(fold(events))

    assert [each for each in again if not each.lstrip().startswith(("SELECT", "WITH", "SAVEPOINT", "RELEASE"))] == []


async def test_a_ranking_is_told_on_its_board_and_on_the_dish() -> None:
    events, (dish,) = await folded(1)

    await fold(events)

    rows = await db.fetch("SELECT topics[1], data::text FROM events WHERE type = ANY($1)", ["dish.score"])
    boards = await db.fetch("SELECT topics[1] FROM events WHERE type = 'leaderboard.changed' ORDER BY seq")
    week = season_name(season_of(now()))
    assert [tuple(row.values()) for row in rows] == [
        (f"dish:{dish.id}", '{"score":5.0,"raters":1,"rank":1,"board":"dishes:paris:pizza"}')
    ]
    assert [row[0] for row in boards] == [
        f"leaderboard:{name}{suffix}"
        for name in ("dishes:paris:pizza", "restaurants:paris:thai")
        for suffix in ("", f"@{week}")
    ]


async def test_news_of_a_week_that_comes_late_is_of_that_week(clock: Clock) -> None:
    ana = await make_user()
    dish = await make_dish(ana, await make_restaurant(ana, city="Paris"))
    folder = Folder()
    await folder.begin()
    clock.time = datetime(2030, 12, 29, 23, 59, 59, tzinfo=UTC)
    await rank_dish(ana, dish.id, NewRanking(rank=1, notes="x"))
    (event,) = await folder.waiting()
    told = msgspec.structs.replace(event, at=clock.time)
    clock.forward(hours=2)

    await fold([told])

    names = [row[0] for row in await db.fetch("SELECT name FROM leaderboards WHERE size > 0 ORDER BY name")]
    assert names == ["dishes:paris:pizza", "dishes:paris:pizza@2030-w52"]


CROSSED = "SELECT data->>'name' AS name FROM events WHERE type = 'leaderboard.crossed'"


async def test_who_comes_among_the_first_of_a_board_is_news_once_the_board_is_large_enough(database: None) -> None:
    few, _ = await folded(5)
    await fold(few)
    nobody = await db.fetch(CROSSED)
    lots, dishes = await folded(5)

    await fold(lots)

    assert nobody == []
    assert {each.name for each in dishes} <= {row["name"] for row in await db.fetch(CROSSED)}


async def test_a_board_that_was_forgotten_goes_on_behind_what_was_told_of_it(database: None) -> None:
    ana, folder = await make_user(), Folder()
    dish = await make_dish(ana, await make_restaurant(ana, city="Paris"))
    await folder.begin()
    await rank_dish(ana, dish.id, NewRanking(rank=1, notes="x"))
    await folder.fold()
    await forget_gone()
    assert await db.fetchval("SELECT count(*) FROM leaderboards") == 2
    await unrank_dish(ana, dish.id)
    await folder.fold()
    empty = folder.client["dishes:paris:pizza"]
    await db.execute("UPDATE leaderboard_entries SET reached_at = now() - interval '2 hours'")
    await forget_gone()
    assert await db.fetchval("SELECT count(*) FROM leaderboards") == 0

    await rank_dish(ana, dish.id, NewRanking(rank=2, notes="x"))
    await folder.fold()

    version, window = folder.client["dishes:paris:pizza"]
    assert empty[1] == []
    assert version > empty[0]
    assert [each["entity_id"] for each in window] == [str(dish.id)]


async def test_where_two_cities_have_one_name_people_say_the_country_too(database: None) -> None:
    folder, people = Folder(), [await make_user() for _ in range(3)]
    for country in ("United States", "France"):
        await make_restaurant(city="Tours", country=country)
    await folder.begin()
    for each, city in zip(people, ("Tours", "tours, FRANCE", "Tours, Peru"), strict=True):
        await change_profile(each, each.id, ProfileChanges(city=city))
        await db.execute("INSERT INTO user_progress (user_id, points) VALUES ($1, 5)", each.id)

    await folder.fold()

    rows = await db.fetch("SELECT name FROM leaderboards WHERE city IS NOT NULL AND season = 0 ORDER BY name")
    assert [row["name"] for row in rows] == ["users:fr-tours", "users:tours", "users:tours-peru"]


async def test_people_of_a_city_move_to_its_board_when_it_gets_a_name(database: None) -> None:
    folder, ana = Folder(), await make_user()
    await folder.begin()
    await change_profile(ana, ana.id, ProfileChanges(city="Saint-Étienne, France"))
    await db.execute("INSERT INTO user_progress (user_id, points) VALUES ($1, 5)", ana.id)
    await folder.fold()
    stands = "SELECT b.name FROM leaderboard_entries e JOIN leaderboards b ON b.id = e.board_id"
    stands += " WHERE b.city IS NOT NULL AND b.season = 0 AND e.score IS NOT NULL"
    seen = [await db.fetchval(stands)]

    for country in ("United States", None, "France"):
        place = await make_restaurant(ana, city="Saint Etienne", country=country)
        await folder.fold()
        seen.append(await db.fetchval(stands))
    await edit_restaurant(ana, place.id, RestaurantChanges(name="Another"))
    await folder.fold()

    assert seen == ["users:saint-etienne-france"] * 3 + ["users:fr-saint-etienne"]
    assert await db.fetchval("SELECT count(*) FROM events WHERE type = 'city.named'") == 2


async def test_what_cannot_be_had_any_more_leaves_the_boards_until_it_can_be(database: None) -> None:
    ana, folder = await make_user(), Folder()
    dish = await make_dish(ana, await make_restaurant(ana, city="Paris", cuisine_type=["thai"]))
    await folder.begin()
    await rank_dish(ana, dish.id, NewRanking(rank=1, notes="x"))
    await folder.fold()
    boards = ("dishes:paris:pizza", "restaurants:paris:thai")

    seen: list[list[int]] = []
    for available in (True, False, True):
        await edit_dish(ana, dish.id, DishChanges(is_available=available))
        await folder.fold()
        seen.append([len(folder.client[each][1]) for each in boards])

    assert seen == [[1, 1], [0, 0], [1, 1]]


CHANGED = "SELECT count(*) FROM leaderboard_entries WHERE seq > $1"
WRONG = """
SELECT count(*) FROM leaderboard_entries e JOIN leaderboards b ON b.id = e.board_id
WHERE e.score <> board_score(b.prior, e.weight, e.points)
"""
VERSIONS = """
SELECT (data->>'from_version')::int, (data->>'version')::int FROM events WHERE type = 'leaderboard.changed' ORDER BY seq
"""


async def test_a_new_prior_goes_through_a_large_board_a_part_at_a_time_and_every_score_says_which_one_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(actions, "SMALL", 4)
    monkeypatch.setattr(actions, "RESCORED_AT_ONCE", 5)
    await make_restaurant(city="Paris", country="France")
    viewer, name, noon = await make_user(), "dishes:paris:pizza", datetime(2026, 11, 21, 12, tzinfo=UTC)
    places = [(name, UUID(int=i)) for i in range(12)]
    board = {place: Entry("Pizza", None, Decimal(1), Decimal(1 + place[1].int % 5), 1, noon) for place in places}
    await change(dict(board), {})
    seq = await db.fetchval("SELECT seq FROM leaderboards")

    await change({places[0]: board[places[0]]._replace(weight=Decimal(100), points=Decimal(500))}, board)
    changed, wrong, whys = [await db.fetchval(CHANGED, seq)], [await db.fetchval(WRONG)], list[float]()
    while await rescore_part():
        changed.append(await db.fetchval(CHANGED, seq))
        wrong.append(await db.fetchval(WRONG))
        explained = [await explain_entry(viewer, name, entity_id) for _, entity_id in places]
        whys += [abs((5 * (each.prior or 0) + each.points) / (5 + each.weight) - each.score) for each in explained]

    assert changed == [1, 6, 11, 12, 12]
    assert wrong == [11, 6, 1, 0, 0]
    assert max(whys) <= 0.0001
    (_, first), *later = [tuple(row.values()) for row in await db.fetch(VERSIONS)]
    assert later == [(first + i, first + i + 1) for i in range(4)]


async def test_a_mean_that_moved_on_while_a_large_board_got_its_scores_is_followed_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(actions, "SMALL", 4)
    monkeypatch.setattr(actions, "RESCORED_AT_ONCE", 5)
    places = [("dishes:paris:pizza", UUID(int=i)) for i in range(8)]
    board = {place: Entry("Pizza", None, Decimal(1), Decimal(1), 1, datetime.now(UTC)) for place in places}
    better = {place: entry._replace(points=Decimal(5)) for place, entry in board.items()}
    await change(dict(board), {})

    for place in places:
        await change({place: better[place]}, board)
    behind = await db.fetchval("SELECT prior FROM leaderboards")
    while await rescore_part():
        pass

    assert behind == Decimal("1.5")
    assert await db.fetchval("SELECT prior FROM leaderboards") == 5
    assert await db.fetchval(WRONG) == 0
