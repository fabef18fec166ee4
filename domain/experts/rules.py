"""What influence is made of."""

import math
from typing import Final

import msgspec


class Part(msgspec.Struct, frozen=True):
    """How many of something there are, and what they add to somebody's influence: `weight * ln(1 + count)`."""

    count: int
    weight: int
    points: float


class Influence(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's influence, and its parts. `likers` are the people who like something of theirs."""

    total: float
    followers: Part
    rankings: Part
    reviews: Part
    likers: Part


# The database's `influences` reckons with the same ones: a test compares them.
WEIGHTS: Final = {"followers": 10, "rankings": 4, "reviews": 3, "likers": 2}


def influence(*, followers: int, rankings: int, reviews: int, likers: int) -> Influence:
    """What these numbers come to, to three digits behind the point."""
    counts = {"followers": followers, "rankings": rankings, "reviews": reviews, "likers": likers}
    points = {name: WEIGHTS[name] * math.log1p(count) for name, count in counts.items()}
    parts = {name: Part(count, WEIGHTS[name], round(points[name], 3)) for name, count in counts.items()}
    return Influence(total=round(sum(points.values()), 3), **parts)
