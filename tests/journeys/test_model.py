"""Whatever people do, and however often they lose their connection: what a client holds is what the database says.

The community in `plain.py` is plain Python and knows nothing of the product. It says what each request must answer and
what HTTP and every copy must show in the end, and judges every frame that a client was sent by the acts that had begun
when it came. POTLUCK_MODEL_RUNS sets the number of runs.
"""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from loadtests.listeners import Gone
from loadtests.running import Potluck
from tests.journeys.community import Member, members, two_processes
from tests.journeys.judge import Ledger, Published, due, misdeeds
from tests.journeys.plain import Plain, Said
from tests.journeys.witness import Witness

pytestmark = [pytest.mark.xdist_group("model"), pytest.mark.timeout(7200)]

RUNS = int(os.environ.get("POTLUCK_MODEL_RUNS", "20"))
PEOPLE, POSTS = 3, 2
PAIRS = [(who, what) for who in range(PEOPLE) for what in range(POSTS)]
PUBLISHED_TO = ["public", "public", "followers", "followers", "private", "public"]
BETWEEN = {
    "follow": ("PUT", "/users/{}/follow"),
    "unfollow": ("DELETE", "/users/{}/follow"),
    "accept": ("PUT", "/follow-requests/{}"),
    "reject": ("DELETE", "/follow-requests/{}"),
    "drop": ("DELETE", "/users/{}/follower"),
    "block": ("PUT", "/users/{}/block"),
    "unblock": ("DELETE", "/users/{}/block"),
    "mute": ("PUT", "/users/{}/mute"),
    "unmute": ("DELETE", "/users/{}/mute"),
}
VISIBLE_TO = {"show": "public", "show followers": "followers", "hide": "private"}
ACTS = [
    *("like", "unlike", "comment", "comment", "comment", "reply", "reply", "reply", "edit", "uncomment", "rewrite"),
    *("follow", "follow", "unfollow", "accept", "accept", "reject", "drop", "mute", "unmute"),
    *("block", "block", "unblock", "unblock", "private", "public", *VISIBLE_TO, "delete"),
    *("publish", "publish", "publish", "cut", "cut", "cut without ticket", "wait"),
]
FOLLOWS = [(0, 1), (1, 0), (0, 2), (2, 0)]
Act = tuple[str, int, int]
acts = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, PEOPLE - 1), st.integers(0, len(PAIRS) - 1)),
    min_size=10,
    max_size=40,
)

# Who does it to whom: see `Run.aim`. Once missed: what is said below somebody who is apart; a change of access behind
# what was withheld.
BELOW: list[Act] = [
    ("block", 2, 1),
    ("reply", 0, 2),
    ("edit", 0, 0),
    ("cut", 2, 0),
    ("reply", 0, 2),
    ("uncomment", 0, 0),
    ("cut without ticket", 2, 0),
    ("reply", 0, 2),
    ("wait", 0, 0),
]
HELD: list[Act] = [
    ("block", 2, 1),
    ("comment", 1, 0),
    ("wait", 0, 0),
    ("edit", 1, 0),
    ("follow", 2, 0),
    ("wait", 0, 0),
    ("like", 0, 0),
]
# What chance would seldom bring together: each way to lose and to get what only followers hear of.
FOLLOWING: list[Act] = [
    ("private", 0, 0),
    ("show followers", 0, 0),
    ("unfollow", 2, 0),
    ("comment", 1, 0),
    ("drop", 0, 0),
    ("comment", 0, 0),
    ("follow", 2, 0),
    ("publish", 0, 0),
    ("wait", 0, 0),
    ("accept", 0, 0),
    ("publish", 0, 2),
    ("mute", 2, 0),
    ("publish", 0, 0),
    ("cut", 2, 0),
    ("unmute", 2, 0),
    ("publish", 0, 2),
    ("publish", 0, 4),
]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Potluck, Potluck]]:
    # a heartbeat of 1.2 s: five times a second every client is told its position, and resumes from there
    with two_processes(tmp_path_factory.mktemp("model"), POTLUCK_HEARTBEAT_S="1.2") as processes:
        yield processes


@dataclass
class Shown:
    """A post or a profile, as somebody sees it."""

    state: dict[str, Any] = field(default_factory=dict[str, Any])
    words: str = ""
    comments: dict[str, str] = field(default_factory=dict[str, str])


