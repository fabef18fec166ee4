"""Lists that grow are paged by cursor: where the last page ended goes out opaque and comes back checked. Searches are
paged by number."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from litestar.params import QueryParameter

from domain.errors import Invalid

T = TypeVar("T")
P = TypeVar("P")

VERSION: Final = 1

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="How many, at most.")]
Cursor = Annotated[str | None, QueryParameter(description="`next_cursor` of the page before.")]


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
    """The cursor of a position; what `position_in` takes back."""
    return urlsafe_b64encode(_encoder.encode((VERSION, position))).rstrip(b"=").decode()


def position_in(cursor: str | None, kind: type[P]) -> P | None:
    """The position a cursor was made of; raises Invalid when it is none of that kind."""
    if cursor is None:
        return None
    try:
        version, position = _decoder(kind).decode(urlsafe_b64decode(cursor.encode("ascii") + b"=="))
    except (ValueError, msgspec.DecodeError, RecursionError):
        raise Invalid({"cursor": "This is no cursor of this list."}) from None
    if version != VERSION:
        raise Invalid({"cursor": "This cursor is too old: start from the first page."})
    return position


_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")


@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[tuple[int, Any]]:
    return msgspec.msgpack.Decoder(tuple[int, kind])
