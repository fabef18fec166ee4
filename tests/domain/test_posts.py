"""What authors do with their posts, and what others see of them."""

from typing import Any

import msgspec
import pytest

from domain import db, eventlog, topics
from domain.accounts.queries import UserNotFound, UserRef
from domain.clock import stamp
from domain.errors import DomainError
from domain.eventlog import Event
from domain.ids import PostID, UserID, new_id
from domain.location import Location
from domain.posts.actions import (
    NewPost,
    NothingToChange,
    NotYourPost,
    PostChanges,
    delete_post,
    edit_post,
    publish_post,
)
from domain.posts.events import PostDeleted, PostEdited, PostPublished
from domain.posts.queries import Counters, Own, Post, PostNotFound, Subject, read_post, read_posts_of, visible_posts
from domain.posts.rules import Content, ImageUrl, Title
from domain.reactions.actions import like_post
from tests.conftest import Clock, Statements
from tests.factories import make_post, make_user

EVENTS = "SELECT type, topics, data::text AS data, actor, audience FROM events WHERE type LIKE 'post.%' ORDER BY seq"
FULL: dict[str, Any] = {
    "content": "Wonderful ñoquis",
    "title": "Lunch",
    "post_type": "photo",
    "image_url": "https://example.org/n.jpg",
    "subject": Subject("dish", new_id()),
    "location": Location("Rome", lat=41.9, lon=12.5),
}


async def events() -> list[db.Row]:
    return list(await db.fetch(EVENTS))


async def event(kind: type[Event]) -> db.Row:
    (found,) = [row for row in await events() if row["type"] == kind.type]
    return found


# what a post may be


@pytest.mark.parametrize("content", ["a", " a ", "ñ", "🍲", "two\nlines", "x" * 5000])
def test_content_is_any_text_that_says_something(content: str) -> None:
    assert msgspec.convert(content, Content) == content


