"""Bringing what people have earned up to date with what they did, and showing badges."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from domain import db, topics
from domain.accounts.actions import profiles_to_tell
from domain.accounts.queries import UserNotFound
from domain.accounts.rules import Viewer
from domain.clock import stamp
from domain.db import transaction
from domain.errors import Conflict, Forbidden
from domain.eventlog import Event, Logged, emit, emit_all
from domain.ids import RestaurantID, UserID, new_id
from domain.progression.events import BadgeEarned, LevelChanged, LevelReached, PointsChanged, RankersMoved
from domain.progression.queries import MEASURES, BadgeNotEarned, Featured, badge_refs, level_refs
from domain.progression.rules import UNMEASURED, Touched, touched
from domain.settings import settings

# What is stored of these acts is what they earn: points that are due and not there are given, those that are there and
# not due are taken back. A ranking that was taken back and given anew is as old as it was, and what people say below
# what is their own earns nothing. $1 and $2 are people and dishes they may have ranked, $3 posts, $4 comments, $5
# restaurants, $6 dishes, $7 reviews, $8 what is gone with all below it.
SETTLE_POINTS = """
WITH due AS (
    SELECT k.user_id, a.activity, k.dish_id AS reference_id, NULL::uuid AS within_id, a.points,
        coalesce((SELECT h.created_at FROM ranking_history h WHERE h.dish_id = k.dish_id AND h.user_id = k.user_id
            ORDER BY h.seq LIMIT 1), k.created_at) AS awarded_at
    FROM unnest($1::uuid[], $2::uuid[]) AS asked (user_id, dish_id)
    JOIN dish_rankings k ON k.user_id = asked.user_id AND k.dish_id = asked.dish_id
    JOIN activities a ON a.activity = 'ranking' OR (a.activity = 'ranking_photo' AND k.photo_url IS NOT NULL)
    UNION ALL
    SELECT p.author_id, a.activity, p.id, NULL, a.points, p.created_at
    FROM posts p JOIN activities a ON a.activity = 'post' WHERE p.id = ANY($3::uuid[])
    UNION ALL
    SELECT c.author_id, a.activity, c.id, c.target_id, a.points, c.created_at
    FROM comments c JOIN activities a ON a.activity = 'comment' WHERE c.id = ANY($4::uuid[])
        AND NOT EXISTS (SELECT FROM posts p WHERE p.id = c.target_id AND p.author_id = c.author_id)
        AND NOT EXISTS (SELECT FROM reviews w WHERE w.id = c.target_id AND w.author_id = c.author_id)
    UNION ALL
    SELECT r.added_by, a.activity, r.id, NULL, a.points, r.created_at
    FROM restaurants r JOIN activities a ON a.activity = 'restaurant'
    WHERE r.id = ANY($5::uuid[]) AND r.added_by IS NOT NULL
    UNION ALL
    SELECT d.added_by, a.activity, d.id, NULL, a.points, d.created_at
    FROM dishes d JOIN activities a ON a.activity = 'dish' WHERE d.id = ANY($6::uuid[]) AND d.added_by IS NOT NULL
    UNION ALL
    SELECT w.author_id, a.activity, w.id, NULL, a.points, w.created_at
    FROM reviews w JOIN activities a ON a.activity = 'review' OR (a.activity = 'review_photo' AND w.photos <> '{}')
    WHERE w.id = ANY($7::uuid[])
), stored AS (
    SELECT s.* FROM unnest($1::uuid[], $2::uuid[]) AS asked (user_id, dish_id)
    JOIN activity_points s ON s.user_id = asked.user_id AND s.reference_id = asked.dish_id
        AND s.activity IN ('ranking', 'ranking_photo')
    UNION
    SELECT s.* FROM activity_points s
    WHERE s.reference_id = ANY($3::uuid[] || $4::uuid[] || $5::uuid[] || $6::uuid[] || $7::uuid[])
        AND s.activity NOT IN ('ranking', 'ranking_photo')
    UNION
    SELECT s.* FROM activity_points s WHERE s.within_id = ANY($8::uuid[])
), taken AS (
    DELETE FROM activity_points s USING stored
    WHERE s.user_id = stored.user_id AND s.activity = stored.activity AND s.reference_id = stored.reference_id
        AND NOT EXISTS (
            SELECT FROM due WHERE due.user_id = stored.user_id AND due.activity = stored.activity
                AND due.reference_id = stored.reference_id
        )
    RETURNING s.user_id, s.activity
), given AS (
    INSERT INTO activity_points AS s (user_id, activity, reference_id, within_id, points, awarded_at)
    SELECT * FROM (SELECT * FROM due EXCEPT SELECT user_id, activity, reference_id, within_id, points, awarded_at
        FROM stored) AS owed
    ORDER BY user_id, activity, reference_id
    ON CONFLICT (user_id, activity, reference_id) DO UPDATE SET within_id = excluded.within_id,
        points = excluded.points, awarded_at = excluded.awarded_at
    RETURNING s.user_id, s.activity
)
SELECT * FROM taken UNION SELECT * FROM given
"""

# Those of these edits by which a restaurant is elsewhere now, or cooks something else.
MOVED = """
SELECT DISTINCT e.restaurant_id FROM unnest($1::uuid[], $2::timestamptz[]) AS edit (restaurant_id, at)
JOIN restaurant_edits e ON e.restaurant_id = edit.restaurant_id AND e.created_at = edit.at
    AND e.changes ?| ARRAY['city', 'country', 'cuisine_type']
