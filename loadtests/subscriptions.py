"""Who listens to what, how far each topic was told, and what has to be asked for. No I/O, and no connection."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from loadtests.listeners import NOW, Copy, Frame, Listener, Seen


class Topic:
    """How far it was told, from where on somebody needs it told, and the same once it was asked; None: not at all."""

    def __init__(self, listeners: list[Listener]) -> None:
        self.listeners = listeners
        self.at: str | None = None
        self.ask: str | None = None
        self.asking: str | None = None


class Asked(NamedTuple):
    """A topic of a request, and from behind which cursor it is to be told."""

    name: str
    cursor: str
    topic: Topic


class Report(NamedTuple):
    """Say so: an application has failed at what it was told. Nothing else comes of it."""

    error: Exception


def as_sent(asked: list[Asked]) -> dict[str, str | None]:
    """The topics of a request as the wire has them."""
    return {each.name: None if each.cursor == NOW else each.cursor for each in asked}


class Subscriptions:
    """All listeners of a client. What they need is in `to_fetch`, and in what `needed` says."""

    def __init__(self) -> None:
        self.to_fetch: list[Copy] = []
        self.to_ask: list[Listener] = []  # after a while
        self.is_asked = True  # whether there is no need to look what is needed
        self.failures: list[Report] = []  # of what an application was told
        self._topics: dict[str, Topic] = {}
        self._seen: list[Seen] = []

    def __iter__(self) -> Iterator[Listener]:
        return (each for topic in self._topics.values() for each in topic.listeners)

    def __contains__(self, listener: Listener) -> bool:
        topic = self._topics.get(listener.topic)
        return topic is not None and listener in topic.listeners

    @property
    def seen(self) -> Seen:
        """What all that were ever added have seen together."""
        total = Seen()
        for each in self._seen:
            total.new += each.new
            total.duplicates += each.duplicates
            total.gaps += each.gaps
            total.resets += each.resets
        return total

    def add(self, listener: Listener) -> None:
        """Tell a listener of its topic."""
        listener.keeper = self
        self._seen.append(listener.seen)
        self._topics.setdefault(listener.topic, Topic([])).listeners.append(listener)
        listener.begin()

    def drop(self, listener: Listener) -> bool:
        """Tell it no more; whether to unsubscribe from its topic."""
        if listener not in self:
            return False
        topic = self._topics[listener.topic]
        topic.listeners.remove(listener)
        if topic.listeners:
            return False
        del self._topics[listener.topic]
        return topic.at is not None or topic.asking is not None

    def listens(self, name: str) -> bool:
        """Whether anybody does to this topic."""
        return name in self._topics

    def ask(self, listener: Listener) -> None:
        """Have a topic told again, from behind the listener's position."""
        listener.waiting = True
        position = listener.position
        if position is None or listener not in self:
            return
        topic = self._topics[listener.topic]
        if topic.at is not None and position >= topic.at:
            cursor = topic.at if position == NOW else position
            listener.answered(position, {"outcome": "live", "cursor": cursor})
        else:
            topic.ask = min(topic.ask or position, position)
            self.is_asked = False

    def missed(self, listener: Listener) -> None:
        """Have a topic told again because of a gap: after a while when it was not mended before."""
        if listener.in_vain > 1:
            self.to_ask.append(listener)
        else:
            self.ask(listener)

    def fetch(self, copy: Copy) -> None:
        """Have a copy fetched."""
        self.to_fetch.append(copy)

    def tell(self, told: Callable[..., None], *what: object) -> None:
        """Tell an application. What it raises is reported, and costs nobody else their events."""
        try:
            told(*what)
        except Exception as error:  # noqa: BLE001 - of somebody's own code
            self.failures.append(Report(error))

    # What has to be asked for.

    def all_asked(self) -> list[Asked]:
        """For a hello: everything, from where it was told or has to be told."""
        for topic in self._topics.values():
            topic.asking = topic.at if topic.ask is None else min(topic.ask, topic.at or topic.ask)
        return [Asked(name, each.asking, each) for name, each in self._topics.items() if each.asking is not None]

    def needed(self) -> list[Asked]:
        """For a request to subscribe: what was not asked for yet."""
        self.is_asked = True
        needed: list[Asked] = []
        for name, topic in self._topics.items():
            if topic.ask is not None and (topic.asking is None or topic.asking > topic.ask):
                topic.asking = topic.ask
                needed.append(Asked(name, topic.ask, topic))
        return needed

    def not_answered(self, asked: list[Asked] | None = None) -> None:
        """There will be no answer to these requests, or to any."""
        for topic in self._topics.values() if asked is None else [each.topic for each in asked]:
            topic.asking = None
        self.is_asked = False

    # What is told.

    def answered(self, asked: list[Asked], outcomes: Frame) -> None:
        """A request has its answer, an outcome for each topic."""
        for name, cursor, topic in asked:
            outcome = outcomes.get(name)
            if outcome is None or self._topics.get(name) is not topic:
                continue  # nobody listens any more, or somebody else does
            if topic.asking == cursor:
                topic.asking = None
            if topic.ask is not None and cursor <= topic.ask:
                topic.ask = None
            if outcome["outcome"] == "error":
                self.removed(name, outcome["code"])
                continue
            topic.at = cursor if outcome["outcome"] == "replayed" else outcome["cursor"]
            for each in _joined(topic):
                self.tell(each.answered, cursor, outcome)

    def event(self, frame: Frame) -> None:
        """Something happened."""
        topic = self._topics.get(frame["topic"])
        if topic is None:
            return
        if topic.at is not None:
            topic.at = max(topic.at, frame["id"])
        for each in tuple(topic.listeners):
            self.tell(each.event, frame)

    def passed(self, cursor: str) -> None:
        """Everything up to here was told."""
        for topic in self._topics.values():
            if topic.at is not None:
                topic.at = max(topic.at, cursor)
            for each in topic.listeners:
                each.passed(cursor)

    def reset(self, name: str, cursor: str) -> None:
        """Nobody can say what was missed of a topic."""
        topic = self._topics.get(name)
        if topic is None:
            return
        topic.at = cursor
        for each in _joined(topic):
            self.tell(each.reset, cursor)

    def removed(self, name: str, code: str) -> None:
        """It may not be listened to any more. Who is still fetching will see for themselves."""
        topic = self._topics.pop(name, None)
        if topic is None:
            return
        joined = _joined(topic)
        if len(joined) < len(topic.listeners):
            self._topics[name] = Topic([each for each in topic.listeners if each not in joined])
        for each in joined:
            self.tell(each.end, code)


def _joined(topic: Topic) -> list[Listener]:
    """Who knows from where on to be told."""
    return [each for each in topic.listeners if each.position is not None]
