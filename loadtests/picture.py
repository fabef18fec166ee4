"""The picture of the live page that the README shows: `.venv/bin/python -m loadtests.picture`. Needs Chromium."""

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import async_playwright

from loadtests.demo.city import CITY, DISH_TYPE
from loadtests.running import Potluck
from tests.journeys.community import PASSWORD
from tests.web import needs

PICTURE = Path(__file__).parent.parent / "docs" / "live.png"
SIZE = {"width": 1080, "height": 790}
TABLES = ("corner_table", "garden_table", "late_table", "long_table", "window_table")
"""Accounts are tables here, not people."""
PIZZAS = ("Amber", "Crimson", "Green", "Plain", "White")
ORDERS = ((0, 1, 2, 3, 4), (0, 1, 3, 2, 4), (0, 2, 1, 4, 3), (1, 2, 0, 3, 4), (2, 0, 1, 4, 3))
"""How each table ranks the pizzas, the best first."""


async def join(stack: AsyncExitStack, url: str, username: str) -> httpx.AsyncClient:
    """A client signed in as somebody new."""
    client = await stack.enter_async_context(httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=10))
    body = {"username": username, "password": PASSWORD, "email": f"{username}@example.org"}
    signed = await do(client, "POST", "/auth/register", body)
    client.headers["Authorization"] = f"Bearer {signed['access_token']}"
    return client


async def do(client: httpx.AsyncClient, method: str, path: str, body: object = None) -> Any:
    """What HTTP answers. Raises when it refuses."""
    answer = await client.request(method, path, json=body)
    answer.raise_for_status()
    return answer.json() if answer.content else None


async def dine(tables: Sequence[httpx.AsyncClient]) -> None:
    """Have a board to show, in a city that is nowhere."""
    new = {"name": "Anise Kitchen", "city": CITY, "cuisine_type": [DISH_TYPE]}
    there = (await do(tables[0], "POST", "/restaurants?force=true", new))["id"]
    dishes = [{"name": f"{each} {DISH_TYPE}", "dish_type": DISH_TYPE} for each in PIZZAS]
    made = [(await do(tables[0], "POST", f"/restaurants/{there}/dishes", each))["id"] for each in dishes]
    for table, order in zip(tables, ORDERS, strict=True):
        for rank, pizza in enumerate(order, start=1):
            await do(table, "PUT", f"/dishes/{made[pizza]}/ranking", {"rank": rank, "notes": "What a crust!"})


async def draw(url: str) -> None:
    """Have a page open, and things happen on it."""
    async with AsyncExitStack() as stack:
        first, *others = [await join(stack, url, each) for each in TABLES]
        await dine([first, *others])
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=needs.chromium(), args=needs.FLAGS)
        stack.push_async_callback(browser.close)
        page = await browser.new_page(viewport=SIZE, device_scale_factor=2)  # type: ignore[arg-type] # a ViewportSize
        await page.goto(f"{url}/static/live.html#dishes:{CITY.lower()}:{DISH_TYPE}")
        await page.fill("#sign-in [name=username]", TABLES[0])
        await page.fill("#sign-in [name=password]", PASSWORD)
        await page.click("#sign-in [value=login]")
        await page.wait_for_function("() => window.live?.potluck?.status === 'live'")
        await do(first, "POST", "/posts", {"content": "Sourdough is out of the oven. Two loaves to share."})
        post = (await do(first, "POST", "/posts", {"content": "Tomato soup, from the garden. Bring bowls!"}))["id"]
        await page.wait_for_selector(f'article[data-post="{post}"]')
        await page.click(f'article[data-post="{post}"] .talk')
        for each, words in zip(others, ("Eight bowls are on the way.", "Is there basil in it?", "", ""), strict=True):
            await do(each, "PUT", f"/posts/{post}/like")
            await do(each, "PUT", f"/users/{(await do(first, 'GET', '/auth/me'))['id']}/follow")
            if words:
                await do(each, "POST", f"/posts/{post}/comments", {"content": words})
        await page.wait_for_function("() => document.querySelector('article .likes')?.textContent === '4'")
        await page.wait_for_function("() => Number(document.querySelector('#unread').textContent) >= 3")
        await page.wait_for_selector(f"#places li:nth-child({len(PIZZAS)})")
        await page.evaluate("scrollTo(0, 0)")
        await asyncio.sleep(2)  # what lights up when it changes has faded
        await page.screenshot(path=PICTURE)


def main() -> None:
    """Start a server, draw, end it."""
    with tempfile.TemporaryDirectory(prefix="potluck-picture-") as folder:
        potluck = Potluck(Path(folder) / "data")
        try:
            asyncio.run(draw(potluck.url))
        finally:
            potluck.interrupt()


if __name__ == "__main__":
    main()
