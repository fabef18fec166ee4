"""In what the stored boards differ from those that are due."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from domain import db
from domain.leaderboards.rules import Kind, season_begins, season_name
from domain.places.rules import country_key
from domain.text import slug


class Difference(NamedTuple):
    """An entry, or a board, that is not what it should be."""

    board: str
    entity_id: UUID | None
    due: str
    stored: str

    def __str__(self) -> str:
        return f"{self.board} {self.entity_id or ''}: {self.due} due, {self.stored} stored"


# $1 are ids; $2 is '' or what names of the week's boards end with, $3 and $4 the week.
_RATED = """
WITH rated AS (
    SELECT k.dish_id, k.user_id, k.rank,
        (SELECT max(h.created_at) FROM ranking_history h
         WHERE h.dish_id = k.dish_id AND h.user_id = k.user_id AND h.old_rank IS DISTINCT FROM h.new_rank) AS at
    FROM dish_rankings k WHERE $2::text = '' AND k.rank IS NOT NULL AND k.dish_id IN (ids_here)
    UNION ALL
    SELECT h.dish_id, h.user_id, h.new_rank, h.created_at FROM ranking_history h
    WHERE $2 <> '' AND h.dish_id IN (ids_here) AND h.created_at >= $3 AND h.created_at < $4 AND h.new_rank IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM ranking_history later WHERE later.dish_id = h.dish_id AND later.user_id = h.user_id
                AND later.seq > h.seq AND later.created_at >= $3 AND later.created_at < $4
        )
), had AS (
    SELECT rated.dish_id, rated.rank, rated.at, coalesce((
        SELECT l.weight FROM user_progress p JOIN career_levels l USING (level) WHERE p.user_id = rated.user_id
    ), 1) AS weight FROM rated
)
"""
_DISHES = _RATED.replace("ids_here", "SELECT unnest($1::uuid[])")
_RESTAURANTS = _RATED.replace("ids_here", "SELECT d.id FROM dishes d WHERE d.restaurant_id = ANY($1::uuid[])")

DUE: Final[dict[Kind, str]] = {
    "dishes": _DISHES
    + """
SELECT 'dishes:' || r.city_slug || ':' || d.dish_type || $2 AS board, d.id, d.name, d.image_url,
    sum(had.weight) AS weight, sum(had.weight * (6 - had.rank)) AS points, count(*)::int AS ratings,
    coalesce(max(had.at), d.created_at) AS reached_at
FROM had JOIN dishes d ON d.id = had.dish_id JOIN restaurants r ON r.id = d.restaurant_id
WHERE r.city_slug IS NOT NULL AND d.is_available GROUP BY d.id, r.id
""",
    "restaurants": _RESTAURANTS
    + """
SELECT 'restaurants:' || r.city_slug || ':' || cuisine || $2 AS board, r.id, r.name, r.photos[1],
    sum(had.weight) AS weight, sum(had.weight * (6 - had.rank)) AS points, count(*)::int AS ratings,
    max(coalesce(had.at, d.created_at)) AS reached_at
FROM had JOIN dishes d ON d.id = had.dish_id JOIN restaurants r ON r.id = d.restaurant_id,
    unnest(r.cuisine_type) cuisine
WHERE r.city_slug IS NOT NULL AND d.is_available GROUP BY r.id, cuisine
""",
    "users": """
SELECT city.board || $2 AS board, u.id, coalesce(u.display_name, u.username), u.avatar_url, 0::numeric AS weight,
    earned.points, 0 AS ratings, coalesce(earned.at, u.created_at) AS reached_at
FROM users u JOIN LATERAL (
    SELECT CASE WHEN $2::text = '' THEN (SELECT p.points FROM user_progress p WHERE p.user_id = u.id)
        ELSE sum(least(of_day.points, limited.daily_points)) END AS points, max(of_day.at) AS at
    FROM (
        SELECT a.activity, sum(a.points) AS points, max(a.awarded_at) AS at FROM activity_points a
        WHERE a.user_id = u.id AND ($2 = '' OR (a.awarded_at >= $3::timestamptz AND a.awarded_at < $4::timestamptz))
        GROUP BY a.activity, date_trunc('day', a.awarded_at, 'UTC')
    ) of_day JOIN activities limited USING (activity)
) earned ON earned.points > 0
JOIN unnest($5::uuid[], $6::text[]) AS city (user_id, board) ON city.user_id = u.id
WHERE u.id = ANY($1::uuid[]) AND u.privacy_level = 'public' AND u.is_active
""",
}

STORED = """
SELECT b.name AS board, e.entity_id, e.name, e.image_url, e.weight, e.points, e.ratings, e.reached_at
FROM leaderboard_entries e JOIN leaderboards b ON b.id = e.board_id
WHERE e.entity_id = ANY($1::uuid[]) AND e.score IS NOT NULL AND b.kind = $2 AND b.season = $3
"""

CITIES = "SELECT user_id, city FROM profiles WHERE user_id = ANY($1::uuid[])"
CITY = "SELECT slug FROM cities WHERE key = $1 AND country = $2"

_NEXT = """
SELECT id FROM (
    (SELECT id FROM table_here WHERE id > $1 ORDER BY id LIMIT $2)
    UNION
    (SELECT entity_id FROM leaderboard_entries e JOIN leaderboards b ON b.id = e.board_id
     WHERE e.entity_id > $1 AND b.kind = $3 AND e.score IS NOT NULL ORDER BY entity_id LIMIT $2)
) every ORDER BY id LIMIT $2
"""
TABLES: Final[dict[Kind, str]] = {"dishes": "dishes", "restaurants": "restaurants", "users": "users"}
NEXT: Final[dict[Kind, str]] = {kind: _NEXT.replace("table_here", table) for kind, table in TABLES.items()}

# Boards whose sums, sizes, priors or scores are not those of their entries. $1 and $2: up to which size a prior is the
# mean, and by how much it may else be off.
BOARDS_DIFFER = """
SELECT b.name AS board, round(due.points / nullif(due.weight, 0), 4) AS mean, b.prior, due.size, b.size AS stored_size,
    due.weight, b.weight AS stored_weight, due.points, b.points AS stored_points, due.wrong
