"""Replies are hidden with the comment above them, whoever asks: no longer only from lists."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000007"
VERSION = "1.38.0"
DESCRIPTION = "replies are hidden with the comment above them"

UP = """
-- The one definition of who may see a comment: who may see what it is on, its author, and the author of the comment
-- that it replies to. The news of a comment names the same people.
CREATE OR REPLACE FUNCTION visible_comments(viewer uuid) RETURNS SETOF comments LANGUAGE sql STABLE AS $$
    SELECT c.* FROM comments c
    JOIN visible_targets(viewer) t ON t.type = c.target_type AND t.id = c.target_id
    JOIN visible_users(viewer) a ON a.id = c.author_id
    WHERE c.parent_id IS NULL OR EXISTS (
        SELECT FROM comments p JOIN visible_users(viewer) pa ON pa.id = p.author_id WHERE p.id = c.parent_id
    )
$$;
"""

DOWN = """
CREATE OR REPLACE FUNCTION visible_comments(viewer uuid) RETURNS SETOF comments LANGUAGE sql STABLE AS $$
    SELECT c.* FROM comments c
    JOIN visible_targets(viewer) t ON t.type = c.target_type AND t.id = c.target_id
    JOIN visible_users(viewer) a ON a.id = c.author_id
$$;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
