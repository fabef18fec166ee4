"""What scores are made of: everything, for everybody; who ranked what is not told."""

from typing import Final
from uuid import UUID

import msgspec

from domain import db
from domain.accounts.rules import Viewer
from domain.clock import now
from domain.leaderboards.queries import READ_AROUND, BoardEntry, EntryNotFound, check_entry, place_of, read_part
from domain.leaderboards.rules import ALL_TIME, PRIOR_WEIGHT, season_begins, season_of


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
    are made of; of a week that is over nobody knows any more, for levels and what can be had are others by now."""

    prior: float | None
    prior_weight: int
    weight: float
    points: float
    ratings: int
    ranks: list[RankShare] | None
    activities: list[ActivityShare] | None


_SHARES = """
SELECT k.rank, 6 - k.rank AS points, count(*)::int AS raters, sum(coalesce(l.weight, 1))::float8 AS weight
FROM (counted_here) k LEFT JOIN user_progress p ON p.user_id = k.user_id LEFT JOIN career_levels l ON l.level = p.level
WHERE k.rank IS NOT NULL GROUP BY k.rank ORDER BY k.rank
"""
# $1 is a dish or a restaurant.
_ITS_DISHES = "SELECT d.id FROM dishes d WHERE d.is_available AND (d.id = $1 OR d.restaurant_id = $1)"
RANK_SHARES: Final = _SHARES.replace(
    "counted_here",
    f"SELECT user_id, rank FROM dish_rankings WHERE dish_id IN ({_ITS_DISHES})",  # noqa: S608 # a constant
)

# As the week leaves it: $2 is when it begins.
WEEKS_RANK_SHARES: Final = _SHARES.replace(
    "counted_here",
    f"""SELECT DISTINCT ON (h.dish_id, h.user_id) h.user_id, h.new_rank AS rank FROM ranking_history h
        WHERE h.dish_id IN ({_ITS_DISHES}) AND h.created_at >= $2::timestamptz
        ORDER BY h.dish_id, h.user_id, h.seq DESC""",  # noqa: S608 # a constant
)

ACTIVITY_SHARES = """
SELECT activity, sum(times)::int AS times, sum(points)::int AS points
FROM earned_points(ARRAY[$1::uuid], coalesce($2::timestamptz, '-infinity'), 'infinity')
GROUP BY activity ORDER BY sum(points) DESC, activity
"""


async def explain_entry(viewer: Viewer, name: str, entity_id: UUID) -> Explanation:
    """Why something has the score that it has. Raises BoardNotFound, EntryNotFound."""
    board = await check_entry(viewer, name, entity_id)
    part = await read_part(READ_AROUND, name, 0, entity_id=entity_id)
    if part.board is None or not part.rows:
        raise EntryNotFound({"entity_id": EntryNotFound().message})
    (row,), (place,) = part.rows, part.places
    ranks, activities = None, None
    since = season_begins(board.season) if board.season else None
    if board.kind == "users" and board.season in (ALL_TIME, season_of(now())):
        activities = [ActivityShare(*each.values()) for each in await db.fetch(ACTIVITY_SHARES, entity_id, since)]
    elif board.season == ALL_TIME:
        ranks = [RankShare(*each.values()) for each in await db.fetch(RANK_SHARES, entity_id)]
    elif board.season == season_of(now()):
        ranks = [RankShare(*each.values()) for each in await db.fetch(WEEKS_RANK_SHARES, entity_id, since)]
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
