"""What people have earned, computed anew: equal to what was folded, whatever was done in whatever batches."""

import asyncio
import random
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain import db, eventlog
from domain.accounts.rules import Viewer
from domain.comments.actions import NewComment, comment_on, delete_comment
from domain.comments.queries import Comment
from domain.consequences import PAGE
from domain.departures import leave
from domain.dishes.queries import Dish
from domain.ids import UserID, new_id
from domain.places.actions import RestaurantChanges, edit_restaurant
from domain.places.queries import Restaurant
from domain.posts.actions import delete_post
from domain.posts.queries import Post
from domain.progression.actions import fold
from domain.progression.rules import FOLDED
from domain.rankings.actions import NewRanking, rank_dish, unrank_dish
from domain.reckoning import actions
from domain.reckoning.actions import find_differences, mend, reckon_some
from domain.reckoning.queries import look_at
from domain.reviews.actions import delete_review
from domain.reviews.queries import Review
from domain.settings import settings as usual
from domain.targets import Target
from realtime.cuts import Cuts
from server.worker import Follower
from tests.conftest import Clock, Statements
from tests.domain.notifications.folding import Log
from tests.factories import make_comment, make_dish, make_post, make_restaurant, make_review, make_user, settle

TYPES = {kind.type for kind in FOLDED}
PHOTO = "https://example.org/pizza.jpg"


async def fold_all(log: Log, sizes: random.Random | None = None) -> None:
    """Fold what is new, in batches of one size or of any, and what folding puts off."""
    events = [event for event in await log.new() if event.type in TYPES]
    while events:
        size = len(events) if sizes is None else sizes.randint(1, len(events))
        await fold(events[:size])
        events = events[size:] + [event for event in await log.new() if event.type in TYPES]


async def everybody() -> list[UserID]:
    return [row["id"] for row in await db.fetch("SELECT id FROM users")]


async def differences() -> list[str]:
    """Without waiting for a fold, which nobody runs here."""
    return [str(each) for each in (await look_at(await everybody())).differences]


async def mended() -> list[str]:
    return [line async for line in mend()]


async def some_acts() -> Viewer:
    """Everything that earns something, by one person."""
    ana = await make_user()
    dish = await make_dish(ana, await make_restaurant(ana))
    await rank_dish(ana, dish.id, NewRanking(notes="Good", rank=1, photo_url=PHOTO))
    await make_review(ana, dish, photos=[PHOTO])
    await make_post(ana)
    await make_comment(await make_post(), ana)
    return ana


async def test_nothing_differs_of_what_was_folded(database: None) -> None:
    log = Log()
    await some_acts()
    before = await differences()

    await fold_all(log)

    assert before != []
    assert await differences() == []


WRONG = {
    "points missing": "DELETE FROM activity_points WHERE user_id = $1 AND activity = 'review'",
    "points for nothing": """
        INSERT INTO activity_points (user_id, activity, reference_id, points, awarded_at)
        SELECT user_id, activity, gen_random_uuid(), 10, awarded_at FROM activity_points
        WHERE user_id = $1 AND activity = 'ranking'
    """,
    "other points": "UPDATE activity_points SET points = 1 WHERE user_id = $1 AND activity = 'ranking'",
    "another time": "UPDATE activity_points SET awarded_at = now() - interval '1 day' WHERE user_id = $1",
    "with nothing": "UPDATE activity_points SET within_id = NULL WHERE user_id = $1",
    "badge missing": "DELETE FROM user_badges WHERE user_id = $1",
    "badge for nothing": """
        INSERT INTO user_badges (user_id, badge, awarded_at, progress) VALUES ($1, 'pizza-judge', now(), '{}')
    """,
    "sum": "UPDATE user_progress SET points = 1000 WHERE user_id = $1",
    "number": "UPDATE user_progress SET rankings = 1000 WHERE user_id = $1",
    "level": "UPDATE user_progress SET level = 7 WHERE user_id = $1",
    "nothing": "DELETE FROM user_progress WHERE user_id = $1",
}


@pytest.mark.parametrize("case", WRONG)
async def test_whatever_is_wrong_is_found_and_mended(database: None, case: str) -> None:
    log = Log()
    ana = await some_acts()
    await fold_all(log)
    await db.execute(WRONG[case], ana.id)

    found = await differences()
    told = await mended()

    assert found != []
    assert sorted(told) == sorted(found)
    assert await differences() == await mended() == []


@pytest.mark.parametrize("case", ["points for nothing", "badge for nothing", "sum"])
async def test_what_somebody_left_behind_is_found_and_mended(database: None, case: str) -> None:
    log = Log()
    await some_acts()
    await fold_all(log)
    gone = new_id()
    rows = {
        "points for nothing": """
            INSERT INTO activity_points (user_id, activity, reference_id, points, awarded_at)
            VALUES ($1, 'post', gen_random_uuid(), 2, now())
        """,
        "badge for nothing": WRONG["badge for nothing"],
        "sum": "INSERT INTO user_progress (user_id, points) VALUES ($1, 3)",
    }
    await db.execute(rows[case], gone)

    told = await mended()

    assert told != []
    assert all(line.startswith(str(gone)) for line in told)
    assert await mended() == []


