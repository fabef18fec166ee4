"""Who may listen, who may not any more, and who resumes: on two processes, with every change made over HTTP."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import Any

import asyncpg
import msgspec
import pytest
import redis.asyncio

from loadtests.running import Potluck
from tests.journeys.community import Live, Member, Refused, members, two_processes

pytestmark = pytest.mark.xdist_group("access")
Both = tuple[Potluck, Potluck]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Generator[Both]:
    with two_processes(tmp_path_factory.mktemp("access"), POTLUCK_CONNECTIONS_PER_USER="3") as processes:
        yield processes


@pytest.fixture
async def people(both: Both) -> AsyncGenerator[list[Member]]:
    """Ada and Carol on the first process, Bob and Dan on the second."""
    async with members(4, *(each.url for each in both)) as found:
        yield found


async def removed(live: Live, *topics: str) -> dict[str, str]:
    """The codes of what was removed, once all of these were; within the second that is promised."""
    await live.until(lambda: all(live.topics[topic].removed for topic in topics), within=1.0)
    return {topic: heard.removed for topic, heard in live.topics.items() if heard.removed is not None}


def types(live: Live, topic: str) -> list[str]:
    return [event["type"] for event in live.topics[topic].events]


async def test_a_block_ends_both_sides_listening_and_nothing_later_is_heard(people: list[Member]) -> None:
    ada, bob, _, _ = people
    post = await ada.do("POST", "/posts", {"content": "Secret sauce"})
    topics: dict[str, str | None] = {f"post:{post['id']}": None, f"user:{ada.id}": None}
    listening = await bob.live(topics)
    own = await ada.live({f"user:{bob.id}": None})
    await ada.do("PUT", f"/users/{bob.id}/block")
    await ada.do("PATCH", f"/posts/{post['id']}", {"content": "Not for Bob"})
    assert set((await removed(listening, *topics)).values()) == {"blocked"}
    assert (await removed(own, f"user:{bob.id}")) == {f"user:{bob.id}": "blocked"}
    assert types(listening, f"post:{post['id']}") == []
    await listening.subscribe(topics)
    assert {listening.topics[topic].removed for topic in topics} == {"not_found"}
    await listening.stop()
    await own.stop()


async def test_unblocking_lets_listen_again(people: list[Member]) -> None:
    ada, bob, _, _ = people
    post = await ada.do("POST", "/posts", {"content": "Peace"})
    await ada.do("PUT", f"/users/{bob.id}/block")
    await ada.do("DELETE", f"/users/{bob.id}/block")
    listening = await bob.live({f"post:{post['id']}": None})
    assert listening.welcome["topics"][f"post:{post['id']}"]["outcome"] == "live"
    await listening.stop()


async def test_going_private_keeps_followers_and_removes_strangers(people: list[Member]) -> None:
    ada, bob, carol, _ = people
    await carol.do("PUT", f"/users/{ada.id}/follow")
    post = await ada.do("POST", "/posts", {"content": "For friends"})
    topic = f"post:{post['id']}"
    stranger, friend = await bob.live({topic: None}), await carol.live({topic: None})
    await ada.do("PATCH", f"/users/{ada.id}", {"privacy_level": "private"})
    await ada.do("PATCH", f"/posts/{post['id']}", {"content": "For friends only"})
    assert await removed(stranger, topic) == {topic: "private"}
    await friend.until(lambda: types(friend, topic) == ["post.edited"])
    assert friend.topics[topic].seen.gaps == friend.topics[topic].seen.duplicates == 0
    assert types(stranger, topic) == []
    await stranger.stop()
    await friend.stop()


async def test_an_unfollow_ends_listening_to_what_only_followers_see(people: list[Member]) -> None:
    ada, bob, _, _ = people
    await bob.do("PUT", f"/users/{ada.id}/follow")
    post = await ada.do("POST", "/posts", {"content": "Followers", "visibility": "followers"})
    topic = f"post:{post['id']}"
    listening = await bob.live({topic: None})
    assert listening.welcome["topics"][topic]["outcome"] == "live"
    await bob.do("DELETE", f"/users/{ada.id}/follow")
    assert await removed(listening, topic) == {topic: "private"}
    await listening.stop()


async def test_a_post_that_is_hidden_is_removed_and_one_that_is_deleted_says_so(people: list[Member]) -> None:
    ada, bob, _, _ = people
    hidden, deleted = [await ada.do("POST", "/posts", {"content": each}) for each in ("Hide me", "Delete me")]
    listening = await bob.live({f"post:{each['id']}": None for each in (hidden, deleted)})
    await ada.do("DELETE", f"/posts/{deleted['id']}")
    await removed(listening, f"post:{deleted['id']}")
    await ada.do("PATCH", f"/posts/{hidden['id']}", {"visibility": "private"})
    codes = await removed(listening, f"post:{hidden['id']}", f"post:{deleted['id']}")
    assert codes == {f"post:{hidden['id']}": "private", f"post:{deleted['id']}": "deleted"}
    assert types(listening, f"post:{deleted['id']}") == ["post.deleted"]
    await listening.stop()


async def test_comments_of_somebody_blocked_are_withheld_from_one_and_heard_by_others(people: list[Member]) -> None:
    ada, bob, carol, dan = people
    post = await ada.do("POST", "/posts", {"content": "Discuss"})
    topic, path = f"post:{post['id']}", f"/posts/{post['id']}/comments"
    await bob.do("PUT", f"/users/{dan.id}/block")
    wary, other = await bob.live({topic: None}), await carol.live({topic: None})
    said = [await who.do("POST", path, {"content": f"{i}"}) for i, who in enumerate([ada, dan, dan, ada])]
    await other.until(lambda: len(other.topics[topic].events) == 4)
    await wary.until(lambda: len(wary.topics[topic].events) == 2)
    heard = [event["data"]["comment"]["id"] for event in wary.topics[topic].events]
    assert heard == [said[0]["id"], said[3]["id"]]
    assert wary.topics[topic].seen.gaps == other.topics[topic].seen.gaps == 0
    await wary.stop()
    await other.stop()


async def test_what_is_said_below_somebody_blocked_is_withheld_live_and_on_resuming(
    both: Both, people: list[Member]
) -> None:
    ada, bob, carol, dan = people
    post = await ada.do("POST", "/posts", {"content": "Discuss"})
    topic, path = f"post:{post['id']}", f"/posts/{post['id']}/comments"
    of_dan, of_ada = [await who.do("POST", path, {"content": "Above"}) for who in (dan, ada)]
    old = await carol.do("POST", path, {"content": "Said before", "parent_id": of_dan["id"]})
    there = await carol.live({topic: None}, url=bob.url)
    await bob.do("PUT", f"/users/{dan.id}/block")
    await ada.do("PATCH", f"/posts/{post['id']}", {"content": "Discuss this"})
    # so that process knows of the block before it
    await there.until(lambda: types(there, topic)[-1:] == ["post.edited"])
    await there.stop()
    wary, other = await bob.live({topic: None}), await carol.live({topic: None})
    ticket, cursor = wary.welcome["ticket"], wary.welcome["topics"][topic]["cursor"]
    for parent in (of_dan, of_ada):
        await carol.do("POST", path, {"content": "Below", "parent_id": parent["id"]})
    await carol.do("PATCH", f"/comments/{old['id']}", {"content": "Changed"})
    await carol.do("DELETE", f"/comments/{old['id']}")
    await ada.do("DELETE", f"/comments/{of_dan['id']}")
    await ada.do("PATCH", f"/comments/{of_ada['id']}", {"content": "Heard by all"})

    await other.until(lambda: types(other, topic)[-6:].count("comment.deleted") == 2)
    await other.until(lambda: types(other, topic)[-1:] == ["comment.edited"])
    resumed = [
        await Live.open(each.url, bob.token, {topic: cursor}, ticket=given)
        for each, given in zip(both, (ticket, None), strict=True)
    ]
    for each in (wary, *resumed):
        await each.until(lambda each=each: types(each, topic)[-1:] == ["comment.edited"])
    assert [types(each, topic) for each in (wary, *resumed)] == [["comment.created", "comment.edited"]] * 3
    assert wary.topics[topic].events[0]["data"]["comment"]["parent_id"] == of_ada["id"]
    for each in (wary, other, *resumed):
        assert each.topics[topic].seen.gaps == 0
        await each.stop()


async def test_home_tells_followers_of_posts_and_nobody_else(people: list[Member]) -> None:
    ada, bob, carol, dan = people
    await bob.do("PUT", f"/users/{ada.id}/follow")
    await dan.do("PUT", f"/users/{ada.id}/follow")
    follower, stranger = await bob.live({"home": None}), await carol.live({"home": None})
    leaver = await dan.live({"home": None})
    await ada.do("POST", "/posts", {"content": "Public"})
    await ada.do("POST", "/posts", {"content": "Followers", "visibility": "followers"})
    await ada.do("POST", "/posts", {"content": "Private", "visibility": "private"})
    await leaver.until(lambda: len(leaver.topics["home"].events) == 2)
    await dan.do("DELETE", f"/users/{ada.id}/follow")
    await ada.do("POST", "/posts", {"content": "Later"})
    await follower.until(lambda: len(follower.topics["home"].events) == 3)
    heard = follower.topics["home"].events
    assert [event["data"]["post"]["content"] for event in heard] == ["Public", "Followers", "Later"]
    assert {event["prev"] for event in heard} == {None}
    assert len(leaver.topics["home"].events) == 2
    assert stranger.topics["home"].events == []
    for each in (follower, stranger, leaver):
        await each.stop()


async def test_a_post_is_one_question_of_each_process_however_many_listen(both: Both, people: list[Member]) -> None:
    ada, *others = people
    for each in others:
        await each.do("PUT", f"/users/{ada.id}/follow")
    sockets = [await each.live({"home": None}, url=process.url) for each in people for process in both]
    before = await questions_of_home(both[0])

    await ada.do("POST", "/posts", {"content": "For many"})
    for each in sockets[2:]:
        await each.until(lambda each=each: len(each.topics["home"].events) == 1)

    assert await questions_of_home(both[0]) == before + len(both)
    assert [each.topics["home"].events for each in sockets[:2]] == [[], []]
    for each in sockets:
        await each.stop()


async def questions_of_home(potluck: Potluck) -> int:
    connection: Any = await asyncpg.connect(potluck.database_url())
    try:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        return await connection.fetchval(
            "SELECT coalesce(sum(calls), 0)::int FROM pg_stat_statements WHERE query ~ 'followed_id AS author'"
        )
    finally:
        await connection.close()


async def test_home_is_resumed_from_its_cursor_on_another_process(both: Both, people: list[Member]) -> None:
    ada, bob, carol, _ = people
    await bob.do("PUT", f"/users/{ada.id}/follow")
    live = await bob.live({"home": None})
    cursor = live.welcome["topics"]["home"]["cursor"]
    await live.stop()
    await carol.do("POST", "/posts", {"content": "Of a stranger"})
    await ada.do("POST", "/posts", {"content": "Missed"})
    await asyncio.sleep(0.3)
    back = await bob.live({"home": cursor}, url=both[0].url)
    assert back.welcome["topics"]["home"] | {"cursor": ""} == {"outcome": "replayed", "count": 1, "cursor": ""}
    await back.until(lambda: len(back.topics["home"].events) == 1)
    await back.stop()


async def test_a_ticket_resumes_on_another_process_and_asks_nobody(both: Both, people: list[Member]) -> None:
    ada, bob, _, _ = people
    post = await ada.do("POST", "/posts", {"content": "Come back"})
    await asyncio.sleep(0.3)
    topics: dict[str, str | None] = {f"post:{post['id']}": None, f"user:{ada.id}": None, "home": None}
    live = await bob.live(topics)
    ticket, positions = live.welcome["ticket"], {t: o["cursor"] for t, o in live.welcome["topics"].items()}
    await live.stop()
    await ada.do("PATCH", f"/posts/{post['id']}", {"content": "While away"})
    before = await asked_by_now(both[0])
    for _ in range(20):
        back = await Live.open(both[0].url, bob.token, dict(positions), ticket=ticket)
        outcomes = {topic: outcome["outcome"] for topic, outcome in back.welcome["topics"].items()}
        assert outcomes == {f"post:{post['id']}": "replayed", f"user:{ada.id}": "live", "home": "live"}
        await back.stop()
    assert await asked(both[0]) == before


async def asked_by_now(potluck: Potluck) -> dict[str, int]:
    """The same, once what follows from what was done has been folded: that asks, too, and some of it once a second."""
    before: dict[str, int] = {}
    while before != (before := await asked(potluck)):
        await asyncio.sleep(1.5)
    return before


async def asked(potluck: Potluck) -> dict[str, int]:
    """How often anything was asked of the two servers that is not the relay's, the tail's or the folds' own work."""
    servers = msgspec.json.decode((potluck.data / "servers.json").read_bytes())
    connection: Any = await asyncpg.connect(servers["database_url"])
    client: Any = redis.asyncio.Redis.from_url(servers["redis_url"])  # pyright: ignore[reportUnknownMemberType] # half typed
    try:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        calls = await connection.fetchval(
            "SELECT coalesce(sum(calls), 0)::int FROM pg_stat_statements WHERE query ~ 'access\\(|blocks|follows|users'"
        )
        commands: dict[str, dict[str, int]] = await client.info("commandstats")
    finally:
        await connection.close()
        await client.aclose()
    own = (
        "xread",
        "xadd",
        "xrevrange",
        "xtrim",
        "evalsha",
        "publish",
        "subscribe",
        "info",
        "client",
        "hello",
        "xrange",
    )
    others = {name: stats["calls"] for name, stats in commands.items() if not name.endswith(own)}
    return {"sql": calls, **others}


