"""Following, blocking, muting; and what each means for who may see what."""

import asyncio
import contextvars
from collections.abc import Coroutine
from datetime import datetime
from random import Random
from typing import Any

import msgspec
import pytest

from domain import db, eventlog, topics
from domain.accounts import queries as accounts
from domain.accounts.actions import ProfileChanges, change_profile
from domain.accounts.queries import Relation, UserNotFound
from domain.accounts.rules import Viewer
from domain.counters import actions as counters
from domain.graph import actions, queries
from domain.graph.actions import (
    CannotBlockYourself,
    CannotFollowYourself,
    CannotMuteYourself,
    FollowRequestNotFound,
)
from domain.graph.queries import FollowStats, FollowStatus
from domain.ids import PostID, UserID, new_id
from domain.posts import queries as posts
from domain.posts.actions import PostChanges, edit_post
from tests.conftest import Clock
from tests.factories import make_post, make_user, settle

OUTSIDE = contextvars.Context()  # where no transaction is open
EVENTS = "SELECT type, topics, data::text AS data, actor FROM events ORDER BY seq"
GRAPH = (
    "follow.",
    "follower.",
    *(f"user.{what}ed" for what in ("follow", "unfollow", "block", "unblock", "mut", "unmut")),
)


async def told() -> list[tuple[str, list[str]]]:
    """What happened between people, and where it was told; in order."""
    rows = [row for row in await db.fetch(EVENTS) if row["type"].startswith(GRAPH)]
    return [(row["type"], row["topics"]) for row in rows]


async def happened() -> list[str]:
    return [kind for kind, _ in await told()]


async def data_of(kind: str) -> list[dict[str, Any]]:
    return [msgspec.json.decode(row["data"]) for row in await db.fetch(EVENTS) if row["type"] == kind]


async def make_private(**given: Any) -> Viewer:
    viewer = await make_user(**given)
    await set_privacy(viewer, "private")
    return viewer


async def set_privacy(viewer: Viewer, level: Any) -> None:
    await change_profile(viewer, viewer.id, ProfileChanges(privacy_level=level))


async def suspend(viewer: Viewer) -> None:
    await db.execute("UPDATE users SET is_active = false WHERE id = $1", viewer.id)


async def relation(viewer: Viewer, other: Viewer) -> Relation | None:
    return (await accounts.read_user(viewer, other.id)).relation


# following


async def test_a_public_account_is_followed_at_once() -> None:
    ana, ben = await make_user(), await make_user()

    assert await actions.follow_user(ana, ben.id) == FollowStatus("active")

    assert await relation(ana, ben) == Relation(following="active")
    assert await relation(ben, ana) == Relation(followed_by="active")
    assert await told() == [("user.followed", [topics.access(ben.id, ana.id)])]
    assert await data_of("user.followed") == [{"follower_id": str(ana.id), "followed_id": str(ben.id)}]


@pytest.mark.parametrize("level", ["followers", "private"])
async def test_any_other_account_is_asked(level: str) -> None:
    ana, ben = await make_user(), await make_user()
    await set_privacy(ben, level)

    assert await actions.follow_user(ana, ben.id) == FollowStatus("pending")

    assert await relation(ana, ben) == Relation(following="pending")
    assert await relation(ben, ana) == Relation(followed_by="pending")
    assert await told() == [("follow.requested", [])]


async def test_following_twice_is_following_once() -> None:
    ana, ben, eve = await make_user(), await make_user(), await make_private()
    await actions.follow_user(ana, ben.id)
    await actions.follow_user(ana, eve.id)

    assert await actions.follow_user(ana, ben.id) == FollowStatus("active")
    assert await actions.follow_user(ana, eve.id) == FollowStatus("pending")

    assert await happened() == ["user.followed", "follow.requested"]


async def test_one_can_follow_anew() -> None:
    ana, ben = await make_user(), await make_user()
    await actions.follow_user(ana, ben.id)
    await actions.unfollow_user(ana, ben.id)

    await actions.follow_user(ana, ben.id)

    assert await happened() == ["user.followed", "user.unfollowed", "user.followed"]


