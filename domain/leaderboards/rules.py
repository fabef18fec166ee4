"""What boards are called, which week a season is, and what a window's change is; without I/O."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, Literal, NamedTuple
from uuid import UUID

from domain.text import slug

Kind = Literal["dishes", "restaurants", "users"]

WINDOW: Final = 100
"""So many places of a board are told live."""
SCALE: Final = 10_000
"""Scores are stored as whole ten thousandths: equal ones are equal, wherever they are compared."""
PRIOR_WEIGHT: Final = 5
"""The area's mean counts as much as so many ratings of weight 1."""
BEST: Final = 6
"""Rank 1 is 5 points, rank 5 is 1."""
ALL_TIME: Final = 0
"""The season of a board that has none."""
EVERYWHERE: Final = "global"
"""What stands in place of a city on the board of all people."""
LONGEST: Final = 300
"""Letters of a board's name."""

_WEEK: Final = re.compile(r"([0-9]{4})-w([0-9]{2})")


class Board(NamedTuple):
    """A board by what its name says. `city` is None for everywhere, `about` is the type of dish or the cuisine;
    `season` is year * 100 + week, or ALL_TIME."""

    kind: Kind
    city: str | None
    about: str | None
    season: int

    @property
    def name(self) -> str:
        """How topics and addresses call it."""
        parts = (self.kind, self.city or EVERYWHERE, self.about)
        return ":".join(part for part in parts if part is not None) + (
            f"@{season_name(self.season)}" if self.season else ""
        )


def parse_board(name: str) -> Board | None:
    """The board of a name; None when no board is written like this."""
    body, at, week = name.partition("@")
    season = parse_season(week) if at else ALL_TIME
    if season is None or len(name) > LONGEST:
        return None
    kind, *slugs = body.split(":")
    if not all(each and slug(each) == each for each in slugs):
        return None
    match kind, slugs:
        case "users", [city]:
            return Board("users", None if city == EVERYWHERE else city, None, season)
        case ("dishes" | "restaurants") as of, [city, about]:
            return Board(of, city, about, season)
        case _:
            return None


def parse_season(week: str) -> int | None:
    """The season of `2026-w47`; None when there is no such week."""
    found = _WEEK.fullmatch(week)
    if found is None:
        return None
    year, number = int(found[1]), int(found[2])
    try:
        date.fromisocalendar(year, number, 1)
    except ValueError:
        return None
    return year * 100 + number


def season_name(season: int) -> str:
    """A season as names end with it: 2026-w47."""
    return f"{season // 100:04}-w{season % 100:02}"


def season_of(time: datetime) -> int:
    """The week of ISO 8601 that a time is in, in UTC: it begins on Monday, and the year is that of its Thursday."""
    year, week, _ = time.astimezone(UTC).isocalendar()
    return year * 100 + week


def season_begins(season: int) -> datetime:
    """When a week begins; it ends seven days later."""
    monday = date.fromisocalendar(season // 100, season % 100, 1)
    return datetime(monday.year, monday.month, monday.day, tzinfo=UTC)


WEEK: Final = timedelta(days=7)


def mean(weight: Decimal, points: Decimal) -> Decimal | None:
    """The mean of rank points, with four digits; None of nothing."""
    return (points / weight).quantize(Decimal(1) / SCALE, ROUND_HALF_UP) if weight else None


def next_prior(prior: Decimal | None, exact: Decimal | None, *, follows: bool, tolerance: float) -> Decimal | None:
    """What a board's scores lean to: the exact mean while it `follows`, and else once it is off by more than allowed.

    A new one is a new score for everything on the board. The mean of n ratings has to hear of n * tolerance / 4 others
    before it is off by the tolerance, and so each of them pays for a constant number of new scores.
    """
    if prior is None or exact is None or follows or abs(exact - prior) > Decimal(str(tolerance)):
        return exact
    return prior


def parts(sizes: Sequence[int], most: int) -> Iterator[slice]:
    """Slices that are together about so large: none but a single one is larger than that."""
    start, size = 0, 0
    for i, each in enumerate(sizes):
        if i > start and size + each > most:
            yield slice(start, i)
            start, size = i, 0
        size += each
    if sizes:
        yield slice(start, None)


class Seat(NamedTuple):
    """Somebody or something in a window: what a client shows of it."""

    position: int
    rank: int
    score: int
    name: str
    image_url: str | None
    reached_at: datetime


Window = Mapping[UUID, Seat]


def ranked(scores: Sequence[int], first_position: int, first_rank: int) -> list[tuple[int, int]]:
    """(position, rank) of scores that follow on each other: equal score, equal rank; 1, 2, 2, 4."""
    found: list[tuple[int, int]] = []
    rank = first_rank
    for i, score in enumerate(scores):
        if i and score != scores[i - 1]:
            rank = first_position + i
        found.append((first_position + i, rank))
    return found


def changes(before: Window, after: Window) -> list[UUID]:
    """Whose place, rank, score, name, picture or time differs; first those that left, then by place."""
    left = [each for each in before if each not in after]
    return left + [each for each, seat in after.items() if before.get(each) != seat]


def reranked(before: Window, after: Window) -> list[UUID]:
    """Whose rank in the window is another, or who is in it no longer."""

    def rank_in(window: Window, entity_id: UUID) -> int | None:
        seat = window.get(entity_id)
        return None if seat is None else seat.rank

    return [each for each in changes(before, after) if rank_in(before, each) != rank_in(after, each)]


FIRST: Final = (3, 10)
"""To be among so many is something to be proud of."""


def tier(position: int | None) -> int:
    """2 among the first three, 1 among the first ten, else 0."""
    return 0 if position is None else sum(position <= each for each in FIRST)


def crossing(old: int | None, new: int | None) -> tuple[int, bool]:
    """Which of the first is meant by going from a place to another, and whether it was entered: of those that are
    entered the smallest, of those that are left the largest."""
    if tier(new) > tier(old):
        return FIRST[-tier(new)], True
    return FIRST[-tier(new) - 1], False


def crossed(before: Window, after: Window) -> list[UUID]:
    """Who came among the first three or ten, or is there no longer."""

    def tier_in(window: Window, entity_id: UUID) -> int:
        seat = window.get(entity_id)
        return tier(None if seat is None else seat.position)

    return [each for each in {**before, **after} if tier_in(before, each) != tier_in(after, each)]


def title(board: Board) -> str:
    """What people call it inside a sentence: "pizza in Napoli"; one of a season as they do while it lasts."""
    about = {"users": "reviewers"}.get(board.kind) or _words(board.about or "")
    where = "" if board.city is None else f" in {_words(board.city).title()}"
    return about + where + (" this week" if board.season else "")


def _words(slug: str) -> str:
    return slug.replace("-", " ")
