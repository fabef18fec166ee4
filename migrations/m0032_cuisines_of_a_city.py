"""Whether there is a restaurant of a cuisine in a city, by index: that board is one, and of another cuisine is none."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000032"
VERSION = "1.38.0"
DESCRIPTION = "cuisines of a city"

UP = """
CREATE EXTENSION IF NOT EXISTS btree_gin;
-- Instead of the one of cuisines alone, whose work it does too. By the city, all of its restaurants would be read.
-- Without a list of what is yet to be indexed: it is read whole, and the planner leaves the index for its length.
CREATE INDEX restaurants_cuisine_city ON restaurants USING gin (cuisine_type, city_slug) WITH (fastupdate = off);
DROP INDEX restaurants_cuisine;
"""

DOWN = """
CREATE INDEX restaurants_cuisine ON restaurants USING gin (cuisine_type);
DROP INDEX restaurants_cuisine_city;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
