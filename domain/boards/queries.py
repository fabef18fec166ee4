"""What boards there are: open to everybody who has signed in."""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from domain import db
from domain.accounts.queries import Verdict
from domain.clock import now
from domain.errors import Invalid, NotFound
from domain.ids import UserID
from domain.leaderboards.rules import ALL_TIME, Board, Kind, parse_board, parse_season, season_name, season_of
from domain.places.rules import wanted_slug


class BoardSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A board with something on it. `about` is its type of dish or its cuisine."""

    name: str
    kind: Kind
    city: str | None
    about: str | None
    season: str | None
    size: int
    version: int


class BoardNotFound(NotFound):
    """There is no such board."""


# Of the boards that names tell of: whether there is their city, of dishes their type, of restaurants one of their
# cuisine, and of weeks gone by that board. What has been made is there, whatever is said of its restaurants now.
# Scalar, for EXISTS may be planned as reading all there are.
KNOWN = """
SELECT asked.i,
    asked.city IS NOT DISTINCT FROM (SELECT c.slug FROM cities c WHERE c.slug = asked.city) AS city,
    asked.dish_type IS NOT DISTINCT FROM (SELECT t.slug FROM dish_types t WHERE t.slug = asked.dish_type) AS dish_type,
    asked.cuisine IS NULL OR (SELECT b.id FROM leaderboards b WHERE b.name = asked.name) IS NOT NULL OR EXISTS (
        SELECT FROM restaurants r WHERE r.city_slug = asked.city AND r.cuisine_type @> ARRAY[asked.cuisine]
    ) AS cuisine,
    asked.is_now OR (SELECT b.id FROM leaderboards b WHERE b.name = asked.name) IS NOT NULL AS season
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[])
    WITH ORDINALITY AS asked (name, city, dish_type, cuisine, is_now, i)
"""
UNKNOWN: Final = {
    "city": "There is no restaurant in a city of this name.",
    "dish_type": "See GET /api/v1/dish-types.",
    "cuisine": "There is no restaurant of this cuisine in the city.",
    "season": "This week has not begun, or nothing came on the board in it.",
}


async def board_access(asked: Collection[tuple[UserID, str]]) -> list[tuple[UserID, str, None, Verdict]]:
    """Of each (viewer, board) those that are boards: nobody's, and open to everybody."""
    parsed = [(viewer, name, parse_board(name)) for viewer, name in asked]
    boards = [(viewer, name, board) for viewer, name, board in parsed if board is not None]
    known = await _known([board for _, _, board in boards])
    return [(*boards[i][:2], None, "ok") for i, wrong in enumerate(known) if not wrong]


async def _known(boards: Sequence[Board]) -> list[dict[str, str]]:
    """Of each board, what of its name is unknown."""
    names, cities = [board.name for board in boards], [board.city for board in boards]
    types = [board.about if board.kind == "dishes" else None for board in boards]
    cuisines = [board.about if board.kind == "restaurants" else None for board in boards]
    week = season_of(now())
    rows = await db.fetch(KNOWN, names, cities, types, cuisines, [board.season in (ALL_TIME, week) for board in boards])
    return [
        {what: message for what, message in UNKNOWN.items() if not row[what]}
        for row in sorted(rows, key=lambda row: row["i"])
    ]


async def check_board(name: str) -> Board:
    """The board of this name. Raises BoardNotFound, naming what of it is wrong."""
    board = parse_board(name)
    if board is None:
        form = "Write it as kind:city:type, users:city or users:global, with @2026-w47 behind it for a week."
        raise BoardNotFound({"board": form})
    (wrong,) = await _known([board])
    if wrong:
        raise BoardNotFound(wrong)
    return board


READ_BOARDS = """
SELECT b.name, b.kind, b.city, b.about, b.season, b.size, b.version FROM leaderboards b
WHERE b.season = $1 AND b.size > 0 AND ($2::text IS NULL OR b.city = $2) AND ($3::text IS NULL OR b.kind = $3)
    AND ($4::text IS NULL OR b.name > $4) AND (b.city IS NULL OR EXISTS (SELECT FROM cities c WHERE c.slug = b.city))
ORDER BY b.name LIMIT $5
"""


async def read_boards(
    city: str | None, kind: Kind | None, season: str | None, after: str | None, limit: int
) -> list[BoardSummary]:
    """The boards with something on them, by name, from behind a name on: of a week, or of all time. Raises Invalid."""
    week = ALL_TIME if season is None else parse_season(season)
    if week is None:
        raise Invalid({"season": "Write a week as 2026-w47."})
    rows = await db.fetch(READ_BOARDS, week, wanted_slug(city, "city"), kind, after, limit)
    return [
        BoardSummary(
            name=row["name"],
            kind=row["kind"],
            city=row["city"],
            about=row["about"],
            season=season_name(row["season"]) if row["season"] else None,
            size=row["size"],
            version=row["version"],
        )
        for row in rows
    ]
