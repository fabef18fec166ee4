"""Comments: who may say, see, change and delete what; what is told of it and counted; and what happens at once."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextvars import Context
from typing import Any, TypeVar

import msgspec
import pytest

from domain import db, eventlog, topics
from domain.accounts.rules import Viewer
from domain.comments.actions import (
    CommentChanges,
    NewComment,
    NoSuchParent,
    NotYourComment,
    ReplyToReply,
    comment_on,
    delete_comment,
    edit_comment,
)
from domain.comments.events import CommentCreated, CommentDeleted, CommentEdited
from domain.comments.queries import Comment, CommentNotFound, read_comment, read_comments
from domain.comments.rules import Content
from domain.counters import actions as counters
from domain.counters.events import PostCounters
from domain.errors import DomainError
from domain.eventlog import Event, Logged
from domain.graph.actions import block_user
from domain.ids import CommentID, new_id
from domain.posts.actions import delete_post
from domain.posts.events import PostDeleted
from domain.posts.queries import Post, PostNotFound, read_post
from domain.targets import Target
from tests.conftest import Clock
from tests.factories import make_comment, make_post, make_user

T = TypeVar("T")

LOG = "SELECT seq, type, topics, data::text AS data, actor, audience, at FROM events WHERE type = ANY($1) ORDER BY seq"


async def logged(*kinds: type[Event]) -> list[Logged]:
    """What is in the log of these types, in its order."""
    return [Logged(*row.values()) for row in await db.fetch(LOG, [kind.type for kind in kinds])]


async def told() -> list[Logged]:
    return await logged(CommentCreated, CommentEdited, CommentDeleted)


async def on(viewer: Viewer, post: Post, parent_id: CommentID | None = None) -> list[Comment]:
    return await read_comments(viewer, Target("post", post.id), parent_id, None, 100)


async def number_of_rows() -> int:
    return await db.fetchval("SELECT count(*) FROM comments")


# commenting


@pytest.mark.parametrize("content", ["x", "x" * 2000, " \n x", "安娜 🍲"])
def test_a_comment_is_any_text(content: str) -> None:
    assert msgspec.convert(content, Content) == content


@pytest.mark.parametrize("content", ["", "x" * 2001, " \n\t", "a\0b"])
def test_a_comment_is_neither_blank_nor_long_nor_holds_nul(content: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(content, Content)


async def test_a_comment_is_what_everybody_reads(clock: Clock) -> None:
    post, ana, ben = await make_post(), await make_user(username="ana", display_name="Ana"), await make_user()

    said = await comment_on(ana, Target("post", post.id), NewComment(content="Mmh"))

    assert (said.target, said.parent_id, said.content) == (Target("post", post.id), None, "Mmh")
    assert (said.author.id, said.author.username, said.author.display_name) == (ana.id, "ana", "Ana")
    assert (said.mentions, said.reply_count, said.edited_at) == ([], 0, None)
    assert said.created_at == clock.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert await read_comment(ben, said.id) == await read_comment(ana, said.id) == said
    assert await on(ben, post) == [said]


async def test_a_comment_is_told_once_on_the_posts_topic_as_everybody_reads_it() -> None:
    post, ana = await make_post(), await make_user(display_name='"Ana\\ 安娜')

    said = await comment_on(ana, Target("post", post.id), NewComment(content='Mmh "\\\n🍲'))

    (event,) = await told()
    assert (event.type, event.topics, event.actor, event.audience) == (
        "comment.created",
        [topics.post(post.id), topics.holds(f"comment:{said.id}")],
        ana.id,
        None,
    )
    assert msgspec.json.decode(event.data) == msgspec.to_builtins(CommentCreated(comment=said))


@pytest.mark.committed
async def test_a_process_hears_of_its_own_comments_after_the_commit() -> None:
    heard: list[Event] = []
    post = await make_post()

    unlisten = eventlog.listen(heard.append)
    said = await make_comment(post, ana := await make_user())
    await delete_comment(ana, said.id)
    unlisten()

    deleted = CommentDeleted(id=said.id, ids=[said.id], parent_id=None, target=said.target)
    assert [each for each in heard if isinstance(each, CommentCreated | CommentDeleted)] == [
        CommentCreated(comment=said),
        deleted,
    ]


async def test_what_cannot_be_seen_cannot_be_commented_on_or_read() -> None:
    stranger = await make_user()
    hidden = await make_post(visibility="private")

    with pytest.raises(PostNotFound):
        await make_comment(hidden, stranger)
    with pytest.raises(PostNotFound):
        await on(stranger, hidden)
    with pytest.raises(PostNotFound):
        await comment_on(stranger, Target("post", new_id()), NewComment(content="Mmh"))

    assert await told() == []
    assert await number_of_rows() == 0


async def test_a_post_without_comments_has_an_empty_list() -> None:
    assert await on(await make_user(), await make_post()) == []


# replies


async def test_replies_are_listed_under_their_comment_and_counted_there() -> None:
    post = await make_post()
    parent = await make_comment(post)

    replies = [await make_comment(post, parent=parent) for _ in range(3)]

    assert [each.parent_id for each in replies] == [parent.id] * 3
    assert await on(await make_user(), post, parent.id) == replies
    assert await on(await make_user(), post) == [msgspec.structs.replace(parent, reply_count=3)]


async def test_a_reply_has_no_replies() -> None:
    post = await make_post()
    reply = await make_comment(post, parent=await make_comment(post))

    with pytest.raises(ReplyToReply) as raised:
        await make_comment(post, parent=reply)

    assert list(raised.value.details) == ["parent_id"]
    assert await on(await make_user(), post, reply.id) == []
    assert len(await told()) == 2


async def test_a_parent_is_a_comment_on_the_same_post() -> None:
    post, elsewhere = await make_post(), await make_comment(await make_post())

    with pytest.raises(NoSuchParent) as raised:
        await make_comment(post, parent=elsewhere)
    with pytest.raises(NoSuchParent):
        await make_comment(post, parent=msgspec.structs.replace(elsewhere, id=CommentID(new_id())))
    with pytest.raises(CommentNotFound):
        await on(await make_user(), post, elsewhere.id)

    assert list(raised.value.details) == ["parent_id"]
    assert len(await told()) == 1


# blocks


async def both_ways(one: Viewer, other: Viewer, way: str) -> None:
    blocker, blocked = (one, other) if way == "blocks" else (other, one)
    await block_user(blocker, blocked.id)


@pytest.mark.parametrize("way", ["blocks", "is blocked"])
async def test_two_people_with_a_block_between_them_do_not_see_each_others_comments(way: str) -> None:
    post, ana, ben, eve = await make_post(), await make_user(), await make_user(), await make_user()
    of_ana, of_ben = await make_comment(post, ana), await make_comment(post, ben)
    reply = await make_comment(post, ben, parent=await make_comment(post, eve))

    await both_ways(ana, ben, way)

    seen = await on(ana, post)
    assert [(each.author.id, each.reply_count) for each in seen] == [(ana.id, 0), (eve.id, 0)]
    assert await on(ana, post, reply.parent_id) == []
    assert [each.id for each in await on(ben, post)] == [of_ben.id, reply.parent_id]
    assert [each.reply_count for each in await on(eve, post)] == [0, 0, 1]
    with pytest.raises(CommentNotFound):
        await read_comment(ben, of_ana.id)


@pytest.mark.parametrize("way", ["blocks", "is blocked"])
async def test_who_cannot_see_a_comment_cannot_reply_to_it_nor_see_its_replies(way: str) -> None:
    post, ana, ben = await make_post(), await make_user(), await make_user()
    of_ben = await make_comment(post, ben)
    await make_comment(post, parent=of_ben)

    await both_ways(ana, ben, way)

    with pytest.raises(NoSuchParent):
        await make_comment(post, ana, parent=of_ben)
    with pytest.raises(CommentNotFound):
        await on(ana, post, of_ben.id)
    with pytest.raises(CommentNotFound):
        await edit_comment(ana, of_ben.id, CommentChanges(content="Mine"))
    with pytest.raises(CommentNotFound):
        await delete_comment(ana, of_ben.id)


@pytest.mark.parametrize("way", ["blocks", "is blocked"])
async def test_a_reply_is_hidden_with_the_comment_above_it_even_from_its_author(way: str) -> None:
    post, ana, ben = await make_post(), await make_user(), await make_user()
    of_ben = await make_comment(post, ben)
    of_ana, of_eve = await make_comment(post, ana, parent=of_ben), await make_comment(post, parent=of_ben)

    await both_ways(ana, ben, way)

    with pytest.raises(CommentNotFound):
        await read_comment(ana, of_eve.id)
    with pytest.raises(CommentNotFound):
        await edit_comment(ana, of_ana.id, CommentChanges(content="Still here"))
    with pytest.raises(CommentNotFound):
        await delete_comment(ana, of_ana.id)
    assert await on(ben, post, of_ben.id) == [of_eve]
    assert (await read_comment(await make_user(), of_ana.id)).content == of_ana.content


async def test_the_news_of_a_comment_names_everybody_who_must_be_seen_to_see_it() -> None:
    author, ana, ben = await make_user(), await make_user(), await make_user()
    post = await make_post(author)
    said = await make_comment(post, ana)
    reply = await make_comment(post, ben, parent=said)

    await edit_comment(ana, said.id, CommentChanges(content="Mmmh"))
    await edit_comment(ben, reply.id, CommentChanges(content="Indeed"))
    await delete_comment(author, reply.id)
    await delete_comment(author, said.id)

    above, below = topics.voice(ana.id), topics.voice(ben.id)
    first, second = f"comment:{said.id}", f"comment:{reply.id}"
    of_said, of_reply = topics.holds(first), topics.holds(second)
    assert [(event.type, event.actor, event.topics[1:]) for event in await told()] == [
        ("comment.created", ana.id, [of_said]),
        ("comment.created", ben.id, [of_reply, above, of_said]),
        ("comment.edited", ana.id, [of_said]),
        ("comment.edited", ben.id, [above, of_reply, of_said]),
        ("comment.deleted", author.id, [below, above, topics.gone(second)]),
        ("comment.deleted", author.id, [above, topics.gone(first)]),
    ]


@pytest.mark.parametrize("way", ["blocks", "is blocked"])
async def test_who_cannot_see_the_post_cannot_see_even_their_own_comment_on_it(way: str) -> None:
    author, ana = await make_user(), await make_user()
    post = await make_post(author)
    said = await make_comment(post, ana)

    await both_ways(author, ana, way)

    assert await on(author, post) == []
    with pytest.raises(PostNotFound):
        await on(ana, post)
    with pytest.raises(CommentNotFound):
        await edit_comment(ana, said.id, CommentChanges(content="Still here"))
    assert (await read_comment(await make_user(), said.id)).content == said.content


async def test_comments_of_somebody_who_is_not_active_are_absent() -> None:
    post, gone = await make_post(), await make_user()
    await make_comment(post, gone)

    await db.execute("UPDATE users SET is_active = false WHERE id = $1", gone.id)

    assert await on(await make_user(), post) == []


# editing


async def test_its_author_edits_a_comment_and_everybody_is_told(clock: Clock) -> None:
    post, ana = await make_post(), await make_user()
    said = await make_comment(post, ana)
    await make_comment(post, parent=said)
    clock.forward(minutes=1)

    edited = await edit_comment(ana, said.id, CommentChanges(content="Mmmh!"))

    event = (await told())[-1]
    assert edited == msgspec.structs.replace(said, content="Mmmh!", edited_at=edited.edited_at, reply_count=1)
    assert edited.edited_at == clock.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert await read_comment(await make_user(), said.id) == edited
    assert (event.type, event.topics, event.actor) == (
        "comment.edited",
        [topics.post(post.id), topics.holds(f"comment:{said.id}")],
        ana.id,
    )
    assert msgspec.json.decode(event.data) == {
        "id": str(said.id),
        "content": "Mmmh!",
        "mentions": [],
        "edited_at": edited.edited_at,
    }


async def test_nobody_else_edits_a_comment() -> None:
    author = await make_user()
    said = await make_comment(await make_post(author))

    with pytest.raises(NotYourComment):
        await edit_comment(await make_user(), said.id, CommentChanges(content="Yours"))
    with pytest.raises(NotYourComment):
        await edit_comment(author, said.id, CommentChanges(content="Yours"))
    with pytest.raises(CommentNotFound):
        await edit_comment(author, CommentID(new_id()), CommentChanges(content="Yours"))

    assert await read_comment(author, said.id) == said
    assert [event.type for event in await told()] == ["comment.created"]


# deleting


async def test_deleting_a_comment_takes_its_replies_along_and_says_so() -> None:
    post, ana = await make_post(), await make_user()
    said, other = await make_comment(post, ana), await make_comment(post)
    replies = [await make_comment(post, parent=said) for _ in range(2)]

    await delete_comment(ana, said.id)

    event = (await told())[-1]
    heard = [topics.post(post.id), topics.voice(ana.id), topics.gone(f"comment:{said.id}")]
    assert (event.type, event.topics, event.actor) == ("comment.deleted", heard, ana.id)
    assert msgspec.json.decode(event.data) == {
        "id": str(said.id),
        "ids": [str(each.id) for each in (said, *replies)],
        "parent_id": None,
        "target": {"type": "post", "id": str(post.id)},
    }
    assert await on(ana, post) == [other]
    assert await number_of_rows() == 1


async def test_a_reply_goes_alone() -> None:
    post, ana = await make_post(), await make_user()
    parent = await make_comment(post)
    reply, other = await make_comment(post, ana, parent=parent), await make_comment(post, parent=parent)

    await delete_comment(ana, reply.id)

    (deleted,) = eventlog.of(await told(), CommentDeleted)
    assert (deleted.ids, deleted.parent_id) == ([reply.id], parent.id)
    assert await on(ana, post, parent.id) == [other]


async def test_the_posts_author_deletes_any_comment_on_it_and_is_the_actor() -> None:
    author = await make_user()
    said = await make_comment(await make_post(author))

    await delete_comment(author, said.id)

    assert (await told())[-1].actor == author.id
    assert await number_of_rows() == 0


async def test_nobody_else_deletes_a_comment() -> None:
    post, parent_author = await make_post(), await make_user()
    said = await make_comment(post, parent=await make_comment(post, parent_author))

    with pytest.raises(NotYourComment):
        await delete_comment(await make_user(), said.id)
    with pytest.raises(NotYourComment):
        await delete_comment(parent_author, said.id)

    assert await number_of_rows() == 2
    assert len(await told()) == 2


async def test_what_is_deleted_is_not_found() -> None:
    ana = await make_user()
    said = await make_comment(await make_post(), ana)
    await delete_comment(ana, said.id)

    with pytest.raises(CommentNotFound):
        await delete_comment(ana, said.id)
    with pytest.raises(CommentNotFound):
        await edit_comment(ana, said.id, CommentChanges(content="Still here"))
    with pytest.raises(CommentNotFound):
        await read_comment(ana, said.id)

    assert len(await told()) == 2


async def test_a_deleted_post_takes_comments_and_replies_along() -> None:
    author = await make_user()
    post, other = await make_post(author), await make_comment(await make_post())
    await make_comment(post, parent=await make_comment(post))

    await delete_post(author, post.id)

    assert await db.fetchval("SELECT array_agg(id) FROM comments") == [other.id]


# counting


async def folded(events: Sequence[Logged]) -> dict[str, PostCounters]:
    """What the events are folded to, by topic."""
    await counters.fold(events)
    return {event.topics[0]: eventlog.of([event], PostCounters)[0] for event in await logged(PostCounters)}


async def test_comments_and_replies_are_counted_and_what_is_deleted_is_not() -> None:
    author = await make_user()
    post, other, quiet = await make_post(author), await make_post(), await make_post()
    parent = await make_comment(post)
    await make_comment(post, parent=parent)
    await make_comment(post)
    await make_comment(other)
    passing = await make_comment(quiet, author)
    await delete_comment(author, parent.id)
    await delete_comment(author, passing.id)

    news = await folded(await logged(*counters.FOLDED))

    assert {topic: each.comments for topic, each in news.items()} == {
        topics.post(post.id): 1,
        topics.post(other.id): 1,
        topics.post(quiet.id): 0,
    }
    assert (await read_post(await make_user(), post.id)).counters.comments == 1


async def test_counts_are_added_to_what_was_folded_before_and_leave_likes_alone() -> None:
    post = await make_post()
    await db.execute("INSERT INTO post_counts (post_id, likes, comments) VALUES ($1, 7, 5)", post.id)
    await make_comment(post)

    news = await folded(await logged(CommentCreated))

    assert news[topics.post(post.id)] == PostCounters(likes=7, reactions={}, comments=6, shares=0)


async def test_a_deleted_post_leaves_no_count() -> None:
    author = await make_user()
    post = await make_post(author)
    await make_comment(post)
    await delete_post(author, post.id)

    assert await folded(await logged(CommentCreated, PostDeleted)) == {}
    assert await db.fetchval("SELECT count(*) FROM post_counts") == 0


async def test_who_acts_sees_their_own_act_before_it_is_folded() -> None:
    author, ana, ben = await make_user(), await make_user(), await make_user()
    post = await make_post(author)
    await db.execute("INSERT INTO post_counts (post_id, comments) VALUES ($1, 5)", post.id)

    said = await make_comment(post, ana)
    await make_comment(post, ana, parent=said)
    after_comments = [(await read_post(each, post.id)).counters.comments for each in (ana, ben)]
    await delete_comment(ana, said.id)
    after_deletion = [(await read_post(each, post.id)).counters.comments for each in (ana, ben)]

    assert after_comments == [7, 5]
    assert after_deletion == [5, 5]


async def test_no_count_is_ever_below_zero() -> None:
    author = await make_user()
    post = await make_post(author)

    await delete_comment(author, (await make_comment(post)).id)

    assert (await read_post(author, post.id)).counters.comments == 0


# pages


async def test_paging_while_others_comment_gives_each_once_in_order() -> None:
    post, viewer = await make_post(), await make_user()
    there = [(await make_comment(post)).id for _ in range(7)]
    seen: list[CommentID] = []
    after: CommentID | None = None
    while found := await read_comments(viewer, Target("post", post.id), None, after, 3):
        seen += [each.id for each in found]
        after = seen[-1]
        there += [(await make_comment(post)).id for _ in range(2 if len(there) < 12 else 0)]

    assert seen == there


async def test_a_page_starts_behind_a_comment_that_was_deleted() -> None:
    post, ana = await make_post(), await make_user()
    first, second, third = [await make_comment(post, ana) for _ in range(3)]
    await delete_comment(ana, second.id)

    assert await read_comments(ana, Target("post", post.id), None, second.id, 10) == [third]
    assert await read_comments(ana, Target("post", post.id), None, first.id, 10) == [third]
    assert await read_comments(ana, Target("post", post.id), None, third.id, 10) == []


# at once

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def begun(act: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Do it on a connection of its own; back when it waits for somebody's lock."""
    task = asyncio.create_task(act, context=Context())
    async with asyncio.timeout(10):
        while not task.done() and not await db.pool().fetchval(WAITING):
            await asyncio.sleep(0.01)
    assert not task.done()
    return task


