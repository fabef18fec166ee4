"""What is below reviews: comments, counts, notifications and mentions, as below posts; and what is left of it all."""

from typing import Any

import msgspec
import pytest

from domain import db, topics
from domain.accounts.actions import ProfileChanges, change_profile
from domain.accounts.rules import Viewer
from domain.comments.actions import CommentChanges, NotYourComment, delete_comment, edit_comment
from domain.comments.events import CommentCreated
from domain.comments.queries import Comment, CommentNotFound, read_comment, read_comments, spoken_on
from domain.counters.events import DishCounters, RestaurantCounters, ReviewCounters
from domain.departures import leave
from domain.dishes.queries import read_dish
from domain.eventlog import Event
from domain.graph.actions import block_user, mute_user
from domain.notifications.queries import Notification, read_notifications
from domain.places.queries import read_restaurant
from domain.reviews.actions import ReviewChanges, delete_review, edit_review, like_review, unlike_review
from domain.reviews.queries import Review, ReviewNotFound, read_review
from domain.targets import Target
from tests.factories import make_comment, make_dish, make_review, make_user, settle

pytestmark = pytest.mark.usefixtures("own_database")

TOLD = "SELECT topics, data::text AS data FROM events WHERE type = $1 ORDER BY seq"


async def told(kind: type[Event]) -> list[tuple[list[str], Any]]:
    return [(row["topics"], msgspec.json.decode(row["data"], type=kind)) for row in await db.fetch(TOLD, kind.type)]


async def last_told(kind: type[Event]) -> dict[str, Any]:
    """The last that was told on each topic."""
    return {heard_by[0]: event for heard_by, event in await told(kind)}


async def on(viewer: Viewer, review: Review, parent: Comment | None = None) -> list[Comment]:
    target = Target("review", review.id)
    return await read_comments(viewer, target, None if parent is None else parent.id, None, 100)


async def inbox(viewer: Viewer) -> list[Notification]:
    await settle()
    return (await read_notifications(viewer, None, 100)).items


async def lines(viewer: Viewer) -> list[tuple[str, str, int]]:
    return [(each.type, each.batch_key, each.batch_count) for each in await inbox(viewer)]


# comments


async def test_a_comment_on_a_review_is_told_on_its_topic() -> None:
    review, ana = await make_review(), await make_user()

    said = await make_comment(review, ana)

    assert await told(CommentCreated) == [
        ([topics.review(review.id), topics.holds(f"comment:{said.id}")], CommentCreated(comment=said))
    ]
    assert await on(await make_user(), review) == [said]
    assert await spoken_on({ana.id}, {review.id}) == {(ana.id, review.id)}


async def test_who_cannot_see_the_review_can_neither_comment_nor_read_comments() -> None:
    ana, ben = await make_user(), await make_user()
    review = await make_review(ana)
    said = await make_comment(review, ben)
    await change_profile(ana, ana.id, ProfileChanges(privacy_level="followers"))

    with pytest.raises(ReviewNotFound):
        await make_comment(review, ben)
    with pytest.raises(ReviewNotFound):
        await on(ben, review)
    with pytest.raises(CommentNotFound):
        await read_comment(ben, said.id)
    assert await on(ana, review) == [said]


async def test_a_block_hides_each_others_comments_and_what_is_below_them() -> None:
    ana, ben, eve = [await make_user() for _ in range(3)]
    review = await make_review()
    hers = await make_comment(review, ana)
    below = await make_comment(review, eve, hers)
    his = await make_comment(review, ben)

    await block_user(ana, ben.id)

    assert [each.id for each in await on(ana, review)] == [hers.id]
    assert [each.id for each in await on(ben, review)] == [his.id]
    assert {each.id for each in await on(eve, review)} == {hers.id, his.id}
    with pytest.raises(CommentNotFound):
        await on(ben, review, hers)
    with pytest.raises(CommentNotFound):
        await read_comment(ben, below.id)


async def test_the_reviews_author_deletes_any_comment_on_it_and_nobody_else_does() -> None:
    ana, eve = await make_user(), await make_user()
    review = await make_review(ana)
    said = await make_comment(review)

    with pytest.raises(NotYourComment):
        await delete_comment(eve, said.id)
    await delete_comment(ana, said.id)

    assert await on(eve, review) == []