async def test_unfollowing_tells_once() -> None:
    ana, ben = await make_user(), await make_user()
    await actions.follow_user(ana, ben.id)

    assert await actions.unfollow_user(ana, ben.id) == FollowStatus("none")
    assert await actions.unfollow_user(ana, ben.id) == FollowStatus("none")

    assert await relation(ana, ben) == Relation()
    assert (await told())[1:] == [("user.unfollowed", [topics.access(ben.id, ana.id)])]


async def test_unfollowing_takes_a_request_back() -> None:
    ana, ben = await make_user(), await make_private()
    await actions.follow_user(ana, ben.id)

    await actions.unfollow_user(ana, ben.id)

    assert await told() == [("follow.requested", []), ("follow.withdrawn", [])]


async def test_oneself_is_nobody_to_follow_block_or_mute() -> None:
    ana = await make_user()

    with pytest.raises(CannotFollowYourself):
        await actions.follow_user(ana, ana.id)
    with pytest.raises(CannotBlockYourself):
        await actions.block_user(ana, ana.id)
    with pytest.raises(CannotMuteYourself):
        await actions.mute_user(ana, ana.id)


ACTIONS = [
    actions.follow_user,
    actions.unfollow_user,
    actions.accept_request,
    actions.reject_request,
    actions.cancel_request,
    actions.remove_follower,
    actions.block_user,
    actions.unblock_user,
    actions.mute_user,
    actions.unmute_user,
]


@pytest.mark.parametrize("act", ACTIONS)
async def test_who_is_not_there_is_not_found(act: Any) -> None:
    with pytest.raises(UserNotFound):
        await act(await make_user(), UserID(new_id()))


@pytest.mark.parametrize("act", ACTIONS)
async def test_who_is_suspended_is_not_found(act: Any) -> None:
    ana, ben = await make_user(), await make_user()
    await suspend(ben)

    with pytest.raises(UserNotFound):
        await act(ana, ben.id)


@pytest.mark.parametrize("act", ACTIONS)
async def test_who_has_blocked_the_viewer_is_not_found(act: Any) -> None:
    ana, ben = await make_user(), await make_user()
    await actions.block_user(ben, ana.id)

    with pytest.raises(UserNotFound):
        await act(ana, ben.id)


@pytest.mark.parametrize("act", [each for each in ACTIONS if "block" not in each.__name__])
async def test_who_is_blocked_is_not_found(act: Any) -> None:
    ana, ben = await make_user(), await make_user()
    await actions.block_user(ana, ben.id)

    with pytest.raises(UserNotFound):
        await act(ana, ben.id)


# requests


async def test_a_request_that_is_accepted_is_a_follow() -> None:
    ana, ben = await make_user(), await make_private()
    await actions.follow_user(ana, ben.id)

    assert await actions.accept_request(ben, ana.id) == FollowStatus("active")
    assert await actions.accept_request(ben, ana.id) == FollowStatus("active")

    assert await relation(ana, ben) == Relation(following="active")
    assert (await told())[1:] == [("follow.accepted", [topics.access(ben.id, ana.id)])]


async def test_without_a_request_nothing_is_accepted() -> None:
    ana, ben = await make_user(), await make_private()

    with pytest.raises(FollowRequestNotFound):
        await actions.accept_request(ben, ana.id)


async def test_nobody_accepts_their_own_request() -> None:
    ana, ben = await make_user(), await make_private()
    await actions.follow_user(ana, ben.id)

    with pytest.raises(FollowRequestNotFound):
        await actions.accept_request(ana, ben.id)


async def test_a_request_that_is_rejected_is_gone_and_can_be_made_again() -> None:
    ana, ben = await make_user(), await make_private()
    await actions.follow_user(ana, ben.id)

    await actions.reject_request(ben, ana.id)
    await actions.reject_request(ben, ana.id)

    assert await relation(ana, ben) == Relation()
    assert await told() == [("follow.requested", []), ("follow.rejected", [])]
    assert await actions.follow_user(ana, ben.id) == FollowStatus("pending")


