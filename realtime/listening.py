"""What one connection listens to: subscribing without a gap, and losing what one may no longer see."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

import structlog

from domain import eventlog
from domain.accounts.rules import Viewer
from domain.graph.queries import hidden_from
from domain.settings import settings
from realtime import protocol, tickets
from realtime.access import HOME, Verdict, judge
from realtime.home import Home, author_of
from realtime.hub import Hub
from realtime.news import Frame, News, is_wire_id, milliseconds
from realtime.protocol import Outcome
from realtime.replay import Ring
from realtime.tickets import Ticket

log = structlog.get_logger()
CLOCK_SLACK_MS = 60_000
GIVE_UP_S = 5.0
BAD_TOPIC = Outcome(outcome="error", code="bad_topic")
NOT_FOUND = Outcome(outcome="error", code="not_found")
TROUBLE = eventlog.UNREADABLE
WITHHOLDING = "post:"  # topics on which acts of people who are blocked are withheld
SHOWN_AGAIN = "somebody is shown again"
HOME_NEWS = "author:*"  # where the ring keeps the news of all authors


class Delivery(Protocol):
    """The process's live side, as far as listening needs it."""

    hub: Hub
    ring: Ring
    home: Home

    @property
    def position(self) -> str:
        """All news up to this id has been handed on."""
        ...


