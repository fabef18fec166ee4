"""The leaderboards that people of the demo keep, and what must stand on them, added up from what all ranked and did.

A board of a week counts each ranking as the week left it, by the history, and the points earned in it.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Any, NamedTuple

from loadtests.board import Board, answered, applied
from loadtests.demo.city import CITY, DISH_TYPE
from loadtests.listeners import Copy, Frame
from loadtests.scores import Rating, scores, wrong

Ask = Callable[[str, str], Awaitable[tuple[Any, str]]]
"""A request, its method first; the answer's body and cursor."""

KITCHENS_BOARD = f"restaurants:{CITY.lower()}:{DISH_TYPE}"
ALL_TIME = (f"dishes:{CITY.lower()}:{DISH_TYPE}", KITCHENS_BOARD, "users:global")


def board_names(week: str) -> Sequence[str]:
    """Dishes, restaurants and people, of all time and of a week."""
    return [*ALL_TIME, *(f"{name}@{week}" for name in ALL_TIME)]


def week_of(time: datetime) -> str:
    """The week of ISO 8601 that a time is in, as boards are called by it."""
    year, week, _ = time.astimezone(UTC).isocalendar()
    return f"{year:04}-w{week:02}"


class Kept(Copy):
    """A board as a client keeps it: what HTTP said, and every change since."""

    def __init__(self, name: str, ask: Ask) -> None:
        super().__init__(f"leaderboard:{name}", self._read, self._change)
        self.board = Board(name, 0, 0, [])
        self.changes = 0
        self.between = 0  # changes that did not follow on what was there
        self._ask = ask

    async def _read(self) -> str:
        page, cursor = await self._ask("GET", f"/leaderboards/{self.board.name}?limit=100")
        self.board = answered(page)
        return cursor

    def _change(self, frame: Frame) -> None:
        after = applied(self.board, frame["data"])
        self.changes += 1
        if after is None:
            self.between += 1
            self.refresh()
        else:
            self.board = after


class Placing(NamedTuple):
    """A dish has come to a rank, or to none, with somebody."""

    dish: str
    rank: int | None
    at: str


class Points(NamedTuple):
    """What one act earned."""

    points: int
    at: str


class Record(NamedTuple):
    """Somebody's ranks in the end, how they came about with the newest first, their weight, and what they earned."""

    person: str
    ranks: Mapping[str, int | None]
    history: Sequence[Placing]
    weight: Decimal
    points: Sequence[Points]


def expected(name: str, records: Sequence[Record], kitchens: Mapping[str, str]) -> dict[str, Decimal]:
    """The score of each that stands on a board; `kitchens` are those of the dishes."""
    of, _, week = name.partition("@")
    kind = of.partition(":")[0]
    if kind == "users":
        earned = {each.person: Decimal(sum(_in(each.points, week))) for each in records}
        return {person: points for person, points in earned.items() if points}
    ratings = [
        Rating(dish if kind == "dishes" else kitchens[dish], rank, each.weight)
        for each in records
        for dish, rank in (_left_by(each.history, week) if week else each.ranks).items()
        if rank is not None
    ]
    return scores(ratings)


def _in(earned: Sequence[Points], week: str) -> Iterable[int]:
    return (each.points for each in earned if not week or week_of(datetime.fromisoformat(each.at)) == week)


def _left_by(history: Sequence[Placing], week: str) -> dict[str, int | None]:
    """The ranks of what changed in a week, as it left them."""
    in_it = [each for each in history if week_of(datetime.fromisoformat(each.at)) == week]
    return {each.dish: each.rank for each in reversed(in_it)}


def differences(kept: Iterable[tuple[str, Board]], told: Board, truth: Mapping[str, Decimal]) -> list[str]:
    """What is wrong about a board as HTTP has it, and whose copy is another."""
    found = [f"{told.name}: {each}" for each in wrong(told, dict(truth))]
    return found + [f"{who}'s {told.name} {_difference(board, told)}" for who, board in kept if board != told]


def _difference(kept: Board, told: Board) -> str:
    """In which places, and what the first of them holds."""
    rows = [(one, other) for one, other in zip_longest(kept.items, told.items) if one != other]
    first = f", the first {rows[0][0]}, not {rows[0][1]}" if rows else ""
    return f"of {kept[1:3]} and not {told[1:3]} differs in {len(rows)} places{first}"