async def test_a_request_is_cancelled_once() -> None:
    ana, ben = await make_user(), await make_private()
    await actions.follow_user(ana, ben.id)

    await actions.cancel_request(ana, ben.id)
    await actions.cancel_request(ana, ben.id)

    assert await happened() == ["follow.requested", "follow.withdrawn"]


async def test_rejecting_and_cancelling_leave_a_follow_alone() -> None:
    ana, ben = await make_user(), await make_user()
    await actions.follow_user(ana, ben.id)

    await actions.reject_request(ben, ana.id)
    await actions.cancel_request(ana, ben.id)

    assert await relation(ana, ben) == Relation(following="active")


async def test_a_follower_is_removed_once() -> None:
    ana, ben = await make_user(), await make_user()
    await actions.follow_user(ana, ben.id)
    await actions.follow_user(ben, ana.id)

    await actions.remove_follower(ben, ana.id)
    await actions.remove_follower(ben, ana.id)

    assert await relation(ana, ben) == Relation(followed_by="active")
    assert (await told())[2:] == [("follower.removed", [topics.access(ben.id, ana.id)])]


async def test_a_request_is_no_follower_to_remove() -> None:
    ana, ben = await make_user(), await make_private()
    await actions.follow_user(ana, ben.id)

    await actions.remove_follower(ben, ana.id)

    assert await relation(ana, ben) == Relation(following="pending")


async def test_a_request_stays_one_when_the_account_becomes_public() -> None:
    ana, ben = await make_user(), await make_private()
    await actions.follow_user(ana, ben.id)

    await set_privacy(ben, "public")

    assert await relation(ana, ben) == Relation(following="pending")


async def test_who_asked_before_the_account_became_public_follows_by_asking_again() -> None:
    ana, ben = await make_user(), await make_private()
    await actions.follow_user(ana, ben.id)
    await set_privacy(ben, "public")

    assert await actions.follow_user(ana, ben.id) == FollowStatus("active")

    assert await relation(ana, ben) == Relation(following="active")
    assert (await happened())[-1] == "user.followed"


async def test_followers_stay_when_the_account_becomes_private() -> None:
    ana, ben = await make_user(), await make_user()
    await actions.follow_user(ana, ben.id)

    await set_privacy(ben, "private")

    assert await relation(ana, ben) == Relation(following="active")


# blocks and mutes


async def test_a_block_hides_each_from_the_other() -> None:
    ana, ben = await make_user(), await make_user(username="ben")

    assert await actions.block_user(ana, ben.id) == Relation(blocked=True)

    with pytest.raises(UserNotFound):
        await accounts.read_user(ana, ben.id)
    with pytest.raises(UserNotFound):
        await accounts.read_user_named(ana, "ben")
    with pytest.raises(UserNotFound):
        await accounts.read_user(ben, ana.id)
    assert await queries.hidden_from([ana.id]) == {ana.id: {ben.id}}
    assert await queries.hidden_from([ben.id]) == {ben.id: {ana.id}}
    access = [topics.access(ana.id, ben.id), topics.access(ben.id, ana.id)]
    hidden = [topics.hidden(ana.id, ben.id), topics.hidden(ben.id, ana.id)]
    assert await told() == [("user.blocked", access + hidden)]


async def test_a_block_ends_follows_both_ways() -> None:
    ana, ben = await make_user(), await make_user()
    await actions.follow_user(ana, ben.id)
    await actions.follow_user(ben, ana.id)

    await actions.block_user(ana, ben.id)

    assert await db.fetchval("SELECT count(*) FROM follows") == 0
    assert sorted((await happened())[2:]) == ["follower.removed", "user.blocked", "user.unfollowed"]
    assert await data_of("follower.removed") == [{"follower_id": str(ben.id), "followed_id": str(ana.id)}]
    assert await data_of("user.unfollowed") == [{"follower_id": str(ana.id), "followed_id": str(ben.id)}]


