"""Leaving: everything somebody did is undone and told so, whatever happens at the same time."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from random import Random
from typing import Any, NamedTuple, TypeVar

import msgspec
import pytest

from domain import db, topics
from domain.accounts.actions import ProfileChanges, change_profile, hold_account
from domain.accounts.events import SessionRevoked, UserDeleted
from domain.accounts.queries import UserNotFound, read_user
from domain.accounts.rules import Viewer
from domain.comments.actions import (
    CommentChanges,
    NewComment,
    NoSuchParent,
    comment_on,
    delete_comment,
    edit_comment,
)
from domain.comments.events import CommentDeleted
from domain.comments.queries import Comment
from domain.departures import leave
from domain.dishes.actions import DishChanges, NewDish, add_dish, edit_dish, remove_dish
from domain.dishes.queries import Dish
from domain.errors import DomainError, NotFound
from domain.eventlog import Event, listen
from domain.graph import actions as graph
from domain.graph.events import (
    FollowerRemoved,
    FollowRequestRejected,
    FollowRequestWithdrawn,
    UserUnblocked,
    UserUnfollowed,
)
from domain.idempotency.actions import answer_once
from domain.idempotency.queries import Answer
from domain.ids import UserID, new_id
from domain.leaderboards.actions import forget_gone
from domain.notifications.queries import read_notifications, read_unread
from domain.places.actions import RestaurantChanges, edit_restaurant
from domain.posts.actions import NewPost, PostChanges, delete_post, edit_post, publish_post
from domain.posts.events import PostDeleted
from domain.posts.queries import Post
from domain.rankings.actions import NewRanking, rank_dish, unrank_dish
from domain.reactions.actions import like_post, unlike_post
from domain.reactions.events import PostUnliked
from domain.reviews.actions import (
    NewReview,
    ReviewChanges,
    delete_review,
    edit_review,
    like_review,
    review_dish,
)
from domain.reviews.queries import Review
from domain.sessions.actions import (
    Device,
    Login,
    NotYourAccount,
    RefreshToken,
    RefreshTokenInvalid,
    Registration,
    WrongCredentials,
    login,
    refresh,
    register,
)
from domain.targets import Target
from tests.conftest import Statements
from tests.factories import (
    PASSWORD,
    make_comment,
    make_dish,
    make_post,
    make_restaurant,
    make_review,
    make_user,
    settle,
)

LOG = "SELECT type, topics, data::text AS data, actor FROM events WHERE seq > $1 ORDER BY seq"
E = TypeVar("E", bound=Event)


async def told_by(leaver: Viewer) -> list[Any]:
    """What their departure tells: (type, topics, data, actor), in order."""
    before = await db.fetchval("SELECT coalesce(max(seq), 0) FROM events")
    await leave(leaver, leaver.id)
    return [tuple(row.values()) for row in await db.fetch(LOG, before)]


def decoded(rows: list[Any], kind: type[E]) -> list[tuple[E, list[str]]]:
    """(event, topics) of those of a type; every field is there, and no other."""
    decoder = msgspec.json.Decoder(kind)
    found = [(decoder.decode(data), heard_by) for name, heard_by, data, _ in rows if name == kind.type]
    fields = set(kind.__struct_fields__)
    assert all(set(msgspec.json.decode(data)) == fields for name, _, data, _ in rows if name == kind.type)
    return found


async def private(viewer: Viewer) -> Viewer:
    await change_profile(viewer, viewer.id, ProfileChanges(privacy_level="private"))
    return viewer


# what is told


async def test_likes_of_others_posts_are_taken_back_and_ones_own_posts_tell_for_themselves() -> None:
    ana, ben = await make_user(), await make_user()
    post, other, own = await make_post(ben), await make_post(ben), await make_post(ana)
    for each in (post, other, own):
        await like_post(ana, each.id)
        await like_post(ben, each.id)

    told = await told_by(ana)

    taken_back = decoded(told, PostUnliked)
    assert {event for event, _ in taken_back} == {
        PostUnliked(post_id=each.id, user_id=ana.id) for each in (post, other)
    }
    assert [heard_by for _, heard_by in taken_back] == [[], []]
    assert await db.fetchval("SELECT count(*) FROM likes") == 2


async def test_a_comment_is_told_with_its_replies_and_a_reply_alone() -> None:
    ana, ben, eve = await make_user(), await make_user(), await make_user()
    post = await make_post(ben)
    said, below = await make_comment(post, ana), await make_comment(post, eve)
    replies = [await make_comment(post, each, said) for each in (ben, ana)]
    reply = await make_comment(post, ana, below)
    kept = await make_comment(post, ben, below)

    told = await told_by(ana)

    target = Target("post", post.id)
    ids = [said.id, *(each.id for each in replies)]
    whole = CommentDeleted(id=said.id, ids=ids, parent_id=None, target=target)
    alone = CommentDeleted(id=reply.id, ids=[reply.id], parent_id=below.id, target=target)
    servers = [[topics.voice(ana.id), topics.gone(f"comment:{each.id}")] for each in (said, reply)]
    assert sorted(decoded(told, CommentDeleted), key=lambda each: len(each[1])) == [
        (whole, [topics.post(post.id), *servers[0]]),
        (alone, [topics.post(post.id), *servers[1], topics.voice(eve.id)]),
    ]
    left = {row["id"] for row in await db.fetch("SELECT id FROM comments")}
    assert left == {below.id, kept.id}


async def test_comments_on_ones_own_posts_go_with_them() -> None:
    ana, ben = await make_user(), await make_user()
    post = await make_post(ana)
    said = await make_comment(post, ben)
    await make_comment(post, ana, said)

    told = await told_by(ana)

    topic = topics.post(post.id)
    assert decoded(told, CommentDeleted) == []
    assert decoded(told, PostDeleted) == [(PostDeleted(id=post.id, author_id=ana.id), [topic, topics.gone(topic)])]
    assert await db.fetchval("SELECT count(*) FROM comments") == 0


async def test_follows_and_requests_end_both_ways() -> None:
    ana, ben = await make_user(), await make_user()
    asked, asking = await private(await make_user()), await make_user()
    await graph.follow_user(ana, ben.id)
    await graph.follow_user(ben, ana.id)
    await graph.follow_user(ana, asked.id)
    await private(ana)
    await graph.follow_user(asking, ana.id)

    told = await told_by(ana)

    ended = {
        UserUnfollowed: UserUnfollowed(follower_id=ana.id, followed_id=ben.id),
        FollowerRemoved: FollowerRemoved(follower_id=ben.id, followed_id=ana.id),
        FollowRequestWithdrawn: FollowRequestWithdrawn(follower_id=ana.id, followed_id=asked.id),
        FollowRequestRejected: FollowRequestRejected(follower_id=asking.id, followed_id=ana.id),
    }
    assert {kind: decoded(told, kind) for kind in ended} == {kind: [(event, [])] for kind, event in ended.items()}
    assert await db.fetchval("SELECT count(*) FROM follows") == 0


async def test_blocks_end_both_ways_and_servers_withhold_nothing_any_more() -> None:
    ana, ben, eve = await make_user(), await make_user(), await make_user()
    await graph.block_user(ana, ben.id)
    await graph.block_user(eve, ana.id)
    await graph.block_user(eve, ben.id)

    told = await told_by(ana)

    assert {(event, *heard_by) for event, heard_by in decoded(told, UserUnblocked)} == {
        (UserUnblocked(blocker_id=ana.id, blocked_id=ben.id), topics.shown(ben.id, ana.id)),
        (UserUnblocked(blocker_id=eve.id, blocked_id=ana.id), topics.shown(eve.id, ana.id)),
    }
    assert await db.fetchval("SELECT count(*) FROM blocks") == 1


async def test_all_sessions_end_and_this_process_hears_it() -> None:
    ana = await make_user(username="ana")
    again = await login(Device(), Login(username="ana", password=PASSWORD))
    heard: list[Event] = []
    unlisten = listen(heard.append)

    told = await told_by(ana)

    unlisten()
    revoked = {event.session_id: event for event in heard if isinstance(event, SessionRevoked)}
    assert ana.session_id in revoked
    assert len(revoked) == 2
    assert {each.reason for each in revoked.values()} == {"account_deleted"}
    assert dict(decoded(told, SessionRevoked)) == {each: [topics.session(each.session_id)] for each in revoked.values()}
    with pytest.raises(RefreshTokenInvalid):
        await refresh(RefreshToken(again.refresh_token))


async def test_the_end_of_the_account_is_told_last_and_everything_in_its_name() -> None:
    ana, ben = await make_user(), await make_user()
    await graph.follow_user(ben, ana.id)
    await make_post(ana)
    topic = topics.user(ana.id)

    told = await told_by(ana)

    gone = (UserDeleted(user_id=ana.id), [topic, topics.gone(topic), topics.access(ana.id)])
    assert decoded(told[-1:], UserDeleted) == [gone]
    assert {actor for name, _, _, actor in told if name != SessionRevoked.type} == {ana.id}


# what is left


UUID_COLUMNS = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND data_type = 'uuid' AND table_name !~ '^events'
"""


