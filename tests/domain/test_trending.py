"""What is trending: what acts weigh, who counts, what is listed and told, and what fades without anybody's doing."""

from typing import Any

import msgspec
import pytest

from domain import db
from domain.accounts.rules import Viewer
from domain.clock import now, stamp
from domain.comments.actions import NewComment, comment_on, delete_comment
from domain.counters import actions as counters
from domain.departures import leave
from domain.dishes.actions import DishChanges, edit_dish, remove_dish
from domain.dishes.queries import Dish
from domain.eventlog import Logged
from domain.ids import DishID, UserID, new_id
from domain.places.actions import RestaurantChanges, edit_restaurant
from domain.rankings.actions import NewRanking, rank_dish
from domain.rankings.rules import Placing
from domain.reviews.actions import (
    NewReview,
    ReviewChanges,
    delete_review,
    edit_review,
    like_review,
    review_dish,
    unlike_review,
)
from domain.reviews.queries import Review
from domain.targets import Target
from domain.trending.actions import fold, let_go
from domain.trending.events import TrendingChanged, TrendingDue
from domain.trending.queries import ListNotFound, read_trending
from domain.trending.rules import Act, Key, netted, scope_of, score_at, weight_of, weight_of_review
from tests.conftest import Clock, Statements
from tests.domain.trending.playing import (
    CITY,
    crowd,
    dish_in,
    listed,
    ranking,
    read,
    somebody,
    tick,
    told,
    unranking,
)
from tests.factories import make_comment, make_dish, make_post, make_restaurant, make_user

LOGGED = "SELECT seq, type, topics, data::text AS data, actor, audience, at FROM events WHERE seq > $1 ORDER BY seq"
ACTS = "SELECT count(*)::int FROM trending_acts"


async def log(after: int = 0) -> list[Logged]:
    return [Logged(*row.values()) for row in await db.fetch(LOGGED, after)]


# what acts weigh, and when


@pytest.mark.parametrize(
    ("placing", "weight"),
    [
        (None, 0),
        (Placing(None, None), 0),
        (Placing(1, None), 6),
        (Placing(2, None), 5),
        (Placing(5, None), 2),
        (Placing(None, "acceptable"), 1),
        (Placing(None, "second_chance"), 0),
        (Placing(None, "dissatisfied"), 0),
    ],
)
def test_a_ranking_weighs_what_it_says_for_the_dish(placing: Placing | None, weight: int) -> None:
    assert weight_of(placing) == weight


@pytest.mark.parametrize(("stars", "weight"), [(None, 3), (1, 0), (2, 1), (3, 3), (4, 5), (5, 7)])
def test_a_review_weighs_more_with_each_star_and_never_less_than_nothing(stars: int | None, weight: int) -> None:
    assert weight_of_review(stars) == weight


ANA, BEN, DISH = UserID(new_id()), UserID(new_id()), DishID(new_id())
KEY = Key("ranking", DISH, ANA)


def act(weight: int, clock: Clock, actor: UserID = ANA) -> Act:
    return Act("ranking", DISH, None, DISH, actor, weight, clock.time)


def test_what_somebody_does_again_on_a_day_counts_once_first_then_and_last_so(clock: Clock) -> None:
    clock.time = clock.time.replace(hour=8)
    first = act(6, clock)
    clock.forward(hours=3)
    second, other = act(2, clock), act(5, clock, BEN)
    clock.forward(days=1)
    third = act(4, clock)

    assert netted([first, second, other, third]) == ([], [second._replace(at=first.at), third, other])


def test_days_are_those_of_utc(clock: Clock) -> None:
    clock.time = clock.time.replace(hour=23, minute=59)
    evening = act(6, clock)
    clock.forward(minutes=2)

    assert netted([evening, act(6, clock)]) == ([], [evening, act(6, clock)])


@pytest.mark.parametrize(
    ("weights", "back", "done"),
    [([0], 1, []), ([6, 0], 1, []), ([0, 6], 1, [6]), ([6, 0, 5], 1, [5]), ([6, 0, 5, 0], 1, []), ([6, 5], 0, [5])],
)
def test_taking_back_undoes_what_was_done_before_and_not_what_is_done_after(
    clock: Clock, weights: list[int], back: int, done: list[int]
) -> None:
    keys, acts = netted([act(weight, clock) for weight in weights])

    assert (keys, [each.weight for each in acts]) == ([KEY] * back, done)


