"""Points, badges and levels: earned by what people do, lost when it is taken back, told once."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from domain import db
from domain.accounts.actions import ProfileChanges, change_profile
from domain.accounts.queries import UserNotFound, read_user
from domain.accounts.rules import Viewer
from domain.comments.actions import NewComment, comment_on, delete_comment
from domain.departures import leave
from domain.dishes.actions import remove_dish
from domain.dishes.queries import Dish
from domain.graph.actions import block_user, follow_user
from domain.ids import UserID, new_id
from domain.places.actions import RestaurantChanges, edit_restaurant
from domain.posts.actions import delete_post
from domain.progression.actions import (
    SETTLE_LEVELS,
    SETTLE_POINTS,
    NotYourBadges,
    TooManyFeatured,
    feature_badge,
    fold,
    unfeature_badge,
)
from domain.progression.queries import (
    BadgeNotEarned,
    Points,
    Progress,
    position_of,
    read_badges,
    read_levels,
    read_points,
    read_user_badges,
    read_user_level,
)
from domain.progression.rules import FOLDED
from domain.rankings.actions import NewRanking, rank_dish, unrank_dish
from domain.reviews.actions import ReviewChanges, delete_review, edit_review
from domain.settings import settings
from domain.standings.queries import PEOPLE
from domain.targets import Target
from tests.conftest import Clock, Statements
from tests.domain.notifications.folding import Log
from tests.factories import make_comment, make_dish, make_post, make_restaurant, make_review, make_user

pytestmark = pytest.mark.usefixtures("database")

TYPES = {kind.type for kind in FOLDED}


@pytest.fixture
def log() -> Log:
    return Log()


async def fold_new(log: Log, *, times: int = 1) -> list[tuple[str, dict[str, Any]]]:
    """Fold what is new; what was told by it."""
    events = [event for event in await log.new() if event.type in TYPES]
    for _ in range(times if events else 0):
        await fold(events)
    return [(event.type, json.loads(event.data)) for event in await log.new()]


async def ranked(viewer: Viewer, number: int, **given: Any) -> list[Dish]:
    """So many dishes of one restaurant, each ranked first."""
    restaurant = await make_restaurant(await make_user(), **given)
    adder = await make_user()
    dishes = [await make_dish(adder, restaurant) for _ in range(number)]
    for dish in dishes:
        await rank_dish(viewer, dish.id, NewRanking(notes="Good", rank=1))
    return dishes


async def rank(viewer: Viewer, dish: Dish, **given: Any) -> None:
    new: dict[str, Any] = {"notes": "Good", "rank": 1}
    await rank_dish(viewer, dish.id, NewRanking(**new | given))


async def points_of(viewer: Viewer) -> dict[str, int]:
    return {each.activity: each.points for each in (await read_points(viewer, viewer.id, None, 100)).by_activity}


async def badges_of(viewer: Viewer) -> set[str]:
    return {each.code for each in (await read_user_badges(viewer, viewer.id)).earned}


# points


async def test_every_act_earns_its_points(log: Log) -> None:
    ana = await make_user()
    restaurant = await make_restaurant(ana)
    dish = await make_dish(ana, restaurant)
    await rank(ana, dish, photo_url="https://example.org/pizza.jpg")
    await make_post(ana)
    await make_comment(await make_post(), ana)

    await fold_new(log)

    earned = {"ranking": 10, "ranking_photo": 5, "restaurant": 5, "dish": 3, "post": 2, "comment": 1}
    assert await points_of(ana) == earned
    assert (await read_points(ana, ana.id, None, 10)).total == sum(earned.values())


async def test_an_act_earns_its_points_once_however_often_it_is_done_and_folded(log: Log) -> None:
    ana = await make_user()
    (dish,) = await ranked(ana, 1)
    await rank(ana, dish, notes="Better than I thought")

    await fold_new(log, times=3)

    assert await points_of(ana) == {"ranking": 10}


async def test_taking_an_act_back_takes_its_points_back(log: Log) -> None:
    ana = await make_user()
    (dish,) = await ranked(ana, 1)
    await rank(ana, dish, photo_url="https://example.org/pizza.jpg")
    post, own = await make_post(), await make_dish(ana, await make_restaurant(await make_user()))
    comment = await make_comment(post, ana)
    await fold_new(log)
    before = await points_of(ana)

    await unrank_dish(ana, dish.id)
    await delete_comment(ana, comment.id)
    await remove_dish(ana, own.id)
    told = await fold_new(log)

    assert before == {"ranking": 10, "ranking_photo": 5, "dish": 3, "comment": 1}
    assert await points_of(ana) == {}
    assert ("points.changed", {"user_id": str(ana.id), "points": 0}) in told


async def test_a_photo_that_is_taken_back_takes_its_points_back(log: Log) -> None:
    ana = await make_user()
    (dish,) = await ranked(ana, 1)
    await rank(ana, dish, photo_url="https://example.org/pizza.jpg")
    await fold_new(log)

    await rank(ana, dish)
    await fold_new(log)

    assert await points_of(ana) == {"ranking": 10}


async def test_what_is_done_undone_and_done_again_in_one_batch_is_done(log: Log) -> None:
    ana = await make_user()
    (dish,) = await ranked(ana, 1)
    await unrank_dish(ana, dish.id)
    await rank(ana, dish)

    told = await fold_new(log)

    assert await points_of(ana) == {"ranking": 10}
    hers = [data["points"] for kind, data in told if kind == "points.changed" and data["user_id"] == str(ana.id)]
    assert hers == [10]


async def test_a_dish_that_is_ranked_anew_earns_what_it_earned_when_it_was_ranked_first(log: Log, clock: Clock) -> None:
    ana = await make_user()
    (dish,) = await ranked(ana, 1)
    await rank(ana, dish, photo_url="https://example.org/pizza.jpg")
    await fold_new(log)
    before = (await read_points(ana, ana.id, None, 10)).rows

    clock.forward(days=30)
    await unrank_dish(ana, dish.id)
    await fold_new(log)
    between = (await read_points(ana, ana.id, None, 10)).rows
    await rank(ana, dish, photo_url="https://example.org/pizza.jpg")
    await fold_new(log)

    assert (await read_points(ana, ana.id, None, 10)).rows == before
    assert between == []


async def test_when_a_dish_was_ranked_first_is_found_by_index() -> None:
    await db.execute("SET LOCAL enable_seqscan = off")

    nothing: list[list[str]] = [[]] * 8
    plan = await db.fetch(f"EXPLAIN {SETTLE_POINTS}", *nothing)

    lines = [row[0] for row in plan]
    assert any("Index Scan using ranking_history_first" in line for line in lines)
    assert not any("Seq Scan on ranking_history" in line for line in lines)


async def test_what_is_undone_in_the_same_batch_earns_and_tells_nothing(log: Log) -> None:
    ana = await make_user()
    await ranked(ana, 1)
    await fold_new(log)
    other = await make_dish(await make_user())
    await fold_new(log)
    await rank(ana, other)
    await unrank_dish(ana, other.id)

    assert await fold_new(log) == []
    assert await points_of(ana) == {"ranking": 10}


async def test_a_deleted_post_takes_the_points_of_all_below_it_back(log: Log) -> None:
    ana, ben, cid = [await make_user() for _ in range(3)]
    post = await make_post(ana)
    comment = await make_comment(post, ben)
    await make_comment(post, cid, parent=comment)
    await fold_new(log)
    before = [await points_of(each) for each in (ana, ben, cid)]

    await delete_post(ana, post.id)
    await fold_new(log)

    assert before == [{"post": 2}, {"comment": 1}, {"comment": 1}]
    assert [await points_of(each) for each in (ana, ben, cid)] == [{}, {}, {}]


async def test_who_leaves_takes_along_what_they_earned_and_others_earned_below_it(log: Log) -> None:
    ana, ben = await make_user(), await make_user()
    post = await make_post(ana)
    await make_comment(post, ben)
    await ranked(ana, 1)
    await fold_new(log)

    await leave(ana, ana.id)
    await fold_new(log)

    tables = ("activity_points", "user_badges", "user_progress", "told_awards")
    counted = "SELECT count(*) FROM {} WHERE user_id = $1"
    left = [await db.fetchval(counted.format(table), ana.id) for table in tables]
    assert left == [0, 0, 0, 0]
    assert await points_of(ben) == {}


async def test_points_are_listed_with_the_latest_first_and_paged(log: Log, clock: Clock) -> None:
    ana = await make_user()
    for _ in range(3):
        clock.forward(seconds=1)
        await make_post(ana)
    (dish,) = await ranked(ana, 1)
    await rank(ana, dish, photo_url="https://example.org/pizza.jpg")
    await fold_new(log)

    everything = (await read_points(ana, ana.id, None, 100)).rows
    first = (await read_points(ana, ana.id, None, 2)).rows
    rest = (await read_points(ana, ana.id, position_of(first[-1]), 100)).rows

    assert first + rest == everything
    assert len(everything) == 5
    assert [each.awarded_at for each in everything] == sorted((each.awarded_at for each in everything), reverse=True)


async def test_comments_on_what_is_ones_own_earn_nothing(log: Log) -> None:
    ana, (dish,) = await make_user(), await ranked(await make_user(), 1)
    own_post, own_review = await make_post(ana), await make_review(ana, dish)
    await make_comment(own_post, ana)
    await make_comment(own_review, ana)
    await make_comment(own_post, ana, parent=await make_comment(own_post))

    await fold_new(log)

    assert await points_of(ana) == {"review": 15, "post": 2}


async def limit(activity: str, daily_points: int) -> None:
    await db.execute("UPDATE activities SET daily_points = $2 WHERE activity = $1", activity, daily_points)


async def test_what_an_activity_earns_in_a_day_has_a_limit(log: Log, clock: Clock) -> None:
    await limit("ranking", 25)
    clock.time = datetime(2026, 11, 20, 23, 59, tzinfo=UTC)
    ana = await make_user()
    first, *_ = await ranked(ana, 4)
    await make_post(ana)
    await fold_new(log)
    one_day = await points_of(ana)
    clock.forward(minutes=1)
    await ranked(ana, 1)
    await fold_new(log)
    two_days = await points_of(ana)

    await unrank_dish(ana, first.id)
    await fold_new(log)

    assert one_day == {"ranking": 25, "post": 2}
    assert two_days == await points_of(ana) == {"ranking": 35, "post": 2}
    points = await read_points(ana, ana.id, None, 10)
    assert (points.total, [each.daily_points for each in points.by_activity]) == (37, [25, 100])
    assert (await read_user_level(ana, ana.id)).rankings == 4


async def test_what_earns_nothing_more_is_told_to_boards_for_it_is_the_latest(log: Log) -> None:
    await limit("ranking", 10)
    ana = await make_user()
    await ranked(ana, 1)
    await fold_new(log)
    await ranked(ana, 1)

    told = await fold_new(log)

    assert ("points.changed", {"user_id": str(ana.id), "points": 10}) in told


@pytest.mark.parametrize(
    ("sql", "arguments"),
    [
        (SETTLE_LEVELS, [[new_id()], []]),
        (PEOPLE, [[new_id()], [202647], [datetime(2026, 11, 16, tzinfo=UTC)], [datetime(2026, 11, 23, tzinfo=UTC)]]),
    ],
)
async def test_what_people_earned_is_found_by_index(sql: str, arguments: list[Any]) -> None:
    await db.execute("SET LOCAL enable_seqscan = off")

    plan = "\n".join(row[0] for row in await db.fetch(f"EXPLAIN {sql}", *arguments))

    assert "on activity_points s" in plan
    assert "Seq Scan on activity_points" not in plan
    assert "Function Scan on earned_points" not in plan


async def test_others_see_the_sums_and_not_the_acts(log: Log) -> None:
    ana, ben = await make_user(), await make_user()
    await make_post(ana)
    await fold_new(log)

    seen = await read_points(ben, ana.id, None, 10)

    assert (seen.total, seen.rows) == (2, [])


@pytest.mark.parametrize("privacy", ["followers", "private"])
async def test_who_may_not_see_what_somebody_ranks_sees_what_it_came_to_and_not_how(log: Log, privacy: Any) -> None:
    ana, ben, stranger = [await make_user() for _ in range(3)]
    await follow_user(ben, ana.id)
    await change_profile(ana, ana.id, ProfileChanges(privacy_level=privacy))
    await ranked(ana, 3, cuisine_type=["thai"])
    await fold_new(log)

    badges, level = await read_user_badges(stranger, ana.id), await read_user_level(stranger, ana.id)
    points = await read_points(stranger, ana.id, None, 10)

    assert [(each.code, each.progress) for each in badges.earned] == [("first-bite", None)]
    assert badges.missing == []
    assert (level.level, level.points, level.next) == (None, 30, None)
    assert (points.total, points.by_activity, points.rows) == (30, [], [])
    assert (await read_points(ben, ana.id, None, 10)).by_activity == (
        await read_points(ana, ana.id, None, 10)
    ).by_activity
    assert await read_user_badges(ben, ana.id) == await read_user_badges(ana, ana.id)
    assert await read_user_level(ben, ana.id) == await read_user_level(ana, ana.id)


async def read_first_points(viewer: Viewer, user_id: UserID) -> Points:
    return await read_points(viewer, user_id, None, 10)


@pytest.mark.parametrize("read", [read_user_badges, read_user_level, read_first_points])
async def test_who_may_not_see_the_profile_sees_nothing_earned(
    read: Callable[[Viewer, UserID], Awaitable[object]],
) -> None:
    ana, ben = await make_user(), await make_user()
    await block_user(ana, ben.id)

    with pytest.raises(UserNotFound):
        await read(ben, ana.id)


async def test_a_review_and_its_photos_earn_points_and_count_for_badges(log: Log) -> None:
    await db.execute(ADD_BADGE, "test", json.dumps({"reviews": 1}))
    await db.execute(ADD_BADGE, "shown", json.dumps({"photos": 1}))
    ana = await make_user()
    review = await make_review(ana, photos=["https://example.org/1.jpg", "https://example.org/2.jpg"])
    await fold_new(log)
    first, had = await points_of(ana), await badges_of(ana)

    await edit_review(ana, review.id, ReviewChanges(photos=[]))
    await fold_new(log)

    assert (first, had) == ({"review": 15, "review_photo": 5}, {"test", "shown"})
    assert (await points_of(ana), await badges_of(ana)) == ({"review": 15}, {"test"})


async def test_a_deleted_review_takes_its_points_and_those_of_all_below_it_back(log: Log) -> None:
    ana, ben = await make_user(), await make_user()
    review = await make_review(ana, photos=["https://example.org/1.jpg"])
    await comment_on(ben, Target("review", review.id), NewComment(content="So did I"))
    await fold_new(log)
    before = [await points_of(each) for each in (ana, ben)]

    await delete_review(ana, review.id)
    await fold_new(log)

    assert before == [{"review": 15, "review_photo": 5}, {"comment": 1}]
    assert [await points_of(each) for each in (ana, ben)] == [{}, {}]


# badges


async def test_a_badge_is_earned_and_told_with_its_name(log: Log) -> None:
    ana = await make_user()
    await ranked(ana, 1)

    told = await fold_new(log)

    (badge,) = (await read_user_badges(ana, ana.id)).earned
    (earned,) = [data for kind, data in told if kind == "badge.earned"]
    assert (badge.code, badge.progress) == ("first-bite", Progress(1, 1))
    assert earned["badge"] == {"code": "first-bite", "name": "First bite", "icon_url": None}
    assert (earned["user_id"], earned["awarded_at"]) == (str(ana.id), badge.awarded_at)


ADD_BADGE = """
INSERT INTO badges (code, name, description, category, requirements) VALUES ($1, 'Test', 'Test', 'technical', $2)
"""


@pytest.mark.parametrize(
    "requirement",
    [
        {"rankings": 2},
        {"rankings": 2, "cuisine": "thai"},
        {"rankings": 2, "city": "fr-nimes"},
        {"rankings": 2, "country": "fr"},
        {"rankings": 2, "dish_type": "pizza"},
        {"photos": 1},
        {"distinct_cuisines": 2},
        {"distinct_cities": 1},
        {"distinct_countries": 1},
        {"distinct_restaurants": 1},
        {"distinct_dish_types": 1},
        {"restaurants_added": 1},
        {"dishes_added": 1},
    ],
    ids=" ".join,
)
async def test_a_badge_that_somebody_inserts_is_earned_without_code(log: Log, requirement: dict[str, Any]) -> None:
    await db.execute(ADD_BADGE, "test", json.dumps(requirement))
    ana = await make_user()
    # Whoever else is called so came first: then this one has its country in its name.
    await make_restaurant(city="Nîmes", country="Italy")
    restaurant = await make_restaurant(ana, city="Nîmes", country="France", cuisine_type=["thai", "french"])
    dishes = [await make_dish(ana, restaurant) for _ in range(2)]
    await rank(ana, dishes[0])
    await fold_new(log)
    before = "test" in await badges_of(ana)

    await rank(ana, dishes[1], photo_url="https://example.org/pizza.jpg")
    await fold_new(log)

    assert "test" in await badges_of(ana)
    assert before is not any(number == 2 or key == "photos" for key, number in requirement.items() if "_" not in key)


async def test_five_ranks_of_a_type_at_a_restaurant_are_a_full_scope(log: Log) -> None:
    ana = await make_user()
    dishes = await ranked(ana, 5)
    await fold_new(log)
    full = "decided" in await badges_of(ana)

    await rank_dish(ana, dishes[0].id, NewRanking(notes="Never again", taste="dissatisfied"))
    await fold_new(log)
    without = "decided" in await badges_of(ana)
    await rank(ana, dishes[0])
    await fold_new(log)

    assert (full, without, "decided" in await badges_of(ana)) == (True, False, True)


@pytest.mark.parametrize(
    "requirement",
    [
        {},
        [],
        3,
        "rankings",
        {"rankings": 0},
        {"rankings": -1},
        {"rankings": 1.5},
        {"rankings": "10"},
        {"rankings": 10, "photos": 3},
        {"cuisine": "thai"},
        {"photos": 10, "cuisine": "thai"},
        {"rankings": 10, "cuisine": "thai", "city": "paris"},
        {"rankings": 10, "cuisine": 3},
        {"rankings": 10, "colour": "red"},
        {"fame": 10},
    ],
    ids=str,
)
async def test_a_badge_with_a_requirement_that_means_nothing_is_refused(requirement: Any) -> None:
    with pytest.raises(Exception, match="badges_requirements"):
        await db.execute(ADD_BADGE, "test", json.dumps(requirement))


async def test_every_seeded_badge_has_one_condition() -> None:
    codes = [row["code"] for row in await db.fetch("SELECT code FROM badge_conditions ORDER BY code")]

    assert codes == sorted(each.code for each in (await read_badges()).items)


async def test_a_badge_is_lost_with_what_earned_it_and_told_once_a_day(log: Log) -> None:
    ana = await make_user()
    (dish,) = await ranked(ana, 1)
    first = await fold_new(log)
    heard: list[list[tuple[str, dict[str, Any]]]] = []
    had: list[set[str]] = []

    for _ in range(2):
        await unrank_dish(ana, dish.id)
        heard.append(await fold_new(log))
        had.append(await badges_of(ana))
        await rank(ana, dish)
        heard.append(await fold_new(log))
        had.append(await badges_of(ana))

    assert [kind for kind, _ in first].count("badge.earned") == 1
    assert had == [set(), {"first-bite"}] * 2
    assert {kind for told in heard for kind, _ in told} == {"points.changed"}


async def test_a_badge_won_again_on_another_day_is_told_again(log: Log, clock: Clock) -> None:
    ana = await make_user()
    (dish,) = await ranked(ana, 1)
    await fold_new(log)
    await unrank_dish(ana, dish.id)
    await fold_new(log)

    await rank(ana, dish)
    events = [event for event in await log.new() if event.type in TYPES]
    await fold([replace(event, at=event.at + timedelta(days=1)) for event in events])
    told = [event.type for event in await log.new()]

    assert told.count("badge.earned") == 1


async def test_a_restaurant_that_moves_takes_the_badges_of_its_place_along(log: Log) -> None:
    adder, ana = await make_user(), await make_user()
    restaurant = await make_restaurant(adder, cuisine_type=["thai"])
    await db.execute(ADD_BADGE, "test", json.dumps({"rankings": 1, "cuisine": "thai"}))
    await rank(ana, await make_dish(adder, restaurant))
    await fold_new(log)
    before = await badges_of(ana)

    await edit_restaurant(adder, restaurant.id, RestaurantChanges(cuisine_type=["lao"]))
    await fold_new(log)

    assert before == {"first-bite", "test"}
    assert await badges_of(ana) == {"first-bite"}


async def test_of_many_who_ranked_where_a_restaurant_moves_some_are_settled_at_a_time(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.progression.actions.settings", replace(settings, progression_moved=2))
    adder, people = await make_user(), [await make_user() for _ in range(5)]
    restaurants = [await make_restaurant(adder, cuisine_type=["thai"]) for _ in range(2)]
    await db.execute(ADD_BADGE, "test", json.dumps({"rankings": 1, "cuisine": "lao"}))
    for restaurant in restaurants:
        dish = await make_dish(adder, restaurant)
        for each in people[:3] if restaurant is restaurants[0] else people[2:]:
            await rank(each, dish)
    await fold_new(log)
    for restaurant in restaurants:
        await edit_restaurant(adder, restaurant.id, RestaurantChanges(cuisine_type=["lao"]))
    events, folds = [event for event in await log.new() if event.type in TYPES], list[int]()

    while events:
        await fold(events)
        told = await log.new()
        folds.append([event.type for event in told].count("badge.earned"))
        events = [event for event in told if event.type in TYPES]

    assert sum(folds) == 5
    assert max(folds) == 2
    assert len(folds) <= 4
    assert [await badges_of(each) for each in people] == [{"first-bite", "test"}] * 5


async def test_an_edit_that_moves_nothing_has_nobody_looked_at(log: Log, statements: Statements) -> None:
    adder, ana = await make_user(), await make_user()
    restaurant = await make_restaurant(adder)
    await rank(ana, await make_dish(adder, restaurant))
    await fold_new(log)
    await edit_restaurant(adder, restaurant.id, RestaurantChanges(phone="+33 1 23 45 67 89"))
    events = [event for event in await log.new() if event.type in TYPES]

    assert len(await statements(fold(events))) == 2


# levels


async def lower(*, required_points: int, required_rankings: int) -> None:
    """Have the first level ask for less."""
    lowered = "UPDATE career_levels SET required_points = $1, required_rankings = $2 WHERE level = 1"
    await db.execute(lowered, required_points, required_rankings)


async def test_there_are_seven_levels_each_of_which_asks_for_more() -> None:
    levels = (await read_levels()).items

    assert [each.required_rankings for each in levels] == [20, 50, 100, 250, 500, 1000, 2000]
    assert [each.name for each in levels][:: len(levels) - 1] == ["Junior District Reviewer", "Chief Food Officer"]
    assert (levels[0].weight, levels[-1].weight) == (1.25, 3.0)
    assert sorted({each.weight for each in levels}) == [each.weight for each in levels]
    assert sorted({each.required_points for each in levels}) == [each.required_points for each in levels]


async def test_a_level_is_reached_with_all_that_it_asks_for_and_lost_without(log: Log) -> None:
    await lower(required_points=20, required_rankings=2)
    ana = await make_user()
    await ranked(ana, 1)
    await fold_new(log)
    short = (await read_user_level(ana, ana.id)).level
    (dish,) = await ranked(ana, 1)

    reached = await fold_new(log)
    there = (await read_user_level(ana, ana.id)).level
    await unrank_dish(ana, dish.id)
    lost = await fold_new(log)

    assert short is None
    assert there is not None
    assert there.code == "junior-district-reviewer"
    kinds = [kind for kind, _ in reached]
    assert (kinds.count("level.reached"), kinds.count("profile.changed"), kinds.count("level.changed")) == (1, 1, 1)
    assert ("level.changed", {"user_id": str(ana.id), "level": 0, "before": 1}) in lost
    assert "level.reached" not in [kind for kind, _ in lost]
    assert (await read_user_level(ana, ana.id)).level is None


async def test_points_alone_are_no_level(log: Log) -> None:
    await lower(required_points=4, required_rankings=1)
    ana = await make_user()
    for _ in range(3):
        await make_post(ana)
    await fold_new(log)

    level = await read_user_level(ana, ana.id)

    assert (level.level, level.points, level.rankings) == (None, 6, 0)
    assert level.next is not None
    assert (level.next.missing.points, level.next.missing.rankings, level.next.missing.badges) == (0, 1, [])


async def test_a_level_waits_for_the_badges_that_it_asks_for_and_for_lower_levels(log: Log) -> None:
    await lower(required_points=0, required_rankings=1)
    await db.execute("UPDATE career_levels SET required_points = 0, required_rankings = 1 WHERE level > 1")
    await db.execute("UPDATE career_level_badges SET level = 3 WHERE level <> 2")
    ana = await make_user()
    await ranked(ana, 1)
    await fold_new(log)

    found = await read_user_level(ana, ana.id)

    assert found.level is not None
    assert found.level.level == 1
    assert found.next is not None
    assert found.next.level.level == 2
    missing = [(each.name, each.progress.have, each.progress.need) for each in found.next.missing.badges]
    assert missing == [("Plate photographer", 0, 10)]
    assert [each.name for each in found.next.level.required_badges] == ["Plate photographer"]


async def test_who_skips_a_level_is_told_of_the_highest_one(log: Log) -> None:
    await db.execute("UPDATE career_levels SET required_points = 0, required_rankings = level")
    await db.execute("DELETE FROM career_level_badges")
    ana = await make_user()
    await ranked(ana, 7)

    told = await fold_new(log)

    reached = [data["level"]["level"] for kind, data in told if kind == "level.reached"]
    last = await read_user_level(ana, ana.id)
    assert reached == [7]
    assert (last.level is not None and last.level.level, last.next) == (7, None)


# profiles


async def featured(viewer: Viewer) -> list[str]:
    return [each.code for each in (await read_user(viewer, viewer.id)).featured_badges]


async def test_a_profile_shows_level_and_chosen_badges_in_one_statement(log: Log, statements: Statements) -> None:
    await lower(required_points=0, required_rankings=1)
    ana, ben = await make_user(), await make_user()
    await ranked(ana, 1)
    await fold_new(log)
    await feature_badge(ana, ana.id, "first-bite")

    seen = await statements(read_user(ben, ana.id))

    user = await read_user(ben, ana.id)
    assert len(seen) == 1
    assert [each.name for each in user.featured_badges] == ["First bite"]
    assert user.career_level is not None
    assert user.career_level.name == "Junior District Reviewer"


async def test_choosing_a_badge_is_told_on_the_profile_once(log: Log) -> None:
    ana = await make_user()
    await ranked(ana, 1)
    await fold_new(log)

    await feature_badge(ana, ana.id, "first-bite")
    await feature_badge(ana, ana.id, "first-bite")
    told = [(event.topics, json.loads(event.data)["featured_badges"]) for event in await log.new()]
    await unfeature_badge(ana, ana.id, "first-bite")
    after = [json.loads(event.data)["featured_badges"] for event in await log.new()]

    assert told == [([f"user:{ana.id}"], [{"code": "first-bite", "name": "First bite", "icon_url": None}])]
    assert (after, await featured(ana)) == ([[]], [])


async def test_only_three_badges_are_shown(log: Log) -> None:
    ana = await make_user()
    for code in ("one", "two", "three"):
        await db.execute(ADD_BADGE, code, json.dumps({"rankings": 1}))
    await ranked(ana, 1)
    await fold_new(log)
    for code in ("one", "two", "three"):
        await feature_badge(ana, ana.id, code)

    with pytest.raises(TooManyFeatured) as refused:
        await feature_badge(ana, ana.id, "first-bite")

    assert list(refused.value.details) == ["code"]
    assert await featured(ana) == ["one", "three", "two"]


async def test_only_ones_own_and_only_what_is_earned_is_shown(log: Log) -> None:
    ana, ben = await make_user(), await make_user()
    await ranked(ana, 1)
    await fold_new(log)

    with pytest.raises(NotYourBadges):
        await feature_badge(ben, ana.id, "first-bite")
    with pytest.raises(BadgeNotEarned):
        await feature_badge(ben, ben.id, "first-bite")
    with pytest.raises(BadgeNotEarned):
        await feature_badge(ana, ana.id, "no-such-badge")


async def test_a_badge_that_is_lost_is_shown_no_more_and_that_is_told(log: Log) -> None:
    ana = await make_user()
    (dish,) = await ranked(ana, 1)
    await fold_new(log)
    await feature_badge(ana, ana.id, "first-bite")
    await log.new()

    await unrank_dish(ana, dish.id)
    told = await fold_new(log)

    profiles = [data["featured_badges"] for kind, data in told if kind == "profile.changed"]
    assert (profiles, await featured(ana)) == ([[]], [])


# what it costs


async def test_many_acts_of_many_people_cost_as_many_statements_as_one(log: Log, statements: Statements) -> None:
    (one,) = [await make_user()]
    await ranked(one, 1)
    few = [event for event in await log.new() if event.type in TYPES]
    for_one = len(await statements(fold(few)))
    await log.new()
    people = [await make_user() for _ in range(20)]
    restaurant = await make_restaurant()
    dishes = [await make_dish(one, restaurant) for _ in range(10)]
    for person in people:
        for dish in dishes:
            await rank(person, dish)
    many = [event for event in await log.new() if event.type in TYPES]

    assert len(many) > 200
    assert len(await statements(fold(many))) == for_one


async def test_ranking_anew_what_is_ranked_costs_one_statement(log: Log, statements: Statements) -> None:
    ana = await make_user()
    dishes = await ranked(ana, 3)
    await fold_new(log)
    await rank(ana, dishes[0])
    await rank(ana, dishes[1], rank=3)
    events = [event for event in await log.new() if event.type in TYPES]

    assert len(await statements(fold(events))) == 1
