"""What boards should say, by plain Python from the rows of what is true; it shares nothing with what is tested."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple
from uuid import UUID

from domain import db

Span = tuple[datetime, datetime] | None
"""A week; None is all time."""


class Told(NamedTuple):
    """An entry, but for its score."""

    name: str
    image_url: str | None
    weight: Decimal
    points: Decimal
    ratings: int
    reached_at: datetime


Boards = dict[str, dict[UUID, Told]]

RANKINGS = "SELECT user_id, dish_id, rank FROM dish_rankings"
HISTORY = "SELECT user_id, dish_id, old_rank, new_rank, created_at FROM ranking_history ORDER BY seq"
LEVELS = "SELECT p.user_id, l.weight FROM user_progress p JOIN career_levels l ON l.level = p.level"
DISHES = "SELECT id, name, image_url, dish_type, restaurant_id FROM dishes WHERE is_available"
RESTAURANTS = "SELECT id, name, photos, city_slug, cuisine_type FROM restaurants"
AWARDS = """
SELECT s.user_id, s.activity, s.points, s.awarded_at, a.daily_points
FROM activity_points s JOIN activities a USING (activity)
"""
PEOPLE = """
SELECT u.id, u.username, u.display_name, u.avatar_url, p.city FROM users u JOIN profiles p ON p.user_id = u.id
WHERE u.privacy_level = 'public'
"""


async def recomputed(span: Span, suffix: str, slugs: dict[str, str]) -> Boards:
    """All boards of all time, or of a week; `slugs` are those of the cities that people write."""
    boards: Boards = defaultdict(dict)
    ratings, latest = await _ratings(span)
    weights = {row["user_id"]: row["weight"] for row in await db.fetch(LEVELS)}
    restaurants = {row["id"]: row for row in await db.fetch(RESTAURANTS)}
    of_restaurants: dict[UUID, list[Told]] = defaultdict(list)
    for dish in await db.fetch(DISHES):
        where = restaurants[dish["restaurant_id"]]
        ranks = {user: rank for (user, dish_id), rank in ratings.items() if dish_id == dish["id"]}
        if not ranks or where["city_slug"] is None:
            continue
        weighed = [(weights.get(user, Decimal(1)), rank) for user, rank in ranks.items()]
        weight = sum((each for each, _ in weighed), Decimal(0))
        points = sum((each * (6 - rank) for each, rank in weighed), Decimal(0))
        told = Told(dish["name"], dish["image_url"], weight, points, len(ranks), latest[dish["id"]])
        boards[f"dishes:{where['city_slug']}:{dish['dish_type']}{suffix}"][dish["id"]] = told
        of_restaurants[where["id"]].append(told)
    for restaurant_id, parts in of_restaurants.items():
        row = restaurants[restaurant_id]
        told = Told(
            row["name"],
            next(iter(row["photos"]), None),
            sum((part.weight for part in parts), Decimal(0)),
            sum((part.points for part in parts), Decimal(0)),
            sum(part.ratings for part in parts),
            max(part.reached_at for part in parts),
        )
        for cuisine in row["cuisine_type"]:
            boards[f"restaurants:{row['city_slug']}:{cuisine}{suffix}"][restaurant_id] = told
    await _add_people(boards, span, suffix, slugs)
    return dict(boards)


async def _ratings(span: Span) -> tuple[dict[tuple[UUID, UUID], int], dict[UUID, datetime]]:
    """The ranks that count, by (person, dish); and when the last of a dish's was given."""
    rows = [row for row in await db.fetch(HISTORY) if span is None or span[0] <= row["created_at"] < span[1]]
    left = {(row["user_id"], row["dish_id"]): row["new_rank"] for row in rows}
    if span is None:
        left = {(row["user_id"], row["dish_id"]): row["rank"] for row in await db.fetch(RANKINGS)}
    ratings = {pair: rank for pair, rank in left.items() if rank is not None}
    given = {(row["user_id"], row["dish_id"]): row["created_at"] for row in rows if row["old_rank"] != row["new_rank"]}
    latest: dict[UUID, datetime] = {}
    for pair in ratings:
        latest[pair[1]] = max(given[pair], latest.get(pair[1], given[pair]))
    return ratings, latest


def _earned(awards: list[Any]) -> Decimal:
    """What they come to: of an activity no more a day than it may."""
    of_day: dict[tuple[str, date], int] = defaultdict(int)
    for each in awards:
        key = (each["activity"], each["awarded_at"].astimezone(UTC).date())
        of_day[key] = min(of_day[key] + each["points"], each["daily_points"])
    return Decimal(sum(of_day.values()))


async def _add_people(boards: Boards, span: Span, suffix: str, slugs: dict[str, str]) -> None:
    earned: dict[UUID, list[Any]] = defaultdict(list)
    for row in await db.fetch(AWARDS):
        if span is None or span[0] <= row["awarded_at"] < span[1]:
            earned[row["user_id"]].append(row)
    for person in await db.fetch(PEOPLE):
        if awards := earned[person["id"]]:
            told = Told(
                person["display_name"] or person["username"],
                person["avatar_url"],
                Decimal(0),
                _earned(awards),
                0,
                max(each["awarded_at"] for each in awards),
            )
            boards[f"users:global{suffix}"][person["id"]] = told
            if person["city"] is not None:
                boards[f"users:{slugs[person['city']]}{suffix}"][person["id"]] = told


def mean_of(entries: Iterable[Told]) -> Fraction:
    """The mean of rank points, of everything on a board."""
    told = list(entries)
    return Fraction(sum(each.points for each in told)) / Fraction(sum(each.weight for each in told))


def rounded(number: Fraction) -> Fraction:
    """With four digits; halves go up."""
    return Fraction(int(number * 10_000 + Fraction(1, 2)), 10_000)


def score_of(told: Told, prior: Decimal | None) -> int:
    """In ten thousandths."""
    points, weight = Fraction(told.points), Fraction(told.weight)
    exact = points if prior is None else (5 * Fraction(prior) + points) / (5 + weight)
    return int(rounded(exact) * 10_000)