FROM leaderboards b LEFT JOIN LATERAL (
    SELECT count(*)::int AS size, coalesce(sum(e.weight), 0) AS weight, coalesce(sum(e.points), 0) AS points,
        count(*) FILTER (WHERE e.score <> round(CASE WHEN b.kind = 'users' THEN e.points
            ELSE (5 * CASE WHEN e.seq > b.rescored AND e.seq <= b.rescoring THEN b.former ELSE b.prior END
                + e.points) / (5 + e.weight) END * 10000)) AS wrong
    FROM leaderboard_entries e WHERE e.board_id = b.id AND e.score IS NOT NULL
) due ON true
WHERE (due.size, due.weight, due.points) IS DISTINCT FROM (b.size, b.weight, b.points) OR due.wrong > 0
    OR (b.kind <> 'users' AND b.rescoring = 0 AND due.size > 0
        AND abs(round(due.points / nullif(due.weight, 0), 4) - b.prior)
        > CASE WHEN due.size <= $1 THEN 0 ELSE $2::float8::numeric END)
ORDER BY b.name
"""


async def next_of(kind: Kind, after: UUID, limit: int) -> list[UUID]:
    """Ids of this kind behind an id, those on boards that are no more included."""
    return [row["id"] for row in await db.fetch(NEXT[kind], after, limit, kind)]


async def entries_that_differ(kind: Kind, ids: Sequence[UUID], season: int) -> list[Difference]:
    """Of these, the entries of all time (0) or of a week that are not what is due."""
    begins = season_begins(season) if season else None
    ends = None if begins is None else begins + (season_begins(202602) - season_begins(202601))
    args: list[object] = [ids, f"@{season_name(season)}" if season else "", begins, ends]
    if kind == "users":
        args += await _boards_of(ids)
    due = {(row[0], row[1]): _shown(row) for row in await db.fetch(DUE[kind], *args)}
    stored = {(row[0], row[1]): _shown(row) for row in await db.fetch(STORED, ids, kind, season)}
    return [
        Difference(*place, str(due.get(place)), str(stored.get(place)))
        for place in sorted(due.keys() | stored.keys())
        if due.get(place) != stored.get(place)
    ]


async def _boards_of(ids: Sequence[UUID]) -> tuple[list[UUID], list[str]]:
    """The boards on which people belong, by the cities that they write."""
    places = [(each, "users:global") for each in ids]
    for row in await db.fetch(CITIES, ids):
        name, comma, country = (row["city"] or "").rpartition(",")
        known = await db.fetchval(CITY, slug(name), country_key(country)) if comma else None
        city = known or slug(row["city"] or "")
        places += [(row["user_id"], f"users:{city}")] if city not in {"", "global"} else []
    return [each for each, _ in places], [board for _, board in places]


_Shown = tuple[str, str | None, Decimal, Decimal, int, datetime]


def _shown(row: db.Row) -> _Shown:
    _, _, *values = row.values()
    name, image_url, weight, points, ratings, reached_at = values
    return name, image_url, Decimal(weight).normalize(), Decimal(points).normalize(), ratings, reached_at


async def boards_that_differ(exact_size: int, tolerance: float) -> list[Difference]:
    """Boards that are not what their entries make of them."""
    found: list[Difference] = []
    for row in await db.fetch(BOARDS_DIFFER, exact_size, tolerance):
        due = f"size {row['size']}, {row['points']} points of {row['weight']}, mean {row['mean']}"
        stored = f"size {row['stored_size']}, {row['stored_points']} of {row['stored_weight']}, prior {row['prior']}"
        found.append(Difference(row["board"], None, due, f"{stored}, {row['wrong']} wrong scores"))
    return found