async def test_an_edited_comment_is_told_on_the_reviews_topic() -> None:
    review, ana = await make_review(), await make_user()
    said = await make_comment(review, ana)

    await edit_comment(ana, said.id, CommentChanges(content="Better"))

    row = await db.fetchrow("SELECT topics FROM events WHERE type = 'comment.edited'")
    assert row is not None
    assert row["topics"][0] == topics.review(review.id)


async def test_a_deleted_review_takes_its_comments_and_replies_along() -> None:
    ana = await make_user()
    review, kept = await make_review(ana), await make_review(ana)
    said, other = await make_comment(review), await make_comment(kept)
    await make_comment(review, None, said)

    await delete_review(ana, review.id)

    assert [row["id"] for row in await db.fetch("SELECT id FROM comments")] == [other.id]


# counts


async def test_likes_and_comments_are_counted_and_told_absolutely() -> None:
    ben, review = await make_user(), await make_review()
    await like_review(ben, review.id)
    await like_review(await make_user(), review.id)
    said = await make_comment(review, ben)
    await make_comment(review, None, said)
    await settle()
    await unlike_review(ben, review.id)
    await settle()

    seen = await read_review(await make_user(), review.id)

    assert (seen.counters.likes, seen.counters.comments) == (1, 2)
    assert [event for _, event in await told(ReviewCounters)][-1] == ReviewCounters(likes=1, comments=2)
    assert {heard_by[0] for heard_by, _ in await told(ReviewCounters)} == {topics.review(review.id)}


async def test_what_is_said_of_a_dish_is_counted_there_and_at_its_restaurant() -> None:
    ana, dish = await make_user(), await make_dish()
    mine = await make_review(ana, dish)
    await make_review(None, dish)
    await settle()
    await delete_review(ana, mine.id)
    at_once = (await read_dish(ana, dish.id)).counters.reviews
    await settle()

    there = dish.restaurant.id
    assert at_once == 1
    assert (await read_dish(await make_user(), dish.id)).counters.reviews == 1
    assert (await read_restaurant(ana, there)).counters.reviews == 1
    assert (await last_told(DishCounters))[topics.dish(dish.id)] == DishCounters(rankings=0, reviews=1)
    assert (await last_told(RestaurantCounters))[topics.restaurant(there)] == RestaurantCounters(dishes=1, reviews=1)


async def test_who_acts_sees_their_own_comment_before_it_is_folded() -> None:
    ben, review = await make_user(), await make_review()

    said = await make_comment(review, ben)
    counted = [(await read_review(ben, review.id)).counters.comments]
    await delete_comment(ben, said.id)
    counted.append((await read_review(ben, review.id)).counters.comments)

    assert counted == [1, 0]


async def test_a_deleted_review_leaves_no_count() -> None:
    ana = await make_user()
    review = await make_review(ana)
    await make_comment(review)
    await settle()
    await delete_review(ana, review.id)
    await settle()

    assert await db.fetchval("SELECT count(*) FROM review_counts") == 0


# notifications


async def test_a_like_of_a_review_is_told_to_its_author_and_several_are_a_group() -> None:
    ana, ben = await make_user(), await make_user(username="ben")
    review = await make_review(ana)
    key = f"review_interaction:review:{review.id}"

    await like_review(ben, review.id)
    (single,) = await inbox(ana)
    await like_review(await make_user(), review.id)
    batch = await lines(ana)

    assert (single.type, single.batch_key, single.message) == ("review_like", key, "ben liked your review")
    assert msgspec.to_builtins(single.data) == {"review_id": str(review.id)}
    assert batch == [("review_interaction", key, 2)]


async def test_a_like_that_is_taken_back_is_told_no_longer() -> None:
    ana, ben = await make_user(), await make_user()
    review = await make_review(ana)
    await like_review(ben, review.id)
    await settle()

    await unlike_review(ben, review.id)

    assert await lines(ana) == []


async def test_comments_replies_and_mentions_below_a_review_are_told_to_whom_they_concern() -> None:
    ana, ben, eve = [await make_user(username=name) for name in ("ana", "ben", "eve")]
    review = await make_review(ana)

    said = await make_comment(review, ben, content="Tell @eve")
    reply = await make_comment(review, eve, said)
    (comment, *_) = [each for each in await inbox(ana) if each.batch_count == 2]

    assert (comment.type, comment.batch_key) == ("comment", f"comment:review:{review.id}")
    assert comment.message == "2 new comments on your review"
    assert msgspec.to_builtins(comment.data) == {"review_id": str(review.id)}
    (mention,) = await inbox(eve)
    assert (mention.type, mention.batch_key) == ("mention", f"mention:review:{review.id}")
    assert msgspec.to_builtins(mention.data) == {"review_id": str(review.id), "comment_id": str(said.id)}
    (replied,) = await inbox(ben)
    assert (replied.type, replied.batch_key) == ("reply", f"reply:comment:{said.id}")
    assert msgspec.to_builtins(replied.data) == {
        "review_id": str(review.id),
        "comment_id": str(reply.id),
        "parent_id": str(said.id),
    }


