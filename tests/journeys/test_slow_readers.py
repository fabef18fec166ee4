"""A client that reads too slowly, on a real server: each step of the ladder, and nobody else notices."""

# Tests look behind the doors.
# pyright: reportPrivateUsage=false

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from loadtests.running import Potluck
from tests.journeys.community import QUICK, Live, Member, members
from tests.journeys.watched import Watched, read

pytestmark = pytest.mark.xdist_group("slow")

LIMITS = {"MERGE_BYTES": "16384", "RESET_BYTES": "65536", "CLOSE_BYTES": "262144", "CLOSE_S": "100"}
LONG = "\U0001f372" * 4990  # 20 kB


@pytest.fixture(scope="module")
def potluck(tmp_path_factory: pytest.TempPathFactory) -> Generator[Potluck]:
    limits = {f"POTLUCK_SLOW_READER_{name}": value for name, value in LIMITS.items()}
    running = Potluck(tmp_path_factory.mktemp("slow") / "data", **QUICK, **limits)
    yield running
    running.interrupt()


@pytest.fixture
async def ada(potluck: Potluck) -> AsyncGenerator[Member]:
    async with members(1, potluck.url) as (somebody,):
        yield somebody


@asynccontextmanager
async def page_of(ada: Member) -> AsyncGenerator["Page"]:
    post = (await ada.do("POST", "/posts", {"content": "x"}))["id"]
    topics: dict[str, str | None] = {f"post:{post}": None}
    quick, slow = await ada.live(topics), await ada.live(topics)
    page = Page(ada, post, quick, slow)
    page.wire.pause_reading()
    yield page
    await asyncio.gather(quick.stop(), slow.stop())


class Page:
    """A post that its author edits without end, with somebody who keeps reading and somebody who does not."""

    def __init__(self, ada: Member, post: str, quick: Live, slow: Live) -> None:
        self.ada = ada
        self.path = f"/posts/{post}"
        self.topic = f"post:{post}"
        self.quick = quick
        self.slow = slow
        (self.socket,) = slow._sockets.values()
        self.wire: Any = self.socket.transport
        self.edits = 0
        self.likes = 0

    async def edit(self) -> None:
        """The quick one has it then: whoever waits is the slow one."""
        await self.ada.do("PATCH", self.path, {"content": f"{self.edits}{LONG}"})
        self.edits += 1
        await self.quick.until(lambda: len(self.quick.topics[self.topic].events) == self.edits)

    async def like(self) -> None:
        self.likes += 1
        await self.ada.do("PUT" if self.likes % 2 else "DELETE", f"{self.path}/like")
        await self.quick.until(lambda: self.quick.counters(self.topic).get("likes") == self.likes % 2)

    async def steps(self) -> dict[str, float]:
        page = (await self.ada.http.get(f"{self.ada.url}/metrics")).text
        found = re.findall(r'potluck_slow_readers_total\{step="(\w+)"\} (\S+)', page)
        return {step: float(number) for step, number in found}

    async def until(self, step: str, act: Callable[[], Awaitable[None]]) -> None:
        """Do something again and again until a step of the ladder is taken: not once more, for that may be the next."""
        before = (await self.steps()).get(step, 0)
        for _ in range(1000):
            await act()
            if (await self.steps()).get(step, 0) > before:
                return
        pytest.fail(f"never {step}")


async def test_a_slow_reader_gets_the_newest_state_then_a_reset_and_everybody_else_every_event(ada: Member) -> None:
    async with page_of(ada) as page:
        quick, slow = page.quick.topics[page.topic], page.slow.topics[page.topic]
        await page.until("waiting", page.edit)
        await page.until("merged", page.like)
        await page.until("reset", page.edit)
        await page.edit()
        steps = await page.steps()
        assert steps["replaced"] > steps["reset"] == 1

        await page.quick.until(lambda: len(quick.events) == page.edits)
        assert [each["data"]["content"].partition(LONG)[0] for each in quick.events] == list(
            map(str, range(page.edits))
        )
        assert (quick.seen.gaps, quick.seen.duplicates, quick.seen.resets) == (0, 0, 0)

        page.wire.resume_reading()
        await page.like()
        await page.slow.until(lambda: slow.cursor == quick.cursor)
        assert (slow.seen.gaps, slow.seen.duplicates, slow.seen.resets) == (0, 0, 1)
        assert 0 < len(slow.events) < page.edits
        assert page.slow.counters(page.topic) == page.quick.counters(page.topic)

        events = len(slow.events)
        for _ in range(20):
            await page.edit()
        await page.slow.until(lambda: len(slow.events) == events + 20)
        assert (slow.seen.gaps, slow.seen.resets) == (0, 1)


async def test_who_asks_and_asks_and_reads_no_answer_is_closed(ada: Member) -> None:
    async def ask() -> None:
        for i in range(200):
            await page.socket.send(msgspec.json.encode({"op": "ping", "id": i}).decode())

    async with page_of(ada) as page:
        await page.until("closed_bytes", ask)
        page.wire.resume_reading()
        assert await page.slow.closed() == 4101
        await page.edit()
        await page.quick.until(lambda: len(page.quick.topics[page.topic].events) == 1)


async def test_a_slow_reader_gets_what_changed_on_a_board_as_one_and_holds_the_board(ada: Member) -> None:
    there = (await ada.do("POST", "/restaurants", {"name": "Here", "city": "Slowtown", "cuisine_type": ["pizza"]}))[
        "id"
    ]
    one, other = [
        (await ada.do("POST", f"/restaurants/{there}/dishes", {"name": name, "dish_type": "pizza"}))["id"]
        for name in ("Red", "White")
    ]
    async with page_of(ada) as page:
        page.wire.resume_reading()
        quick, slow = boards = [Watched(ada, "dishes:slowtown:pizza") for _ in range(2)]
        await ada.do("PUT", f"/dishes/{one}/ranking", {"rank": 1, "notes": "Crisp"})
        await ada.do("PUT", f"/dishes/{other}/ranking", {"rank": 2, "notes": "Soft"})
        for live, board in zip((page.quick, page.slow), boards, strict=True):
            live.add(board)
            await live.until(lambda board=board: board.board is not None and len(board.board.items) == 2)
        page.wire.pause_reading()
        await page.until("waiting", page.edit)
        await page.until("merged", page.like)

        for turn in range(6):
            version = version_of(quick)
            await ada.do("PUT", f"/dishes/{(other, one)[turn % 2]}/ranking", {"rank": 1, "notes": "Crisp"})
            await page.quick.until(lambda version=version: version_of(quick) > version)
        assert version_of(slow) <= version_of(quick) - 6
        held = len(slow.held)
        page.wire.resume_reading()
        await page.slow.until(lambda: version_of(slow) == version_of(quick))

        assert slow.board == quick.board == (await read(ada, slow.name))[0]
        assert len(slow.held) - held < 6
        assert slow.between == quick.between == slow.seen.gaps == slow.seen.resets == 0


def version_of(watched: Watched) -> int:
    return 0 if watched.board is None else watched.board.version
