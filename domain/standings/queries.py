"""What dishes, restaurants and people have, of all time and of weeks."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from domain import db
from domain.ids import DishID, RestaurantID, UserID
from domain.places.rules import country_key
from domain.text import slug


class Week(NamedTuple):
    """A season, when it begins and when it ends."""

    season: int
    begins: datetime
    ends: datetime


class Standing(NamedTuple):
    """What somebody or something has of a season, since when, and where that is. Of all time: season 0. Season None:
    there is nothing that counts, but it has a name."""

    entity_id: UUID
    season: int | None
    name: str
    image_url: str | None
    weight: Decimal
    points: Decimal
    ratings: int
    reached_at: datetime
    city: str | None
    abouts: tuple[str, ...]


# $1 are dishes, $2 to $4 weeks. What cannot be had any more counts for nothing. Since when: the last time
# that somebody gave it a rank which it still has.
DISHES = """
WITH rated AS (
    SELECT k.dish_id, 0 AS season, k.user_id, k.rank, NULL::timestamptz AS at FROM dish_rankings k
    WHERE k.dish_id = ANY($1::uuid[]) AND k.rank IS NOT NULL
    UNION ALL
    SELECT dish_id, season, user_id, new_rank, created_at FROM (
        SELECT DISTINCT ON (week.season, h.dish_id, h.user_id)
            week.season, h.dish_id, h.user_id, h.new_rank, h.created_at
        FROM unnest($2::int[], $3::timestamptz[], $4::timestamptz[]) AS week (season, begins, ends)
        JOIN ranking_history h ON h.dish_id = ANY($1) AND h.created_at >= week.begins AND h.created_at < week.ends
        ORDER BY week.season, h.dish_id, h.user_id, h.seq DESC
    ) newest WHERE new_rank IS NOT NULL
), sums AS (
    SELECT r.dish_id, r.season, sum(coalesce(l.weight, 1)) AS weight,
        sum(coalesce(l.weight, 1) * (6 - r.rank)) AS points, count(*)::int AS ratings, max(r.at) AS at
    FROM rated r LEFT JOIN user_progress p ON p.user_id = r.user_id LEFT JOIN career_levels l ON l.level = p.level
    GROUP BY r.dish_id, r.season
)
SELECT d.id AS entity_id, s.season, d.name, d.image_url, coalesce(s.weight, 0) AS weight,
    coalesce(s.points, 0) AS points, coalesce(s.ratings, 0) AS ratings,
    coalesce(s.at, latest.at, d.created_at) AS reached_at, r.city_slug AS city, ARRAY[d.dish_type::text] AS abouts
FROM dishes d JOIN restaurants r ON r.id = d.restaurant_id LEFT JOIN sums s ON s.dish_id = d.id AND d.is_available
LEFT JOIN LATERAL (
    SELECT h.created_at AS at FROM ranking_history h
    WHERE h.dish_id = d.id AND h.old_rank IS DISTINCT FROM h.new_rank AND EXISTS (
        SELECT FROM dish_rankings k WHERE k.user_id = h.user_id AND k.dish_id = h.dish_id AND k.rank IS NOT NULL
    )
    ORDER BY h.created_at DESC LIMIT 1
) latest ON s.season = 0
WHERE d.id = ANY($1)
"""

# $1 are restaurants, $2 seasons. From what their dishes have on boards: that is folded first.
RESTAURANTS = """
WITH parts AS (
    SELECT d.restaurant_id, b.season, sum(e.weight) AS weight, sum(e.points) AS points,
        sum(e.ratings)::int AS ratings, max(e.reached_at) AS reached_at
    FROM dishes d JOIN leaderboard_entries e ON e.entity_id = d.id JOIN leaderboards b ON b.id = e.board_id
    WHERE d.restaurant_id = ANY($1::uuid[]) AND b.season = ANY($2::int[]) AND e.score IS NOT NULL
    GROUP BY d.restaurant_id, b.season
)
SELECT r.id AS entity_id, p.season, r.name, r.photos[1] AS image_url, coalesce(p.weight, 0) AS weight,
    coalesce(p.points, 0) AS points, coalesce(p.ratings, 0) AS ratings,
    coalesce(p.reached_at, r.created_at) AS reached_at, r.city_slug AS city, r.cuisine_type AS abouts