async def test_a_block_ends_requests_both_ways() -> None:
    ana, ben = await make_private(), await make_private()
    await actions.follow_user(ana, ben.id)
    await actions.follow_user(ben, ana.id)

    await actions.block_user(ana, ben.id)

    assert await db.fetchval("SELECT count(*) FROM follows") == 0
    assert sorted((await happened())[2:]) == ["follow.rejected", "follow.withdrawn", "user.blocked"]


async def test_blocking_twice_is_blocking_once() -> None:
    ana, ben = await make_user(), await make_user()
    await actions.block_user(ana, ben.id)

    assert await actions.block_user(ana, ben.id) == Relation(blocked=True)

    assert await happened() == ["user.blocked"]


async def test_a_block_that_is_taken_back_leaves_strangers() -> None:
    ana, ben = await make_user(), await make_user()
    await actions.follow_user(ana, ben.id)
    await actions.block_user(ana, ben.id)

    await actions.unblock_user(ana, ben.id)
    await actions.unblock_user(ana, ben.id)

    assert await relation(ana, ben) == Relation()
    both = [
        topics.access(ana.id, ben.id),
        topics.access(ben.id, ana.id),
        topics.shown(ana.id, ben.id),
        topics.shown(ben.id, ana.id),
    ]
    assert (await told())[3:] == [("user.unblocked", both)]


async def test_nobody_takes_back_the_block_of_another() -> None:
    ana, ben = await make_user(), await make_user()
    await actions.block_user(ana, ben.id)

    with pytest.raises(UserNotFound):
        await actions.unblock_user(ben, ana.id)

    assert await queries.hidden_from([ana.id]) == {ana.id: {ben.id}}


async def test_a_suspended_account_can_be_unblocked() -> None:
    ana, ben = await make_user(), await make_user()
    await actions.block_user(ana, ben.id)
    await suspend(ben)

    await actions.unblock_user(ana, ben.id)

    assert await queries.hidden_from([ana.id]) == {ana.id: set()}


async def test_a_mute_is_nobody_elses_business() -> None:
    ana, ben = await make_user(), await make_user()
    await actions.follow_user(ana, ben.id)
    before = await accounts.read_user(ben, ana.id)

    assert await actions.mute_user(ana, ben.id) == Relation(following="active", muted=True)
    assert await actions.mute_user(ana, ben.id) == Relation(following="active", muted=True)

    assert await relation(ana, ben) == Relation(following="active", muted=True)
    assert await accounts.read_user(ben, ana.id) == before
    assert (await told())[1:] == [("user.muted", [])]


async def test_a_mute_is_taken_back_once() -> None:
    ana, ben = await make_user(), await make_user()
    await actions.mute_user(ana, ben.id)

    await actions.unmute_user(ana, ben.id)
    await actions.unmute_user(ana, ben.id)

    assert await relation(ana, ben) == Relation()
    assert (await told())[1:] == [("user.unmuted", [])]


# lists and numbers


async def test_lists_are_newest_first_and_hold_who_follows(clock: Clock) -> None:
    ana, ben, eve = await make_user(), await make_user(), await make_user()
    await actions.follow_user(ben, ana.id)
    clock.forward(seconds=1)
    await actions.follow_user(eve, ana.id)
    await actions.follow_user(ana, ben.id)

    followers = await queries.read_followers(eve, ana.id, None, 10)
    following = await queries.read_following(eve, ana.id, None, 10)

    assert [(each.id, each.status) for each in followers] == [(eve.id, "none"), (ben.id, "none")]
    assert [(each.id, each.status) for each in following] == [(ben.id, "none")]
    seen_by_ana = await queries.read_followers(ana, ana.id, None, 10)
    assert [(each.id, each.status) for each in seen_by_ana] == [(eve.id, "none"), (ben.id, "active")]