ADD_BADGE = """
INSERT INTO badges (code, name, description, category, requirements)
VALUES ('new', 'New', 'New', 'technical', '{"reviews": 1}')
"""
HOLDERS = "SELECT count(*)::int FROM user_badges WHERE badge = 'new'"


async def test_a_new_badge_comes_to_who_met_it_long_ago(database: None) -> None:
    log = Log()
    ana = await some_acts()
    await fold_all(log)
    await db.execute(ADD_BADGE)

    assert await mended() == [f"{ana.id} badge new: yes due, no stored"]
    assert [event.type for event in await log.new()] == ["badge.earned"]


async def test_a_new_badge_comes_by_itself_to_who_met_it_long_ago_and_is_told_once(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "AT_ONCE", 2)
    monkeypatch.setattr(actions, "IN_TURN", 2)
    log = Log()
    for _ in range(7):
        await some_acts()
    await fold_all(log)
    while await db.fetchval("SELECT upto IS NOT NULL FROM reckoned") is not False:
        await reckon_some()
    people, before = len(await everybody()), await db.fetchval(HOLDERS)
    await log.new()
    await db.execute(ADD_BADGE)

    held: list[int] = []
    for _ in range(people):
        await reckon_some()
        held.append(await db.fetchval(HOLDERS))

    told = [event for event in await log.new() if event.type == "badge.earned"]
    assert before == 0
    assert 0 < held[0] < 7
    assert held == sorted(held)
    assert (held[-1], len(told)) == (7, 7)
    assert await differences() == []


async def test_nobody_is_reckoned_while_catalogues_stay_as_they_are(database: None, statements: Statements) -> None:
    await some_acts()
    await reckon_some()
    await db.execute("UPDATE badges SET name = 'Another', icon_url = 'https://example.org/a.png'")

    assert len(await statements(reckon_some())) == 2


