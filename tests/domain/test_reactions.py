"""A like is a row and an event, whoever else is at it at the same time."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

import pytest

from domain import db, eventlog
from domain.accounts.rules import Viewer
from domain.eventlog import Event
from domain.ids import PostID, new_id
from domain.posts.actions import delete_post
from domain.posts.queries import PostNotFound, read_post
from domain.reactions import queries
from domain.reactions.actions import like_post, unlike_post
from domain.reactions.events import PostLiked, PostUnliked
from domain.reactions.queries import Likes
from tests.conftest import Statements
from tests.factories import make_post, make_user, settle

T = TypeVar("T")

ROWS = "SELECT count(*)::int FROM likes WHERE post_id = $1"
EVENTS = "SELECT type FROM events WHERE data->>'post_id' = $1::uuid::text ORDER BY seq"


async def rows(post_id: PostID) -> int:
    return await db.fetchval(ROWS, post_id)


async def events(post_id: PostID) -> list[str]:
    return [row["type"] for row in await db.fetch(EVENTS, post_id)]


async def seen(viewer: Viewer, post_id: PostID) -> Likes:
    post = await read_post(viewer, post_id)
    assert post.viewer is not None
    return Likes(post.counters.likes, post.viewer.liked)


async def test_a_like_is_counted_for_who_likes_at_once() -> None:
    ana, post = await make_user(), await make_post()

    answer = await like_post(ana, post.id)

    assert answer == await seen(ana, post.id) == Likes(1, liked=True)
    assert await seen(await make_user(), post.id) == Likes(0, liked=False)


async def test_liking_twice_is_one_like_and_one_event() -> None:
    ana, post = await make_user(), await make_post()

    answers = [await like_post(ana, post.id), await like_post(ana, post.id)]

    assert answers == [Likes(1, liked=True)] * 2
    assert (await rows(post.id), await events(post.id)) == (1, ["post.liked"])


async def test_a_like_can_be_taken_back_and_given_again() -> None:
    ana, post = await make_user(), await make_post()

    answers = [await act(ana, post.id) for act in (like_post, unlike_post, like_post)]

    assert answers == [Likes(1, liked=True), Likes(0, liked=False), Likes(1, liked=True)]
    assert (await rows(post.id), await events(post.id)) == (1, ["post.liked", "post.unliked", "post.liked"])


async def test_unliking_what_one_does_not_like_changes_nothing() -> None:
    ana, ben, post = await make_user(), await make_user(), await make_post()
    await like_post(ben, post.id)

    answer = await unlike_post(ana, post.id)

    assert answer == Likes(0, liked=False)
    assert (await rows(post.id), await events(post.id)) == (1, ["post.liked"])


async def test_one_may_like_ones_own_post() -> None:
    ana = await make_user()
    post = await make_post(ana, visibility="private")

    assert await like_post(ana, post.id) == Likes(1, liked=True)


@pytest.mark.parametrize("act", [like_post, unlike_post])
async def test_a_post_that_is_not_there_can_be_neither_liked_nor_unliked(act: Any) -> None:
    ana = await make_user()

    with pytest.raises(PostNotFound):
        await act(ana, PostID(new_id()))


@pytest.mark.parametrize("act", [like_post, unlike_post])
async def test_a_post_that_one_may_not_see_can_be_neither_liked_nor_unliked(act: Any) -> None:
    ana, hidden = await make_user(), await make_post(visibility="private")

    with pytest.raises(PostNotFound):
        await act(ana, hidden.id)

    assert (await rows(hidden.id), await events(hidden.id)) == (0, [])


async def test_a_like_is_exactly_one_statement(statements: Statements) -> None:
    ana, post = await make_user(), await make_post()

    assert await statements(like_post(ana, post.id)) == [queries.ADD_LIKE]
    assert await statements(like_post(ana, post.id)) == [queries.ADD_LIKE]
    assert await statements(unlike_post(ana, post.id)) == [queries.REMOVE_LIKE]
    assert await statements(unlike_post(ana, post.id)) == [queries.REMOVE_LIKE]


async def test_the_event_names_who_and_what_and_goes_to_the_log_alone() -> None:
    ana, post = await make_user(), await make_post()
    await like_post(ana, post.id)

    row = await db.fetchrow("SELECT topics, actor, data::text AS data FROM events WHERE type = 'post.liked'")

    assert row is not None
    assert (row["topics"], row["actor"]) == ([], ana.id)
    assert row["data"] == eventlog.encode(PostLiked(post_id=post.id, user_id=ana.id))


async def test_this_process_hears_of_what_changed_and_not_of_what_was_so_already() -> None:
    ana, post = await make_user(), await make_post()
    heard: list[Event] = []
    unlisten = eventlog.listen(heard.append)
    for act in (unlike_post, like_post, like_post, unlike_post, unlike_post):
        await act(ana, post.id)
    unlisten()

    assert heard == [
        PostLiked(post_id=post.id, user_id=ana.id),
        PostUnliked(post_id=post.id, user_id=ana.id),
    ]


# likes that come together

TRANSACTIONS = "SELECT count(DISTINCT xid)::int FROM events WHERE type = 'post.liked'"
CLUB = 30


async def test_likes_of_many_people_at_once_are_one_statement_and_everybody_gets_their_own_answer(
    own_database: None,
) -> None:
    people, posts = [await make_user() for _ in range(CLUB)], [await make_post(), await make_post()]
    await like_post(people[0], posts[0].id)
    await settle()

    answers = await asyncio.gather(*(like_post(viewer, posts[i % 2].id) for i, viewer in enumerate(people)))
    transactions = await db.fetchval(TRANSACTIONS)
    await settle()

    assert transactions == 2
    assert answers == [Likes(2 - i % 2 - (i == 0), liked=True) for i in range(CLUB)]
    assert [(await seen(people[0], post.id)).likes for post in posts] == [CLUB // 2] * 2


async def test_of_likes_at_once_each_is_refused_for_itself(own_database: None) -> None:
    ana, hidden, post, gone = await make_user(), await make_post(visibility="private"), await make_post(), new_id()

    wanted = (hidden.id, post.id, PostID(gone))
    answers = await asyncio.gather(*(like_post(ana, post_id) for post_id in wanted), return_exceptions=True)

    assert [type(answer) for answer in answers] == [PostNotFound, Likes, PostNotFound]
    assert [await rows(post_id) for post_id in wanted] == [0, 1, 0]


async def test_a_like_that_has_to_wait_keeps_nobody_elses_waiting(own_database: None) -> None:
    ana, ben, others = await make_user(), await make_user(), [await make_user() for _ in range(CLUB)]
    post, other = await make_post(ben), await make_post()

    async with db.transaction():
        await delete_post(ben, post.id)
        waits = elsewhere(like_post(ana, post.id))
        answers = [await elsewhere(like_post(viewer, other.id)) for viewer in others]
        await until_it_waits()

    assert answers == [Likes(1, liked=True)] * CLUB
    with pytest.raises(PostNotFound):
        await waits


LONG_AGO = """
INSERT INTO events (type, data, actor) SELECT 'test.old', '{}', gen_random_uuid() FROM generate_series(1, 50000)
"""
PLANNED_ONCE = "SELECT generic_plans FROM pg_prepared_statements WHERE statement = $1"


async def test_a_statement_that_likes_is_planned_once_also_when_the_log_is_long(own_database: None) -> None:
    ana, post = await make_user(), await make_post()
    liked = PostLiked(post_id=post.id, user_id=ana.id)
    await db.execute(LONG_AGO)
    await db.execute("ANALYZE events")

    async with db.transaction():
        _ = [(await queries.add_like(liked), await queries.add_likes([liked])) for _ in range(7)]
        reused = [await db.fetchval(PLANNED_ONCE, sql) for sql in (queries.ADD_LIKE, queries.ADD_LIKES)]

    assert reused == [2, 2]  # PostgreSQL makes a plan for each of the first five


async def test_likes_at_once_are_heard_of_once_each_in_this_process(own_database: None) -> None:
    ana, ben, post = await make_user(), await make_user(), await make_post()
    heard: list[Event] = []
    unlisten = eventlog.listen(heard.append)
    await asyncio.gather(*(like_post(viewer, post.id) for viewer in (ana, ben, ana)))
    unlisten()

    assert len(heard) == 2
    assert set(heard) == {PostLiked(post_id=post.id, user_id=each.id) for each in (ana, ben)}


# what the counts hold, and what they do not hold yet


async def test_an_answer_includes_ones_own_act_before_the_fold_and_everybodys_after_it(own_database: None) -> None:
    ana, ben, post = await make_user(), await make_user(), await make_post()
    first, second = await like_post(ana, post.id), await like_post(ben, post.id)
    before = await seen(ana, post.id)

    await settle()

    assert first == second == before == Likes(1, liked=True)
    assert await seen(ana, post.id) == await like_post(ben, post.id) == Likes(2, liked=True)


async def test_taking_back_what_is_folded_is_seen_at_once_and_folded_in_its_turn(own_database: None) -> None:
    ana, ben, post = await make_user(), await make_user(), await make_post()
    await like_post(ana, post.id)
    await like_post(ben, post.id)
    await settle()

    answers = [await unlike_post(ana, post.id), await unlike_post(ana, post.id), await seen(ana, post.id)]
    others = await seen(ben, post.id)
    await settle()

    assert answers == [Likes(1, liked=False)] * 3
    assert others == Likes(2, liked=True)
    assert await seen(ben, post.id) == Likes(1, liked=True)


async def test_an_act_is_seen_once_also_while_it_is_cut_but_not_folded(own_database: None) -> None:
    ana, post = await make_user(), await make_post()
    await like_post(ana, post.id)

    await eventlog.cut(await eventlog.latest_cut())

    assert await seen(ana, post.id) == Likes(1, liked=True)


# two requests of one person, or two people, with the same post

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def elsewhere(act: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """In another request: on a connection of its own, in no transaction of ours."""
    return asyncio.create_task(act, context=Context())


async def until_it_waits() -> None:
    """Until a statement waits for one that is not committed. Asked outside: a transaction sees one state of it."""
    async with asyncio.timeout(5):
        while not await db.pool().fetchval(WAITING):
            await asyncio.sleep(0.002)


async def test_the_same_like_twice_at_once_is_one_row_and_both_answers_are_right(own_database: None) -> None:
    ana, post = await make_user(), await make_post()

    async with db.transaction():
        first = await like_post(ana, post.id)
        second = elsewhere(like_post(ana, post.id))
        await until_it_waits()

    assert first == await second == Likes(1, liked=True)
    assert (await rows(post.id), await events(post.id)) == (1, ["post.liked"])


async def test_the_same_unlike_twice_at_once_is_one_event_and_both_answers_are_right(own_database: None) -> None:
    ana, post = await make_user(), await make_post()
    await like_post(ana, post.id)
    await settle()

    async with db.transaction():
        first = await unlike_post(ana, post.id)
        second = elsewhere(unlike_post(ana, post.id))
        await until_it_waits()

    assert first == await second == Likes(0, liked=False)
    assert (await rows(post.id), await events(post.id)) == (0, ["post.liked", "post.unliked"])


async def test_a_like_that_waits_for_an_unlike_of_the_same_person_is_the_last_word(own_database: None) -> None:
    ana, post = await make_user(), await make_post()
    await like_post(ana, post.id)
    await settle()

    async with db.transaction():
        await unlike_post(ana, post.id)
        again = elsewhere(like_post(ana, post.id))
        await until_it_waits()

    assert await again == Likes(1, liked=True)
    assert (await rows(post.id), await events(post.id)) == (1, ["post.liked", "post.unliked", "post.liked"])


async def test_a_like_that_waits_for_one_that_is_rolled_back_is_a_like(own_database: None) -> None:
    ana, post = await make_user(), await make_post()

    async with db.rolled_back():
        await like_post(ana, post.id)
        second = elsewhere(like_post(ana, post.id))
        await until_it_waits()

    assert await second == Likes(1, liked=True)
    assert (await rows(post.id), await events(post.id)) == (1, ["post.liked"])


async def test_many_at_once_are_one_row_one_event_and_right_answers(own_database: None) -> None:
    ana, post = await make_user(), await make_post()

    answers = await asyncio.gather(*(like_post(ana, post.id) for _ in range(40)))

    assert answers == [Likes(1, liked=True)] * 40
    assert (await rows(post.id), await events(post.id)) == (1, ["post.liked"])


async def test_a_like_of_a_post_that_is_deleted_meanwhile_is_not_found(own_database: None) -> None:
    ana, ben = await make_user(), await make_user()
    post = await make_post(ben)

    async with db.transaction():
        await delete_post(ben, post.id)
        like = elsewhere(like_post(ana, post.id))
        await until_it_waits()

    with pytest.raises(PostNotFound):
        await like
    assert (await rows(post.id), await events(post.id)) == (0, [])


async def test_a_post_that_is_deleted_while_somebody_likes_it_takes_the_like_along(own_database: None) -> None:
    ana, ben = await make_user(), await make_user()
    post = await make_post(ben)

    async with db.transaction():
        await like_post(ana, post.id)
        gone = elsewhere(delete_post(ben, post.id))
        await until_it_waits()
    await gone
    await settle()

    assert await rows(post.id) == 0
    assert await db.fetchval("SELECT count(*) FROM post_counts") == 0
