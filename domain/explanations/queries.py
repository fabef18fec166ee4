"""What scores are made of: everything, for everybody; who ranked what is not told."""

from typing import Final
from uuid import UUID

import msgspec

from domain import db
from domain.accounts.rules import Viewer
from domain.leaderboards.queries import READ_AROUND, BoardEntry, EntryNotFound, check_entry, place_of, read_part
from domain.leaderboards.rules import ALL_TIME, PRIOR_WEIGHT, Kind


class RankShare(msgspec.Struct, frozen=True):
    """How many gave a rank, how many points it is, and what they weigh together by their career levels."""

    rank: int
    points: int
    raters: int
    weight: float


class ActivityShare(msgspec.Struct, frozen=True):
    """What somebody did, how often, and how many points that earned: in a day no more than it may."""

    activity: str
    times: int
    points: int


class Explanation(BoardEntry, frozen=True, kw_only=True):
    """Why it has its score. Of dishes and restaurants: (`prior_weight` * `prior` + `points`) / (`prior_weight` +
    `weight`), where `points` and `weight` are sums over what people ranked; `prior` is the mean of the whole board, of
    a large one as it was when this score was made. Of people: their `points`. `ranks` and `activities` say what they
    are made of, on boards of all time."""

    prior: float | None
    prior_weight: int
    weight: float
    points: float
    ratings: int
    ranks: list[RankShare] | None
    activities: list[ActivityShare] | None


_SHARES = """
SELECT k.rank, 6 - k.rank AS points, count(*)::int AS raters, sum(coalesce(l.weight, 1))::float8 AS weight
FROM dish_rankings k LEFT JOIN user_progress p ON p.user_id = k.user_id LEFT JOIN career_levels l ON l.level = p.level
"""
RANK_SHARES: Final[dict[Kind, str]] = {
    "dishes": _SHARES + "WHERE k.dish_id = $1 AND k.rank IS NOT NULL GROUP BY k.rank ORDER BY k.rank",
    "restaurants": _SHARES
    + """JOIN dishes d ON d.id = k.dish_id AND d.is_available
WHERE k.restaurant_id = $1 AND k.rank IS NOT NULL GROUP BY k.rank ORDER BY k.rank""",
}

ACTIVITY_SHARES = """
SELECT activity, sum(times)::int AS times, sum(points)::int AS points
FROM earned_points(ARRAY[$1::uuid], '-infinity', 'infinity') GROUP BY activity ORDER BY sum(points) DESC, activity
"""


async def explain_entry(viewer: Viewer, name: str, entity_id: UUID) -> Explanation:
    """Why something has the score that it has. Raises BoardNotFound, EntryNotFound."""
    board = await check_entry(viewer, name, entity_id)
    part = await read_part(READ_AROUND, name, 0, entity_id=entity_id)
    if part.board is None or not part.rows:
        raise EntryNotFound({"entity_id": EntryNotFound().message})
    (row,), (place,) = part.rows, part.places
    ranks, activities = None, None
    if board.season == ALL_TIME and board.kind == "users":
        activities = [ActivityShare(*each.values()) for each in await db.fetch(ACTIVITY_SHARES, entity_id)]
    elif board.season == ALL_TIME:
        ranks = [RankShare(*each.values()) for each in await db.fetch(RANK_SHARES[board.kind], entity_id)]
    prior = row["prior"]
    return Explanation(
        **place_of(board, row, place),
        prior=None if prior is None else float(prior),
        prior_weight=PRIOR_WEIGHT,
        weight=float(row["weight"]),
        points=float(row["points"]),
        ratings=row["ratings"],
        ranks=ranks,
        activities=activities,
    )
