"""One piece of news on its way: as an entry of a Redis stream, and as the frames that clients get."""

from collections.abc import Set

import msgspec

from domain.eventlog import Logged
from realtime.frames import frame
from realtime.protocol import JSON, MSGPACK

STREAM_FIELD = b"e"
VOICE = "voice:"


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

    __slots__ = ("actor", "at", "audience", "data", "delivery", "id", "prev", "topics", "type", "voices")

    def __init__(self, redis_id: str, packed: bytes) -> None:
        entry = _decode(packed)
        self.id = wire_id(redis_id)
        self.prev = entry.prev
        self.delivery = entry.delivery
        self.type = entry.type
        self.topics = entry.topics
        self.at = entry.at
        self.actor = entry.actor
        self.audience = entry.audience
        self.data = entry.data
        voices = [topic.removeprefix(VOICE) for topic in entry.topics if topic.startswith(VOICE)]
        self.voices = voices if entry.actor is None else [entry.actor, *voices]

    def is_withheld(self, hidden: Set[str]) -> bool:
        """Whether it is of somebody who is hidden, or below what they said."""
        return not hidden.isdisjoint(self.voices)

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


ENCODINGS = [(JSON, True), (MSGPACK, True), (JSON, False), (MSGPACK, False)]


def encoding(subprotocol: str, *, framed: bool) -> int:
    """What `bytes_for` takes: how a client's messages are written, and whether as whole WebSocket frames."""
    return ENCODINGS.index((subprotocol, framed))


class Frame:
    """An event for all listeners of a topic: each encoding is made once, by the first that needs it."""

    __slots__ = ("_made", "news", "prev", "topic")

    def __init__(self, news: News, topic: str, prev: str | None) -> None:
        self.news = news
        self.topic = wire_topic(topic)
        self.prev = prev
        self._made: list[bytes | None] = [None] * len(ENCODINGS)

    @property
    def frames(self) -> "list[Frame]":
        """See Run."""
        return [self]

    def bytes_for(self, encoding: int) -> bytes:
        """The message, in one of ENCODINGS."""
        made = self._made[encoding]
        if made is None:
            subprotocol, framed = ENCODINGS[encoding]
            payload = self._json() if subprotocol == JSON else self._msgpack()
            made = self._made[encoding] = frame(payload, subprotocol) if framed else payload
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
        self._made: list[bytes | None] = [None] * len(ENCODINGS)

    def bytes_for(self, encoding: int) -> bytes:
        """All messages; of a framed encoding, which is how one ends before the next begins."""
        made = self._made[encoding]
        if made is None:
            made = self._made[encoding] = b"".join([frame.bytes_for(encoding) for frame in self.frames])
        return made
