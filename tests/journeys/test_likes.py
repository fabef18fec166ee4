"""A like by one member reaches the open sockets of the others, through the log, the stream and another process."""

import asyncio
import random
from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

from loadtests.client import MSGPACK
from loadtests.running import Potluck
from tests.journeys.community import Live, members, two_processes

pytestmark = pytest.mark.xdist_group("likes")


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Potluck, Potluck]]:
    with two_processes(tmp_path_factory.mktemp("likes")) as both:
        yield both


async def test_twenty_members_on_two_processes_like_at_random_and_every_socket_ends_at_the_truth(
    processes: tuple[Potluck, Potluck],
) -> None:
    urls = [each.url for each in processes]
    chance = random.Random(20261121)
    async with members(20, *urls) as people:
        posts = [await people[i].do("POST", "/posts", {"content": f"Dish {i}"}) for i in range(5)]
        topics: dict[str, str | None] = {f"post:{post['id']}": None for post in posts}
        sockets = [await each.live(topics) for each in people[:-1]]
        sockets.append(await people[-1].live(topics, subprotocol=MSGPACK))
        liked: set[tuple[int, int]] = set()
        acts: list[list[tuple[str, int]]] = [[] for _ in people]
        for _ in range(2000):
            who, what = chance.randrange(20), chance.randrange(5)
            taken_back = (who, what) in liked
            liked ^= {(who, what)}
            acts[who].append(("DELETE" if taken_back else "PUT", what))

        async def act(who: int) -> None:
            for method, what in acts[who]:
                answer = await people[who].do(method, f"/posts/{posts[what]['id']}/like")
                assert answer["liked"] is (method == "PUT")

        await asyncio.gather(*(act(who) for who in range(20)))
        truth = Counter(posts[what]["id"] for _, what in liked)

        def right(socket: Live) -> bool:
            return all(socket.counters(f"post:{post['id']}").get("likes") == truth[post["id"]] for post in posts)

        await asyncio.gather(*(socket.until(lambda socket=socket: right(socket)) for socket in sockets))
        fetched = [await people[0].do("GET", f"/posts/{post['id']}") for post in posts]
        assert [each["counters"]["likes"] for each in fetched] == [truth[post["id"]] for post in posts]
        for socket in sockets:
            seen = socket.contract.seen
            assert (seen.gaps, seen.duplicates, seen.resets) == (0, 0, 0)
            await socket.stop()


async def test_sixteen_clients_liking_one_post_at_once_never_see_it_go_backwards(
    processes: tuple[Potluck, Potluck],
) -> None:
    urls = [each.url for each in processes]
    async with members(16, *urls) as people:
        post = await people[0].do("POST", "/posts", {"content": "Everybody's darling"})
        topic = f"post:{post['id']}"
        watchers = [await people[i].live({topic: None}, url=urls[i]) for i in range(2)]
        seen: list[list[int]] = [[], []]
        for heard, watcher in zip(seen, watchers, strict=True):
            watcher.topics[topic].on_event = lambda event, heard=heard: heard.append(event["data"]["likes"])
        for _ in range(5):
            answers = await asyncio.gather(*(each.do("PUT", f"/posts/{post['id']}/like") for each in people))
            assert all(answer["liked"] for answer in answers)
            await asyncio.gather(*(each.do("DELETE", f"/posts/{post['id']}/like") for each in people[8:]))
        await asyncio.gather(*(each.do("PUT", f"/posts/{post['id']}/like") for each in people))
        for watcher in watchers:
            await watcher.until(lambda watcher=watcher: watcher.counters(topic).get("likes") == 16)
            assert watcher.topics[topic].seen.gaps == 0
            await watcher.stop()
        assert all(0 <= likes <= 16 for heard in seen for likes in heard)


async def test_likes_alone_only_make_the_count_grow(processes: tuple[Potluck, Potluck]) -> None:
    urls = [each.url for each in processes]
    async with members(16, *urls) as people:
        post = await people[0].do("POST", "/posts", {"content": "Only upwards"})
        topic = f"post:{post['id']}"
        watcher = await people[1].live({topic: None}, url=urls[1])
        heard: list[tuple[str, int]] = []
        watcher.topics[topic].on_event = lambda event: heard.append((event["id"], event["data"]["likes"]))
        await asyncio.gather(*(each.do("PUT", f"/posts/{post['id']}/like") for each in people))
        await watcher.until(lambda: watcher.counters(topic).get("likes") == 16)
        await watcher.stop()
        assert heard == sorted(heard)
        assert [likes for _, likes in heard] == sorted(likes for _, likes in heard)


async def test_who_acts_sees_their_own_act_at_once(processes: tuple[Potluck, Potluck]) -> None:
    async with members(2, processes[0].url) as (ada, bob):
        post = await ada.do("POST", "/posts", {"content": "Mine"})
        path = f"/posts/{post['id']}"
        seen: list[Any] = []
        for method in ("PUT", "DELETE", "PUT", "PUT", "DELETE", "DELETE", "PUT"):
            answer = await bob.do(method, f"{path}/like")
            read = await bob.do("GET", path)
            seen.append((answer["likes"], read["counters"]["likes"], read["viewer"]["liked"]))
        yes, no = (1, 1, True), (0, 0, False)
        assert seen == [yes, no, yes, yes, no, no, yes]


async def test_a_new_post_is_heard_where_its_author_is_followed_and_resumed_from_the_cursor_of_a_page(
    processes: tuple[Potluck, Potluck],
) -> None:
    here, there = (each.url for each in processes)
    async with members(2, here, there) as (ada, bob):
        page = await bob.ask("GET", f"/users/{ada.id}/posts")
        cursor = page.headers["Potluck-Cursor"]
        post = await ada.do("POST", "/posts", {"content": "Fresh bread"})
        topic = f"user:{ada.id}"
        await asyncio.sleep(0.3)
        live = await bob.live({topic: cursor})
        await live.until(lambda: bool(live.topics[topic].events))
        assert live.welcome["topics"][topic]["outcome"] == "replayed"
        assert live.topics[topic].events[0]["data"]["post"]["id"] == post["id"]
        assert live.topics[topic].events[0]["data"]["post"]["viewer"] is None
        await live.until(lambda: live.counters(topic).get("posts") == 1)
        await live.stop()


async def test_edits_and_deletion_are_heard_in_order(processes: tuple[Potluck, Potluck]) -> None:
    here, there = (each.url for each in processes)
    async with members(2, here, there) as (ada, bob):
        post = await ada.do("POST", "/posts", {"content": "Bred"})
        topic = f"post:{post['id']}"
        live = await bob.live({topic: None})
        await bob.do("PUT", f"/posts/{post['id']}/like")
        await ada.do("PATCH", f"/posts/{post['id']}", {"content": "Bread"})
        await ada.do("DELETE", f"/posts/{post['id']}")
        await live.until(lambda: len(live.topics[topic].events) == 2)
        assert [event["type"] for event in live.topics[topic].events] == ["post.edited", "post.deleted"]
        assert live.topics[topic].events[0]["data"]["content"] == "Bread"
        assert live.topics[topic].seen.gaps == 0
        assert (await bob.ask("GET", f"/posts/{post['id']}")).status_code == 404
        await live.stop()