async def test_a_page_begins_behind_the_last_one() -> None:
    ana = await make_user()
    others = [await make_user() for _ in range(3)]
    await asyncio_in_turn(actions.follow_user(each, ana.id) for each in others)

    first = await queries.read_followers(ana, ana.id, None, 2)
    before = (datetime.fromisoformat(first[-1].since), first[-1].id)
    second = await queries.read_followers(ana, ana.id, before, 2)

    assert [each.id for each in first + second] == [each.id for each in reversed(others)]


async def asyncio_in_turn(work: Any) -> None:
    for each in work:
        await each


async def test_lists_of_requests_hold_what_is_open() -> None:
    ana, ben = await make_user(), await make_private()
    await actions.follow_user(ana, ben.id)

    assert [each.id for each in await queries.read_requests(ben, None, 10)] == [ana.id]
    assert [(each.id, each.status) for each in await queries.read_sent_requests(ana, None, 10)] == [(ben.id, "pending")]
    assert await queries.read_followers(ben, ben.id, None, 10) == []

    await actions.accept_request(ben, ana.id)

    assert await queries.read_requests(ben, None, 10) == []
    assert await queries.read_sent_requests(ana, None, 10) == []


async def test_lists_leave_out_who_cannot_be_seen() -> None:
    ana, ben, eve, gone = await make_user(), await make_user(), await make_user(), await make_user()
    await asyncio_in_turn(actions.follow_user(each, ana.id) for each in (ben, eve, gone))
    await actions.block_user(eve, ben.id)
    await suspend(gone)

    assert [each.id for each in await queries.read_followers(ben, ana.id, None, 10)] == [ben.id]
    assert [each.id for each in await queries.read_followers(eve, ana.id, None, 10)] == [eve.id]


async def test_the_lists_of_who_cannot_be_seen_are_not_found() -> None:
    ana, ben, eve = await make_user(), await make_user(), await make_user()
    await actions.follow_user(eve, ana.id)
    await actions.follow_user(ana, eve.id)
    await actions.block_user(ana, ben.id)

    with pytest.raises(UserNotFound):
        await queries.read_followers(ben, ana.id, None, 10)
    with pytest.raises(UserNotFound):
        await queries.read_following(ben, ana.id, None, 10)
    with pytest.raises(UserNotFound):
        await queries.read_stats(ben, ana.id)


async def test_blocked_and_muted_people_are_listed_for_oneself() -> None:
    ana, ben, eve = await make_user(), await make_user(), await make_user()
    await actions.block_user(ana, ben.id)
    await actions.mute_user(ana, eve.id)

    assert [each.id for each in await queries.read_blocked(ana, None, 10)] == [ben.id]
    assert [each.id for each in await queries.read_muted(ana, None, 10)] == [eve.id]
    assert await queries.read_blocked(ben, None, 10) == []
    assert await queries.read_muted(eve, None, 10) == []


async def test_stats_count_what_one_did_at_once_and_tell_requests_to_oneself_only() -> None:
    ana, ben, eve = await make_user(), await make_user(), await make_private()
    await actions.follow_user(ana, ben.id)
    await actions.follow_user(ana, eve.id)

    assert await queries.read_stats(ana, ana.id) == FollowStats(0, 1, 0, 1)
    assert await queries.read_stats(ana, ben.id) == FollowStats(1, 0, None, None)
    assert await queries.read_stats(eve, eve.id) == FollowStats(0, 0, 1, 0)


async def test_statuses_are_told_of_everybody_asked_for() -> None:
    ana, ben, eve, gone, unknown = (
        await make_user(),
        await make_user(),
        await make_private(),
        await make_user(),
        UserID(new_id()),
    )
    await asyncio_in_turn(actions.follow_user(ana, each.id) for each in (ben, eve, gone))
    await suspend(gone)

    found = await queries.read_statuses(ana, [ben.id, eve.id, gone.id, unknown, ben.id])

    assert found.statuses == {ben.id: "active", eve.id: "pending", gone.id: "none", unknown: "none"}


