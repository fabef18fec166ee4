"""A leaderboard's window as a test knows it: versions, what lies between them, and what a client makes of that."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec

from domain.clock import now
from domain.eventlog import Logged
from loadtests.board import moved
from realtime.news import News, entry

BOARD = "leaderboard:users:global"
Row = tuple[int, float]  # an entity, and its score
Window = Sequence[Row]  # from position 1 on


def entity(number: int) -> str:
    return str(UUID(int=number))


def shown(window: Window) -> list[dict[str, Any]]:
    """What HTTP would answer."""
    scores = [score for _, score in window]
    return [
        {
            "entity_type": "user",
            "entity_id": entity(number),
            "name": f"name {number}",
            "position": position,
            "rank": 1 + sum(each > score for each in scores),
            "score": score,
            "image_url": None,
            "reached_at": None,
        }
        for position, (number, score) in enumerate(window, start=1)
    ]


def moves(before: Window, after: Window) -> list[dict[str, Any]]:
    """All that is not in both as it is."""
    old, new = ({each["entity_id"]: each for each in shown(window)} for window in (before, after))
    return [
        {
            "entity_id": each,
            "name": (new.get(each) or old[each])["name"],
            "from": old[each]["position"] if each in old else None,
            "to": new[each]["position"] if each in new else None,
            "rank": new[each]["rank"] if each in new else None,
            "score": new[each]["score"] if each in new else 0.0,
            "image_url": None,
            "reached_at": None,
        }
        for each in {**old, **new}
        if old.get(each) != new.get(each)
    ]


def change(version: int, before: Window, after: Window, *, topic: str = BOARD) -> News:
    """The news of a version, as it comes from the stream; the version is the number in its id too."""
    data = {"version": version, "from_version": version - 1, "size": len(after), "moves": moves(before, after)}
    text = msgspec.json.encode(data).decode()
    logged = Logged(version, "leaderboard.changed", [topic], text, None, None, now())
    return News(f"1-{version}", entry(logged, f"1-{version - 1}", "board"))


def changes(windows: Sequence[Window], *, first: int = 1, topic: str = BOARD) -> list[News]:
    """The news from each window to the next; the first of them makes version `first`."""
    return [change(first + i, *each, topic=topic) for i, each in enumerate(pairwise(windows))]


def data_of(news: News) -> dict[str, Any]:
    return msgspec.json.decode(news.data)


def apply(rows: list[dict[str, Any]], data: dict[str, Any]) -> list[dict[str, Any]]:
    """What a client makes of a change, whatever version it has."""
    return moved(rows, data["moves"], "user")