def test_what_is_done_again_after_it_was_taken_back_is_done_then(clock: Clock) -> None:
    early = act(6, clock)
    clock.forward(seconds=1)
    back = act(0, clock)
    clock.forward(seconds=1)
    late = act(6, clock)

    assert netted([early, back, late]) == ([KEY], [late])


@pytest.mark.parametrize(("hours", "score"), [(-12, 4), (-6, 2), (0, 1), (6, 0.5), (12, 0.25), (6000, 0), (1, 0.891)])
def test_a_score_is_half_of_it_a_half_life_later(clock: Clock, hours: int, score: float) -> None:
    one_at = clock.time
    clock.forward(hours=hours)

    assert score_at(clock.time, one_at, 6 * 3600) == score


@pytest.mark.parametrize(
    ("city", "dish_type", "scope"), [("fr-paris", None, "dishes:fr-paris"), ("paris", "pho", "dishes:paris:pho")]
)
def test_a_list_is_named_after_its_city_and_type(city: str, dish_type: str | None, scope: str) -> None:
    assert scope_of(city, dish_type) == scope


# who counts


@pytest.mark.parametrize(("people", "listing"), [(4, 0), (5, 1)])
async def test_a_dish_is_listed_from_five_different_people_on(clock: Clock, people: int, listing: int) -> None:
    await crowd(clock, await dish_in(), people)

    assert len(await listed()) == len(await listed(dish_type="pizza")) == listing
    assert await listed(dish_type="sushi") == []


async def test_one_who_does_much_is_one(clock: Clock) -> None:
    dish, ana = await dish_in(), somebody()
    await crowd(clock, dish, 3)
    for _ in range(3):
        await fold([ranking(clock, dish, ana, before=Placing(2, None))])
        clock.forward(days=0.5)

    assert await listed() == []


async def test_doing_it_again_on_the_same_day_adds_nothing(clock: Clock) -> None:
    clock.time = clock.time.replace(hour=1)
    dish = await dish_in()
    people = await crowd(clock, dish, 5)
    clock.forward(hours=6)

    await fold([ranking(clock, dish, each, before=Placing(2, None)) for each in people])

    (only,) = (await read()).top
    assert only.trending_score == 15  # 5 x 6, half of it


async def test_doing_it_again_on_another_day_adds(clock: Clock) -> None:
    clock.time = clock.time.replace(hour=20)
    dish = await dish_in()
    people = await crowd(clock, dish, 5)
    clock.forward(hours=6)

    await fold([ranking(clock, dish, each, before=Placing(2, None)) for each in people])

    (only,) = (await read()).top
    assert only.trending_score == 15 + 30


async def test_a_rank_that_is_changed_on_a_day_weighs_as_it_is_now(clock: Clock) -> None:
    dish = await dish_in()
    people = await crowd(clock, dish, 5)

    await fold([ranking(clock, dish, people[0], 5, before=Placing(1, None))])

    assert (await read()).top[0].trending_score == 4 * 6 + 2


async def test_other_notes_are_no_act(clock: Clock) -> None:
    dish = await dish_in()
    await crowd(clock, dish, 4)

    await fold([ranking(clock, dish, somebody(), 1, before=Placing(1, None))])

    assert await listed() == []


async def test_who_was_only_disappointed_makes_nothing_trend(clock: Clock) -> None:
    dish = await dish_in()

    await fold([ranking(clock, dish, somebody(), None, taste="dissatisfied") for _ in range(9)])

    assert await listed() == []


async def test_what_is_taken_back_no_longer_counts_whenever_it_was_done(clock: Clock) -> None:
    dish = await dish_in()
    people = await crowd(clock, dish, 6)
    clock.forward(days=1)
    await fold([ranking(clock, dish, people[0], 2, before=Placing(1, None))])

    await fold([unranking(clock, dish, people[0])])
    assert (await read()).top[0].trending_score == pytest.approx(30 / 16, abs=0.001)
    await fold([unranking(clock, dish, people[1])])

    assert await listed() == []


