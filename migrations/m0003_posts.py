"""Posts, the likes they get, and the counts that are folded from the log."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000003"
VERSION = "1.38.0"
DESCRIPTION = "posts, likes and their folded counts"

UP = """
CREATE TABLE posts (
    id uuid PRIMARY KEY,
    author_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    title varchar(200),
    content text NOT NULL,
    post_type varchar(20) NOT NULL DEFAULT 'daily' CHECK (post_type IN ('daily', 'photo', 'spontaneous')),
    image_url text,
    visibility varchar(20) NOT NULL DEFAULT 'public' CHECK (visibility IN ('public', 'followers', 'private')),
    subject jsonb,
    location jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    edited_at timestamptz
);
CREATE INDEX posts_author ON posts (author_id, id DESC);

CREATE TABLE likes (
    post_id uuid NOT NULL REFERENCES posts ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (post_id, user_id)
);
CREATE INDEX likes_user ON likes (user_id);

-- No foreign keys: a count outlives its object until the deletion is folded too.
CREATE TABLE post_counts (
    post_id uuid PRIMARY KEY,
    likes int NOT NULL DEFAULT 0,
    reactions jsonb NOT NULL DEFAULT '{}',
    comments int NOT NULL DEFAULT 0,
    shares int NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE user_counts (
    user_id uuid PRIMARY KEY,
    followers int NOT NULL DEFAULT 0,
    following int NOT NULL DEFAULT 0,
    posts int NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- The one definition of who may see a post. The planner takes it apart, so that an index on posts is used.
CREATE FUNCTION visible_posts(viewer uuid) RETURNS SETOF posts LANGUAGE sql STABLE AS $$
    SELECT p.* FROM posts p JOIN users a ON a.id = p.author_id
    WHERE a.is_active AND (p.visibility = 'public' OR p.author_id = viewer)
$$;

-- What the viewer did to likes that the counts do not hold yet: whoever acts sees their own act at once.
-- The bound on `at` keeps older partitions out of it.
CREATE FUNCTION unfolded_likes(viewer uuid) RETURNS TABLE (post_id uuid, likes int) LANGUAGE sql STABLE AS $$
    SELECT (e.data->>'post_id')::uuid, sum(CASE e.type WHEN 'post.liked' THEN 1 ELSE -1 END)::int
    FROM cursors k JOIN batches b ON b.batch = k.batch JOIN batches t ON t.batch = k.upto, events e
    WHERE k.feature = 'counters'
        AND (e.xid = ANY(ARRAY(SELECT pg_snapshot_xip(b.snapshot))) OR e.xid >= pg_snapshot_xmax(b.snapshot))
        AND NOT (e.seq <= k.seq AND pg_visible_in_snapshot(e.xid, t.snapshot))
        AND e.at > now() - interval '1 hour' AND e.actor = viewer AND e.type IN ('post.liked', 'post.unliked')
    GROUP BY 1
$$;

INSERT INTO cursors (feature, batch, upto) SELECT 'counters', max(batch), max(batch) FROM batches;
"""

DOWN = """
DELETE FROM cursors WHERE feature = 'counters';
DROP FUNCTION unfolded_likes, visible_posts;
DROP TABLE user_counts, post_counts, likes, posts;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