async def test_who_hears_of_an_author_follows_them_actively_and_has_not_muted_them() -> None:
    ana, ben, eve, mat = await make_user(), await make_user(), await make_private(), await make_user()
    await asyncio_in_turn(actions.follow_user(each, ben.id) for each in (ana, eve, mat))
    await actions.follow_user(ana, eve.id)
    await actions.mute_user(mat, ben.id)

    everybody = await queries.followers_of([ben.id, eve.id], at_most=2)
    among = await queries.followers_among([ben.id, eve.id], [ana.id, ben.id, mat.id])

    assert {author: set(found or ()) for author, found in everybody.items()} == {
        ben.id: {ana.id, eve.id},
        eve.id: set(),
    }
    assert among == {ben.id: [ana.id]}


async def test_more_followers_than_wanted_are_not_read() -> None:
    ana, ben, eve = await make_user(), await make_user(), await make_user()
    await asyncio_in_turn(actions.follow_user(each, ana.id) for each in (ben, eve))

    assert await queries.followers_of([ana.id, ben.id], at_most=1) == {ana.id: None, ben.id: []}


# counters


LOG = "SELECT seq, type, topics, data::text AS data, actor, audience, at FROM events ORDER BY seq"


async def test_follows_are_folded_into_the_counts_of_both() -> None:
    ana, ben, eve = await make_user(), await make_user(), await make_private()
    await actions.follow_user(ana, ben.id)
    await actions.follow_user(ana, eve.id)
    await actions.accept_request(eve, ana.id)
    await actions.follow_user(ben, ana.id)
    await actions.remove_follower(ana, ben.id)
    await actions.unfollow_user(ana, ben.id)

    await counters.fold([eventlog.Logged(*row.values()) for row in await db.fetch(LOG)])

    rows = await db.fetch("SELECT user_id, followers, following FROM user_counts")
    assert {row["user_id"]: (row["followers"], row["following"]) for row in rows} == {
        ana.id: (0, 1),
        ben.id: (0, 0),
        eve.id: (1, 0),
    }
    news = [row for row in await db.fetch(EVENTS) if row["type"] == "user.counters"]
    assert {row["topics"][0] for row in news} == {topics.user(each.id) for each in (ana, ben, eve)}


async def counts(viewer: Viewer, other: Viewer) -> tuple[int, int]:
    found = (await accounts.read_user(viewer, other.id)).counters
    return found.followers, found.following


@pytest.mark.committed
@pytest.mark.usefixtures("own_database")
async def test_ones_own_act_is_counted_at_once_and_not_twice() -> None:
    ana, ben = await make_user(), await make_user()
    await settle()
    await actions.follow_user(ana, ben.id)

    at_once = [await counts(ana, ben), await counts(ana, ana), await counts(ben, ben)]
    await settle()
    settled = [await counts(ana, ben), await counts(ana, ana), await counts(ben, ben)]

    assert at_once == [(1, 0), (0, 1), (0, 0)]
    assert settled == [(1, 0), (0, 1), (1, 0)]


@pytest.mark.committed
@pytest.mark.usefixtures("own_database")
async def test_a_block_is_counted_like_what_it_ends() -> None:
    ana, ben = await make_user(), await make_user()
    await actions.follow_user(ana, ben.id)
    await actions.follow_user(ben, ana.id)
    await settle()
    await actions.block_user(ana, ben.id)

    at_once = await counts(ana, ana)
    await settle()

    assert at_once == (0, 0)
    assert [await counts(ana, ana), await counts(ben, ben)] == [(0, 0), (0, 0)]


# who may listen


async def test_the_verdict_on_a_user_names_the_reason() -> None:
    viewer, seen, blocked, blocker, gone = [await make_user() for _ in range(5)]
    unknown = UserID(new_id())
    await actions.block_user(viewer, blocked.id)
    await actions.block_user(blocker, viewer.id)
    await suspend(gone)

    asked = [seen.id, blocked.id, blocker.id, gone.id, unknown, viewer.id]
    found = await accounts.user_access([(viewer.id, each) for each in asked])

    assert {row[1:] for row in found} == {
        (seen.id, seen.id, "ok"),
        (blocked.id, blocked.id, "blocked"),
        (blocker.id, blocker.id, "blocked"),
        (gone.id, gone.id, "suspended"),
        (unknown, None, "deleted"),
        (viewer.id, viewer.id, "ok"),
    }


