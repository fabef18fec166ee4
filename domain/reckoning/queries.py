"""In what the points, badges and levels that are stored differ from those that are due."""

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from domain import db
from domain.ids import UserID
from domain.progression.queries import CareerLevel, read_levels


class Difference(NamedTuple):
    """What somebody should have, and has; of points, for what."""

    user_id: UserID
    what: str
    reference_id: UUID | None
    due: str
    stored: str

    def __str__(self) -> str:
        of_what = "" if self.reference_id is None else f" {self.reference_id}"
        return f"{self.user_id} {self.what}{of_what}: {self.due} due, {self.stored} stored"


class Looked(NamedTuple):
    """What differs of some people, and who of them is no more."""

    differences: list[Difference]
    gone: set[UserID]


# Everybody, and whoever is gone and has something. The first of all are among the first of each.
PEOPLE = """
(SELECT id FROM users WHERE id > $1 ORDER BY id LIMIT $2)
UNION (SELECT user_id FROM user_progress WHERE user_id > $1 ORDER BY user_id LIMIT $2)
UNION (SELECT DISTINCT user_id FROM user_badges WHERE user_id > $1 ORDER BY user_id LIMIT $2)
UNION (SELECT DISTINCT user_id FROM activity_points WHERE user_id > $1 ORDER BY user_id LIMIT $2)
ORDER BY id LIMIT $2
"""

_DUE = """
WITH ranked AS (
    SELECT k.user_id, k.dish_id, k.photo_url, coalesce(first.at, k.created_at) AS at
    FROM dish_rankings k LEFT JOIN (
        SELECT user_id, dish_id, (array_agg(created_at ORDER BY seq))[1] AS at
        FROM ranking_history WHERE user_id = ANY($1::uuid[]) GROUP BY 1, 2
    ) first ON first.user_id = k.user_id AND first.dish_id = k.dish_id
    WHERE k.user_id = ANY($1::uuid[])
), done (user_id, activity, reference_id, within_id, at) AS (
    SELECT user_id, 'ranking', dish_id, NULL::uuid, at FROM ranked
    UNION ALL SELECT user_id, 'ranking_photo', dish_id, NULL, at FROM ranked WHERE photo_url IS NOT NULL
    UNION ALL SELECT author_id, 'review', id, NULL, created_at FROM reviews WHERE author_id = ANY($1::uuid[])
    UNION ALL SELECT author_id, 'review_photo', id, NULL, created_at FROM reviews
    WHERE author_id = ANY($1::uuid[]) AND cardinality(photos) > 0
    UNION ALL SELECT author_id, 'comment', id, target_id, created_at FROM comments WHERE author_id = ANY($1::uuid[])
        AND (target_id, author_id) NOT IN (SELECT id, author_id FROM posts WHERE author_id = ANY($1::uuid[])
            UNION ALL SELECT id, author_id FROM reviews WHERE author_id = ANY($1::uuid[]))
    UNION ALL SELECT author_id, 'post', id, NULL, created_at FROM posts WHERE author_id = ANY($1::uuid[])
    UNION ALL SELECT added_by, 'restaurant', id, NULL, created_at FROM restaurants WHERE added_by = ANY($1::uuid[])
    UNION ALL SELECT added_by, 'dish', id, NULL, created_at FROM dishes WHERE added_by = ANY($1::uuid[])
), due AS (
    SELECT done.*, a.points, a.daily_points FROM done JOIN activities a ON a.activity = done.activity
)
"""

POINTS_DIFFER = (
    _DUE  # noqa: S608 # of constants
    + """
SELECT user_id, activity, reference_id, due.points AS due, stored.points AS stored
FROM due FULL JOIN (SELECT * FROM activity_points WHERE user_id = ANY($1::uuid[])) stored
    USING (user_id, activity, reference_id)
WHERE (due.points, due.at, due.within_id) IS DISTINCT FROM (stored.points, stored.awarded_at, stored.within_id)
ORDER BY user_id, activity, reference_id
"""
)

