"""Whatever people do, and however often they lose their connection: what a client holds is what the database says.

The model is plain Python and knows nothing of the product: who follows and blocks whom, what is public. It judges
every frame that a client was sent. POTLUCK_MODEL_RUNS sets the number of runs.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from loadtests.mirror import Mirror
from tests.journeys.community import Member, members, two_processes
from tests.journeys.running import Potluck

pytestmark = [pytest.mark.xdist_group("model"), pytest.mark.timeout(7200)]

RUNS = int(os.environ.get("POTLUCK_MODEL_RUNS", "12"))
PEOPLE, POSTS = 3, 2
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
    "block",
    "hide",
    "show",
    "delete",
    "publish",
    "cut",
    "cut without ticket",
    "wait",
]
Act = tuple[str, int, int]
acts = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, PEOPLE - 1), st.integers(0, 5)), min_size=10, max_size=40
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Potluck, Potluck]]:
    with two_processes(tmp_path_factory.mktemp("model")) as processes:
        yield processes


class Model:
    """Who may see what, as the rules say it."""

    def __init__(self) -> None:
        self.follows: set[tuple[int, int]] = set()
        self.blocks: set[tuple[int, int]] = set()
        self.private: set[int] = set()
        self.author = dict(enumerate(i % PEOPLE for i in range(POSTS)))
        self.hidden: set[int] = set()
        self.deleted: set[int] = set()

    def apart(self, one: int, other: int) -> bool:
        return (one, other) in self.blocks or (other, one) in self.blocks

    def sees(self, viewer: int, post: int) -> bool:
        author = self.author[post]
        if post in self.deleted or self.apart(viewer, author):
            return False
        if viewer == author:
            return True
        return post not in self.hidden and (author not in self.private or (viewer, author) in self.follows)


class Copy:
    """What one client holds, and every comment and post that it was told of as it happened."""

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
        self.comments: list[tuple[str, int, int]] = []  # id, post, author
        self.may_hear: dict[str, set[int]] = {}  # comment -> who may be told of it as it happens
        self.must_hear: dict[str, set[int]] = {}  # post -> who follows its author without a break
        self.may_hear_at_home: dict[str, set[int]] = {}
        self.shown_again: set[int] = set()  # who was shown what had been withheld: they begin anew
        self.published: dict[str, int] = {}  # post -> author
        self.copies = [Copy() for _ in people]
        self.mirrors: list[Mirror] = []

    async def begin(self) -> None:
        for i in range(POSTS):
            self.posts.append((await self.people[i % PEOPLE].do("POST", "/posts", {"content": f"{i}"}))["id"])
            self.may_hear_at_home[self.posts[-1]] = set(range(PEOPLE))  # it may still be on its way
        for who in range(PEOPLE):
            mirror = Mirror(self.urls, self.people[who].token, seed=who)
            for what in range(POSTS):
                mirror.follow(f"post:{self.posts[what]}", self._fetcher(who, what), self._applier(who, what))
            mirror.follow("home", _nothing, self._home(who))
            mirror.start()
            self.mirrors.append(mirror)
        await until(lambda: all(mirror.settled for mirror in self.mirrors))

    def _fetcher(self, who: int, what: int) -> Callable[[], Awaitable[None]]:
        async def fetch() -> None:
            path = f"/posts/{self.posts[what]}"
            post = await self.people[who].ask("GET", path)
            said = await self.people[who].ask("GET", f"{path}/comments?limit=100")
            if post.status_code != 200 or said.status_code != 200:
                raise OSError(post.status_code)
            self.copies[who].likes[what] = post.json()["counters"]["likes"]
            self.copies[who].comments[what] = {each["id"]: each["content"] for each in said.json()["items"]}

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
                    copy.told.add(data["comment"]["id"])
                case "comment.edited" if data["id"] in comments:
                    comments[data["id"]] = data["content"]
                case "comment.deleted":
                    for each in data["ids"]:
                        comments.pop(each, None)
                case _:
                    pass

        return apply

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
                answer = await me.ask("POST", f"{post}/comments", {"content": "said"})
                assert (answer.status_code == 201) is model.sees(who, what), answer.text
                if answer.status_code == 201:
                    said = answer.json()["id"]
                    self.comments.append((said, what, who))
                    self.may_hear[said] = {
                        each for each in range(PEOPLE) if model.sees(each, what) and not model.apart(each, who)
                    }
            case "edit" | "uncomment" if self.comments:
                said = self.comments[number % len(self.comments)][0]
                body = {"content": f"edited {number}"} if name == "edit" else None
                await me.ask("PATCH" if name == "edit" else "DELETE", f"/comments/{said}", body)
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
                else:
                    model.blocks.discard((who, other))
                    self.shown_again |= {who, other}
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
                await self.mirrors[who].away(0.02)
            case "cut without ticket":
                self.mirrors[who].forget_ticket()
                await self.mirrors[who].away(0.02)
            case "wait":
                await asyncio.sleep(0.1)
            case _:
                pass

    def _posts_of(self, author: int) -> list[str]:
        return [post for post, who in self.published.items() if who == author]

    def _heard_no_more(self, follower: int, author: int) -> None:
        for post in self._posts_of(author):
            self.must_hear[post].discard(follower)

    async def end(self) -> None:
        """Everything that was committed arrives, and then every copy is what HTTP shows its owner."""
        pairs = [(who, what) for who in range(PEOPLE) for what in range(POSTS)]
        expected = [(who, what, await self._truth(who, what)) for who, what in pairs]
        try:
            await until(lambda: all(self._true(*each) for each in expected))
            await until(lambda: all(self._home_true(who) for who in range(PEOPLE)))
        except TimeoutError:
            pytest.fail(f"a copy did not come true: {[vars(copy) for copy in self.copies]} of {expected}")
        for who, copy in enumerate(self.copies):
            assert all(who in self.may_hear[said] for said in copy.told), "told of a comment that was not for them"
            assert all(who in self.may_hear_at_home[post] for post in copy.home), "told of a post that was not for them"
            assert len(copy.home) == len(set(copy.home)), "told twice"
        for who, mirror in enumerate(self.mirrors):
            assert mirror.gaps == 0
            if who not in self.shown_again:
                assert "reset" not in mirror.outcomes
                assert mirror.resets == 0

    async def _truth(self, who: int, what: int) -> tuple[int, dict[str, str]] | None:
        path = f"/posts/{self.posts[what]}"
        post = await self.people[who].ask("GET", path)
        assert (post.status_code == 200) is self.model.sees(who, what)
        if post.status_code != 200:
            return None
        await asyncio.sleep(0.05)
        said = (await self.people[who].do("GET", f"{path}/comments?limit=100"))["items"]
        likes = (await self.people[who].do("GET", path))["counters"]["likes"]
        return likes, {each["id"]: each["content"] for each in said}

    def _true(self, who: int, what: int, expected: tuple[int, dict[str, str]] | None) -> bool:
        removed = self.mirrors[who].topics[f"post:{self.posts[what]}"].removed
        if removed is not None or expected is None:
            return removed is not None
        copy, author_apart = self.copies[who], self.model.apart
        authors = {said: author for said, _, author in self.comments}
        shown = {
            said: text for said, text in copy.comments.get(what, {}).items() if not author_apart(who, authors[said])
        }
        return (copy.likes.get(what), shown) == expected

    def _home_true(self, who: int) -> bool:
        return all(who not in hearers or post in self.copies[who].home for post, hearers in self.must_hear.items())


async def _nothing() -> None:
    """Home is told as it happens; what was before is another matter."""


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
    phases=[Phase.generate],  # real processes: shrinking would take hours, and often not fail again
    print_blob=True,
)
@given(acts)
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
            await asyncio.gather(*(mirror.stop() for mirror in run.mirrors))
