"""What would make a board wrong is noticed."""

from decimal import Decimal
from typing import Any

import pytest

from loadtests.board import Board
from loadtests.scores import wrong

SCORES = {"a": Decimal("4.5"), "b": Decimal("4.5"), "c": Decimal(3)}


def board(**changed: dict[str, Any]) -> Board:
    rows = [("a", 1, 1, 4.5, "1"), ("b", 2, 1, 4.5, "2"), ("c", 3, 3, 3.0, "1")]
    names = ("entity_id", "position", "rank", "score", "reached_at")
    items = [dict(zip(names, row, strict=True)) | {"name": row[0]} | changed.get(row[0], {}) for row in rows]
    return Board("dishes:napoli:pizza", 1, 3, items)


def test_a_board_that_is_as_the_scores_make_it_is_right() -> None:
    assert wrong(board(), SCORES) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"b": {"score": 4.4}},
        {"b": {"rank": 2}},
        {"c": {"rank": 2}},
        {"c": {"position": 4}},
        {"c": {"entity_id": "d"}},
        {"c": {"entity_id": "a"}},
        {"a": {"reached_at": "3"}},
    ],
)
def test_what_is_wrong_about_a_board_is_found(changed: dict[str, dict[str, Any]]) -> None:
    assert wrong(board(**changed), SCORES)


def test_a_board_that_lacks_somebody_is_wrong() -> None:
    whole = board()

    assert wrong(whole._replace(items=whole.items[:2]), SCORES)
    assert wrong(whole._replace(size=2), SCORES)
    assert wrong(whole, SCORES | {"d": Decimal(1)})
