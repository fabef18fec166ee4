"""What an activity earns in a day has a limit; and what somebody's acts earned within some time, in one place."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000030"
VERSION = "1.38.0"
DESCRIPTION = "points of an activity a day"

UP = """
-- In a day of UTC; null: without limit.
ALTER TABLE activities ADD COLUMN daily_points int CHECK (daily_points > 0);
UPDATE activities a SET daily_points = d.daily_points FROM (VALUES
    ('ranking', 500), ('ranking_photo', 150), ('review', 150), ('review_photo', 50), ('comment', 30), ('post', 100),
    ('restaurant', 50), ('dish', 180)) AS d (activity, daily_points)
WHERE a.activity = d.activity;

-- The one definition of what acts come to: whatever their order, those of a day earn no more than their activity may.
-- The planner takes it apart, so that an index on people and times is used.
CREATE FUNCTION earned_points(people uuid[], since timestamptz, until timestamptz)
RETURNS TABLE (user_id uuid, activity varchar, day date, times bigint, points bigint, latest timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT s.user_id, s.activity, (s.awarded_at AT TIME ZONE 'UTC')::date, count(*),
        least(sum(s.points), max(a.daily_points)), max(s.awarded_at)
    FROM activity_points s JOIN activities a ON a.activity = s.activity
    WHERE s.user_id = ANY(people) AND s.awarded_at >= since AND s.awarded_at < until
    GROUP BY 1, 2, 3
$$;
"""

DOWN = """
DROP FUNCTION earned_points;
ALTER TABLE activities DROP COLUMN daily_points;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