async def test_acts_of_who_leaves_go_with_them() -> None:
    dish, people = await dish_in(), [await make_user() for _ in range(5)]
    for each in people:
        await rank_dish(each, dish.id, NewRanking(rank=1, notes="x"))
    done = await log()
    await fold(done)
    assert await listed() == [dish.name]

    await leave(people[0], people[0].id)
    await fold(await log(done[-1].seq))

    assert await listed() == []
    assert await db.fetchval(ACTS) == 4


async def test_a_dish_that_is_gone_when_it_is_folded_counts_for_nothing(clock: Clock) -> None:
    ana = await make_user()
    dish = await make_dish(ana, await make_restaurant(city=CITY))
    before = await log()
    acts = [ranking(clock, dish, somebody()) for _ in range(5)]
    await remove_dish(ana, dish.id)
    removed = await log(before[-1].seq)

    await fold(acts)
    await fold(removed)

    assert (await listed(), await db.fetchval(ACTS)) == ([], 0)


# reviews, and what is said and liked of them


async def reviewed(dish: Dish, stars: int | None = None) -> tuple[Viewer, Review]:
    author = await make_user()
    return author, await review_dish(author, dish.id, NewReview(content="Crisp", stars=stars))


async def score(after: int) -> float:
    """Of the only dish there is, when what was done since is folded too."""
    await fold(await log(after))
    return sum(each.trending_score for each in (await read()).top)


@pytest.fixture
async def known(clock: Clock) -> tuple[Dish, int]:
    """A dish that five have ranked, worth 30, and how far the log is; nobody's clock goes on."""
    dish = await dish_in()
    await crowd(clock, dish, 5)
    clock.forward(seconds=1)  # the log has its own
    return dish, (await log())[-1].seq


def about(score: float) -> Any:
    """The log's clock is not the test's."""
    return pytest.approx(score, abs=0.1)


async def test_a_review_a_like_and_a_comment_weigh_each(known: tuple[Dish, int]) -> None:
    dish, before = known
    author, review = await reviewed(dish, 5)
    reader = await make_user()
    await like_review(reader, review.id)
    await comment_on(reader, Target("review", review.id), NewComment(content="Yes"))
    await comment_on(author, Target("review", review.id), NewComment(content="Indeed"))

    assert await score(before) == about(30 + 7 + 2 + 3 + 3)


async def test_several_comments_of_one_person_on_a_day_are_one_until_the_last_is_deleted(
    known: tuple[Dish, int],
) -> None:
    dish, before = known
    _, review = await reviewed(dish)
    reader = await make_user()
    said = [await comment_on(reader, Target("review", review.id), NewComment(content="Yes")) for _ in range(3)]
    assert await score(before) == about(30 + 3 + 3)

    await delete_comment(reader, said[0].id)
    await delete_comment(reader, said[1].id)
    assert await score(before) == about(30 + 3 + 3)
    await delete_comment(reader, said[2].id)

    assert await score(before) == about(30 + 3)


async def test_a_comment_goes_with_its_replies_and_a_review_with_all_that_was_said_and_liked(
    known: tuple[Dish, int],
) -> None:
    dish, before = known
    author, review = await reviewed(dish, 4)
    first, second = await make_user(), await make_user()
    comment = await comment_on(first, Target("review", review.id), NewComment(content="Yes"))
    await comment_on(second, Target("review", review.id), NewComment(content="No", parent_id=comment.id))
    await like_review(second, review.id)
    assert await score(before) == about(30 + 5 + 3 + 3 + 2)

    middle = (await log())[-1].seq
    await delete_comment(first, comment.id)
    assert await score(middle) == about(30 + 5 + 2)
    await comment_on(first, Target("review", review.id), NewComment(content="Again"))
    await fold(await log(middle))
    middle = (await log())[-1].seq
    await delete_review(author, review.id)

    assert await score(middle) == about(30)


