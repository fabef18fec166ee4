"""Whatever people rank, and however often they lose their connection: the board they hold is the board.

Three people on two processes rank, taste and unrank dishes of a city of their own, and their career levels change. Each
watches three boards from HTTP's answer on, applying every change. Two further readers ask HTTP again and again: whoever
holds a version holds what HTTP said of it. In the end all of them hold what the rows come to, added up here by hand.
POTLUCK_MODEL_RUNS sets the number of runs.
"""

import asyncio
import os
import time
from collections.abc import Generator
from itertools import count
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from loadtests.board import Board
from loadtests.client import Client, only
from loadtests.running import Potluck
from loadtests.scores import recomputed, wrong
from tests.journeys.community import Member, members, two_processes
from tests.journeys.watched import Watched, read

pytestmark = [pytest.mark.xdist_group("boards"), pytest.mark.timeout(7200)]

RUNS = int(os.environ.get("POTLUCK_MODEL_RUNS", "5"))
PEOPLE, RESTAURANTS, DISHES = 3, 2, 4
ACTS = ["rank", "rank", "rank", "rank", "taste", "unrank", "level", "cut", "cut without ticket", "wait", "wait longer"]
WAIT_S = {"wait": 0.1, "wait longer": 0.8}
AWAY_S = (0.0, 0.2, 0.5, 1.0, 1.5)
Act = tuple[str, int, int, int]
acts = st.lists(
    st.tuples(
        st.sampled_from(ACTS),
        st.integers(0, PEOPLE - 1),
        st.integers(0, RESTAURANTS * DISHES - 1),
        st.integers(1, 5),
    ),
    min_size=30,
    max_size=80,
)
_cities = count(1)

# As progression does when somebody reaches another level; which takes more acts than a test has time for.
RISE = """
WITH before AS (SELECT coalesce((SELECT level FROM user_progress WHERE user_id = $1), 0) AS level),
    risen AS (
        INSERT INTO user_progress (user_id, points, rankings, level) VALUES ($1, 0, 0, $2)
        ON CONFLICT (user_id) DO UPDATE SET level = excluded.level
    )
SELECT emit_event('level.changed', '{}', json_build_object('user_id', $1, 'level', $2::int, 'before', level), $1, NULL)
FROM before
"""
SEASON = """SELECT to_char(now() AT TIME ZONE 'UTC', 'IYYY"-w"IW')"""


class Run:
    """One sequence of acts, in a city of its own."""

    def __init__(self, urls: list[str], people: list[Member], database: asyncpg.Connection) -> None:
        self.people = people
        self.database = database
        self.city = f"city{next(_cities)}"
        self.dishes: list[str] = []
        self.boards: dict[str, str] = {}  # kind -> name; of the season's too
        self.clients = [Client(urls, only(each.token), seed=i) for i, each in enumerate(people)]
        self.watched: list[Watched] = []
        self.read: list[Board] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        first, place = self.people[0], {"city": self.city, "cuisine_type": ["pizza"]}
        for i in range(RESTAURANTS):
            there = (await first.do("POST", "/restaurants?force=true", {"name": f"Place {i}", **place}))["id"]
            new = [{"name": f"Pizza {i}.{j}", "dish_type": "pizza"} for j in range(DISHES)]
            self.dishes += [(await first.do("POST", f"/restaurants/{there}/dishes", each))["id"] for each in new]
        dishes = f"dishes:{self.city}:pizza"
        season = await self.database.fetchval(SEASON)
        self.boards = {
            dishes: "dishes",
            f"{dishes}@{season}": "dishes",
            f"restaurants:{self.city}:pizza": "restaurants",
        }
        for client, member in zip(self.clients, self.people, strict=True):
            for name in self.boards:
                self.watched.append(watched := Watched(member, name))
                client.add(watched)
            client.start()
        self.tasks = [asyncio.create_task(self._keep_reading(each)) for each in self.people[:2]]

    async def _keep_reading(self, member: Member) -> None:
        while True:
            for name in self.boards:
                self.read.append((await read(member, name))[0])
            await asyncio.sleep(0.01)

    async def act(self, act: Act) -> None:
        what, who, dish, number = act
        member, path = self.people[who], f"/dishes/{self.dishes[dish]}/ranking"
        match what:
            case "rank":
                await member.do("PUT", path, {"rank": number, "notes": "Crisp"})
            case "taste":
                await member.do("PUT", path, {"taste": "acceptable", "notes": "Soggy"})
            case "unrank":
                await member.do("DELETE", path)
            case "level":
                await self.database.execute(RISE, member.id, number + 2)
            case "cut" | "cut without ticket":
                if what == "cut without ticket":
                    self.clients[who].contract.ticket = None
                self.tasks.append(asyncio.create_task(self.clients[who].away(AWAY_S[number - 1])))
            case _:
                await asyncio.sleep(WAIT_S[what])

    async def end(self) -> None:
        """At rest: HTTP, on both processes, and every copy are what the rows come to."""
        give_up = time.monotonic() + 20
        while found := await self._differences():
            if time.monotonic() > give_up:
                pytest.fail("\n".join(found))
            await asyncio.sleep(0.05)
        assert [each.between for each in self.watched] == [0] * len(self.watched)
        assert [client.contract.seen.gaps for client in self.clients] == [0] * PEOPLE
        assert [client.contract.seen.resets for client in self.clients] == [0] * PEOPLE
        assert self._disagreements() == []

    async def _differences(self) -> list[str]:
        found: list[str] = []
        for name, kind in self.boards.items():
            scores = await recomputed(self.database, kind, self.city, "pizza")
            for board in [(await read(each, name))[0] for each in self.people]:
                found += [f"{name}: {each}" for each in wrong(board, scores)]
                copies = [each for each in self.watched if each.name == name]
                found += [f"{name}: {each.board}, not {board}" for each in copies if each.board != board]
        return found

    def _disagreements(self) -> list[str]:
        """Versions of which not everybody held the same."""
        known: dict[tuple[str, int], Board] = {}
        boards = [*self.read, *(board for each in self.watched for board in each.held)]
        return [
            f"{known[each.name, each.version]} and {each}"
            for each in boards
            if known.setdefault((each.name, each.version), each) != each
        ]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*(client.stop() for client in self.clients), *self.tasks, return_exceptions=True)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Potluck, Potluck]]:
    # News comes often, and is merged often; a heartbeat of 1.2 s: clients resume from what `cursor` has said.
    quick = {"POTLUCK_LEADERBOARDS_PACE_S": "0.03", "POTLUCK_BOARD_INTERVAL_S": "0.4", "POTLUCK_HEARTBEAT_S": "1.2"}
    with two_processes(tmp_path_factory.mktemp("boards"), **quick) as processes:
        yield processes


@settings(
    max_examples=RUNS,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=RUNS < 100,
    phases=[Phase.explicit, Phase.generate],  # real processes: shrinking would take hours, and often not fail again
    print_blob=True,
)
@given(acts)
def test_the_board_that_a_client_holds_is_the_board(both: tuple[Potluck, Potluck], sequence: list[Act]) -> None:
    asyncio.run(live_through(both, sequence))


async def live_through(both: tuple[Potluck, Potluck], sequence: list[Act]) -> None:
    urls = [each.url for each in both]
    database: Any = await asyncpg.connect(both[0].database_url())
    try:
        async with members(PEOPLE, *urls) as people:
            run = Run(urls, people, database)
            try:
                await run.begin()
                for act in sequence:
                    await run.act(act)
                await run.end()
            finally:
                await run.stop()
    finally:
        await database.close()
