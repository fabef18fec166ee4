"""What people earn, live: told to them once, seen on their profile, and equal to what is computed anew."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest

from loadtests.running import ROOT, Potluck, environment
from tests.journeys.community import Live, Member, members, two_processes

pytestmark = pytest.mark.xdist_group("progression")
Both = tuple[Potluck, Potluck]
PHOTO = "https://example.org/pizza.jpg"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Generator[Both]:
    with two_processes(tmp_path_factory.mktemp("progression")) as processes:
        yield processes


@pytest.fixture
async def people(both: Both) -> AsyncGenerator[list[Member]]:
    """Ada on the first process, Bob on the second."""
    async with members(2, *(each.url for each in both)) as found:
        yield found


async def serve(member: Member, number: int) -> list[str]:
    """Pizzas of a new restaurant."""
    there = (await member.do("POST", "/restaurants?force=true", {"name": "Here"}))["id"]
    new = [{"name": f"Pizza {i}", "dish_type": "pizza"} for i in range(number)]
    return [(await member.do("POST", f"/restaurants/{there}/dishes", each))["id"] for each in new]


async def rank(member: Member, dish: str) -> Any:
    return await member.do("PUT", f"/dishes/{dish}/ranking", {"rank": 1, "notes": "Good", "photo_url": PHOTO})


def heard(live: Live, topic: str, kind: str) -> list[Any]:
    return [event["data"] for event in live.topics[topic].events if event["type"] == kind]


def profile_in(live: Live, member: Member) -> dict[str, Any]:
    """The newest that was heard of it."""
    return live.topics[f"user:{member.id}"].state.get("profile.changed", {})


async def until_points(member: Member, points: int) -> None:
    async with asyncio.timeout(60):
        while (await member.do("GET", f"/users/{member.id}/points"))["total"] != points:
            await asyncio.sleep(0.05)


async def test_badges_and_a_level_are_heard_once_on_every_screen_that_shows_them(
    both: Both, people: list[Member]
) -> None:
    ada, bob = people
    dishes = await serve(bob, 20)
    own, other = await ada.live({"notifications": None}), await bob.live({f"user:{ada.id}": None})

    for dish in dishes:
        await rank(ada, dish)
    await own.until(lambda: heard(own, "notifications", "level.reached") != [], 60)
    await until_points(ada, 300)
    await ada.do("DELETE", f"/dishes/{dishes[0]}/ranking")
    await until_points(ada, 285)
    await rank(ada, dishes[0])
    await until_points(ada, 300)
    await ada.do("PUT", f"/users/{ada.id}/badges/first-bite/featured")
    await other.until(lambda: bool(profile_in(other, ada).get("featured_badges")), 60)

    badges = [each["badge"]["code"] for each in heard(own, "notifications", "badge.earned")]
    assert sorted(badges) == ["decided", "first-bite", "pizza-judge", "plate-photographer"]
    (level,) = heard(own, "notifications", "level.reached")
    assert level["level"]["name"] == "Junior District Reviewer"
    profile = await bob.do("GET", f"/users/{ada.id}")
    assert profile["career_level"] == profile_in(other, ada)["career_level"] == level["level"]
    assert profile["featured_badges"] == profile_in(other, ada)["featured_badges"]
    lines = (await ada.do("GET", "/notifications"))["items"]
    assert {each["type"]: each["batch_count"] for each in lines} == {"badge_earned": len(badges), "level_reached": 1}
    await own.stop()
    await other.stop()


RECOMPUTABLE = "potluck: there is no fame to recompute, only: leaderboards, progression\n"


def recompute(potluck: Potluck, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server.cli", "recompute", *options, "--data", str(potluck.data)]
    return subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=110, check=False
    )


async def test_what_is_computed_anew_is_what_is_stored(both: Both, people: list[Member]) -> None:
    ada, _ = people
    await rank(ada, (await serve(ada, 1))[0])

    checked = await asyncio.to_thread(recompute, both[0], "progression", "--check")
    mended = await asyncio.to_thread(recompute, both[0], "progression")
    unknown = await asyncio.to_thread(recompute, both[0], "fame")

    assert (checked.returncode, checked.stdout) == (0, "progression: nothing differs\n")
    assert mended.returncode == 0
    assert (unknown.returncode, unknown.stderr) == (1, RECOMPUTABLE)
