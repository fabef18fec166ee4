"""What is trending, live: whoever applies the news has the list, and nobody is told more than once a second."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Generator
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from loadtests.running import Potluck
from tests.journeys.community import Live, Member, members, two_processes

pytestmark = pytest.mark.xdist_group("trending")
Both = tuple[Potluck, Potluck]

FLOOR, WATCHED_S = 5, 4.0


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Generator[Both]:
    with two_processes(tmp_path_factory.mktemp("trending")) as processes:
        yield processes


@pytest.fixture
async def people(both: Both) -> AsyncGenerator[list[Member]]:
    """Half of them on each process."""
    async with members(8, *(each.url for each in both)) as found:
        yield found


async def serve(member: Member, city: str, dish_type: str) -> str:
    """A dish at a new restaurant."""
    there = (await member.do("POST", "/restaurants?force=true", {"name": "Here", "city": city}))["id"]
    new = {"name": f"{dish_type} of {city}", "dish_type": dish_type}
    return (await member.do("POST", f"/restaurants/{there}/dishes", new))["id"]


async def rank(member: Member, dish: str, rank: int = 1) -> None:
    await member.do("PUT", f"/dishes/{dish}/ranking", {"rank": rank, "notes": "Good"})


def lists(live: Live, topic: str) -> list[dict[str, Any]]:
    return [event["data"] for event in live.topics[topic].events if event["type"] == "trending.changed"]


def counts(live: Live, topic: str) -> set[int] | None:
    """Of rankings, of all dishes on the list; None before anything was told."""
    told = lists(live, topic)
    return {each["ranking_count"] for each in told[-1]["top"]} if told else None


def as_of(found: dict[str, Any], at: str) -> list[tuple[Any, ...]]:
    """A list as it is at another time: all but its scores stays, and these have halves."""
    passed_s = (datetime.fromisoformat(at) - datetime.fromisoformat(found["at"])).total_seconds()
    left = 0.5 ** (passed_s / found["half_life_s"])
    return [
        (
            {name: value for name, value in each.items() if name != "trending_score"},
            pytest.approx(each["trending_score"] * left, abs=0.002),
        )
        for each in found["top"]
    ]


async def fresh(member: Member, query: str) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
    """What HTTP answers, and its entries to compare with."""
    found = await member.do("GET", f"/trending/dishes?{query}")
    entries = [
        ({name: value for name, value in each.items() if name != "trending_score"}, each["trending_score"])
        for each in found["top"]
    ]
    return found, entries


async def test_who_applies_what_is_told_has_what_is_there_and_is_told_at_most_once_a_second(
    people: list[Member],
) -> None:
    ada, bob, *_ = people
    dishes = [await serve(ada, "Napoli", each) for each in ("pizza", "pizza", "pasta")]
    topics = {"trending:dishes:napoli": "city=napoli", "trending:dishes:napoli:pizza": "city=napoli&dish_type=pizza"}
    watching = [await each.live(dict.fromkeys(topics)) for each in (ada, bob)]
    heard_at: dict[str, list[float]] = {topic: [] for topic in topics}
    for topic in topics:
        watching[0].topics[topic].on_event = lambda _, topic=topic: heard_at[topic].append(time.monotonic())
    random.seed(7)
    until = time.monotonic() + WATCHED_S

    async def act(member: Member) -> None:
        while time.monotonic() < until:
            dish = random.choice(dishes)
            if random.random() < 0.3:
                await member.do("DELETE", f"/dishes/{dish}/ranking")
            else:
                await rank(member, dish, random.randint(1, 5))
            await asyncio.sleep(0.02)

    await asyncio.gather(*map(act, people))
    for dish in dishes:
        await asyncio.gather(*(rank(each, dish, 1) for each in people))

    for topic, query in topics.items():
        for live in watching:
            await live.until(lambda live=live, topic=topic: counts(live, topic) == {8})
            await asyncio.sleep(1.1)  # there may be one more
            found, entries = await fresh(ada, query)
            told = lists(live, topic)
            assert told[-1]["version"] == found["version"]
            assert entries == as_of(told[-1], found["at"])
            assert all(later["version"] > earlier["version"] for earlier, later in pairwise(told))
            assert live.topics[topic].seen.gaps == 0
        took = heard_at[topic][-1] - heard_at[topic][0]
        assert WATCHED_S / 2 <= len(heard_at[topic]) <= took + 2
    assert [len(lists(watching[0], topic)[-1]["top"]) for topic in topics] == [3, 2]
    for live in watching:
        await live.stop()


async def test_a_list_is_told_from_the_fifth_on_and_not_when_one_of_them_has_left(people: list[Member]) -> None:
    ada, bob, *_ = people
    dish = await serve(ada, "Bari", "pizza")
    topic = "trending:dishes:bari"
    live = await bob.live({topic: None})

    for each in people[: FLOOR - 1]:
        await rank(each, dish)
    await asyncio.sleep(1.2)
    assert lists(live, topic) == []
    await rank(people[FLOOR - 1], dish)
    await live.until(lambda: counts(live, topic) == {FLOOR})
    await ada.do("DELETE", f"/users/{ada.id}")
    await live.until(lambda: counts(live, topic) == set())

    assert (await bob.do("GET", "/trending/dishes?city=bari"))["top"] == []
    await live.stop()
