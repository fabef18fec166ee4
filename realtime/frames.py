"""WebSocket frames (RFC 6455, 5.2): what we write, ready-made, and what clients send, taken apart. No I/O."""

import struct
import zlib
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
NOT_TEXT = 1007  # or no compressed data
TOO_BIG = 1009

DEFLATED = 0x40
DEFLATE_BITS = 12  # of the window: 4 KiB, more than most messages
TAIL = b"\0\0\xff\xff"  # of every compressed message, and not sent
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
    is_deflated: bool
    payload: bytes
    end: int


def frame(payload: bytes, subprotocol: str, *, deflated: bool = False) -> bytes:
    """One unmasked, final frame: a server's frames are the same bytes for everyone. `deflated` when it gets shorter."""
    opcode = BINARY if subprotocol == MSGPACK else TEXT
    short = deflate(payload) if deflated else payload
    return whole(opcode | DEFLATED, short) if len(short) < len(payload) else whole(opcode, payload)


def deflate(payload: bytes) -> bytes:
    """A message as permessage-deflate has it (RFC 7692, 7.2.1), without what came before it: the same for everyone."""
    with_nothing_before = zlib.compressobj(6, zlib.DEFLATED, -DEFLATE_BITS, 5)
    return (with_nothing_before.compress(payload) + with_nothing_before.flush(zlib.Z_SYNC_FLUSH))[: -len(TAIL)]


def inflate(payload: bytes, room: int) -> bytes:
    """The message again, of at most `room` bytes. Raises Broken."""
    inflating = zlib.decompressobj(-15)
    try:
        message = inflating.decompress(payload + TAIL, room + 1)
    except zlib.error:
        raise Broken(NOT_TEXT) from None
    if len(message) > room:
        raise Broken(TOO_BIG)
    if inflating.unused_data not in (b"", b"\0" + TAIL):  # behind a last block is one byte (7.2.3.4)
        raise Broken(NOT_TEXT)
    return message


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


def read(data: bytes, at: int, room: int, *, deflates: bool = False) -> Piece | None:
    """The frame at `at`, of at most `room` bytes; None while some of it is still to come. Raises Broken.

    A compressed one is none, unless it is agreed on (`deflates`).
    """
    there = len(data) - at
    if there < 2:
        return None
    first, second = data[at], data[at + 1]
    opcode, size, body = first & 0x0F, second & 0x7F, at + 6
    is_deflated = deflates and bool(first & DEFLATED) and opcode in (TEXT, BINARY)
    if (
        first & (0x30 if is_deflated else 0x70)
        or not second & 0x80
        or opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)
    ):
        raise Broken(PROTOCOL_ERROR)
    if opcode >= CLOSE and (size > LARGEST_CONTROL or not first & 0x80):
        raise Broken(PROTOCOL_ERROR)
    if size >= 126:
        width = 2 if size == 126 else 8
        if there < 2 + width:
            return None
        size, body = int.from_bytes(data[at + 2 : at + 2 + width], "big"), body + width
        if size < (126 if width == 2 else 65_536):  # has to be written in as few bytes as it can be
            raise Broken(PROTOCOL_ERROR)
    if size > room and opcode < CLOSE:
        raise Broken(TOO_BIG)
    end = body + size
    if len(data) < end:
        return None
    return Piece(opcode, bool(first & 0x80), is_deflated, apply_mask(data[body:end], data[body - 4 : body]), end)


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