"""

# Whoever ranked at these restaurants, behind somebody: the next $3 of all.
RANKERS = """
SELECT DISTINCT k.restaurant_id, k.user_id FROM unnest($1::uuid[], $2::uuid[]) AS moving (restaurant_id, after)
JOIN dish_rankings k ON k.restaurant_id = moving.restaurant_id AND k.user_id > moving.after
ORDER BY k.restaurant_id, k.user_id LIMIT $3
"""
NOBODY: Final = UserID(UUID(int=0))

# $1 are the people, $2 when.
SETTLE_BADGES = (
    "WITH "  # noqa: S608 # of constants
    + MEASURES
    + """, met AS (
    SELECT m.user_id, c.code, json_build_object('have', m.number, 'need', c.needed) AS progress
    FROM measures m JOIN badge_conditions c ON c.measure = m.measure AND c.scope = m.scope AND c.name = m.name
        AND m.number >= c.needed
), lost AS (
    DELETE FROM user_badges h WHERE h.user_id = ANY($1::uuid[])
        AND NOT EXISTS (SELECT FROM met WHERE met.user_id = h.user_id AND met.code = h.badge)
    RETURNING h.user_id, h.badge, h.is_featured
), won AS (
    INSERT INTO user_badges AS h (user_id, badge, awarded_at, progress)
    SELECT user_id, code, $2, progress FROM met ORDER BY user_id, code
    ON CONFLICT (user_id, badge) DO NOTHING RETURNING h.user_id, h.badge
)
SELECT user_id, badge, false AS is_won, is_featured FROM lost
UNION ALL SELECT user_id, badge, true, false FROM won
ORDER BY user_id, badge
"""
)

# The level below the first one of which something is missing. Who has left by now has none. $1 are people, $2 those of
# them who earned something else than before, which may come to as much.
SETTLE_LEVELS = """
WITH totals AS (
    SELECT u.id AS user_id, coalesce(sum(e.points), 0)::bigint AS points,
        coalesce(sum(e.times) FILTER (WHERE e.activity = 'ranking'), 0)::int AS rankings
    FROM users u LEFT JOIN earned_points($1::uuid[], '-infinity', 'infinity') e ON e.user_id = u.id
    WHERE u.id = ANY($1) GROUP BY u.id
), due AS (
    SELECT t.*, coalesce((
        SELECT max(reached.level) FROM career_levels reached WHERE NOT EXISTS (
            SELECT FROM career_levels l WHERE l.level <= reached.level AND (
                l.required_points > t.points OR l.required_rankings > t.rankings OR EXISTS (
                    SELECT FROM career_level_badges n WHERE n.level = l.level AND NOT EXISTS (
                        SELECT FROM user_badges h WHERE h.user_id = t.user_id AND h.badge = n.badge
                    )
                )
            )
        )
    ), 0)::smallint AS level
    FROM totals t
), changed AS (
    SELECT due.*, coalesce(was.points, 0) AS points_before, coalesce(was.level, 0::smallint) AS level_before
    FROM due LEFT JOIN user_progress was ON was.user_id = due.user_id
    WHERE due.user_id = ANY($2::uuid[]) OR (due.points, due.rankings, due.level) <>
        (coalesce(was.points, 0), coalesce(was.rankings, 0), coalesce(was.level, 0::smallint))
), saved AS (
    INSERT INTO user_progress (user_id, points, rankings, level)
    SELECT user_id, points, rankings, level FROM changed ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE SET points = excluded.points, rankings = excluded.rankings, level = excluded.level
)
SELECT user_id, points, level, points_before, level_before, user_id = ANY($2) AS has_earned FROM changed
ORDER BY user_id
"""

FORGET = """
WITH points AS (DELETE FROM activity_points WHERE user_id = ANY($1::uuid[])),
    badges AS (DELETE FROM user_badges WHERE user_id = ANY($1::uuid[])),
    told AS (DELETE FROM told_awards WHERE user_id = ANY($1::uuid[]))
