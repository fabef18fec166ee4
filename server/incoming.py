"""What comes in, strictly: bodies bounded, JSON in UTF-8, decoded to what the handler wants; no NUL anywhere."""

import json
import re
from functools import cache
from typing import Any, Final, cast
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec
from litestar import Request
from litestar.exceptions import InternalServerException

from domain.errors import Invalid
from domain.settings import settings
from domain.text import READABLE, UNREADABLE
from server.errors import Disconnected, TooLarge, UnsupportedBody

MAX_DEPTH: Final = 32


class StrictRequest(Request[Any, Any, Any]):
    """Litestar would turn "5" into 5 and report a malformed body without naming the field; this does neither."""

    __slots__ = ("_decoded",)

    async def body(self) -> bytes:
        """At most `settings.max_body_bytes`, with or without Content-Length; raises RequestEntityTooLarge."""
        try:
            return await super().body()
        except InternalServerException as left:
            raise Disconnected from left

    async def json(self) -> Any:
        """The body as the struct that the handler's `data` is annotated with; raises Invalid, naming the field."""
        if not hasattr(self, "_decoded"):
            check_type(self.headers.get("content-type"), self.headers.get("content-encoding"))
            wanted = self.route_handler.parsed_fn_signature.parameters.get("data")
            self._decoded = decode(await self.body(), Any if wanted is None else wanted.annotation)
        return self._decoded


_JSON_TYPE = re.compile(r"\s*application/(?:[\w.-]+\+)?json\s*(?:;\s*charset=\"?utf-?8\"?\s*)?;?\s*", re.IGNORECASE)


def check_type(content_type: str | None, encoding: str | None) -> None:
    """Raises UnsupportedBody unless the body is JSON in UTF-8, as it is; a missing type is taken for JSON."""
    if content_type is not None and _JSON_TYPE.fullmatch(content_type) is None:
        raise UnsupportedBody(extra={"content-type": "Send application/json."})
    if encoding is not None and encoding.strip().lower() not in {"", "identity"}:
        raise UnsupportedBody(extra={"content-encoding": "Send the body without an encoding."})


@cache
def _decoder(wanted: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(wanted)


def decode(body: bytes, wanted: Any) -> Any:
    """Decode JSON; raises Invalid whose details name the field."""
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and depth(body) > MAX_DEPTH:
        raise Invalid({"body": f"This is nested more than {MAX_DEPTH} levels deep."})
    try:
        decoded = _decoder(wanted).decode(body)
    except msgspec.ValidationError as wrong:
        raise Invalid(dict([_field_and_message(str(wrong))])) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        field = unwritable(body)
        raise Invalid({"body": f"{wrong}."} if field is None else {field: UNWRITABLE}) from None
    except RecursionError:
        raise Invalid({"body": "This is nested too deeply."}) from None
    if b"\\u0000" in body and (field := unwritable(body)) is not None:
        raise Invalid({field: UNWRITABLE})
    return decoded


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NOT_BRACKET = bytes(set(range(256)) - set(b"[]{}"))


def depth(body: bytes) -> int:
    """How deep arrays and objects are nested."""
    deepest = level = 0
    for byte in _STRING.sub(b"", body).translate(None, _NOT_BRACKET):
        level += 1 if byte in b"[{" else -1
        deepest = max(deepest, level)
    return deepest


_AT = re.compile(r"(.*?)(?: - at `(.*)`)?", re.DOTALL)
_FIELD = re.compile(r"(?:unknown|required) field `([^`]*)`")


def _field_and_message(text: str) -> tuple[str, str]:
    """(field, message) from "Expected `str`, got `int` - at `$.author.name`"."""
    found = _AT.fullmatch(text)
    message, path = (found[1], found[2] or "$") if found else (text, "$")
    at = path.removeprefix("key in ").removeprefix("$").removeprefix(".")
    if field := _FIELD.search(message):
        at = f"{at}.{field[1]}".removeprefix(".")
    return at or "body", UNREADABLE if message.endswith(f"regex {READABLE!r}") else f"{message}."


UNWRITABLE: Final = "This holds what no text may hold: NUL, a lone surrogate, or bytes that are not UTF-8."


def unwritable(body: bytes) -> str | None:
    """The path of the first string that PostgreSQL would refuse; None when there is none, or no JSON."""
    try:
        found = json.loads(body.decode("utf-8", "surrogateescape"), strict=False)
    except (ValueError, RecursionError):
        return None
    return _first_unwritable(found, "")


_REFUSED = re.compile("[\0\ud800-\udfff]")


def _first_unwritable(value: object, path: str) -> str | None:
    if isinstance(value, str):
        return (path or "body") if _REFUSED.search(value) else None
    pairs: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        if any(_REFUSED.search(name) for name in fields):
            return path or "body"
        pairs = [(f"{path}.{name}".removeprefix("."), each) for name, each in fields.items()]
    elif isinstance(value, list):
        pairs = [(f"{path}[{i}]", each) for i, each in enumerate(cast("list[Any]", value))]
    return next((found for at, each in pairs if (found := _first_unwritable(each, at)) is not None), None)


def check_target(scope: Any) -> None:
    """Raises Invalid when the path or a query parameter holds NUL or is not UTF-8."""
    path, query = scope["path"], scope["query_string"]
    if "\0" in path or "\ufffd" in path:
        raise Invalid({"path": UNWRITABLE})
    if b"%" not in query:
        return
    try:
        if "\0" not in unquote_to_bytes(query).decode():
            return
    except UnicodeDecodeError:
        pass
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="surrogateescape")
    wrong = {name: UNWRITABLE for name, value in pairs if _REFUSED.search(value) and not _REFUSED.search(name)}
    raise Invalid(wrong or {"query": UNWRITABLE})


async def read_all(receive: Any) -> bytes:
    """The whole body, at most `settings.max_body_bytes`; for what must see it before Litestar does."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        size += len(part)
        if size > settings.max_body_bytes:
            raise TooLarge
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
