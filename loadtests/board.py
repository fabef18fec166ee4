"""A leaderboard's window as a client keeps it: what HTTP said, and the changes since. No I/O."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

WINDOW: Final = 100
TYPES: Final = {"dishes": "dish", "restaurants": "restaurant", "users": "user"}

Row = dict[str, Any]


class Board(NamedTuple):
    """A version of it, how many stand on it in all, and who stands first."""

    name: str
    version: int
    size: int
    items: Sequence[Row]


def answered(page: dict[str, Any]) -> Board:
    """What HTTP has said, when asked for WINDOW entries."""
    return Board(page["board"], page["version"], page["size"], page["items"])


def applied(board: Board, change: dict[str, Any]) -> Board | None:
    """What a change makes of it; the same when it is known already, None when there is something between the two."""
    if change["version"] <= board.version:
        return board
    if change["from_version"] > board.version:
        return None
    items = moved(board.items, change["moves"], TYPES[board.name.partition(":")[0]])
    return Board(board.name, change["version"], change["size"], items)


def moved(rows: Sequence[Row], moves: Sequence[dict[str, Any]], entity_type: str) -> list[Row]:
    """Take out who is named, and put in who has a place, the smallest first."""
    named = {move["entity_id"] for move in moves}
    kept = [row for row in rows if row["entity_id"] not in named]
    for move in sorted((move for move in moves if move["to"] is not None), key=lambda move: move["to"]):
        row = {name: value for name, value in move.items() if name not in {"from", "to"}}
        kept.insert(move["to"] - 1, {"entity_type": entity_type, **row})
    return [row | {"position": position} for position, row in enumerate(kept, start=1)]
