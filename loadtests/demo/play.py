"""How the demo goes: everybody signs up, follows, posts and likes; then the check, or a life without end."""

import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - it has none
import msgspec
import uvloop
from rich.console import Console
from rich.live import Live

from loadtests.demo.boards import board_names, week_of
from loadtests.demo.checks import Findings, check_boards, check_http, check_sockets
from loadtests.demo.city import Place, ids, opinions
from loadtests.demo.model import les_miserables, number_of_posts, rounds
from loadtests.demo.people import Person
from loadtests.demo.table import table
from loadtests.http import percentiles_ms
from loadtests.running import Potluck, words_of
from server.binaries import CannotStart

SETTLED_S = 20.0
TOLD = 100  # faults, in words
INTERRUPTED = 130
BOARDS_EACH = 7  # of so many people one keeps boards
PAUSE_S = 4.0  # between two acts of a person, on average
ENVIRONMENT = {
    "POTLUCK_RATE_LIMITS": "off",  # everybody comes from one address
    "POTLUCK_PASSWORD_MEMORY_KIB": "64",  # cheap to register, and nobody's to break
    "POTLUCK_PASSWORD_TIME_COST": "1",
    "POTLUCK_ACCESS_TOKEN_S": "604800",
    "POTLUCK_DRAIN_S": "0.2",
}


class Report(msgspec.Struct):
    """What `--once` prints. `follows`, `likes` and `rankings` are as HTTP tells them, `boards` are those that
    somebody keeps; the last three say whether all is
    well."""

    people: int
    follows: int
    likes: int
    rankings: int
    boards: int
    events: int
    seconds: float
    latency_ms: dict[str, float]
    reconnects: int
    resets: int
    gaps: int
    lost: int
    duplicated: int
    wrong: int


def main(*, once: bool, kill: bool, data: Path | None) -> int:
    """Play; the exit code. Raises CannotStart."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # while there is no loop
    with _stage(data) as potluck:
        _say(f"{potluck.url}, without rate limits and with cheap passwords; data in {potluck.data}")
        try:
            return uvloop.run(_until_stopped(play_once(potluck, kill=kill) if once else live_on(potluck)))
        except asyncio.CancelledError:
            _say("stopped")
            return INTERRUPTED if once else 0


async def _until_stopped(playing: Coroutine[None, None, int]) -> int:
    """Cancelled by the first signal; asyncio's own way to do that raises at any place under uvloop."""
    task = asyncio.create_task(playing)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task


@contextmanager
def _stage(data: Path | None) -> Generator[Potluck]:
    """A server of two processes, on data of its own."""
    if data is not None and data.exists() and any(data.iterdir()):
        raise CannotStart(f"{data} is not empty: the demo begins with nobody")
    with tempfile.TemporaryDirectory(prefix="potluck-demo-", ignore_cleanup_errors=True) as folder:
        place = data or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        potluck = Potluck(place / "data", "--workers", "2", **ENVIRONMENT)
        try:
            if not potluck.url.startswith("http"):
                raise CannotStart(f"the server did not start: {potluck.errors.read_text()}")
            yield potluck
        finally:
            potluck.interrupt()


@asynccontextmanager
async def _everybody(potluck: Potluck) -> AsyncGenerator[Sequence[Person]]:
    """All people, registered and with open sockets."""
    people = [Person(name, friends, potluck.url) for name, friends in les_miserables().items()]
    try:
        await _each(people, Person.register)
        await _until(lambda: all(person.client.settled for person in people), "open sockets")
        yield people
    finally:
        await _each(people, Person.leave)


async def play_once(potluck: Potluck, *, kill: bool) -> int:
    """From the first sign-up to the verdict; 1 when something is lost, duplicated or wrong."""
    begun = time.monotonic()
    async with _everybody(potluck) as people:
        places = await _gather(people)
        await asyncio.gather(
            _like(people, (lambda: _kill_a_server(potluck)) if kill else (lambda: None)), _dine(people, places)
        )
        database = await asyncpg.connect(potluck.database_url())
        await _settled(lambda: check_sockets(people, places, database))
        await _each(people, _read)
        findings = await _settled(lambda: check_sockets(people, places, database))
        await database.close()
        boards = await _settled(lambda: check_boards(people, places))
        findings.wrong += boards.wrong
        await check_http(people, places, findings)
    for fault in findings.faults[:TOLD]:
        _say(fault)
    report = _report(people, findings, boards.boards, time.monotonic() - begun)
    print(msgspec.json.encode(report).decode(), flush=True)
    return 1 if findings.faults else 0


async def live_on(potluck: Potluck) -> int:
    """At the pace of people, until Ctrl-C."""
    console = Console()
    async with _everybody(potluck) as people:
        with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
            async with asyncio.TaskGroup() as living:
                living.create_task(_show(people, live, potluck.url))
                places = await _gather(people)
                for person in people:
                    person.delays_s.clear()  # of the rush
                    living.create_task(_live(person, people, places))
    return 0


