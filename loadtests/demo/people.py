"""Somebody of the demo: acts over HTTP, and keeps a copy of what their socket tells them."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from loadtests.client import Client
from loadtests.demo.boards import Kept
from loadtests.demo.city import CITY, DISH_TYPE, KITCHENS, PIZZAS, Place
from loadtests.demo.model import Friends, Row
from loadtests.listeners import Copy, Listener
from loadtests.scripted.line import Line, Refused, new_key

PATIENCE_S = 20.0  # for a server process that was killed
PASSWORD = "a candlestick for Valjean"  # noqa: S105 - of people who live for a minute


class Heard(NamedTuple):
    """An event that was applied: its topic, its id, and what it told, by a name that no other event has."""

    topic: str
    id: str
    what: str


class Person:
    """One member, with a socket from `register` on."""

    def __init__(self, name: str, friends: Friends, url: str) -> None:
        self.name = name
        self.friends = friends
        self.id = ""
        self.posts: list[str] = []
        self.acts = 0
        self.has_read = 0  # how many of their notifications
        # What the socket told:
        self.rows: dict[str, dict[str, Any]] = {}
        self.unread = 0
        self.version = 0
        self.counters: dict[str, int] = {}
        self.likes: dict[str, int] = {}  # of each of their posts
        self.trending: list[dict[str, Any]] = []  # the city's list, the most trending first
        self.boards: list[Kept] = []
        self.heard: list[Heard] = []
        self.events = 0
        self.backwards = 0  # how often the inbox went
        self.last = ""
        self.delays_s: deque[float] = deque(maxlen=1000)  # from an act's row to its frame
        self._line = Line(url, None)
        self.client = Client([url], self._line.access, seed=len(name))

    async def register(self) -> None:
        """Sign up, and open the socket."""
        body = {"username": self.name, "email": f"{self.name}@example.org", "password": PASSWORD}
        signed_up = await self.ask("POST", "/auth/register", body)
        self.id = signed_up["user"]["id"]
        self._line.sign_in(signed_up)
        self.client.add(Copy("notifications", self._read_inbox, self._notified))
        self.client.add(Listener("home", self._published))
        self.client.add(Copy(f"user:{self.id}", self._read_profile, self._changed))
        self.client.start()

    async def leave(self) -> None:
        """Hang up."""
        await self.client.stop()
        self._line.close()

    async def publish(self, number: int) -> None:
        """Post so many posts, one after the other, and follow what becomes of them."""
        for i in range(number):
            content = f"Soup of the day {i + 1}, by {self.name}"
            self.posts.append((await self.ask("POST", "/posts", {"content": content}))["id"])
        for post in self.posts:
            self.client.add(Copy(f"post:{post}", self._post_reader(post), self._liked))

    async def open_city(self) -> Sequence[Place]:
        """Make it known to everybody, kitchen by kitchen."""
        places: list[Place] = []
        for kitchen in KITCHENS:
            new = {"name": f"{kitchen} Kitchen", "city": CITY, "cuisine_type": [DISH_TYPE]}
            there = (await self.ask("POST", "/restaurants?force=true", new))["id"]
            names = [f"{kitchen}'s {each.lower()} {DISH_TYPE}" for each in PIZZAS]
            dishes = [{"name": each, "dish_type": DISH_TYPE} for each in names]
            made = [await self.ask("POST", f"/restaurants/{there}/dishes", each) for each in dishes]
            places.append(Place(there, [each["id"] for each in made]))
        return places

    def watch_city(self) -> None:
        """Follow what is trending there."""
        self.client.add(Copy(f"trending:dishes:{CITY.lower()}", self._read_trending, self._trended))

    def watch_boards(self, names: Sequence[str]) -> None:
        """Keep leaderboards."""
        self.boards = [Kept(name, self.answer) for name in names]
        for each in self.boards:
            self.client.add(each)

    async def rank(self, dish: str, rank: int | None) -> None:
        """Say what one thinks of a dish, or take it back."""
        body = None if rank is None else {"rank": rank, "notes": "What a crust!"}
        await self.ask("DELETE" if rank is None else "PUT", f"/dishes/{dish}/ranking", body)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """A request under /api/v1, again while servers are gone or busy; the answer's body. Raises Refused."""
        return (await self.answer(method, path, body))[0]

    async def answer(self, method: str, path: str, body: Any = None) -> tuple[Any, str]:
        """The same, and the answer's cursor."""
        key = new_key() if method == "POST" else ""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            try:
                found, cursor = await self._line.read(method, path, body, key)
            except Refused as trouble:
                if not trouble.may_be_tried_again or time.monotonic() > give_up:
                    raise
                await asyncio.sleep(0.05)
            else:
                self.acts += method != "GET"
                return found, cursor or ""

    async def pages(self, path: str) -> Sequence[dict[str, Any]]:
        """Everything in a list."""
        found: list[dict[str, Any]] = []
        more = ""
        while True:
            page = await self.ask("GET", f"{path}?limit=100{more}")
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            more = f"&cursor={page['next_cursor']}"

    def groups(self, rows: Sequence[dict[str, Any]]) -> Counter[Row]:
        """Notifications of what people did, as the model has them."""
        numbers: dict[str | None, int] = {post: i for i, post in enumerate(self.posts)}
        done = [row for row in rows if row["actors"]]
        return Counter(Row(row["type"], numbers.get(row["data"].get("post_id")), row["batch_count"]) for row in done)

    async def _read_inbox(self) -> str:
        page, cursor = await self.answer("GET", "/notifications?limit=1")
        rows = await self.pages("/notifications")
        self.rows = {row["id"]: row for row in rows}
        self.unread, self.version = page["unread"], page["version"]
        return cursor

    async def _read_profile(self) -> str:
        profile, cursor = await self.answer("GET", f"/users/{self.id}")
        self.counters = profile["counters"]
        return cursor

    async def _read_trending(self) -> str:
        found, cursor = await self.answer("GET", f"/trending/dishes?city={CITY}")
        self.trending = found["top"]
        return cursor

    def _trended(self, frame: dict[str, Any]) -> None:
        self.events += 1
        self.trending = frame["data"]["top"]

    def _post_reader(self, post: str) -> Callable[[], Awaitable[str]]:
        async def read() -> str:
            read, cursor = await self.answer("GET", f"/posts/{post}")
            self.likes[post] = read["counters"]["likes"]
            return cursor

        return read

    def _notified(self, frame: dict[str, Any]) -> None:
        data, what = frame["data"], ""
        match frame["type"]:
            case "notification.upserted":
                row = data["notification"]
                what = row["id"]
                known = self.rows.get(what)
                if known is None or known["last_updated_at"] < row["last_updated_at"]:
                    self._note_delay(row["last_updated_at"])
                    self.last = row["message"]
                self.rows[what] = row
            case "notification.removed":
                what = data["id"]
                self.rows.pop(what, None)
            case "notifications.read":
                for row in self.rows.values():
                    row["read"] |= row["last_updated_at"] <= data["up_to"] if data["all"] else row["id"] in data["ids"]
            case _:  # what they have earned: it will be in a notification, too
                self._heard(frame, f"{frame['type']} {frame['id']}")
                return
        self.backwards += data["version"] < self.version
        self.unread, self.version = data["unread"], data["version"]
        self._heard(frame, f"{frame['type']} {what} at {data['version']}")

    def _published(self, frame: dict[str, Any]) -> None:
        post = frame["data"]["post"]
        self._note_delay(post["created_at"])
        self.last = f"{post['author']['username']} posted"
        self._heard(frame, post["id"])

    def _changed(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "user.counters":
                self.counters = self.counters | frame["data"]
                self.events += 1
            case "post.published":
                self._heard(frame, frame["data"]["post"]["id"])
            case _:
                self.events += 1

    def _liked(self, frame: dict[str, Any]) -> None:
        self.events += 1
        if frame["type"] == "post.counters":
            self.likes[frame["topic"].removeprefix("post:")] = frame["data"]["likes"]

    def _heard(self, frame: dict[str, Any], what: str) -> None:
        self.events += 1
        self.heard.append(Heard(frame["topic"], frame["id"], what))

    def _note_delay(self, at: str) -> None:
        self.delays_s.append(time.time() - datetime.fromisoformat(at).timestamp())
