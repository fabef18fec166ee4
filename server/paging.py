"""Lists that grow are paged by cursor: where the last page ended goes out opaque and comes back checked. Searches are
paged by number."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from math import isfinite
from typing import Annotated, Any, Final, Generic, TypeVar, cast
from zlib import crc32

import msgspec
from litestar.params import QueryParameter

from domain.errors import Invalid
from server import call

T = TypeVar("T")
P = TypeVar("P")

VERSION: Final = 2
EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
LATEST: Final = datetime.max.replace(tzinfo=UTC)

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="How many, at most.")]
Cursor = Annotated[str | None, QueryParameter(max_length=2_000, description="`next_cursor` of the page before.")]
"""Longer than of a position with the longest name of a board, in a script of four bytes a letter."""


PageNumber = Annotated[int, QueryParameter(ge=1, le=10_000, description="Which page, from 1 on.")]


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a list; `next_cursor` is null on the last one."""

    items: list[T]
    next_cursor: str | None


class Pagination(msgspec.Struct, frozen=True):
    """Where in a search one is; `total` counts up to 10,000, and no page lies behind that."""

    page: int
    limit: int
    total: int
    total_pages: int


class Numbered(msgspec.Struct, Generic[T], frozen=True):
    """A page of a search, by its number."""

    items: list[T]
    pagination: Pagination


def numbered(found: tuple[list[T], int], number: int, limit: int) -> Numbered[T]:
    """The page of this number: its things, and how many there are on all."""
    items, total = found
    return Numbered(items, Pagination(number, limit, total, -(-total // limit)))


def page(found: Sequence[T], limit: int, position: Callable[[T], object]) -> Page[T]:
    """A page of up to `limit + 1` things that were looked up; `position` is what the next look-up starts behind."""
    items = list(found[:limit])
    return Page(items, cursor_of(position(items[-1])) if len(found) > limit else None)


def cursor_of(position: object) -> str:
    """The cursor of a position in the list that is being read; what `position_in` takes back."""
    return urlsafe_b64encode(_encoder.encode((VERSION, _list(), position))).rstrip(b"=").decode()


def position_in(cursor: str | None, kind: type[P]) -> P | None:
    """The position a cursor was made of. Raises Invalid when it is none of that kind, of another list, or one that no
    row can have: whoever makes a cursor up is to hear it from here, and not from the database."""
    if cursor is None:
        return None
    try:
        version, of, position = _decoder(kind).decode(urlsafe_b64decode(cursor.encode("ascii") + b"=="))
    except (ValueError, msgspec.DecodeError, RecursionError):
        raise Invalid(NONE) from None
    if (version, of) != (VERSION, _list()) or not _may_be(position):
        raise Invalid(NONE)
    return position


NONE: Final = {"cursor": "This is no cursor of this list: start from its first page."}


def list_at(path: str) -> int:
    """Which list is at an address, as its cursors say it. What it is asked for besides is the client's to repeat."""
    return crc32(path.encode())


def _list() -> int:
    return list_at(call.under_way.get()["path"])


def _may_be(value: object) -> bool:
    """Whether there can be a row with this value: one within PostgreSQL's types, and its negative too."""
    match value:
        case str():
            return "\0" not in value
        case int():
            return abs(value) < 2**63
        case float():
            return isfinite(value)
        case datetime():
            return value.tzinfo is not None and EARLIEST <= value <= LATEST  # in another zone it may be beyond
        case tuple():
            return all(_may_be(each) for each in cast("Iterable[object]", value))
        case _:
            return True


_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")


@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[tuple[int, int, Any]]:
    return msgspec.msgpack.Decoder(tuple[int, int, kind])