async def test_the_verdict_on_a_post_names_the_reason() -> None:
    viewer, blocked, blocker, gone, private, other = [await make_user() for _ in range(6)]
    authors = [viewer, other, blocked, blocker, gone, private]
    made = [(await make_post(each)).id for each in authors]
    hidden = (await make_post(other, visibility="followers")).id
    unknown = PostID(new_id())
    await actions.block_user(viewer, blocked.id)
    await actions.block_user(blocker, viewer.id)
    await suspend(gone)
    await set_privacy(private, "followers")

    found = await posts.post_access([(viewer.id, each) for each in [*made, hidden, unknown]])

    verdicts = ["ok", "ok", "blocked", "blocked", "suspended", "private"]
    judged = {(post, author.id, verdict) for post, author, verdict in zip(made, authors, verdicts, strict=True)}
    assert {row[1:] for row in found} == {*judged, (hidden, other.id, "private"), (unknown, None, "deleted")}


# visibility of posts


async def visibility_events() -> list[tuple[str, list[str]]]:
    kinds = ("visibility.changed", "post.edited", "privacy.changed", "profile.changed")
    return [(row["type"], row["topics"]) for row in await db.fetch(EVENTS) if row["type"] in kinds]


async def test_another_visibility_makes_servers_ask_again_and_is_no_edit() -> None:
    ana = await make_user()
    post = await make_post(ana)

    changed = await edit_post(ana, post.id, PostChanges(visibility="followers"))
    await edit_post(ana, post.id, PostChanges(visibility="followers"))

    assert (changed.visibility, changed.edited_at, changed.content) == ("followers", None, post.content)
    assert await visibility_events() == [("visibility.changed", [topics.again(topics.post(post.id))])]


async def test_an_edit_that_changes_visibility_too_tells_both() -> None:
    ana = await make_user()
    post = await make_post(ana)

    changed = await edit_post(ana, post.id, PostChanges(content="Bread", visibility="private"))

    assert (changed.visibility, changed.content) == ("private", "Bread")
    assert changed.edited_at is not None
    assert await visibility_events() == [
        ("visibility.changed", [topics.again(topics.post(post.id))]),
        ("post.edited", [topics.post(post.id)]),
    ]


@pytest.mark.parametrize(
    ("privacy", "visibility", "is_told"),
    [
        ("public", "public", True),
        ("public", "followers", False),
        ("public", "private", False),
        ("followers", "public", False),
        ("private", "public", False),
    ],
)
async def test_a_profile_tells_of_posts_that_everybody_may_see(privacy: str, visibility: str, is_told: bool) -> None:
    ana = await make_user()
    await set_privacy(ana, privacy)

    await make_post(ana, visibility=visibility)

    (published,) = [row for row in await db.fetch(EVENTS) if row["type"] == "post.published"]
    assert (topics.user(ana.id) in published["topics"]) is is_told


# at the same time


