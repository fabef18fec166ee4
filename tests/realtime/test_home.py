"""Home at the edge: who hears of a post, at what cost, and what becomes of posts that nobody can decide about."""

import asyncio
import tracemalloc
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import msgspec
import pytest
from prometheus_client import REGISTRY

from domain import db
from domain.clock import now
from domain.eventlog import Logged
from domain.graph.actions import follow_user, mute_user, unfollow_user
from domain.ids import UserID
from domain.settings import settings
from loadtests.crowd import ADD_MEMBERS, FIRST, MEMBER_ID
from realtime import home as module
from realtime.home import Home
from realtime.news import Frame, News, entry, wire_for
from tests.conftest import Statements
from tests.factories import make_user

ADD_FOLLOWERS = """
INSERT INTO follows (follower_id, followed_id, status)
SELECT id, $1, 'active' FROM users WHERE id <> $1 ORDER BY id LIMIT $2
"""


class Ear:
    """A listener that keeps the frames it was sent, and what it was told to begin anew."""

    def __init__(self, home_from: str = "") -> None:
        self.home_from = home_from
        self.frames: list[Frame] = []
        self.resets: list[tuple[str, str, str]] = []
        self.send_event: Callable[[Frame], None] = self.frames.append

    def reset(self, topic: str, position: str, reason: str) -> None:
        self.resets.append((topic, position, reason))

    @property
    def heard(self) -> list[str]:
        return [frame.news.id for frame in self.frames]


def post(author: UserID, seq: int, words: str = "Soup") -> News:
    data = f'{{"post":{{"content":"{words}"}}}}'
    logged = Logged(seq, "post.published", [f"author:{author}"], data, author, "public", now())
    return News(f"1-{seq}", entry(logged, f"1-{seq - 1}", "event"))


def before(news: News) -> str:
    return f"{int(news.id, 16) - 1:024x}"


async def tell(home: Home, *posts: News) -> None:
    """All of them arrive at once, and are decided."""
    for each in posts:
        home.hear(each, before(each))
    await decided(home)


async def decided(home: Home) -> None:
    async with asyncio.timeout(10):
        while home.undecided:
            await asyncio.sleep(0)


def joined(home: Home, *users: UserID) -> list[Ear]:
    ears = [Ear() for _ in users]
    for user_id, ear in zip(users, ears, strict=True):
        home.join(user_id, ear)
    return ears


@pytest.fixture
async def home() -> AsyncGenerator[Home]:
    made = Home()
    yield made
    await made.stop()


async def test_followers_hear_of_a_post_and_nobody_else(database: None, home: Home) -> None:
    author, follower, stranger, muter = [await make_user() for _ in range(4)]
    await follow_user(follower, author.id)
    await follow_user(muter, author.id)
    await mute_user(muter, author.id)
    ears = joined(home, author.id, follower.id, stranger.id, muter.id)

    news = post(author.id, 1)
    await tell(home, news)

    assert [ear.heard for ear in ears] == [[], [news.id], [], []]
    assert ears[1].frames[0].prev is None


async def test_nobody_hears_of_what_was_posted_after_they_ceased_to_follow(database: None, home: Home) -> None:
    author, follower = await make_user(), await make_user()
    await follow_user(follower, author.id)
    [ear] = joined(home, follower.id)

    await tell(home, first := post(author.id, 1))
    await unfollow_user(follower, author.id)
    await tell(home, post(author.id, 2))

    assert ear.heard == [first.id]


async def test_who_listens_from_a_position_on_hears_nothing_before_it(database: None, home: Home) -> None:
    author, follower = await make_user(), await make_user()
    await follow_user(follower, author.id)
    early, late = joined(home, follower.id, follower.id)
    first, second = post(author.id, 1), post(author.id, 2)
    late.home_from = first.id

    await tell(home, first, second)

    assert early.heard == [first.id, second.id]
    assert late.heard == [second.id]


async def test_posts_go_out_in_order_and_no_position_passes_the_first_that_waits(database: None, home: Home) -> None:
    authors = [await make_user() for _ in range(3)]
    follower = await make_user()
    for each in authors:
        await follow_user(follower, each.id)
    [ear] = joined(home, follower.id)
    posts = [post(authors[i % 3].id, i) for i in range(1, 20)]

    for each in posts:
        home.hear(each, before(each))
    waiting = home.settled("f" * 24)
    await decided(home)

    assert waiting == before(posts[0])
    assert home.settled("f" * 24) == "f" * 24
    assert ear.heard == [each.id for each in posts]


async def test_a_user_with_several_connections_hears_on_each_until_it_leaves(database: None, home: Home) -> None:
    author, follower = await make_user(), await make_user()
    await follow_user(follower, author.id)
    stays, leaves = joined(home, follower.id, follower.id)

    home.leave(follower.id, leaves)
    await tell(home, post(author.id, 1))
    assert len(stays.heard) == 1
    assert leaves.heard == []

    home.leave(follower.id, stays)
    assert home.listeners == {}


# ten thousand


