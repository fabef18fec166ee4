"""Mentions: what is one, who is mentioned by whom, what is told of it, and when it is gone."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

import msgspec
import pytest

from domain import db, topics
from domain.accounts.queries import UserRef
from domain.accounts.rules import Viewer
from domain.comments.actions import CommentChanges, NewComment, comment_on, delete_comment, edit_comment
from domain.comments.events import CommentCreated, CommentEdited
from domain.comments.queries import Comment, read_comment, read_comments
from domain.errors import NotFound
from domain.eventlog import Event
from domain.graph.actions import block_user
from domain.mentions.events import MentionsChanged
from domain.mentions.queries import KnownNames, Said, read_named
from domain.mentions.rules import names_in
from domain.posts.actions import PostChanges, delete_post, edit_post
from domain.posts.events import PostEdited, PostPublished
from domain.posts.queries import Post, read_post, read_posts_of
from domain.settings import settings
from domain.targets import Target
from tests.conftest import Statements
from tests.factories import make_post, make_user

T = TypeVar("T")

LOG = "SELECT type, topics, data::text AS data, actor FROM events WHERE type = ANY($1) ORDER BY seq"
NEWS = ["post.published", "post.edited", "comment.created", "comment.edited", "mentions.changed"]


async def changes() -> list[MentionsChanged]:
    """What was told of mentions, in order."""
    return [msgspec.json.decode(row["data"], type=MentionsChanged) for row in await db.fetch(LOG, ["mentions.changed"])]


async def newest(kind: type[T]) -> T:
    """The last event of a type."""
    assert issubclass(kind, Event)
    return msgspec.json.decode((await db.fetch(LOG, [kind.type]))[-1]["data"], type=kind)


async def told() -> list[str]:
    """The types of what was told of posts, comments and mentions, in order."""
    return [row["type"] for row in await db.fetch(LOG, NEWS)]


async def rows() -> int:
    return await db.fetchval("SELECT count(*) FROM mentions")


async def make_comment(post: Post, viewer: Viewer, content: str) -> Comment:
    return await comment_on(viewer, Target("post", post.id), NewComment(content=content))


def names(said: Post | Comment) -> list[str]:
    """Who is mentioned, by username."""
    return [user.username for user in said.mentions]


# what a mention looks like

CONTENTS: list[tuple[str, list[str]]] = [
    ("@ana", ["ana"]),
    ("thanks @ana for the soup", ["ana"]),
    ("@ana @ben\n@eve\t@joe", ["ana", "ben", "eve", "joe"]),
    ("@ben before @ana", ["ben", "ana"]),
    ("@Ana and @aNA and @ana", ["ana"]),
    ("@a.b-c_d9", ["a.b-c_d9"]),
    ("@_ana_ @-ana @.ana", ["_ana_", "-ana", ".ana"]),
    # the end of a name
    ("@ana, @ben; @eve: @joe! @ann? @bob's", ["ana", "ben", "eve", "joe", "ann", "bob"]),
    ('(@ana) [@ben] "@eve" *@joe* <@ann>', ["ana", "ben", "eve", "joe", "ann"]),
    ("@ana/@ben", ["ana"]),
    ("@ana. @ben... @eve- @joe--", ["ana", "ben", "eve", "joe"]),
    ("@ana…@ben—@eve", ["ana", "ben", "eve"]),
    ("@ana.com", ["ana.com"]),
    # what only looks like one
    ("", []),
    ("@", []),
    ("@ ana", []),
    ("@...", []),
    ("@--- @___", ["___"]),
    ("@@a @@ana", []),
    ("@an @an.", []),
    ("@" + "x" * 51, []),
    ("@" + "x" * 50, ["x" * 50]),
    ("＠ana", []),
    ("\\u0040ana &#64;ana", []),
    # addresses
    ("a@b.c", []),
    ("ana@example.org, ana.b@example.org, ana+b@example.org, ana_@example.org, a-@example.org", []),
    ("@ana@example.org", []),
    ("@ana.@example.org", []),
    ("https://example.org/@ana?by=@ben", []),
    ("mailto:ana@example.org", []),
    # longer words, and scripts without spaces
    ("x@ana 9@ben _@eve é@joe", []),
    ("@anañ @ña @anaß @аnа", []),
    ("@ana\u0301", []),
    ("soup...@ana -@ben +@eve", ["ana", "ben", "eve"]),
    ("谢谢@ana你好 ありがとう@benさん 고마워@eve님 ขอบคุณ@joeครับ", ["ana", "ben", "eve", "joe"]),
    ("🍲@ana🍲", ["ana"]),
    ("@ana\u200b", ["ana"]),
]


@pytest.mark.parametrize(("content", "found"), CONTENTS, ids=[ascii(content)[:40] for content, _ in CONTENTS])
def test_names_with_an_at_are_found_and_nothing_else(content: str, found: list[str]) -> None:
    assert names_in(content) == found


def test_only_the_first_so_many_different_names_count() -> None:
    written = [f"name{i}" for i in range(settings.mentions_per_text + 5)]

    assert names_in(" ".join(f"@{name} @{name}" for name in written)) == written[: settings.mentions_per_text]
    assert settings.mentions_per_text == 20


@pytest.mark.parametrize("content", ["@" * 5000, "@a." * 1666, "@" + "." * 4999, "a@" * 2500, "@" + "a" * 4999])
@pytest.mark.timeout(2)
def test_no_content_takes_long_to_read(content: str) -> None:
    assert [names_in(content) for _ in range(100)] == [[]] * 100


# who is mentioned


async def test_a_post_mentions_whom_it_names_by_username_whatever_the_case() -> None:
    ana, zoe, ben = (
        await make_user(),
        await make_user(username="Zoe", display_name="Zoë"),
        await make_user(username="ben"),
    )

    post = await make_post(ana, content="@zOE and @Ben, have you seen @nobody?")

    assert post.mentions == [UserRef(ben.id, "ben", None, None), UserRef(zoe.id, "Zoe", "Zoë", None)]
    assert await read_post(ana, post.id) == await read_post(ben, post.id) == post
    assert await read_posts_of(zoe, ana.id, None, 10) == [post]


async def test_a_comment_mentions_whom_it_names() -> None:
    ana, ben = await make_user(), await make_user(username="ben", display_name="Ben")
    post = await make_post()

    said = await make_comment(post, ana, "Look, @BEN!")

    assert said.mentions == [UserRef(ben.id, "ben", "Ben", None)]
    assert await read_comment(ana, said.id) == await read_comment(ben, said.id) == said
    assert await read_comments(ben, said.target, None, None, 10) == [said]


async def test_a_reply_mentions_whom_it_names() -> None:
    ana, ben = await make_user(), await make_user(username="ben")
    post = await make_post()
    said = await make_comment(post, ben, "Mmh")

    reply = await comment_on(ana, said.target, NewComment(content="@ben indeed", parent_id=said.id))

    assert names(reply) == ["ben"]
    assert await read_comments(ben, said.target, said.id, None, 10) == [reply]


async def test_naming_oneself_mentions_nobody() -> None:
    ana = await make_user(username="ana")

    post = await make_post(ana, content="@ana was here")
    said = await make_comment(post, ana, "@Ana again")

    assert (names(post), names(said), await rows(), await changes()) == ([], [], 0, [])


@pytest.mark.parametrize("way", ["blocks", "is blocked"])
async def test_nobody_is_mentioned_across_a_block(way: str) -> None:
    ana, ben = await make_user(), await make_user(username="ben")
    blocker, blocked = (ana, ben) if way == "blocks" else (ben, ana)
    await block_user(blocker, blocked.id)

    post = await make_post(ana, content="@ben")
    said = await make_comment(await make_post(), ana, "@ben")

    assert (names(post), names(said), await rows(), await changes()) == ([], [], 0, [])


async def test_who_is_not_active_is_not_mentioned() -> None:
    gone = await make_user(username="gone")
    await db.execute("UPDATE users SET is_active = false WHERE id = $1", gone.id)

    assert names(await make_post(content="@gone")) == []


@pytest.mark.parametrize("way", ["blocks", "is blocked"])
async def test_a_reader_does_not_find_mentions_of_whom_they_may_not_see(way: str) -> None:
    ana, ben, eve = await make_user(), await make_user(username="ben"), await make_user(username="eve")
    post = await make_post(ana, content="@ben @eve")
    said = await make_comment(post, ana, "@ben @eve")
    blocker, blocked = (eve, ben) if way == "blocks" else (ben, eve)
    await block_user(blocker, blocked.id)

    seen = [await read_post(eve, post.id), *await read_posts_of(eve, ana.id, None, 10)]
    below = [await read_comment(eve, said.id), *await read_comments(eve, said.target, None, None, 10)]

    assert [names(each) for each in (*seen, *below)] == [["eve"]] * 4
    assert names(await read_post(ana, post.id)) == ["ben", "eve"]


# what is told


async def test_who_publishes_tells_of_mentions_behind_the_post_to_servers_only() -> None:
    ana, ben, eve = await make_user(), await make_user(username="ben"), await make_user(username="eve")

    post = await make_post(ana, content="@eve @ben")

    published, changed = await db.fetch(LOG, NEWS)
    assert (published["type"], changed["type"]) == ("post.published", "mentions.changed")
    assert (changed["topics"], changed["actor"]) == ([], ana.id)
    assert await changes() == [
        MentionsChanged(
            target=Said("post", post.id), post_id=post.id, author_id=ana.id, added=[ben.id, eve.id], removed=[]
        )
    ]
    assert (await newest(PostPublished)).post == msgspec.structs.replace(post, viewer=None)


async def test_who_comments_tells_of_mentions_behind_the_comment_to_servers_only() -> None:
    ana, ben, post = await make_user(), await make_user(username="ben"), await make_post()

    said = await make_comment(post, ana, "@ben")

    _, created, changed = await db.fetch(LOG, NEWS)
    assert (created["type"], created["topics"]) == (
        "comment.created",
        [topics.post(post.id), topics.holds(f"comment:{said.id}")],
    )
    assert (changed["type"], changed["topics"], changed["actor"]) == ("mentions.changed", [], ana.id)
    assert await changes() == [
        MentionsChanged(target=Said("comment", said.id), post_id=post.id, author_id=ana.id, added=[ben.id], removed=[])
    ]
    assert (await newest(CommentCreated)).comment == said


@pytest.mark.parametrize("content", ["Soup", "@nobody", "ana@example.org"])
async def test_without_mentions_nothing_is_told_of_them(content: str) -> None:
    ana = await make_user()
    post = await make_post(ana, content=content)
    said = await make_comment(post, ana, content)

    await edit_post(ana, post.id, PostChanges(content="Other words"))
    await edit_comment(ana, said.id, CommentChanges(content="Other words"))

    assert await told() == ["post.published", "comment.created", "post.edited", "comment.edited"]


# editing

Edit = tuple[str, str, list[str], list[str]]
EDITS: list[Edit] = [  # before, after, added, removed
    ("Soup", "Soup for @ben", ["ben"], []),
    ("Soup for @ben", "Soup", [], ["ben"]),
    ("Soup for @ben", "Soup for @eve", ["eve"], ["ben"]),
    ("@ben @eve", "@eve @joe", ["joe"], ["ben"]),
    ("@ben @eve @joe", "Soup", [], ["ben", "eve", "joe"]),
]


@pytest.mark.parametrize(("before", "after", "added", "removed"), EDITS)
async def test_an_edit_tells_who_is_mentioned_now_and_who_no_longer(
    before: str, after: str, added: list[str], removed: list[str]
) -> None:
    people = {name: (await make_user(username=name)).id for name in ("ben", "eve", "joe")}
    ana = await make_user()
    post = await make_post(ana, content=before)
    said = await make_comment(post, ana, before)

    edited = await edit_post(ana, post.id, PostChanges(content=after))
    rewritten = await edit_comment(ana, said.id, CommentChanges(content=after))

    ids = [people[name] for name in added], [people[name] for name in removed]
    assert [(each.target, each.added, each.removed) for each in (await changes())[-2:]] == [
        (Said("post", post.id), *ids),
        (Said("comment", said.id), *ids),
    ]
    assert (await told())[-4:] == ["post.edited", "mentions.changed", "comment.edited", "mentions.changed"]
    assert names(edited) == names(rewritten) == sorted(name for name in people if f"@{name}" in after)
    assert (await newest(PostEdited)).mentions == (await newest(CommentEdited)).mentions == edited.mentions
    assert await read_post(ana, post.id) == edited
    assert await read_comment(ana, said.id) == rewritten


async def test_an_edit_tells_nobody_twice() -> None:
    await make_user(username="ben")
    ana = await make_user()
    post = await make_post(ana, content="@ben, soup")
    said = await make_comment(post, ana, "@ben, soup")
    before = await told()

    edited = await edit_post(ana, post.id, PostChanges(content="Soup, @BEN! @ben?"))
    rewritten = await edit_comment(ana, said.id, CommentChanges(content="Soup, @BEN! @ben?"))

    assert (names(edited), names(rewritten)) == (["ben"], ["ben"])
    assert await told() == [*before, "post.edited", "comment.edited"]


async def test_an_edit_of_something_else_leaves_mentions_alone() -> None:
    ben, ana = await make_user(username="ben"), await make_user()
    post = await make_post(ana, content="@ben @eve")
    await make_user(username="eve")

    edited = await edit_post(ana, post.id, PostChanges(title="Soup", visibility="followers"))

    assert names(edited) == ["ben"]
    assert (await newest(PostEdited)).mentions == [UserRef(ben.id, "ben", None, None)]
    assert len(await changes()) == 1


async def test_an_edit_mentions_who_is_there_by_then_and_no_longer_whom_a_block_has_parted() -> None:
    ben, ana = await make_user(username="ben"), await make_user()
    post = await make_post(ana, content="@ben @eve")
    eve = await make_user(username="eve")
    await block_user(ben, ana.id)

    edited = await edit_post(ana, post.id, PostChanges(content="@ben @eve!"))

    assert names(edited) == ["eve"]
    assert [(each.added, each.removed) for each in await changes()] == [([ben.id], []), ([eve.id], [ben.id])]


async def test_what_is_refused_mentions_nobody() -> None:
    ana, ben = await make_user(), await make_user(username="ben")
    hidden, post = await make_post(ben, visibility="private"), await make_post(ben)
    said = await make_comment(post, ben, "Mmh")

    with pytest.raises(NotFound):
        await make_comment(hidden, ana, "@ben")
    for act in (
        edit_post(ana, post.id, PostChanges(content="@ben")),
        edit_comment(ana, said.id, CommentChanges(content="@ben")),
    ):
        with pytest.raises(Exception, match="Only its author"):
            await act

    assert (await rows(), await changes()) == (0, [])


# what it costs


@pytest.mark.parametrize(("content", "more"), [("Soup", 0), ("a@b.c", 0), ("@nobody", 1), ("@ben @eve", 2)])
async def test_mentions_cost_one_statement_to_store_and_one_to_tell(
    statements: Statements, content: str, more: int
) -> None:
    await make_user(username="ben")
    await make_user(username="eve")
    ana = await make_user()
    post = await make_post(ana)
    said = await make_comment(post, ana, "Mmh")

    posting = await statements(make_post(ana, content=content))
    commenting = await statements(make_comment(post, ana, content))
    editing = await statements(edit_post(ana, post.id, PostChanges(content=content)))
    rewriting = await statements(edit_comment(ana, said.id, CommentChanges(content=content)))

    counts = [
        len([sql for sql in ran if not sql.startswith(FRAME)]) for ran in (posting, commenting, editing, rewriting)
    ]
    assert counts == [3 + more, 1 + more, 3 + more, 3 + more]


FRAME = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")


@pytest.mark.parametrize("content", ["Soup", "a@b.c"])
async def test_a_comment_without_mentions_is_one_round_trip(statements: Statements, content: str) -> None:
    ana, post = await make_user(), await make_post()

    assert len(await statements(make_comment(post, ana, content))) == 1


async def test_lists_cost_one_statement_however_many_are_mentioned(statements: Statements) -> None:
    people = [await make_user(username=f"guest{i}") for i in range(5)]
    ana = await make_user()
    content = " ".join(f"@guest{i}" for i in range(5))
    post = await make_post(ana, content=content)
    for _ in range(5):
        await make_post(ana, content=content)
        await make_comment(post, ana, content)

    assert len(await statements(read_posts_of(people[0], ana.id, None, 20))) == 1
    assert len(await statements(read_comments(people[0], Target("post", post.id), None, None, 20))) == 1


# deletions


async def test_mentions_go_with_the_post_and_its_comments() -> None:
    await make_user(username="ben")
    ana = await make_user()
    post = await make_post(ana, content="@ben")
    await make_comment(post, ana, "@ben")

    await delete_post(ana, post.id)

    assert await rows() == 0


async def test_mentions_go_with_the_comment_and_its_replies() -> None:
    await make_user(username="ben")
    ana = await make_user()
    said = await make_comment(await make_post(), ana, "@ben")
    await comment_on(ana, said.target, NewComment(content="@ben", parent_id=said.id))

    await delete_comment(ana, said.id)

    assert await rows() == 0


DELETE_USER = "DELETE FROM users WHERE id = $1"


async def test_mentions_go_with_the_user() -> None:
    ben, eve = await make_user(username="ben"), await make_user(username="eve")
    post = await make_post(content="@ben @eve")

    await db.execute(DELETE_USER, ben.id)

    assert names(await read_post(eve, post.id)) == ["eve"]
    assert await rows() == 1


# names


async def test_one_learns_which_names_are_somebodys() -> None:
    ana, ben = await make_user(username="Ana"), await make_user(username="ben", display_name="Ben")

    known = await read_named(ana, ["zoe", "BEN", "ana", "ben", "b", "zoe", "Ben "])

    valid = [UserRef(ana.id, "Ana", None, None), UserRef(ben.id, "ben", "Ben", None)]
    assert known == KnownNames(valid, ["zoe", "b", "Ben "])


@pytest.mark.parametrize("name", ["", "@ben", "b%n", "\u212aim", "kim\n", "İbn", "x" * 255])
async def test_what_cannot_be_a_name_is_nobodys(name: str) -> None:
    await make_user(username="ben")
    await make_user(username="kim")

    assert await read_named(await make_user(), [name]) == KnownNames([], [name])


@pytest.mark.parametrize("way", ["blocks", "is blocked"])
async def test_the_name_of_somebody_who_cannot_be_seen_is_nobodys(way: str) -> None:
    ana, ben, gone = await make_user(), await make_user(username="ben"), await make_user(username="gone")
    blocker, blocked = (ana, ben) if way == "blocks" else (ben, ana)
    await block_user(blocker, blocked.id)
    await db.execute("UPDATE users SET is_active = false WHERE id = $1", gone.id)

    assert await read_named(ana, ["ben", "gone"]) == KnownNames([], ["ben", "gone"])


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


async def elsewhere(act: Coroutine[Any, Any, T]) -> T:
    """Do it on a connection of its own."""
    return await asyncio.create_task(act, context=Context())


@pytest.mark.committed
async def test_who_is_being_deleted_is_nobody_to_mention_and_nobody_waits() -> None:
    ben, ana = await make_user(username="ben"), await make_user()
    post, other = await make_post(ana, content="Soup"), await make_post()
    said = await make_comment(other, ana, "Mmh")

    async with db.transaction():
        await db.execute(DELETE_USER, ben.id)
        published = await elsewhere(make_post(ana, content="@ben"))
        commented = await elsewhere(make_comment(other, ana, "@ben"))
        edited = await elsewhere(edit_post(ana, post.id, PostChanges(content="@ben")))
        rewritten = await elsewhere(edit_comment(ana, said.id, CommentChanges(content="@ben")))

    assert [each.mentions for each in (published, commented, edited, rewritten)] == [[]] * 4
    assert (await rows(), await changes()) == (0, [])


@pytest.mark.committed
async def test_taking_out_who_is_being_deleted_waits_for_nobody() -> None:
    ben, ana = await make_user(username="ben"), await make_user()
    of_ben = await make_post(ben)
    said = await make_comment(of_ben, ana, "@ben")

    async with db.transaction():
        await db.execute("DELETE FROM mentions WHERE user_id = $1", ben.id)
        rewritten = await elsewhere(edit_comment(ana, said.id, CommentChanges(content="Soup")))
        await db.execute(DELETE_USER, ben.id)

    assert rewritten.mentions == []
    assert await rows() == 0


@pytest.mark.committed
async def test_who_was_just_mentioned_is_deleted_after_that() -> None:
    ben, ana, other = await make_user(username="ben"), await make_user(), await make_post()

    async with db.transaction():
        post = await make_post(ana, content="@ben")
        said = await make_comment(other, ana, "@ben")
        deleting = await begun(db.execute(DELETE_USER, ben.id))
    await deleting

    assert len(await changes()) == 2
    assert (await read_post(ana, post.id)).mentions == (await read_comment(ana, said.id)).mentions == []
    assert await rows() == 0


@pytest.mark.committed
async def test_edits_at_once_leave_the_mentions_of_the_last() -> None:
    people = {name: (await make_user(username=name)).id for name in ("ben", "eve", "joe")}
    ana = await make_user()
    post = await make_post(ana, content="@ben")
    said = await make_comment(await make_post(), ana, "@ben")
    contents = [f"@{name} {i}" for i in range(4) for name in people]

    await asyncio.gather(
        *(elsewhere(edit_post(ana, post.id, PostChanges(content=content))) for content in contents),
        *(elsewhere(edit_comment(ana, said.id, CommentChanges(content=content))) for content in contents),
    )

    last = await read_post(ana, post.id), await read_comment(ana, said.id)
    assert [names(each) for each in last] == [[each.content[1:4]] for each in last]
    for each, kind in zip(last, ("post", "comment"), strict=True):
        told_of = [news for news in await changes() if news.target == Said(kind, each.id)]  # pyright: ignore[reportArgumentType]
        balance = [sum((user in news.added) - (user in news.removed) for news in told_of) for user in people.values()]
        assert balance == [int(name == names(each)[0]) for name in people]


@pytest.mark.committed
async def test_a_comment_that_finds_its_post_deleted_leaves_no_mention() -> None:
    await make_user(username="ben")
    author, ana = await make_user(), await make_user()
    post = await make_post(author)

    async with db.transaction():
        await delete_post(author, post.id)
        commenting = await begun(make_comment(post, ana, "@ben"))

    with pytest.raises(NotFound):
        await commenting
    assert (await rows(), await changes()) == (0, [])
