"""potluck.js in Chromium: whatever happens to servers, network and tabs, the page shows what the database holds."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Route, async_playwright

from loadtests.running import Potluck, words_of
from tests.journeys.community import QUICK, Member, members
from tests.web import needs
from tests.web.page import Seen, opened, signed_in

pytestmark = [
    pytest.mark.xdist_group("web"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]

MARKUP = "<img src=x onerror=alert(1)>"
LONG = "Margherita with everything that was left on the table, and more of it"
WATCH_MOVES = "() => { window.moved = []; addEventListener('transitionrun', each => moved.push(each.propertyName)); }"


@pytest.fixture(scope="module")
def potluck(tmp_path_factory: pytest.TempPathFactory) -> Generator[Potluck]:
    needs.chromium()
    settings = {**QUICK, "POTLUCK_HEARTBEAT_S": "2", "POTLUCK_DRAIN_S": "2"}
    running = Potluck(tmp_path_factory.mktemp("browser") / "data", "--workers", "2", **settings)
    yield running
    running.interrupt()


@pytest.fixture(scope="module")
async def browser() -> AsyncGenerator[Browser]:
    path = needs.chromium()
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=path, args=needs.FLAGS)
        yield made
        await made.close()


class Scene:
    """Ada looks at a page; Ben and Cleo do things to her."""

    def __init__(self, ada: Member, others: list[Member], post: str, context: BrowserContext, page: Seen) -> None:
        self.ada = ada
        self.others = others
        self.post = post
        self.context = context
        self.page = page
        self._said = 0

    async def stir(self, times: int = 3) -> None:
        """Comments, likes and follows, of which each changes what the page shows."""
        for _ in range(times):
            for each in self.others:
                self._said += 1
                await self._do(each, "POST", f"/posts/{self.post}/comments", {"content": f"words {self._said}"})
                await self._do(each, "PUT" if self._said % 3 else "DELETE", f"/posts/{self.post}/like")
                await self._do(each, "DELETE" if self._said % 4 else "PUT", f"/users/{self.ada.id}/follow")

    async def open_restaurant(self, city: str, *dishes: str) -> list[str]:
        """Pizzas to rank; the dishes."""
        there = await self.others[0].do("POST", "/restaurants?force=true", {"name": "Trattoria", "city": city})
        path = f"/restaurants/{there['id']}/dishes"
        return [(await self.others[0].do("POST", path, {"name": each, "dish_type": "pizza"}))["id"] for each in dishes]

    async def rank(self, who: Member, dish: str, rank: int) -> None:
        """Say it until it is heard."""
        await self._do(who, "PUT", f"/dishes/{dish}/ranking", {"rank": rank, "notes": "Crisp"})

    async def ranked(self, board: str, size: int) -> None:
        """Wait until so many stand on a board."""
        async with asyncio.timeout(10):
            while (await self.ada.do("GET", f"/leaderboards/{board}"))["size"] < size:
                await asyncio.sleep(0.05)

    async def _do(self, who: Member, method: str, path: str, body: object = None) -> None:
        while True:
            try:
                answer = await who.ask(method, path, body)
            except httpx.TransportError:  # while a server is away
                await asyncio.sleep(0.05)
                continue
            if answer.status_code < 500:
                assert answer.is_success, answer.text
                return
            await asyncio.sleep(0.05)


Enter = Callable[[], Awaitable[Scene]]


@pytest.fixture
async def scene(potluck: Potluck, browser: Browser) -> AsyncGenerator[Scene]:
    async with AsyncExitStack() as stack:
        ada, *others = await stack.enter_async_context(members(3, potluck.url))
        post = (await ada.do("POST", "/posts", {"content": "Tomato soup, from the garden"}))["id"]
        context = await browser.new_context()
        stack.push_async_callback(context.close)
        username = (await ada.do("GET", "/auth/me"))["username"]
        page = await stack.enter_async_context(signed_in(context, ada, username))
        made = Scene(ada, others, post, context, page)
        await page.page.wait_for_selector("article")
        await page.talk()
        await page.agrees()
        yield made


def servers(potluck: Potluck) -> list[int]:
    """The server processes, without supervisor and worker."""
    return [pid for pid in potluck.family() if "server.process" in words_of(pid)]


async def until_replaced(potluck: Potluck, gone: int) -> None:
    """Wait until a process has ended and another one serves in its place."""
    async with asyncio.timeout(30):
        while gone in servers(potluck) or len(servers(potluck)) < 2 or not all(map(serves, servers(potluck))):
            await asyncio.sleep(0.05)


def serves(pid: int) -> bool:
    """Whether it has said that it is ready, and closed the pipe that this is said on."""
    environment = Path(f"/proc/{pid}/environ").read_text().split("\0")
    number = next(line for line in environment if line.startswith("POTLUCK_READY_FD=")).partition("=")[2]
    pipe = Path(f"/proc/{pid}/fd/{number}")
    return not (pipe.exists() and str(pipe.readlink()).startswith("pipe:"))


async def test_a_click_in_one_browser_is_a_change_in_another(scene: Scene, browser: Browser) -> None:
    ben = scene.others[0]
    username = (await ben.do("GET", "/auth/me"))["username"]
    await ben.do("PUT", f"/users/{scene.ada.id}/follow")
    await ben.do("DELETE", f"/posts/{scene.post}/like")
    async with signed_in(await browser.new_context(), ben, username) as his:
        await his.page.click("article .like")
        await his.talk()
        await his.page.fill(".said input", "Save me a bowl")
        await his.page.click(".said form button")
        await scene.page.page.wait_for_selector(".words:text('Save me a bowl')")
        await scene.page.page.fill("#say textarea", "Bread is out of the oven")
        await scene.page.page.click("#say button")
        await his.page.wait_for_selector("article:nth-child(2)")

        await asyncio.gather(scene.page.agrees(), his.agrees())
        assert len((await his.sees())["posts"]) == 2
        await his.page.context.close()


async def test_a_rank_that_somebody_gives_moves_what_stands_on_the_board_of_others(
    scene: Scene, potluck: Potluck
) -> None:
    ben, page, board = scene.others[0], scene.page.page, "dishes:napoli:pizza"
    plain, marked = await scene.open_restaurant("Napoli", "Marinara", MARKUP)
    (other,) = await scene.open_restaurant("Napoli", LONG)
    await scene.rank(ben, plain, 1)
    await scene.rank(ben, marked, 2)
    await scene.rank(ben, other, 1)
    await scene.ranked(board, 3)
    await scene.page.choose(board)
    shown = await scene.page.agrees_on(board, "Marinara", LONG, MARKUP)
    assert [rank for rank, *_ in shown] == ["1", "1", "3"]
    await page.evaluate(WATCH_MOVES)

    await scene.rank(ben, marked, 1)

    await scene.page.agrees_on(board, LONG, MARKUP, "Marinara")
    assert "transform" in await page.evaluate("moved"), "it is seen to move, on the page that was there before"

    for pid in servers(potluck):
        os.kill(pid, signal.SIGKILL)
    await scene.page.until("connecting")
    await scene.rank(ben, plain, 1)
    await scene.page.until("live")

    await scene.page.agrees_on(board, LONG, "Marinara", MARKUP)
    await scene.page.lost_nothing()
    assert scene.page.problems == []


async def test_on_a_small_screen_without_motion_a_board_fits_and_nothing_slides(scene: Scene) -> None:
    ben, page = scene.others[0], scene.page.page
    board = "dishes:bari:pizza"
    first, second = await scene.open_restaurant("Bari", LONG, "Margherita")
    await scene.rank(ben, first, 1)
    await scene.rank(ben, second, 2)
    await scene.ranked(board, 2)
    await page.set_viewport_size({"width": 360, "height": 640})
    await page.emulate_media(reduced_motion="reduce")
    await page.goto(f"{scene.ada.url}/static/live.html#{board}")
    await page.reload()
    await scene.page.agrees_on(board, LONG, "Margherita")
    await page.evaluate(WATCH_MOVES)

    await scene.rank(ben, second, 1)

    await scene.page.agrees_on(board, "Margherita", LONG)
    assert await page.evaluate("moved") == []
    assert await page.evaluate("document.documentElement.scrollWidth") == 360


async def test_a_board_that_is_not_there_is_said_to_be_none(scene: Scene) -> None:
    await scene.page.page.evaluate("() => { location.hash = 'dishes:atlantis:pizza' }")

    await scene.page.page.wait_for_selector("#board-more:text('There is no such board')")
    await scene.page.choose("users:global")
    await scene.page.page.wait_for_selector("#places li")


async def test_servers_that_are_killed(scene: Scene, potluck: Potluck) -> None:
    for pid in servers(potluck):
        os.kill(pid, signal.SIGKILL)
    await scene.page.until("connecting")
    await scene.stir()
    await scene.page.until("live")

    await scene.page.agrees()
    await scene.page.lost_nothing()


async def test_a_network_that_is_cut(scene: Scene) -> None:
    await scene.context.set_offline(True)
    await scene.page.until("offline")
    await scene.stir()
    await scene.context.set_offline(False)

    await scene.page.agrees()
    await scene.page.lost_nothing()


async def test_a_tab_that_is_frozen(scene: Scene) -> None:
    async with scene.page.frozen():
        await scene.stir()
        await asyncio.sleep(3.5)  # longer than a silent connection is trusted

    await scene.page.agrees()
    await scene.page.lost_nothing()


async def test_a_reload_goes_on_where_it_was(scene: Scene) -> None:
    page = scene.page
    await asyncio.sleep(0.6)  # what is kept is written twice a second
    await page.page.goto("about:blank")
    await scene.stir()
    page.asked.clear()
    await page.page.goto(f"{scene.ada.url}/static/live.html")
    await page.page.wait_for_selector("article")
    await page.talk()

    await page.agrees()
    assert not [each for each in page.asked if "/notifications" in each], "the inbox was kept"


async def test_a_page_that_cannot_fetch_shows_what_was_kept(scene: Scene) -> None:
    await asyncio.sleep(0.6)

    async def refuse(route: Route) -> None:
        await route.abort()

    await scene.context.route("**/api/v1/users/**", refuse)
    await scene.stir(1)
    await scene.page.page.reload()
    await scene.page.page.wait_for_selector("#notifications li")
    await scene.context.unroute("**/api/v1/users/**")
    await scene.page.page.wait_for_selector("article")

    await scene.page.agrees()


async def test_two_tabs_share_a_connection_and_the_one_that_has_it_is_closed(scene: Scene) -> None:
    second = await opened(scene.context, scene.ada)
    await second.until("live")
    await second.page.wait_for_selector("article")
    await second.talk()
    await scene.stir(1)
    await asyncio.gather(scene.page.agrees(), second.agrees())
    assert (scene.page.sockets, second.sockets) == (1, 0)

    stirring = asyncio.create_task(scene.stir())
    await scene.page.page.close()
    await stirring

    await second.agrees()
    await second.lost_nothing()
    assert second.sockets == 1


async def test_two_tabs_and_the_one_that_has_the_connection_crashes(scene: Scene) -> None:
    second = await opened(scene.context, scene.ada)
    await second.until("live")
    await second.page.wait_for_selector("article")

    stirring = asyncio.create_task(scene.stir())
    await scene.page.crash()
    await stirring

    await second.agrees()
    await second.lost_nothing()
    assert second.sockets == 1


async def test_two_tabs_and_the_one_that_has_the_connection_is_frozen(scene: Scene) -> None:
    second = await opened(scene.context, scene.ada)
    await second.until("live")
    await second.page.wait_for_selector("article")
    async with scene.page.frozen():
        await scene.stir()
        await second.agrees()
        await second.lost_nothing()
        assert second.sockets == 1
    await scene.stir()

    await asyncio.gather(scene.page.agrees(), second.agrees())
    assert (scene.page.sockets, second.sockets) == (1, 1)


async def test_two_processes_that_are_restarted_in_turn(scene: Scene, potluck: Potluck) -> None:
    await scene.page.page.evaluate(
        "() => { window.was = []; new MutationObserver(() => was.push(live.potluck.status))"
        ".observe(document.getElementById('status'), {attributes: true}); }"
    )
    for pid in servers(potluck):
        stirring = asyncio.create_task(scene.stir())
        os.kill(pid, signal.SIGTERM)
        await until_replaced(potluck, pid)
        await stirring

    await scene.page.agrees()
    await scene.page.lost_nothing()
    assert await scene.page.page.evaluate("was") == [], "it never was anything but live"
    assert 2 <= scene.page.sockets <= 3


async def test_who_signs_out_in_one_tab_is_signed_out_in_all_and_nothing_is_kept(scene: Scene) -> None:
    second = await opened(scene.context, scene.ada)
    await second.until("live")

    await scene.page.page.click("#sign-out")

    for each in (scene.page, second):
        await each.page.wait_for_selector("#door:not([hidden])")
        assert await each.page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