async def _gather(people: Sequence[Person]) -> Sequence[Place]:
    """Follow, and then post: so every post is for the homes of all friends. And find the city; its kitchens."""
    ids = {person.name: person.id for person in people}

    async def follow(person: Person) -> None:
        for friend in person.friends:
            await person.ask("PUT", f"/users/{ids[friend]}/follow")

    await _each(people, follow)
    await _each(people, lambda person: person.publish(number_of_posts(person.friends)))
    places = await people[0].open_city()
    boards = board_names(week_of(datetime.now(UTC)))
    for number, person in enumerate(people):
        person.watch_city()
        if number % BOARDS_EACH == 0:
            person.watch_boards(boards)
    await _until(lambda: all(person.client.settled for person in people), "the topics of their posts and city")
    return places


async def _dine(people: Sequence[Person], places: Sequence[Place]) -> None:
    """Everybody at once, but one opinion after the other."""
    names = ids(places)

    async def dine(person: Person) -> None:
        for opinion in opinions(person.name):
            await person.rank(names[opinion.dish], opinion.rank)

    await _each(people, dine)


async def _like(people: Sequence[Person], in_the_middle: Callable[[], None]) -> None:
    """Everybody at once, but nobody a second post before all have liked the first: what is shown depends on that."""
    by_name = {person.name: person for person in people}
    plan = list(rounds({person.name: person.friends for person in people}))
    left = sum(len(friends) for likes in plan for friends in likes.values()) // 4

    async def like(person: Person, number: int, friends: Sequence[str]) -> None:
        nonlocal left
        for friend in friends:
            await person.ask("PUT", f"/posts/{by_name[friend].posts[number]}/like")
            left -= 1
            if left == 0:
                in_the_middle()

    for number, likes in enumerate(plan):
        await asyncio.gather(*(like(by_name[name], number, friends) for name, friends in likes.items()))


def _kill_a_server(potluck: Potluck) -> None:
    """Of the server processes, the one with the most sockets."""
    servers = [pid for pid in potluck.family() if "server.process" in words_of(pid)]
    victim = max(servers, key=lambda pid: len([*Path(f"/proc/{pid}/fd").iterdir()]))
    os.kill(victim, signal.SIGKILL)
    _say(f"killed server process {victim}")


async def _read(person: Person) -> None:
    """Some read everything, some the half, some nothing."""
    ids = list(person.rows)
    match len(person.name) % 3:
        case 0:
            person.has_read = len(ids)
            await person.ask("POST", "/notifications/read", {"all": True})
        case 1 if ids:
            half = ids[::2]
            person.has_read = len(half)
            await person.ask("POST", "/notifications/read", {"ids": half})
        case _:
            pass


async def _settled(check: Callable[[], Awaitable[Findings]]) -> Findings:
    """What a check finds when all is told, or too late."""
    give_up = time.monotonic() + SETTLED_S
    while True:
        findings = await check()
        if not findings.faults or time.monotonic() > give_up:
            return findings
        await asyncio.sleep(0.1)


def _report(people: Sequence[Person], findings: Findings, boards: int, seconds: float) -> Report:
    sockets = [person.client.contract for person in people]
    return Report(
        people=len(people),
        follows=findings.follows,
        likes=findings.likes,
        rankings=findings.rankings,
        boards=boards,
        events=sum(person.events for person in people),
        seconds=round(seconds, 1),
        latency_ms=percentiles_ms(list(chain.from_iterable(person.delays_s for person in people))),
        reconnects=sum(len(socket.closes) for socket in sockets),
        resets=sum(socket.seen.resets for socket in sockets),
        gaps=sum(socket.seen.gaps for socket in sockets),
        lost=len(findings.lost),
        duplicated=len(findings.duplicated),
        wrong=len(findings.wrong),
    )


async def _live(person: Person, people: Sequence[Person], places: Sequence[Place]) -> None:
    """Eat out, like, think better of it, comment, and look at what is new now and then."""
    friends = [each for each in people if each.name in person.friends]
    liked: set[str] = set()
    while True:
        await asyncio.sleep(random.expovariate(1 / PAUSE_S))
        post = random.choice(random.choice(friends).posts)
        match random.random():
            case chance if chance < 0.05:
                await person.ask("POST", "/notifications/read", {"all": True})
            case chance if chance < 0.2:
                await person.ask("POST", f"/posts/{post}/comments", {"content": "More salt!"})
            case chance if chance < 0.6:
                place = random.choice(places)
                await person.rank(random.choice(place.dishes), random.choice((1, 1, 2, 3, 4, 5, None)))
            case _:
                await person.ask("DELETE" if post in liked else "PUT", f"/posts/{post}/like")
                liked ^= {post}


async def _show(people: Sequence[Person], live: Live, url: str) -> None:
    while True:
        live.update(table(people, url, live.console), refresh=True)
        for person in people:
            person.heard.clear()  # nobody checks it here
        await asyncio.sleep(0.5)


async def _each(people: Sequence[Person], act: Callable[[Person], Awaitable[None]]) -> None:
    await asyncio.gather(*(act(person) for person in people))


async def _until(done: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + SETTLED_S
    while not done():
        if time.monotonic() > give_up:
            raise CannotStart(f"waited in vain for {what}")
        await asyncio.sleep(0.02)


def _say(line: str) -> None:
    print(f"demo: {line}", file=sys.stderr, flush=True)
