"""By which catalogues everybody has what is theirs: when somebody changes these, all are reckoned anew by and by."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000033"
VERSION = "1.38.0"
DESCRIPTION = "by which catalogues everybody is reckoned"

UP = """
-- One row, once there are catalogues. `upto` is after whom it goes on, null when everybody is reckoned.
CREATE TABLE reckoned (
    is_one boolean PRIMARY KEY DEFAULT true CHECK (is_one),
    catalogues text NOT NULL,
    upto uuid
);
"""

DOWN = """
DROP TABLE reckoned;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