async def test_people_are_looked_at_some_at_a_time(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.reckoning.actions.AT_ONCE", 2)
    for _ in range(5):
        await make_post()

    lines = await mended()

    assert len(lines) == 10
    assert await mended() == []


async def test_what_the_fold_has_yet_to_pass_is_no_difference(own_database: None) -> None:
    ana = await some_acts()

    async def fold_soon() -> None:
        await asyncio.sleep(0.2)
        await settle()
        await eventlog.cut(await eventlog.latest_cut(), even_empty=True)
        await settle()

    folding = asyncio.create_task(fold_soon())
    before = [str(each) for each in (await look_at([ana.id])).differences]
    found = [line async for line in find_differences()]
    await folding

    assert before != []
    assert found == []


async def test_what_the_fold_has_put_off_is_no_difference(own_database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.progression.actions.settings", replace(usual, progression_moved=1))
    await db.execute(DEMANDS)
    adder, people = await make_user(), [await make_user() for _ in range(6)]
    restaurant = await make_restaurant(adder, cuisine_type=["lao"])
    dishes = [await make_dish(adder, restaurant) for _ in range(2)]
    for each in people:
        for dish in dishes:
            await rank_dish(each, dish.id, NewRanking(notes="Good", rank=1))
    await settle()
    await edit_restaurant(adder, restaurant.id, RestaurantChanges(cuisine_type=["thai"]))

    async def fold_a_part_at_a_time() -> None:
        (progression,) = (each for each in PAGE if each.feature == "progression")
        for _ in range(9):
            await asyncio.sleep(0.15)
            await eventlog.cut(await eventlog.latest_cut(), even_empty=True)
            await Follower(progression, Cuts()).step()

    folding = asyncio.create_task(fold_a_part_at_a_time())
    before = len((await look_at([each.id for each in people])).differences)
    found = [line async for line in find_differences()]
    await folding

    assert before == 6
    assert found == []


async def test_what_is_wrong_is_found_also_when_nobody_folds(
    own_database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.passing.PATIENCE_S", 0.1)
    ana = await some_acts()
    await settle()
    await db.execute(WRONG["sum"], ana.id)

    found = [line async for line in find_differences()]

    assert found == [f"{ana.id} points: 46 due, 1000 stored"]


class World:
    """Some people at two restaurants, who do and undo things."""

    def __init__(self, people: list[Viewer], restaurants: list[Restaurant], dishes: list[Dish]) -> None:
        self.people, self.restaurants, self.dishes = people, restaurants, dishes
        self.posts: list[tuple[Viewer, Post]] = []
        self.comments: list[tuple[Viewer, Target, Comment]] = []
        self.reviews: dict[tuple[UUID, UUID], Review] = {}

    async def do(self, what: str, viewer: Viewer, dish: Dish, number: int) -> None:
        """One act, which may find nothing to be done to."""
        match what:
            case "rank":
                new = NewRanking(notes=f"{number}", rank=1 + number % 5, photo_url=PHOTO if number % 2 else None)
                await rank_dish(viewer, dish.id, new)
            case "taste":
                await rank_dish(viewer, dish.id, NewRanking(notes="So so", taste="acceptable"))
            case "unrank":
                await unrank_dish(viewer, dish.id)
            case "review":
                await self._review(viewer, dish, number)
            case "post":
                self.posts.append((viewer, await make_post(viewer)))
            case "comment":
                await self._comment(viewer, number)
            case _:
                await self._take_back(what, number)

    async def _review(self, viewer: Viewer, dish: Dish, number: int) -> None:
        """Write it, or delete it."""
        known = self.reviews.pop((viewer.id, dish.id), None)
        if known is not None:
            await delete_review(viewer, known.id)
        else:
            photos = [PHOTO] * (number % 2)
            self.reviews[viewer.id, dish.id] = await make_review(viewer, dish, photos=photos)

    def _targets(self) -> list[Target]:
        posts = [Target("post", post.id) for _, post in self.posts]
        return posts + [Target("review", review.id) for review in self.reviews.values()]

    async def _comment(self, viewer: Viewer, number: int) -> None:
        if targets := self._targets():
            on = targets[number % len(targets)]
            self.comments.append((viewer, on, await comment_on(viewer, on, NewComment(content="Yes"))))

    async def _take_back(self, what: str, number: int) -> None:
        """A post or a comment; or have a restaurant cook something else."""
        self.comments = [each for each in self.comments if each[1] in self._targets()]
        if what == "move":
            changes = RestaurantChanges(cuisine_type=[("thai", "lao", "french")[number % 3]])
            await edit_restaurant(self.people[0], self.restaurants[number % 2].id, changes)
        elif what == "unpost" and self.posts:
            author, post = self.posts.pop(number % len(self.posts))
            await delete_post(author, post.id)
        elif what == "uncomment" and self.comments:
            author, _, comment = self.comments.pop(number % len(self.comments))
            await delete_comment(author, comment.id)


DEMANDS = """
INSERT INTO badges (code, name, description, category, requirements) VALUES
    ('a', 'A', 'A', 'technical', '{"rankings": 2, "cuisine": "thai"}'),
    ('b', 'B', 'B', 'technical', '{"rankings": 3, "dish_type": "pizza"}'),
    ('c', 'C', 'C', 'technical', '{"distinct_cuisines": 2}'), ('d', 'D', 'D', 'technical', '{"photos": 2}'),
    ('e', 'E', 'E', 'technical', '{"reviews": 2}'), ('f', 'F', 'F', 'technical', '{"rankings": 2, "city": "lyon"}'),
    ('g', 'G', 'G', 'technical', '{"distinct_restaurants": 2}')
"""
EASIER = "UPDATE career_levels SET required_points = 12 * level, required_rankings = level"
ASKED = "UPDATE career_level_badges SET badge = CASE level WHEN 2 THEN 'd' WHEN 3 THEN 'c' ELSE 'e' END"
ALONE = "DELETE FROM career_level_badges WHERE badge NOT IN (SELECT min(badge) FROM career_level_badges GROUP BY level)"

LIMITED = "UPDATE activities SET daily_points = 2 * points"

ACTS = ["rank", "rank", "rank", "taste", "unrank", "review", "post", "comment", "unpost", "uncomment", "move", "rest"]
STEPS = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, 2), st.integers(0, 11), st.integers(0, 9)), max_size=40
)


async def play(clock: Clock, steps: list[tuple[str, int, int, int]], seed: int) -> None:
    """Do these, fold them in batches of any size, some while others are still to come; then one of them leaves."""
    dice, log = random.Random(seed), Log()
    async with db.rolled_back():
        for statement in (DEMANDS, EASIER, ALONE, ASKED, LIMITED):
            await db.execute(statement)
        people = [await make_user() for _ in range(3)]
        restaurants = [await make_restaurant(people[0], city=city) for city in ("Lyon", "Nice")]
        dishes = [
            await make_dish(people[1], restaurants[number % 2], dish_type="pizza" if number % 3 else "soup")
            for number in range(12)
        ]
        world = World(people, restaurants, dishes)
        for what, who, which, number in steps:
            clock.forward(hours=9 if what == "rest" else 0)
            await world.do(what, people[who], dishes[which], number)
            if dice.random() < 0.2:
                await fold_all(log, dice)
        await fold_all(log, dice)
        assert await differences() == []
        await leave(people[2], people[2].id)
        await fold_all(log, dice)
        assert await differences() == []
        assert await db.fetchval("SELECT count(*) FROM activity_points WHERE user_id = $1", people[2].id) == 0


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=STEPS, seed=st.integers(0, 1000))
async def test_whatever_is_done_in_whatever_batches_is_what_is_computed_anew(
    pool: None, clock: Clock, steps: list[tuple[str, int, int, int]], seed: int
) -> None:
    clock.time = datetime.now(UTC)
    one_at_a_time = replace(usual, progression_moved=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("domain.progression.actions.settings", one_at_a_time)
        await play(clock, steps, seed)
