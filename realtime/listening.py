"""What one connection listens to: subscribing without a gap, and losing what one may no longer see."""

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, Protocol

import structlog

from domain import eventlog
from domain.accounts.rules import Viewer
from domain.settings import settings
from realtime import protocol, tickets
from realtime.access import HOME, OWN, Judge, Verdict, channel
from realtime.home import Home
from realtime.hub import Hub
from realtime.missed import WITHHOLDING, Missed
from realtime.news import Frame, News, Run, is_wire_id, milliseconds
from realtime.protocol import Outcome
from realtime.replay import Ring
from realtime.tickets import Ticket

log = structlog.get_logger()
CLOCK_SLACK_MS = 60_000
GIVE_UP_S = 5.0
BAD_TOPIC = Outcome(outcome="error", code="bad_topic")
NOT_FOUND = Outcome(outcome="error", code="not_found")
TROUBLE = eventlog.UNREADABLE
SPOKE = "somebody who said something here is hidden now, or shown again"
UNCLEAR = "access was unclear for too long"


class Delivery(Protocol):
    """The process's live side, as far as listening needs it."""

    hub: Hub
    ring: Ring
    home: Home
    judge: Judge

    @property
    def position(self) -> str:
        """All news up to this id has been handed on."""
        ...


class Voice(Protocol):
    """How a connection is told something."""

    def send_event(self, event: Frame | Run) -> None:
        """Put an event, or several, behind what is on its way; never waits."""
        ...

    def answer(self, answer: protocol.Answer) -> None:
        """Put an answer behind what is on its way already."""
        ...

    def give_up(self) -> None:
        """End the connection: it may not go on like this."""
        ...


class Held(NamedTuple):
    """From which position a topic is held, and the id it was last sent before."""

    position: str
    last: str