DELETE FROM user_progress WHERE user_id = ANY($1::uuid[])
"""


async def fold(events: Sequence[Logged]) -> None:
    """Bring up to date what the events touch: a constant number of statements, and one when nothing is earned by it.

    What is stored of people decides and not the events, so it matters neither how often they come nor in which order.
    """
    what, time = touched(events), max(event.at for event in events)
    await settle(what, time)


async def settle(what: Touched, time: datetime) -> None:
    """Have these acts and people have what they have earned, and tell it. A part of folds and of recomputing."""
    things = (what.posts, what.comments, what.restaurants, what.dishes, what.reviews, what.gone)
    changed = await db.fetch(SETTLE_POINTS, *_columns(what.rankings), *things)
    measured = what.measured | {row["user_id"] for row in changed if row["activity"] not in UNMEASURED}
    moving = dict(what.moving)
    if what.moved:
        moving |= {row["restaurant_id"]: NOBODY for row in await db.fetch(MOVED, *_columns(what.moved))}
    left = await _rankers(moving, measured) if moving else {}
    earned = {row["user_id"] for row in changed}
    people = sorted(measured | earned)
    for start in range(0, len(people), settings.fold_limit):
        part = people[start : start + settings.fold_limit]
        of_these = measured.intersection(part)
        badges: Sequence[db.Row] = await db.fetch(SETTLE_BADGES, of_these, time) if of_these else ()
        await _tell(badges, await db.fetch(SETTLE_LEVELS, part, earned.intersection(part)), time)
    if what.left:
        await db.execute(FORGET, what.left)
    await emit_all([(RankersMoved(restaurant_id=each, after=after), None) for each, after in left.items()])


async def _rankers(moving: dict[RestaurantID, UserID], measured: set[UserID]) -> dict[RestaurantID, UserID]:
    """Add the next of those who ranked there to `measured`: a popular restaurant has very many, and others wait for
    this fold. After whom it goes on, where there may be more."""
    rows = await db.fetch(RANKERS, *_columns(moving.items()), settings.progression_moved)
    measured |= {row["user_id"] for row in rows}
    if len(rows) < settings.progression_moved:
        return {}
    there, after = rows[-1]["restaurant_id"], rows[-1]["user_id"]
    return {each: begun for each, begun in moving.items() if each > there} | {there: after}


def _columns(rows: Collection[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    """Pairs as columns, for `unnest`."""
    return [one for one, _ in rows], [other for _, other in rows]


# Once, and then not for a day: who wins and loses something in turn hears of it once.
TELL_ONCE = """
INSERT INTO told_awards AS t (user_id, award, told_at)
SELECT user_id, award, $3 FROM unnest($1::uuid[], $2::text[]) AS won (user_id, award) ORDER BY user_id, award
ON CONFLICT (user_id, award) DO UPDATE SET told_at = excluded.told_at WHERE t.told_at <= $4
RETURNING user_id, award
"""


async def _tell(badges: Sequence[db.Row], levels: Sequence[db.Row], time: datetime) -> None:
    news: list[tuple[Event, str | None]] = []
    for row in levels:
        if row["has_earned"] or row["points"] != row["points_before"]:
            news.append((PointsChanged(user_id=row["user_id"], points=row["points"]), None))
        if row["level"] != row["level_before"]:
            changed = LevelChanged(user_id=row["user_id"], level=row["level"], before=row["level_before"])
            news.append((changed, None))
    won = [(row["user_id"], row["badge"]) for row in badges if row["is_won"]]
    reached = [(row["user_id"], row["level"]) for row in levels if row["level"] > row["level_before"]]
    if won or reached:
        news += await _awards(won, reached, time)
    shown = {row["user_id"] for row in badges if row["is_featured"]}
    shown |= {row["user_id"] for row in levels if row["level"] != row["level_before"]}
    if shown:
        news += [(profile, topics.user(profile.id)) for profile in await profiles_to_tell(shown)]
    await emit_all(news)


async def _awards(
    won: Sequence[tuple[UserID, str]], reached: Sequence[tuple[UserID, int]], time: datetime
) -> list[tuple[Event, str | None]]:
    """The news of badges and levels, of which their owners were not told before."""
    names = [(user_id, f"badge:{code}") for user_id, code in won]
    names += [(user_id, f"level:{level}") for user_id, level in reached]
    until = time - timedelta(seconds=settings.award_told_again_s)
    told = {(row["user_id"], row["award"]) for row in await db.fetch(TELL_ONCE, *_columns(names), time, until)}
    badges, levels = await badge_refs({code for _, code in won}), await level_refs({level for _, level in reached})
    news: list[tuple[Event, str | None]] = []
    for user_id, code in won:
        if (user_id, f"badge:{code}") in told:
            earned = BadgeEarned(id=new_id(), user_id=user_id, badge=badges[code], awarded_at=stamp(time))
            news.append((earned, topics.notifications(user_id)))
    for user_id, level in reached:
        if (user_id, f"level:{level}") in told:
            level_reached = LevelReached(id=new_id(), user_id=user_id, level=levels[level], awarded_at=stamp(time))
            news.append((level_reached, topics.notifications(user_id)))
    return news


class NotYourBadges(Forbidden):
    """You may choose only among your own badges."""


class TooManyFeatured(Conflict):
    """You show as many badges as there may be: take another one back first."""


# All badges of somebody, so that two devices choose one after the other. In the order in which folds lock them.
HOLD_BADGES = """
SELECT badge, is_featured FROM user_badges WHERE user_id = $1 ORDER BY badge FOR UPDATE
"""

FEATURE = "UPDATE user_badges SET is_featured = $3 WHERE user_id = $1 AND badge = $2"


async def feature_badge(viewer: Viewer, user_id: UserID, code: str) -> Featured:
    """Show a badge on one's own profile. Raises NotYourBadges, BadgeNotEarned, TooManyFeatured."""
    return await _feature(viewer, user_id, code, is_featured=True)


async def unfeature_badge(viewer: Viewer, user_id: UserID, code: str) -> Featured:
    """Show it no longer. Raises NotYourBadges, BadgeNotEarned."""
    return await _feature(viewer, user_id, code, is_featured=False)


async def _feature(viewer: Viewer, user_id: UserID, code: str, *, is_featured: bool) -> Featured:
    if user_id != viewer.id:
        raise NotYourBadges
    async with transaction():
        held = {row["badge"]: row["is_featured"] for row in await db.fetch(HOLD_BADGES, viewer.id)}
        if code not in held:
            raise BadgeNotEarned
        if is_featured and not held[code] and sum(held.values()) >= settings.featured_badges:
            raise TooManyFeatured({"code": f"at most {settings.featured_badges} badges are shown"})
        if held[code] is not is_featured:
            await db.execute(FEATURE, viewer.id, code, is_featured)
        told = await profiles_to_tell([viewer.id])
        if not told:
            raise UserNotFound
        (profile,) = told
        if held[code] is not is_featured:
            await emit(profile, topics.user(viewer.id), actor=viewer.id)
    return Featured(profile.featured_badges)
