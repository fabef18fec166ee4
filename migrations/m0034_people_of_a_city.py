"""Who writes a city with its country behind a comma, by the city: they are looked for when it gets a name."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000034"
VERSION = "1.38.0"
DESCRIPTION = "people of a city, by its letters"

UP = """
CREATE FUNCTION city_letters(place text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT regexp_replace(lower(normalize(substring(place from '^(.*),'), NFKD)), '[^[:alnum:]]+', '', 'g')
$$;
CREATE INDEX profiles_city_letters ON profiles (city_letters(city)) WHERE city LIKE '%,%';
"""

DOWN = """
DROP INDEX profiles_city_letters;
DROP FUNCTION city_letters;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
