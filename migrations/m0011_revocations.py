"""Which sessions ended lately is read from the log: it remembers those of accounts that are gone."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000011"
VERSION = "1.38.0"
DESCRIPTION = "ended sessions are found in the log"

UP = """
CREATE INDEX events_revoked ON events (at) WHERE type = 'session.revoked';
DROP INDEX auth_sessions_revoked;
"""

DOWN = """
CREATE INDEX auth_sessions_revoked ON auth_sessions (revoked_at) WHERE revoked_at IS NOT NULL;
DROP INDEX events_revoked;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