async def mentions_of(user_id: UserID) -> list[str]:
    """The columns that still name somebody, of all tables but the log."""
    found: list[str] = []
    for row in await db.fetch(UUID_COLUMNS):
        table, column = row.values()
        if await db.fetchval(f'SELECT EXISTS (SELECT FROM "{table}" WHERE "{column}" = $1)', user_id):  # noqa: S608 # from the catalogue
            found.append(f"{table}.{column}")
    return found


async def answered() -> Answer:
    return Answer(201, [], b"{}")


async def do_everything(ana: Viewer, ben: Viewer) -> None:
    """All that two can do to each other without a block, both ways; with others there is one."""
    for one, other in ((ana, ben), (ben, ana)):
        post = await make_post(other, content="Soup for all")
        await like_post(one, post.id)
        said = await make_comment(post, one)
        await make_comment(post, other, said)
        await make_comment(post, one, await make_comment(post, other))
        await graph.follow_user(one, other.id)
        await graph.mute_user(one, other.id)
        await graph.block_user(one, (await make_user()).id)
        await graph.block_user(await make_user(), one.id)
        dish = await make_dish(other)
        await edit_dish(one, (await make_dish(one, None)).id, DishChanges(name="x"))
        await edit_restaurant(one, (await make_restaurant(one)).id, RestaurantChanges(name="x"))
        await rank_dish(one, dish.id, NewRanking(rank=1, notes="x"))
        review = await make_review(other, dish)
        await like_review(one, review.id)
        await make_comment(review, other, await make_comment(review, one))
        await make_review(one, dish)
        await answer_once(one, "key", b"/", b"", answered)


