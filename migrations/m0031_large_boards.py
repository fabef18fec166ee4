"""A new prior goes through a large board a part at a time, no plan takes one for small, and counting reads no rows."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000031"
VERSION = "1.38.0"
DESCRIPTION = "large boards: scores by and by, and plans"

UP = """
-- Entries whose last change lies behind `rescored` and not behind `rescoring` have the score that the prior `former`
-- makes of them.
ALTER TABLE leaderboards ADD COLUMN former numeric(5, 4), ADD COLUMN rescored bigint NOT NULL DEFAULT 0,
    ADD COLUMN rescoring bigint NOT NULL DEFAULT 0;
CREATE INDEX leaderboards_rescoring ON leaderboards (id) WHERE rescoring > 0;

-- With the score itself, without which PostgreSQL looks up each row that it counts, in spite of (-score).
DROP INDEX leaderboard_entries_order;
CREATE INDEX leaderboard_entries_order ON leaderboard_entries (board_id, (-score), reached_at, entity_id)
    INCLUDE (score) WHERE score IS NOT NULL;

-- A board is planned for before it is known which one. Taken for one of very many, each of a few entries, it would be
-- sorted whole, and it may be the one of a million; as one of a hundred it is read in order, and small ones cost no
-- more.
ALTER TABLE leaderboard_entries ALTER COLUMN board_id SET (n_distinct = 100);
ANALYZE leaderboard_entries;
"""

DOWN = """
ALTER TABLE leaderboard_entries ALTER COLUMN board_id RESET (n_distinct);
DROP INDEX leaderboards_rescoring, leaderboard_entries_order;
CREATE INDEX leaderboard_entries_order ON leaderboard_entries (board_id, (-score), reached_at, entity_id)
    WHERE score IS NOT NULL;
ALTER TABLE leaderboards DROP COLUMN former, DROP COLUMN rescored, DROP COLUMN rescoring;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
