"""Whose acts are withheld from whom: right at every moment, whatever a connection was doing when it changed."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import Any

import asyncpg
import pytest

from loadtests.running import Potluck
from tests.journeys.community import Live, Member, members, two_processes

pytestmark = pytest.mark.xdist_group("access")
Both = tuple[Potluck, Potluck]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Generator[Both]:
    with two_processes(tmp_path_factory.mktemp("hidden")) as processes:
        yield processes


@pytest.fixture
async def people(both: Both) -> AsyncGenerator[list[Member]]:
    """Ada and Carol on the first process, Bob on the second."""
    async with members(3, *(each.url for each in both)) as found:
        yield found


async def posted(member: Member, content: str = "Soup") -> str:
    return (await member.do("POST", "/posts", {"content": content}))["id"]


async def say(member: Member, post: str, content: str) -> str:
    return (await member.do("POST", f"/posts/{post}/comments", {"content": content}))["id"]


def heard(live: Live, topic: str) -> list[str]:
    events = live.topics[topic].events
    return [event["data"]["comment"]["content"] for event in events if event["type"] == "comment.created"]


def resets(live: Live) -> dict[str, int]:
    return {topic: followed.seen.resets for topic, followed in live.topics.items()}


async def hears_or_is_reset(live: Live, post: str, carol: Member) -> None:
    topic = live.topics[f"post:{post}"]
    before = len(topic.events), topic.seen.resets
    await say(carol, post, "for everybody")
    await live.until(lambda: (len(topic.events), topic.seen.resets) != before)


async def hears_only_carol(live: Live, post: str, ada: Member, carol: Member) -> None:
    """Ada says something, then Carol: what Carol said is heard, and before it nothing.

    A reset stands for all that was said before it; then Carol says it again.
    """
    topic = live.topics[f"post:{post}"]
    before = len(heard(live, topic.topic))
    await say(ada, post, "not for you")
    while len(heard(live, topic.topic)) == before:
        await hears_or_is_reset(live, post, carol)
    assert set(heard(live, topic.topic)[before:]) == {"for everybody"}
    assert topic.seen.gaps == 0


@pytest.mark.parametrize("blocks_first", [True, False])
async def test_a_block_while_no_post_is_listened_to_counts_for_the_next_one(
    people: list[Member], blocks_first: bool
) -> None:
    ada, bob, carol = people
    post = await posted(carol)
    live = await bob.live({f"post:{post}": None, "home": None})
    await live.unsubscribe(f"post:{post}")
    blocker, blocked = (ada, bob) if blocks_first else (bob, ada)
    await blocker.do("PUT", f"/users/{blocked.id}/block")
    await live.subscribe({f"post:{post}": None})
    await hears_only_carol(live, post, ada, carol)
    await live.stop()


async def test_an_unblock_while_no_post_is_listened_to_counts_for_the_next_one(people: list[Member]) -> None:
    ada, bob, carol = people
    post = await posted(carol)
    await bob.do("PUT", f"/users/{ada.id}/block")
    live = await bob.live({f"post:{post}": None})
    await live.unsubscribe(f"post:{post}")
    await bob.do("DELETE", f"/users/{ada.id}/block")
    await live.subscribe({f"post:{post}": None})
    await say(ada, post, "hello again")
    await live.until(lambda: heard(live, f"post:{post}") == ["hello again"])
    await live.stop()


async def test_no_ticket_outlives_a_block(people: list[Member], both: Both) -> None:
    ada, bob, carol = people
    post = await posted(carol)
    topic = f"post:{post}"
    live = await bob.live({topic: None, f"user:{ada.id}": None})
    tickets: list[Any] = []

    async def collect() -> None:
        while True:
            answer = await live.ask("subscribe", {})
            tickets.append((answer["ticket"], live.topics[topic].cursor))

    collecting = asyncio.create_task(collect())
    await ada.do("PUT", f"/users/{bob.id}/block")
    await live.until(lambda: live.topics[f"user:{ada.id}"].removed is not None)
    await asyncio.sleep(0.1)
    collecting.cancel()
    for ticket, cursor in tickets[-5:] + tickets[: len(tickets) // 2 : 10]:
        again = await Live.open(both[0].url, bob.token, {topic: cursor}, ticket=ticket)
        await hears_only_carol(again, post, ada, carol)
        again.cut()
    await live.stop()


async def test_a_block_while_topics_are_subscribed_is_never_lost(people: list[Member]) -> None:
    ada, bob, carol = people
    posts = [await posted(carol) for _ in range(2)]
    live = await bob.live({f"post:{posts[0]}": None})
    for _ in range(5):
        asking = [asyncio.create_task(live.ask("subscribe", {f"post:{posts[1]}": None})) for _ in range(20)]
        await asyncio.gather(ada.do("PUT", f"/users/{bob.id}/block"), *asking)
        await hears_only_carol(live, posts[0], ada, carol)
        await ada.do("DELETE", f"/users/{bob.id}/block")


async def test_what_follows_something_withheld_is_no_gap_after_access_was_asked_again(people: list[Member]) -> None:
    ada, bob, carol = people
    post = await posted(carol)
    await bob.do("PUT", f"/users/{ada.id}/block")
    live = await bob.live({f"post:{post}": None})
    await say(carol, post, "first")
    await live.until(lambda: heard(live, f"post:{post}") == ["first"])
    await say(ada, post, "not for Bob")
    await bob.do("PUT", f"/users/{carol.id}/follow")  # has the post held, and asked for again
    await asyncio.sleep(0.2)
    await say(carol, post, "second")
    await live.until(lambda: heard(live, f"post:{post}") == ["first", "second"])
    assert live.topics[f"post:{post}"].seen.gaps == 0
    await live.stop()


async def test_a_block_has_whoever_listens_begin_anew_where_the_other_has_spoken_and_nowhere_else(
    people: list[Member],
) -> None:
    ada, bob, carol = people
    spoken, silent = await posted(carol), await posted(carol)
    await say(ada, spoken, "I was here")
    live = await bob.live({f"post:{spoken}": None, f"post:{silent}": None})
    for method in ("PUT", "DELETE"):
        before = resets(live)[f"post:{spoken}"]
        await ada.do(method, f"/users/{bob.id}/block")
        await live.until(lambda before=before: resets(live)[f"post:{spoken}"] == before + 1)
    assert resets(live) == {f"post:{spoken}": 2, f"post:{silent}": 0}
    await live.stop()


async def test_whoever_comes_back_after_a_block_begins_anew_where_the_other_has_spoken(
    people: list[Member], both: Both
) -> None:
    ada, bob, carol = people
    spoken, silent = await posted(carol), await posted(carol)
    await say(ada, spoken, "I was here")
    topics = {f"post:{spoken}", f"post:{silent}"}
    live = await bob.live(dict.fromkeys(topics))
    cursors, ticket = {topic: live.topics[topic].cursor for topic in topics}, live.welcome["ticket"]
    live.cut()
    await ada.do("PUT", f"/users/{bob.id}/block")
    await say(carol, spoken, "goodbye")
    await asyncio.sleep(0.3)
    again = await Live.open(both[1].url, bob.token, dict(cursors), ticket=ticket)
    outcomes = {topic: outcome["outcome"] for topic, outcome in again.welcome["topics"].items()}
    assert outcomes == {f"post:{spoken}": "reset", f"post:{silent}": "live"}
    await again.stop()


def edits(live: Live, topic: str) -> int:
    """How many it has heard of; of what was said before, it may or may not have."""
    return [event["type"] for event in live.topics[topic].events].count("post.edited")


async def test_nothing_is_heard_of_a_post_until_it_is_known_whether_copies_are_stale(
    people: list[Member], both: Both
) -> None:
    ada, bob, carol = people
    post = await posted(carol)
    topic = f"post:{post}"
    await say(ada, post, "I was here")
    live, other = await bob.live({topic: None}), await carol.live({topic: None})
    connection: Any = await asyncpg.connect(both[0].database_url())
    async with connection.transaction():
        await connection.execute("LOCK TABLE comments IN ACCESS EXCLUSIVE MODE")
        await ada.do("PUT", f"/users/{bob.id}/block")
        await carol.do("PATCH", f"/posts/{post}", {"content": "Stew"})
        await other.until(lambda: edits(other, topic) == 1)
        pong = await live.ask("ping")
        assert edits(live, topic) == 0  # or its position would be behind the block, and the copy stale for good
        assert pong["cursor"] < str(other.topics[topic].cursor)
    await live.until(lambda: live.topics[topic].seen.resets == 1)
    assert edits(live, topic) == 0
    assert str(live.topics[topic].cursor) >= str(other.topics[topic].cursor)
    await connection.close()
    await live.stop()
    await other.stop()


async def test_whoever_held_a_comment_that_was_hidden_and_then_deleted_begins_anew(
    people: list[Member], both: Both
) -> None:
    ada, bob, carol = people
    post = await posted(carol)
    comment = await say(ada, post, "I was here")
    await asyncio.sleep(0.3)
    live = await bob.live({f"post:{post}": None})
    cursor = live.welcome["topics"][f"post:{post}"]["cursor"]
    live.cut()
    await ada.do("PUT", f"/users/{bob.id}/block")
    await ada.do("DELETE", f"/comments/{comment}")
    await asyncio.sleep(0.3)
    again = await Live.open(both[1].url, bob.token, {f"post:{post}": cursor})
    assert again.welcome["topics"][f"post:{post}"]["outcome"] == "reset"
    await again.stop()


async def test_what_was_deleted_or_hidden_since_is_not_told_to_who_comes_back(people: list[Member], both: Both) -> None:
    ada, bob, carol = people
    await bob.do("PUT", f"/users/{ada.id}/follow")
    discussed = await posted(carol)
    topics = (f"user:{ada.id}", "home", f"post:{discussed}")
    live = await bob.live(dict.fromkeys(topics))
    cursors = {topic: live.topics[topic].cursor for topic in topics}
    live.cut()
    gone, hidden = await posted(ada, "gone"), await posted(ada, "hidden")
    await posted(ada, "stays")
    await ada.do("DELETE", f"/posts/{gone}")
    await ada.do("PATCH", f"/posts/{hidden}", {"visibility": "private"})
    comment = await say(carol, discussed, "taken back")
    await say(carol, discussed, "meant")
    await carol.do("DELETE", f"/comments/{comment}")
    await asyncio.sleep(0.3)
    again = await Live.open(both[0].url, bob.token, dict(cursors))
    await again.until(lambda: all(again.topics[topic].events for topic in topics))
    await asyncio.sleep(0.1)
    for topic in topics[:2]:
        assert [event["data"]["post"]["content"] for event in again.topics[topic].events] == ["stays"]
    assert heard(again, f"post:{discussed}") == ["meant"]
    assert again.topics[f"user:{ada.id}"].seen.gaps == again.topics[f"post:{discussed}"].seen.gaps == 0
    await again.stop()


async def test_home_is_silent_of_whom_one_has_muted(people: list[Member]) -> None:
    ada, bob, carol = people
    await bob.do("PUT", f"/users/{ada.id}/follow")
    await bob.do("PUT", f"/users/{carol.id}/follow")
    live = await bob.live({"home": None})
    await bob.do("PUT", f"/users/{ada.id}/mute")
    await posted(ada)
    loud = await posted(carol)
    await live.until(lambda: bool(live.topics["home"].events))
    assert [event["data"]["post"]["id"] for event in live.topics["home"].events] == [loud]
    await live.stop()
