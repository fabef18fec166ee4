"""WebSocket frames (RFC 6455, 5.2): what we write, ready-made, and what clients send, taken apart. No I/O."""

import struct
from typing import NamedTuple

from websockets.speedups import apply_mask

from realtime.protocol import MSGPACK

CONTINUATION = 0x0
TEXT = 0x1
BINARY = 0x2
CLOSE = 0x8
PING = 0x9
PONG = 0xA

PROTOCOL_ERROR = 1002
NOT_TEXT = 1007
TOO_BIG = 1009

LARGEST_HEAD = 14
LARGEST_CONTROL = 125
SENDABLE = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}


class Broken(Exception):
    """The client broke the protocol: the connection ends with this close code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Piece(NamedTuple):
    """One frame of a client's. `end` is where the next one begins."""

    opcode: int
    is_final: bool
    payload: bytes
    end: int


def frame(payload: bytes, subprotocol: str) -> bytes:
    """One unmasked, final frame: a server's frames are the same bytes for everyone."""
    return whole(BINARY if subprotocol == MSGPACK else TEXT, payload)


def whole(opcode: int, payload: bytes = b"") -> bytes:
    """One unmasked, final frame of any kind."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x80 | opcode, size) + payload
    if size < 65_536:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + payload


def close(code: int, reason: str = "") -> bytes:
    """The frame that says goodbye."""
    return whole(CLOSE, struct.pack("!H", code) + reason.encode()[: LARGEST_CONTROL - 2])


def read(data: bytes, at: int, room: int) -> Piece | None:
    """The frame at `at`, of at most `room` bytes; None while some of it is still to come. Raises Broken."""
    there = len(data) - at
    if there < 2:
        return None
    first, second = data[at], data[at + 1]
    opcode, size, body = first & 0x0F, second & 0x7F, at + 6
    if first & 0x70 or not second & 0x80 or opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
        raise Broken(PROTOCOL_ERROR)
    if opcode >= CLOSE and (size > LARGEST_CONTROL or not first & 0x80):
        raise Broken(PROTOCOL_ERROR)
    if size >= 126:
        width = 2 if size == 126 else 8
        if there < 2 + width:
            return None
        size, body = int.from_bytes(data[at + 2 : at + 2 + width], "big"), body + width
    if size > room and opcode < CLOSE:
        raise Broken(TOO_BIG)
    end = body + size
    if len(data) < end:
        return None
    return Piece(opcode, bool(first & 0x80), apply_mask(data[body:end], data[body - 4 : body]), end)


def farewell(payload: bytes) -> bytes:
    """The frame that answers a client's goodbye. Raises Broken for one that says nothing sensible."""
    if not payload:
        return whole(CLOSE)
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or code not in SENDABLE:
        raise Broken(PROTOCOL_ERROR)
    text(payload[2:])
    return close(code)


def text(payload: bytes) -> str:
    """What a text message says. Raises Broken when it is not UTF-8."""
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise Broken(NOT_TEXT) from None
