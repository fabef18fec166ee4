"""What people say of dishes: who may see it, what is told of it, and what likes it."""

from typing import Any

import msgspec
import pytest

from domain import db, eventlog, topics
from domain.accounts.queries import UserNotFound, UserRef
from domain.accounts.rules import Viewer
from domain.clock import stamp
from domain.dishes.actions import remove_dish
from domain.dishes.queries import Dish, DishNotFound, read_dish
from domain.eventlog import Event
from domain.graph.actions import block_user, follow_user
from domain.ids import DishID, ReviewID, new_id
from domain.rankings.actions import NewRanking, rank_dish
from domain.rankings.queries import DishRef
from domain.reactions.queries import Likes
from domain.reviews.actions import (
    AlreadyReviewed,
    NewReview,
    NothingToChange,
    NotYourReview,
    ReviewChanges,
    delete_review,
    edit_review,
    like_review,
    review_dish,
    unlike_review,
)
from domain.reviews.events import ReviewCreated, ReviewDeleted, ReviewEdited, ReviewLiked, ReviewUnliked
from domain.reviews.queries import (
    Review,
    ReviewNotFound,
    ReviewOwn,
    ReviewTotals,
    heard_of,
    position_of,
    read_likers,
    read_review,
    read_reviews_on,
    review_access,
)
from domain.reviews.rules import Content, Photos, Stars
from tests.conftest import Clock, Statements
from tests.factories import make_dish, make_review, make_user

PHOTO = "https://example.org/a.jpg"
FULL: dict[str, Any] = {"content": "Wonderful crust", "stars": 5, "photos": [PHOTO, "https://example.org/b.jpg"]}
EVENTS = "SELECT type, topics, data::text AS data, actor, audience FROM events WHERE type LIKE 'review.%' ORDER BY seq"


async def events() -> list[db.Row]:
    return list(await db.fetch(EVENTS))


async def event(kind: type[Event]) -> tuple[list[str], Any]:
    """Where it was told, and what."""
    (found,) = [row for row in await events() if row["type"] == kind.type]
    return found["topics"], msgspec.json.decode(found["data"], type=kind)


def everywhere(dish: Dish) -> list[str]:
    return [topics.dish(dish.id), topics.restaurant(dish.restaurant.id)]


async def may_see(viewer: Viewer, review: Review) -> bool:
    try:
        await read_review(viewer, review.id)
    except ReviewNotFound:
        return False
    return True


# what a review may be


@pytest.mark.parametrize("content", ["a", " ñ ", "two\nlines", "x" * 5000])
def test_a_review_is_any_text_that_says_something(content: str) -> None:
    assert msgspec.convert(content, Content) == content