async def test_stars_that_are_changed_weigh_as_they_are_now_and_other_words_nothing(known: tuple[Dish, int]) -> None:
    dish, before = known
    author, review = await reviewed(dish, 5)
    await edit_review(author, review.id, ReviewChanges(content="Soggy"))
    assert await score(before) == about(37)

    middle = (await log())[-1].seq
    await edit_review(author, review.id, ReviewChanges(stars=2))
    assert await score(middle) == about(31)
    middle = (await log())[-1].seq
    await edit_review(author, review.id, ReviewChanges(stars=1))

    assert await score(middle) == about(30)


async def test_a_like_that_is_taken_back_and_what_is_said_of_posts_count_for_nothing(known: tuple[Dish, int]) -> None:
    dish, before = known
    _, review = await reviewed(dish)
    reader = await make_user()
    await make_comment(await make_post())
    await like_review(reader, review.id)
    await fold(await log(before))
    middle = (await log())[-1].seq
    await unlike_review(reader, review.id)

    assert await score(middle) == about(33)


async def test_what_is_said_and_deleted_before_it_is_folded_counts_for_nothing(known: tuple[Dish, int]) -> None:
    dish, before = known
    author, review = await reviewed(dish)
    reader = await make_user()
    await like_review(reader, review.id)
    await comment_on(reader, Target("review", review.id), NewComment(content="Yes"))
    await delete_review(author, review.id)

    assert await score(before) == about(30)
    assert await db.fetchval(ACTS) == 5


async def test_those_who_review_are_people_like_those_who_rank() -> None:
    dish = await dish_in()
    before = (await log())[-1].seq
    for _ in range(5):
        await reviewed(dish, 5)

    assert await score(before) == about(35)


# fading


async def test_a_dish_leaves_when_its_people_are_too_few_though_nobody_does_anything(clock: Clock) -> None:
    dish = await dish_in()
    await crowd(clock, dish, 4)
    clock.forward(hours=1)
    await crowd(clock, dish, 1)
    clock.forward(hours=47, seconds=1)
    assert await listed() == [dish.name]

    await tick(clock)

    assert await listed() == []
    assert [msgspec.json.decode(data)["top"] for _, data in await told()][-2:] == [[], []]
    assert await db.fetchval(ACTS) == 1


async def test_nothing_is_asked_of_the_fold_while_nothing_is_too_old(clock: Clock) -> None:
    await crowd(clock, await dish_in(), 5)
    clock.forward(hours=47)

    await let_go()

    assert [each for each in await log() if each.type == TrendingDue.type] == []


