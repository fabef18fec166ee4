"""What can be seen of progression: the catalogues, and what somebody has earned and what they lack."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from domain import db
from domain.accounts.queries import BadgeRef, CareerLevelRef, UserNotFound
from domain.accounts.rules import Viewer
from domain.clock import stamp
from domain.errors import NotFound
from domain.ids import UserID


class Badge(BadgeRef, frozen=True, kw_only=True):
    """What can be earned: `requirements` is one measure and how much of it, rankings also of one kind."""

    description: str
    category: Literal["cuisine", "region", "technical"]
    requirements: dict[str, int | str]


class Progress(msgspec.Struct, frozen=True):
    """How much of what a badge requires somebody has."""

    have: int
    need: int


class EarnedBadge(Badge, frozen=True, kw_only=True):
    """A badge that somebody has; `progress` is how far they were when they got it, null for who may not see what they
    rank."""

    awarded_at: str
    is_featured: bool
    progress: Progress | None


class MissingBadge(Badge, frozen=True, kw_only=True):
    """A badge that somebody has not, and how far they are."""

    progress: Progress


class UserBadges(msgspec.Struct, frozen=True):
    """The badges that somebody has, the latest first, and those they lack, the nearest first; of who may not see what
    they rank, no progress is asked: `missing` is empty."""

    earned: list[EarnedBadge]
    missing: list[MissingBadge]


class Featured(msgspec.Struct, frozen=True):
    """The badges that somebody shows on their profile."""

    featured_badges: list[BadgeRef]


class CareerLevel(CareerLevelRef, frozen=True, kw_only=True):
    """A level, what it takes and what it brings. `weight` is that of its reviewers' rankings; without one it is 1."""

    description: str
    required_points: int
    required_rankings: int
    required_badges: list[BadgeRef]
    benefits: list[str]
    weight: float


class Catalogue(msgspec.Struct, frozen=True):
    """All badges there are."""

    items: list[Badge]


class Career(msgspec.Struct, frozen=True):
    """All levels, from the first one on."""

    items: list[CareerLevel]


class Missing(msgspec.Struct, frozen=True):
    """What is missing for a level and those below it; of a badge, how far one is."""

    points: int
    rankings: int
    badges: list[MissingBadge]


class NextLevel(msgspec.Struct, frozen=True):
    """The next level, and what is missing for it."""

    level: CareerLevel
    missing: Missing


class UserLevel(msgspec.Struct, frozen=True):
    """Somebody's level, and the next one, if there is any; null, too, for who may not see what they rank."""

    level: CareerLevel | None
    points: int
    rankings: int
    next: NextLevel | None


class ActivityTotal(msgspec.Struct, frozen=True):
    """What somebody earned by one kind of acts, and by how many; `daily_points` is the most that these earn in a day of
    UTC, null when there is no limit."""

    activity: str
    description: str
    times: int
    points: int
    daily_points: int | None


class PointsRow(msgspec.Struct, frozen=True):
    """What one act earned, as far as those of its day may; `reference_id` is what was done something to, or made."""

    activity: str
    reference_id: UUID
    points: int
    awarded_at: str


class Points(msgspec.Struct, frozen=True):
    """Somebody's points, how they come about, which is for who may see what they rank, and a part of what earned them,
    which is for themselves."""

    total: int
    by_activity: list[ActivityTotal]
    rows: list[PointsRow]


Before = tuple[datetime, UUID, str]
"""Where a page begins: behind what this activity earned with this reference at this time."""


class BadgeNotEarned(NotFound):
    """You have not earned such a badge."""


