"""What others do becomes notifications: folded from the log, taken back with the act, told to whom it concerns."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from domain import db
from domain.accounts.actions import ProfileChanges, change_profile
from domain.accounts.rules import Viewer
from domain.acts import queries as acts
from domain.acts.actions import fold
from domain.clock import stamp
from domain.comments.actions import CommentChanges, NewComment, comment_on, delete_comment, edit_comment
from domain.comments.queries import Comment
from domain.consequences import PAGE
from domain.departures import leave
from domain.eventlog import Event, Logged, encode
from domain.graph.actions import (
    accept_request,
    block_user,
    cancel_request,
    follow_user,
    mute_user,
    reject_request,
    remove_follower,
    unblock_user,
    unfollow_user,
    unmute_user,
)
from domain.ids import NotificationID, PostID, UserID, new_id
from domain.notifications import rules
from domain.notifications.actions import NamesOrAll, ReadWhat, delete_notification, forget_suppressed, read
from domain.notifications.events import NotificationRemoved, NotificationsRead, NotificationUpserted
from domain.notifications.queries import (
    Inbox,
    Notification,
    NotificationNotFound,
    Unread,
    position_of,
    read_children,
    read_notifications,
    read_unread,
)
from domain.posts.actions import PostChanges, delete_post, edit_post
from domain.posts.queries import Post
from domain.reactions.actions import like_post, unlike_post
from domain.reactions.events import PostLiked
from domain.settings import settings
from domain.targets import Target
from tests.conftest import Statements
from tests.domain.notifications.folding import NOON, Log, after, at, told
from tests.factories import make_comment, make_post, make_user, settle

OUTSIDE = contextvars.Context()  # where no transaction is open
FoldNews = Callable[..., Awaitable[dict[UserID, list[Any]]]]


@pytest.fixture
def fold_news() -> FoldNews:
    """`await fold_news(minutes=5)`: fold what was done since the last time as if it had been then; what was told."""
    log = Log()

    async def fold_all(**by: float) -> dict[UserID, list[Any]]:
        await fold(at(await log.new(), after(**by)))
        return told(await log.new())

    return fold_all


async def people(*names: str) -> list[Viewer]:
    return [await make_user(username=name) for name in names]


async def inbox(viewer: Viewer) -> Inbox:
    return await read_notifications(viewer, None, 100)


async def lines(viewer: Viewer) -> list[str]:
    """What the list shows: type, how many of a batch, by whom."""
    return [_line(each) for each in (await inbox(viewer)).items]


def _line(row: Notification) -> str:
    count = f" {row.batch_count}" if row.is_batch else ""
    return f"{row.type}{count}: {' '.join(actor.username for actor in row.actors)}{', read' if row.read else ''}"


async def only(viewer: Viewer) -> Notification:
    (row,) = (await inbox(viewer)).items
    return row


async def below(viewer: Viewer, row: Notification) -> list[str]:
    return [_line(each) for each in await read_children(viewer, row.id, None, 100)]


async def like(post: Post, *likers: Viewer) -> None:
    for each in likers:
        await like_post(each, post.id)


async def say(viewer: Viewer, post: Post, content: str, parent: Comment | None = None) -> Comment:
    new = NewComment(content=content, parent_id=None if parent is None else parent.id)
    return await comment_on(viewer, Target("post", post.id), new)


async def make_private(viewer: Viewer) -> None:
    await change_profile(viewer, viewer.id, ProfileChanges(privacy_level="private"))


async def hide(post: Post, author: Viewer) -> None:
    await edit_post(author, post.id, PostChanges(visibility="private"))


# what is told to whom


async def test_a_like_is_told_to_the_author(fold_news: FoldNews) -> None:
    ana, ben = await people("ana", "ben")
    post = await make_post(ana)

    await like_post(ben, post.id)
    await fold_news()

    row = await only(ana)
    assert msgspec.to_builtins(row) == {
        "id": str(row.id),
        "type": "like",
        "title": "New like",
        "message": "ben liked your post",
        "data": {"post_id": str(post.id)},
        "priority": "low",
        "is_batch": False,
        "batch_count": 1,
        "batch_key": f"post_interaction:post:{post.id}",
        "parent_id": None,
        "actors": [{"id": str(ben.id), "username": "ben", "display_name": None, "avatar_url": None}],
        "read": False,
        "read_at": None,
        "created_at": stamp(NOON),
        "last_updated_at": stamp(NOON),
    }
    assert (await inbox(ana)).unread == 1
    assert await lines(ben) == []


async def test_a_comment_is_told_to_the_posts_author(fold_news: FoldNews) -> None:
    ana, ben = await people("ana", "ben")
    post = await make_post(ana)

    comment = await make_comment(post, ben)
    await fold_news()

    row = await only(ana)
    assert (row.type, row.batch_key, row.message) == (
        "comment",
        f"comment:post:{post.id}",
        "ben commented on your post",
    )
    assert msgspec.to_builtins(row.data) == {"post_id": str(post.id), "comment_id": str(comment.id)}


async def test_a_reply_is_told_to_whom_it_answers_and_to_the_posts_author(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    post = await make_post(ana)
    comment = await make_comment(post, ben)
    await fold_news()

    reply = await make_comment(post, cid, comment)
    await fold_news(minutes=5)

    row = await only(ben)
    assert (row.type, row.batch_key, row.message) == (
        "reply",
        f"reply:comment:{comment.id}",
        "cid replied to your comment",
    )
    assert msgspec.to_builtins(row.data) == {
        "post_id": str(post.id),
        "comment_id": str(reply.id),
        "parent_id": str(comment.id),
    }
    assert await lines(ana) == ["comment 2: cid ben"]


async def test_the_posts_author_hears_of_a_reply_to_their_comment_once(fold_news: FoldNews) -> None:
    ana, ben = await people("ana", "ben")
    post = await make_post(ana)
    comment = await make_comment(post, ana)

    await make_comment(post, ben, comment)
    await fold_news()

    assert await lines(ana) == ["reply: ben"]


async def test_who_replies_to_themselves_tells_the_posts_author(fold_news: FoldNews) -> None:
    ana, ben = await people("ana", "ben")
    post = await make_post(ana)
    comment = await make_comment(post, ben)
    await make_comment(post, ben, comment)

    await fold_news()

    assert await lines(ana) == ["comment 2: ben"]
    assert await lines(ben) == []


async def test_one_never_hears_of_oneself(fold_news: FoldNews) -> None:
    (ana,) = await people("ana")
    post = await make_post(ana)
    await like_post(ana, post.id)
    await make_comment(post, ana, await make_comment(post, ana))

    assert await fold_news() == {}

    assert await inbox(ana) == Inbox([], 0, 0)


async def test_a_follow_is_told_to_the_followed(fold_news: FoldNews) -> None:
    ana, ben = await people("ana", "ben")

    await follow_user(ben, ana.id)
    await fold_news()

    row = await only(ana)
    assert (row.type, row.batch_key, row.message) == ("follow", f"follow:user:{ana.id}", "ben started following you")
    assert msgspec.to_builtins(row.data) == {"user_id": str(ben.id)}


async def test_a_request_is_told_to_who_is_asked_and_goes_when_it_is_granted(fold_news: FoldNews) -> None:
    ana, ben = await people("ana", "ben")
    await make_private(ana)
    await follow_user(ben, ana.id)
    await fold_news()
    asked = await only(ana)

    await accept_request(ana, ben.id)
    await fold_news(minutes=1)

    granted = await only(ben)
    assert (asked.type, asked.batch_key, asked.message) == (
        "follow_request",
        f"follow_request:user:{ana.id}",
        "ben asked to follow you",
    )
    assert (granted.type, granted.batch_key, granted.message) == (
        "follow_accepted",
        f"follow_accepted:user:{ben.id}",
        "ana accepted your request to follow them",
    )
    assert await lines(ana) == []


async def test_follows_and_granted_requests_are_apart(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    await make_private(ben)
    await follow_user(ana, ben.id)
    await accept_request(ben, ana.id)
    await follow_user(cid, ana.id)

    await fold_news()

    assert sorted(await lines(ana)) == ["follow: cid", "follow_accepted: ben"]


async def test_who_asked_and_follows_once_the_account_is_public_is_told_as_a_follower(fold_news: FoldNews) -> None:
    ana, ben = await people("ana", "ben")
    await make_private(ana)
    await follow_user(ben, ana.id)
    await fold_news()
    await change_profile(ana, ana.id, ProfileChanges(privacy_level="public"))

    await follow_user(ben, ana.id)
    await fold_news(minutes=1)

    assert await lines(ana) == ["follow: ben"]


async def test_a_mention_is_told_to_who_is_mentioned(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    post = await make_post(ana, content="With @ben")
    await fold_news()
    in_post = await only(ben)

    said = await say(cid, post, "Ask @ben")
    await fold_news(minutes=5)

    (single,) = [each for each in await read_children(ben, (await only(ben)).id, None, 10) if each.data.comment_id]
    assert (in_post.type, in_post.batch_key, in_post.message) == (
        "mention",
        f"mention:post:{post.id}",
        "ana mentioned you",
    )
    assert msgspec.to_builtins(in_post.data) == {"post_id": str(post.id)}
    assert msgspec.to_builtins(single.data) == {"post_id": str(post.id), "comment_id": str(said.id)}
    assert await lines(ben) == ["mention 2: cid ana"]


async def test_of_a_comment_that_one_hears_of_anyway_one_does_not_hear_as_a_mention(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    post = await make_post(ana)
    comment = await make_comment(post, ben)
    await fold_news()

    await say(cid, post, "@ana and @ben, really?", comment)
    await fold_news(minutes=5)

    assert (await lines(ana), await lines(ben)) == (["comment 2: cid ben"], ["reply: cid"])


async def test_a_mention_that_is_edited_away_goes_and_comes_with_another_edit(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    post = await make_post(ana)
    comment = await say(cid, post, "With @ben")
    await fold_news()
    await edit_comment(cid, comment.id, CommentChanges(content="Alone"))
    await fold_news(minutes=1)
    alone = await lines(ben)

    await edit_comment(cid, comment.id, CommentChanges(content="With @ben after all"))
    await fold_news(minutes=2)

    assert (alone, await lines(ben)) == ([], ["mention: cid"])


async def test_who_cannot_see_it_hears_of_no_mention(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    await make_post(ana, content="About @ben", visibility="private")
    post = await make_post(ana)
    await say(cid, post, "About @ben")
    await hide(post, ana)

    await fold_news()

    assert await lines(ben) == []


# what is not told: what is true when it is folded counts


async def mute(ana: Viewer, ben: Viewer) -> None:
    await mute_user(ana, ben.id)


async def block(ana: Viewer, ben: Viewer) -> None:
    await block_user(ana, ben.id)


async def be_blocked(ana: Viewer, ben: Viewer) -> None:
    await block_user(ben, ana.id)


async def see_them_leave(ana: Viewer, ben: Viewer) -> None:
    await db.execute("DELETE FROM users WHERE id = $1", ben.id)


@pytest.mark.parametrize("end", [mute, block, be_blocked, see_them_leave])
async def test_of_some_people_one_hears_nothing(
    fold_news: FoldNews, end: Callable[[Viewer, Viewer], Awaitable[None]]
) -> None:
    ana, ben = await people("ana", "ben")
    post = await make_post(ana)
    await make_comment(post, ben, await make_comment(post, ana))
    await make_comment(post, ben)
    await like_post(ben, post.id)
    await follow_user(ben, ana.id)
    await end(ana, ben)

    assert await fold_news() == {}

    assert await inbox(ana) == Inbox([], 0, 0)


async def test_a_mute_that_ended_before_the_fold_leaves_what_came_after_it(fold_news: FoldNews) -> None:
    ana, ben = await people("ana", "ben")
    one, other = await make_post(ana), await make_post(ana)
    await like_post(ben, one.id)
    await mute_user(ana, ben.id)
    await unmute_user(ana, ben.id)
    await like_post(ben, other.id)

    await fold_news()

    assert (await only(ana)).data.post_id == other.id


async def test_the_muted_still_hear_of_the_muter(fold_news: FoldNews) -> None:
    ana, ben = await people("ana", "ben")
    post = await make_post(ben)
    await mute_user(ana, ben.id)
    await like_post(ana, post.id)

    await fold_news()

    assert await lines(ben) == ["like: ana"]


async def test_what_is_gone_before_its_fold_is_not_told(fold_news: FoldNews) -> None:
    ana, ben = await people("ana", "ben")
    gone, kept = await make_post(ana), await make_post(ana)
    await like_post(ben, gone.id)
    await make_comment(gone, ben)
    await delete_comment(ana, (await make_comment(kept, ben)).id)
    await delete_post(ana, gone.id)

    assert await fold_news() == {}

    assert await lines(ana) == []


async def test_a_reply_to_what_is_gone_is_not_told(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    post = await make_post(ana)
    comment = await make_comment(post, ben)
    await make_comment(post, cid, comment)
    await delete_comment(ben, comment.id)

    await fold_news()

    assert (await lines(ana), await lines(ben)) == ([], [])


async def test_a_reply_to_who_cannot_see_it_any_more_is_not_told(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    post = await make_post(ana)
    comment = await make_comment(post, ben)
    await fold_news()
    await make_comment(post, cid, comment)
    await hide(post, ana)

    await fold_news()

    assert await lines(ben) == []
    assert await lines(ana) == ["comment 2: ben cid"]


async def test_who_is_gone_before_the_fold_gets_nothing_and_the_others_all(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    await follow_user(cid, ana.id)
    await follow_user(cid, ben.id)
    await db.execute("DELETE FROM users WHERE id = $1", ana.id)

    heard = await fold_news()

    assert list(heard) == [ben.id]
    assert await lines(ben) == ["follow: cid"]


async def test_a_like_that_is_taken_back_in_the_same_fold_tells_nothing(fold_news: FoldNews) -> None:
    ana, ben = await people("ana", "ben")
    post = await make_post(ana)
    await like_post(ben, post.id)
    await unlike_post(ben, post.id)

    assert await fold_news() == {}

    assert (await lines(ana), await read_unread(ana)) == ([], Unread(0))


# groups


async def test_a_second_like_within_an_hour_makes_a_batch_of_both(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    post = await make_post(ana)
    await like(post, ben)
    await fold_news()
    single = await only(ana)

    await like(post, cid)
    await fold_news(hours=1)

    batch = await only(ana)
    children = await read_children(ana, batch.id, None, 10)
    assert batch.id != single.id
    assert (batch.type, batch.is_batch, batch.batch_count) == ("post_interaction", True, 2)
    assert (batch.created_at, batch.last_updated_at) == (stamp(after(hours=1)), stamp(after(hours=1)))
    assert (batch.title, batch.message) == ("New engagement", "2 people engaged with your post")
    assert [_line(each) for each in children] == ["like: cid", "like: ben"]
    assert children[1].id == single.id
    assert {(each.parent_id, each.batch_key) for each in children} == {(batch.id, single.batch_key)}


async def test_after_an_hour_a_single_stays_one(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    post = await make_post(ana)
    await like(post, ben)
    await fold_news()

    await like(post, cid)
    await fold_news(hours=1, microseconds=1)

    assert await lines(ana) == ["like: cid", "like: ben"]
    assert await below(ana, (await inbox(ana)).items[0]) == []


async def test_a_batch_takes_what_comes_within_a_day_and_then_one_begins_anew(fold_news: FoldNews) -> None:
    ana, ben, cid, dan, eve, fay = await people("ana", "ben", "cid", "dan", "eve", "fay")
    post = await make_post(ana)
    await like(post, ben, cid)
    await fold_news()

    await like(post, dan)
    await fold_news(hours=24)
    in_time = await lines(ana)
    await like(post, eve)
    await fold_news(hours=24, microseconds=1)
    too_late = await lines(ana)
    await like(post, fay)
    await fold_news(hours=24, minutes=1)

    assert in_time == ["post_interaction 3: dan ben cid"]
    assert too_late == ["like: eve", "post_interaction 3: dan ben cid"]
    assert await lines(ana) == ["post_interaction 2: fay eve", "post_interaction 3: dan ben cid"]


async def test_three_actors_are_named_those_who_did_it_last(fold_news: FoldNews) -> None:
    ana, *others = await people("ana", "ben", "cid", "dan", "eve")
    post = await make_post(ana)
    for minute, each in enumerate(others):
        await like(post, each)
        await fold_news(minutes=minute)

    assert await lines(ana) == ["post_interaction 4: eve dan cid"]


async def test_who_says_much_is_named_once(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    post = await make_post(ana)
    for minute, each in enumerate([ben, cid, cid, cid, cid]):
        await make_comment(post, each)
        await fold_news(minutes=minute)

    assert await lines(ana) == ["comment 5: cid ben"]


async def test_a_full_batch_of_follows_closes_and_the_next_begins_as_a_single(fold_news: FoldNews) -> None:
    ana, *others = await people("ana", *(f"follower{number}" for number in range(12)))
    for each in others[:11]:
        await follow_user(each, ana.id)
    await fold_news()
    eleven = [(each.batch_count, each.is_batch) for each in (await inbox(ana)).items]

    await follow_user(others[11], ana.id)
    await fold_news(minutes=5)

    assert sorted(eleven) == [(1, False), (10, True)]
    assert sorted((each.batch_count, each.is_batch) for each in (await inbox(ana)).items) == [(2, True), (10, True)]


@pytest.fixture
def two_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "settings", replace(settings, notifications_per_hour=2))


async def test_the_limit_is_of_a_type_and_an_hour_and_undoing_gives_nothing_back(
    two_an_hour: None, fold_news: FoldNews
) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    posts = [await make_post(ana) for _ in range(4)]
    await like(posts[0], ben)
    await like(posts[1], ben)
    await fold_news()
    await unlike_post(ben, posts[0].id)
    await like(posts[2], ben)
    await follow_user(ben, ana.id)
    heard = await fold_news(minutes=59)
    full, unread = await lines(ana), await read_unread(ana)
    await like(posts[3], ben)
    await fold_news(minutes=60)
    an_hour_later = await lines(ana)
    await like(posts[2], cid)
    await fold_news(minutes=61)

    assert [type(event) for event in heard[ana.id]] == [NotificationRemoved, NotificationUpserted]
    assert (full, unread) == (["follow: ben", "like: ben"], Unread(2))
    assert an_hour_later == ["like: ben", "follow: ben", "like: ben"]
    assert (await lines(ana))[0] == "post_interaction 2: cid ben"


async def test_doing_and_undoing_the_same_takes_no_more_room_and_hides_nobody_else(
    two_an_hour: None, fold_news: FoldNews
) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    posts = [await make_post(ana) for _ in range(2)]
    for _ in range(4):
        await like(posts[0], ben)
        await unlike_post(ben, posts[0].id)
        await fold_news()
    await like(posts[1], cid)
    await fold_news(minutes=1)

    assert await lines(ana) == ["like: cid"]


@pytest.mark.parametrize("silence", [block_user, mute_user])
async def test_whoever_is_silenced_takes_no_room_any_more(
    two_an_hour: None, fold_news: FoldNews, silence: Callable[[Viewer, UserID], Awaitable[object]]
) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    for _ in range(2):
        await like(await make_post(ana), ben)
    await fold_news()
    await silence(ana, ben.id)
    await like(await make_post(ana), cid)
    await fold_news(minutes=1)

    assert await lines(ana) == ["like: cid"]


async def test_what_was_suppressed_is_forgotten_when_nothing_can_join_it(
    two_an_hour: None, fold_news: FoldNews
) -> None:
    ana, ben = await people("ana", "ben")
    for _ in range(3):
        await like(await make_post(ana), ben)
    await fold_news()

    await forget_suppressed()

    assert await db.fetchval("SELECT count(*) FROM notifications WHERE is_suppressed") == 0
    assert len(await lines(ana)) == 2


async def test_whom_one_has_blocked_is_named_no_more_even_before_it_is_folded(fold_news: FoldNews) -> None:
    ana, ben = await people("ana", "ben")
    await like(await make_post(ana), ben)
    await fold_news()

    await block_user(ana, ben.id)

    assert [(each.actors, each.message) for each in (await inbox(ana)).items] == [([], "Somebody liked your post")]


async def test_what_is_suppressed_can_be_neither_read_nor_deleted_nor_opened(
    two_an_hour: None, fold_news: FoldNews
) -> None:
    ana, ben = await people("ana", "ben")
    for _ in range(3):
        await like(await make_post(ana), ben)
    await fold_news()
    hidden = await db.fetchval("SELECT id FROM notifications WHERE is_suppressed")

    answer = await read(ana, ReadWhat(ids=[hidden]))

    assert (answer, await read_unread(ana)) == (Unread(2), Unread(2))
    with pytest.raises(NotificationNotFound):
        await delete_notification(ana, hidden)
    with pytest.raises(NotificationNotFound):
        await read_children(ana, hidden, None, 10)


# taking back


async def test_a_batch_shrinks_to_one_and_then_goes(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    post = await make_post(ana)
    await like(post, ben, cid)
    await fold_news()
    before = await only(ana)

    await unlike_post(cid, post.id)
    await fold_news(minutes=5)
    one = await only(ana)
    await unlike_post(ben, post.id)
    heard = await fold_news(minutes=6)

    assert (one.id, one.last_updated_at) == (before.id, before.last_updated_at)
    assert (_line(one), one.message) == ("post_interaction 1: ben", "1 person engaged with your post")
    assert heard == {ana.id: [NotificationRemoved(id=one.id, unread=0, version=3)]}
    assert await inbox(ana) == Inbox([], 0, 3)


async def test_what_is_taken_back_of_a_batch_that_was_read_leaves_it_read(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    post = await make_post(ana)
    await like(post, ben, cid)
    await fold_news()
    await read(ana, ReadWhat(all=True))

    await unlike_post(cid, post.id)
    await fold_news(minutes=5)

    assert (await lines(ana), await read_unread(ana)) == (["post_interaction 1: ben, read"], Unread(0))


async def test_a_deleted_comment_takes_its_replies_news_along(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    post = await make_post(ana)
    comment = await make_comment(post, ben)
    await make_comment(post, cid, comment)
    await make_comment(post, cid)
    await fold_news()

    await delete_comment(ben, comment.id)
    await fold_news()

    assert (await lines(ana), await lines(ben)) == (["comment 1: cid"], [])


async def test_a_deleted_post_takes_everything_about_it_along(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    post, other = await make_post(ana), await make_post(ana)
    await make_comment(post, cid, await make_comment(post, ben))
    await like(post, ben, cid)
    await like(other, ben)
    await fold_news()
    await like(post, await make_user())

    await delete_post(ana, post.id)
    heard = await fold_news()

    assert (await lines(ana), await lines(ben)) == (["like: ben"], [])
    assert await db.fetchval("SELECT count(*) FROM notifications WHERE post_id = $1", post.id) == 0
    assert {type(event) for events in heard.values() for event in events} == {NotificationRemoved}
    assert [event.unread for event in heard[ana.id]] == [1, 1]


async def test_a_block_takes_along_what_each_heard_of_the_other(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    one, other = await make_post(ana), await make_post(ben)
    await like(one, ben, cid)
    await like(other, ana)
    await follow_user(ben, ana.id)
    await fold_news()

    await block_user(ana, ben.id)
    await fold_news()
    after_it = await lines(ana), await lines(ben)
    await unblock_user(ana, ben.id)
    await fold_news()

    assert after_it == (["post_interaction 1: cid"], [])
    assert (await lines(ana), await lines(ben)) == after_it


async def test_a_mute_takes_along_what_the_muter_heard(fold_news: FoldNews) -> None:
    ana, ben = await people("ana", "ben")
    await like(await make_post(ana), ben)
    await like(await make_post(ben), ana)
    await fold_news()

    await mute_user(ana, ben.id)
    await fold_news()

    assert (await lines(ana), await lines(ben)) == ([], ["like: ana"])


async def unfollow(ana: Viewer, ben: Viewer) -> None:
    await unfollow_user(ben, ana.id)


async def cancel(ana: Viewer, ben: Viewer) -> None:
    await cancel_request(ben, ana.id)


async def reject(ana: Viewer, ben: Viewer) -> None:
    await reject_request(ana, ben.id)


async def remove(ana: Viewer, ben: Viewer) -> None:
    await remove_follower(ana, ben.id)


@pytest.mark.parametrize("end", [unfollow, remove])
async def test_a_follow_that_ends_takes_its_news_along(
    fold_news: FoldNews, end: Callable[[Viewer, Viewer], Awaitable[None]]
) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    await follow_user(ben, ana.id)
    await follow_user(cid, ana.id)
    await follow_user(ana, ben.id)
    await fold_news()

    await end(ana, ben)
    await fold_news()

    assert (await lines(ana), await lines(ben)) == (["follow 1: cid"], ["follow: ana"])


@pytest.mark.parametrize("end", [unfollow, cancel, reject])
async def test_a_request_that_ends_takes_its_news_along(
    fold_news: FoldNews, end: Callable[[Viewer, Viewer], Awaitable[None]]
) -> None:
    ana, ben = await people("ana", "ben")
    await make_private(ana)
    await follow_user(ben, ana.id)
    await fold_news()

    await end(ana, ben)
    await fold_news()

    assert await lines(ana) == []


@pytest.mark.parametrize("end", [unfollow, remove])
async def test_a_granted_request_that_ends_takes_its_news_along(
    fold_news: FoldNews, end: Callable[[Viewer, Viewer], Awaitable[None]]
) -> None:
    ana, ben = await people("ana", "ben")
    await make_private(ana)
    await follow_user(ben, ana.id)
    await accept_request(ana, ben.id)
    await fold_news()

    await end(ana, ben)
    await fold_news()

    assert await lines(ben) == []


async def test_who_leaves_is_gone_from_every_group(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    post = await make_post(ana)
    await like(post, ben, cid)
    await make_comment(post, ben)
    await follow_user(ben, ana.id)
    await like(await make_post(ben), ana)
    await fold_news()

    await leave(ben, ben.id)
    await fold_news()

    assert (await lines(ana), await read_unread(ana)) == (["post_interaction 1: cid"], Unread(1))
    assert await db.fetchval("SELECT count(*) FROM notifications WHERE user_id = $1", ben.id) == 0


# reading


async def test_reading_all_is_told_with_the_time_up_to_which_all_is_read(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    await like(await make_post(ana), ben, cid)
    await follow_user(ben, ana.id)
    await fold_news()

    answer = await read(ana, ReadWhat(all=True))

    heard = await fold_news()
    event = NotificationsRead(ids=None, all=True, up_to=stamp(NOON), unread=0, version=2)
    assert (answer, heard) == (Unread(0), {})
    assert await told_last() == event
    assert sorted(await lines(ana)) == ["follow: ben, read", "post_interaction 2: ben cid, read"]
    assert await read_unread(ana) == Unread(0)


LAST_TOLD = "SELECT data::text FROM events WHERE type = $1 ORDER BY seq DESC LIMIT 1"


async def told_last(kind: type[Event] = NotificationsRead) -> Any:
    return msgspec.json.decode(await db.fetchval(LAST_TOLD, kind.type), type=kind)


async def test_reading_some_tells_which_of_them_were_unread(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    await like(await make_post(ana), ben, cid)
    await follow_user(ben, ana.id)
    await follow_user(ana, ben.id)
    await fold_news()
    one, other = (await inbox(ana)).items
    await read(ana, ReadWhat(ids=[one.id]))
    foreign, nothing = (await only(ben)).id, NotificationID(new_id())

    answer = await read(ana, ReadWhat(ids=[one.id, other.id, foreign, nothing]))

    event = await told_last()
    assert (answer, event.ids, event.all, event.up_to, event.unread) == (Unread(0), [other.id], False, None, 0)
    assert await read_unread(ben) == Unread(1)


async def test_reading_what_is_read_tells_nothing(fold_news: FoldNews) -> None:
    ana, ben = await people("ana", "ben")
    await follow_user(ben, ana.id)
    await fold_news()
    await read(ana, ReadWhat(all=True))
    events = await db.fetchval("SELECT count(*) FROM events")

    again = await read(ana, ReadWhat(all=True)), await read(ana, ReadWhat(ids=[(await only(ana)).id]))
    without_an_inbox = await read(ben, ReadWhat(all=True))

    assert (*again, without_an_inbox) == (Unread(0), Unread(0), Unread(0))
    assert await db.fetchval("SELECT count(*) FROM events") == events


@pytest.mark.parametrize("what", [ReadWhat(), ReadWhat(ids=[NotificationID(new_id())], all=True)])
async def test_either_ids_or_all_is_to_be_given(what: ReadWhat) -> None:
    with pytest.raises(NamesOrAll):
        await read(await make_user(), what)


async def test_children_are_read_when_their_batch_is(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    await like(await make_post(ana), ben, cid)
    await fold_news()
    batch = await only(ana)
    (child, _) = await read_children(ana, batch.id, None, 10)

    await read(ana, ReadWhat(ids=[child.id]))
    of_a_child = await read_unread(ana)
    await read(ana, ReadWhat(ids=[batch.id]))

    assert of_a_child == Unread(1)
    assert await below(ana, batch) == ["like: cid, read", "like: ben, read"]


async def test_one_more_in_a_batch_has_it_unread_again(fold_news: FoldNews) -> None:
    ana, ben, cid, dan = await people("ana", "ben", "cid", "dan")
    post = await make_post(ana)
    await like(post, ben, cid)
    await fold_news()
    await read(ana, ReadWhat(all=True))

    await like(post, dan)
    heard = await fold_news(minutes=5)

    (event,) = heard[ana.id]
    assert (event.notification, event.unread) == (await only(ana), 1)
    assert (event.notification.read, event.notification.read_at) == (False, None)


async def test_a_page_begins_behind_the_last_one_even_among_those_of_one_time(fold_news: FoldNews) -> None:
    ana, ben = await people("ana", "ben")
    for _ in range(5):
        await like(await make_post(ana), ben)
    await fold_news()
    whole = (await inbox(ana)).items

    first = (await read_notifications(ana, None, 2)).items
    second = (await read_notifications(ana, position_of(first[-1]), 2)).items
    last = (await read_notifications(ana, position_of(second[-1]), 2)).items
    nothing = await read_notifications(ana, position_of(last[-1]), 2)

    assert first + second + last == whole
    assert nothing == Inbox([], 5, 1)


async def test_children_are_paged_too(fold_news: FoldNews) -> None:
    ana, *others = await people("ana", "ben", "cid", "dan", "eve", "fay")
    await like(await make_post(ana), *others)
    await fold_news()
    batch = await only(ana)
    whole = await read_children(ana, batch.id, None, 10)

    first = await read_children(ana, batch.id, None, 3)
    rest = await read_children(ana, batch.id, position_of(first[-1]), 3)

    assert len(whole) == 5
    assert first + rest == whole


async def test_what_is_somebody_elses_cannot_be_opened_nor_can_a_child(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    await like(await make_post(ana), ben, cid)
    await fold_news()
    batch = await only(ana)
    (child, _) = await read_children(ana, batch.id, None, 10)

    with pytest.raises(NotificationNotFound):
        await read_children(ben, batch.id, None, 10)
    with pytest.raises(NotificationNotFound):
        await read_children(ana, child.id, None, 10)
    with pytest.raises(NotificationNotFound):
        await read_children(ana, NotificationID(new_id()), None, 10)


# deleting


async def test_deleting_a_batch_takes_its_children_along_and_is_told(fold_news: FoldNews) -> None:
    ana, ben, cid, dan = await people("ana", "ben", "cid", "dan")
    post = await make_post(ana)
    await like(post, ben, cid)
    await follow_user(ben, ana.id)
    await fold_news()
    (batch,) = [each for each in (await inbox(ana)).items if each.is_batch]

    await delete_notification(ana, batch.id)
    removed = await told_last(NotificationRemoved)
    await like(post, dan)
    await unlike_post(ben, post.id)
    await fold_news(minutes=5)

    assert removed == NotificationRemoved(id=batch.id, unread=1, version=2)
    assert await lines(ana) == ["like: dan", "follow: ben"]
    assert await db.fetchval("SELECT count(*) FROM notifications") == 2


async def test_deleting_what_was_read_changes_no_count(fold_news: FoldNews) -> None:
    ana, ben = await people("ana", "ben")
    await follow_user(ben, ana.id)
    await like(await make_post(ana), ben)
    await fold_news()
    one, _ = (await inbox(ana)).items
    await read(ana, ReadWhat(ids=[one.id]))

    await delete_notification(ana, one.id)

    assert (await told_last(NotificationRemoved)).unread == 1
    assert await read_unread(ana) == Unread(1)


async def test_a_child_or_what_is_somebody_elses_is_not_deleted(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    await like(await make_post(ana), ben, cid)
    await fold_news()
    batch = await only(ana)
    (child, _) = await read_children(ana, batch.id, None, 10)
    events = await db.fetchval("SELECT count(*) FROM events")

    with pytest.raises(NotificationNotFound):
        await delete_notification(ben, batch.id)
    with pytest.raises(NotificationNotFound):
        await delete_notification(ana, child.id)
    with pytest.raises(NotificationNotFound):
        await delete_notification(cid, child.id)
    with pytest.raises(NotificationNotFound):
        await delete_notification(ana, NotificationID(new_id()))

    assert await below(ana, batch) == ["like: cid", "like: ben"]
    assert await db.fetchval("SELECT count(*) FROM events") == events


# telling


async def test_what_left_is_told_first_and_all_with_the_count_and_version_at_the_end(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    one, other = await make_post(ana), await make_post(ana)
    await like(one, ben)
    await like(other, ben)
    await fold_news()
    before = {row.data.post_id: row.id for row in (await inbox(ana)).items}

    await follow_user(ben, ana.id)
    await like(one, cid)
    await delete_post(ana, other.id)
    heard = await fold_news(minutes=5)

    after_it = await inbox(ana)
    removed, upserted = heard[ana.id][:2], heard[ana.id][2:]
    assert {event.id for event in removed} == set(before.values())
    assert {event.notification.id for event in upserted} == {row.id for row in after_it.items}
    assert [row for row in after_it.items if row not in [event.notification for event in upserted]] == []
    assert (
        {(event.unread, event.version) for event in heard[ana.id]} == {(after_it.unread, after_it.version)} == {(2, 2)}
    )


async def test_a_group_that_closes_is_not_told_again(fold_news: FoldNews) -> None:
    ana, ben, cid = await people("ana", "ben", "cid")
    post = await make_post(ana)
    await like(post, ben)
    await fold_news()

    await like(post, cid)
    heard = await fold_news(hours=2)

    assert [_line(event.notification) for event in heard[ana.id]] == ["like: cid"]


# cost


ADD_USERS = "INSERT INTO users (id, username) SELECT id, 'fan' || id FROM unnest($1::uuid[]) AS id"


async def add_fans(number: int) -> list[UserID]:
    fans = [UserID(new_id()) for _ in range(number)]
    await db.execute(ADD_USERS, fans)
    return fans


def likes_of(likes: list[tuple[PostID, UserID]]) -> list[Logged]:
    """As they would lie in the log."""
    events = [PostLiked(post_id=post_id, user_id=user_id) for post_id, user_id in likes]
    return [Logged(seq, event.type, [], encode(event), None, None, NOON) for seq, event in enumerate(events, 1)]


async def test_two_thousand_likes_cost_as_many_statements_as_one_and_one_frame(statements: Statements) -> None:
    ana = await make_user()
    for_warmth, one, many = [(await make_post(ana)).id for _ in range(3)]
    fans = await add_fans(2000)
    await fold(likes_of([(for_warmth, fans[0])]))
    log = Log()
    await log.new()

    for_one = await statements(fold(likes_of([(one, fans[0])])))
    frames_of_one = told(await log.new())
    for_many = await statements(fold(likes_of([(many, fan) for fan in fans])))
    frames_of_many = told(await log.new())

    assert for_many == for_one
    assert len(for_one) <= 12
    assert (len(frames_of_one[ana.id]), len(frames_of_many[ana.id])) == (1, 1)
    assert [row.batch_count for row in (await inbox(ana)).items] == [2000, 1, 1]


async def test_five_hundred_inboxes_cost_as_many_statements_as_one(statements: Statements) -> None:
    fans = await add_fans(501)
    authors = [await make_user() for _ in range(3)]
    posts = {each: (await make_post(each)).id for each in authors}
    others = await posts_of(fans[1:])
    await fold(likes_of([(posts[authors[0]], fans[0])]))
    log = Log()
    await log.new()

    for_one = await statements(fold(likes_of([(posts[authors[1]], fans[0])])))
    await log.new()
    for_many = await statements(fold(likes_of([(post_id, fans[0]) for post_id in others])))

    assert for_many == for_one
    assert {user_id: len(events) for user_id, events in told(await log.new()).items()} == dict.fromkeys(fans[1:], 1)


ADD_POSTS = """
INSERT INTO posts (id, author_id, content) SELECT id, author_id, 'Soup'
FROM unnest($1::uuid[], $2::uuid[]) AS new (id, author_id)
"""


async def posts_of(authors: list[UserID]) -> list[PostID]:
    ids = [PostID(new_id()) for _ in authors]
    await db.execute(ADD_POSTS, ids, authors)
    return ids


async def test_taking_back_costs_as_many_statements_for_a_thousand_as_for_one(statements: Statements) -> None:
    ana = await make_user()
    posts = [(await make_post(ana)).id for _ in range(3)]
    fans = await add_fans(1000)
    await fold(likes_of([(posts[0], fans[0]), (posts[1], fans[0]), *((posts[2], fan) for fan in fans)]))
    await fold(taken_back([(posts[0], fans[0])]))

    for_one = await statements(fold(taken_back([(posts[1], fans[0])])))
    for_many = await statements(fold(taken_back([(posts[2], fan) for fan in fans])))

    assert for_many == for_one
    assert await inbox(ana) == Inbox([], 0, 4)


def taken_back(likes: list[tuple[PostID, UserID]]) -> list[Logged]:
    return [replace(each, type="post.unliked") for each in likes_of(likes)]


async def test_what_concerns_nobody_costs_a_look_and_no_lock(statements: Statements) -> None:
    nobody, nothing = UserID(new_id()), PostID(new_id())
    await fold(likes_of([(nothing, nobody)]))

    assert await statements(fold([])) == []
    assert await statements(fold(likes_of([(nothing, nobody)]))) == [acts.OWNERS]


# all at once


async def test_whatever_happens_at_once_the_count_is_that_of_the_unread(own_database: None) -> None:
    ana, *others = [await make_user() for _ in range(6)]
    posts = [await make_post(ana) for _ in range(3)]
    at_once = asyncio.gather(
        *(like_and_unlike(each, posts) for each in others), read_and_delete(ana), read_and_delete(ana)
    )

    while not at_once.done():
        await settle()
        await asyncio.sleep(0)
    await settle()
    await at_once

    held = await inbox(ana)
    children = {row.id: len(await read_children(ana, row.id, None, 100)) for row in held.items}
    assert held.unread == sum(not row.read for row in held.items)
    assert {row.id: row.batch_count for row in held.items if row.is_batch} == {
        row_id: number for row_id, number in children.items() if number
    }
    assert await db.fetchval("SELECT count(*) FROM event_failures") == 0
    assert await db.fetchval("SELECT count(*) FROM notifications WHERE NOT is_batch") == sum(
        children[row.id] or 1 for row in held.items
    )


async def like_and_unlike(viewer: Viewer, posts: list[Post]) -> None:
    for turn in range(12):
        await (like_post, like_post, unlike_post)[turn % 3](viewer, posts[turn % len(posts)].id)


async def read_and_delete(viewer: Viewer) -> None:
    for turn in range(12):
        items = (await inbox(viewer)).items
        await read(viewer, ReadWhat(ids=[items[0].id]) if turn % 2 and items else ReadWhat(all=True))
        if items and turn % 3 == 0:
            await delete_if_there(viewer, items[-1].id)


async def delete_if_there(viewer: Viewer, row_id: NotificationID) -> None:
    try:
        await delete_notification(viewer, row_id)
    except NotificationNotFound:
        return


async def test_who_is_deleted_during_the_fold_is_waited_for_and_gets_nothing(own_database: None) -> None:
    ana, ben, cid = [await make_user() for _ in range(3)]
    await follow_user(cid, ana.id)
    await follow_user(cid, ben.id)
    log = Log()
    events = at(await log.new(), NOON)
    deleted = asyncio.Event()

    async def delete_slowly() -> None:
        async with db.transaction():
            await db.execute("DELETE FROM users WHERE id = $1", ana.id)
            deleted.set()
            await asyncio.sleep(0.2)

    deletion = asyncio.create_task(delete_slowly(), context=OUTSIDE.copy())
    await deleted.wait()
    async with db.transaction():
        await fold(events)
    await deletion

    assert list(told(await log.new())) == [ben.id]
    assert await db.fetchval("SELECT count(*) FROM inboxes WHERE user_id = $1", ana.id) == 0


def test_notifications_are_folded_by_the_worker() -> None:
    assert [each.handler for each in PAGE if each.feature == "notifications"] == [fold]
