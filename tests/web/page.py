"""A page in a browser (live.html), and what HTTP says that it should show."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import BrowserContext, Page

from tests.journeys.community import PASSWORD, Member

PATIENCE_S = 15.0
SEES = """() => {
  const text = (where, what) => where.querySelector(what)?.textContent ?? null;
  return {
    posts: Object.fromEntries([...document.querySelectorAll('article')].map(each => [each.dataset.post, {
      likes: Number(text(each, '.likes')), comments: Number(text(each, '.comments')),
      said: each.querySelector('.said') && [...each.querySelectorAll('.words')].map(words => words.textContent).sort(),
    }])),
    unread: Number(text(document, '#unread')),
    told: [...document.querySelectorAll('#notifications li')].map(each => each.dataset.id),
    followers: Number(text(document, '.me-followers')),
  };
}"""

PLACES = """() => [...document.querySelectorAll('#places li')].map(
  row => [...row.children].map(each => each.textContent))"""
SHOWN = 10  # places of a board


class Seen:
    """A page of somebody who has signed in, and what went on in it."""

    def __init__(self, page: Page, member: Member) -> None:
        self.page = page
        self.member = member
        self.sockets = 0
        self.asked: list[str] = []
        self.problems: list[str] = []
        page.on("websocket", lambda _: self._count())
        page.on("request", lambda request: self.asked.append(f"{request.method} {request.url.partition('/api/v1')[2]}"))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda line: self.problems.append(line.text) if "Policy" in line.text else None)

    def _count(self) -> None:
        self.sockets += 1

    async def sees(self) -> dict[str, Any]:
        """What the page shows."""
        return await self.page.evaluate(SEES)

    async def truth(self) -> dict[str, Any]:
        """The same, from the database."""
        do, found = self.member.do, dict[str, Any]()
        for post_id, shown in (await self.sees())["posts"].items():
            post = await do("GET", f"/posts/{post_id}")
            said = (await do("GET", f"/posts/{post_id}/comments?limit=100"))["items"]
            found[post_id] = {
                "likes": post["counters"]["likes"],
                "comments": post["counters"]["comments"],
                "said": sorted(each["content"] for each in said) if shown["said"] is not None else None,
            }
        inbox = await do("GET", "/notifications?limit=20")
        me = await do("GET", f"/users/{self.member.id}")
        return {
            "posts": found,
            "unread": inbox["unread"],
            "told": [each["id"] for each in inbox["items"]][:8],
            "followers": me["counters"]["followers"],
        }

    async def agrees(self) -> None:
        """Wait until the page shows what the database holds."""
        give_up = time.monotonic() + PATIENCE_S
        while (shown := await self.sees()) != (true := await self.truth()):
            assert time.monotonic() < give_up, f"shown {shown}\ntrue  {true}\n{await self.client()}\n{self.problems}"
            await asyncio.sleep(0.1)
        assert self.problems == []

    async def choose(self, board: str) -> None:
        """Have another board shown; the list is read anew when it is about to be opened."""
        await self.page.focus("#boards")
        await self.page.wait_for_selector(f'#boards option[value="{board}"]', state="attached")
        await self.page.select_option("#boards", board)

    async def places(self) -> list[list[str]]:
        """Rank, name and score of each place of the board that is shown."""
        return await self.page.evaluate(PLACES)

    async def agrees_on(self, board: str, *names: str) -> list[list[str]]:
        """Wait until the page shows a board of dishes as HTTP has it, in this order: its places."""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            items = (await self.member.do("GET", f"/leaderboards/{board}"))["items"][:SHOWN]
            true = [[str(each["rank"]), each["name"], f"{each['score']:.2f}"] for each in items]
            shown = await self.places()
            if shown == true and [name for _, name, _ in shown] == list(names):
                return shown
            assert time.monotonic() < give_up, f"shown {shown}\ntrue  {true}\n{await self.client()}\n{self.problems}"
            await asyncio.sleep(0.1)

    async def client(self) -> dict[str, Any]:
        """What potluck.js says of itself."""
        return await self.page.evaluate(
            "() => { const {status, seen, positions} = live.potluck; return {status, seen, positions}; }"
        )

    async def lost_nothing(self) -> None:
        """No gap, and no snapshot that had to be fetched anew."""
        seen = (await self.client())["seen"]
        assert (seen["gap"], seen["resets"]) == (0, 0)

    async def until(self, status: str) -> None:
        """Wait for a status of the client."""
        await self.page.wait_for_function("status => live.potluck.status === status", arg=status)

    async def talk(self) -> None:
        """Open what is said about the first post."""
        await self.page.click("article .talk")
        await self.page.wait_for_selector("article .said")

    @asynccontextmanager
    async def frozen(self) -> AsyncGenerator[None]:
        """No line of the page's runs: as on a phone that is asleep, or in a tab that the browser has put away."""
        debugger: Any = await self.page.context.new_cdp_session(self.page)  # typed by halves
        await debugger.send("Page.setWebLifecycleState", {"state": "frozen"})
        await debugger.send("Debugger.enable")
        await debugger.send("Debugger.pause")
        yield
        await debugger.send("Debugger.resume")
        await debugger.send("Debugger.disable")
        await debugger.send("Page.setWebLifecycleState", {"state": "active"})

    async def crash(self) -> None:
        """The page's process dies."""
        debugger: Any = await self.page.context.new_cdp_session(self.page)  # typed by halves
        crashing = asyncio.ensure_future(debugger.send("Page.crash"))  # which nobody is left to answer
        await self.page.wait_for_event("crash")
        crashing.cancel()


@asynccontextmanager
async def signed_in(context: BrowserContext, member: Member, username: str) -> AsyncGenerator[Seen]:
    """A member's page, ready."""
    seen = await opened(context, member)
    await seen.page.fill("#sign-in [name=username]", username)
    await seen.page.fill("#sign-in [name=password]", PASSWORD)
    await seen.page.click("#sign-in [value=login]")
    await seen.page.wait_for_selector("#table:not([hidden])")
    await seen.until("live")
    yield seen


async def opened(context: BrowserContext, member: Member) -> Seen:
    """One more tab."""
    seen = Seen(await context.new_page(), member)
    await seen.page.goto(f"{member.url}/static/live.html")
    return seen
