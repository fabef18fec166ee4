"""Which boards there are, and who and what stands on them."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000023"
VERSION = "1.38.0"
DESCRIPTION = "leaderboards and their entries"

UP = """
-- `season` is year * 100 + week, 0 for all time. `weight` and `points` are the sums of all entries, `prior` is the mean
-- that scores lean to; people have none. `seq` is of the newest change of an entry, `forgotten` of the newest that may
-- be missing. `copy_id` names its copies elsewhere: another one, and they are none of it any more.
CREATE TABLE leaderboards (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('dishes', 'restaurants', 'users')),
    city text,
    about text,
    season int NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    size int NOT NULL DEFAULT 0,
    weight numeric NOT NULL DEFAULT 0,
    points numeric NOT NULL DEFAULT 0,
    prior numeric(5, 4),
    seq bigint NOT NULL DEFAULT 0,
    forgotten bigint NOT NULL DEFAULT 0,
    copy_id uuid NOT NULL DEFAULT gen_random_uuid()
) WITH (fillfactor = 50);
CREATE INDEX leaderboards_season ON leaderboards (season, name);
CREATE INDEX leaderboards_city ON leaderboards (city, season, name);

-- What somebody or something has on a board, and the score of it in ten thousandths; null when it is there no more,
-- which copies have yet to hear. `reached_at` is since when it has what it has, or is gone.
CREATE SEQUENCE leaderboard_changes;
CREATE TABLE leaderboard_entries (
    board_id int NOT NULL,
    entity_id uuid NOT NULL,
    name text NOT NULL,
    image_url text,
    weight numeric NOT NULL,
    points numeric NOT NULL,
    ratings int NOT NULL,
    score bigint,
    reached_at timestamptz NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (entity_id, board_id)
);
-- The other way round, so that "behind this one" is one comparison.
CREATE INDEX leaderboard_entries_order ON leaderboard_entries (board_id, (-score), reached_at, entity_id)
    WHERE score IS NOT NULL;
CREATE INDEX leaderboard_entries_changed ON leaderboard_entries (board_id, seq);
CREATE INDEX leaderboard_entries_gone ON leaderboard_entries (reached_at) WHERE score IS NULL;

-- A Bayesian mean in ten thousandths: the prior counts as much as five ratings of weight 1. Without one: the points.
CREATE FUNCTION board_score(prior numeric, weight numeric, points numeric) RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN round(10000 * CASE WHEN prior IS NULL THEN points ELSE (5 * prior + points) / (5 + weight) END);

-- Whose ranks changed in a week, and when one last did.
CREATE INDEX ranking_history_dish_time ON ranking_history (dish_id, created_at);
DROP INDEX ranking_history_dish;

INSERT INTO cursors (feature, batch, upto) SELECT 'leaderboards', max(batch), max(batch) FROM batches;
"""

DOWN = """
DELETE FROM cursors WHERE feature = 'leaderboards';
CREATE INDEX ranking_history_dish ON ranking_history (dish_id);
DROP INDEX ranking_history_dish_time;
DROP FUNCTION board_score;
DROP TABLE leaderboard_entries, leaderboards;
DROP SEQUENCE leaderboard_changes;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