async def outcomes(*acts: Coroutine[Any, Any, Any]) -> list[Any]:
    """What came of each; raises what is not the domain's."""
    found = await asyncio.gather(*acts, return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException) and not isinstance(each, DomainError):
            raise each
    return found


@pytest.mark.committed
async def test_a_comment_on_a_post_that_is_being_deleted_finds_no_post() -> None:
    author, ana = await make_user(), await make_user()
    post = await make_post(author)

    async with db.transaction():
        await delete_post(author, post.id)
        commenting = await begun(make_comment(post, ana))

    with pytest.raises(PostNotFound):
        await commenting
    assert await number_of_rows() == 0
    assert await told() == []


@pytest.mark.committed
async def test_a_comment_counts_when_the_deletion_of_its_post_is_undone() -> None:
    author, ana = await make_user(), await make_user()
    post = await make_post(author)

    async with db.rolled_back():
        await delete_post(author, post.id)
        commenting = await begun(make_comment(post, ana))

    said = await commenting
    assert await on(author, post) == [said]


@pytest.mark.committed
async def test_a_post_is_deleted_after_the_comment_that_its_deletion_waited_for() -> None:
    author, ana = await make_user(), await make_user()
    post = await make_post(author)
    parent = await make_comment(post, ana)

    async with db.transaction():
        await make_comment(post, ana)
        await make_comment(post, ana, parent=parent)
        deleting = await begun(delete_post(author, post.id))
    await deleting

    assert await number_of_rows() == 0
    types = [event.type for event in await logged(CommentCreated, PostDeleted)]
    assert types == ["comment.created"] * 3 + ["post.deleted"]


