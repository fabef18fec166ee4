"""What boards of dishes and restaurants come to, added up from the rows by the rule alone: to hold boards against."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any, Final, NamedTuple

import asyncpg

from loadtests.board import WINDOW, Board

PRIOR_WEIGHT: Final = 5
EXACT_SIZE: Final = 100
TOLERANCE: Final = Decimal("0.02")
"""On a larger board the mean that scores lean to may be off by this much: it does not move with each ranking."""

RANKED = """
SELECT k.dish_id::text AS dishes, d.restaurant_id::text AS restaurants, k.rank, coalesce(l.weight, 1) AS weight
FROM dish_rankings k JOIN dishes d ON d.id = k.dish_id JOIN restaurants r ON r.id = d.restaurant_id
LEFT JOIN user_progress p ON p.user_id = k.user_id LEFT JOIN career_levels l ON l.level = p.level
WHERE r.city_slug = $1 AND d.dish_type = $2 AND d.is_available AND k.rank IS NOT NULL
"""


PRIOR = "SELECT prior FROM leaderboards WHERE name = $1"


class Rating(NamedTuple):
    """A rank that somebody gave to something of a board, and what it weighs by their level."""

    of: str
    rank: int
    weight: Decimal


class _Sum(NamedTuple):
    weight: Decimal = Decimal(0)
    points: Decimal = Decimal(0)


async def recomputed(database: asyncpg.Connection, kind: str, city: str, dish_type: str) -> dict[str, Decimal]:
    """The score of each of the `dishes` or `restaurants` of a city, by what people ranked of a type."""
    rows = await database.fetch(RANKED, city, dish_type)
    told = await database.fetchval(PRIOR, f"{kind}:{city}:{dish_type}")
    return scores((Rating(row[kind], row["rank"], Decimal(row["weight"])) for row in rows), told)


def scores(ratings: Iterable[Rating], told: Decimal | None = None) -> dict[str, Decimal]:
    """What ratings come to: rank 1 is 5 points, times the weight of the ranker's level, and 5 ratings lean to the mean
    of all; with four digits. Of a larger board the mean is the one that it has `told`, if that is near enough."""
    sums: defaultdict[str, _Sum] = defaultdict(_Sum)
    for of, rank, weight in ratings:
        known = sums[of]
        sums[of] = _Sum(known.weight + weight, known.points + weight * (6 - rank))
    weight, points = (sum((each[i] for each in sums.values()), Decimal(0)) for i in (0, 1))
    mean = _rounded(points / weight) if weight else Decimal(0)
    if len(sums) > EXACT_SIZE and told is not None and abs(told - mean) <= TOLERANCE:
        mean = told
    return {
        each: _rounded((PRIOR_WEIGHT * mean + own.points) / (PRIOR_WEIGHT + own.weight)) for each, own in sums.items()
    }


def _rounded(number: Decimal) -> Decimal:
    return number.quantize(Decimal("0.0001"), ROUND_HALF_UP)


def wrong(board: Board, scores: dict[str, Decimal]) -> list[str]:
    """What of a board is not as the scores make it: the best of them, each with its score and rank, and in order."""
    best = sorted(scores.values(), reverse=True)
    found = [] if board.size == len(scores) else [f"size {board.size}, not {len(scores)}"]
    for position, (entry, score) in enumerate(zip(board.items, best, strict=False), start=1):
        said = (entry["position"], entry["rank"], Decimal(str(entry["score"])))
        right = (position, 1 + best.index(score), score)
        if said != right or scores.get(entry["entity_id"]) != score:
            found.append(f"{entry['name']} is {said}, not {right}: {scores.get(entry['entity_id'])}")
    if len(board.items) != min(len(scores), WINDOW) or len({each["entity_id"] for each in board.items}) != len(
        board.items
    ):
        found.append(f"{len(board.items)} entries of {len(scores)}")
    return found + [f"{one['name']} behind {other['name']}" for other, one in _later(board.items)]


def _later(items: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Neighbours with the same rank of which the first has reached it later."""
    return [
        (one, other) for one, other in pairwise(items) if one["rank"] == other["rank"] and _when(one) > _when(other)
    ]


def _when(entry: dict[str, Any]) -> tuple[str, str]:
    return entry["reached_at"], entry["entity_id"]