class Listening:
    """The topics of one connection.

    A topic is *held* while it is not known whether the viewer may still see it: it hears nothing, and is told from
    the ring what it missed once the answer is yes. `hidden` is asked once, and kept true by the news from then on.
    """

    __slots__ = (
        *("_delivery", "_hidden_known", "_judging", "_voice", "ended"),
        *("held", "hidden", "home_from", "send_event", "topics", "viewer"),
    )

    def __init__(self, viewer: Viewer, delivery: Delivery, voice: Voice) -> None:
        self.viewer = viewer
        self.topics: dict[str, str] = {}  # topic -> owner
        self.held: dict[str, Held] = {}
        self.hidden: set[str] = set()
        self.home_from = ""
        self.ended = False
        self.send_event = voice.send_event
        self._voice = voice
        self._delivery = delivery
        self._hidden_known = False
        self._judging: asyncio.Task[None] | None = None

    @property
    def position(self) -> str:
        """Everything up to here has been sent, on all topics: before what is held back, or undecided."""
        delivery = self._delivery
        position = delivery.home.settled(delivery.position) if HOME in self.topics else delivery.position
        for topic in self.topics:
            position = delivery.hub.settled(self._channel(topic), position)
        return min([position, *(held.position for held in self.held.values())])

    def ticket(self) -> str | None:
        """What the client may resume with; topics that are held are not in it."""
        topics = {topic: owner for topic, owner in self.topics.items() if topic not in self.held}
        hidden = sorted(self.hidden) if self._hidden_known else None
        ids = (str(self.viewer.id), str(self.viewer.session_id))
        return tickets.issue(Ticket(*ids, self._delivery.position, topics, hidden))

    def end(self) -> None:
        """Listen to nothing any more."""
        self.ended = True
        self.leave(list(self.topics))
        if self._judging is not None:
            self._judging.cancel()

    def leave(self, topics: Iterable[str]) -> None:
        """Stop listening to these."""
        for topic in topics:
            if self.topics.pop(topic, None) is not None:
                self.held.pop(topic, None)
                self._delivery.hub.leave(self, self._channel(topic))
                if topic == HOME:
                    self._delivery.home.leave(self.viewer.id, self)

    def _channel(self, topic: str) -> str:
        return channel(self.viewer.id, topic)

    def _missed(self) -> Missed:
        return Missed(self.viewer, self._delivery.ring, self._delivery.home.audiences)

    # subscribing

    async def subscribe(
        self, wanted: dict[str, str | None], presented: str | None = None
    ) -> tuple[dict[str, Outcome], list[Frame]]:
        """Judge, then join and look up what was missed in one turn of the loop: nothing falls between.

        What a ticket grants is not asked for again. An access event that came meanwhile is a reason to ask again.
        Raises what the database raises.
        """
        asked, outcomes = self._sorted(wanted)
        granted = self._granted(presented, asked)
        unknown = asked.keys() - granted.keys()
        missed = self._missed()
        while True:
            since = self._delivery.position
            for topic, verdict in (await self._judged(unknown)).items():
                granted.pop(topic, None)
                if verdict is not None and verdict.code == "ok":
                    granted[topic] = verdict.owner
                else:
                    outcomes[topic] = BAD_TOPIC if verdict is None else NOT_FOUND
            if any(topic.startswith(WITHHOLDING) for topic in granted):
                await self._know_hidden()
            cursors = {topic: asked[topic] for topic in granted}
            await missed.ask(missed.unknown(cursors))
            if self._viewer_changed(since):
                unknown = set(granted)
            else:
                unknown = {topic for topic, owner in granted.items() if self._changed(topic, owner, since)}
            if not unknown and not missed.unknown(cursors):
                break
        self.leave(topic for topic in asked if topic not in granted)
        replay: list[Frame] = []
        if not self.ended:
            for topic, owner in granted.items():
                outcomes[topic], frames = self._join(topic, owner, asked[topic], missed)
                replay += frames
        return outcomes, replay

    def _sorted(self, wanted: dict[str, str | None]) -> tuple[dict[str, str | None], dict[str, Outcome]]:
        room = settings.topics_per_connection - len(self.topics)
        asked: dict[str, str | None] = {}
        outcomes: dict[str, Outcome] = {}
        for topic, cursor in wanted.items():
            if cursor is not None and not is_wire_id(cursor):
                outcomes[topic] = Outcome(outcome="error", code="bad_cursor")
            elif topic not in self.topics and len(asked.keys() - self.topics.keys()) >= room:
                outcomes[topic] = Outcome(outcome="error", code="too_many_topics")
            else:
                asked[topic] = cursor
        return asked, outcomes

    def _granted(self, presented: str | None, asked: Collection[str]) -> dict[str, str]:
        """What a ticket still proves: nothing that concerns it has changed since, and the ring would know."""
        known = None if presented is None else tickets.read(presented, self.viewer)
        if known is None or self._viewer_changed(known.position):
            return {}
        if known.hidden is not None:
            self.hidden, self._hidden_known = set(known.hidden), True
        return {
            topic: owner
            for topic, owner in known.topics.items()
            if topic in asked and not self._changed(topic, owner, known.position)
        }

    async def _judged(self, topics: Collection[str]) -> Mapping[str, Verdict | None]:
        return await self._delivery.judge.verdicts(self.viewer.id, topics)

    async def _know_hidden(self) -> None:
        """Ask whose acts are withheld, once; what the news said meanwhile is added in its order."""
        ring, viewer = self._delivery.ring, str(self.viewer.id)
        while not self._hidden_known:
            since = self._delivery.position
            hidden = {str(user_id) for user_id in await self._delivery.judge.hidden_from(self.viewer.id)}
            later = ring.since(f"apart:{viewer}", since)
            if later is None or self._hidden_known:  # news was lost; or somebody else has asked
                continue
            for news, _ in later:
                for person, is_hidden in news.turned(viewer):
                    (hidden.add if is_hidden else hidden.discard)(person)
            self.hidden, self._hidden_known = hidden, True

    def _viewer_changed(self, since: str) -> bool:
        ring = self._delivery.ring
        return since < ring.floor or ring.last(f"viewer:{self.viewer.id}") > since

    def _changed(self, topic: str, owner: str, since: str) -> bool:
        last = self._delivery.ring.last
        return max(last(f"access:{owner}:*"), last(f"again:{topic}"), last(f"gone:{topic}")) > since

    def _join(
        self, topic: str, owner: str, cursor: str | None, missed: Missed, *, held: Held | None = None
    ) -> tuple[Outcome, list[Frame]]:
        """Be told of a topic from now on, and of what was missed."""
        delivery, position = self._delivery, self._delivery.position
        if topic in self.topics:  # subscribing again: what is held back is for the old subscription
            delivery.hub.flush_topic(self._channel(topic))
            self.leave([topic])
        self.topics[topic] = owner
        told = None if cursor is None else missed.told(topic, owner, cursor, self.hidden)
        if topic == HOME:
            delivery.home.join(self.viewer.id, self)
            self.home_from = position
        else:
            self._enter(topic, owner, cursor, told, held)
        if cursor is None:
            return Outcome(outcome="live", cursor=position), []
        if told is None or _is_no_past(cursor, position) or missed.is_stale(topic, cursor):
            return Outcome(outcome="reset", cursor=position), []
        if not told:
            return Outcome(outcome="live", cursor=max(cursor, position)), []
        replay = [Frame(news, topic, None if topic == HOME else prev) for news, prev in told]
        return Outcome(outcome="replayed", count=len(told), cursor=position), replay

    def _enter(
        self, topic: str, owner: str, cursor: str | None, told: list[tuple[News, str]] | None, held: Held | None
    ) -> None:
        """Join the hub. The next frame names the last id that was sent: not one that was withheld behind it."""
        delivery, name = self._delivery, self._channel(topic)
        sent = cursor if held is None else held.last
        if told and held is not None:
            told[0] = (told[0][0], min(told[0][1], held.last))
        if told:
            sent = told[-1][0].id
        newest = delivery.ring.last(name)
        last = sent if told is not None and sent is not None and newest > sent else None
        delivery.hub.join(self, name, newest, delivery.position, owner=owner, last=last)

    # losing access

    def hold(self, topics: Iterable[str], position: str) -> None:
        """Something changed at `position` that may concern these topics: hear nothing of them until it is known."""
        hub = self._delivery.hub
        for topic in topics:
            if topic in self.held:
                self.held[topic] = Held(min(position, self.held[topic].position), self.held[topic].last)
            elif topic in self.topics and topic not in OWN:
                hub.flush_topic(topic)
                self.held[topic] = Held(position, hub.leave(self, topic))
        self._judge_soon()

    def hold_of(self, owner: str, position: str) -> None:
        """The same for all that is somebody's."""
        self.hold([topic for topic, whose in self.topics.items() if whose == owner], position)

    def distrust(self, position: str) -> None:
        """News up to `position` was lost, and may have changed what may be seen, and of whom."""
        self._hidden_known = False
        self.hold(list(self.topics), position)

    def turn(self, news: News) -> None:
        """Somebody's acts are withheld from now on, or no longer; copies of what they commented on are stale.

        Who heard anything more before they know it, and is cut off, would come back from behind it with the stale copy.
        """
        if self._hidden_known:
            for person, is_hidden in news.turned(str(self.viewer.id)):
                (self.hidden.add if is_hidden else self.hidden.discard)(person)
        self.hold([topic for topic in self.topics if topic.startswith(WITHHOLDING)], f"{int(news.id, 16) - 1:024x}")

    def remove(self, topic: str, code: str) -> None:
        """The viewer may not listen to it any more."""
        if topic in self.topics:
            self._delivery.hub.flush_topic(topic)
            self.leave([topic])
            self._voice.answer(protocol.Removed(topic=topic, code=_removal(code)))

    def reset(self, topic: str, position: str, reason: str) -> None:
        """See home.HomeListener."""
        self._voice.answer(protocol.Reset(topic=topic, cursor=position, reason=reason))

    def _judge_soon(self) -> None:
        if self.held and (self._judging is None or self._judging.done()):
            self._judging = asyncio.create_task(self._judge())

    async def _judge(self) -> None:
        """Until nothing is held: ask, and do what the answers say."""
        give_up_at = time.monotonic() + GIVE_UP_S
        while self.held:
            since, missed = self._delivery.position, self._missed()
            try:
                verdicts = await self._judged(list(self.held))
                if any(topic.startswith(WITHHOLDING) for topic in self.topics):
                    await self._know_hidden()
                await missed.ask(missed.unknown(self._cursors()))
            except TROUBLE as trouble:
                log.warning("access.interrupted", error=type(trouble).__name__)
                if time.monotonic() > give_up_at:
                    self._voice.give_up()
                    return
                await asyncio.sleep(0.1)
                continue
            if self._viewer_changed(since) or missed.unknown(self._cursors()):
                continue
            for topic, verdict in verdicts.items():
                if topic in self.held and verdict is not None and not self._changed(topic, verdict.owner, since):
                    self._resume(topic, verdict, missed)

    def _cursors(self) -> Mapping[str, str | None]:
        """From where on it is to be known what happened to topics."""
        return {topic: held.position for topic, held in self.held.items()}

    def _resume(self, topic: str, verdict: Verdict, missed: Missed) -> None:
        held = self.held.pop(topic)
        if verdict.code != "ok":
            self.remove(topic, verdict.code)
            return
        outcome, told = self._join(topic, verdict.owner, held.position, missed, held=held)
        if outcome.outcome == "reset" and outcome.cursor is not None:
            self.reset(topic, outcome.cursor, SPOKE if missed.is_stale(topic, held.position) else UNCLEAR)
        for frame in told:
            self.send_event(frame)


def _is_no_past(cursor: str, position: str) -> bool:
    """A cursor that nobody can have been given yet."""
    return milliseconds(cursor) > max(time.time() * 1000, milliseconds(position)) + CLOCK_SLACK_MS


def _removal(code: str) -> protocol.Removal:
    match code:
        case "blocked" | "private" | "suspended":
            return code
        case _:
            return "deleted"