class Run:
    """One sequence of acts on fresh people."""

    def __init__(self, urls: list[str], people: list[Member]) -> None:
        self.urls = urls
        self.people = people
        self.plain = Plain(len(people))
        self.ledger = Ledger()
        self.ledger.moments.append(self.plain.moment())
        self.ledger.topics |= {f"user:{each.id}": ("user", who) for who, each in enumerate(people)}
        self.begun = 0
        self.acts: list[tuple[Any, ...]] = []
        self.posts: list[str] = []
        self.copies: defaultdict[tuple[int, str], Shown] = defaultdict(Shown)
        self.heard: defaultdict[tuple[int, str], list[str]] = defaultdict(list)  # posts that were published
        self.witnesses: list[Witness] = []
        self.away: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        for what in range(POSTS):
            await self.act(("publish", what % PEOPLE, 0))
            self.ledger.topics[f"post:{self.posts[what]}"] = ("post", what)
        for who, what in PAIRS:
            await self.act(("comment", who, what))
        for who, other in FOLLOWS:
            await self.act(("follow", who, (other - who - 1) % PEOPLE))
        for who, member in enumerate(self.people):
            witness = Witness(self.urls, member.token, lambda: self.begun, self._may(who), seed=who)
            for topic in self.ledger.topics:
                witness.keep(topic, self._applier(who, topic), self._fetcher(who, topic))
            witness.keep("home", self._applier(who, "home"))
            witness.start()
            self.witnesses.append(witness)
        await until(lambda: all(witness.settled for witness in self.witnesses))

    def _may(self, who: int) -> Callable[[str], bool]:
        return lambda topic: not self.plain.why_not(who, self.ledger.topics[topic])

    # what a client holds

    def _fetcher(self, who: int, topic: str) -> Callable[[], Awaitable[str]]:
        async def fetch() -> str:
            read, cursor = await self._read(who, topic)
            if read is None:
                raise Gone
            self.copies[who, topic] = read
            return cursor

        return fetch

    async def _read(self, who: int, topic: str) -> tuple[Shown | None, str]:
        """What HTTP shows of it, None when that is nothing; and the lowest cursor of the answers."""
        kind, _, thing = topic.partition(":")
        found: dict[str, str] = {}
        bodies: list[Any] = []
        cursors: list[str] = []
        comments = f"/posts/{thing}/comments?limit=100"
        paths = [f"/users/{thing}"] if kind == "user" else [f"/posts/{thing}", comments]
        for path in paths:
            answer = await self.people[who].ask("GET", path)
            cursors.append(answer.headers["Potluck-Cursor"])
            if answer.status_code != 200:
                return None, min(cursors)
            bodies.append(answer.json())
            for said in bodies[-1].get("items", ()):
                found[said["id"]] = said["content"]
                if said["reply_count"]:
                    paths.append(f"{comments}&parent_id={said['id']}")
        thing = bodies[0]
        if kind == "user":
            return Shown(thing["counters"] | {"privacy_level": thing["privacy_level"]}), min(cursors)
        return Shown(thing["counters"], thing["content"], found), min(cursors)

    def _applier(self, who: int, topic: str) -> Callable[[dict[str, Any]], None]:
        def apply(frame: dict[str, Any]) -> None:
            copy, data = self.copies[who, topic], frame["data"]
            match frame["type"]:
                case "post.counters" | "user.counters":
                    copy.state |= data
                case "profile.changed":
                    copy.state["privacy_level"] = data["privacy_level"]
                case "post.edited":
                    copy.words = data["content"]
                case "comment.created":
                    copy.comments[data["comment"]["id"]] = data["comment"]["content"]
                case "comment.edited" if data["id"] in copy.comments:
                    copy.comments[data["id"]] = data["content"]
                case "comment.deleted":
                    for each in data["ids"]:
                        copy.comments.pop(each, None)
                case "post.published":
                    self.heard[who, topic].append(data["post"]["id"])
                case _:
                    pass

        return apply

    def _truth(self, who: int, topic: str) -> Shown | None:
        plain, thing = self.plain, self.ledger.topics[topic]
        if plain.why_not(who, thing):
            return None
        if thing[0] == "user":
            return Shown(plain.state(thing, "user.counters") | plain.state(thing, "profile.changed"))
        number = thing[1]
        return Shown(plain.state(thing, "post.counters"), plain.words[number], plain.comments(who, number))

    # what people do

    async def act(self, act: Act) -> None:
        name, who, number = act
        match name:
            case "wait":
                await asyncio.sleep(0.1)
            case "cut" | "cut without ticket":
                if name != "cut":
                    self.witnesses[who].contract.ticket = None
                away = self.witnesses[who].away(0.02 * (1 + number))
                self.away.append(asyncio.create_task(away))  # others act meanwhile
            case _:
                self.begun += 1
                aimed = self.aim(*act)
                self.acts.append((self.begun, *aimed))
                await self._do(*aimed)
                self.ledger.moments.append(self.plain.moment())
                for witness in self.witnesses:
                    witness.come_back()

    def aim(self, name: str, who: int, number: int) -> tuple[str, int, int, int]:
        """(name, who, to whom, number): what ends or answers something is aimed at it, if there is anything."""
        plain, other = self.plain, (who + 1 + number % (PEOPLE - 1)) % PEOPLE
        active = [pair for pair, status in plain.follows.items() if status == "active"]
        pending = [pair for pair, status in plain.follows.items() if status == "pending"]
        pairs = {
            "unblock": sorted(plain.blocks),
            "unmute": sorted(plain.mutes),
            "unfollow": active,
            "drop": _swapped(active),
            "accept": _swapped(pending),
            "reject": _swapped(pending),
        }.get(name, [])
        if pairs := [pair for pair in pairs if pair[0] == who] or pairs:
            who, other = pairs[number % len(pairs)]
        if name in {"rewrite", "delete", *VISIBLE_TO} and number < len(PAIRS) - 1:
            who = plain.authors[number % POSTS]
        return name, who, other, number

    async def _do(self, name: str, who: int, other: int, number: int) -> None:
        plain, what = self.plain, number % POSTS
        post = f"/posts/{self.posts[what]}" if self.posts else ""
        match name:
            case "like" | "unlike":
                method = "PUT" if name == "like" else "DELETE"
                await self._ask(who, method, f"{post}/like", lambda: getattr(plain, name)(who, what))
            case "comment":
                await self._say(who, what, None)
            case "reply":
                above = list(plain.said)[number]
                await self._say(who, plain.said[above].post, above)
            case "edit":
                comment, words = self._comment(number), f"edited {self.begun}"
                self.ledger.words[words] = (self.begun, comment)
                may = partial(plain.edit, who, comment, words)
                await self._ask(who, "PATCH", f"/comments/{comment}", may, {"content": words})
            case "uncomment":
                comment = self._comment(number)
                if await self._ask(who, "DELETE", f"/comments/{comment}", partial(plain.unsay, who, comment)):
                    self.ledger.gone[comment] = self.begun
            case "publish":
                await self._publish(who, PUBLISHED_TO[number])
            case "rewrite" | "delete" | "show" | "show followers" | "hide":
                await self._change(name, who, what)
            case "private" | "public":
                change = plain.private.add if name == "private" else plain.private.discard
                body = {"privacy_level": name}
                await self._ask(who, "PATCH", f"/users/{self.people[who].id}", lambda: change(who) is None, body)
            case _:
                method, path = BETWEEN[name]
                act = partial(getattr(plain, name), who, other)
                await self._ask(who, method, path.format(self.people[other].id), act)

    def _comment(self, number: int) -> str:
        """One of the first, or of the last."""
        return list(self.plain.said)[number if number % 2 else -1 - number]

    async def _ask(self, who: int, method: str, path: str, act: Callable[[], bool], body: Any = None) -> bool:
        """Do it, in the product and then in the model; both must agree on whether it may be done."""
        answer = await self.people[who].ask(method, path, body)
        may = act()
        assert answer.is_success is may, f"{who} {method} {path}: {answer.status_code} {answer.text}"
        return may

    async def _say(self, who: int, what: int, above: str | None) -> None:
        words, plain = f"said {self.begun}", self.plain
        body = {"content": words, "parent_id": above}
        answer = await self.people[who].ask("POST", f"/posts/{self.posts[what]}/comments", body)
        assert answer.is_success is plain.may_say(who, what, above), answer.text
        if answer.is_success:
            comment = answer.json()["id"]
            plain.say(comment, Said(what, who, above), words)
            self.ledger.words[words] = (self.begun, comment)

    async def _publish(self, who: int, visible_to: str) -> None:
        words = f"posted {self.begun}"
        made = await self.people[who].do("POST", "/posts", {"content": words, "visibility": visible_to})
        number = self.plain.publish(who, visible_to, words)
        self.posts.append(made["id"])
        self.ledger.posts[made["id"]] = Published(self.begun, number, who, *self.plain.told_of(number))

    async def _change(self, name: str, who: int, what: int) -> None:
        plain, post, words = self.plain, self.posts[what], f"rewritten {self.begun}"
        may = partial(plain.changes, who, what)
        match name:
            case "rewrite":
                self.ledger.rewritten[words] = (self.begun, ("post", what))
                if await self._ask(who, "PATCH", f"/posts/{post}", may, {"content": words}):
                    plain.words[what] = words
            case "delete":
                if await self._ask(who, "DELETE", f"/posts/{post}", may):
                    plain.deleted.add(what)
                    self.ledger.gone[post] = self.begun
            case _:
                if await self._ask(who, "PATCH", f"/posts/{post}", may, {"visibility": VISIBLE_TO[name]}):
                    plain.visible_to[what] = VISIBLE_TO[name]

    # what must have come of it

    async def end(self) -> None:
        """HTTP shows what is true, every copy comes to it, and nobody was told what they should not know."""
        await asyncio.gather(*self.away)
        everything = [(who, topic) for who in range(PEOPLE) for topic in self.ledger.topics]
        truth = {each: self._truth(*each) for each in everything}

        async def not_shown() -> list[Any]:
            read = [(each, await self._read(*each)) for each in everything]
            return [(each, shown, truth[each]) for each, (shown, _) in read if shown != truth[each]]

        async def not_held() -> list[Any]:
            for witness in self.witnesses:
                witness.come_back()
            wrong = [each for each in everything if self._held(*each) != truth[each]]
            return [(self._held(*each), truth[each], *each, self.witnesses[each[0]].story(each[1])) for each in wrong]

        async def not_heard() -> list[Any]:
            return [(who, topic, post) for who, topic in self._hearing() for post in self._due(who, topic)]

        for wrong in (not_shown, not_held, not_heard):
            await until_none(wrong)
        wrong = [f"{who}: {each}" for who in range(PEOPLE) for each in self._misdeeds(who)]
        wrong += differently([each for witness in self.witnesses for each in witness.events])
        assert not wrong, "\n".join(wrong)

    def _held(self, who: int, topic: str) -> Shown | None:
        return None if self.witnesses[who].removed(topic) else self.copies[who, topic]

    def _hearing(self) -> list[tuple[int, str]]:
        users = [topic for topic, (kind, _) in self.ledger.topics.items() if kind == "user"]
        return [(who, topic) for who in range(PEOPLE) for topic in ("home", *users)]

    def _due(self, who: int, topic: str) -> list[str]:
        """What they should have been told was published, and were not."""
        since = self.witnesses[who].listens_since(topic)
        author = None if topic == "home" else self.ledger.topics[topic][1]
        posts = [post for post, made in self.ledger.posts.items() if author in {None, made.author}]
        heard = self.heard[who, topic]
        return [each for each in posts if each not in heard and due(self.ledger, who, each, author is None, since)]

    def _misdeeds(self, who: int) -> list[str]:
        witness = self.witnesses[who]
        found = [*witness.misfits, *misdeeds(self.ledger, who, witness.told)]
        found += [f"{post} twice" for each in self._hearing() for post in twice(self.heard[each])]
        found += [f"{witness.contract.seen.gaps} gaps"] if witness.contract.seen.gaps else []
        return found + [f"closed with {code}" for code in witness.contract.closes if code != 1006]


