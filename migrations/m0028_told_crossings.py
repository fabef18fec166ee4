"""When somebody or something that came among the first of a board, or left, was last told."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000028"
VERSION = "1.38.0"
DESCRIPTION = "when crossings of boards were told"

UP = """
-- `subject_id` is made of whom or what, and of the board without its week. Of an hour only: the rest is forgotten.
CREATE TABLE told_crossings (
    subject_id uuid NOT NULL,
    place smallint NOT NULL,
    has_entered boolean NOT NULL,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (subject_id, place, has_entered)
);
CREATE INDEX told_crossings_old ON told_crossings (told_at);

-- What was told before says of how many first it is about, as what is told from now on does.
UPDATE notifications SET details = details || jsonb_build_object('place', CASE
    WHEN type = 'board_entered' AND (details->>'to')::int <= 3 THEN 3
    WHEN type = 'board_left' AND (details->>'to')::int <= 10 THEN 3 ELSE 10 END)
WHERE type IN ('board_entered', 'board_left') AND details IS NOT NULL;
"""

DOWN = """
DROP TABLE told_crossings;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
