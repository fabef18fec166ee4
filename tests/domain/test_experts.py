"""Who knows a city's food, by influence: what it is made of, who is listed, and that it is what the rows come to."""

import asyncio
import contextlib
import math
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from domain import db
from domain.accounts.actions import ProfileChanges, change_profile
from domain.accounts.rules import Viewer
from domain.departures import leave
from domain.dishes.queries import Dish
from domain.errors import DomainError
from domain.eventlog import Logged
from domain.experts.actions import fold
from domain.experts.queries import CityNotFound, Expert, position_of, read_experts
from domain.experts.rules import Part, influence
from domain.graph.actions import block_user, follow_user, unblock_user, unfollow_user
from domain.places.actions import RestaurantChanges, edit_restaurant
from domain.posts.actions import delete_post
from domain.rankings.actions import NewRanking, rank_dish, unrank_dish
from domain.reactions.actions import like_post, unlike_post
from domain.reviews.actions import delete_review, like_review, unlike_review
from tests.conftest import Statements
from tests.factories import make_dish, make_post, make_restaurant, make_review, make_user, settle

CITY = "lyon"
COMMITTED = pytest.mark.usefixtures("own_database")

# The same, reckoned from the rows alone.
TRUTH = """
SELECT u.id, (SELECT count(*) FROM follows f WHERE f.followed_id = u.id AND f.status = 'active'),
    (SELECT count(*) FROM dish_rankings k WHERE k.user_id = u.id),
    (SELECT count(*) FROM reviews r WHERE r.author_id = u.id), (
        SELECT count(DISTINCT l.liker) FROM (
            SELECT l.user_id AS liker FROM likes l JOIN posts p ON p.id = l.post_id WHERE p.author_id = u.id
            UNION SELECT l.user_id FROM review_likes l JOIN reviews r ON r.id = l.review_id WHERE r.author_id = u.id
        ) l
        WHERE l.liker <> u.id AND NOT EXISTS (SELECT FROM blocks b
            WHERE (b.blocker_id, b.blocked_id) IN ((u.id, l.liker), (l.liker, u.id)))
    )
FROM users u
"""
FOLDED = "SELECT user_id, followers, rankings, reviews, likers FROM influences"
TRUE_CITIES = """
SELECT did.user_id, r.city_slug, sum(did.ranked), sum(did.reviewed), u.privacy_level = 'public' FROM (
    SELECT user_id, restaurant_id, 1 AS ranked, 0 AS reviewed FROM dish_rankings
    UNION ALL SELECT author_id, restaurant_id, 0, 1 FROM reviews
) did JOIN restaurants r ON r.id = did.restaurant_id JOIN users u ON u.id = did.user_id
WHERE r.city_slug IS NOT NULL GROUP BY 1, 2, 5
"""
FOLDED_CITIES = "SELECT user_id, city_slug, rankings, reviews, is_public FROM experts"


async def rows(sql: str) -> set[tuple[Any, ...]]:
    return {tuple(row.values()) for row in await db.fetch(sql)}


async def check_truth() -> None:
    """Who has something to their name is reckoned as the rows say, and so are their cities."""
    assert await rows("SELECT type, error FROM event_failures") == set()
    folded = {row for row in await rows(FOLDED) if any(row[1:])}
    assert folded == {row for row in await rows(TRUTH) if any(row[1:])}
    assert await rows(FOLDED_CITIES) == await rows(TRUE_CITIES)
    stale = "SELECT count(*) FROM experts e JOIN influences i USING (user_id) WHERE e.influence <> i.influence"
    assert await db.fetchval(stale) == 0


async def a_dish(city: str = "Lyon") -> Dish:
    return await make_dish(None, await make_restaurant(city=city, country="France"))


async def rank(viewer: Viewer, dish: Dish) -> None:
    await rank_dish(viewer, dish.id, NewRanking(rank=1, notes="Good"))