FROM restaurants r LEFT JOIN parts p ON p.restaurant_id = r.id WHERE r.id = ANY($1)
"""

# Only those whom everybody may see. The city is theirs to write.
PEOPLE = """
WITH week AS (
    SELECT * FROM unnest($2::int[], $3::timestamptz[], $4::timestamptz[]) AS week (season, begins, ends)
), sums AS (
    SELECT p.user_id, 0 AS season, p.points::numeric AS points,
        (SELECT max(a.awarded_at) FROM activity_points a WHERE a.user_id = p.user_id) AS reached_at
    FROM user_progress p WHERE p.user_id = ANY($1::uuid[])
    UNION ALL
    SELECT e.user_id, week.season, sum(e.points), max(e.latest)
    FROM week, earned_points($1, week.begins, week.ends) e GROUP BY e.user_id, week.season
)
SELECT u.id AS entity_id, s.season, coalesce(u.display_name, u.username) AS name, u.avatar_url AS image_url,
    0::numeric AS weight, coalesce(s.points, 0) AS points, 0 AS ratings,
    coalesce(s.reached_at, u.created_at) AS reached_at, p.city, '{}'::text[] AS abouts
FROM users u JOIN profiles p ON p.user_id = u.id LEFT JOIN sums s ON s.user_id = u.id AND s.points > 0
WHERE u.id = ANY($1) AND u.privacy_level = 'public' AND u.is_active
"""


async def dish_standings(dishes: Collection[DishID], weeks: Sequence[Week]) -> list[Standing]:
    """What dishes have, of all time and of weeks."""
    return [_standing(row) for row in await db.fetch(DISHES, list(dishes), *_columns(weeks))]


async def restaurant_standings(restaurants: Collection[RestaurantID], weeks: Sequence[Week]) -> list[Standing]:
    """What restaurants have, by what their dishes have on boards."""
    seasons = [0, *(week.season for week in weeks)]
    return [_standing(row) for row in await db.fetch(RESTAURANTS, list(restaurants), seasons)]


async def people_standings(people: Collection[UserID], weeks: Sequence[Week]) -> list[Standing]:
    """What people have; who is not among them, everybody may not see. Their city is a slug, whether it is known or
    not; where a name is taken by another country, "Paris, France" is the French one."""
    standings = [_standing(row) for row in await db.fetch(PEOPLE, list(people), *_columns(weeks))]
    slugs = await slugs_of({each.city for each in standings if each.city})
    return [each._replace(city=slugs.get(each.city or "")) for each in standings]


CITIES = """
SELECT asked.name, c.slug FROM unnest($1::text[], $2::text[], $3::text[]) AS asked (name, key, country)
JOIN cities c ON c.key = asked.key AND c.country = asked.country
"""


async def slugs_of(names: Collection[str]) -> dict[str, str]:
    """The slugs of cities as people write them, with a country behind a comma or without; nothing of what has none."""
    found = {name: slug(name) for name in names}
    parts = {name: name.rpartition(",") for name in names if "," in name}
    if parts:
        keys = [slug(city) for city, _, _ in parts.values()]
        countries = [country_key(country) for _, _, country in parts.values()]
        found |= {row["name"]: row["slug"] for row in await db.fetch(CITIES, list(parts), keys, countries)}
    return {name: each for name, each in found.items() if each}


PEOPLE_OF = """
SELECT user_id, city FROM profiles
WHERE city LIKE '%,%' AND city_letters(city) = ANY (ARRAY(SELECT city_letters(key || ',') FROM unnest($1::text[]) key))
"""


async def people_of(cities: Collection[tuple[str, str]]) -> set[UserID]:
    """Who writes that they are in one of these cities, with its country; of each, what it is compared by."""
    if not cities:
        return set()
    rows = await db.fetch(PEOPLE_OF, [key for key, _ in cities])
    parts = {row["user_id"]: row["city"].rpartition(",") for row in rows}
    return {each for each, (city, _, country) in parts.items() if (slug(city), country_key(country)) in cities}


def _columns(weeks: Sequence[Week]) -> list[list[Any]]:
    return [list(column) for column in zip(*weeks, strict=True)] or [[], [], []]


def _standing(row: db.Row) -> Standing:
    *values, abouts = row.values()
    return Standing._make((*values, tuple(abouts)))
