"""One process of a load test: its share of the people on one event loop, told by a pipe what comes next."""

import asyncio
import contextlib
import gc
import math
import os
import resource
import signal
import ssl
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import uvloop

from loadtests.scripted.ledger import Happened, Hearing, Row
from loadtests.scripted.line import Line, Refused
from loadtests.scripted.measure import LAG, Measures
from loadtests.scripted.person import Person
from loadtests.scripted.scenario import Scenario, load, roles
from loadtests.scripted.stage import Missed, Over, Someone, Stage
from server.binaries import CannotStart

TICK_S = 0.5
TOGETHER = 32  # who sign up or ask at once
LAST_ACTS_S = 25.0
SETTLED_S = 10.0


class Orders(msgspec.Struct):
    """What a process has to do."""

    scenario: Path
    url: str
    run: str
    index: int
    processes: int
    users: int


class Failed(NamedTuple):
    """The play cannot go on."""

    why: str


class Tick(msgspec.Struct):
    """What came in the last half second."""

    counts: dict[str, int]
    errors: dict[str, int]
    times: dict[str, bytes]
    at: float
    """Seconds into the play."""
    sockets: int
    cpu_s: float
    """Of this process, since it began."""


class Settled(msgspec.Struct):
    """What this process did and heard."""

    happened: list[Happened]
    hearings: list[Hearing]
    ids: dict[str, str]
    acts: dict[Row, int]
    inboxes: dict[str, dict[tuple[str, str], int]]
    wrong: list[str]
    """State that is not what HTTP says."""
    totals: dict[str, int]


def main(pipe: Connection, orders: Orders) -> None:
    """Play; ends when the pipe does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that started us
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})  # we were started without
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.suppress(EOFError, BrokenPipeError):
        try:
            uvloop.run(_Worker(pipe, orders).play())
        except (EOFError, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 - of the scenario: it is to be seen
            why = _first(error)
            if not isinstance(why, CannotStart):
                traceback.print_exception(why)
            pipe.send(Failed(str(why) if isinstance(why, CannotStart) else f"the scenario failed: {why!r}"))


def _first(error: Exception) -> Exception:
    """Of several that were raised together."""
    while isinstance(error, ExceptionGroup):
        error = cast("ExceptionGroup[Exception]", error).exceptions[0]
    return error


async def receive(pipe: Connection) -> Any:
    """What comes next through a pipe."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(pipe.fileno(), lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        if not pipe.closed:
            loop.remove_reader(pipe.fileno())
    os.set_blocking(pipe.fileno(), True)  # a loop makes what it watches non-blocking, and a message may come in parts
    return pipe.recv()


