"""Counts are folded from the log: exact, absolute, and as cheap for a thousand likes as for one."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Sequence

import pytest

from domain import db, topics
from domain.accounts.rules import Viewer
from domain.clock import now
from domain.counters.actions import fold
from domain.counters.events import PostCounters, UserCounters
from domain.departures import leave
from domain.eventlog import Event, Logged, encode, of
from domain.graph.actions import follow_user
from domain.ids import PostID, UserID, new_id
from domain.posts.actions import delete_post
from domain.posts.queries import Post, read_post
from domain.reactions.actions import like_post, unlike_post
from domain.reactions.events import PostLiked
from tests.conftest import Statements
from tests.factories import make_post, make_user, settle

LOGGED = "SELECT seq, type, topics, data::text AS data, actor, audience, at FROM events ORDER BY seq"
POST_COUNTS = "SELECT post_id, likes FROM post_counts ORDER BY post_id"
USER_COUNTS = "SELECT user_id, posts FROM user_counts ORDER BY user_id"


async def log() -> list[Logged]:
    return [Logged(*row.values()) for row in await db.fetch(LOGGED)]


async def told(kind: type[PostCounters] | type[UserCounters]) -> list[tuple[str, Event]]:
    """(topic, counts) of each that was told, in order."""
    events = [event for event in await log() if event.type == kind.type]
    return [(event.topics[0], counts) for event, counts in zip(events, of(events, kind), strict=True)]


async def likes() -> dict[PostID, int]:
    return {row["post_id"]: row["likes"] for row in await db.fetch(POST_COUNTS)}


async def posts() -> dict[UserID, int]:
    return {row["user_id"]: row["posts"] for row in await db.fetch(USER_COUNTS)}


def logged(events: Iterable[Event]) -> list[Logged]:
    """As they would lie in the log."""
    return [Logged(seq, event.type, [], encode(event), None, None, now()) for seq, event in enumerate(events, 1)]


def likes_of(post_ids: Sequence[PostID], number: int) -> list[Logged]:
    """So many likes by as many people, the posts taking turns."""
    ids = (post_ids[i % len(post_ids)] for i in range(number))
    return logged(PostLiked(post_id=post_id, user_id=UserID(new_id())) for post_id in ids)


async def make_post_ids(number: int) -> list[PostID]:
    ana = await make_user()
    return [(await make_post(ana)).id for _ in range(number)]


def counts(likes: int) -> PostCounters:
    return PostCounters(likes=likes, reactions={}, comments=0, shares=0)


async def test_likes_become_a_count_that_is_told_once_a_post() -> None:
    one, other = await make_post_ids(2)

    await fold([*likes_of([one], 3), *likes_of([other], 1)])

    assert await likes() == {one: 3, other: 1}
    assert await told(PostCounters) == [(topics.post(one), counts(3)), (topics.post(other), counts(1))]


async def test_what_is_told_is_the_whole_count_and_not_what_changed() -> None:
    (post_id,) = await make_post_ids(1)
    await fold(likes_of([post_id], 3))

    await fold(likes_of([post_id], 2))

    assert [event for _, event in await told(PostCounters)] == [counts(3), counts(5)]


async def test_a_like_that_is_taken_back_in_a_later_batch_is_told_again() -> None:
    ana, post = await make_user(), await make_post()
    await like_post(ana, post.id)
    begun = await log()
    await unlike_post(ana, post.id)
    ended = (await log())[len(begun) :]

    await fold(begun)
    await fold(ended)

    assert await likes() == {post.id: 0}
    assert [event for _, event in await told(PostCounters)] == [counts(1), counts(0)]


async def test_what_nets_to_zero_in_a_batch_is_told_for_a_page_may_hold_a_part_of_it() -> None:
    ana, post = await make_user(), await make_post()
    before = len(await log())
    await like_post(ana, post.id)
    page = await read_post(ana, post.id)
    await unlike_post(ana, post.id)

    await fold((await log())[before:])

    assert page.counters.likes == 1
    assert await told(PostCounters) == [(topics.post(post.id), counts(0))]


async def test_posting_and_deleting_change_the_authors_count() -> None:
    ana = await make_user()
    first = await make_post(ana)
    await make_post(ana)
    published = await log()
    await delete_post(ana, first.id)
    deleted = (await log())[len(published) :]

    await fold(published)
    await fold(deleted)

    heard = [(topics.user(ana.id), UserCounters(followers=0, following=0, posts=posts)) for posts in (2, 1)]
    assert await posts() == {ana.id: 1}
    assert await told(UserCounters) == heard


async def test_a_post_that_is_deleted_in_the_batch_that_published_it_tells_nothing_of_its_author() -> None:
    ana = await make_user()
    await delete_post(ana, (await make_post(ana)).id)

    await fold(await log())

    assert (await posts(), await told(UserCounters)) == ({}, [])


async def test_the_counts_of_a_deleted_post_are_forgotten_and_nobody_is_told() -> None:
    ana, ben = await make_user(), await make_user()
    post = await make_post(ana)
    await like_post(ben, post.id)
    await fold(await log())
    before, folded = await likes(), await log()
    await delete_post(ana, post.id)

    await fold((await log())[len(folded) :])

    assert (before, await likes()) == ({post.id: 1}, {})
    assert await told(PostCounters) == [(topics.post(post.id), counts(1))]


async def test_likes_of_a_post_that_is_deleted_in_the_same_batch_leave_no_count() -> None:
    ana, ben = await make_user(), await make_user()
    post = await make_post(ana)
    await like_post(ben, post.id)
    await delete_post(ana, post.id)

    await fold(await log())

    assert (await likes(), await told(PostCounters)) == ({}, [])


async def test_what_was_done_to_a_post_that_is_gone_by_now_leaves_no_count() -> None:
    ana, ben = await make_user(), await make_user()
    post = await make_post(ana)
    await like_post(ben, post.id)
    begun = await log()
    await delete_post(ana, post.id)

    await fold(begun)

    assert (await likes(), await told(PostCounters)) == ({}, [])


async def test_who_is_gone_by_now_is_not_counted_and_whom_they_followed_is() -> None:
    ana, ben = await make_user(), await make_user()
    await make_post(ana)
    await follow_user(ana, ben.id)
    begun = await log()
    await leave(ana, ana.id)

    await fold(begun)

    assert await told(UserCounters) == [(topics.user(ben.id), UserCounters(followers=1, following=0, posts=0))]


async def test_the_counts_of_somebody_who_left_are_forgotten_and_nobody_is_told() -> None:
    ana = await make_user()
    await make_post(ana)
    await fold(await log())
    before, folded = await posts(), await log()
    await leave(ana, ana.id)

    await fold((await log())[len(folded) :])

    assert (before, await posts()) == ({ana.id: 1}, {})
    assert len(await told(UserCounters)) == 1


@pytest.mark.parametrize("number_of_posts", [1, 100])
async def test_a_thousand_likes_cost_as_many_statements_as_one(statements: Statements, number_of_posts: int) -> None:
    post_ids = await make_post_ids(number_of_posts)
    one, thousand = likes_of(post_ids, 1), likes_of(post_ids, 1000)
    await fold(one)  # asyncpg asks for types once a connection

    for_one = await statements(fold(one))
    for_thousand = await statements(fold(thousand))

    assert for_thousand == for_one
    assert sum((await likes()).values()) == 1002
    assert len(await told(PostCounters)) == 2 + number_of_posts


async def test_a_batch_without_change_costs_no_statement(statements: Statements) -> None:
    assert await statements(fold([])) == []


async def like_at_random(viewer: Viewer, among: Sequence[Post], seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(20):
        await chance.choice((like_post, unlike_post))(viewer, chance.choice(among).id)


async def settle_until(done: asyncio.Future[list[None]]) -> None:
    while not done.done():
        await settle()
        await asyncio.sleep(0)
    await settle()


async def test_whatever_is_liked_and_unliked_at_once_the_counts_end_at_the_truth(own_database: None) -> None:
    people = [await make_user() for _ in range(6)]
    among = [await make_post() for _ in range(3)]
    everybody = asyncio.gather(*(like_at_random(viewer, among, seed) for seed, viewer in enumerate(people)))

    await settle_until(everybody)

    rows = await db.fetch("SELECT post_id, count(*)::int AS likes FROM likes GROUP BY 1")
    truth = Counter({row["post_id"]: row["likes"] for row in rows})
    stranger = await make_user()
    assert everybody.result() == [None] * 6
    folded = await likes()
    assert Counter(folded) == truth
    assert [(await read_post(stranger, post.id)).counters.likes for post in among] == [truth[post.id] for post in among]
    assert dict(await told(PostCounters)) == {topics.post(each): counts(folded[each]) for each in folded}
