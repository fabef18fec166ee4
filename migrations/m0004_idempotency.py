"""Answers kept for clients that repeat a POST with the same Idempotency-Key."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000004"
VERSION = "1.38.0"
DESCRIPTION = "answers to repeated POSTs"

UP = """
-- No foreign key: it would lock the user's row, and the rows are gone after a day. `answer` is msgpack.
CREATE TABLE idempotent_answers (
    user_id uuid NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    answer bytea,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotent_answers_created ON idempotent_answers (created_at);
"""

DOWN = "DROP TABLE idempotent_answers;"


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