class Listening:
    """The topics of one connection.

    A topic is *held* while it is not known whether the viewer may still see it: it hears nothing, and is told from
    the ring what it missed once the answer is yes.
    """

    __slots__ = (
        *("_answer", "_delivery", "_give_up", "_hidden_known", "_judging", "ended"),
        *("held", "hidden", "home_from", "send_event", "topics", "viewer"),
    )

    def __init__(
        self,
        viewer: Viewer,
        delivery: Delivery,
        send_event: Callable[[Frame], None],
        answer: Callable[[protocol.Answer], None],
        give_up: Callable[[], None],
    ) -> None:
        self.viewer = viewer
        self.topics: dict[str, str] = {}  # topic -> owner
        self.held: dict[str, str] = {}  # topic -> the position from which it is held
        self.hidden: Collection[str] = frozenset()
        self.home_from = ""
        self.ended = False
        self.send_event = send_event
        self._answer = answer
        self._give_up = give_up
        self._delivery = delivery
        self._hidden_known = False
        self._judging: asyncio.Task[None] | None = None

    @property
    def position(self) -> str:
        """Everything up to here has been sent, on all topics: before what is held back, or undecided."""
        delivery = self._delivery
        position = delivery.home.settled(delivery.position) if HOME in self.topics else delivery.position
        for topic in self.topics:
            position = delivery.hub.settled(topic, position)
        return min(position, *self.held.values()) if self.held else position

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
                self._delivery.hub.leave(self, topic)
                if topic == HOME:
                    self._delivery.home.leave(self.viewer.id, self)

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
        heard: dict[str, bool] = {}  # of the news at home that was missed: whether it is for this viewer
        while True:
            since = self._delivery.position
            for topic, verdict in (await self._judged(unknown)).items():
                granted.pop(topic, None)
                if verdict is not None and verdict.code == "ok":
                    granted[topic] = verdict.owner
                else:
                    outcomes[topic] = BAD_TOPIC if verdict is None else NOT_FOUND
            if not self._hidden_known and any(topic.startswith(WITHHOLDING) for topic in granted):
                self.hidden, self._hidden_known = await _hidden_from(self.viewer), True
            await self._ask_at_home(asked, heard)
            if self._viewer_changed(since):
                unknown, self._hidden_known = set(granted), False
            else:
                unknown = {topic for topic, owner in granted.items() if self._changed(topic, owner, since)}
            if not unknown and not self._unheard(asked, heard):
                break
        self.leave(topic for topic in asked if topic not in granted)
        replay: list[Frame] = []
        if not self.ended:
            for topic, owner in granted.items():
                outcomes[topic] = self._join(topic, owner, asked[topic], replay, heard)
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
            self.hidden, self._hidden_known = frozenset(known.hidden), True
        return {
            topic: owner
            for topic, owner in known.topics.items()
            if topic in asked and not self._changed(topic, owner, known.position)
        }

    async def _judged(self, topics: Collection[str]) -> dict[str, Verdict | None]:
        return await judge(self.viewer, topics) if topics else {}

    def _viewer_changed(self, since: str) -> bool:
        ring = self._delivery.ring
        return since < ring.floor or ring.last(f"viewer:{self.viewer.id}") > since

    def _changed(self, topic: str, owner: str, since: str) -> bool:
        ring = self._delivery.ring
        return ring.last(f"access:{owner}:*") > since or ring.last(f"gone:{topic}") > since

    def _unheard(self, asked: dict[str, str | None], heard: dict[str, bool]) -> list[News]:
        cursor = asked.get(HOME)
        missed = None if cursor is None else self._delivery.ring.since(HOME_NEWS, cursor)
        return [news for news, _ in missed or () if news.id not in heard]

    async def _ask_at_home(self, asked: dict[str, str | None], heard: dict[str, bool]) -> None:
        unheard = self._unheard(asked, heard)
        authors = {author_of(news) for news in unheard}
        pairs = await self._delivery.home.audiences.of(authors, {self.viewer.id})
        heard |= {news.id: (author_of(news), self.viewer.id) in pairs for news in unheard}

    def _join(self, topic: str, owner: str, cursor: str | None, replay: list[Frame], heard: dict[str, bool]) -> Outcome:
        delivery, position = self._delivery, self._delivery.position
        if topic in self.topics:  # subscribing again: what is held back is for the old subscription
            delivery.hub.flush_topic(topic)
            self.leave([topic])
        self.topics[topic] = owner
        missed = (
            None if cursor is None else delivery.ring.since(HOME_NEWS if topic == HOME else topic, cursor, self.hidden)
        )
        if topic == HOME:
            delivery.home.join(self.viewer.id, self)
            self.home_from = position
            missed = missed and [(news, prev) for news, prev in missed if heard.get(news.id)]
        else:
            newest = delivery.ring.last(topic)
            shown = missed[-1][0].id if missed else ""
            withheld = self.hidden and cursor is not None and newest > max(shown, cursor)
            last = shown if withheld else None
            delivery.hub.join(self, topic, newest, position, owner=owner, last=last)
        if cursor is None:
            return Outcome(outcome="live", cursor=position)
        if missed is None or self._unprovable(topic, cursor, position):
            return Outcome(outcome="reset", cursor=position)
        if not missed:
            return Outcome(outcome="live", cursor=max(cursor, position))
        replay += [Frame(news, topic, None if topic == HOME else prev) for news, prev in missed]
        return Outcome(outcome="replayed", count=len(missed), cursor=position)

    def _unprovable(self, topic: str, cursor: str, position: str) -> bool:
        """A cursor that is nobody's past; or something withheld before it is shown again, and is not in what came."""
        if milliseconds(cursor) > max(time.time() * 1000, milliseconds(position)) + CLOCK_SLACK_MS:
            return True
        return topic.startswith(WITHHOLDING) and self._delivery.ring.last(f"shown:{self.viewer.id}") > cursor

    def show_again(self, position: str) -> None:
        """Somebody's acts are withheld no longer: what they did until `position` is to be fetched."""
        for topic in self.topics:
            if topic.startswith(WITHHOLDING):
                self._answer(protocol.Reset(topic=topic, cursor=position, reason=SHOWN_AGAIN))

    # losing access

    def hold(self, topics: Iterable[str], position: str) -> None:
        """Something changed at `position` that may concern these topics: hear nothing of them until it is known."""
        hub = self._delivery.hub
        for topic in topics:
            if topic in self.topics and topic not in self.held and topic != HOME:
                hub.flush_topic(topic)
                hub.leave(self, topic)
                self.held[topic] = position
        if self.held and (self._judging is None or self._judging.done()):
            self._judging = asyncio.create_task(self._judge_held())

    def remove(self, topic: str, code: str) -> None:
        """The viewer may not listen to it any more."""
        if topic in self.topics:
            self._delivery.hub.flush_topic(topic)
            self.leave([topic])
            self._answer(protocol.Removed(topic=topic, code=_removal(code)))

    async def _judge_held(self) -> None:
        give_up_at = time.monotonic() + GIVE_UP_S
        while self.held:
            since = self._delivery.position
            try:
                verdicts = await judge(self.viewer, list(self.held))
                hidden = await _hidden_from(self.viewer) if self._hidden_known else self.hidden
            except TROUBLE as trouble:
                log.warning("access.interrupted", error=type(trouble).__name__)
                if time.monotonic() > give_up_at:
                    self._give_up()
                    return
                await asyncio.sleep(0.1)
                continue
            if self._viewer_changed(since):
                continue
            self.hidden = hidden
            for topic, verdict in verdicts.items():
                if topic in self.held and verdict is not None and not self._changed(topic, verdict.owner, since):
                    self._resume(topic, verdict)

    def _resume(self, topic: str, verdict: Verdict) -> None:
        cursor = self.held.pop(topic)
        if verdict.code != "ok":
            self.remove(topic, verdict.code)
            return
        missed: list[Frame] = []
        outcome = self._join(topic, verdict.owner, cursor, missed, {})
        if outcome.outcome == "reset" and outcome.cursor is not None:
            self._answer(protocol.Reset(topic=topic, cursor=outcome.cursor, reason="access was unclear for too long"))
        for frame in missed:
            self.send_event(frame)


async def _hidden_from(viewer: Viewer) -> frozenset[str]:
    return frozenset(str(user_id) for user_id in await hidden_from(viewer))


def _removal(code: str) -> protocol.Removal:
    match code:
        case "blocked" | "private" | "suspended":
            return code
        case _:
            return "deleted"
