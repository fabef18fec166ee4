"""What is trending: the acts of the last days, the dishes they put on a list, and what was last told of each list."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T16:00:00:000025"
VERSION = "1.38.0"
DESCRIPTION = "trending dishes and the acts they stand on"

UP = """
-- No foreign keys, like counts: an act outlives its dish until the removal is folded too.
CREATE TABLE trending_acts (
    dish_id uuid NOT NULL,
    actor_id uuid NOT NULL,
    kind varchar(20) NOT NULL,
    day date NOT NULL,
    thing_id uuid NOT NULL,
    review_id uuid,
    weight smallint NOT NULL CHECK (weight > 0),
    at timestamptz NOT NULL,
    -- What an actor did on a day lies together, for it counts once; with all that a score is made of.
    PRIMARY KEY (dish_id, actor_id, kind, day, thing_id) INCLUDE (weight, at)
);
-- How an act that is taken back is found, on whatever day it was; and what goes with a review.
CREATE INDEX trending_acts_thing ON trending_acts (thing_id, actor_id);
CREATE INDEX trending_acts_review ON trending_acts (review_id) WHERE review_id IS NOT NULL;
CREATE INDEX trending_acts_at ON trending_acts (at);

-- Those that enough people act on, as they are shown. `one_at` is when the score will have fallen to 1: it says all of
-- the score, at any time, and the later it is the higher the score, so that nothing is written while time passes.
CREATE TABLE trending_dishes (
    dish_id uuid PRIMARY KEY,
    restaurant_id uuid NOT NULL,
    city text NOT NULL,
    dish_type varchar(100) NOT NULL,
    dish_name text NOT NULL,
    restaurant_name text NOT NULL,
    image_url text,
    rankings int NOT NULL,
    actors int NOT NULL,
    one_at timestamptz NOT NULL
);
CREATE INDEX trending_dishes_city ON trending_dishes (city, one_at DESC, dish_id);
CREATE INDEX trending_dishes_type ON trending_dishes (city, dish_type, one_at DESC, dish_id);

-- `told` is a digest of the list that this version told.
CREATE TABLE trending_scopes (
    scope text PRIMARY KEY,
    version bigint NOT NULL,
    told bytea NOT NULL
) WITH (fillfactor = 50);

INSERT INTO cursors (feature, batch, upto) SELECT 'trending', max(batch), max(batch) FROM batches;
"""

DOWN = """
DELETE FROM cursors WHERE feature = 'trending';
DROP TABLE trending_scopes, trending_dishes, trending_acts;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
