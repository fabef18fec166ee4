"""Whatever people do, and however often they lose their connection: what a client holds is what the database says.

The model is plain Python and knows nothing of the product: who follows and blocks whom, what is public, who said what
below whom. It judges every frame that a client was sent. POTLUCK_MODEL_RUNS sets the number of runs.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from loadtests.client import Client, only
from loadtests.listeners import Copy as Followed
from loadtests.listeners import Listener
from loadtests.running import Potluck
from tests.journeys.community import Member, members, two_processes

pytestmark = [pytest.mark.xdist_group("model"), pytest.mark.timeout(7200)]

RUNS = int(os.environ.get("POTLUCK_MODEL_RUNS", "12"))
PEOPLE, POSTS = 3, 2
PAIRS = [(who, what) for who in range(PEOPLE) for what in range(POSTS)]
_SOCIAL = [
    "like",
    "unlike",
    "comment",
    "edit",
    "uncomment",
    "follow",
    "unfollow",
    "block",
    "unblock",
    "private",
    "public",
]
ACTS = [
    *_SOCIAL,
    "comment",
    "comment",
    "reply",
    "reply",
    "reply",
    "block",
    "hide",
    "show",
    "delete",
    "publish",
    "cut",
    "cut without ticket",
    "wait",
]
GRANTS = {"unblock", "public", "show", "follow"}
Act = tuple[str, int, int]
acts = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, PEOPLE - 1), st.integers(0, len(PAIRS) - 1)),
    min_size=10,
    max_size=40,
)

# Once missed: what is said below somebody who is apart; and a change of access after what was withheld.
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


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Potluck, Potluck]]:
    with two_processes(tmp_path_factory.mktemp("model")) as processes:
        yield processes


class Said(NamedTuple):
    """A comment on a post, or a reply below one."""

    post: int
    author: int
    below: str | None


class Model:
    """Who may see what, as the rules say it."""

    def __init__(self) -> None:
        self.follows: set[tuple[int, int]] = set()
        self.blocks: set[tuple[int, int]] = set()
        self.private: set[int] = set()
        self.author = dict(enumerate(i % PEOPLE for i in range(POSTS)))
        self.hidden: set[int] = set()
        self.deleted: set[int] = set()
        self.said: dict[str, Said] = {}
        self.unsaid: set[str] = set()

    def apart(self, one: int, other: int) -> bool:
        return (one, other) in self.blocks or (other, one) in self.blocks

    def sees(self, viewer: int, post: int) -> bool:
        author = self.author[post]
        if post in self.deleted or self.apart(viewer, author):
            return False
        if viewer == author:
            return True
        return post not in self.hidden and (author not in self.private or (viewer, author) in self.follows)

    def hides(self, viewer: int, comment: str) -> bool:
        """What somebody says who is apart, and whatever is below it."""
        said = self.said[comment]
        return self.apart(viewer, said.author) or (said.below is not None and self.hides(viewer, said.below))

    def reads(self, viewer: int, comment: str) -> bool:
        return self.sees(viewer, self.said[comment].post) and not self.hides(viewer, comment)

    def finds(self, viewer: int, comment: str) -> bool:
        return comment not in self.unsaid and self.reads(viewer, comment)

    def may_reply(self, viewer: int, comment: str) -> bool:
        return self.finds(viewer, comment) and self.said[comment].below is None

    def unsay(self, comment: str) -> None:
        self.unsaid |= {each for each, said in self.said.items() if comment in {each, said.below}}


class Copy:
    """What one client holds, and everything that it was told of as it happened."""

    def __init__(self) -> None:
        self.likes: dict[int, int] = {}
        self.comments: dict[int, dict[str, str]] = {}
        self.told: set[str] = set()
        self.home: list[str] = []


class Run:
    """One sequence of acts on fresh people."""

    def __init__(self, urls: list[str], people: list[Member]) -> None:
        self.urls = urls
        self.people = people
        self.model = Model()
        self.posts: list[str] = []
        self.about: dict[str, str] = {}  # what was said of a comment, each time in other words -> comment
        self.may_hear: dict[str, set[int]] = {}  # these words -> who may be told of it as it happens
        self.must_hear: dict[str, set[int]] = {}  # post -> who follows its author without a break
        self.may_hear_at_home: dict[str, set[int]] = {}
        self.turned: set[int] = set()  # from whom somebody was hidden, or shown to again: they begin anew
        self.published: dict[str, int] = {}  # post -> author
        self.copies = [Copy() for _ in people]
        self.clients: list[Client] = []
        self.followed: list[list[Followed]] = []

    async def begin(self) -> None:
        for i in range(POSTS):
            self.posts.append((await self.people[i % PEOPLE].do("POST", "/posts", {"content": f"{i}"}))["id"])
            self.may_hear_at_home[self.posts[-1]] = set(range(PEOPLE))  # it may still be on its way
        for who, what in PAIRS:
            await self._say(who, what, None)
        for who in range(PEOPLE):
            client = Client(self.urls, only(self.people[who].token), seed=who)
            posts = [
                Followed(f"post:{self.posts[what]}", self._fetcher(who, what), self._applier(who, what))
                for what in range(POSTS)
            ]
            for each in (*posts, Listener("home", self._home(who))):
                client.add(each)
            client.start()
            self.followed.append(posts)
            self.clients.append(client)
        await until(lambda: all(client.settled for client in self.clients))

    def _fetcher(self, who: int, what: int) -> Callable[[], Awaitable[str]]:
        async def fetch() -> str:
            path = f"/posts/{self.posts[what]}"
            post = await self.people[who].ask("GET", path)
            said = await self._listed(who, what)
            if post.status_code != 200:
                raise OSError(post.status_code)
            self.copies[who].likes[what] = post.json()["counters"]["likes"]
            self.copies[who].comments[what] = said
            return post.headers["Potluck-Cursor"]

        return fetch

    def _applier(self, who: int, what: int) -> Callable[[dict[str, Any]], None]:
        def apply(frame: dict[str, Any]) -> None:
            copy, data = self.copies[who], frame["data"]
            comments = copy.comments.setdefault(what, {})
            match frame["type"]:
                case "post.counters":
                    copy.likes[what] = data["likes"]
                case "comment.created":
                    comments[data["comment"]["id"]] = data["comment"]["content"]
                    copy.told.add(data["comment"]["content"])
                case "comment.edited":
                    copy.told.add(data["content"])
                    if data["id"] in comments:
                        comments[data["id"]] = data["content"]
                case "comment.deleted":
                    copy.told.add(f"no {data['id']}")
                    for each in data["ids"]:
                        comments.pop(each, None)
                case _:
                    pass

        return apply

    async def _listed(self, who: int, what: int) -> dict[str, str]:
        """Every comment and reply that HTTP shows somebody. Raises OSError when it shows none."""
        found: dict[str, str] = {}
        lists = [f"/posts/{self.posts[what]}/comments?limit=100"]
        for each in lists:
            answer = await self.people[who].ask("GET", each)
            if answer.status_code != 200:
                raise OSError(answer.status_code)
            for said in answer.json()["items"]:
                found[said["id"]] = said["content"]
                if said["reply_count"]:
                    lists.append(f"{lists[0]}&parent_id={said['id']}")
        return found

    def _home(self, who: int) -> Callable[[dict[str, Any]], None]:
        return lambda frame: self.copies[who].home.append(frame["data"]["post"]["id"])

    async def act(self, act: Act) -> None:
        name, who, number = act
        me, other, what = self.people[who], number % PEOPLE, number % POSTS
        model, post = self.model, f"/posts/{self.posts[number % POSTS]}"
        match name:
            case "like" | "unlike":
                await me.ask("PUT" if name == "like" else "DELETE", f"{post}/like")
            case "comment":
                await self._say(who, what, None)
            case "reply":
                above = list(model.said)[number]
                await self._say(who, model.said[above].post, above)
            case "edit" | "uncomment":
                await self._change(name, who, list(model.said)[-1 - number])
            case "follow" | "unfollow" if other != who:
                answer = await me.ask("PUT" if name == "follow" else "DELETE", f"/users/{self.people[other].id}/follow")
                active = answer.status_code == 200 and answer.json()["status"] == "active"
                (model.follows.add if active else model.follows.discard)((who, other))
                if not active:
                    self._heard_no_more(who, other)
                else:
                    for theirs in self._posts_of(other):
                        self.may_hear_at_home[theirs].add(who)
            case "block" | "unblock" if other != who:
                path = f"/users/{self.people[other].id}/block"
                answer = await me.ask("PUT" if name == "block" else "DELETE", path)
                if answer.status_code == 404:  # blocked by them: they are not to be seen, nor to be blocked
                    assert (other, who) in model.blocks
                elif name == "block":
                    model.blocks.add((who, other))
                    model.follows -= {(who, other), (other, who)}
                    self._heard_no_more(who, other)
                    self._heard_no_more(other, who)
                    self.turned |= {who, other}
                else:
                    model.blocks.discard((who, other))
                    self.turned |= {who, other}
            case "private" | "public":
                await me.do("PATCH", f"/users/{me.id}", {"privacy_level": name})
                (model.private.add if name == "private" else model.private.discard)(who)
            case "hide" | "show" if model.author[what] == who and what not in model.deleted:
                await me.do("PATCH", post, {"visibility": "private" if name == "hide" else "public"})
                (model.hidden.add if name == "hide" else model.hidden.discard)(what)
            case "delete" if model.author[what] == who and what not in model.deleted:
                await me.do("DELETE", post)
                model.deleted.add(what)
            case "publish":
                made = (await me.do("POST", "/posts", {"content": "news"}))["id"]
                followers = {each for each in range(PEOPLE) if (each, who) in model.follows}
                self.must_hear[made], self.may_hear_at_home[made] = set(followers), set(followers)
                self.published[made] = who
            case "cut":
                await self.clients[who].away(0.02)
            case "cut without ticket":
                self.clients[who].contract.ticket = None
                await self.clients[who].away(0.02)
            case "wait":
                await asyncio.sleep(0.1)
            case _:
                pass
        if name in GRANTS:  # who is let in before a process hears that they were not may be told of what was meanwhile
            for words, comment in self.about.items():
                self.may_hear[words] |= self._readers(comment)

    async def _say(self, who: int, what: int, above: str | None) -> None:
        words, model = f"said {len(self.about)}", self.model
        may = model.sees(who, what) and (above is None or model.may_reply(who, above))
        body = {"content": words, "parent_id": above}
        answer = await self.people[who].ask("POST", f"/posts/{self.posts[what]}/comments", body)
        assert (answer.status_code == 201) is may, answer.text
        if may:
            comment = answer.json()["id"]
            model.said[comment] = Said(what, who, above)
            self._heard(words, comment)

    async def _change(self, name: str, who: int, comment: str) -> None:
        said, words = self.model.said[comment], f"edited {len(self.about)}"
        allowed = {said.author} if name == "edit" else {said.author, self.model.author[said.post]}
        may = self.model.finds(who, comment) and who in allowed
        how = ("PATCH", {"content": words}) if name == "edit" else ("DELETE", None)
        answer = await self.people[who].ask(how[0], f"/comments/{comment}", how[1])
        assert answer.is_success is may, answer.text
        if may and name == "edit":
            self._heard(words, comment)
        elif may:
            self._heard(f"no {comment}", comment)
            self.model.unsay(comment)

    def _heard(self, words: str, comment: str) -> None:
        self.about[words], self.may_hear[words] = comment, self._readers(comment)

    def _readers(self, comment: str) -> set[int]:
        return {each for each in range(PEOPLE) if self.model.reads(each, comment)}

    def _posts_of(self, author: int) -> list[str]:
        return [post for post, who in self.published.items() if who == author]

    def _heard_no_more(self, follower: int, author: int) -> None:
        for post in self._posts_of(author):
            self.must_hear[post].discard(follower)

    async def end(self) -> None:
        """Everything that was committed arrives, and then every copy is what HTTP shows its owner."""
        expected = [(who, what, await self._truth(who, what)) for who, what in PAIRS]
        try:
            await until(lambda: all(self._true(*each) for each in expected))
            await until(lambda: all(self._home_true(who) for who in range(PEOPLE)))
        except TimeoutError:
            pytest.fail(f"a copy did not come true: {[vars(copy) for copy in self.copies]} of {expected}")
        for who, copy in enumerate(self.copies):
            assert all(who in self.may_hear[words] for words in copy.told), "told of a comment that was not for them"
            assert all(who in self.may_hear_at_home[post] for post in copy.home), "told of a post that was not for them"
            assert len(copy.home) == len(set(copy.home)), "told twice"
        for who, client in enumerate(self.clients):
            assert client.contract.seen.gaps == 0
            assert who in self.turned or client.contract.seen.resets == 0

    async def _truth(self, who: int, what: int) -> tuple[int, dict[str, str]] | None:
        path = f"/posts/{self.posts[what]}"
        post = await self.people[who].ask("GET", path)
        assert (post.status_code == 200) is self.model.sees(who, what)
        if post.status_code != 200:
            return None
        await asyncio.sleep(0.05)
        said = await self._listed(who, what)
        model, likes = self.model, (await self.people[who].do("GET", path))["counters"]["likes"]
        assert said.keys() == {each for each in model.said if model.said[each].post == what and model.finds(who, each)}
        return likes, said

    def _true(self, who: int, what: int, expected: tuple[int, dict[str, str]] | None) -> bool:
        removed = self.followed[who][what].removed
        if removed is not None or expected is None:
            return removed is not None
        copy, comments = self.copies[who], self.copies[who].comments.get(what, {})
        shown = {each: text for each, text in comments.items() if not self.model.hides(who, each)}
        return (copy.likes.get(what), shown) == expected

    def _home_true(self, who: int) -> bool:
        return all(who not in hearers or post in self.copies[who].home for post, hearers in self.must_hear.items())


async def until(done: Callable[[], bool], seconds: float = 15.0) -> None:
    give_up = time.monotonic() + seconds
    while not done():
        if time.monotonic() > give_up:
            raise TimeoutError
        await asyncio.sleep(0.01)


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
        finally:
            await asyncio.gather(*(client.stop() for client in run.clients))
