"""The wire contract as a page and as a schema, generated; `python -m realtime.reference` writes both."""

import json
from pathlib import Path
from typing import Any

import msgspec

from domain.events import AnyEvent
from realtime import protocol

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "realtime.md"
SCHEMA = Path(__file__).parent / "wire.json"


def schema() -> str:
    """Every command, frame, event and close code, as JSON: a change of it is a change of the contract."""
    structs = (*protocol.COMMANDS, *protocol.FRAMES, *AnyEvent.__args__)
    _, components = msgspec.json.schema_components(structs, ref_template="#/structs/{name}")
    closes = {str(code.value): protocol.MEANINGS[code] for code in protocol.Close}
    events = {each.type: [each.__name__, each.delivery] for each in AnyEvent.__args__}
    whole = {"subprotocols": protocol.SUBPROTOCOLS, "structs": components, "events": events, "close_codes": closes}
    return json.dumps(whole, indent=1, sort_keys=True) + "\n"


def page() -> str:
    """The page for people."""
    parts = [
        "# The live contract, `potluck.v1`",
        "",
        "Generated from `realtime/protocol.py` and the events of `domain/`: change those, then run"
        " `python -m realtime.reference`.",
        "",
        "Connect to `GET /api/v1/ws` with one of the subprotocols "
        + " (text) or ".join(f"`{each}`" for each in protocol.SUBPROTOCOLS)
        + " (binary). The first message is `hello`; tokens travel in messages only.",
        "",
        "An event's `id` sorts as a string; a cursor is such an id. Keep one position per topic: apply an event when"
        " `prev <= mine < id`, drop it when `id <= mine`, and when `prev > mine` subscribe to the topic again.",
        "",
        "## What a client says",
        *(_section(each) for each in protocol.COMMANDS),
        "## What the server says",
        *(_section(each) for each in protocol.FRAMES),
        "## Events",
        "",
        "`event` is delivered one by one; of `state` the newest of a topic and type is enough, and at most ten a second"
        " are sent; `board` is merged per tick.",
        "",
        "| type | class | data | what happened |",
        "|---|---|---|---|",
        *(_event(each) for each in sorted(AnyEvent.__args__, key=lambda each: each.type)),
        "",
        "## Close codes",
        "",
        "| code | meaning | what to do |",
        "|---|---|---|",
        *(
            f"| {code.value} | {protocol.MEANINGS[code]} | {protocol.VERDICTS[code // 100]} |"
            for code in protocol.Close
        ),
        "| 1009 | a message over the limit | send smaller messages |",
        "",
    ]
    return "\n".join(parts)


def _section(struct: Any) -> str:
    tag = struct.__struct_config__.tag
    lines = ["", f"### `{tag}`", "", _doc(struct), ""]
    lines += [f"- `{field.encode_name}`: {_type(field.type)}{_optional(field)}" for field in _fields(struct)]
    return "\n".join([*lines, ""])


def _event(struct: Any) -> str:
    fields = ", ".join(field.encode_name for field in _fields(struct))
    return f"| `{struct.type}` | {struct.delivery} | {{{fields}}} | {_doc(struct).splitlines()[0]} |"


def _fields(struct: Any) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(struct)


def _doc(struct: Any) -> str:
    lines = (struct.__doc__ or "").strip().splitlines()
    return "\n".join(line.strip() for line in lines)


def _type(kind: Any) -> str:
    name = kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind)
    for gone in ("typing.", "realtime.protocol.", "msgspec."):
        name = name.replace(gone, "")
    return f"`{name}`"


def _optional(field: msgspec.structs.FieldInfo) -> str:
    return "" if field.required else ", optional"


if __name__ == "__main__":
    PAGE.write_text(page())
    SCHEMA.write_text(schema())
