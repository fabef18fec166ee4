"""However slowly a client reads, and whatever it asks meanwhile: what it holds is the truth up to its position.

A real gateway, without Redis and PostgreSQL: news goes in where the tail would hand it on, tickets answer who may
listen. The client reads as many messages as it is allowed to. It applies the contract, and knows nothing of the server.
"""

# Tests look behind the doors.
# pyright: reportPrivateUsage=false

import asyncio
import time
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.accounts.rules import Viewer
from domain.clock import now
from domain.eventlog import Logged
from domain.ids import SessionID, UserID
from domain.topics import voice
from realtime import connection, home, protocol, tickets, websocket
from realtime.connection import Connection
from realtime.gateway import Gateway
from realtime.listening import Listening
from realtime.news import News, entry, stream_id, wire_id
from realtime.outgoing import Limits
from realtime.protocol import JSON
from realtime.tasks import end_tasks
from realtime.tickets import Ticket
from realtime.websocket import AsgiOutlet

ME, AUTHOR, NASTY = UserID(UUID(int=1)), UserID(UUID(int=2)), UserID(UUID(int=3))
TOPICS = [f"post:{UUID(int=4)}", f"post:{UUID(int=5)}", f"user:{AUTHOR}", "notifications", "home"]
CHANNELS = {"notifications": f"notifications:{ME}", "home": f"author:{AUTHOR}"}
STATES = ["post.counters", "user.counters"]
LIMITS = Limits(merge=200, reset=1200, close=100_000, resume=100_000)

LARGEST = 800  # bytes of a message here


async def everybody_follows(authors: Any, users: Any) -> dict[UserID, set[UserID]]:
    return {author: set(users) for author in authors}


class Said:
    """What happened on a topic, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.states: dict[str, list[str]] = {}

    def up_to(self, position: str) -> tuple[set[str], dict[str, str]]:
        events = {each for each in self.events if each <= position}
        newest = {
            kind: max((each for each in ids if each <= position), default="") for kind, ids in self.states.items()
        }
        return events, newest


class Held:
    """What the client holds of a topic, and its position."""

    def __init__(self) -> None:
        self.position = ""
        self.events: set[str] = set()
        self.states: dict[str, str] = {}


class Client:
    """Keeps copies, by the contract's rules."""

    def __init__(self, said: dict[str, Said]) -> None:
        self.said = said
        self.held: dict[str, Held] = {}
        self.asked: dict[int, dict[str, str | None]] = {}
        self.resets = 0
        self.frames = 0

    def fetch(self, topic: str, cursor: str) -> None:
        held = self.held[topic]
        held.events, held.states = self.said[topic].up_to("g")
        held.position = cursor

    def hear(self, frame: dict[str, Any]) -> None:
        self.frames += 1
        match frame["op"]:
            case "event":
                self.apply(frame)
            case "cursor" | "pong":
                for held in self.held.values():
                    held.position = max(held.position, frame["cursor"])
            case "reset":
                self.resets += 1
                if frame["topic"] in self.held:
                    self.fetch(frame["topic"], frame["cursor"])
            case "subscribed":
                for topic, outcome in frame["topics"].items():
                    self.begin(topic, outcome, self.asked[frame["id"]][topic])
            case "unsubscribed":
                for topic in frame["topics"]:
                    self.held.pop(topic, None)
            case _:
                raise AssertionError(frame)

    def begin(self, topic: str, outcome: dict[str, Any], asked: str | None) -> None:
        assert outcome["outcome"] in {"live", "replayed"}, "inside the window nothing is reset"
        if topic not in self.held or asked is None:
            self.held[topic] = Held()
            self.fetch(topic, outcome["cursor"])
        elif outcome["outcome"] == "live":
            self.held[topic].position = max(self.held[topic].position, outcome["cursor"])

    def apply(self, frame: dict[str, Any]) -> None:
        held = self.held.get(frame["topic"])
        if held is None or frame["id"] <= held.position:
            return
        assert frame["prev"] is None or frame["prev"] <= held.position, "a gap"
        held.position = frame["id"]
        if frame["type"] in STATES:
            held.states[frame["type"]] = max(held.states.get(frame["type"], ""), frame["id"])
        else:
            held.events.add(frame["id"])


