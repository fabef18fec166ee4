"""The wire contract as types of TypeScript, written into potluck.d.ts between its marks; see reference.py."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from msgspec import inspect

from domain.events import AnyEvent
from realtime import protocol

FILE: Final = Path(__file__).parent.parent / "server" / "web" / "potluck.d.ts"
WHOLE_TOPICS: Final = {"notifications", "home"}  # the others are of a thing: `post:{id}`
PLAIN: Final[dict[type, str]] = {
    inspect.StrType: "string",
    inspect.UUIDType: "string",
    inspect.IntType: "number",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
    inspect.NoneType: "null",
}
_MARKED: Final = re.compile(r"(// <wire>\n).*(// </wire>\n)", re.DOTALL)


def completed(text: str) -> str:
    """The file with what is generated as it should be now."""
    return _MARKED.sub(lambda found: found[1] + types() + found[2], text)


def types() -> str:
    """What is told on which topic, what it holds, and why a topic or a connection ends."""
    told: list[Any] = sorted((each for each in AnyEvent.__args__ if each.heard_on), key=lambda each: each.type)
    kinds = sorted({kind for each in told for kind in each.heard_on})
    structs: dict[str, list[str]] = {}
    for each in told:
        _type(inspect.type_info(each), structs)
    outcome: Any = inspect.type_info(protocol.Outcome)
    (codes,) = [option for field in outcome.fields if field.name == "code" for option in field.type.types[:1]]
    lines = [
        *(line for struct in structs.values() for line in struct),
        "/** What each type of event holds. */",
        "export interface Events {",
        *(f"  {_text(each.type)}: {each.__name__};" for each in told),
        "}",
        "",
        "/** The types of events of each topic. */",
        "export interface Topics {",
        *(
            f"  {_topic(kind)}: {_either(_text(each.type) for each in told if kind in each.heard_on)};"
            for kind in kinds
        ),
        "}",
        "",
        "/** Why a topic ended; more may come. */",
        f"export type Removal = {_either(map(_text, (*protocol.Removal.__args__, *codes.values)))} | (string & {{}});",
        "",
        "/** What the server closes with. */",
        "export type Close =",
        *(f"  | {code.value} // {protocol.MEANINGS[code]}" for code in protocol.Close),
        "  | never;",
    ]
    return "\n".join(lines) + "\n"


def _type(kind: Any, structs: dict[str, list[str]]) -> str:
    """A type's name; the structs that it is made of are added. KeyError for what no event holds yet."""
    match kind:
        case inspect.StructType():
            _add(kind, structs)
            return kind.cls.__name__
        case inspect.UnionType():
            return _either(_type(each, structs) for each in kind.types)
        case inspect.LiteralType():
            return _either(map(_text, kind.values))
        case inspect.ListType():
            inner = _type(kind.item_type, structs)
            return f"({inner})[]" if " | " in inner else f"{inner}[]"
        case inspect.DictType():
            return f"Record<string, {_type(kind.value_type, structs)}>"
        case _:
            return PLAIN[type(kind)]


def _add(struct: inspect.StructType, structs: dict[str, list[str]]) -> None:
    if struct.cls.__name__ in structs:
        return
    lines = structs[struct.cls.__name__] = [f"/** {' '.join((struct.cls.__doc__ or '').split())} */"]
    may_be_absent = struct.cls.__struct_config__.omit_defaults
    lines.append(f"export interface {struct.cls.__name__} {{")
    for field in struct.fields:
        mark = "?" if may_be_absent and not field.required else ""
        lines.append(f"  {field.encode_name}{mark}: {_type(field.type, structs)};")
    lines += ["}", ""]


def _topic(kind: str) -> str:
    return kind if kind in WHOLE_TOPICS else f"[topic: `{kind}:${{string}}`]"


def _either(options: Iterable[str]) -> str:
    return " | ".join(options)


def _text(value: object) -> str:
    return f"'{value}'"