class _Worker:
    def __init__(self, pipe: Connection, orders: Orders) -> None:
        self._pipe = pipe
        self._orders = orders
        self._scenario: Scenario = load(orders.scenario)
        self._measures = Measures()
        self._measures.late_after_s = self._scenario.late_after_s
        self._stage = Stage(orders.url, orders.run, self._measures)
        trust = ssl.create_default_context() if orders.url.startswith("https") else None
        numbers = enumerate(roles(self._scenario.parts, orders.users))
        self._people = [
            (number, part, Person(self._stage, Line(orders.url, trust), number))
            for number, part in numbers
            if number % orders.processes == orders.index
        ]

    async def play(self) -> None:
        """From the first sign-up to the last answer."""
        people = [person for _, _, person in self._people]
        await _some_at_once(people, Person.register)
        parts = self._scenario.parts
        self._pipe.send([Someone(parts[part].name, each.name, each.id) for _, part, each in self._people])
        self._stage.cast = await receive(self._pipe)
        for index in range(len(parts)):
            await receive(self._pipe)
            await self._open(index)
            self._pipe.send(index)
        self._stage.begins, self._stage.ends = await receive(self._pipe)
        await self._act()
        self._pipe.send(None)
        while await receive(self._pipe):
            self._pipe.send(await self._settled())
        for person in people:
            person.hang_up()
        await asyncio.gather(*(socket.stop() for person in people for socket in person.sockets[-1:]))

    async def _open(self, index: int) -> None:
        opening = self._scenario.parts[index].opening

        async def play(person: Person) -> None:
            assert opening is not None
            await person.arrive()
            await opening(person)

        if opening is not None:
            await _some_at_once([person for _, part, person in self._people if part == index], play)

    async def _act(self) -> None:
        ticking = asyncio.create_task(self._tick())
        gc.freeze()  # looking through all people now and then would be felt as latency
        await asyncio.sleep(self._stage.begins - time.monotonic())
        self._measures.on = True
        playing = [asyncio.create_task(each) for each in self._sessions()]
        left = self._stage.ends - time.monotonic() + LAST_ACTS_S
        done, late = await asyncio.wait(playing, timeout=left, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()  # of a scenario that fails, what it raises: at once, and to be seen
        for task in late:
            task.cancel()
            self._measures.fail("a session did not end")
        await asyncio.gather(*late, return_exceptions=True)
        ticking.cancel()
        self._send_tick()
        self._measures.on = False

    def _sessions(self) -> Iterable[Any]:
        arrival, users = self._scenario.arrival, self._orders.users
        over_s = min(arrival.over_s, (self._stage.ends - self._stage.begins) / 3)
        free: asyncio.Queue[tuple[int, Person]] = asyncio.Queue()
        for number, part, person in self._people:
            if arrival.per_second is None or self._scenario.parts[part].exactly:
                at = 0.0 if self._scenario.parts[part].exactly else over_s * number / users
                yield self._again_and_again(part, person, self._stage.begins + at)
            else:
                free.put_nowait((part, person))
        if arrival.per_second is not None:
            yield self._at_a_rate(arrival.per_second, free)

    async def _again_and_again(self, part: int, person: Person, at: float) -> None:
        await asyncio.sleep(at - time.monotonic())
        while await self._session(part, person, at):
            at = time.monotonic()

    async def _at_a_rate(self, per_second: float, free: asyncio.Queue[tuple[int, Person]]) -> None:
        async def play(part: int, person: Person, at: float) -> None:
            await self._session(part, person, at)
            free.put_nowait((part, person))

        stage, played = self._stage, 0
        due = range(self._orders.index, math.ceil((stage.ends - stage.begins) * per_second), self._orders.processes)
        async with asyncio.TaskGroup() as playing:
            for k in due:
                at = stage.begins + k / per_second
                await asyncio.sleep(at - time.monotonic())
                try:
                    part, person = await asyncio.wait_for(free.get(), stage.ends - time.monotonic())
                except TimeoutError:
                    break
                playing.create_task(play(part, person, at))
                played += 1
            self._measures.count("not_played", len(due) - played)

    async def _session(self, part: int, person: Person, at: float) -> bool:
        """Play it once; whether there is time for more."""
        begun = time.monotonic()
        try:
            person.intend(at)
            await person.arrive()
            await self._scenario.parts[part].session(person)
            self._measures.count("sessions")
        except Over:
            return False
        except (Missed, Refused):
            self._measures.count("sessions_cut_short")
        if time.monotonic() - begun < 0.01:  # one that does nothing must not stop the others
            await asyncio.sleep(0.1)
        return True

    async def _tick(self) -> None:
        at = self._stage.begins
        while True:
            at += TICK_S
            await asyncio.sleep(at - time.monotonic())
            self._measures.time(LAG, time.monotonic() - at)
            self._send_tick()

    def _send_tick(self) -> None:
        measures = self._measures
        sockets = sum(person.socket is not None and person.socket.is_open for _, _, person in self._people)
        at, taken = time.monotonic() - self._stage.begins, measures.times.taken()
        self._pipe.send(Tick(dict(measures.counts), dict(measures.errors), taken, at, sockets, time.process_time()))
        measures.counts.clear()
        measures.errors.clear()

    async def _settled(self) -> Settled:
        """Wait until what the sockets told is what HTTP says, or for too long; then all that is known."""
        give_up = time.monotonic() + SETTLED_S
        while (wrong := await self._wrong()) and time.monotonic() < give_up:
            await asyncio.sleep(0.2)
        await asyncio.sleep(0.3)
        sockets = [socket for _, _, person in self._people for socket in person.sockets]
        all_seen = [socket.contract.seen for socket in sockets]
        stage = self._stage
        acts = Counter[Row]()
        for (author, post), number in stage.comments.items():
            acts[author, "comment", post] += number
        for (author, post, by), on in stage.likes.items():
            acts[author, "like", post] += on and author != by
        for (followed, _), on in stage.follows.items():
            acts[followed, "follow", ""] += on
        return Settled(
            happened=stage.happened,
            hearings=[hearing for socket in sockets for hearing in socket.all_hearings()],
            ids=stage.ids,
            acts=acts,
            inboxes={each.id: _inbox(each) for _, _, each in self._people if each.socket is not None},
            wrong=wrong,
            totals={
                "resets": sum(seen.resets for seen in all_seen),
                "reconnects": sum(len(socket.contract.closes) for socket in sockets),
                "gaps": sum(seen.gaps for seen in all_seen),
            },
        )

    async def _wrong(self) -> list[str]:
        """State that a socket told last and HTTP tells otherwise."""
        told: dict[str, dict[str, Any]] = {}
        wrong: list[str] = []

        async def look(person: Person) -> None:
            if person.socket is None:
                return
            for topic, counters in list(person.counters.items()):
                if topic not in told:
                    told[topic] = (await person.peek(f"/posts/{topic.removeprefix('post:')}"))["counters"]
                if counters != told[topic]:
                    wrong.append(f"{person.name}'s {topic} is {counters}, not {told[topic]}")
            unread = (await person.peek("/notifications/unread-count"))["unread"]
            if unread != person.unread:
                wrong.append(f"{person.name} has {person.unread} unread, not {unread}")

        await _some_at_once([person for _, _, person in self._people], look)
        return wrong


def _inbox(person: Person) -> dict[tuple[str, str], int]:
    """Rows of what people did; what somebody has come to, nobody did."""
    found = Counter[tuple[str, str]]()
    for row in person.rows.values():
        if not row["actors"]:
            continue
        kind = "like" if row["type"] == "post_interaction" else row["type"]
        found[kind, "" if kind == "follow" else row["data"].get("post_id") or ""] += row["batch_count"]
    return found


async def _some_at_once(people: Iterable[Person], act: Callable[[Person], Awaitable[None]]) -> None:
    turns = asyncio.Semaphore(TOGETHER)

    async def take_turn(person: Person) -> None:
        async with turns:
            await act(person)

    await asyncio.gather(*(take_turn(person) for person in people))