async def test_letting_go_goes_on_until_it_is_done(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.trending.actions.EXPIRED", 2)
    await crowd(clock, await dish_in(), 5)
    clock.forward(hours=49)

    await tick(clock)

    assert await db.fetchval(ACTS) == 3
    assert [each.type for each in await log()][-1:] == [TrendingDue.type]


async def test_what_is_folded_too_late_counts_for_nothing(clock: Clock) -> None:
    dish = await dish_in()
    acts = [ranking(clock, dish, somebody()) for _ in range(5)]
    clock.forward(hours=49)

    await fold(acts)

    assert (await listed(), await db.fetchval(ACTS)) == ([], 0)


async def test_time_alone_writes_and_tells_nothing(clock: Clock) -> None:
    one, other = await dish_in(), await dish_in()
    await crowd(clock, one, 5)
    await crowd(clock, other, 6)
    before = await told()
    clock.forward(hours=6)

    await tick(clock)

    assert await told() == before
    assert [each.trending_score for each in (await read()).top] == [18, 15]


# what is told


async def test_a_list_is_told_whole_to_those_of_the_city_and_of_the_type(clock: Clock) -> None:
    first, second = await dish_in(), await dish_in(dish_type="sushi")
    await crowd(clock, first, 5)

    await crowd(clock, second, 6)

    whole, sushi = await read(), await read(dish_type="sushi")
    assert [topic for topic, _ in await told()] == [
        "trending:dishes:springfield",
        "trending:dishes:springfield:pizza",
        "trending:dishes:springfield",
        "trending:dishes:springfield:sushi",
    ]
    news = [msgspec.json.decode(data, type=TrendingChanged) for _, data in await told()]
    assert [each.version for each in news] == [1, 1, 2, 1]
    assert (news[2].version, news[2].at, news[2].top) == (whole.version, whole.at, whole.top)
    assert (news[3].version, news[3].at, news[3].top) == (sushi.version, sushi.at, sushi.top)
    assert [each.dish_name for each in whole.top] == [second.name, first.name]


async def test_what_changes_no_list_is_not_told(clock: Clock) -> None:
    await crowd(clock, await dish_in(), 5)
    before = await told()

    await crowd(clock, await dish_in(), 4)
    await crowd(clock, await dish_in("Shelbyville"), 4)

    assert await told() == before


async def test_what_does_not_reach_the_top_is_not_told(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.trending.actions.TOP", 2)
    await crowd(clock, await dish_in(), 7)
    await crowd(clock, await dish_in(), 6)
    before = await told()

    await crowd(clock, await dish_in(), 5)

    assert await told() == before


async def test_the_count_of_rankings_follows_when_it_is_counted() -> None:
    dish, people = await dish_in(), [await make_user() for _ in range(5)]
    for each in people:
        await rank_dish(each, dish.id, NewRanking(rank=1, notes="x"))
    done = await log()
    await fold(done)
    assert [each.ranking_count for each in (await read()).top] == [0]

    await counters.fold(done)
    await fold(await log(done[-1].seq))

    assert [each.ranking_count for each in (await read()).top] == [5]
    assert [msgspec.json.decode(data)["top"][0]["ranking_count"] for _, data in await told()] == [0, 0, 5, 5]


async def test_a_dish_that_is_renamed_is_told_anew_and_one_no_longer_available_is_not_listed(clock: Clock) -> None:
    ana = await make_user()
    dish = await make_dish(ana, await make_restaurant(city=CITY))
    await crowd(clock, dish, 5)
    before = await log()

    await edit_dish(ana, dish.id, DishChanges(name="Calzone"))
    await fold(await log(before[-1].seq))
    assert await listed() == ["Calzone"]
    renamed = await log()
    await edit_dish(ana, dish.id, DishChanges(is_available=False))
    await fold(await log(renamed[-1].seq))

    assert await listed() == []


async def test_a_restaurant_that_moves_takes_its_dishes_along(clock: Clock) -> None:
    ana = await make_user()
    there = await make_restaurant(ana, city=CITY)
    dish = await make_dish(ana, there)
    await crowd(clock, dish, 5)
    before = await log()

    await edit_restaurant(ana, there.id, RestaurantChanges(city="Shelbyville"))
    await fold(await log(before[-1].seq))

    assert (await listed(), await listed("Shelbyville")) == ([], [dish.name])
    assert [(topic, len(msgspec.json.decode(data)["top"])) for topic, data in (await told())[-4:]] == [
        ("trending:dishes:shelbyville", 1),
        ("trending:dishes:shelbyville:pizza", 1),
        ("trending:dishes:springfield", 0),
        ("trending:dishes:springfield:pizza", 0),
    ]


async def test_an_unknown_city_or_type_is_named() -> None:
    with pytest.raises(ListNotFound) as refused:
        await read_trending("Nowhere", "stones", 5)

    assert set(refused.value.details) == {"city", "dish_type"}


async def test_a_city_where_nobody_does_anything_has_an_empty_list_of_version_0(clock: Clock) -> None:
    await dish_in()

    found = await read(dish_type="pho")

    assert (found.scope, found.version, found.top, found.at) == ("dishes:springfield:pho", 0, [], stamp(now()))


# what it costs


@pytest.mark.parametrize("number", [1, 40])
async def test_folding_takes_as_many_statements_for_many_dishes_as_for_one(
    clock: Clock, statements: Statements, number: int
) -> None:
    dishes = [await dish_in(f"City {i}") for i in range(number)]
    acts = [ranking(clock, dish, somebody()) for dish in dishes for _ in range(5)]

    run = await statements(fold(acts))

    assert len(run) == 6  # let go, add, list, compare, keep, tell