@pytest.mark.committed
async def test_a_reply_to_a_comment_that_is_being_deleted_finds_nothing_to_reply_to() -> None:
    post, ana, ben = await make_post(), await make_user(), await make_user()
    parent = await make_comment(post, ana)

    async with db.transaction():
        await delete_comment(ana, parent.id)
        replying = await begun(make_comment(post, ben, parent=parent))

    with pytest.raises(NoSuchParent):
        await replying
    assert await number_of_rows() == 0
    assert [event.type for event in await told()] == ["comment.created", "comment.deleted"]


@pytest.mark.committed
async def test_a_deletion_names_the_reply_that_it_waited_for() -> None:
    post, ana, ben = await make_post(), await make_user(), await make_user()
    parent = await make_comment(post, ana)

    async with db.transaction():
        reply = await make_comment(post, ben, parent=parent)
        deleting = await begun(delete_comment(ana, parent.id))
    await deleting

    assert [event.type for event in await told()] == ["comment.created"] * 2 + ["comment.deleted"]
    (deleted,) = eventlog.of(await told(), CommentDeleted)
    assert deleted.ids == [parent.id, reply.id]
    assert await number_of_rows() == 0


@pytest.mark.committed
async def test_two_deletions_at_once_are_one() -> None:
    author, ana = await make_user(), await make_user()
    said = await make_comment(await make_post(author), ana)

    async with db.transaction():
        await delete_comment(ana, said.id)
        deleting = await begun(delete_comment(author, said.id))

    with pytest.raises(CommentNotFound):
        await deleting
    assert [event.actor for event in await logged(CommentDeleted)] == [ana.id]