@pytest.mark.parametrize("content", ["", " ", "\n\t ", "x" * 5001, "\0", "a\0b", "a\0", "\0a"])
def test_content_is_neither_blank_nor_long_nor_holds_nul(content: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(content, Content)


@pytest.mark.parametrize("title", ["", "x" * 201, "a\0", "\0\n"])
def test_a_title_is_neither_empty_nor_long_nor_holds_nul(title: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(title, Title)


@pytest.mark.parametrize("url", ["", "javascript:alert(1)", "//example.org", "https://a b", "https://a\n", "ftp://a"])
def test_an_image_is_at_a_web_address(url: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(url, ImageUrl)


# publishing and reading


async def test_a_post_is_what_was_said_by_whom_and_when(clock: Clock) -> None:
    ana = await make_user(username="ana", display_name="Ana")

    post = await publish_post(ana, NewPost(**FULL))

    assert post == Post(
        id=post.id,
        author=UserRef(ana.id, "ana", "Ana", None),
        visibility="public",
        mentions=[],
        counters=Counters(likes=0, reactions={}, comments=0, shares=0),
        viewer=Own(liked=False, reaction=None),
        created_at=stamp(clock.time),
        edited_at=None,
        **FULL,
    )
    assert await read_post(ana, post.id) == post


async def test_a_post_needs_nothing_but_words() -> None:
    post = await publish_post(await make_user(), NewPost(content="Soup"))

    assert (post.title, post.post_type, post.image_url, post.visibility) == (None, "daily", None, "public")
    assert (post.subject, post.location) == (None, None)


async def test_a_public_post_is_told_to_who_listens_to_the_author_as_everybody_sees_it() -> None:
    ana = await make_user()
    post = await publish_post(ana, NewPost(**FULL))

    told = await event(PostPublished)

    assert topics.user(ana.id) in told["topics"]
    assert (told["actor"], told["audience"]) == (ana.id, "public")
    assert msgspec.json.decode(told["data"], type=PostPublished).post == msgspec.structs.replace(post, viewer=None)


@pytest.mark.parametrize("visibility", ["followers", "private"])
async def test_a_post_that_is_not_for_all_is_told_on_no_public_topic(visibility: Any) -> None:
    ana = await make_user()
    await publish_post(ana, NewPost(content="Just us", visibility=visibility))

    told = await event(PostPublished)

    assert topics.user(ana.id) not in told["topics"]
    assert told["audience"] == visibility


async def test_anybody_reads_a_public_post() -> None:
    post = await make_post()

    assert await read_post(await make_user(), post.id) == post


async def test_a_private_post_is_its_authors_alone() -> None:
    ana, ben = await make_user(), await make_user()
    post = await make_post(ana, visibility="private")

    assert await read_post(ana, post.id) == post
    with pytest.raises(PostNotFound):
        await read_post(ben, post.id)


async def test_posts_of_who_is_not_active_are_not_found() -> None:
    ana, ben = await make_user(), await make_user()
    post = await make_post(ana)
    await db.execute("UPDATE users SET is_active = false WHERE id = $1", ana.id)

    with pytest.raises(PostNotFound):
        await read_post(ben, post.id)


async def test_what_was_never_posted_is_not_found() -> None:
    with pytest.raises(PostNotFound):
        await read_post(await make_user(), PostID(new_id()))


async def test_of_many_posts_one_learns_which_one_may_see() -> None:
    ana, ben = await make_user(), await make_user()
    seen, hidden = await make_post(ana), await make_post(ana, visibility="private")
    asked = [seen.id, hidden.id, new_id()]

    assert await visible_posts(ben, asked) == {seen.id}
    assert await visible_posts(ana, asked) == {seen.id, hidden.id}


# lists


async def test_an_authors_posts_are_listed_newest_first_each_as_it_is_read_alone() -> None:
    ana, ben = await make_user(), await make_user()
    made = [await make_post(ana, content=str(i)) for i in range(3)]
    await make_post(ben)
    await like_post(ben, made[1].id)

    listed = await read_posts_of(ben, ana.id, None, 10)

    assert listed == [await read_post(ben, post.id) for post in reversed(made)]
    assert [post.viewer for post in listed] == [Own(liked, None) for liked in (False, True, False)]


async def test_private_posts_are_on_ones_own_list_only() -> None:
    ana, ben = await make_user(), await make_user()
    public, private = await make_post(ana), await make_post(ana, visibility="private")

    assert [post.id for post in await read_posts_of(ben, ana.id, None, 10)] == [public.id]
    assert [post.id for post in await read_posts_of(ana, ana.id, None, 10)] == [private.id, public.id]


async def test_who_has_not_posted_has_an_empty_list() -> None:
    ana, ben = await make_user(), await make_user()
    await make_post(ben, visibility="private")

    assert await read_posts_of(ana, ben.id, None, 10) == []


async def test_somebody_who_is_not_there_has_no_list() -> None:
    with pytest.raises(UserNotFound):
        await read_posts_of(await make_user(), UserID(new_id()), None, 10)


async def test_pages_hold_each_post_once_while_more_are_posted_and_some_deleted() -> None:
    ana = await make_user()
    made = [await make_post(ana) for _ in range(6)]

    first = await read_posts_of(ana, ana.id, None, 2)
    await make_post(ana)
    await delete_post(ana, first[-1].id)
    second = await read_posts_of(ana, ana.id, first[-1].id, 2)
    await make_post(ana)
    third = await read_posts_of(ana, ana.id, second[-1].id, 10)

    assert [post.id for post in [*first, *second, *third]] == [post.id for post in reversed(made)]


async def test_a_list_costs_one_statement_however_long_it_is(statements: Statements) -> None:
    ana = await make_user()
    for _ in range(20):
        await make_post(ana)

    assert len(await statements(read_posts_of(ana, ana.id, None, 20))) == 1


# editing

CHANGES: list[dict[str, Any]] = [
    {"content": "Other words"},
    {"title": "Dinner"},
    {"title": None},
    {"post_type": "spontaneous"},
    {"image_url": "http://example.org/other.png"},
    {"image_url": None},
    {"subject": Subject("restaurant", new_id())},
    {"subject": None},
    {"location": Location("Oslo")},
    {"location": None},
    {"content": "All", "title": "At", "post_type": "daily", "image_url": None, "subject": None, "location": None},
]


@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: " ".join(f"{key}" for key in changes))
async def test_an_edit_changes_what_it_names_and_nothing_else(clock: Clock, changes: dict[str, Any]) -> None:
    ana = await make_user()
    post = await make_post(ana, **FULL)
    clock.forward(minutes=5)

    edited = await edit_post(ana, post.id, PostChanges(**changes))

    assert edited == msgspec.structs.replace(post, edited_at=stamp(clock.time), **changes)
    assert await read_post(ana, post.id) == edited


async def test_an_edit_is_told_to_who_listens_to_the_post() -> None:
    ana = await make_user()
    post = await make_post(ana, **FULL)

    edited = await edit_post(ana, post.id, PostChanges(content="Other words", location=Location("Oslo")))
    told = await event(PostEdited)
    data = msgspec.json.decode(told["data"])
    shown = msgspec.to_builtins(edited)

    assert topics.post(post.id) in told["topics"]
    assert (told["actor"], told["audience"]) == (ana.id, "public")
    assert data == {key: shown[key] for key in data}
    assert set(data) >= {"id", "edited_at", *PostChanges.__struct_fields__} - {"visibility"}


async def test_an_edit_must_name_something() -> None:
    ana = await make_user()
    post = await make_post(ana)

    with pytest.raises(NothingToChange) as refused:
        await edit_post(ana, post.id, PostChanges())

    assert set(refused.value.details) == set(PostChanges.__struct_fields__)


# other people's posts


@pytest.mark.parametrize(("visibility", "refusal"), [("public", NotYourPost), ("private", PostNotFound)])
async def test_others_neither_edit_nor_delete_a_post(visibility: Any, refusal: type[DomainError]) -> None:
    ana, ben = await make_user(), await make_user()
    post = await make_post(ana, visibility=visibility)

    with pytest.raises(refusal):
        await edit_post(ben, post.id, PostChanges(content="Mine now"))
    with pytest.raises(refusal):
        await delete_post(ben, post.id)

    assert await read_post(ana, post.id) == post
    assert [row["type"] for row in await events()] == ["post.published"]


# deleting


async def test_a_deleted_post_is_gone_with_its_likes_and_that_is_told() -> None:
    ana, ben = await make_user(), await make_user()
    post = await make_post(ana)
    await like_post(ben, post.id)

    await delete_post(ana, post.id)
    told = await event(PostDeleted)

    with pytest.raises(PostNotFound):
        await read_post(ana, post.id)
    assert await db.fetchval("SELECT count(*) FROM likes") == 0
    assert topics.post(post.id) in told["topics"]
    assert told["actor"] == ana.id
    assert told["data"] == eventlog.encode(PostDeleted(id=post.id, author_id=ana.id))


async def test_what_is_deleted_can_be_neither_edited_nor_deleted_again() -> None:
    ana = await make_user()
    post = await make_post(ana)
    await delete_post(ana, post.id)

    with pytest.raises(PostNotFound):
        await edit_post(ana, post.id, PostChanges(content="Still here"))
    with pytest.raises(PostNotFound):
        await delete_post(ana, post.id)