async def name_each_other(ana: Viewer, ben: Viewer) -> None:
    names = {one.id: (await read_user(one, one.id)).username for one in (ana, ben)}
    for one, other in ((ana, ben), (ben, ana)):
        post = await make_post(one, content=f"For @{names[other.id]}")
        await comment_on(other, Target("post", post.id), NewComment(content=f"Thank you @{names[one.id]}"))


async def test_nothing_of_somebody_who_left_remains(own_database: None) -> None:
    ana, ben = await make_user(), await make_user()
    await do_everything(ana, ben)
    await name_each_other(ana, ben)
    await settle()
    everywhere = await mentions_of(ana.id)

    await leave(ana, ana.id)

    assert len(everywhere) > 15
    await check_nothing_left_of(ana)


async def test_an_account_that_did_nothing_can_be_deleted_too() -> None:
    ana = await make_user()

    await leave(ana, ana.id)

    with pytest.raises(UserNotFound):
        await read_user(await make_user(), ana.id)


async def test_the_name_and_the_address_are_free() -> None:
    new = Registration(username="ana", email="ana@example.org", password=PASSWORD)
    first = await make_user(username="ana", email="ana@example.org")

    await leave(first, first.id)

    with pytest.raises(WrongCredentials):
        await login(Device(), Login(username="ana", password=PASSWORD))
    assert (await register(Device(), new)).user.id != first.id
    assert (await login(Device(), Login(email="ana@example.org", password=PASSWORD))).user.username == "ana"


async def test_only_ones_own_account_can_be_deleted() -> None:
    ana, ben = await make_user(), await make_user()

    with pytest.raises(NotYourAccount):
        await leave(ana, ben.id)

    assert (await read_user(ana, ben.id)).id == ben.id


