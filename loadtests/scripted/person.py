"""`me` of a session: somebody who acts over HTTP, hears their socket, thinks, and waits for what should come."""

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Sequence
from typing import Any

from loadtests.listeners import Gone
from loadtests.scripted.ledger import Happened
from loadtests.scripted.line import Line, Refused, new_key
from loadtests.scripted.measure import ACT, FRAME, LAG, STATE, ActName
from loadtests.scripted.socket import Socket
from loadtests.scripted.stage import Missed, Over, Post, Someone, Stage
from server.binaries import CannotStart

PASSWORD = "correct horse battery"  # noqa: S105 - of people who live for a minute
PATIENCE_S = 20.0
REGISTERING_S = 600.0  # a target may limit how many sign up a minute
OPEN_AT_MOST = 100  # posts


class Person:
    """Their verbs measure from the time at which they were meant to act, so that waiting in line counts."""

    def __init__(self, stage: Stage, line: Line, number: int) -> None:
        self.name = f"{stage.run}x{number}"
        self.id = ""
        self.chance = random.Random(number)
        self.socket: Socket | None = None
        self.followed: set[str] = set()
        self.counters: dict[str, dict[str, Any]] = {}  # of each open post, as the socket tells them
        self.rows: dict[str, dict[str, Any]] = {}  # of the inbox, likewise
        self.unread = 0
        self.version = 0
        self._stage = stage
        self._line = line
        self._intended: float | None = None
        self._acted_at = 0.0
        self._recent: deque[tuple[float, str, str]] = deque(maxlen=512)
        self._waiting: list[tuple[str, str | None, asyncio.Future[float]]] = []
        self._liked: dict[str, tuple[int, float]] = {}  # the count that the answer told, and the intended time
        self._counted_at: dict[str, float] = {}
        self._away_since: float | None = None
        self._welcomed_before = False
        self._gone: list[Socket] = []

    # Time.

    async def thinks(self, least: float, most: float | None = None) -> None:
        """Do nothing for so many seconds, or for some between the two."""
        await self._until(time.monotonic() + self.chance.uniform(least, least if most is None else most))

    async def until(self, second: float) -> None:
        """Wait for this second of the play; if it has passed, for its end."""
        at = self._stage.begins + second
        await self._until(at if at > time.monotonic() else float("inf"))

    async def paced(self, per_second: float) -> AsyncGenerator[int]:
        """`async for turn in me.paced(2):` so many turns a second; one that begins late is measured from its time."""
        begun, turn = time.monotonic(), 0
        while True:
            await self._until(begun + turn / per_second)
            yield turn
            turn += 1

    def intend(self, at: float) -> None:
        """The next act is meant for this time."""
        self._intended = at

    async def _until(self, at: float) -> None:
        wait = min(at, self._stage.ends) - time.monotonic()
        await asyncio.sleep(max(0.0, wait))
        self._go_on()
        if wait > 0:
            self._stage.measures.time(LAG, time.monotonic() - at)
        self._intended = at

    def _go_on(self) -> None:
        if time.monotonic() >= self._stage.ends:
            raise Over

    # Whom there is.

    def everybody(self, session: str) -> Sequence[Someone]:
        """All who play this session."""
        return [each for each in self._stage.cast if each.session == session and each.id != self.id]

    def somebody(self, session: str) -> Someone:
        """One of them. Raises CannotStart when there is nobody."""
        everybody = self.everybody(session)
        if not everybody:
            raise CannotStart(f"there is nobody else who plays {session}")
        return self.chance.choice(everybody)

    # What can be done over HTTP.

    async def publish(self, content: str = "Soup of the day") -> Post:
        """Post."""
        asked, body = time.monotonic(), {"content": self._marked(content)}
        post = await self._act("publish", "POST", "/posts", body)
        for source in (f"user:{self.id}", f"home:{self.id}"):
            self._stage.happened.append(Happened(f"post.published {post['id']}", source, asked, time.monotonic()))
        return Post(post["id"], self.id)

    async def newest(self, of: "Someone | Person") -> Post | None:
        """Look at somebody's posts; the newest."""
        page = await self._act("read posts", "GET", f"/users/{of.id}/posts?limit=10")
        return Post(page["items"][0]["id"], of.id) if page["items"] else None

    async def like(self, post: Post) -> None:
        """Like."""
        begun = self._begin()
        answer = await self._act("like", "PUT", f"/posts/{post.id}/like")
        self._stage.likes[post.author, post.id, self.id] = True
        counters = self.counters.get(post.topic)
        if counters is not None:
            if counters.get("likes", 0) >= answer["likes"]:  # the frame was faster than the answer
                self._stage.measures.time(STATE, max(self._counted_at.get(post.topic, begun) - begun, 0.0))
            else:
                self._liked[post.topic] = (answer["likes"], begun)

    async def unlike(self, post: Post) -> None:
        """Think better of it."""
        self._liked.pop(post.topic, None)
        await self._act("unlike", "DELETE", f"/posts/{post.id}/like")
        self._stage.likes[post.author, post.id, self.id] = False

    async def comment(self, post: Post, content: str = "More salt!") -> None:
        """Comment."""
        asked, body = time.monotonic(), {"content": self._marked(content)}
        comment = await self._act("comment", "POST", f"/posts/{post.id}/comments", body)
        done = Happened(f"comment.created {comment['id']}", post.topic, asked, time.monotonic())
        self._stage.happened.append(done)
        if post.author != self.id:
            self._stage.comments[post.author, post.id] += 1

    async def comments(self, post: Post) -> int:
        """Read the comments; how many are on the page."""
        return len((await self._act("read comments", "GET", f"/posts/{post.id}/comments?limit=20"))["items"])

    async def follow(self, who: Someone) -> None:
        """Follow: from now on home tells of their posts."""
        await self._act("follow", "PUT", f"/users/{who.id}/follow")
        self._stage.follows[who.id, self.id] = True
        self.followed.add(who.id)
        if self.socket is not None:
            self.socket.follow(who.id)

    async def unfollow(self, who: Someone) -> None:
        """Follow no more."""
        asked = time.monotonic()
        await self._act("unfollow", "DELETE", f"/users/{who.id}/follow")
        self._stage.follows[who.id, self.id] = False
        self.followed.discard(who.id)
        if self.socket is not None:
            self.socket.unfollow(who.id, asked)

    async def notifications(self) -> int:
        """Look at the inbox; how many are unread."""
        return (await self._act("read inbox", "GET", "/notifications?limit=20"))["unread"]

    async def read_notifications(self) -> None:
        """Have read them all."""
        await self._act("mark as read", "POST", "/notifications/read", {"all": True})

    # What can be heard.

    async def arrive(self) -> None:
        """Open the socket, with the inbox and home; nothing when it is open."""
        if self.socket is not None:
            return
        begun, self._welcomed_before = self._begin(), False
        stage = self._stage
        self.socket = socket = Socket(stage.url, self._line.access, stage.ids, self.followed, self._hear)
        socket.copy("notifications", self._read_inbox, self._notified)
        socket.listen("home", _accounted_for)
        socket.contract.on_status = lambda: self._welcomed(begun) if socket.is_open else None
        socket.start()
        await self._in_time("connect", socket.begun("notifications"))

    async def leave(self) -> None:
        """Hang up, until the session begins anew."""
        if self.socket is not None:
            socket, self.socket = self.socket, None
            await socket.stop()
            self._gone.append(socket)
            self.counters.clear()

    async def lose_connection(self, seconds: float = 0.0) -> None:
        """Be cut off without a word, and come back with what the socket knows; it is to miss nothing."""
        if self.socket is not None:
            self._away_since = time.monotonic() + seconds
            self._stage.measures.count("cut")
            await self.socket.away(seconds)
            await self._in_time("reconnect", self.socket.opened())

    async def open(self, post: Post) -> bool:
        """Look at a post, and follow what becomes of it; whether it was not open before."""
        if self.socket is None or post.topic in self.socket.topics:
            return False
        if len(self.counters) >= OPEN_AT_MOST:
            await self.close(next(iter(self.counters)))
        begun = self._begin()
        topic = post.topic
        self.counters[topic] = {}

        async def read() -> str | None:
            try:
                read, cursor = await self._line.read("GET", f"/posts/{post.id}")
            except Refused as refused:
                if refused.status == 404:
                    raise Gone from None
                raise
            self.counters[topic] = read["counters"]
            return cursor

        self.socket.copy(topic, read, self._changed)
        if await self._in_time("open post", self.socket.begun(topic)):
            self._stage.measures.time(f"{ACT}open post", time.monotonic() - begun)
            self._stage.measures.count("acts")
        return True

    async def close(self, topic: str) -> None:
        """Look at something else."""
        self.counters.pop(topic, None)
        if self.socket is not None and topic in self.socket.topics:
            await self.socket.forget(topic)

    async def expect(self, kind: str, topic: str | None = None, within: float = 1.0) -> None:
        """Wait for an event of this type, and topic, from the last act on. The session ends when it does not come."""
        self._go_on()
        acted = self._acted_at
        arrived = next((at for at, *about in self._recent if at >= acted and _is(about, kind, topic)), None)
        if arrived is None:
            come: asyncio.Future[float] = asyncio.get_running_loop().create_future()
            self._waiting.append((kind, topic, come))
            try:
                arrived = await asyncio.wait_for(come, max(min(within, self._stage.ends - time.monotonic()), 0.001))
            except TimeoutError:
                self._go_on()
                self._stage.measures.miss(kind)
                raise Missed(f"{kind} in {within} s") from None
            finally:
                self._waiting = [each for each in self._waiting if each[2] is not come]
        self._stage.measures.time(f"expect {kind}", arrived - acted)
        self._intended = None

    # Behind it.

    async def register(self) -> None:
        """Come to be."""
        body = {"username": self.name, "email": f"{self.name}@example.org", "password": PASSWORD}
        give_up = time.monotonic() + REGISTERING_S
        while True:
            try:
                signed_up = await self._line.ask("POST", "/auth/register", body, new_key())
            except Refused as refused:
                if not refused.may_be_tried_again or time.monotonic() > give_up:
                    raise
                await asyncio.sleep((refused.retry_after or 0.2) * self.chance.uniform(1, 1.5))
            else:
                self.id = signed_up["user"]["id"]
                self._line.sign_in(signed_up)
                return

    def hang_up(self) -> None:
        """End the HTTP connection."""
        self._line.close()

    @property
    def sockets(self) -> list[Socket]:
        """All they ever had."""
        return [*self._gone, *([self.socket] if self.socket else [])]

    async def peek(self, path: str) -> Any:
        """Ask without being measured."""
        return await self._line.ask("GET", path)

    def _begin(self) -> float:
        self._go_on()
        return time.monotonic() if self._intended is None else self._intended

    async def _act(self, name: ActName, method: str, path: str, body: object = None) -> Any:
        """A request, again while servers are gone or busy; measured from its intended time to its answer."""
        begun = self._begin()
        self._intended = None
        self._acted_at = time.monotonic()
        measures, key = self._stage.measures, new_key() if method == "POST" else ""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = await self._line.ask(method, path, body, key)
            except Refused as refused:
                measures.fail(f"{name}: {refused.status or 'no answer'}")
                if not refused.may_be_tried_again or time.monotonic() > give_up:
                    raise
                await asyncio.sleep(refused.retry_after or 0.05)
            else:
                measures.time(ACT + name, time.monotonic() - begun)
                measures.count("acts")
                return answer

    async def _in_time(self, name: ActName, answered: Awaitable[None]) -> bool:
        self._intended = None
        try:
            await answered
        except TimeoutError:
            self._stage.measures.fail(f"{name}: no answer")
            return False
        return True

    def _marked(self, content: str) -> str:
        """With the intended time, for whoever hears of it."""
        return f"{content} [{self._stage.run} {self._begin():.6f}]"

    def _hear(self, frame: dict[str, Any]) -> None:
        now, kind, topic = time.monotonic(), frame["type"], frame["topic"]
        measures = self._stage.measures
        measures.count("frames")
        self._recent.append((now, kind, topic))
        for each in self._waiting:
            if not each[2].done() and _is((kind, topic), each[0], each[1]):
                each[2].set_result(now)
        if measures.on and kind in {"comment.created", "post.published"}:
            said = frame["data"]["comment" if kind == "comment.created" else "post"]["content"]
            run, _, at = said.rpartition(" [")[2].removesuffix("]").partition(" ")
            if run == self._stage.run and float(at) >= self._stage.begins:
                took = now - float(at)
                measures.time(FRAME, took)
                measures.count("late", took > measures.late_after_s)

    def _welcomed(self, begun: float) -> None:
        """The first time from when they arrived; later from when they were back."""
        measures, now = self._stage.measures, time.monotonic()
        first, self._welcomed_before = not self._welcomed_before, True
        if first:
            measures.time(f"{ACT}connect", now - begun)
        elif self._away_since is not None:
            measures.time(f"{ACT}reconnect", now - self._away_since)
            self._away_since = None
        measures.count("acts")

    async def _read_inbox(self) -> str | None:
        page, cursor = await self._line.read("GET", "/notifications?limit=100")
        first = page
        rows: list[dict[str, Any]] = page["items"]
        while page["next_cursor"] is not None:
            page = await self._line.ask("GET", f"/notifications?limit=100&cursor={page['next_cursor']}")
            rows = rows + page["items"]
        self.rows = {row["id"]: row for row in rows}
        self.unread, self.version = first["unread"], first["version"]
        return cursor

    def _notified(self, frame: dict[str, Any]) -> None:
        data = frame["data"]
        if data.get("version", -1) < self.version:
            return  # the page that was read was newer; or it is what they have earned, which has a row of its own
        if frame["type"] == "notification.upserted":
            self.rows[data["notification"]["id"]] = data["notification"]
        elif frame["type"] == "notification.removed":
            self.rows.pop(data["id"], None)
        self.unread, self.version = data["unread"], data["version"]

    def _changed(self, frame: dict[str, Any]) -> None:
        topic = frame["topic"]
        if frame["type"] != "post.counters" or topic not in self.counters:
            return
        self.counters[topic] = self.counters[topic] | frame["data"]
        self._counted_at[topic] = time.monotonic()
        number, begun = self._liked.get(topic, (0, 0.0))
        if number and self.counters[topic]["likes"] >= number:
            del self._liked[topic]
            self._stage.measures.time(STATE, time.monotonic() - begun)


def _is(about: Sequence[str], kind: str, topic: str | None) -> bool:
    return about[0] == kind and topic in {None, about[1]}


def _accounted_for(_: dict[str, Any]) -> None:
    """It is accounted for as it comes, before it is applied."""