async def test_whom_an_edit_no_longer_mentions_hears_no_more_of_it() -> None:
    ben, eve = await make_user(), await make_user(username="eve")
    review = await make_review()
    said = await make_comment(review, ben, content="Tell @eve")
    before = len(await inbox(eve))

    await edit_comment(ben, said.id, CommentChanges(content="Tell nobody"))

    assert (before, await lines(eve)) == (1, [])


async def test_of_somebody_muted_nothing_is_told() -> None:
    ana, ben = await make_user(), await make_user()
    review = await make_review(ana)
    await mute_user(ana, ben.id)

    await like_review(ben, review.id)
    await make_comment(review, ben)

    assert await lines(ana) == []


async def test_a_deleted_review_takes_all_that_was_told_of_it_along() -> None:
    ana, ben = await make_user(), await make_user()
    review = await make_review(ana)
    said = await make_comment(review, ben)
    await make_comment(review, ana, said)
    await like_review(ben, review.id)
    before = [len(await inbox(each)) for each in (ana, ben)]

    await delete_review(ana, review.id)

    assert (before, await lines(ana), await lines(ben)) == ([2, 1], [], [])


# leaving


async def test_leaving_takes_back_reviews_likes_and_comments_and_every_count_is_true() -> None:
    ana, ben, dish = await make_user(), await make_user(), await make_dish()
    mine, his = await make_review(ana, dish), await make_review(ben, dish)
    await like_review(ana, his.id)
    await like_review(ben, mine.id)
    await make_comment(his, ana)
    await make_comment(mine, ben)
    await edit_review(ana, mine.id, ReviewChanges(stars=5))
    await settle()

    await leave(ana, ana.id)
    await settle()

    assert [row["id"] for row in await db.fetch("SELECT id FROM reviews")] == [his.id]
    assert (await read_review(ben, his.id)).counters == (await read_review(await make_user(), his.id)).counters
    assert (await last_told(ReviewCounters))[topics.review(his.id)] == ReviewCounters(likes=0, comments=0)
    assert (await read_dish(await make_user(), dish.id)).counters.reviews == 1
    assert await db.fetchval("SELECT count(*) FROM review_counts") == 1
    assert await lines(ben) == []
    assert await db.fetchval("SELECT count(*) FROM event_failures") == 0


@pytest.mark.parametrize("level", ["public", "followers"])
async def test_who_leaves_is_heard_to_delete_each_review_where_it_was_told(level: Any) -> None:
    ana, dish = await make_user(), await make_dish()
    review = await make_review(ana, dish)
    await change_profile(ana, ana.id, ProfileChanges(privacy_level=level))

    await leave(ana, ana.id)

    row = await db.fetchrow("SELECT topics, actor, data::text AS data FROM events WHERE type = 'review.deleted'")
    assert row is not None
    mine = topics.review(review.id)
    everywhere = [topics.dish(dish.id), topics.restaurant(dish.restaurant.id)] if level == "public" else []
    assert (row["topics"], row["actor"]) == ([mine, topics.gone(mine), *everywhere], ana.id)
    assert msgspec.json.decode(row["data"]) == {
        "id": str(review.id),
        "author_id": str(ana.id),
        "dish_id": str(dish.id),
        "restaurant_id": str(dish.restaurant.id),
    }


# plans


async def plan(sql: str, *args: object) -> str:
    async with db.transaction():
        await db.execute("SET LOCAL enable_seqscan = off")
        rows = await db.fetch(f"EXPLAIN {sql}", *args)
    return "\n".join(row[0] for row in rows)


async def test_a_comment_is_looked_up_by_keys_whatever_it_is_on() -> None:
    ana = await make_user()
    said = await make_comment(await make_review(), ana)

    found = await plan("SELECT * FROM visible_comments($1) WHERE id = $2", ana.id, said.id)

    assert "Seq Scan" not in found
    assert found.count("Index Cond: (id = c.target_id)") == 2, found