async def test_leaving_twice_is_leaving_once() -> None:
    ana = await make_user()
    await leave(ana, ana.id)

    assert await told_by(ana) == []


async def test_fifty_of_everything_cost_as_many_statements_as_one(statements: Statements) -> None:
    first, one, fifty = await make_user(), await make_user(), await make_user()
    for leaver, number in ((first, 1), (one, 1), (fifty, 50)):
        for _ in range(number):
            await do_everything(leaver, await make_user())
    await leave(first, first.id)  # asyncpg asks for types once a connection

    for_one = await statements(leave(one, one.id))
    for_fifty = await statements(leave(fifty, fifty.id))

    savepoints = 2
    assert for_fifty[1:-1] == for_one[1:-1]
    assert len(for_fifty) == len(for_one) < 24 + savepoints


# what follows

POST_COUNTS = """
SELECT id, likes, comments FROM (
    SELECT p.id, (SELECT count(*) FROM likes l WHERE l.post_id = p.id) AS likes,
        (SELECT count(*) FROM comments c WHERE c.target_id = p.id) AS comments
    FROM posts p
) AS truth WHERE likes > 0 OR comments > 0
"""
USER_COUNTS = """
SELECT id, followers, following, posts FROM (
    SELECT u.id, (SELECT count(*) FROM follows f WHERE f.followed_id = u.id AND f.status = 'active') AS followers,
        (SELECT count(*) FROM follows f WHERE f.follower_id = u.id AND f.status = 'active') AS following,
        (SELECT count(*) FROM posts p WHERE p.author_id = u.id) AS posts
    FROM users u
) AS truth WHERE followers > 0 OR following > 0 OR posts > 0
"""
FOLDED_POSTS = "SELECT post_id, likes, comments FROM post_counts WHERE likes <> 0 OR comments <> 0"
FOLDED_USERS = """
SELECT user_id, followers, following, posts FROM user_counts WHERE followers <> 0 OR following <> 0 OR posts <> 0
"""
PLACE_COUNTS = """
SELECT restaurant_id, count(*) FROM dishes GROUP BY 1 UNION ALL SELECT dish_id, count(*) FROM dish_rankings GROUP BY 1
"""
FOLDED_PLACES = """
SELECT restaurant_id, dishes FROM restaurant_counts WHERE dishes <> 0
UNION ALL SELECT dish_id, rankings FROM dish_counts WHERE rankings <> 0
"""
REVIEW_COUNTS = """
SELECT id, likes, comments, 0 FROM (
    SELECT r.id, (SELECT count(*) FROM review_likes l WHERE l.review_id = r.id) AS likes,
        (SELECT count(*) FROM comments c WHERE c.target_id = r.id) AS comments
    FROM reviews r
) AS truth WHERE likes > 0 OR comments > 0
UNION ALL SELECT dish_id, 0, 0, count(*) FROM reviews GROUP BY 1
UNION ALL SELECT restaurant_id, 0, 0, count(*) FROM reviews GROUP BY 1
"""
FOLDED_REVIEWS = """
SELECT review_id, likes, comments, 0 FROM review_counts WHERE likes <> 0 OR comments <> 0
UNION ALL SELECT dish_id, 0, 0, reviews FROM dish_counts WHERE reviews <> 0
UNION ALL SELECT restaurant_id, 0, 0, reviews FROM restaurant_counts WHERE reviews <> 0
"""
LEFT_OVER = """
SELECT (SELECT count(*) FROM post_counts WHERE post_id NOT IN (SELECT id FROM posts))
    + (SELECT count(*) FROM review_counts WHERE review_id NOT IN (SELECT id FROM reviews))
    + (SELECT count(*) FROM likes_received WHERE liker_id NOT IN (SELECT id FROM users))
    + (SELECT count(*) FROM likes_received WHERE user_id NOT IN (SELECT id FROM users))
    + (SELECT count(*) FROM influences WHERE user_id NOT IN (SELECT id FROM users))
    + (SELECT count(*) FROM experts WHERE user_id NOT IN (SELECT id FROM users))
    + (SELECT count(*) FROM user_counts WHERE user_id NOT IN (SELECT id FROM users))
    + (SELECT count(*) FROM dish_counts WHERE dish_id NOT IN (SELECT id FROM dishes))
"""


