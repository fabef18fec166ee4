"""A click in one browser until the number changes in another, in ms: `.venv/bin/python -m loadtests.clicks`.

Two Chromium contexts of two people look at the same posts; one presses the hearts, a thousand times, each on the post
that was left alone longest; in the other a MutationObserver notes when the count is another. Both clocks are the
browser's own, of one machine. About a minute.
"""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
from playwright.async_api import Page, async_playwright

from loadtests.http import percentiles_ms
from loadtests.running import Potluck
from tests.journeys.community import QUICK, members
from tests.web import needs
from tests.web.page import signed_in

CLICKS = 1_000
POSTS = 10
WATCH = """() => {
  window.changed = [];
  for (const article of document.querySelectorAll('article')) {
    const likes = article.querySelector('.likes');
    const note = () => changed.push([article.dataset.post, Number(likes.textContent), clock()]);
    new MutationObserver(note).observe(likes, {childList: true, characterData: true, subtree: true});
  }
}"""
CLOCK = "() => { window.clock = () => performance.timeOrigin + performance.now(); }"
PRESS = """post => {
  const button = document.querySelector(`article[data-post="${post}"] .like`);
  const at = clock();
  button.click();
  return at;
}"""
SEEN = (
    """([post, likes]) => window.changed.find(([which, number]) => which === post && number === likes)?.[2] ?? null"""
)


async def press(clicker: Page, watcher: Page, post: str, likes: int) -> float:
    """One click; seconds until the other page shows so many likes. TimeoutError after five."""
    pressed = await clicker.evaluate(PRESS, post)
    async with asyncio.timeout(5):
        while (seen := await watcher.evaluate(SEEN, [post, likes])) is None:
            await asyncio.sleep(0.002)
    await watcher.evaluate("() => { window.changed = []; }")
    return (seen - pressed) / 1000


async def measure(url: str) -> dict[str, Any]:
    """All clicks, one after the other."""
    async with AsyncExitStack() as stack:
        author, reader = await stack.enter_async_context(members(2, url))
        posts = [(await author.do("POST", "/posts", {"content": f"Dish {n}"}))["id"] for n in range(POSTS)]
        await reader.do("PUT", f"/users/{author.id}/follow")
        playwright = await stack.enter_async_context(async_playwright())
        pages: list[Page] = []
        for member in (author, reader):
            browser = await playwright.chromium.launch(executable_path=needs.chromium(), args=needs.FLAGS)
            stack.push_async_callback(browser.close)
            name = (await member.do("GET", "/auth/me"))["username"]
            context = await browser.new_context()
            seen = await stack.enter_async_context(signed_in(context, member, name))
            await seen.page.wait_for_selector(f"article:nth-child({POSTS})")
            await seen.page.evaluate(CLOCK)
            pages.append(seen.page)
        watcher, clicker = pages
        await watcher.evaluate(WATCH)
        took: list[float] = []
        for number in range(CLICKS):
            liked = (number // POSTS) % 2 == 0
            took.append(await press(clicker, watcher, posts[number % POSTS], int(liked)))
        return {"clicks": CLICKS, "ms": percentiles_ms(took)}


def main() -> None:
    """Start a server, measure, print, end it."""
    with tempfile.TemporaryDirectory(prefix="potluck-clicks-") as folder:
        potluck = Potluck(Path(folder) / "data", "--workers", "2", **QUICK)
        try:
            figures = asyncio.run(measure(potluck.url))
        finally:
            potluck.interrupt()
    print(msgspec.json.encode(figures).decode())


if __name__ == "__main__":
    main()
