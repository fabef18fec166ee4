"""What many viewers did that the counts do not hold yet, in one look at the log's end."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000015"
VERSION = "1.38.0"
DESCRIPTION = "what is not folded yet, of many viewers at once"

UP = """
-- What these did of these types that the counts do not hold yet: whoever acts sees their own act at once.
-- (SELECT viewers) hides from the planner how many there are, or it would plan each time anew.
-- The bound on `at` keeps older partitions out of it. One more would have the planner read the last hour by it.
CREATE FUNCTION unfolded_of(viewers uuid[], types text[]) RETURNS TABLE (actor uuid, type text, data json)
LANGUAGE sql STABLE AS $$
    SELECT e.actor, e.type, e.data
    FROM cursors k JOIN batches b ON b.batch = k.batch JOIN batches t ON t.batch = k.upto, events e
    WHERE k.feature = 'counters'
        AND e.xid >= pg_snapshot_xmin(b.snapshot) AND NOT pg_visible_in_snapshot(e.xid, b.snapshot)
        AND NOT (e.seq <= k.seq AND pg_visible_in_snapshot(e.xid, t.snapshot))
        AND e.at > now() - interval '1 hour'
        AND e.actor = ANY((SELECT viewers)::uuid[]) AND e.type = ANY(types)
$$;

CREATE FUNCTION unfolded_likes_of(viewers uuid[]) RETURNS TABLE (user_id uuid, post_id uuid, likes int)
LANGUAGE sql STABLE AS $$
    SELECT e.actor, (e.data->>'post_id')::uuid, sum(CASE e.type WHEN 'post.liked' THEN 1 ELSE -1 END)::int
    FROM unfolded_of(viewers, ARRAY['post.liked', 'post.unliked']) e GROUP BY 1, 2
$$;

CREATE OR REPLACE FUNCTION unfolded(viewer uuid, types text[]) RETURNS TABLE (type text, data json)
LANGUAGE sql STABLE AS $$
    SELECT e.type, e.data FROM unfolded_of(ARRAY[viewer], types) e
$$;
"""

DOWN = """
CREATE OR REPLACE FUNCTION unfolded(viewer uuid, types text[]) RETURNS TABLE (type text, data json)
LANGUAGE sql STABLE AS $$
    SELECT e.type, e.data
    FROM cursors k JOIN batches b ON b.batch = k.batch JOIN batches t ON t.batch = k.upto, events e
    WHERE k.feature = 'counters'
        AND e.xid >= pg_snapshot_xmin(b.snapshot) AND NOT pg_visible_in_snapshot(e.xid, b.snapshot)
        AND NOT (e.seq <= k.seq AND pg_visible_in_snapshot(e.xid, t.snapshot))
        AND e.at > now() - interval '1 hour' AND e.actor = viewer AND e.type = ANY(types)
$$;
DROP FUNCTION unfolded_likes_of, unfolded_of;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