async def rows(sql: str) -> set[tuple[Any, ...]]:
    return {tuple(row.values()) for row in await db.fetch(sql)}


async def check_counts() -> None:
    """The folded counts are what there is, and nothing is counted that is not there."""
    assert await rows(FOLDED_POSTS) == await rows(POST_COUNTS)
    assert await rows(FOLDED_USERS) == await rows(USER_COUNTS)
    assert await rows(FOLDED_PLACES) == await rows(PLACE_COUNTS)
    assert await rows(FOLDED_REVIEWS) == await rows(REVIEW_COUNTS)
    assert await db.fetchval(LEFT_OVER) == 0


async def check_nothing_left_of(leaver: Viewer) -> None:
    """Once everything is folded nothing names who left, nothing of it was parked, and the counts are true."""
    await settle()
    await db.execute("UPDATE leaderboard_entries SET reached_at = reached_at - interval '2 hours' WHERE score IS NULL")
    await forget_gone()  # that they are on no board any more is remembered for an hour, for copies that have to hear it
    assert await mentions_of(leaver.id) == []
    assert await rows("SELECT feature, type, error FROM event_failures") == set()
    await check_counts()


@pytest.mark.parametrize("is_folded_before", [True, False])
async def test_the_counts_of_others_are_mended(own_database: None, *, is_folded_before: bool) -> None:
    ana, ben = await make_user(), await make_user()
    await do_everything(ana, ben)
    if is_folded_before:
        await settle()

    await leave(ana, ana.id)
    await settle()

    counters = (await read_user(ben, ben.id)).counters
    assert (counters.followers, counters.following, counters.posts) == (0, 0, 1)
    await check_counts()


async def test_what_others_were_notified_of_is_taken_back(own_database: None) -> None:
    ana, ben = await make_user(), await make_user()
    post = await make_post(ben)
    await like_post(ana, post.id)
    await make_comment(post, ana, await make_comment(post, ben))
    await graph.follow_user(ana, ben.id)
    await name_each_other(ana, ben)
    await settle()
    before = (await read_unread(ben)).unread

    await leave(ana, ana.id)
    await settle()

    assert before == 5
    assert (await read_unread(ben)).unread == 0
    assert (await read_notifications(ben, None, 10)).items == []


# at the same time


