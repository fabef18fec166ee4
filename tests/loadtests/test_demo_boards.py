"""What must stand on the demo's boards is added up rightly, and a board that is another is found."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from loadtests.board import Board, answered
from loadtests.demo.boards import Kept, Placing, Points, Record, differences, expected, week_of
from loadtests.listeners import Frame

NAME = "dishes:saltbridge:pizza"
TRUTH = {"a": Decimal("4.5"), "b": Decimal(4), "c": Decimal(3)}
KITCHENS = {"a": "k", "b": "k", "c": "l"}
LAST_WEEK, SUNDAY, MONDAY = "2026-11-15T23:59:59.999Z", "2026-11-22T23:59:59.999Z", "2026-11-16T00:00:00.000Z"
RECORDS = [
    Record(
        "p",
        {"a": 1, "b": 2, "c": 1},
        [Placing("b", 2, SUNDAY), Placing("b", 1, MONDAY), Placing("c", 1, LAST_WEEK), Placing("a", 1, LAST_WEEK)],
        Decimal("1.25"),
        [Points(10, SUNDAY), Points(2, LAST_WEEK)],
    ),
    Record("q", {"a": None, "b": 3}, [Placing("a", None, SUNDAY), Placing("a", 5, MONDAY)], Decimal(1), []),
]


def entry(entity_id: str, position: int, score: float) -> dict[str, Any]:
    about = {"entity_type": "dish", "entity_id": entity_id, "name": entity_id, "image_url": None}
    return about | {"position": position, "rank": position, "score": score, "reached_at": "1"}


def page(*entries: dict[str, Any], version: int = 2) -> dict[str, Any]:
    return {"board": NAME, "version": version, "size": 3, "items": list(entries), "next_cursor": None}


BEFORE = page(entry("b", 1, 4.6), entry("a", 2, 4.5), entry("c", 3, 3.0), version=1)
TOLD = answered(page(entry("a", 1, 4.5), entry("b", 2, 4.0), entry("c", 3, 3.0)))


class Ada:
    """Keeps a board."""

    async def ask(self, method: str, path: str) -> tuple[Any, str]:
        assert (method, path) == ("GET", f"/leaderboards/{NAME}?limit=100")
        return BEFORE, "1"


async def keep(**move: Any) -> Board:
    """The board after b has left the first place, or what is told of it instead."""
    kept = Kept(NAME, Ada().ask)
    await kept.fetch()
    moves = [moved(entry("b", 2, 4.0), 1) | move, moved(entry("a", 1, 4.5), 2)]
    frame: Frame = {"data": {"version": 2, "from_version": 1, "size": 3, "moves": moves}}
    kept.apply(frame)
    return kept.board


def moved(row: dict[str, Any], came_from: int) -> dict[str, Any]:
    told = {name: value for name, value in row.items() if name not in {"entity_type", "position"}}
    return told | {"from": came_from, "to": row["position"]}


async def test_a_board_that_followed_its_changes_is_right() -> None:
    assert differences([("Ada", await keep())], TOLD, TRUTH) == []


@pytest.mark.parametrize("wrong", [{"to": 3}, {"to": None}, {"score": 4.1}, {"rank": 1}, {"name": "soup"}])
async def test_a_board_that_was_told_a_wrong_move_is_found(wrong: dict[str, Any]) -> None:
    (found,) = differences([("Ada", await keep(**wrong)), ("Ben", TOLD)], TOLD, TRUTH)

    assert found.startswith(f"Ada's {NAME} of (2, 3) and not (2, 3) differs in ")


def test_a_board_that_is_not_what_people_ranked_is_found_though_everybody_keeps_it() -> None:
    found = differences([("Ada", TOLD)], TOLD, TRUTH | {"b": Decimal("3.9")})

    assert len(found) == 1
    assert found[0].startswith(f"{NAME}: b is ")


@pytest.mark.parametrize(
    ("name", "scores"),
    [
        ("users:global", {"p": Decimal(12)}),
        ("users:global@2026-w47", {"p": Decimal(10)}),
        # The mean is (5 + 4 + 5) * 1.25 + 3 = 20.5 points by a weight of 4.75, 4.3158; a's is (5 * that + 6.25) / 6.25.
        (NAME, {"a": Decimal("4.4526"), "b": Decimal("4.0799"), "c": Decimal("4.4526")}),
        (f"{NAME}@2026-w47", {"b": Decimal("4.0000")}),
        ("restaurants:saltbridge:pizza", {"k": Decimal("4.2152"), "l": Decimal("4.4526")}),
        ("restaurants:saltbridge:pizza@2026-w47", {"k": Decimal("4.0000")}),
        ("restaurants:saltbridge:pizza@2026-w48", {}),
    ],
)
def test_what_must_stand_on_a_board_is_added_up_from_what_people_did(name: str, scores: dict[str, Decimal]) -> None:
    assert expected(name, RECORDS, KITCHENS) == scores


def test_a_week_begins_on_monday_and_the_year_is_that_of_its_thursday() -> None:
    assert week_of(datetime(2027, 1, 3, 23, tzinfo=UTC)) == "2026-w53"
    assert week_of(datetime(2027, 1, 4, tzinfo=UTC)) == "2027-w01"