def _swapped(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(other, one) for one, other in pairs]


def twice(posts: list[str]) -> list[str]:
    return [post for post in set(posts) if posts.count(post) > 1]


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not done():
            await asyncio.sleep(0.01)


async def until_none(wrong: Callable[[], Awaitable[list[Any]]]) -> None:
    give_up = time.monotonic() + 15
    while found := await wrong():
        if time.monotonic() > give_up:
            pytest.fail(f"{wrong.__name__}: {found}")
        await asyncio.sleep(0.02)


def differently(frames: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Events of which not everybody was told the same."""
    first: dict[str, Any] = {}
    return [f"{first[key]} and {data}" for key, data in frames if first.setdefault(key, data) != data]


@settings(
    max_examples=RUNS,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=RUNS < 100,
    phases=[Phase.explicit, Phase.generate],  # real processes: shrinking would take hours, and often not fail again
    print_blob=True,
)
@given(acts)
@example(BELOW)
@example(HELD)
@example(FOLLOWING)
def test_what_a_client_holds_is_what_the_database_says(both: tuple[Potluck, Potluck], sequence: list[Act]) -> None:
    asyncio.run(live_through([each.url for each in both], sequence))


async def live_through(urls: list[str], sequence: list[Act]) -> None:
    async with members(PEOPLE, *urls) as people:
        run = Run(urls, people)
        try:
            await run.begin()
            for act in sequence:
                await run.act(act)
            await run.end()
        except BaseException as wrong:
            wrong.add_note(f"{run.acts}")
            raise
        finally:
            for away in run.away:
                away.cancel()
            await asyncio.gather(*(witness.stop() for witness in run.witnesses))