def outside(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Begun where no transaction is open."""
    return asyncio.create_task(work, context=Context())


async def do_and_wait(ana: Viewer, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Have `ana` leave in a transaction that stays open until `work` waits for it."""
    async with db.transaction():
        await leave(ana, ana.id)
        waiting = outside(work)
        await asyncio.sleep(0.1)
    return waiting


class Scene(NamedTuple):
    """Ana, who leaves, and Ben; a post, a dish and a review of each, and comments of hers on his post and review."""

    ana: Viewer
    ben: Viewer
    hers: Post
    his: Post
    said: Comment
    her_dish: Dish
    his_dish: Dish
    her_review: Review
    his_review: Review
    below: Comment


async def make_scene() -> Scene:
    ana, ben = await make_user(), await make_user(username="benben")
    hers, his = await make_post(ana), await make_post(ben)
    her_dish, his_dish = await make_dish(ana), await make_dish(ben)
    for dish in (her_dish, his_dish):
        await rank_dish(ana, dish.id, NewRanking(rank=1, notes="x"))
    her_review, his_review = await make_review(ana, his_dish), await make_review(ben, her_dish)
    said, below = await make_comment(his, ana), await make_comment(his_review, ana)
    return Scene(ana, ben, hers, his, said, her_dish, his_dish, her_review, his_review, below)


def say(viewer: Viewer, post: Post | Review, above: Comment | None = None) -> Coroutine[Any, Any, Comment]:
    new = NewComment(content="Good", parent_id=None if above is None else above.id)
    return comment_on(viewer, Target("post" if isinstance(post, Post) else "review", post.id), new)


ACTS: dict[str, Callable[[Scene], Coroutine[Any, Any, Any]]] = {
    "likes": lambda on: like_post(on.ana, on.his.id),
    "likes her own post": lambda on: like_post(on.ana, on.hers.id),
    "comments": lambda on: say(on.ana, on.his),
    "comments on her own post": lambda on: say(on.ana, on.hers),
    "replies to herself": lambda on: say(on.ana, on.his, on.said),
    "posts": lambda on: publish_post(on.ana, NewPost(content="Soup")),
    "posts with a mention": lambda on: publish_post(on.ana, NewPost(content="Soup for @benben")),
    "follows": lambda on: graph.follow_user(on.ana, on.ben.id),
    "is followed": lambda on: graph.follow_user(on.ben, on.ana.id),
    "blocks": lambda on: graph.block_user(on.ana, on.ben.id),
    "is blocked": lambda on: graph.block_user(on.ben, on.ana.id),
    "is muted": lambda on: graph.mute_user(on.ben, on.ana.id),
    "is liked": lambda on: like_post(on.ben, on.hers.id),
    "is commented on": lambda on: say(on.ben, on.hers),
    "is replied to": lambda on: say(on.ben, on.his, on.said),
    "changes the profile": lambda on: change_profile(on.ana, on.ana.id, ProfileChanges(bio="x")),
    "edits": lambda on: edit_post(on.ana, on.hers.id, PostChanges(content="x")),
    "adds a restaurant": lambda on: make_restaurant(on.ana),
    "adds a dish": lambda on: add_dish(on.ana, on.his_dish.restaurant.id, NewDish(name="x", dish_type="soup")),
    "edits a restaurant": lambda on: edit_restaurant(on.ana, on.her_dish.restaurant.id, RestaurantChanges(name="x")),
    "edits a dish": lambda on: edit_dish(on.ana, on.her_dish.id, DishChanges(name="x")),
    "removes a dish": lambda on: remove_dish(on.ana, on.her_dish.id),
    "ranks": lambda on: rank_dish(on.ana, on.his_dish.id, NewRanking(taste="acceptable", notes="x")),
    "takes a ranking back": lambda on: unrank_dish(on.ana, on.his_dish.id),
    "reviews": lambda on: review_dish(on.ana, on.her_dish.id, NewReview(content="Good")),
    "edits a review": lambda on: edit_review(on.ana, on.her_review.id, ReviewChanges(stars=1)),
    "deletes a review": lambda on: delete_review(on.ana, on.her_review.id),
    "likes a review": lambda on: like_review(on.ana, on.his_review.id),
    "comments on a review": lambda on: say(on.ana, on.his_review),
    "replies below a review": lambda on: say(on.ana, on.his_review, on.below),
    "is liked for a review": lambda on: like_review(on.ben, on.her_review.id),
    "is commented on below a review": lambda on: say(on.ben, on.her_review),
    "is replied to below a review": lambda on: say(on.ben, on.his_review, on.below),
    "edits a comment": lambda on: edit_comment(on.ana, on.said.id, CommentChanges(content="x")),
}


@pytest.mark.parametrize("act", ACTS)
async def test_what_waits_for_a_departure_finds_nothing(own_database: None, act: str) -> None:
    scene = await make_scene()

    waiting = await do_and_wait(scene.ana, ACTS[act](scene))

    with pytest.raises((NotFound, NoSuchParent)):
        await waiting
    await check_nothing_left_of(scene.ana)


@pytest.mark.parametrize("act", ACTS)
async def test_a_departure_waits_for_what_was_begun_and_undoes_it(own_database: None, act: str) -> None:
    scene = await make_scene()

    async with db.transaction():
        await ACTS[act](scene)
        waiting = outside(leave(scene.ana, scene.ana.id))
        await asyncio.sleep(0.1)

    await waiting
    await check_nothing_left_of(scene.ana)


async def leave_in_two_steps(ana: Viewer, work: Coroutine[Any, Any, Any], hold: str = "") -> asyncio.Task[Any]:
    """Have `ana` begin to leave, then `work` begin, then her end it: neither may wait for the other."""
    async with db.transaction():
        await hold_account(ana)
        if hold:
            await db.fetch(hold, ana.id)
        waiting = outside(work)
        await asyncio.sleep(0.1)
        await leave(ana, ana.id)
    return waiting


@pytest.mark.parametrize("act", ACTS)
async def test_what_comes_in_the_middle_of_a_departure_does_not_stop_it(own_database: None, act: str) -> None:
    scene = await make_scene()

    waiting = await leave_in_two_steps(scene.ana, ACTS[act](scene))

    await asyncio.wait([waiting])
    assert isinstance(waiting.exception(), NotFound | NoSuchParent | None)
    await check_nothing_left_of(scene.ana)


async def test_a_reply_that_comes_at_the_same_time_is_told_with_what_it_replies_to(own_database: None) -> None:
    scene = await make_scene()

    async with db.transaction():
        reply = await make_comment(scene.his, scene.ben, scene.said)
        waiting = outside(leave(scene.ana, scene.ana.id))
        await asyncio.sleep(0.1)

    await waiting
    told = await db.fetchval("SELECT data::text FROM events WHERE type = 'comment.deleted'")
    assert msgspec.json.decode(told, type=CommentDeleted).ids == [scene.said.id, reply.id]


async def test_what_is_taken_back_at_the_same_time_is_told_before_the_post_is_gone(own_database: None) -> None:
    ana, ben = await make_user(), await make_user()
    post = await make_post(ana)
    await like_post(ben, post.id)

    async with db.transaction():
        await unlike_post(ben, post.id)
        waiting = outside(leave(ana, ana.id))
        await asyncio.sleep(0.1)

    await waiting
    kinds = [row["type"] for row in await db.fetch("SELECT type FROM events WHERE type ~ '^post' ORDER BY seq")]
    assert kinds == ["post.published", "post.liked", "post.unliked", "post.deleted"]


SAY = """
INSERT INTO comments (id, target_type, target_id, author_id, content, created_at)
SELECT id, 'post', $1, $2, 'Soup', now() FROM unnest($3::uuid[]) AS id
"""


async def test_a_post_with_many_comments_can_be_deleted_while_their_author_leaves(own_database: None) -> None:
    ana, ben = await make_user(), await make_user()
    post = await make_post(ben)
    ids = sorted((new_id() for _ in range(2)), reverse=True)
    await db.execute(SAY, post.id, ana.id, ids)  # they lie in another order than the one in which they are locked

    async with db.transaction():
        await db.fetch("SELECT FROM comments WHERE id = $1 FOR UPDATE", ids[0])
        deleting = outside(delete_post(ben, post.id))
        await asyncio.sleep(0.1)
        leaving = outside(leave(ana, ana.id))
        await asyncio.sleep(0.1)

    await asyncio.gather(deleting, leaving)
    await settle()
    await check_counts()


async def test_nobody_signs_in_while_they_leave(own_database: None) -> None:
    ana = await make_user(username="ana")
    device, named = Device(), Login(username="ana", password=PASSWORD)
    signed_in = await login(device, named)

    login_waits = await do_and_wait(ana, login(device, named))

    with pytest.raises(WrongCredentials):
        await login_waits
    with pytest.raises(RefreshTokenInvalid):
        await refresh(RefreshToken(signed_in.refresh_token))


async def test_who_signs_in_in_the_middle_of_a_departure_does_not_stop_it(own_database: None) -> None:
    ana = await make_user(username="ana")

    waiting = await leave_in_two_steps(ana, login(Device(), Login(username="ana", password=PASSWORD)))

    with pytest.raises(WrongCredentials):
        await waiting


async def test_a_token_in_the_middle_of_a_departure_does_not_stop_it(own_database: None) -> None:
    ana = await make_user(username="ana")
    signed_in = await login(Device(), Login(username="ana", password=PASSWORD))
    hold_sessions = "SELECT FROM auth_sessions WHERE user_id = $1 FOR UPDATE"

    waiting = await leave_in_two_steps(ana, refresh(RefreshToken(signed_in.refresh_token)), hold_sessions)

    with pytest.raises(RefreshTokenInvalid):
        await waiting


async def test_no_token_is_made_while_they_leave(own_database: None) -> None:
    ana = await make_user(username="ana")
    signed_in = await login(Device(), Login(username="ana", password=PASSWORD))

    waiting = await do_and_wait(ana, refresh(RefreshToken(signed_in.refresh_token)))

    with pytest.raises(RefreshTokenInvalid):
        await waiting


async def test_a_departure_waits_for_a_token_that_is_made_and_ends_its_session(own_database: None) -> None:
    ana = await make_user(username="ana")
    signed_in = await login(Device(), Login(username="ana", password=PASSWORD))

    async with db.transaction():
        fresh = await refresh(RefreshToken(signed_in.refresh_token))
        waiting = outside(leave(ana, ana.id))
        await asyncio.sleep(0.1)

    await waiting
    assert await rows("SELECT hash FROM refresh_tokens") == set()
    with pytest.raises(RefreshTokenInvalid):
        await refresh(RefreshToken(fresh.refresh_token))


class Crowd:
    """People who do whatever they can to each other, some of whom leave."""

    def __init__(
        self, people: Sequence[Viewer], posts: list[Post], said: list[Comment], dishes: list[Dish], seed: int
    ) -> None:
        self.people, self.posts, self.said, self.dishes, self.chance = people, posts, said, dishes, Random(seed)
        self.failed: list[BaseException] = []

    async def live(self, me: Viewer, acts: int) -> None:
        for _ in range(acts):
            try:
                await self.act(me)
            except DomainError:
                pass
            except Exception as failure:  # noqa: BLE001 # the test tells all of them
                self.failed.append(failure)

    async def act(self, me: Viewer) -> None:
        pick = self.chance.choice
        post, said, other = pick(self.posts), pick(self.said), pick(self.people)
        on = Target("post", post.id)
        dish = pick(self.dishes)
        match self.chance.randrange(22):
            case 0 | 1:
                await like_post(me, post.id)
            case 2:
                await unlike_post(me, post.id)
            case 3 | 4:
                self.said.append(await comment_on(me, on, NewComment(content="hello")))
            case 5 | 6 | 7:
                new = NewComment(content="hello", parent_id=said.id)
                await comment_on(me, said.target, new)
            case 8:
                await edit_comment(me, said.id, CommentChanges(content="changed"))
            case 9:
                await delete_comment(me, said.id)
            case 10:
                await graph.follow_user(me, other.id)
            case 11:
                await graph.unfollow_user(me, other.id)
            case 12:
                self.posts.append(await publish_post(me, NewPost(content="more")))
            case 13:
                await delete_post(me, post.id)
            case 14 | 15 | 16:
                await rank_dish(me, dish.id, NewRanking(rank=self.chance.randint(1, 5), notes="hello"))
            case 17:
                await unrank_dish(me, dish.id)
            case 18:
                await edit_dish(me, dish.id, DishChanges(name=f"dish {self.chance.random()}"))
            case 19:
                await edit_restaurant(me, dish.restaurant.id, RestaurantChanges(price_range=self.chance.randint(1, 4)))
            case 20:
                self.dishes.append(await make_dish(me))
                await remove_dish(me, dish.id)
            case _:
                await (graph.block_user if self.chance.random() < 0.3 else graph.unblock_user)(me, other.id)


async def make_crowd(seed: int) -> Crowd:
    people = [await make_user() for _ in range(6)]
    posts = [await make_post(each) for each in people for _ in range(2)]
    said = [await make_comment(post, each) for post in posts for each in people]
    there = [await make_restaurant(each) for each in people]
    dishes = [await make_dish(each, where) for each, where in zip(people, there, strict=True) for _ in range(2)]
    return Crowd(people, posts, said, dishes, seed)


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_at_once_nothing_fails_and_the_counts_end_at_the_truth(
    own_database: None, seed: int
) -> None:
    crowd = await make_crowd(seed)
    leavers, lives = crowd.people[:3], [crowd.live(each, 45) for each in crowd.people for _ in range(2)]

    async def leave_later(leaver: Viewer, delay: float) -> None:
        await asyncio.sleep(delay)
        await leave(leaver, leaver.id)

    departures = [leave_later(each, 0.05) for each in leavers]
    await asyncio.gather(*lives, *departures)

    assert crowd.failed == []
    for each in leavers:
        await check_nothing_left_of(each)
