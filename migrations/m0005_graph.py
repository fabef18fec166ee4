"""Who follows, blocks and mutes whom; and from that, who may see what: the definitions that everything asks."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000005"
VERSION = "1.38.0"
DESCRIPTION = "follows, blocks, mutes, and who may see what"

UP = """
CREATE TABLE follows (
    follower_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    followed_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    status varchar(20) NOT NULL CHECK (status IN ('active', 'pending')),
    notify boolean NOT NULL DEFAULT true,
    source varchar(30),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (follower_id, followed_id),
    CHECK (follower_id <> followed_id)
);
CREATE INDEX follows_followers ON follows (followed_id, status, created_at, follower_id);
CREATE INDEX follows_following ON follows (follower_id, status, created_at, followed_id);

CREATE TABLE blocks (
    blocker_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    blocked_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (blocker_id, blocked_id),
    CHECK (blocker_id <> blocked_id)
);
CREATE INDEX blocks_blocked ON blocks (blocked_id, blocker_id);

CREATE TABLE mutes (
    muter_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    muted_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (muter_id, muted_id),
    CHECK (muter_id <> muted_id)
);
CREATE INDEX mutes_muted ON mutes (muted_id);

-- Whoever changes what two people are to each other holds this until they commit: so there is no follow beside a
-- block, and nobody waits for somebody who waits for them. It must be a statement of its own, before those that
-- look: a statement sees what was committed when it began.
CREATE FUNCTION lock_pair(one uuid, other uuid) RETURNS void LANGUAGE sql VOLATILE AS $$
    SELECT pg_advisory_xact_lock(hashtextextended(least(one, other)::text || greatest(one, other)::text, 0))
$$;

-- The one definition of who may see a profile. Planned as part of the query that calls it.
CREATE OR REPLACE FUNCTION visible_users(viewer uuid) RETURNS SETOF users LANGUAGE sql STABLE AS $$
    SELECT u.* FROM users u
    WHERE u.is_active
        AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = viewer AND b.blocked_id = u.id)
        AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = u.id AND b.blocked_id = viewer)
$$;

-- The one definition of who may see a post. The planner takes it apart, so that an index on posts is used.
CREATE OR REPLACE FUNCTION visible_posts(viewer uuid) RETURNS SETOF posts LANGUAGE sql STABLE AS $$
    SELECT p.* FROM posts p JOIN users a ON a.id = p.author_id
    WHERE a.is_active
        AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = viewer AND b.blocked_id = p.author_id)
        AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = p.author_id AND b.blocked_id = viewer)
        AND (
            p.author_id = viewer
            OR (p.visibility = 'public' AND a.privacy_level = 'public')
            OR (p.visibility IN ('public', 'followers') AND EXISTS (
                SELECT FROM follows f
                WHERE f.follower_id = viewer AND f.followed_id = p.author_id AND f.status = 'active'
            ))
        )
$$;

-- For live topics: of every id asked for, whose it is, and `ok` or why not. The row says `ok` when the definitions
-- above do; the rest only names the reason.
CREATE FUNCTION user_access(viewer uuid, ids uuid[]) RETURNS TABLE (id uuid, owner uuid, verdict text)
LANGUAGE sql STABLE AS $$
    SELECT asked.id, u.id, CASE
        WHEN seen.id IS NOT NULL THEN 'ok' WHEN u.id IS NULL THEN 'deleted' WHEN NOT u.is_active THEN 'suspended'
        ELSE 'blocked' END
    FROM unnest(ids) AS asked (id)
    LEFT JOIN users u ON u.id = asked.id
    LEFT JOIN LATERAL (SELECT v.id FROM visible_users(viewer) v WHERE v.id = asked.id) seen ON true
$$;

CREATE FUNCTION post_access(viewer uuid, ids uuid[]) RETURNS TABLE (id uuid, owner uuid, verdict text)
LANGUAGE sql STABLE AS $$
    SELECT asked.id, p.author_id, CASE
        WHEN seen.id IS NOT NULL THEN 'ok' WHEN p.id IS NULL THEN 'deleted' WHEN NOT a.is_active THEN 'suspended'
        WHEN EXISTS (
            SELECT FROM blocks b WHERE (b.blocker_id = viewer AND b.blocked_id = a.id)
                OR (b.blocker_id = a.id AND b.blocked_id = viewer)
        ) THEN 'blocked'
        ELSE 'private' END
    FROM unnest(ids) AS asked (id)
    LEFT JOIN posts p ON p.id = asked.id
    LEFT JOIN users a ON a.id = p.author_id
    LEFT JOIN LATERAL (SELECT v.id FROM visible_posts(viewer) v WHERE v.id = asked.id) seen ON true