async def listed(viewer: Viewer | None = None, city: str = CITY, limit: int = 100) -> list[Expert]:
    return await read_experts(viewer or await make_user(), city, None, limit)


async def ids(viewer: Viewer | None = None, city: str = CITY) -> list[Any]:
    return [each.user.id for each in await listed(viewer, city)]


# what it is made of


@pytest.mark.parametrize(
    ("counts", "total"),
    [
        ({"followers": 0, "rankings": 0, "reviews": 0, "likers": 0}, 0),
        ({"followers": 1, "rankings": 0, "reviews": 0, "likers": 0}, 10 * math.log(2)),
        ({"followers": 0, "rankings": 1, "reviews": 0, "likers": 0}, 4 * math.log(2)),
        ({"followers": 0, "rankings": 0, "reviews": 1, "likers": 0}, 3 * math.log(2)),
        ({"followers": 0, "rankings": 0, "reviews": 0, "likers": 1}, 2 * math.log(2)),
        ({"followers": 99, "rankings": 9, "reviews": 4, "likers": 49}, 67.914),
    ],
)
def test_influence_is_the_sum_of_its_parts(counts: dict[str, int], total: float) -> None:
    made = influence(**counts)

    parts = [made.followers, made.rankings, made.reviews, made.likers]
    assert made.total == round(total, 3)
    assert sum(part.points for part in parts) == pytest.approx(made.total, abs=0.003)
    assert [part.count for part in parts] == list(counts.values())
    assert made.likers == Part(counts["likers"], 2, round(2 * math.log1p(counts["likers"]), 3))


@COMMITTED
async def test_an_expert_is_explained_and_the_database_reckons_likewise() -> None:
    ana, dish = await make_user(username="ana"), await a_dish()
    await rank(ana, dish)
    await make_review(ana, dish)
    for _ in range(3):
        await follow_user(await make_user(), ana.id)
    await like_post(await make_user(), (await make_post(ana)).id)
    await settle()

    (expert,) = await listed()

    assert expert.user.username == "ana"
    assert expert.influence == influence(followers=3, rankings=1, reviews=1, likers=1)
    assert round(expert.score, 3) == expert.influence.total
    assert (expert.here.rankings, expert.here.reviews) == (1, 1)


@COMMITTED
async def test_who_likes_much_of_somebody_counts_once_and_only_as_long_as_they_like_something() -> None:
    ana, ben = await make_user(), await make_user()
    review, posts = await make_review(ana, await a_dish()), [await make_post(ana) for _ in range(2)]
    likers: list[int] = []

    async def count() -> None:
        await settle()
        likers.append((await listed())[0].influence.likers.count)

    await like_review(ben, review.id)
    await like_post(ben, posts[0].id)
    await like_post(ben, posts[1].id)
    await like_post(ana, posts[1].id)
    await count()
    await unlike_review(ben, review.id)
    await delete_post(ana, posts[0].id)
    await count()
    await unlike_post(ben, posts[1].id)
    await count()

    assert likers == [1, 1, 0]


@COMMITTED
async def test_a_like_does_not_count_while_there_is_a_block() -> None:
    ana, ben, dish = await make_user(), await make_user(), await a_dish()
    await like_review(ben, (await make_review(ana, dish)).id)
    likers: list[int] = []
    for act in (block_user(ben, ana.id), unblock_user(ben, ana.id)):
        await act
        await settle()
        likers.append((await listed())[0].influence.likers.count)

    assert likers == [0, 1]


# who is listed


@COMMITTED
async def test_experts_come_by_influence_and_a_page_starts_behind_the_one_before() -> None:
    dish, people = await a_dish(), [await make_user() for _ in range(5)]
    for number, each in enumerate(people):
        await make_review(each, dish)
        for _ in range(number):
            await follow_user(await make_user(), each.id)
    await settle()
    viewer = await make_user()

    first = await read_experts(viewer, CITY, None, 2)
    rest = await read_experts(viewer, CITY, position_of(first[-1]), 10)

    assert [each.user.id for each in [*first, *rest]] == [each.id for each in reversed(people)]


