"""Frames as bytes: what clients send is read the same however it arrives, and nonsense is refused with its code."""

import struct
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from realtime import frames
from realtime.frames import Broken
from realtime.protocol import JSON, MSGPACK

ROOM = 65_536
MASK = b"\x11\x22\x33\x44"


def masked(first: int, payload: bytes) -> bytes:
    """As a client sends it; `first` is its first byte."""
    size = len(payload)
    length = struct.pack("!B", 0x80 | size) if size < 126 else struct.pack("!BH", 0x80 | 126, size)
    return bytes([first]) + length + MASK + bytes(byte ^ MASK[i % 4] for i, byte in enumerate(payload))


def read_all(data: bytes) -> Sequence[tuple[int, bool, bytes]]:
    """The frames in it."""
    found: list[tuple[int, bool, bytes]] = []
    at = 0
    while (piece := frames.read(data, at, ROOM)) is not None:
        found.append((piece.opcode, piece.is_final, piece.payload))
        at = piece.end
    return found


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536])
def test_a_frame_of_any_size_is_read_back(size: int) -> None:
    payload = b"x" * size
    sent = Frame(Opcode.TEXT, payload).serialize(mask=True)
    assert frames.read(sent, 0, ROOM) == (frames.TEXT, True, False, payload, len(sent))


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize(("subprotocol", "opcode"), [(JSON, Opcode.TEXT), (MSGPACK, Opcode.BINARY)])
def test_what_we_write_is_what_a_library_would(subprotocol: str, opcode: Opcode, size: int) -> None:
    assert frames.frame(b"y" * size, subprotocol) == Frame(opcode, b"y" * size).serialize(mask=False)


@given(st.lists(st.binary(max_size=300), max_size=6), st.data())
def test_frames_are_found_from_any_position_on_and_the_last_may_be_on_its_way(
    payloads: list[bytes], data: st.DataObject
) -> None:
    sent = b"".join(masked(0x82, payload) for payload in payloads)
    cut = data.draw(st.integers(0, len(sent)))
    whole = read_all(sent[:cut])
    assert whole == [(frames.BINARY, True, payload) for payload in payloads][: len(whole)]
    assert len(read_all(sent)) == len(payloads)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (Frame(Opcode.TEXT, b"hi").serialize(mask=False), 1002),
        (masked(0xC1, b"compressed, which nobody agreed on"), 1002),
        (masked(0x83, b"an opcode that is none"), 1002),
        (masked(0x09, b"a ping in parts"), 1002),
        (masked(0x89, b"p" * 126), 1002),
        (struct.pack("!BBQ", 0x81, 0xFF, ROOM + 1), 1009),
        (struct.pack("!BBQ", 0x81, 0xFF, 2**63), 1009),
        (struct.pack("!BBH", 0x81, 0xFE, 125), 1002),
        (struct.pack("!BBQ", 0x81, 0xFF, 65_535), 1002),
    ],
)
def test_nonsense_has_a_code(sent: bytes, code: int | None) -> None:
    with pytest.raises(Broken) as broken:
        frames.read(sent, 0, ROOM)
    assert broken.value.code == code


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b"", frames.whole(frames.CLOSE)),
        (struct.pack("!H", 1000) + b"bye", frames.close(1000)),
        (struct.pack("!H", 4321), frames.close(4321)),
    ],
)
def test_a_goodbye_is_answered_with_its_code(payload: bytes, answer: bytes) -> None:
    assert frames.farewell(payload) == answer


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"\x03", 1002),
        (struct.pack("!H", 999), 1002),
        (struct.pack("!H", 1005), 1002),
        (struct.pack("!H", 1006), 1002),
        (struct.pack("!H", 2999), 1002),
        (struct.pack("!H", 5000), 1002),
        (struct.pack("!H", 1000) + b"\xff", 1007),
    ],
)
def test_a_goodbye_that_makes_no_sense_is_an_error(payload: bytes, code: int) -> None:
    with pytest.raises(Broken) as broken:
        frames.farewell(payload)
    assert broken.value.code == code


def test_a_compressed_message_is_read_where_that_is_agreed_on() -> None:
    payload = b'{"op":"ping","id":1}' * 20
    piece = frames.read(masked(0xC1, frames.deflate(payload)), 0, ROOM, deflates=True)
    assert piece is not None
    assert piece.is_deflated
    assert frames.inflate(piece.payload, ROOM) == payload


def test_a_compressed_message_may_end_with_a_last_block_and_nothing_else_behind_it() -> None:
    last = zlib.compressobj(wbits=-15)
    payload = last.compress(b"hi") + last.flush()

    assert frames.inflate(payload + b"\0", ROOM) == b"hi"
    with pytest.raises(Broken) as broken:
        frames.inflate(payload + b"more", ROOM)
    assert broken.value.code == frames.NOT_TEXT


@pytest.mark.parametrize(("payload", "code"), [(frames.deflate(b"x" * 10_000_000), 1009), (b"\xff\xff\xff", 1007)])
def test_what_is_too_large_or_no_compressed_message_is_refused(payload: bytes, code: int) -> None:
    with pytest.raises(Broken) as broken:
        frames.inflate(payload, ROOM)
    assert broken.value.code == code
