"""Boards computed anew by other statements: what is stored is that, and what is not is found and mended."""

import pytest

from domain import db, passing
from domain.dishes.queries import Dish
from domain.explanations.queries import ActivityShare, explain_entry
from domain.leaderboards.queries import read_board
from domain.progression import actions as progression
from domain.progression.rules import FOLDED
from domain.rankings.actions import NewRanking, rank_dish
from domain.revision.actions import find_differences, mend
from tests.domain.leaderboards.folding import Folder
from tests.domain.notifications.folding import Log
from tests.factories import make_dish, make_restaurant, make_user

TYPES = {kind.type for kind in FOLDED}


@pytest.fixture(autouse=True)
def nobody_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What differs is not waited for."""
    monkeypatch.setattr(passing, "PATIENCE_S", 0)


async def scene() -> tuple[list[Dish], Folder]:
    """Three ranked dishes at two restaurants, folded; and what a client has heard."""
    ana, ben = await make_user(display_name="Ana"), await make_user()
    folder = Folder()
    await folder.begin()
    places = [await make_restaurant(ana, city="Paris", cuisine_type=["thai", "vegan"]) for _ in range(2)]
    dishes = [await make_dish(ana, places[i % 2]) for i in range(3)]
    await db.execute("INSERT INTO user_progress (user_id, level) VALUES ($1, 3)", ben.id)
    for viewer, dish, rank in ((ana, 0, 1), (ana, 2, 2), (ben, 0, 1), (ben, 1, 1)):
        await rank_dish(viewer, dishes[dish].id, NewRanking(rank=rank, notes="x"))
    await db.execute("UPDATE user_progress SET points = 30 WHERE user_id = $1", ben.id)
    await folder.touch([ben.id])
    return dishes, folder


async def found() -> list[str]:
    return [each async for each in find_differences()]


DAMAGES = {
    "a score": "UPDATE leaderboard_entries SET score = score + 1 WHERE entity_id = $1",
    "a sum": "UPDATE leaderboard_entries SET points = points + 1 WHERE entity_id = $1",
    "a name": "UPDATE leaderboard_entries SET name = 'Soup' WHERE entity_id = $1",
    "an entry": "DELETE FROM leaderboard_entries WHERE entity_id = $1",
    "a size": "UPDATE leaderboards SET size = 7 WHERE $1 = $1::uuid",
    "a prior": "UPDATE leaderboards SET prior = 2 WHERE kind = 'dishes' AND $1 = $1::uuid",
    "a ranking": "UPDATE dish_rankings SET rank = 5 WHERE dish_id = $1",
    "somebody": "UPDATE users SET privacy_level = 'private' WHERE display_name IS NULL AND $1 = $1::uuid",
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_what_differs_is_found_and_mended(damage: str) -> None:
    dishes, _ = await scene()
    before = await found()
    await db.execute(DAMAGES[damage], dishes[0].id)

    differs = await found()
    mended = [each async for each in mend()]

    assert before == []
    assert differs
    assert mended
    assert await found() == []


async def test_what_is_mended_is_told() -> None:
    dishes, folder = await scene()
    before = folder.client["dishes:paris:pizza"]
    await db.execute(DAMAGES["a prior"], dishes[0].id)
    await db.execute("UPDATE leaderboard_entries SET score = board_score(2, weight, points) WHERE weight > 0")

    _ = [each async for each in mend()]
    await folder.fold()

    page, _ = await read_board(await make_user(), "dishes:paris:pizza", None, 100, "all")
    version, heard = folder.client["dishes:paris:pizza"]
    assert (version, heard) == (page.version, before[1])
    assert version > before[0]
    assert [each["score"] for each in heard] == [each.score for each in page.items]


async def test_points_beyond_a_days_limit_are_on_no_board_and_the_time_of_what_earned_nothing_is() -> None:
    await db.execute("UPDATE activities SET daily_points = 15 WHERE activity = 'ranking'")
    folder, log = Folder(), Log()
    ana, dishes = await make_user(), [await make_dish() for _ in range(4)]
    await log.new()
    await folder.begin()
    differing: list[str] = []

    for dish in dishes:
        await rank_dish(ana, dish.id, NewRanking(rank=1, notes="x"))
        await progression.fold([event for event in await log.new() if event.type in TYPES])
        await folder.fold()
        differing += [each for each in await found() if str(ana.id) in each]

    stood = await db.fetch("SELECT points::int FROM leaderboard_entries WHERE entity_id = $1", ana.id)
    why = await explain_entry(ana, "users:global", ana.id)
    assert differing == []
    assert [row["points"] for row in stood] == [15, 15]
    assert why.activities == [ActivityShare("ranking", 4, 15)]


async def test_boards_are_made_of_what_was_ranked_before_there_were_any() -> None:
    await scene()
    await db.execute("DELETE FROM leaderboard_entries")
    await db.execute("DELETE FROM leaderboards")

    mended = [each async for each in mend()]

    assert mended
    assert await found() == []
    assert await db.fetchval("SELECT size FROM leaderboards WHERE name = 'dishes:paris:pizza'") == 3