STANDINGS = (
    _DUE  # noqa: S608 # of constants
    + """, sums AS (
    SELECT user_id, sum(points) AS points, sum(times) FILTER (WHERE activity = 'ranking') AS rankings,
        sum(times) FILTER (WHERE activity IN ('ranking_photo', 'review_photo')) AS photos,
        sum(times) FILTER (WHERE activity = 'review') AS reviews,
        sum(times) FILTER (WHERE activity = 'restaurant') AS restaurants,
        sum(times) FILTER (WHERE activity = 'dish') AS dishes
    FROM (
        SELECT user_id, activity, count(*) AS times,
            CASE WHEN sum(points) > daily_points THEN daily_points ELSE sum(points) END AS points
        FROM due GROUP BY user_id, activity, daily_points, date_trunc('day', at, 'UTC')
    ) of_day GROUP BY 1
)
SELECT asked.id AS user_id, u.id IS NULL AS is_gone,
    (coalesce(sums.points, 0))::bigint AS points, (coalesce(sums.rankings, 0))::int AS rankings,
    coalesce(p.points, 0) AS points_stored, coalesce(p.rankings, 0) AS rankings_stored, coalesce(p.level, 0) AS level,
    p.user_id IS NOT NULL AS is_stored,
    ARRAY(SELECT badge FROM user_badges WHERE user_id = asked.id) AS badges_stored,
    ARRAY(
        SELECT c.code FROM badge_conditions c WHERE c.needed <= CASE c.measure
            WHEN 'rankings' THEN (
                SELECT count(*) FROM dish_rankings k JOIN restaurants r ON r.id = k.restaurant_id
                WHERE k.user_id = asked.id AND CASE c.scope
                    WHEN 'cuisine' THEN r.cuisine_type @> ARRAY[c.name] WHEN 'city' THEN r.city_slug = c.name
                    WHEN 'country' THEN r.country_key = c.name WHEN 'dish_type' THEN k.dish_type = c.name
                    ELSE true END
            )
            WHEN 'photos' THEN sums.photos
            WHEN 'reviews' THEN sums.reviews
            WHEN 'restaurants_added' THEN sums.restaurants
            WHEN 'dishes_added' THEN sums.dishes
            WHEN 'full_scopes' THEN (
                SELECT count(*) FROM dish_rankings k WHERE k.user_id = asked.id AND k.rank = 5
            )
            WHEN 'distinct_cuisines' THEN (
                SELECT count(DISTINCT cuisine) FROM dish_rankings k JOIN restaurants r ON r.id = k.restaurant_id,
                    unnest(r.cuisine_type) AS cuisine WHERE k.user_id = asked.id
            )
            WHEN 'distinct_cities' THEN (
                SELECT count(DISTINCT r.city_slug) FROM dish_rankings k JOIN restaurants r ON r.id = k.restaurant_id
                WHERE k.user_id = asked.id
            )
            WHEN 'distinct_countries' THEN (
                SELECT count(DISTINCT r.country_key) FROM dish_rankings k JOIN restaurants r ON r.id = k.restaurant_id
                WHERE k.user_id = asked.id AND r.country_key <> ''
            )
            WHEN 'distinct_dish_types' THEN (
                SELECT count(DISTINCT dish_type) FROM dish_rankings WHERE user_id = asked.id
            )
            WHEN 'distinct_restaurants' THEN (
                SELECT count(DISTINCT restaurant_id) FROM dish_rankings WHERE user_id = asked.id
            )
        END
    ) AS badges
FROM unnest($1::uuid[]) AS asked (id) LEFT JOIN users u ON u.id = asked.id
LEFT JOIN sums ON sums.user_id = asked.id LEFT JOIN user_progress p ON p.user_id = asked.id
"""
)


async def people_after(user_id: UserID, limit: int) -> list[UserID]:
    """The next people, by their ids."""
    return [row["id"] for row in await db.fetch(PEOPLE, user_id, limit)]


async def look_at(people: Collection[UserID]) -> Looked:
    """What differs of these people."""
    found = [
        Difference(row["user_id"], row["activity"], row["reference_id"], _number(row["due"]), _number(row["stored"]))
        for row in await db.fetch(POINTS_DIFFER, people)
    ]
    levels, gone = (await read_levels()).items, set[UserID]()
    for row in await db.fetch(STANDINGS, people):
        user_id, due, stored = row["user_id"], set(row["badges"]), set(row["badges_stored"])
        found += [Difference(user_id, f"badge {code}", None, "yes", "no") for code in sorted(due - stored)]
        found += [Difference(user_id, f"badge {code}", None, "no", "yes") for code in sorted(stored - due)]
        level = level_of(levels, row["points"], row["rankings"], due)
        pairs = (("points", row["points"], row["points_stored"]), ("rankings", row["rankings"], row["rankings_stored"]))
        pairs += (("level", level, row["level"]),)
        found += [Difference(user_id, what, None, str(one), str(other)) for what, one, other in pairs if one != other]
        if row["is_gone"]:
            gone.add(user_id)
            found += [Difference(user_id, "progress", None, "no", "yes")] if row["is_stored"] else []
    return Looked(found, gone)


def level_of(levels: Collection[CareerLevel], points: int, rankings: int, badges: Collection[str]) -> int:
    """The level of whoever has these: the last one before something is missing; 0 is none."""
    reached = 0
    for level in levels:
        has_badges = all(badge.code in badges for badge in level.required_badges)
        if points < level.required_points or rankings < level.required_rankings or not has_badges:
            break
        reached = level.level
    return reached


def _number(points: int | None) -> str:
    return "none" if points is None else str(points)
