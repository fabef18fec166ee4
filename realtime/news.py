"""One piece of news on its way: as an entry of a Redis stream, and as the frames that clients get."""

from collections.abc import Set
from itertools import product

import msgspec

from domain.eventlog import FACT, Logged
from realtime import protocol
from realtime.frames import frame
from realtime.protocol import JSON, SUBPROTOCOLS

STREAM_FIELD = b"e"
VOICE = "voice:"
FRAME_SIZE = 148  # bytes of an event's frame without its topic, type and data


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """What a stream entry holds: routing fields, and the final bytes of `data`. `prev` is the entry before it.

    A batch without news has one entry without topics: it moves everybody's position.
    """

    prev: str
    delivery: str
    type: str
    topics: list[str]
    at: str
    actor: str | None
    audience: str | None
    data: bytes


_decode = msgspec.msgpack.Decoder(Entry).decode
_encode = msgspec.msgpack.Encoder().encode


def entry(event: Logged, prev: str, delivery: str) -> bytes:
    """A logged event as a stream entry."""
    at = event.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    actor = None if event.actor is None else str(event.actor)
    data = event.data.encode()
    return _encode(Entry(prev, delivery, event.type, event.topics, at, actor, event.audience, data))


def watermark(prev: str) -> bytes:
    """The entry of a batch that has no news."""
    return _encode(Entry(prev, "event", "", [], "", None, None, b""))


def stream_id(batch: int, seq: int) -> str:
    """An event's id in a Redis stream."""
    return f"{batch}-{seq}"


def wire_id(redis_id: str) -> str:
    """The same id as clients see it: of fixed width, so that it sorts as a string."""
    batch, _, seq = redis_id.partition("-")
    return f"{int(batch):012x}{int(seq):012x}"


def is_wire_id(text: str) -> bool:
    """Whether a client's cursor is written as we write them."""
    return len(text) == 24 and all(character in "0123456789abcdef" for character in text)


def milliseconds(wire: str) -> int:
    """When the batch of this id was cut, ms since 1970."""
    return int(wire[:12], 16)


class News:
    """A piece of news in a server process."""

    __slots__ = ("actor", "at", "audience", "data", "delivery", "first", "id", "prev", "topics", "type", "voices")

    def __init__(self, redis_id: str, packed: bytes) -> None:
        entry = _decode(packed)
        self.id = wire_id(redis_id)
        self.first: News | None = None  # of those that are merged into it
        self.prev = entry.prev
        self.delivery = entry.delivery
        self.type = entry.type
        self.topics = entry.topics
        self.at = entry.at
        self.actor = entry.actor
        self.audience = entry.audience
        self.data = entry.data
        voices = [topic.removeprefix(VOICE) for topic in entry.topics if topic.startswith(VOICE)]
        if entry.actor is not None and entry.audience != FACT:
            voices.append(entry.actor)
        self.voices = voices

    def is_withheld(self, hidden: Set[str], owner: str = "") -> bool:
        """Whether it is of somebody who is hidden, or below what they said.

        Not on what is theirs: who may listen to that sees them, and only has not heard of it yet.
        """
        return not hidden.isdisjoint(self.voices) and any(each in hidden and each != owner for each in self.voices)

    def turned(self, viewer: str) -> list[tuple[str, bool]]:
        """(person, whether they are hidden now) for those whose acts are withheld from a viewer, or no longer."""
        parts = [topic.split(":") for topic in self.topics if topic.startswith(("hidden:", "shown:"))]
        return [(person, kind == "hidden") for kind, whose, person in parts if whose == viewer]

    @property
    def size(self) -> int:
        """Roughly the bytes it occupies in memory."""
        return len(self.data) + 60 * len(self.topics) + 300


def wire_topic(topic: str) -> str:
    """What clients call a topic of the log."""
    return "notifications" if topic.startswith("notifications:") else topic


class Wire:
    """How a connection's messages are written. There is one of each kind: see `wire_for`."""

    __slots__ = ("deflated", "framed", "number", "subprotocol")

    def __init__(self, number: int, subprotocol: str, *, framed: bool, deflated: bool) -> None:
        self.number = number
        self.subprotocol = subprotocol
        self.framed = framed  # as whole WebSocket frames
        self.deflated = deflated  # and of these, events compressed


KINDS = list(product(SUBPROTOCOLS, (False, True), (False, True)))
WIRES = [Wire(number, each, framed=framed, deflated=deflated) for number, (each, framed, deflated) in enumerate(KINDS)]


def wire_for(subprotocol: str, *, framed: bool, deflated: bool = False) -> Wire:
    """The one of this kind."""
    return next(
        each for each in WIRES if (each.subprotocol, each.framed, each.deflated) == (subprotocol, framed, deflated)
    )


def _written(payload: bytes, wire: Wire, *, deflated: bool = False) -> bytes:
    return frame(payload, wire.subprotocol, deflated=deflated) if wire.framed else payload


class Frame:
    """An event for all listeners of a topic: each encoding is made once, by the first that needs it."""

    __slots__ = ("_made", "news", "prev", "topic")

    def __init__(self, news: News, topic: str, prev: str | None) -> None:
        self.news = news
        self.topic = wire_topic(topic)
        self.prev = prev
        self._made: list[bytes | None] = [None] * len(WIRES)

    @property
    def frames(self) -> "list[Frame]":
        """See Run."""
        return [self]

    @property
    def size(self) -> int:
        """Roughly the bytes of the message, which need not have been made for that."""
        return FRAME_SIZE + len(self.topic) + len(self.news.type) + len(self.news.data)

    def bytes_for(self, wire: Wire) -> bytes:
        """The message as it is written."""
        made = self._made[wire.number]
        if made is None:
            payload = self._json() if wire.subprotocol == JSON else self._msgpack()
            made = self._made[wire.number] = _written(payload, wire, deflated=wire.deflated)
        return made

    def _json(self) -> bytes:
        news = self.news
        prev = "null" if self.prev is None else f'"{self.prev}"'
        head = f'{{"op":"event","topic":"{self.topic}","id":"{news.id}","prev":{prev},"type":"{news.type}"'
        return b"".join((head.encode(), b',"at":"', news.at.encode(), b'","data":', news.data, b"}"))

    def _msgpack(self) -> bytes:
        news = self.news
        data = msgspec.json.decode(news.data)
        fields = {"op": "event", "topic": self.topic, "id": news.id, "prev": self.prev, "type": news.type}
        return _encode({**fields, "at": news.at, "data": data})


class Run:
    """Events of one topic right behind each other, for the same listeners: joined once, and not by each of them."""

    __slots__ = ("_made", "frames")

    def __init__(self, frames: list[Frame]) -> None:
        self.frames = frames
        self._made: list[bytes | None] = [None] * len(WIRES)

    def bytes_for(self, wire: Wire) -> bytes:
        """All messages as they are written; of a framed wire, for there one ends before the next begins."""
        made = self._made[wire.number]
        if made is None:
            made = self._made[wire.number] = b"".join([frame.bytes_for(wire) for frame in self.frames])
        return made


class Told:
    """An answer on its way, or whatever else is said to one client only."""

    __slots__ = ("answer",)

    def __init__(self, answer: protocol.Answer) -> None:
        self.answer = answer

    def bytes_for(self, wire: Wire) -> bytes:
        """The message as it is written."""
        return _written(protocol.encode(self.answer, wire.subprotocol), wire)
