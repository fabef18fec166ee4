"""A client that writes down what it is told, when, and whether each frame fits the one before it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from loadtests.client import Client, only
from loadtests.listeners import Apply, Copy, Fetch, Listener

STATES = {"post.counters", "user.counters", "profile.changed"}


class Told(NamedTuple):
    """A frame about a topic: how many acts had begun when it came, and when the topic was asked for."""

    moment: int
    asked: int
    frame: dict[str, Any]


class Returned(Copy):
    """A copy of what was taken away once, told from where it was then."""

    def __init__(self, copy: Copy) -> None:
        super().__init__(copy.topic, copy.fetch, copy.apply)
        self.position = copy.position

    def begin(self) -> None:
        """It was added: it needs no fetch, unless the answer is a reset."""
        self.keeper.ask(self)


class Witness(Client):
    """A copy of topics that asks for what was taken from it as soon as `may` says so.

    `moment` says how many acts were begun. `told` holds events, resets and whatever else was said of a topic.
    """

    def __init__(
        self, urls: Sequence[str], token: str, moment: Callable[[], int], may: Callable[[str], bool], seed: int
    ) -> None:
        super().__init__(urls, only(token), seed=seed)
        self.told: list[Told] = []
        self.misfits: list[str] = []
        self._moment = moment
        self._may = may
        self._cut = self._kept = moment()
        self._listeners: dict[str, Listener] = {}
        self._asked: dict[str, int] = {}
        self._last: dict[str, tuple[str, str]] = {}  # topic -> the ids that the next `prev` lies between
        self._lost: set[str] = set()  # topics that were taken away, and not given back
        self._whole: set[str] = set()  # those of which the copy was true then

    def keep(self, topic: str, apply: Apply, fetch: Fetch | None = None) -> None:
        """Keep a copy of a topic; without `fetch`, hear of it only."""
        self._add(Listener(topic, apply) if fetch is None else Copy(topic, fetch, apply))

    def _add(self, listener: Listener) -> None:
        self._listeners[listener.topic] = listener
        self._asked[listener.topic] = self._moment()
        self.add(listener)

    async def away(self, seconds: float) -> None:
        """Be cut off for a while; then all that is not taken away is asked for again."""
        self._cut = self._moment()
        await super().away(seconds)

    @property
    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """What was told in events, by topic and id."""
        events = [each.frame for each in self.told if each.frame["op"] == "event"]
        return [(f"{frame['topic']} {frame['id']}", frame["data"]) for frame in events]

    def removed(self, topic: str) -> bool:
        """Whether it was taken away, and is not there again."""
        return self._listeners[topic].removed is not None

    def story(self, topic: str) -> str:
        """What was told of a topic, in short: after how many acts, and what."""
        told = [each for each in self.told if each.frame["topic"] == topic]
        return " ".join(f"{each.moment}:{each.frame.get('type') or each.frame['op']}" for each in told)

    def listens_since(self, topic: str) -> int | None:
        """The moment from which on it was listened to without a break, but for lost connections."""
        if topic in self._lost:
            return None
        back = [each.moment for each in self.told if each.frame["topic"] == topic and each.frame["op"] == "back"]
        return back[-1] if back else self._kept

    def come_back(self) -> None:
        """Ask again for what was taken away and may be had again: anew, or from where we were."""
        for topic, old in self._listeners.items():
            if isinstance(old, Copy) and old.removed is not None and self._may(topic):
                self._spawn(self.drop(old))  # its fetch must not come into what is fetched later
                goes_on = topic in self._whole and len(self.told) % 2 == 0
                self._whole.discard(topic)
                self._add(Returned(old) if goes_on else Copy(topic, old.fetch, old.apply))

    def hear(self, call: int, frame: dict[str, Any]) -> None:
        """Take a frame, as it came on a connection."""
        match frame["op"]:
            case "welcome" | "subscribed":
                self._answered(frame)
            case "event":
                self._judge(frame)
                self._note(frame)
            case "reset":
                self._last.pop(frame["topic"], None)
                self._note(frame)
            case "removed":
                self._note(frame)
                self._lose(frame["topic"])
            case "error":
                self.misfits.append(f"{frame}")
            case _:
                pass
        super().hear(call, frame)
        self.come_back()

    def _answered(self, frame: dict[str, Any]) -> None:
        if frame["op"] == "welcome":
            self._last.clear()
            self._asked |= dict.fromkeys(frame["topics"], self._cut)
        for topic, outcome in frame["topics"].items():
            self._last.pop(topic, None)
            self._note({"op": outcome["outcome"], "topic": topic, **outcome})
            if outcome["outcome"] == "error":
                self._lose(topic)
            elif topic in self._lost:
                self._lost.discard(topic)
                self._note({"op": "back", "topic": topic})

    def _lose(self, topic: str) -> None:
        self._lost.add(topic)
        (self._whole.add if self._listeners[topic].settled else self._whole.discard)(topic)

    def _note(self, frame: dict[str, Any]) -> None:
        self.told.append(Told(self._moment(), self._asked[frame["topic"]], frame))

    def _judge(self, frame: dict[str, Any]) -> None:
        """On one connection each event names the one before it, and ids only grow.

        A state that was told from memory may have been merged into the next one for everybody else: then that one names
        what they were told last.
        """
        topic, prev = frame["topic"], frame["prev"]
        if (prev is None) is not (topic == "home"):
            self.misfits.append(f"prev on {topic}: {frame}")
        if topic in self._lost:
            self.misfits.append(f"after it was taken away: {frame}")
        lowest, last = self._last.get(topic, ("", ""))
        if frame["id"] <= last or not (prev is None or last == "" or lowest <= prev <= last):
            self.misfits.append(f"after {last} (no lower than {lowest}): {frame}")
        self._last[topic] = (lowest if frame["type"] in STATES else frame["id"], frame["id"])