@COMMITTED
async def test_who_has_said_nothing_in_the_city_is_no_expert_of_it() -> None:
    ana, ben = await make_user(), await make_user()
    await follow_user(ben, ana.id)
    await rank(ben, await a_dish("Nice"))
    await a_dish()
    await settle()

    assert (await ids(), await ids(city="nice")) == ([], [ben.id])


@COMMITTED
async def test_who_takes_back_all_they_said_is_one_no_longer() -> None:
    ana, dish = await make_user(), await a_dish()
    await rank(ana, dish)
    review = await make_review(ana, dish)
    await settle()
    await unrank_dish(ana, dish.id)
    await settle()
    before = await ids()
    await delete_review(ana, review.id)
    await settle()

    assert (before, await ids()) == ([ana.id], [])


@COMMITTED
async def test_only_public_accounts_are_listed() -> None:
    ana = await make_user()
    await rank(ana, await a_dish())
    seen: list[list[Any]] = []
    for level in ("followers", "private", "public"):
        await change_profile(ana, ana.id, ProfileChanges(privacy_level=level))
        await settle()
        seen.append(await ids(ana))

    assert seen == [[], [], [ana.id]]


@COMMITTED
async def test_two_with_a_block_between_them_do_not_see_each_other_among_experts() -> None:
    ana, ben, dish = await make_user(), await make_user(), await a_dish()
    for each in (ana, ben):
        await rank(each, dish)
    await block_user(ana, ben.id)
    await settle()

    assert (await ids(ana), await ids(ben)) == ([ana.id], [ben.id])


@COMMITTED
async def test_a_restaurant_that_was_in_another_city_takes_its_people_there() -> None:
    owner, ana = await make_user(), await make_user()
    there = await make_restaurant(owner, city="Lyon", country="France")
    await rank(ana, await make_dish(owner, there))
    await settle()
    await edit_restaurant(owner, there.id, RestaurantChanges(city="Nice"))
    await settle()

    assert (await ids(), await ids(city="Nice")) == ([], [ana.id])


@COMMITTED
async def test_who_leaves_is_no_expert_and_is_forgotten() -> None:
    ana, dish = await make_user(), await a_dish()
    await rank(ana, dish)
    await like_post(await make_user(), (await make_post(ana)).id)
    await settle()

    await leave(ana, ana.id)
    await settle()

    assert await ids() == []
    left = "SELECT (SELECT count(*) FROM influences WHERE user_id = $1) + (SELECT count(*) FROM likes_received)"
    assert await db.fetchval(left, ana.id) == 0


async def test_a_city_without_a_restaurant_is_none() -> None:
    with pytest.raises(CityNotFound):
        await listed(city="atlantis")


# what it costs


async def test_a_page_is_one_statement_and_in_the_order_of_an_index(statements: Statements) -> None:
    ana, dish = await make_user(), await a_dish()
    await rank(ana, dish)
    await fold(await log())
    await db.execute("SET LOCAL enable_seqscan = off")

    (sql,) = await statements(read_experts(ana, CITY, None, 20))

    found = await db.fetch(f"EXPLAIN {sql}", ana.id, CITY, None, None, 20)
    plan = "\n".join(row[0] for row in found)
    assert "Index Scan Backward using experts_city" in plan
    assert "Sort" not in plan


async def log() -> list[Logged]:
    sql = "SELECT seq, type, topics, data::text AS data, actor, audience, at FROM events ORDER BY seq"
    return [Logged(*row.values()) for row in await db.fetch(sql)]


async def test_many_events_cost_as_many_statements_as_one(statements: Statements) -> None:
    dish = await a_dish()
    await make_review(None, dish)
    few = await log()
    for _ in range(20):
        await like_review(await make_user(), (await make_review(None, dish)).id)
    many = await log()
    await fold(many)  # asyncpg asks for types once a connection

    assert len(await statements(fold(few))) == 2
    assert len(await statements(fold(many))) == 3