async def crowd(number: int) -> list[UserID]:
    """So many users, by SQL: to sign them up would take a minute."""
    await db.execute(ADD_MEMBERS, MEMBER_ID, FIRST, number)
    return [row["id"] for row in await db.fetch("SELECT id FROM users ORDER BY id LIMIT $1", number)]


async def test_a_post_of_an_author_with_5000_followers_of_10000_listeners_is_one_question_and_one_frame(
    home: Home, statements: Statements
) -> None:
    users = await crowd(10_000)
    author = await make_user()
    await db.execute(ADD_FOLLOWERS, author.id, 5_000)
    ears = joined(home, *users)

    asked = await statements(tell(home, post(author.id, 1)))

    assert len(asked) == 1
    assert [len(ear.frames) for ear in ears] == [1] * 5_000 + [0] * 5_000
    assert len({id(ear.frames[0]) for ear in ears[:5_000]}) == 1
    sent = {id(ear.frames[0].bytes_for(wire_for("potluck.v1.json", framed=True))) for ear in ears[:5_000]}
    assert len(sent) == 1, "encoded more than once"


async def test_of_an_author_with_a_great_many_followers_only_the_listeners_are_asked_for(
    home: Home, statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MANY", 1_000)
    users = await crowd(2_000)
    author, small = await make_user(), await make_user()
    await db.execute(ADD_FOLLOWERS, author.id, 1_001)
    await db.execute(ADD_FOLLOWERS, small.id, 3)
    ears = joined(home, *users)

    first = await statements(tell(home, post(author.id, 1), post(small.id, 2)))
    later = await statements(tell(home, post(author.id, 3)))

    assert [len(ear.frames) for ear in ears] == [3] * 3 + [2] * 998 + [0] * 999
    assert [len(first), len(later)] == [2, 1]


async def test_a_burst_of_posts_is_asked_about_a_few_at_a_time(home: Home, statements: Statements) -> None:
    author, follower = await make_user(), await make_user()
    await follow_user(follower, author.id)
    [ear] = joined(home, follower.id)

    asked = await statements(tell(home, *(post(author.id, seq) for seq in range(1, 21))))

    assert len(ear.frames) == 20
    assert len(asked) == 20 / module.POSTS


def test_a_listener_costs_home_some_bytes_and_no_more() -> None:
    home = Home()
    users = [UserID(uuid4()) for _ in range(10_000)]
    ears = [Ear() for _ in users]
    tracemalloc.start()
    for user_id, ear in zip(users, ears, strict=True):
        home.join(user_id, ear)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / len(users) < 200


# while nobody answers


@asynccontextmanager
async def nobody_answers() -> AsyncGenerator[None]:
    """Until the end no question about follows is answered."""
    async with db.pool().acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE follows IN ACCESS EXCLUSIVE MODE")
        yield


def little_room(monkeypatch: pytest.MonkeyPatch, *posts: News) -> None:
    """So much may wait, and not a byte more."""
    room = sum(each.size for each in posts)
    monkeypatch.setattr(module, "settings", msgspec.structs.replace(settings, home_bytes=room))


def resets_counted() -> float:
    return REGISTRY.get_sample_value("potluck_home_resets_total") or 0.0


@pytest.mark.committed
async def test_posts_wait_for_the_answer_as_long_as_there_is_room(
    database: None, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    author, follower = await make_user(), await make_user()
    await follow_user(follower, author.id)
    [ear] = joined(home, follower.id)
    posts = [post(author.id, seq) for seq in range(10, 20)]
    little_room(monkeypatch, *posts)

    async with nobody_answers():
        for each in posts:
            home.hear(each, before(each))
        await asyncio.sleep(0.1)
        assert ear.heard == []
    await decided(home)

    assert ear.heard == [each.id for each in posts]
    assert ear.resets == []


@pytest.mark.committed
async def test_too_many_posts_without_an_answer_are_forgotten_and_every_home_begins_anew_behind_them(
    database: None, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    author, follower, stranger = await make_user(), await make_user(), await make_user()
    await follow_user(follower, author.id)
    ears = joined(home, follower.id, stranger.id)
    posts = [post(author.id, seq) for seq in range(10, 16)]
    little_room(monkeypatch, *posts[:4])
    times = resets_counted()

    async with nobody_answers():
        for each in posts:
            home.hear(each, before(each))
        await asyncio.sleep(0.1)
        waiting = home.settled(posts[5].id)
    await decided(home)

    assert [ear.resets for ear in ears] == [[("home", posts[4].id, module.UNHEARD)]] * 2
    assert waiting == before(posts[5])
    assert [ear.heard for ear in ears] == [[posts[5].id], []]
    assert resets_counted() == times + 1


@pytest.mark.committed
async def test_the_room_is_free_again_once_posts_are_decided(
    database: None, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    author, follower = await make_user(), await make_user()
    await follow_user(follower, author.id)
    [ear] = joined(home, follower.id)
    posts = [post(author.id, seq) for seq in range(10, 20)]
    little_room(monkeypatch, *posts[:5])

    await tell(home, *posts[:5])
    await tell(home, *posts[5:])

    assert ear.heard == [each.id for each in posts]
    assert ear.resets == []
