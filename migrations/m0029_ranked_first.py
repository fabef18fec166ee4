"""When somebody first ranked a dish, by index: points of a ranking are of that time."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000029"
VERSION = "1.38.0"
DESCRIPTION = "when somebody first ranked a dish"

UP = """
CREATE INDEX ranking_history_first ON ranking_history (dish_id, user_id, seq);
"""

DOWN = """
DROP INDEX ranking_history_first;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