$$;

-- What the viewer did of these types that the counts do not hold yet: whoever acts sees their own act at once.
-- The bound on `at` keeps older partitions out of it.
CREATE FUNCTION unfolded(viewer uuid, types text[]) RETURNS TABLE (type text, data json) LANGUAGE sql STABLE AS $$
    SELECT e.type, e.data
    FROM cursors k JOIN batches b ON b.batch = k.batch JOIN batches t ON t.batch = k.upto, events e
    WHERE k.feature = 'counters'
        AND e.xid >= pg_snapshot_xmin(b.snapshot) AND NOT pg_visible_in_snapshot(e.xid, b.snapshot)
        AND NOT (e.seq <= k.seq AND pg_visible_in_snapshot(e.xid, t.snapshot))
        AND e.at > now() - interval '1 hour' AND e.actor = viewer AND e.type = ANY(types)
$$;

CREATE OR REPLACE FUNCTION unfolded_likes(viewer uuid) RETURNS TABLE (post_id uuid, likes int)
LANGUAGE sql STABLE AS $$
    SELECT (e.data->>'post_id')::uuid, sum(CASE e.type WHEN 'post.liked' THEN 1 ELSE -1 END)::int
    FROM unfolded(viewer, ARRAY['post.liked', 'post.unliked']) e GROUP BY 1
$$;

CREATE FUNCTION unfolded_follows(viewer uuid) RETURNS TABLE (user_id uuid, followers int, following int)
LANGUAGE sql STABLE AS $$
    SELECT delta.user_id, sum(delta.followers)::int, sum(delta.following)::int
    FROM (
        SELECT (u.data->>'followed_id')::uuid AS followed, (u.data->>'follower_id')::uuid AS follower,
            CASE WHEN u.type IN ('user.followed', 'follow.accepted') THEN 1 ELSE -1 END AS one
        FROM unfolded(viewer, ARRAY['user.followed', 'follow.accepted', 'user.unfollowed', 'follower.removed']) u
    ) e, LATERAL (VALUES (e.followed, e.one, 0), (e.follower, 0, e.one)) AS delta (user_id, followers, following)
    GROUP BY 1
$$;
"""

DOWN = """
CREATE OR REPLACE FUNCTION unfolded_likes(viewer uuid) RETURNS TABLE (post_id uuid, likes int)
LANGUAGE sql STABLE AS $$
    SELECT (e.data->>'post_id')::uuid, sum(CASE e.type WHEN 'post.liked' THEN 1 ELSE -1 END)::int
    FROM cursors k JOIN batches b ON b.batch = k.batch JOIN batches t ON t.batch = k.upto, events e
    WHERE k.feature = 'counters'
        AND (e.xid = ANY(ARRAY(SELECT pg_snapshot_xip(b.snapshot))) OR e.xid >= pg_snapshot_xmax(b.snapshot))
        AND NOT (e.seq <= k.seq AND pg_visible_in_snapshot(e.xid, t.snapshot))
        AND e.at > now() - interval '1 hour' AND e.actor = viewer AND e.type IN ('post.liked', 'post.unliked')
    GROUP BY 1
$$;
CREATE OR REPLACE FUNCTION visible_posts(viewer uuid) RETURNS SETOF posts LANGUAGE sql STABLE AS $$
    SELECT p.* FROM posts p JOIN users a ON a.id = p.author_id
    WHERE a.is_active AND (p.visibility = 'public' OR p.author_id = viewer)
$$;
CREATE OR REPLACE FUNCTION visible_users(viewer uuid) RETURNS SETOF users LANGUAGE sql STABLE AS $$
    SELECT * FROM users WHERE is_active
$$;
DROP FUNCTION unfolded_follows, unfolded, post_access, user_access, lock_pair;
DROP TABLE mutes, blocks, follows;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
