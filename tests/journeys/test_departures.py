"""Somebody deletes their account: on two processes their sockets close, and everybody else's copies come true."""

import asyncio
from collections.abc import AsyncGenerator, Generator

import httpx
import pytest

from loadtests.running import Potluck
from tests.journeys.community import PASSWORD, Live, Member, Refused, members, two_processes

pytestmark = pytest.mark.xdist_group("departures")
Both = tuple[Potluck, Potluck]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Generator[Both]:
    with two_processes(tmp_path_factory.mktemp("departures")) as processes:
        yield processes


@pytest.fixture
async def people(both: Both) -> AsyncGenerator[list[Member]]:
    """Ada and Carol on the first process, Bob on the second."""
    async with members(3, *(each.url for each in both)) as found:
        yield found


async def removed(live: Live, *topics: str) -> dict[str, str]:
    """The codes of what was removed, once all of these were; within the second that is promised."""
    await live.until(lambda: all(live.topics[topic].removed for topic in topics), within=1.0)
    return {topic: heard.removed for topic, heard in live.topics.items() if heard.removed is not None}


async def test_sockets_of_a_deleted_account_close_on_every_process_and_its_tokens_are_dead(
    both: Both, people: list[Member]
) -> None:
    ada, _, carol = people
    sockets = [await ada.live({f"user:{carol.id}": None}, url=each.url) for each in both]
    name = (await ada.do("GET", "/auth/me"))["username"]

    await ada.do("DELETE", f"/users/{ada.id}")

    assert [await asyncio.wait_for(each.closed(), 2) for each in sockets] == [4301, 4301]
    for each in both:
        asked = await ada.http.get(f"{each.url}/api/v1/auth/me", headers={"Authorization": f"Bearer {ada.token}"})
        assert (asked.status_code, asked.json()["error"]["code"]) == (401, "session_ended")
        back = await dial(each, ada)
        assert back == 4301
    login = await ada.http.post(f"{ada.url}/api/v1/auth/login", json={"username": name, "password": PASSWORD})
    assert login.status_code == 401


async def dial(potluck: Potluck, member: Member) -> int:
    """Say hello with a token; the code that it is refused with."""
    with pytest.raises(Refused) as refused:
        await member.live({}, url=potluck.url)
    return refused.value.code


async def test_who_watches_the_account_or_its_posts_is_told_that_they_are_gone(people: list[Member]) -> None:
    ada, bob, carol = people
    post = await ada.do("POST", "/posts", {"content": "My last soup"})
    user, topic = f"user:{ada.id}", f"post:{post['id']}"
    await bob.do("PUT", f"/users/{ada.id}/follow")
    watchers = [await each.live({user: None, topic: None, "home": None}) for each in (bob, carol)]

    await ada.do("DELETE", f"/users/{ada.id}")

    for each in watchers:
        assert await removed(each, user, topic) == {user: "deleted", topic: "deleted"}
        assert [event["type"] for event in each.topics[user].events][-1:] == ["user.deleted"]
        assert [event["type"] for event in each.topics[topic].events] == ["post.deleted"]
        assert each.topics[user].events[-1]["data"] == {"user_id": ada.id}
        await each.subscribe({user: None, topic: None})
        assert {each.topics[name].removed for name in (user, topic)} == {"not_found"}
        await each.stop()


async def test_on_others_posts_likes_and_comments_go_and_followers_too(people: list[Member]) -> None:
    ada, bob, carol = people
    post = await bob.do("POST", "/posts", {"content": "Soup for all"})
    path, topic, profile = f"/posts/{post['id']}", f"post:{post['id']}", f"user:{bob.id}"
    for each in (ada, carol):
        await each.do("PUT", f"{path}/like")
        await each.do("PUT", f"/users/{bob.id}/follow")
    of_ada, of_carol = [await each.do("POST", f"{path}/comments", {"content": "Good"}) for each in (ada, carol)]
    below = await carol.do("POST", f"{path}/comments", {"content": "Is it?", "parent_id": of_ada["id"]})
    reply = await ada.do("POST", f"{path}/comments", {"content": "It is", "parent_id": of_carol["id"]})
    watching = await carol.live({topic: None, profile: None})
    await until_counted(bob, post["id"], likes=2, comments=4)

    await ada.do("DELETE", f"/users/{ada.id}")

    await watching.until(lambda: gone(watching, topic) == {of_ada["id"], below["id"], reply["id"]})
    await watching.until(lambda: watching.counters(topic).get("likes") == 1)
    await watching.until(lambda: watching.counters(topic).get("comments") == 1)
    await watching.until(lambda: watching.counters(profile).get("followers") == 1)
    assert watching.topics[topic].seen.gaps == watching.topics[profile].seen.gaps == 0
    seen = await carol.do("GET", path)
    assert (seen["counters"]["likes"], seen["counters"]["comments"]) == (1, 1)
    left = await carol.do("GET", f"{path}/comments")
    assert [(each["id"], each["reply_count"]) for each in left["items"]] == [(of_carol["id"], 0)]
    assert (await carol.do("GET", f"/users/{bob.id}"))["counters"]["followers"] == 1
    await watching.stop()


def gone(live: Live, topic: str) -> set[str]:
    deleted = [event["data"]["ids"] for event in live.topics[topic].events if event["type"] == "comment.deleted"]
    return {each for ids in deleted for each in ids}


async def until_counted(member: Member, post_id: str, **counts: int) -> None:
    """Wait until everything is folded."""
    async with asyncio.timeout(5):
        while not counts.items() <= (await member.do("GET", f"/posts/{post_id}"))["counters"].items():
            await asyncio.sleep(0.05)


async def test_the_name_is_free_at_once(both: Both, people: list[Member]) -> None:
    ada = people[0]
    me = await ada.do("GET", "/auth/me")
    await ada.do("DELETE", f"/users/{ada.id}")
    new = {"username": me["username"], "email": me["email"], "password": PASSWORD}
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{both[1].url}/api/v1/auth/register", json=new)
    assert answer.status_code == 201
    assert answer.json()["user"]["id"] != ada.id
