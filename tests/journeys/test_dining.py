"""Eating out, live: facts for everybody, rankings for whom their author is not hidden from."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest

from loadtests.running import Potluck
from tests.journeys.community import Live, Member, members, two_processes

pytestmark = pytest.mark.xdist_group("dining")
Both = tuple[Potluck, Potluck]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Generator[Both]:
    with two_processes(tmp_path_factory.mktemp("dining")) as processes:
        yield processes


@pytest.fixture
async def people(both: Both) -> AsyncGenerator[list[Member]]:
    """Ada and Carol on the first process, Bob on the second."""
    async with members(3, *(each.url for each in both)) as found:
        yield found


async def serve(member: Member, number: int) -> tuple[str, list[str]]:
    """A new restaurant and its pizzas."""
    there = (await member.do("POST", "/restaurants?force=true", {"name": "Here"}))["id"]
    new = [{"name": f"Pizza {i}", "dish_type": "pizza"} for i in range(number)]
    return there, [(await member.do("POST", f"/restaurants/{there}/dishes", each))["id"] for each in new]


async def rank(member: Member, dish: str, rank: int = 1, notes: str = "Good") -> Any:
    return await member.do("PUT", f"/dishes/{dish}/ranking", {"rank": rank, "notes": notes})


async def has_heard_all(live: Live, member: Member, there: str) -> None:
    """Wait until the listener to a restaurant knows what was done until now."""
    new = {"name": "The last word", "dish_type": "pizza"}
    added = (await member.do("POST", f"/restaurants/{there}/dishes", new))["id"]
    heard = live.topics[f"restaurant:{there}"].events
    await live.until(lambda: any(each["data"].get("dish", {}).get("id") == added for each in heard))


def rankings(live: Live, topic: str) -> list[Any]:
    return [event["data"] for event in live.topics[topic].events if event["type"] == "ranking.changed"]


def notes_in(live: Live, topic: str) -> list[str]:
    return [data["ranking"]["notes"] for data in rankings(live, topic)]


async def test_a_ranking_is_heard_on_every_dish_that_moved_and_the_count_follows(people: list[Member]) -> None:
    ada, bob, _ = people
    there, dishes = await serve(ada, 3)
    await rank(ada, dishes[0])
    topics = [f"dish:{each}" for each in dishes]
    live = await bob.live(dict.fromkeys([*topics, f"restaurant:{there}"]))
    await has_heard_all(live, ada, there)
    before = len(rankings(live, topics[0]))

    made = await rank(ada, dishes[1])

    await live.until(lambda: live.counters(topics[1]) == {"rankings": 1, "reviews": 0})
    (heard,) = rankings(live, topics[1])
    assert heard["ranking"] == made["ranking"]
    assert heard["moved"] == made["moved"] == [{"dish_id": dishes[0], "from": 1, "to": 2}]
    assert rankings(live, topics[0])[before:] == rankings(live, f"restaurant:{there}")[before:] == [heard]
    assert rankings(live, topics[2]) == []
    await live.stop()


@pytest.mark.parametrize("blocks_first", [True, False])
async def test_what_somebody_hidden_ranks_is_withheld_but_not_what_they_say_of_the_dish(
    people: list[Member], blocks_first: bool
) -> None:
    ada, bob, carol = people
    there, (dish,) = await serve(ada, 1)
    blocker, blocked = (ada, bob) if blocks_first else (bob, ada)
    await blocker.do("PUT", f"/users/{blocked.id}/block")
    live = await bob.live({f"dish:{dish}": None, f"restaurant:{there}": None})
    await has_heard_all(live, carol, there)

    await rank(ada, dish, notes="not for Bob")
    await ada.do("PATCH", f"/dishes/{dish}", {"name": "Calzone"})
    await rank(carol, dish, notes="for everybody")

    for topic in (f"dish:{dish}", f"restaurant:{there}"):
        await live.until(lambda topic=topic: bool(rankings(live, topic)))
        assert notes_in(live, topic) == ["for everybody"]
        assert [each["data"]["name"] for each in live.topics[topic].events if each["type"] == "dish.edited"] == [
            "Calzone"
        ]
        assert live.topics[topic].seen.gaps == 0
    await live.stop()


async def test_a_block_has_whoever_listens_begin_anew_where_the_other_has_ranked_and_nowhere_else(
    people: list[Member], both: Both
) -> None:
    ada, bob, carol = people
    there, (ranked, other) = await serve(carol, 2)
    elsewhere, _ = await serve(carol, 0)
    await rank(ada, ranked)
    topics = [f"dish:{ranked}", f"dish:{other}", f"restaurant:{there}", f"restaurant:{elsewhere}"]
    live = await bob.live(dict.fromkeys(topics))
    away = await bob.live(dict.fromkeys(topics))
    cursors, ticket = {topic: away.topics[topic].cursor for topic in topics}, away.welcome["ticket"]
    away.cut()

    await ada.do("PUT", f"/users/{bob.id}/block")

    await live.until(lambda: sum(live.topics[topic].seen.resets for topic in topics) == 2)
    await asyncio.sleep(0.1)
    again = await Live.open(both[1].url, bob.token, dict(cursors), ticket=ticket)
    outcomes = [again.welcome["topics"][topic]["outcome"] for topic in topics]
    assert [live.topics[topic].seen.resets for topic in topics] == [1, 0, 1, 0]
    assert outcomes == ["reset", "live", "reset", "live"]
    await live.stop()
    await again.stop()


async def test_a_dish_that_is_gone_cannot_be_listened_to_any_more(people: list[Member]) -> None:
    ada, bob, _ = people
    there, (dish,) = await serve(ada, 1)
    live = await bob.live({f"dish:{dish}": None, f"restaurant:{there}": None})

    await ada.do("DELETE", f"/dishes/{dish}")

    await live.until(lambda: live.topics[f"dish:{dish}"].removed == "deleted")
    await live.until(lambda: live.counters(f"restaurant:{there}") == {"dishes": 0, "reviews": 0})
    assert [each["type"] for each in live.topics[f"restaurant:{there}"].events][-1:] == ["dish.removed"]
    await live.subscribe({f"dish:{dish}": None})
    assert live.topics[f"dish:{dish}"].removed == "not_found"
    await live.stop()


async def test_who_comes_back_is_told_what_was_ranked_meanwhile(people: list[Member], both: Both) -> None:
    ada, bob, carol = people
    _, (dish,) = await serve(carol, 1)
    topic = f"dish:{dish}"
    await bob.do("PUT", f"/users/{carol.id}/block")
    live = await bob.live({topic: None})
    await rank(ada, dish, notes="behind the block")
    await live.until(lambda: notes_in(live, topic) == ["behind the block"])
    cursor = live.topics[topic].cursor
    live.cut()
    await rank(ada, dish, notes="one")
    await rank(carol, dish, notes="not for Bob")
    await rank(ada, dish, notes="two")

    again = await Live.open(both[0].url, bob.token, {topic: cursor})

    await again.until(lambda: "two" in notes_in(again, topic))
    assert notes_in(again, topic) == ["one", "two"]
    assert again.topics[topic].seen.gaps == 0
    await again.stop()


async def test_departing_is_heard_as_taking_every_ranking_back(people: list[Member]) -> None:
    ada, bob, carol = people
    _, dishes = await serve(carol, 2)
    for dish in dishes:
        await rank(ada, dish)
    topics = [f"dish:{each}" for each in dishes]
    live = await bob.live(dict.fromkeys(topics))

    await ada.do("DELETE", f"/users/{ada.id}")

    for topic in topics:
        await live.until(lambda topic=topic: live.counters(topic) == {"rankings": 0, "reviews": 0})
        assert [(each["user"]["id"], each["ranking"]) for each in rankings(live, topic)][-1:] == [(ada.id, None)]
    await live.stop()


# reviews


async def review(member: Member, dish: str, **body: Any) -> Any:
    return await member.do("POST", f"/dishes/{dish}/reviews", {"content": "Good"} | body)


def told(live: Live, topic: str, kind: str) -> list[Any]:
    return [event["data"] for event in live.topics[topic].events if event["type"] == kind]


async def test_a_review_is_heard_where_it_belongs_and_what_is_done_with_it_on_its_own_topic(
    people: list[Member],
) -> None:
    ada, bob, carol = people
    there, (dish,) = await serve(ada, 1)
    places = [f"dish:{dish}", f"restaurant:{there}"]
    live = await bob.live(dict.fromkeys(places))
    await has_heard_all(live, ada, there)

    made = await review(ada, dish, stars=4, photos=["https://example.org/a.jpg"])

    await live.until(lambda: live.counters(places[0]) == {"rankings": 0, "reviews": 1})
    await live.until(lambda: live.counters(places[1]).get("reviews") == 1)
    for topic in places:
        assert told(live, topic, "review.created")[0]["review"] == made | {"viewer": None}

    mine = f"review:{made['id']}"
    await live.subscribe({mine: None})
    for each in (bob, carol):
        await each.do("PUT", f"/reviews/{made['id']}/like")
    said = await carol.do("POST", f"/reviews/{made['id']}/comments", {"content": "Is it?"})
    await ada.do("PATCH", f"/reviews/{made['id']}", {"stars": 5})
    await live.until(lambda: live.counters(mine) == {"likes": 2, "comments": 1})
    await live.until(lambda: bool(told(live, mine, "review.edited")))
    assert told(live, mine, "comment.created") == [{"comment": said}]
    assert [each["stars"] for each in told(live, places[0], "review.edited")] == [5]

    await ada.do("DELETE", f"/reviews/{made['id']}")
    await live.until(lambda: live.topics[mine].removed == "deleted")
    await live.until(lambda: live.counters(places[0])["reviews"] == 0)
    assert [each["id"] for each in told(live, places[1], "review.deleted")] == [made["id"]]
    assert all(live.topics[topic].seen.gaps == 0 for topic in (*places, mine))
    await live.stop()


async def test_what_somebody_hidden_says_of_a_dish_and_below_a_review_is_withheld(people: list[Member]) -> None:
    ada, bob, carol = people
    there, (dish,) = await serve(carol, 1)
    mine = f"review:{(await review(carol, dish))['id']}"
    await ada.do("PUT", f"/users/{bob.id}/block")
    live = await bob.live({f"dish:{dish}": None, mine: None, f"restaurant:{there}": None})
    await has_heard_all(live, carol, there)

    hidden = await review(ada, dish, content="not for Bob")
    for each in (ada, carol):
        await each.do("POST", f"/reviews/{mine.partition(':')[2]}/comments", {"content": each.name})

    await live.until(lambda: live.counters(mine).get("comments") == 2)
    await live.until(lambda: live.counters(f"dish:{dish}").get("reviews") == 2)
    await live.until(lambda: bool(told(live, mine, "comment.created")))
    assert [each["comment"]["content"] for each in told(live, mine, "comment.created")] == [carol.name]
    assert [each["review"]["content"] for each in told(live, f"dish:{dish}", "review.created")][1:] == []
    assert live.topics[mine].seen.gaps == live.topics[f"dish:{dish}"].seen.gaps == 0
    await live.subscribe({f"review:{hidden['id']}": None})
    assert live.topics[f"review:{hidden['id']}"].removed == "not_found"
    await live.stop()


async def test_a_review_can_be_listened_to_as_long_as_it_can_be_seen(people: list[Member]) -> None:
    ada, bob, carol = people
    _, (dish,) = await serve(carol, 1)
    topic = f"review:{(await review(ada, dish))['id']}"
    await bob.do("PUT", f"/users/{ada.id}/follow")
    follower, stranger = [await each.live({topic: None}) for each in (bob, carol)]

    await ada.do("PATCH", f"/users/{ada.id}", {"privacy_level": "followers"})

    await stranger.until(lambda: stranger.topics[topic].removed is not None)
    await ada.do("PATCH", f"/reviews/{topic.partition(':')[2]}", {"content": "for followers"})
    await follower.until(lambda: bool(told(follower, topic, "review.edited")))
    assert stranger.topics[topic].removed == "private"
    assert told(stranger, topic, "review.edited") == []
    await ada.do("PUT", f"/users/{bob.id}/block")
    await follower.until(lambda: follower.topics[topic].removed == "blocked")
    for each in (follower, stranger):
        await each.stop()


async def test_who_comes_back_is_told_what_was_said_meanwhile_and_not_what_is_gone(
    people: list[Member], both: Both
) -> None:
    ada, bob, carol = people
    there, (dish,) = await serve(carol, 1)
    place, mine = f"dish:{dish}", f"review:{(await review(carol, dish))['id']}"
    live = await bob.live({place: None, mine: None, f"restaurant:{there}": None})
    await has_heard_all(live, carol, there)
    cursors = {topic: live.topics[topic].cursor for topic in (place, mine)}
    live.cut()
    gone = await review(ada, dish, content="gone")
    await ada.do("DELETE", f"/reviews/{gone['id']}")
    kept = await review(ada, dish, content="kept")
    said = await ada.do("POST", f"/reviews/{mine.partition(':')[2]}/comments", {"content": "one"})

    again = await Live.open(both[0].url, bob.token, dict(cursors))

    await again.until(lambda: bool(told(again, mine, "comment.created")))
    await again.until(lambda: bool(told(again, place, "review.created")))
    assert [each["review"]["id"] for each in told(again, place, "review.created")] == [kept["id"]]
    assert [each["id"] for each in told(again, place, "review.deleted")] == [gone["id"]]
    assert told(again, mine, "comment.created") == [{"comment": said}]
    assert again.topics[place].seen.gaps == again.topics[mine].seen.gaps == 0
    await again.stop()


async def test_who_comes_back_is_not_told_what_somebody_said_who_shows_it_to_followers_by_now(
    people: list[Member], both: Both
) -> None:
    ada, bob, carol = people
    there, (dish,) = await serve(carol, 1)
    place = f"dish:{dish}"
    live = await bob.live({place: None, f"restaurant:{there}": None})
    await has_heard_all(live, carol, there)
    cursor = live.topics[place].cursor
    live.cut()
    await review(ada, dish, content="for followers by now")
    await ada.do("PATCH", f"/users/{ada.id}", {"privacy_level": "followers"})
    await review(carol, dish, content="for everybody")

    again = await Live.open(both[1].url, bob.token, {place: cursor})

    await again.until(lambda: bool(told(again, place, "review.created")))
    assert [each["review"]["content"] for each in told(again, place, "review.created")] == ["for everybody"]
    assert again.topics[place].seen.gaps == 0
    await again.stop()


async def test_a_block_has_whoever_listens_begin_anew_where_the_other_reviewed_or_commented_below(
    people: list[Member],
) -> None:
    ada, bob, carol = people
    _, (reviewed, other) = await serve(carol, 2)
    await review(ada, reviewed)
    commented, quiet = [f"review:{(await review(carol, each))['id']}" for each in (reviewed, other)]
    await ada.do("POST", f"/reviews/{commented.partition(':')[2]}/comments", {"content": "Here"})
    topics = [f"dish:{reviewed}", commented, f"dish:{other}", quiet]
    live = await bob.live(dict.fromkeys(topics))

    await ada.do("PUT", f"/users/{bob.id}/block")

    await live.until(lambda: sum(live.topics[topic].seen.resets for topic in topics) == 2)
    await asyncio.sleep(0.1)
    assert [live.topics[topic].seen.resets for topic in topics] == [1, 1, 0, 0]
    await live.stop()


async def test_departing_is_heard_as_deleting_every_review_and_comment(people: list[Member]) -> None:
    ada, bob, carol = people
    _, (dish,) = await serve(carol, 1)
    hers, his = [(await review(each, dish))["id"] for each in (ada, carol)]
    said = await ada.do("POST", f"/reviews/{his}/comments", {"content": "Yes"})
    await ada.do("PUT", f"/reviews/{his}/like")
    topics = [f"review:{hers}", f"review:{his}", f"dish:{dish}"]
    live = await bob.live(dict.fromkeys(topics))

    await ada.do("DELETE", f"/users/{ada.id}")

    await live.until(lambda: live.topics[topics[0]].removed == "deleted")
    await live.until(lambda: live.counters(topics[1]) == {"likes": 0, "comments": 0})
    await live.until(lambda: live.counters(topics[2]).get("reviews") == 1)
    assert [each["ids"] for each in told(live, topics[1], "comment.deleted")] == [[said["id"]]]
    assert [each["id"] for each in told(live, topics[2], "review.deleted")] == [hers]
    await live.stop()


async def test_a_like_of_a_review_notifies_its_author_at_once(people: list[Member]) -> None:
    ada, bob, _ = people
    _, (dish,) = await serve(ada, 1)
    made = await review(ada, dish)
    live = await ada.live({"notifications": None})

    await bob.do("PUT", f"/reviews/{made['id']}/like")

    await live.until(lambda: bool(told(live, "notifications", "notification.upserted")))
    (heard,) = told(live, "notifications", "notification.upserted")
    assert (heard["notification"]["type"], heard["unread"]) == ("review_like", 1)
    assert heard["notification"]["data"] == {"review_id": made["id"]}
    await live.stop()


async def test_whoever_has_influence_in_a_city_is_listed_soon_after(people: list[Member]) -> None:
    ada, bob, carol = people
    city = f"Town {ada.name}"
    there = (await carol.do("POST", "/restaurants?force=true", {"name": "Here", "city": city}))["id"]
    dish = (await carol.do("POST", f"/restaurants/{there}/dishes", {"name": "Soup", "dish_type": "soup"}))["id"]
    for each in (ada, bob):
        await review(each, dish)
    await carol.do("PUT", f"/users/{bob.id}/follow")

    async with asyncio.timeout(10):
        while True:
            found = (await carol.do("GET", f"/experts?city={city}"))["items"]
            if [each["influence"]["followers"]["count"] for each in found] == [1, 0]:
                break
            await asyncio.sleep(0.1)

    assert [each["user"]["id"] for each in found] == [bob.id, ada.id]
