"""THE WIRE: every op, frame and close code of `potluck.v1`, and nothing else. Changing it is a decision."""

import re
from enum import IntEnum
from typing import Literal

import msgspec

JSON = "potluck.v1.json"
MSGPACK = "potluck.v1.msgpack"
SUBPROTOCOLS = (JSON, MSGPACK)


class Hello(msgspec.Struct, tag_field="op", tag="hello"):
    """The first message: authenticates, subscribes and recovers in one round trip.

    `topics` maps each topic to the cursor the client holds of it, or to null for "from now on".
    """

    token: str
    topics: dict[str, str | None] = {}
    ticket: str | None = None
    client: str | None = None


class Subscribe(msgspec.Struct, tag_field="op", tag="subscribe"):
    """Listen to more topics, with cursors as in `hello`; answered by `subscribed`."""

    id: int
    topics: dict[str, str | None]


class Unsubscribe(msgspec.Struct, tag_field="op", tag="unsubscribe"):
    """Stop listening; answered by `unsubscribed`."""

    id: int
    topics: list[str]


class Token(msgspec.Struct, tag_field="op", tag="token"):
    """Replace the connection's token before it expires; answered by `ok`."""

    id: int
    token: str


class Ping(msgspec.Struct, tag_field="op", tag="ping"):
    """Ask for a `pong`, which names the position."""

    id: int


Command = Hello | Subscribe | Unsubscribe | Token | Ping


