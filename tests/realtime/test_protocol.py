"""The wire: what is understood, what is refused, and that it changes by decision only."""

import msgspec
import pytest

from realtime import protocol, reference
from realtime.news import frame, is_wire_id, wire_id
from realtime.protocol import JSON, MSGPACK, Malformed


def test_the_committed_schema_is_the_wire() -> None:
    assert reference.SCHEMA.read_text() == reference.schema(), "run python -m realtime.reference, and decide"


def test_the_page_tells_of_every_op_and_every_close_code() -> None:
    assert reference.PAGE.read_text() == reference.page(), "run python -m realtime.reference"


@pytest.mark.parametrize(
    ("message", "field", "command_id"),
    [
        ("not json", "message", None),
        ("[]", "message", None),
        ("{}", "op", None),
        ('{"op":"dance","id":1}', "op", 1),
        ('{"op":"hello"}', "token", None),
        ('{"op":"hello","token":1}', "token", None),
        ('{"op":"subscribe","id":7,"topics":["post:1"]}', "topics", 7),
        ('{"op":"subscribe","id":7,"topics":{"post:1":5}}', "topics", 7),
        ('{"op":"subscribe","id":"x","topics":{}}', "id", None),
        ('{"op":"unsubscribe","id":2}', "topics", 2),
        ('{"op":"ping","id":1.5}', "id", None),
        ('{"op":"hello","token":"\\ud800"}', "message", None),
        ("[" * 30_000, "message", None),
    ],
)
def test_a_malformed_message_is_answered_with_the_field(message: str, field: str, command_id: int | None) -> None:
    with pytest.raises(Malformed) as refused:
        protocol.decode(message, JSON)
    assert list(refused.value.error.details or {}) == [field]
    assert refused.value.error.id == command_id


def test_each_subprotocol_takes_its_own_kind_of_message() -> None:
    ping = msgspec.msgpack.encode({"op": "ping", "id": 3})
    assert protocol.decode(ping, MSGPACK) == protocol.Ping(id=3)
    with pytest.raises(Malformed):
        protocol.decode('{"op":"ping","id":3}', MSGPACK)
    with pytest.raises(Malformed):
        protocol.decode(ping, JSON)


def test_ids_are_of_fixed_width_and_sort_as_strings() -> None:
    ids = [wire_id(each) for each in ("9-1", "10-0", "10-9", "10-10", "1763699000000-123456")]
    assert ids == sorted(ids)
    assert {len(each) for each in ids} == {24}
    assert all(is_wire_id(each) for each in ids)


@pytest.mark.parametrize("text", ["", "0", "x" * 24, "0" * 23, "0" * 25, "A" * 24, "-1" * 12])
def test_what_we_did_not_write_is_no_cursor(text: str) -> None:
    assert not is_wire_id(text)


@pytest.mark.parametrize(("size", "head"), [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)])
def test_a_frame_is_what_the_standard_says(size: int, head: int) -> None:
    made = frame(b"x" * size, JSON)
    assert len(made) == size + head
    assert made[0] == 0x81
    assert frame(b"", MSGPACK)[0] == 0x82