@pytest.mark.committed
async def test_an_edit_of_a_comment_that_is_being_deleted_finds_none() -> None:
    post, ana = await make_post(), await make_user()
    said = await make_comment(post, ana)

    async with db.transaction():
        await delete_comment(ana, said.id)
        editing = await begun(edit_comment(ana, said.id, CommentChanges(content="Still here")))

    with pytest.raises(CommentNotFound):
        await editing
    assert [event.type for event in await told()] == ["comment.created", "comment.deleted"]


@pytest.mark.committed
async def test_whatever_happens_at_once_each_comment_is_told_created_once_and_deleted_at_most_once() -> None:
    author, ana = await make_user(), await make_user()
    people = [await make_user() for _ in range(6)]
    post = await make_post(author)
    parents = [await make_comment(post, ana) for _ in range(4)]
    replies = [await make_comment(post, ana, parent=parent) for parent in parents]

    done = await outcomes(
        *(make_comment(post, person, parent=parent) for parent in parents for person in people),
        *(delete_comment(ana, each.id) for each in (*parents[:2], *replies)),
        *(delete_comment(author, each.id) for each in (*parents[:2], *replies)),
        *(make_comment(post, person) for person in people),
    )

    events = await told()
    created = [each.comment.id for each in eventlog.of(events, CommentCreated)]
    deleted = [gone for each in eventlog.of(events, CommentDeleted) for gone in each.ids]
    made = [each.id for each in (*parents, *replies, *done) if isinstance(each, Comment)]
    left = {row["id"] for row in await db.fetch("SELECT id FROM comments")}
    assert sorted(created) == sorted(made)
    assert len(deleted) == len(set(deleted))
    assert left == set(created) - set(deleted)
    first = {each.comment.id: event.seq for event in events for each in eventlog.of([event], CommentCreated)}
    last = {gone: event.seq for event in events for each in eventlog.of([event], CommentDeleted) for gone in each.ids}
    assert all(first[gone] < last[gone] for gone in deleted)


@pytest.mark.committed
async def test_a_post_deleted_under_many_replies_leaves_nothing_and_nobody_waits_for_ever() -> None:
    author, ana = await make_user(), await make_user()
    people = [await make_user() for _ in range(8)]
    post = await make_post(author)
    parents = [await make_comment(post, ana) for _ in range(5)]

    await outcomes(
        *(make_comment(post, person, parent=parent) for parent in parents[:3] for person in people),
        delete_post(author, post.id),
        *(make_comment(post, person, parent=parent) for parent in parents[2:] for person in people),
        *(delete_comment(ana, parent.id) for parent in parents),
        *(make_comment(post, person) for person in people),
    )

    assert await number_of_rows() == 0
    events = await logged(CommentCreated, CommentEdited, CommentDeleted, PostDeleted)
    assert events[-1].type == "post.deleted"
