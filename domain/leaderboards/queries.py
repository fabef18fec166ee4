"""What can be seen of boards: everything, by everybody."""

from collections.abc import Collection

from domain import db
from domain.accounts.queries import Verdict
from domain.ids import UserID
from domain.leaderboards.rules import parse_board

# Of the boards that names tell of: whether there is their city, and of dishes their type.
KNOWN = """
SELECT asked.i,
    asked.city IS NULL OR EXISTS (SELECT FROM cities c WHERE c.slug = asked.city) AS city,
    asked.dish_type IS NULL OR EXISTS (SELECT FROM dish_types t WHERE t.slug = asked.dish_type) AS dish_type
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (city, dish_type, i)
"""


async def board_access(asked: Collection[tuple[UserID, str]]) -> list[tuple[UserID, str, None, Verdict]]:
    """Of each (viewer, board) those that are boards: nobody's, and open to everybody."""
    parsed = [(viewer, name, parse_board(name)) for viewer, name in asked]
    boards = [(viewer, name, board) for viewer, name, board in parsed if board is not None]
    cities = [board.city for _, _, board in boards]
    types = [board.about if board.kind == "dishes" else None for _, _, board in boards]
    rows = await db.fetch(KNOWN, cities, types)
    known = [row["i"] - 1 for row in rows if row["city"] and row["dish_type"]]
    return [(*boards[i][:2], None, "ok") for i in known]