@pytest.mark.parametrize("content", ["", " \n", "x" * 5001, "a\0b"])
def test_a_review_is_neither_blank_nor_long_nor_holds_nul(content: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(content, Content)


@pytest.mark.parametrize("stars", [0, 6, -1, 2.5, "3", True])
def test_there_are_one_to_five_stars_and_no_halves(stars: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(stars, Stars)


@pytest.mark.parametrize("photos", [["ftp://example.org/a"], ["a.jpg"], [PHOTO] * 11, PHOTO, [None]])
def test_there_are_up_to_ten_photos_at_web_addresses(photos: Any) -> None:
    assert msgspec.convert([PHOTO] * 10, Photos)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(photos, Photos)


# reviewing and reading


async def test_a_review_is_what_was_said_of_which_dish_by_whom_and_when(clock: Clock) -> None:
    ana, dish = await make_user(username="ana", display_name="Ana"), await make_dish()

    review = await review_dish(ana, dish.id, NewReview(**FULL))

    assert review == Review(
        id=review.id,
        author=UserRef(ana.id, "ana", "Ana", None),
        dish_id=dish.id,
        dish=DishRef(dish.id, dish.name),
        restaurant_id=dish.restaurant.id,
        counters=ReviewTotals(likes=0, comments=0),
        viewer=ReviewOwn(liked=False),
        created_at=stamp(clock.time),
        edited_at=None,
        **FULL,
    )
    assert await read_review(ana, review.id) == review


async def test_stars_and_photos_may_be_left_out() -> None:
    review = await make_review()

    assert (review.stars, review.photos) == (None, [])


async def test_a_review_is_told_on_its_dish_and_restaurant_with_what_follows_needs_to_know() -> None:
    ana, dish = await make_user(), await make_dish()

    review = await make_review(ana, dish)

    told_on, told = await event(ReviewCreated)
    assert told_on == [*everywhere(dish), topics.holds(topics.review(review.id))]
    assert told == ReviewCreated(review=msgspec.structs.replace(review, viewer=None), dish_type="pizza", city=None)
    assert [row["actor"] for row in await events()] == [ana.id]


@pytest.mark.parametrize("level", ["followers", "private"])
async def test_what_somebody_says_who_is_not_public_is_told_to_who_listens_to_it_alone(level: str) -> None:
    ana, dish = await make_user(), await make_dish()
    await db.execute("UPDATE users SET privacy_level = $2 WHERE id = $1", ana.id, level)

    review = await make_review(ana, dish)
    await edit_review(ana, review.id, ReviewChanges(stars=3))
    await delete_review(ana, review.id)

    mine = topics.review(review.id)
    assert [row["topics"] for row in await events()] == [[], [mine, topics.holds(mine)], [mine, topics.gone(mine)]]


async def test_each_person_reviews_a_dish_once_and_is_told_which_review_there_is() -> None:
    ana, dish = await make_user(), await make_dish()
    review = await make_review(ana, dish)

    with pytest.raises(AlreadyReviewed) as refused:
        await make_review(ana, dish, content="Once more")

    assert refused.value.details == {"review_id": str(review.id)}
    assert (await read_review(ana, review.id)).content == review.content
    assert len(await events()) == 1


async def test_what_was_deleted_may_be_said_anew() -> None:
    ana, dish = await make_user(), await make_dish()
    await delete_review(ana, (await make_review(ana, dish)).id)

    again = await make_review(ana, dish)

    assert await read_reviews_on(ana, dish.id, None, 10) == [again]


async def test_of_a_dish_that_is_not_there_nothing_can_be_said() -> None:
    ana, nothing = await make_user(), DishID(new_id())

    with pytest.raises(DishNotFound):
        await review_dish(ana, nothing, NewReview(content="Good"))
    with pytest.raises(DishNotFound):
        await read_reviews_on(ana, nothing, None, 10)


async def test_an_account_that_is_gone_says_nothing() -> None:
    ana, dish = await make_user(), await make_dish()
    await db.execute("DELETE FROM users WHERE id = $1", ana.id)

    with pytest.raises(UserNotFound):
        await make_review(ana, dish)


async def test_reviewing_costs_three_statements_and_a_page_one(statements: Statements) -> None:
    ana, dish = await make_user(), await make_dish()

    written = await statements(make_review(ana, dish))
    read = await statements(read_reviews_on(ana, dish.id, None, 10))

    assert (len([sql for sql in written if "SAVEPOINT" not in sql]), len(read)) == (3, 1)


async def test_reviews_of_a_dish_are_paged_the_newest_first() -> None:
    ana, dish = await make_user(), await make_dish()
    made = [await make_review(dish=dish) for _ in range(4)]

    first = await read_reviews_on(ana, dish.id, None, 3)
    second = await read_reviews_on(ana, dish.id, first[-1].id, 3)

    assert [each.id for each in first + second] == [each.id for each in reversed(made)]


async def test_a_dish_that_was_reviewed_stays_and_is_no_longer_available() -> None:
    ana = await make_user()
    dish = await make_dish(ana)
    await make_review(dish=dish)

    await remove_dish(ana, dish.id)

    assert (await read_dish(ana, dish.id)).is_available is False


# who may see it


async def test_who_may_not_see_the_author_sees_no_review_either_way() -> None:
    ana, ben = await make_user(), await make_user()
    review = await make_review(ana)
    his = await make_review(ben)

    await block_user(ana, ben.id)

    assert not await may_see(ben, review)
    assert not await may_see(ana, his)
    assert await read_reviews_on(ben, review.dish_id, None, 10) == []


@pytest.mark.parametrize("level", ["followers", "private"])
async def test_of_who_is_not_public_only_followers_see_what_they_say(level: str) -> None:
    ana, ben, eve = [await make_user() for _ in range(3)]
    review = await make_review(ana)
    await follow_user(ben, ana.id)
    await db.execute("UPDATE users SET privacy_level = $2 WHERE id = $1", ana.id, level)

    seen = [await may_see(viewer, review) for viewer in (ana, ben, eve)]

    assert seen == [True, True, False]
    asked = [(viewer.id, review.id) for viewer in (ana, ben, eve)]
    assert [verdict for *_, verdict in await review_access(asked)] == ["ok", "ok", "private"]


async def test_who_asks_to_listen_is_told_why_not() -> None:
    ana, ben = await make_user(), await make_user()
    review, nothing = await make_review(ana), new_id()
    await block_user(ben, ana.id)

    found = await review_access([(ana.id, review.id), (ben.id, review.id), (ana.id, nothing)])

    assert {(viewer, verdict) for viewer, _, _, verdict in found} == {
        (ana.id, "ok"),
        (ben.id, "blocked"),
        (ana.id, "deleted"),
    }
    assert {owner for _, thing, owner, _ in found if thing == review.id} == {ana.id}


async def test_who_ranked_or_reviewed_on_a_dish_or_at_a_restaurant_is_known() -> None:
    ana, ben, eve = [await make_user() for _ in range(3)]
    dish, other = await make_dish(), await make_dish()
    await rank_dish(ana, dish.id, NewRanking(rank=1, notes="Good"))
    await make_review(ben, dish)
    there = dish.restaurant.id

    found = await heard_of({ana.id, ben.id, eve.id}, {dish.id, other.id, there})

    assert found == {(who.id, thing) for who in (ana, ben) for thing in (dish.id, there)}


# editing and deleting


async def test_an_edit_changes_what_it_names_and_tells_all_that_it_says_now(clock: Clock) -> None:
    ana, dish = await make_user(), await make_dish()
    review = await make_review(ana, dish, **FULL)

    edited = await edit_review(ana, review.id, ReviewChanges(stars=None, content="Less wonderful"))

    expected = msgspec.structs.replace(review, stars=None, content="Less wonderful", edited_at=stamp(clock.time))
    assert edited == expected == await read_review(ana, review.id)
    told_on, told = await event(ReviewEdited)
    mine = topics.review(review.id)
    assert told_on == [mine, *everywhere(dish), topics.holds(mine)]
    assert told == ReviewEdited(
        id=review.id,
        dish_id=dish.id,
        restaurant_id=dish.restaurant.id,
        content="Less wonderful",
        stars=None,
        stars_before=5,
        photos=review.photos,
        edited_at=stamp(clock.time),
    )


async def test_an_edit_of_nothing_is_refused() -> None:
    review = await make_review()

    with pytest.raises(NothingToChange) as refused:
        await edit_review(await make_user(), review.id, ReviewChanges())

    assert set(refused.value.details) == {"content", "stars", "photos"}


async def test_only_its_author_may_edit_or_delete_a_review() -> None:
    ben, review = await make_user(), await make_review()

    with pytest.raises(NotYourReview):
        await edit_review(ben, review.id, ReviewChanges(stars=1))
    with pytest.raises(NotYourReview):
        await delete_review(ben, review.id)

    assert await may_see(ben, review)
    assert [row["type"] for row in await events()] == ["review.created"]


async def test_to_who_cannot_see_a_review_it_is_not_there() -> None:
    ana, ben = await make_user(), await make_user()
    review = await make_review(ana)
    await block_user(ana, ben.id)

    for act in (edit_review(ben, review.id, ReviewChanges(stars=1)), delete_review(ben, review.id)):
        with pytest.raises(ReviewNotFound):
            await act
    for act in (like_review(ben, review.id), unlike_review(ben, review.id), read_likers(ben, review.id, None, 9)):
        with pytest.raises(ReviewNotFound):
            await act


async def test_a_review_that_is_deleted_takes_its_likes_along_and_is_told_once() -> None:
    ana, dish = await make_user(), await make_dish()
    review = await make_review(ana, dish)
    await like_review(await make_user(), review.id)

    await delete_review(ana, review.id)

    told_on, told = await event(ReviewDeleted)
    mine = topics.review(review.id)
    assert told_on == [mine, *everywhere(dish), topics.gone(mine)]
    assert told == ReviewDeleted(id=review.id, author_id=ana.id, dish_id=dish.id, restaurant_id=dish.restaurant.id)
    assert await db.fetchval("SELECT count(*) FROM review_likes") == 0


# likes


async def test_a_like_counts_at_once_for_who_likes_and_twice_is_once() -> None:
    ben, review = await make_user(), await make_review()

    answers = [await like_review(ben, review.id) for _ in range(2)]

    assert answers == [Likes(1, liked=True)] * 2
    mine = await read_review(ben, review.id)
    assert (mine.counters.likes, mine.viewer) == (1, ReviewOwn(liked=True))
    assert [row["type"] for row in await events()][1:] == ["review.liked"]
    assert await event(ReviewLiked) == ([], ReviewLiked(review_id=review.id, user_id=ben.id))


async def test_a_like_that_is_taken_back_is_told_and_one_that_is_not_there_is_not() -> None:
    ben, review = await make_user(), await make_review()
    await like_review(ben, review.id)

    answers = [await unlike_review(ben, review.id) for _ in range(2)]

    assert answers == [Likes(0, liked=False)] * 2
    assert await event(ReviewUnliked) == ([], ReviewUnliked(review_id=review.id, user_id=ben.id))
    assert (await read_review(ben, review.id)).counters.likes == 0


async def test_liking_and_unliking_are_a_statement_each(statements: Statements) -> None:
    ben, review = await make_user(), await make_review()

    assert len(await statements(like_review(ben, review.id))) == 1
    assert len(await statements(unlike_review(ben, review.id))) == 1


async def test_this_process_hears_of_what_changed_and_not_of_what_was_so_already() -> None:
    ben, review = await make_user(), await make_review()
    heard: list[Event] = []
    unlisten = eventlog.listen(heard.append)
    for act in (unlike_review, like_review, like_review, unlike_review, unlike_review):
        await act(ben, review.id)
    unlisten()

    assert heard == [
        ReviewLiked(review_id=review.id, user_id=ben.id),
        ReviewUnliked(review_id=review.id, user_id=ben.id),
    ]


async def test_who_likes_it_is_paged_the_latest_first_without_whom_one_cannot_see(clock: Clock) -> None:
    me, review = await make_user(), await make_review()
    people = [await make_user() for _ in range(4)]
    for each in people:
        clock.forward(seconds=1)
        await like_review(each, review.id)
    await block_user(me, people[1].id)

    first = await read_likers(me, review.id, None, 2)
    second = await read_likers(me, review.id, position_of(first[-1]), 2)

    assert [each.id for each in first + second] == [people[3].id, people[2].id, people[0].id]
    assert first[0].since == stamp(clock.time)


async def test_a_review_that_is_gone_cannot_be_liked() -> None:
    with pytest.raises(ReviewNotFound):
        await like_review(await make_user(), ReviewID(new_id()))
