"""Comments on whatever can be commented on, and what of them is not folded yet."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000006"
VERSION = "1.38.0"
DESCRIPTION = "comments and their replies"

UP = """
CREATE TABLE comments (
    id uuid PRIMARY KEY,
    target_type varchar(20) NOT NULL CONSTRAINT comments_target_type CHECK (target_type IN ('post')),
    target_id uuid NOT NULL,
    parent_id uuid CONSTRAINT comments_parent REFERENCES comments ON DELETE CASCADE,
    author_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    content text NOT NULL,
    created_at timestamptz NOT NULL,
    edited_at timestamptz,
    -- What this one goes with: a comment with its post, a reply with its parent alone. A reply that held on to both
    -- could wait for the post while the post's deletion waits for the parent.
    post_id uuid GENERATED ALWAYS AS (CASE WHEN target_type = 'post' AND parent_id IS NULL THEN target_id END) STORED
        CONSTRAINT comments_post REFERENCES posts ON DELETE CASCADE
);
CREATE INDEX comments_target ON comments (target_id, id) WHERE parent_id IS NULL;
CREATE INDEX comments_replies ON comments (parent_id, id) WHERE parent_id IS NOT NULL;
CREATE INDEX comments_post ON comments (post_id) WHERE post_id IS NOT NULL;
CREATE INDEX comments_author ON comments (author_id, id DESC);

-- What people can comment on, as far as the viewer may see it, and whose it is: each type has its line.
CREATE FUNCTION visible_targets(viewer uuid) RETURNS TABLE (type text, id uuid, owner_id uuid)
LANGUAGE sql STABLE AS $$
    SELECT 'post'::text, p.id, p.author_id FROM visible_posts(viewer) p
$$;

-- The one definition of who may see a comment: who may see both what it is on and its author.
CREATE FUNCTION visible_comments(viewer uuid) RETURNS SETOF comments LANGUAGE sql STABLE AS $$
    SELECT c.* FROM comments c
    JOIN visible_targets(viewer) t ON t.type = c.target_type AND t.id = c.target_id
    JOIN visible_users(viewer) a ON a.id = c.author_id
$$;

-- What the viewer did of comments that the counts do not hold yet.
CREATE FUNCTION unfolded_comments(viewer uuid) RETURNS TABLE (target_id uuid, comments int)
LANGUAGE sql STABLE AS $$
    SELECT coalesce(e.data #>> '{comment,target,id}', e.data #>> '{target,id}')::uuid,
        sum(CASE e.type WHEN 'comment.created' THEN 1 ELSE -json_array_length(e.data->'ids') END)::int
    FROM unfolded(viewer, ARRAY['comment.created', 'comment.deleted']) e GROUP BY 1
$$;
"""

DOWN = """
DROP FUNCTION unfolded_comments, visible_comments, visible_targets;
DROP TABLE comments;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