# How much people have of what badges count. $1 are the people. Of a ranking counts where it is and what it is of.
MEASURES = """
ranked AS MATERIALIZED (
    SELECT k.user_id, k.restaurant_id, k.dish_type, k.rank, k.photo_url, r.cuisine_type, r.city_slug AS city,
        nullif(r.country_key, '') AS country
    FROM dish_rankings k JOIN restaurants r ON r.id = k.restaurant_id WHERE k.user_id = ANY($1::uuid[])
), cooked AS MATERIALIZED (
    SELECT user_id, cuisine, count(*) AS number FROM ranked, unnest(cuisine_type) AS cuisine GROUP BY 1, 2
), measures (user_id, measure, scope, name, number) AS (
    SELECT user_id, 'rankings', kind, name, count(*)
    FROM ranked, LATERAL (VALUES ('', ''), ('city', city), ('country', country), ('dish_type', dish_type))
        AS of_what (kind, name)
    WHERE name IS NOT NULL GROUP BY 1, 3, 4
    UNION ALL SELECT user_id, 'rankings', 'cuisine', cuisine, number FROM cooked
    UNION ALL SELECT user_id, 'distinct_cuisines', '', '', count(*) FROM cooked GROUP BY 1
    UNION ALL SELECT user_id, of_all.measure, '', '', of_all.number
    FROM (
        SELECT user_id, count(DISTINCT city) AS cities, count(DISTINCT country) AS countries,
            count(DISTINCT dish_type) AS dish_types, count(DISTINCT restaurant_id) AS restaurants
        FROM ranked GROUP BY 1
    ) counted, LATERAL (VALUES ('distinct_cities', cities), ('distinct_countries', countries),
        ('distinct_dish_types', dish_types), ('distinct_restaurants', restaurants)) AS of_all (measure, number)
    UNION ALL SELECT user_id, 'full_scopes', '', '', count(*)
    FROM (SELECT user_id FROM ranked GROUP BY user_id, restaurant_id, dish_type HAVING count(rank) = 5) AS full_scopes
    GROUP BY 1
    UNION ALL SELECT user_id, 'photos', '', '', sum(number)::bigint
    FROM (
        SELECT user_id, count(photo_url) AS number FROM ranked GROUP BY 1
        UNION ALL SELECT author_id, count(*) FILTER (WHERE photos <> '{}') FROM reviews
        WHERE author_id = ANY($1::uuid[]) GROUP BY 1
    ) AS shown GROUP BY 1
    UNION ALL SELECT author_id, 'reviews', '', '', count(*) FROM reviews
    WHERE author_id = ANY($1::uuid[]) GROUP BY 1
    UNION ALL SELECT added_by, 'restaurants_added', '', '', count(*) FROM restaurants
    WHERE added_by = ANY($1::uuid[]) GROUP BY 1
    UNION ALL SELECT added_by, 'dishes_added', '', '', count(*) FROM dishes
    WHERE added_by = ANY($1::uuid[]) GROUP BY 1
)
"""

_BADGE = """
b.code, b.name, b.description, b.category, b.requirements, b.icon_url
"""

READ_BADGES = "SELECT " + _BADGE + "FROM badges b ORDER BY b.category, b.code"  # of constants

READ_LEVELS = """
SELECT l.level, l.code, l.name, l.description, l.required_points, l.required_rankings, l.icon_url, l.benefits,
    l.weight::float8 AS weight, (
        SELECT coalesce(json_agg(json_build_object('code', b.code, 'name', b.name, 'icon_url', b.icon_url)
            ORDER BY b.code), '[]')
        FROM career_level_badges n JOIN badges b ON b.code = n.badge WHERE n.level = l.level
    ) AS required_badges
FROM career_levels l ORDER BY l.level
"""

# Who may not be seen has no row; everybody else has one for each badge there is.
READ_USER_BADGES = (
    "WITH "  # of constants
    + MEASURES
    + "SELECT u.id AS user_id,"
    + _BADGE
    + """, h.awarded_at, h.progress, h.is_featured, least(coalesce(m.number, 0), c.needed) AS have, c.needed AS need,
    r.id IS NOT NULL AS is_open
FROM visible_users($2) u LEFT JOIN visible_rankers($2) r ON r.id = u.id CROSS JOIN badges b
JOIN badge_conditions c ON c.code = b.code
LEFT JOIN user_badges h ON h.user_id = u.id AND h.badge = b.code
LEFT JOIN measures m ON m.user_id = u.id AND m.measure = c.measure AND m.scope = c.scope AND m.name = c.name
WHERE u.id = ANY($1::uuid[]) ORDER BY h.awarded_at DESC, (c.needed - least(coalesce(m.number, 0), c.needed)), b.code
"""
)

READ_PROGRESS = """
SELECT coalesce(p.points, 0) AS points, coalesce(p.rankings, 0) AS rankings, coalesce(p.level, 0) AS level,
    r.id IS NOT NULL AS is_open
FROM visible_users($1) u LEFT JOIN visible_rankers($1) r ON r.id = u.id
LEFT JOIN user_progress p ON p.user_id = u.id WHERE u.id = $2
"""

READ_TOTALS = """
SELECT a.activity, a.description, sum(e.times)::int AS times, sum(e.points)::int AS points, a.daily_points
FROM earned_points(ARRAY[$1::uuid], '-infinity', 'infinity') e JOIN activities a ON a.activity = e.activity
GROUP BY a.activity ORDER BY points DESC, a.activity
"""

READ_POINTS = """
SELECT activity, reference_id, points, awarded_at FROM activity_points
WHERE user_id = $1
    AND (awarded_at, reference_id, activity) < (coalesce($2::timestamptz, 'infinity'), $3::uuid, $4::text)
ORDER BY awarded_at DESC, reference_id DESC, activity DESC LIMIT $5
"""

BADGE_REFS = "SELECT code, name, icon_url FROM badges WHERE code = ANY($1::text[])"

