"""Cursors come back to the list they were made in: any other is a 400 that names `cursor`, on every route with one."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import httpx
import msgspec
import pytest
from litestar import Litestar

from domain.accounts.rules import Viewer
from domain.notifications.queries import read_notifications
from server.app import create_app
from server.paging import VERSION, list_at
from tests.factories import auth
from tests.server.test_matrix import READS, scene

ID: Final = UUID(int=1)
NOW: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
BEYOND: Final = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-20T12:00:00", "9999-99-99", "\0"]
NO_INTEGERS: Final = [-(2**63), 2**63, 2**64 - 1, 0.5, "1"]

# A position of each shape there is, and those that no row can have.
SHAPES: Final[dict[str, tuple[object, list[object]]]] = {
    "an id": (ID, ["\0", b"short", 1]),
    "a name": ("dishes:paris:pizza", ["\0", "a\0b", "x" * 4_000, 1]),
    "a time and an id": ((NOW, ID), [*([each, ID] for each in BEYOND), [NOW, "\0"], [NOW, 2**63]]),
    "a time, an id and a word": (
        (NOW, ID, "ranking"),
        [*([each, ID, "ranking"] for each in BEYOND), [NOW, ID, "\0"], [NOW, ID, 1]],
    ),
    "a score and an id": ((1.5, ID), [[float("nan"), ID], [float("inf"), ID], [float("-inf"), ID], ["1", ID]]),
    "a score, a time and an id": (
        (1, NOW, ID),
        [*([each, NOW, ID] for each in NO_INTEGERS), *([1, each, ID] for each in BEYOND), [1, NOW, "\0"]],
    ),
}
NASTY: Final = [each for _, wrong in SHAPES.values() for each in wrong] + [None, {"a": 1}, [], [[]], [NOW], True, b"x"]

NO_CURSORS: Final = ["none", "", "🍲", "k" * 4000, "kgE", "\0"]
encoder = msgspec.msgpack.Encoder(uuid_format="bytes")


def cursors_of(app: Litestar) -> set[str]:
    """The addresses of the lists that are paged by cursor."""
    operations = {path: item.get for path, item in (app.openapi_schema.paths or {}).items() if item.get is not None}
    named = {path: [getattr(each, "name", "") for each in get.parameters or []] for path, get in operations.items()}
    return {path for path, names in named.items() if "cursor" in names}


PAGED: Final = cursors_of(create_app())
LISTS: Final = [path for path in READS if path.partition("?")[0] in PAGED] + [
    "/api/v1/leaderboards/{board}?scope=following"
]


def forged(position: object, path: str, version: int = VERSION) -> str:
    of = list_at(path.partition("?")[0])
    return urlsafe_b64encode(encoder.encode((version, of, position))).rstrip(b"=").decode()


async def place(path: str) -> tuple[Viewer, str]:
    """Somebody who may read a list, and its address."""
    viewer, author, post_id, dish, review_id = await scene("author")
    (heard,) = (await read_notifications(author, None, 2)).items
    ids: dict[str, Any] = {"user_id": author.id, "post_id": post_id, "notification_id": heard.id}
    ids |= {"dish_id": dish.id, "restaurant_id": dish.restaurant.id, "review_id": review_id}
    return viewer, path.format(username="author", board="users:global", **ids)


async def answers(client: httpx.AsyncClient, viewer: Viewer, path: str, cursors: list[str]) -> list[tuple[int, Any]]:
    """(status, which fields are wrong) with each cursor."""
    found: list[tuple[int, Any]] = []
    for cursor in cursors:
        answer = await client.get(path, params={**httpx.URL(path).params, "cursor": cursor}, headers=auth(viewer))
        found.append((answer.status_code, [*answer.json().get("error", {"details": []})["details"]]))
    return found


def test_every_list_that_is_paged_is_asked_for() -> None:
    assert {path.partition("?")[0] for path in LISTS} == PAGED
    assert len(PAGED) > 20


@pytest.mark.parametrize("path", LISTS)
async def test_a_cursor_that_was_made_up_is_refused(client: httpx.AsyncClient, path: str) -> None:
    viewer, address = await place(path)
    good = [forged(position, address) for position, _ in SHAPES.values()]
    nasty = [forged(position, address) for position in NASTY] + NO_CURSORS

    taken = await answers(client, viewer, address, good)
    refused = await answers(client, viewer, address, nasty)

    assert sorted(status for status, _ in taken) == [200] + [400] * (len(good) - 1), "positions of a new shape?"
    assert set(map(str, refused)) == {"(400, ['cursor'])"}, list(zip(nasty, refused, strict=True))


async def test_a_cursor_of_another_list_or_of_before_is_refused(client: httpx.AsyncClient) -> None:
    viewer, address = await place("/api/v1/users/{user_id}/followers")
    of_others = forged((NOW, ID), address.replace("followers", "following"))
    of_before = forged((NOW, ID), address, version=VERSION - 1)

    assert await answers(client, viewer, address, [of_others, of_before]) == [(400, ["cursor"])] * 2
    assert await answers(client, viewer, address, [forged((NOW, ID), address)]) == [(200, [])]


async def test_positions_at_the_ends_of_their_types_are_taken(client: httpx.AsyncClient) -> None:
    viewer, address = await place("/api/v1/leaderboards/{board}")
    ends = [(2**63 - 1, datetime.min.replace(tzinfo=UTC), ID), (1 - 2**63, datetime.max.replace(tzinfo=UTC), ID)]

    assert await answers(client, viewer, address, [forged(each, address) for each in ends]) == [(200, [])] * 2