async def test_a_ticket_grants_nothing_that_was_lost_since(both: Both, people: list[Member]) -> None:
    ada, bob, carol, _ = people
    posts = [await who.do("POST", "/posts", {"content": "x"}) for who in (ada, carol)]
    mine, kept = (f"post:{post['id']}" for post in posts)
    live = await bob.live({mine: None, kept: None})
    ticket, positions = live.welcome["ticket"], {t: o["cursor"] for t, o in live.welcome["topics"].items()}
    await live.stop()
    await ada.do("PUT", f"/users/{bob.id}/block")
    await asyncio.sleep(0.3)
    back = await Live.open(both[0].url, bob.token, dict(positions), ticket=ticket)
    assert back.welcome["topics"][mine] == {"outcome": "error", "code": "not_found"}
    assert back.welcome["topics"][kept]["outcome"] == "live"
    await back.stop()


async def test_somebody_elses_ticket_or_a_forged_one_grants_nothing(both: Both, people: list[Member]) -> None:
    ada, bob, carol, _ = people
    post = await ada.do("POST", "/posts", {"content": "Mine", "visibility": "private"})
    topic = f"post:{post['id']}"
    own = await ada.live({topic: None})
    ticket = own.welcome["ticket"]
    for stolen in (ticket, ticket[:-4] + "AAAA", "x.y.z", ""):
        thief = await Live.open(both[1].url, bob.token, {topic: None}, ticket=stolen)
        assert thief.welcome["topics"][topic] == {"outcome": "error", "code": "not_found"}
        await thief.stop()
    await own.stop()
    assert carol.id


async def test_one_user_has_so_many_sockets_and_no_more(people: list[Member]) -> None:
    ada = people[0]
    sockets = [await ada.live({}) for _ in range(3)]
    with pytest.raises(Refused, match="4102"):
        await ada.live({})
    for each in sockets:
        await each.stop()


async def test_ending_a_session_elsewhere_closes_its_sockets_on_every_process(both: Both, people: list[Member]) -> None:
    ada = people[0]
    sockets = [await ada.live({}, url=each.url) for each in both]
    sessions: Any = await ada.do("GET", "/auth/sessions")
    await ada.ask("DELETE", f"/auth/sessions/{sessions['items'][0]['id']}")
    assert [await each.closed() for each in sockets] == [4301, 4301]