async def test_an_edit_that_moves_nothing_has_nobody_reckoned_anew_wherever_the_restaurant_was_before() -> None:
    owner = await make_user()
    there = await make_restaurant(owner, city="Lyon", country="France")
    dish = await make_dish(owner, there)
    for _ in range(3):
        await rank(await make_user(), dish)
    await make_review(None, dish)
    await fold(await log())
    reckoned: list[int] = []
    edits: list[dict[str, Any]] = [{"city": "Nice"}, {"name": "Another"}, {"phone": "+33 4"}, {"country": "Monaco"}]

    for changes in edits:
        read = len(await log())
        await db.execute("UPDATE influences SET followers = 99")
        await edit_restaurant(owner, there.id, RestaurantChanges(**changes))
        await fold((await log())[read:])
        reckoned.append(await db.fetchval("SELECT count(*) FROM influences WHERE followers <> 99"))

    assert reckoned == [4, 0, 0, 4]


async def test_folding_again_changes_nothing() -> None:
    dish = await a_dish()
    review = await make_review(None, dish)
    await like_review(await make_user(), review.id)
    events = await log()
    await fold(events)
    once = await rows(FOLDED)
    await fold(events)

    assert await rows(FOLDED) == once


# whatever happens


POSTS = "SELECT id, author_id FROM posts ORDER BY id"
REVIEWS = "SELECT id, author_id FROM reviews ORDER BY id"


async def act_at_random(chance: random.Random, people: list[Viewer], dishes: list[Dish]) -> None:
    one, other = chance.sample(people, 2)
    dish, post, review = (
        chance.choice(dishes),
        chance.choice(await db.fetch(POSTS)),
        chance.choice(await db.fetch(REVIEWS)),
    )
    author = {each.id: each for each in people}
    acts: list[Callable[[], Coroutine[Any, Any, object]]] = [
        lambda: follow_user(one, other.id),
        lambda: unfollow_user(one, other.id),
        lambda: block_user(one, other.id),
        lambda: unblock_user(one, other.id),
        lambda: rank(one, dish),
        lambda: unrank_dish(one, dish.id),
        lambda: make_post(one),
        lambda: make_review(one, dish),
        lambda: delete_post(author[post["author_id"]], post["id"]),
        lambda: delete_review(author[review["author_id"]], review["id"]),
        lambda: unlike_post(one, post["id"]),
        lambda: unlike_review(one, review["id"]),
        *[lambda: like_post(one, post["id"])] * 6,
        *[lambda: like_review(one, review["id"])] * 6,
    ]
    with contextlib.suppress(DomainError):
        await chance.choice(acts)()


@COMMITTED
@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_influence_is_what_the_rows_come_to(seed: int) -> None:
    chance = random.Random(seed)
    people, dishes = [await make_user() for _ in range(4)], [await a_dish(), await a_dish("Nice")]
    for each in people:
        await make_post(each)
        await make_review(each, dishes[0])

    for _ in range(60):
        await act_at_random(chance, people, dishes)
        if not chance.randrange(8):
            await settle()
            await check_truth()
    await leave(people[0], people[0].id)
    await settle()

    await check_truth()


@COMMITTED
async def test_what_happens_at_once_comes_to_the_same() -> None:
    people, dish = [await make_user() for _ in range(6)], await a_dish()
    reviews = [await make_review(each, dish) for each in people]

    await asyncio.gather(
        *(like_review(each, review.id) for each in people for review in reviews),
        *(follow_user(one, other.id) for one in people for other in people if one is not other),
        *(rank(each, dish) for each in people),
    )
    await settle()

    await check_truth()
    assert {(row[1], row[4]) for row in await rows(FOLDED) if any(row[1:])} == {(5, 5)}
