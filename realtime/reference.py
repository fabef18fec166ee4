"""The wire contract as a page, a schema and types, generated; `python -m realtime.reference` writes them all."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from domain.events import AnyEvent
from realtime import protocol, typescript

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "realtime.md"
SCHEMA = Path(__file__).parent / "wire.json"

# A test compares this with what access.py answers.
LISTENERS = {
    "notifications": "the user",
    "home": "the user; what is posted by those they follow and have not muted",
    "user:{id}": "who may see the profile; of posts only public ones are told",
    "post:{id}": "who may see the post; not what is said by people with a block between them, or below that",
    "leaderboard:{board}": "anybody who has signed in; of its changes at most four a second, merged",
    "review:{id}": "who may see the review; not what is said by people with a block between them, or below that",
    "restaurant:{id}": "anybody who has signed in; not what people with a block between them rank and review",
    "dish:{id}": "anybody who has signed in; not what people with a block between them rank and review",
    "trending:{scope}": "anybody who has signed in; a list at most once a second, when it is not what it was",
}

POSITIONS = [
    "## Positions",
    "",
    "An event's `id` sorts as a string, in one order for everybody; a *cursor* is such an id. Keep one position per"
    " topic: the largest of the cursor you were given when you subscribed, the ids you have applied, and the last"
    " `cursor` message, which moves all your topics. Apply an event when `prev <= mine < id`; drop it when"
    " `id <= mine`, a duplicate; and when `prev > mine` you have missed something: subscribe to the topic again with"
    " your position. `prev` is null on `home`, which is filtered for each user: there the server sees to it.",
    "",
    "- **First time**: fetch the page over HTTP; the answer's header `Potluck-Cursor` is a cursor from before its"
    " snapshot. Subscribe with it, or subscribe with null first and fetch then, and apply only what is newer.",
    "- **Coming back**: say `hello` with your positions. `live` and `replayed`: you have missed nothing, or are told"
    " it now. `reset`, as an outcome or as a message at any time: fetch again, and go on from its cursor. The window"
    " is `POTLUCK_REPLAY_WINDOW_S`, 5 minutes by default.",
    "- **Ticket**: what you may listen to, signed for your session, in `welcome`, `subscribed` and `cursor`. Keep the"
    " newest and hand it in with `hello`: then coming back asks no database, on any process.",
    "- **Reading too slowly**: of what waits for you, first only the newest state of each type is kept; then the events"
    " that wait become one `reset` per topic; and in the end, or when you take nothing for 10 seconds, you are closed"
    " with 4101. `prev` fits whatever was left out, and answers and replays are never touched.",
    "- **Reading too slowly**: of what waits for you, first only the newest state of each type is kept, and a board's"
    " changes are merged; then the events that wait become one `reset` per topic; and in the end, or when you take"
    " nothing for 10 seconds, you are closed with 4101. `prev` fits whatever was left out, and answers and replays are"
    " never touched.",
    "- **Reading too slowly**: of what waits for you, first only the newest state of each type is kept, and a board's"
    " changes are merged; then the events that wait become one `reset` per topic; and in the end, or when you take"
    " nothing for 10 seconds, you are closed with 4101. `prev` fits whatever was left out, and answers and replays are"
    " never touched.",
    "- **Guarantees**: an event is told if and only if its change was committed, at least once inside the window, and"
    " in the same order to everybody; state is absolute and never goes backwards; after a block, a lost follow or a"
    " deletion nothing newer is told under the old right, and `removed` follows; loss is never silent.",
]


def schema() -> str:
    """Every command, frame, event and close code, as JSON: a change of it is a change of the contract."""
    told = _told(AnyEvent.__args__)
    structs = (*protocol.COMMANDS, *protocol.FRAMES, *told)
    _, components = msgspec.json.schema_components(structs, ref_template="#/structs/{name}")
    closes = {str(code.value): protocol.MEANINGS[code] for code in protocol.Close}
    events = {each.type: [each.__name__, each.delivery, *each.heard_on] for each in told}
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
        *POSITIONS,
        "",
        "## Topics",
        "",
        "| topic | who may listen | events |",
        "|---|---|---|",
        *(_topic(topic, who) for topic, who in LISTENERS.items()),
        "",
        "## What a client says",
        *(_section(each) for each in protocol.COMMANDS),
        "## What the server says",
        *(_section(each) for each in protocol.FRAMES),
        "## What is in them",
        *(_section(each) for each in (protocol.Outcome, protocol.Retry)),
        "## Events",
        "",
        "`event` is delivered one by one; of `state` the newest of a topic and type is enough, and at most ten a second"
        " are sent; of `board` at most four a second are, merged: see `leaderboard.changed`, and `boards` in"
        " `tests/conformance.json`.",
        "",
        "| type | topics | class | data | what happened |",
        "|---|---|---|---|---|",
        *(_event(each) for each in _told(AnyEvent.__args__)),
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


def _told(events: Iterable[Any]) -> list[Any]:
    """Those that clients hear of, by type."""
    return sorted((each for each in events if each.heard_on), key=lambda each: each.type)


def _topic(topic: str, who: str) -> str:
    kind = topic.partition(":")[0]
    events = ", ".join(f"`{each.type}`" for each in _told(AnyEvent.__args__) if kind in each.heard_on)
    return f"| `{topic}` | {who} | {events} |"


def _section(struct: Any) -> str:
    tag = struct.__struct_config__.tag or struct.__name__
    lines = ["", f"### `{tag}`", "", _doc(struct), ""]
    lines += [f"- `{field.encode_name}`: {_type(field.type)}{_optional(field)}" for field in _fields(struct)]
    return "\n".join([*lines, ""])


def _event(struct: Any) -> str:
    fields = ", ".join(field.encode_name for field in _fields(struct))
    where = ", ".join(f"`{kind}`" for kind in struct.heard_on)
    return f"| `{struct.type}` | {where} | {struct.delivery} | {{{fields}}} | {' '.join(_doc(struct).split())} |"


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
    typescript.FILE.write_text(typescript.completed(typescript.FILE.read_text()))