def outside(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.create_task(work, context=OUTSIDE.copy())


@pytest.mark.committed
async def test_a_follow_waits_for_a_block_and_then_finds_nobody() -> None:
    ana, ben = await make_user(), await make_user()

    async with db.transaction():
        await actions.block_user(ana, ben.id)
        waiting = outside(actions.follow_user(ben, ana.id))
        await asyncio.sleep(0.1)

    with pytest.raises(UserNotFound):
        await waiting
    assert await happened() == ["user.blocked"]


@pytest.mark.committed
async def test_a_block_waits_for_a_follow_and_then_ends_it() -> None:
    ana, ben = await make_user(), await make_user()

    async with db.transaction():
        await actions.follow_user(ben, ana.id)
        waiting = outside(actions.block_user(ana, ben.id))
        await asyncio.sleep(0.1)

    assert await waiting == Relation(blocked=True)
    assert await happened() == ["user.followed", "follower.removed", "user.blocked"]


@pytest.mark.committed
async def test_of_two_who_block_each_other_at_once_one_is_first() -> None:
    ana, ben = await make_user(), await make_user()

    async with db.transaction():
        await actions.block_user(ana, ben.id)
        waiting = outside(actions.block_user(ben, ana.id))
        await asyncio.sleep(0.1)

    with pytest.raises(UserNotFound):
        await waiting
    assert await happened() == ["user.blocked"]


@pytest.mark.committed
async def test_a_follow_waits_for_the_account_to_become_private_and_then_asks() -> None:
    ana, ben = await make_user(), await make_user()

    async with db.transaction():
        await set_privacy(ben, "private")
        waiting = outside(actions.follow_user(ana, ben.id))
        await asyncio.sleep(0.1)

    assert await waiting == FollowStatus("pending")


@pytest.mark.committed
async def test_a_post_waits_for_the_account_to_become_private_and_is_not_told_publicly() -> None:
    ana = await make_user()

    async with db.transaction():
        await set_privacy(ana, "private")
        waiting = outside(make_post(ana))
        await asyncio.sleep(0.1)

    await waiting
    (published,) = [row for row in await db.fetch(EVENTS) if row["type"] == "post.published"]
    assert topics.user(ana.id) not in published["topics"]


@pytest.mark.committed
async def test_the_same_twice_at_once_is_told_once() -> None:
    ana, ben, eve = await make_user(), await make_user(), await make_private()

    await asyncio.gather(*(actions.follow_user(ana, ben.id) for _ in range(5)))
    await asyncio.gather(*(actions.follow_user(ana, eve.id) for _ in range(5)))
    await asyncio.gather(*(actions.accept_request(eve, ana.id) for _ in range(5)))
    await asyncio.gather(*(actions.mute_user(ana, ben.id) for _ in range(5)))
    await asyncio.gather(*(actions.unfollow_user(ana, ben.id) for _ in range(5)))
    await asyncio.gather(*(actions.block_user(ana, ben.id) for _ in range(5)))
    await asyncio.gather(*(actions.unblock_user(ana, ben.id) for _ in range(5)))

    assert await happened() == [
        "user.followed",
        "follow.requested",
        "follow.accepted",
        "user.muted",
        "user.unfollowed",
        "user.blocked",
        "user.unblocked",
    ]


ANYTHING = [
    *[actions.follow_user] * 4,
    actions.unfollow_user,
    actions.accept_request,
    actions.remove_follower,
    actions.block_user,
    actions.unblock_user,
    actions.mute_user,
]
BESIDE = """
SELECT count(*) FROM follows f JOIN blocks b ON (b.blocker_id, b.blocked_id) IN
    ((f.follower_id, f.followed_id), (f.followed_id, f.follower_id))
"""
FROM_LOG = """
SELECT coalesce(sum(CASE WHEN type IN ('user.followed', 'follow.accepted') THEN 1
    WHEN type IN ('user.unfollowed', 'follower.removed') THEN -1 ELSE 0 END), 0) FROM events
"""


@pytest.mark.committed
@pytest.mark.parametrize("seed", range(5))
async def test_whatever_two_do_to_each_other_at_once_no_follow_stands_beside_a_block(seed: int) -> None:
    random = Random(seed)
    ana, ben = await make_user(), await make_user()
    pairs = [(ana, ben), (ben, ana)]
    chosen = [(random.choice(ANYTHING), *random.choice(pairs)) for _ in range(100)]

    answers = await asyncio.gather(*(act(who, whom.id) for act, who, whom in chosen), return_exceptions=True)

    failed = {type(each) for each in answers if isinstance(each, Exception)}
    assert failed <= {UserNotFound, FollowRequestNotFound}
    assert await db.fetchval(BESIDE) == 0
    assert await db.fetchval(FROM_LOG) == await db.fetchval("SELECT count(*) FROM follows WHERE status = 'active'")