class Outcome(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What became of a topic that was asked for.

    `live`: up to date from `cursor` on. `replayed`: `count` events follow, then live from `cursor`.
    `reset`: continuity can't be proved, fetch over HTTP and go on from `cursor`. `error`: see `code`.
    """

    outcome: Literal["live", "replayed", "reset", "error"]
    cursor: str | None = None
    count: int | None = None
    code: Literal["not_found", "bad_topic", "bad_cursor", "too_many_topics"] | None = None


class Retry(msgspec.Struct):
    """How long to wait before connecting again: random between the two, growing."""

    min_ms: int
    max_ms: int


class Welcome(msgspec.Struct, tag_field="op", tag="welcome"):
    """The answer to `hello`; what was missed follows, then live news."""

    session: str
    user_id: str
    heartbeat_s: float
    token_expires_in: int
    ticket: str | None
    retry: Retry
    topics: dict[str, Outcome]


class Subscribed(msgspec.Struct, tag_field="op", tag="subscribed"):
    """The answer to `subscribe`."""

    id: int
    ticket: str | None
    topics: dict[str, Outcome]


class Unsubscribed(msgspec.Struct, tag_field="op", tag="unsubscribed"):
    """The answer to `unsubscribe`."""

    id: int
    topics: list[str]


class Ok(msgspec.Struct, tag_field="op", tag="ok"):
    """The answer to `token`."""

    id: int
    token_expires_in: int


class Pong(msgspec.Struct, tag_field="op", tag="pong"):
    """The answer to `ping`; `cursor` as in the `cursor` message."""

    id: int
    cursor: str


class Event(msgspec.Struct, tag_field="op", tag="event"):
    """Something happened. Apply it when `prev <= mine < id`; `prev` is null where a topic is filtered per user."""

    topic: str
    id: str
    prev: str | None
    type: str
    at: str
    data: msgspec.Raw


class Cursor(msgspec.Struct, tag_field="op", tag="cursor"):
    """You have been sent everything up to here on all topics that were answered before."""

    cursor: str
    ticket: str | None


class Reset(msgspec.Struct, tag_field="op", tag="reset"):
    """What you hold of this topic may be stale: fetch it over HTTP, then go on from `cursor`."""

    topic: str
    cursor: str
    reason: str


Removal = Literal["blocked", "private", "deleted", "suspended"]


class Removed(msgspec.Struct, tag_field="op", tag="removed"):
    """You may no longer listen to this topic."""

    topic: str
    code: Removal


class TokenExpiring(msgspec.Struct, tag_field="op", tag="token_expiring"):
    """Sent 60 s ahead; answer with `token`."""

    expires_in: int


class Drain(msgspec.Struct, tag_field="op", tag="drain"):
    """This node is going away: open a new connection after so many ms, then drop this one."""

    reconnect_in_ms: int


class Error(msgspec.Struct, tag_field="op", tag="error", omit_defaults=True, kw_only=True):
    """The request failed; the connection lives."""

    id: int | None = None
    code: str
    message: str
    details: dict[str, str] | None = None
    retry_after: float | None = None


Answer = Welcome | Subscribed | Unsubscribed | Ok | Pong | Cursor | Reset | Removed | TokenExpiring | Drain | Error
FRAMES = (
    *(Welcome, Subscribed, Unsubscribed, Ok, Pong, Event, Cursor, Reset),
    *(Removed, TokenExpiring, Drain, Error),
)
COMMANDS = (Hello, Subscribe, Unsubscribe, Token, Ping)


class Close(IntEnum):
    """Close codes carry the verdict: 40xx do not reconnect, 41xx back off, 42xx now, 43xx get a new token first."""

    PROTOCOL_ERROR = 4000
    SUSPENDED = 4003
    OVERLOADED = 4100
    TOO_SLOW = 4101
    TOO_MANY_CONNECTIONS = 4102
    DRAINING = 4200
    TOKEN_EXPIRED = 4300
    SESSION_REVOKED = 4301
    NO_HELLO = 4302
    BAD_TOKEN = 4303


VERDICTS = {
    40: "do not reconnect",
    41: "reconnect with backoff and jitter",
    42: "reconnect now, with your cursors",
    43: "get a new token first",
}

MEANINGS = {
    Close.PROTOCOL_ERROR: "protocol error",
    Close.SUSPENDED: "banned or suspended",
    Close.OVERLOADED: "overloaded",
    Close.TOO_SLOW: "too slow a reader",
    Close.TOO_MANY_CONNECTIONS: "too many connections",
    Close.DRAINING: "draining",
    Close.TOKEN_EXPIRED: "token expired",
    Close.SESSION_REVOKED: "session revoked",
    Close.NO_HELLO: "no hello in time",
    Close.BAD_TOKEN: "bad token",
}


class Malformed(Exception):
    """A message that is none; `details` names the field."""

    def __init__(self, message: str, field: str, command_id: int | None) -> None:
        super().__init__(message)
        self.error = Error(id=command_id, code="invalid", message=message, details={field: message})


class _Id(msgspec.Struct):
    id: int | None = None


_from_json = msgspec.json.Decoder(Command)
_from_msgpack = msgspec.msgpack.Decoder(Command)
_to_json = msgspec.json.Encoder()
_to_msgpack = msgspec.msgpack.Encoder()


def decode(message: str | bytes, subprotocol: str) -> Command:
    """A client's message. Raises Malformed."""
    if isinstance(message, str) != (subprotocol == JSON):
        kind = "text" if subprotocol == JSON else "binary"
        raise Malformed(f"{subprotocol} takes {kind} messages", "message", None)
    try:
        return _from_json.decode(message) if isinstance(message, str) else _from_msgpack.decode(message)
    except msgspec.ValidationError as wrong:
        reason, _, path = str(wrong).partition(" - at `$")
        missing = re.search(r"required field `(\w+)`", reason)
        field = path.rstrip("`").removeprefix(".").partition("[")[0].partition(".")[0]
        raise Malformed(reason, missing[1] if missing else field or "message", _id_of(message, subprotocol)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError) as wrong:
        raise Malformed(f"not a message: {wrong}", "message", None) from None


def _id_of(message: str | bytes, subprotocol: str) -> int | None:
    try:
        if subprotocol == JSON:
            return msgspec.json.decode(message, type=_Id).id
        return msgspec.msgpack.decode(message if isinstance(message, bytes) else b"", type=_Id).id
    except (msgspec.MsgspecError, RecursionError):
        return None


def encode(answer: Answer, subprotocol: str) -> bytes:
    """An answer's payload."""
    return _to_json.encode(answer) if subprotocol == JSON else _to_msgpack.encode(answer)