class SlowReader(RuleBasedStateMachine):
    """One client, that listens and reads as it likes, of a process that has news as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.seq = 0
        self.said = {topic: Said() for topic in TOPICS}
        self.client = Client(self.said)
        self.commands = 0
        self.wrong: AssertionError | None = None
        self.run(self.begin())

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(work)

    async def begin(self) -> None:
        self.gateway = Gateway(lambda _: False, lambda _: None, self.nothing)
        self.gateway.ring.clear(wire_id("1-0"))
        self.gateway.hub._state_interval = 0.0
        await self.connect()

    async def nothing(self) -> None: ...

    async def connect(self) -> None:
        self.room = asyncio.Semaphore(0)
        self.sent: list[bytes] = []
        room, client = self.room, self.client

        async def send(message: Any) -> None:
            await room.acquire()
            try:
                client.hear(msgspec.json.decode(message["text"]))
            except AssertionError as wrong:
                self.wrong = wrong

        self.outlet = AsgiOutlet(send, text=True)
        self.connection = self.outlet._client = Connection(self.gateway, self.outlet, JSON)
        self.connection.viewer = viewer = Viewer(ME, SessionID(UUID(int=9)), "user", 2**40)
        assert self.gateway.admit(self.connection) is None
        self.listening = self.connection.listening = Listening(viewer, self.gateway, self.connection)

    def ticket(self) -> str | None:
        topics = dict.fromkeys(TOPICS, str(AUTHOR))
        ids = (str(ME), str(UUID(int=9)))
        return tickets.issue(Ticket(*ids, self.gateway.position, topics, [str(NASTY)]))

    async def listen(self, topics: dict[str, str | None]) -> None:
        self.commands += 1
        self.client.asked[self.commands] = topics
        outcomes, replay = await self.listening.subscribe(topics, self.ticket())
        self.connection.answer(protocol.Subscribed(id=self.commands, ticket=None, topics=outcomes))
        self.connection._tell(replay)

    @initialize(topics=st.sets(st.sampled_from(TOPICS), min_size=1))
    def subscribe_first(self, topics: set[str]) -> None:
        self.run(self.listen(dict.fromkeys(topics)))
        self.read(1)

    @rule(topics=st.sets(st.sampled_from(TOPICS), min_size=1), from_now=st.booleans())
    def subscribe(self, topics: set[str], from_now: bool) -> None:
        """Again, or for the first time; from what it holds, or from now on."""
        held = self.client.held
        positions = {topic: held[topic].position if topic in held and not from_now else None for topic in topics}
        self.run(self.listen(positions))

    @rule(topic=st.sampled_from(TOPICS))
    def unsubscribe(self, topic: str) -> None:
        async def leave() -> None:
            self.listening.leave([topic])
            self.connection.answer(protocol.Unsubscribed(id=0, topics=[topic]))

        self.run(leave())

    @rule(
        kinds=st.lists(
            st.tuples(
                st.sampled_from(TOPICS),
                st.sampled_from(["event", *STATES]),
                st.sampled_from([AUTHOR, AUTHOR, AUTHOR, NASTY]),
                st.integers(0, 400),
            ),
            min_size=1,
            max_size=12,
        )
    )
    def hear_news(self, kinds: list[tuple[str, str, UserID, int]]) -> None:
        async def hand_on() -> None:
            self.gateway._on_news([self.news(*each) for each in kinds])

        self.run(hand_on())

    def news(self, topic: str, kind: str, actor: UserID, size: int) -> News:
        self.seq += 1
        is_state = kind in STATES and topic != "home"
        name = CHANNELS.get(topic, topic)
        is_withheld = not is_state and actor == NASTY and topic.startswith("post:")
        topics = [name, voice(actor)] if is_withheld else [name]
        data = '{"x":"' + "x" * size + '"}'
        logged = Logged(self.seq, kind if is_state else "comment.created", topics, data, None, None, now())
        key, prev = stream_id(1, self.seq), stream_id(1, self.seq - 1)
        said = self.said[topic]
        if is_state:
            said.states.setdefault(kind, []).append(wire_id(key))
        elif not is_withheld:
            said.events.append(wire_id(key))
        return News(key, entry(logged, prev, "state" if is_state else "event"))

    @rule()
    def hold_states_back(self) -> None:
        self.gateway.hub._state_interval = 1e9

    @rule()
    def let_states_go(self) -> None:
        async def flush() -> None:
            self.gateway.hub._state_interval = 0.0
            self.gateway.hub.flush_due(time.monotonic())

        self.run(flush())

    @rule(pong=st.booleans())
    def tell_position(self, pong: bool) -> None:
        async def tell() -> None:
            position = self.listening.position
            cursor = protocol.Cursor(cursor=position, ticket=None)
            self.connection.answer(protocol.Pong(id=0, cursor=position) if pong else cursor)

        self.run(tell())

    @rule(messages=st.integers(1, 6))
    def read(self, messages: int) -> None:
        async def read() -> None:
            for _ in range(messages):
                self.room.release()
                await self.turns()

        self.run(read())

    @rule()
    def look(self) -> None:
        self.connection.relieve()

    @rule()
    def wait(self) -> None:
        self.run(self.turns())

    @rule()
    def cut(self) -> None:
        """Lose the connection with all that waits, and come back with what it holds."""

        async def come_back() -> None:
            self.end()
            await self.connect()
            if self.client.held:
                await self.listen({topic: held.position for topic, held in self.client.held.items()})

        self.run(come_back())

    @invariant()
    def nothing_is_lost_up_to_the_position(self) -> None:
        if self.wrong is not None:
            raise self.wrong
        for topic, held in self.client.held.items():
            events, states = self.said[topic].up_to(held.position)
            assert events <= held.events
            for kind, newest in states.items():  # or it was merged into one that is still to come
                assert held.states.get(kind, "") >= newest or self.said[topic].states[kind][-1] > held.position

    @invariant()
    def what_waits_is_bounded(self) -> None:
        assert not self.connection.closed
        assert self.outlet.waiting() <= 2 * LIMITS.merge + LARGEST

    async def turns(self) -> None:
        for _ in range(4):
            await asyncio.sleep(0)

    def end(self) -> None:
        self.listening.end()
        self.connection._end()
        self.gateway.forget(self.connection)
        if self.outlet._task is not None:
            self.outlet._task.cancel()

    def teardown(self) -> None:
        """Read all there is: then everything is as it was said."""
        try:
            self.let_states_go()
            self.tell_position(pong=True)
            frames = -1
            while self.client.frames > frames:
                frames = self.client.frames
                self.read(50)
            for topic, held in self.client.held.items():
                assert (held.events, held.states) == self.said[topic].up_to("g")
        finally:
            self.run(self.finish())
            self.loop.close()

    async def finish(self) -> None:
        self.end()
        await self.gateway.home.stop()
        await end_tasks([each for each in asyncio.all_tasks() if each is not asyncio.current_task()])


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "followers_among", everybody_follows)
    monkeypatch.setattr(connection, "LIMITS", LIMITS)
    monkeypatch.setattr(connection, "AT_ONCE", 400)
    monkeypatch.setattr(websocket, "STALLED_BYTES", LIMITS.merge)
    monkeypatch.setattr(websocket, "DRAINED_BYTES", LIMITS.merge // 4)


TestSlowReader = SlowReader.TestCase
TestSlowReader.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