LEVEL_REFS = "SELECT level, code, name, icon_url FROM career_levels WHERE level = ANY($1::int[])"


async def read_badges() -> Catalogue:
    """All badges there are."""
    return Catalogue([Badge(**_badge(row)) for row in await db.fetch(READ_BADGES)])


async def read_levels() -> Career:
    """All levels there are, from the first one on."""
    return Career([_level(row) for row in await db.fetch(READ_LEVELS)])


async def read_user_badges(viewer: Viewer, user_id: UserID) -> UserBadges:
    """What somebody has, and how far they are with what they lack: that would tell what they eat, and is for who may
    see what they rank. Raises UserNotFound."""
    rows = await db.fetch(READ_USER_BADGES, [user_id], viewer.id)
    if not rows:
        raise UserNotFound
    return UserBadges(
        earned=[_earned(row) for row in rows if row["awarded_at"] is not None],
        missing=[_missing(row) for row in rows if row["is_open"] and row["awarded_at"] is None],
    )


async def read_user_level(viewer: Viewer, user_id: UserID) -> UserLevel:
    """Somebody's level, and for who may see what they rank, what is missing for the next one. Raises UserNotFound."""
    progress = await db.fetchrow(READ_PROGRESS, viewer.id, user_id)
    if progress is None:
        raise UserNotFound
    points, rankings, level = progress["points"], progress["rankings"], progress["level"]
    levels = (await read_levels()).items
    reached = next((each for each in levels if each.level == level), None)
    following = next((each for each in levels if each.level > level), None)
    if following is None or not progress["is_open"]:
        return UserLevel(reached, points, rankings, None)
    # Of a level that was lost for want of a badge, a lower one may ask for more of something.
    asked = [each for each in levels if each.level <= following.level]
    codes = {badge.code for each in asked for badge in each.required_badges}
    missing = Missing(
        points=max(0, *(each.required_points - points for each in asked)),
        rankings=max(0, *(each.required_rankings - rankings for each in asked)),
        badges=[badge for badge in (await read_user_badges(viewer, user_id)).missing if badge.code in codes],
    )
    return UserLevel(reached, points, rankings, NextLevel(following, missing))


async def read_points(viewer: Viewer, user_id: UserID, before: Before | None, limit: int) -> Points:
    """Somebody's points, and what earned them, the latest first. Others see the sums alone, for an act may be on what
    is not for them; and only all of it together, when they may not see what somebody ranks. Raises UserNotFound."""
    progress = await db.fetchrow(READ_PROGRESS, viewer.id, user_id)
    if progress is None:
        raise UserNotFound
    if not progress["is_open"]:
        return Points(progress["points"], [], [])
    totals = [ActivityTotal(**dict(row)) for row in await db.fetch(READ_TOTALS, user_id)]
    if viewer.id != user_id:
        return Points(progress["points"], totals, [])
    rows = await db.fetch(READ_POINTS, user_id, *(before or (None, None, None)), limit)
    listed = [PointsRow(row["activity"], row["reference_id"], row["points"], stamp(row["awarded_at"])) for row in rows]
    return Points(progress["points"], totals, listed)


def position_of(row: PointsRow) -> Before:
    """Where the page behind it begins."""
    return datetime.fromisoformat(row.awarded_at), row.reference_id, row.activity


async def badge_refs(codes: Collection[str]) -> dict[str, BadgeRef]:
    """These badges, by their codes."""
    return {row["code"]: BadgeRef(**dict(row)) for row in await db.fetch(BADGE_REFS, codes)}


async def level_refs(levels: Collection[int]) -> dict[int, CareerLevelRef]:
    """These levels, by their numbers."""
    return {row["level"]: CareerLevelRef(**dict(row)) for row in await db.fetch(LEVEL_REFS, levels)}


_requirements = msgspec.json.Decoder(dict[str, int | str])
_refs = msgspec.json.Decoder(list[BadgeRef])
_progress = msgspec.json.Decoder(Progress)


def _badge(row: db.Row) -> dict[str, Any]:
    fields = {name: row[name] for name in ("code", "name", "description", "category", "icon_url")}
    return {**fields, "requirements": _requirements.decode(row["requirements"])}


def _earned(row: db.Row) -> EarnedBadge:
    return EarnedBadge(
        **_badge(row),
        awarded_at=stamp(row["awarded_at"]),
        is_featured=row["is_featured"],
        progress=_progress.decode(row["progress"]) if row["is_open"] else None,
    )


def _missing(row: db.Row) -> MissingBadge:
    return MissingBadge(**_badge(row), progress=Progress(row["have"], row["need"]))


def _level(row: db.Row) -> CareerLevel:
    fields: dict[str, Any] = {**dict(row), "required_badges": _refs.decode(row["required_badges"])}
    return CareerLevel(**fields)
