"""Inboxes and the notifications in them, folded from the log from now on."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000009"
VERSION = "1.38.0"
DESCRIPTION = "notifications and their groups"

UP = """
CREATE TABLE inboxes (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    unread int NOT NULL DEFAULT 0 CHECK (unread >= 0),
    version bigint NOT NULL DEFAULT 1
) WITH (fillfactor = 50);

CREATE TABLE notifications (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES inboxes ON DELETE CASCADE,
    type varchar(50) NOT NULL,
    batch_key varchar(255) NOT NULL,
    actor_id uuid,
    subject_id uuid,
    post_id uuid,
    parent_id uuid, -- deleted together, by whoever deletes: a foreign key would cost each child a look at its batch
    is_batch boolean NOT NULL,
    batch_count int NOT NULL CHECK (batch_count >= 1),
    is_open boolean NOT NULL,
    is_suppressed boolean NOT NULL,
    created_at timestamptz NOT NULL,
    last_updated_at timestamptz NOT NULL,
    read_at timestamptz,
    CHECK (parent_id IS NULL OR NOT (is_batch OR is_open OR is_suppressed)),
    CHECK (is_batch OR (batch_count = 1 AND actor_id IS NOT NULL AND subject_id IS NOT NULL))
);
-- What further acts of this key may join: one at most, whoever writes.
CREATE UNIQUE INDEX notifications_open ON notifications (user_id, batch_key) WHERE is_open;
-- An act is told to a user once; also how an act that is taken back is found.
CREATE UNIQUE INDEX notifications_act ON notifications (subject_id, actor_id, type, user_id) WHERE NOT is_batch;
-- Of every row, for an account that is deleted takes all of its own along.
CREATE INDEX notifications_actor ON notifications (user_id, actor_id);
CREATE INDEX notifications_post ON notifications (post_id) WHERE parent_id IS NULL AND post_id IS NOT NULL;
CREATE INDEX notifications_children ON notifications (parent_id, created_at DESC, id DESC) WHERE parent_id IS NOT NULL;
CREATE INDEX notifications_listed ON notifications (user_id, last_updated_at DESC, id DESC)
    WHERE parent_id IS NULL AND NOT is_suppressed;
CREATE INDEX notifications_suppressed ON notifications (created_at) WHERE is_suppressed;
CREATE INDEX notifications_unread ON notifications (user_id)
    WHERE parent_id IS NULL AND NOT is_suppressed AND read_at IS NULL;

CREATE TABLE notification_paces (
    user_id uuid NOT NULL REFERENCES inboxes ON DELETE CASCADE,
    type varchar(50) NOT NULL,
    slots jsonb NOT NULL,
    PRIMARY KEY (user_id, type)
) WITH (fillfactor = 50);

INSERT INTO cursors (feature, batch, upto) SELECT 'notifications', max(batch), max(batch) FROM batches;
"""

DOWN = """
DELETE FROM cursors WHERE feature = 'notifications';
DROP TABLE notification_paces, notifications, inboxes;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
