"""Whom posts and comments mention, in rows: so that an edit tells nobody twice, and a deletion leaves nothing."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000010"
VERSION = "1.38.0"
DESCRIPTION = "mentions in posts and comments"

UP = """
CREATE TABLE mentions (
    target_type varchar(20) NOT NULL CONSTRAINT mentions_target_type CHECK (target_type IN ('post', 'comment')),
    target_id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    post_id uuid GENERATED ALWAYS AS (CASE WHEN target_type = 'post' THEN target_id END) STORED
        CONSTRAINT mentions_post REFERENCES posts ON DELETE CASCADE,
    -- Deferred: a comment's news says whom it mentions, and is of the statement that adds the comment.
    comment_id uuid GENERATED ALWAYS AS (CASE WHEN target_type = 'comment' THEN target_id END) STORED
        CONSTRAINT mentions_comment REFERENCES comments ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (target_type, target_id, user_id)
);
CREATE INDEX mentions_user ON mentions (user_id);
CREATE INDEX mentions_post ON mentions (post_id) WHERE post_id IS NOT NULL;
CREATE INDEX mentions_comment ON mentions (comment_id) WHERE comment_id IS NOT NULL;

-- Whom something said mentions, as far as the viewer may see them.
CREATE FUNCTION visible_mentions(viewer uuid, said text, said_id uuid)
RETURNS TABLE (id uuid, username varchar, display_name varchar, avatar_url text) LANGUAGE sql STABLE AS $$
    SELECT u.id, u.username, u.display_name, u.avatar_url
    FROM mentions m JOIN visible_users(viewer) u ON u.id = m.user_id
    WHERE m.target_type = said AND m.target_id = said_id
$$;
"""

DOWN = """
DROP FUNCTION visible_mentions;
DROP TABLE mentions;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
