"""Crossings of boards that were told a short time ago, and wait: what is still so then is told again."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000035"
VERSION = "1.38.0"
DESCRIPTION = "crossings of boards that wait"

UP = """
-- Of each subject, as in told_crossings, the newest that waits: the event as it was, and when it may be told again.
CREATE TABLE waiting_crossings (
    subject_id uuid PRIMARY KEY,
    place smallint NOT NULL,
    has_entered boolean NOT NULL,
    data json NOT NULL,
    crossed_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL
);
CREATE INDEX waiting_crossings_due ON waiting_crossings (due_at);
"""

DOWN = """
DROP TABLE waiting_crossings;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
