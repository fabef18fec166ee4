"""Restaurants, dishes, the cities they are in, and who changed what."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000020"
VERSION = "1.38.0"
DESCRIPTION = "restaurants, dishes and their edits"

UP = """
-- Both are trusted: whoever owns the database may make them. They stay when this is taken back, others may use them.
CREATE EXTENSION IF NOT EXISTS cube;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- A point of the earth's surface in space, metres from its middle: what is near on the ground is near in it, at the
-- poles and across the date line too.
CREATE FUNCTION globe(latitude float8, longitude float8) RETURNS cube LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN cube(ARRAY[
    6371008.8 * cos(radians(latitude)) * cos(radians(longitude)),
    6371008.8 * cos(radians(latitude)) * sin(radians(longitude)),
    6371008.8 * sin(radians(latitude))
]);

CREATE TABLE cities (
    slug text PRIMARY KEY,
    key text NOT NULL,
    country text NOT NULL,
    name text NOT NULL,
    UNIQUE (key, country)
);

CREATE TABLE restaurants (
    id uuid PRIMARY KEY,
    added_by uuid REFERENCES users ON DELETE SET NULL,
    name varchar(255) NOT NULL,
    search_name text NOT NULL,
    address text,
    city varchar(100),
    state varchar(100),
    country varchar(100),
    postal_code varchar(20),
    city_key text NOT NULL,
    state_key text NOT NULL,
    country_key text NOT NULL,
    city_slug text REFERENCES cities,
    latitude float8 CHECK (latitude BETWEEN -90 AND 90),
    longitude float8 CHECK (longitude BETWEEN -180 AND 180),
    phone varchar(30),
    website text,
    hours jsonb,
    cuisine_type text[] NOT NULL DEFAULT '{}',
    price_range smallint CHECK (price_range BETWEEN 1 AND 4),
    photos text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK ((latitude IS NULL) = (longitude IS NULL))
);
CREATE INDEX restaurants_position ON restaurants USING gist (globe(latitude, longitude));
CREATE INDEX restaurants_search ON restaurants USING gin (search_name gin_trgm_ops);
CREATE INDEX restaurants_name ON restaurants (search_name, id);
CREATE INDEX restaurants_city ON restaurants (city_key, country_key);
CREATE INDEX restaurants_city_slug ON restaurants (city_slug);
CREATE INDEX restaurants_country ON restaurants (country_key, state_key);
CREATE INDEX restaurants_cuisine ON restaurants USING gin (cuisine_type);
CREATE INDEX restaurants_added_by ON restaurants (added_by) WHERE added_by IS NOT NULL;

CREATE TABLE dish_types (
    slug varchar(100) PRIMARY KEY,
    name varchar(100) NOT NULL
);
INSERT INTO dish_types (slug, name) VALUES
    ('barbecue', 'Barbecue'), ('bibimbap', 'Bibimbap'), ('biryani', 'Biryani'), ('bread', 'Bread'),
    ('breakfast', 'Breakfast'), ('burger', 'Burger'), ('burrito', 'Burrito'), ('cake', 'Cake'),
    ('ceviche', 'Ceviche'), ('cheese', 'Cheese'), ('chicken', 'Chicken'), ('chocolate', 'Chocolate'),
    ('coffee', 'Coffee'), ('couscous', 'Couscous'), ('croissant', 'Croissant'), ('curry', 'Curry'),
    ('dessert', 'Dessert'), ('doner-kebab', 'Döner kebab'), ('doughnut', 'Doughnut'), ('drink', 'Drink'),
    ('dumplings', 'Dumplings'), ('falafel', 'Falafel'), ('fish', 'Fish'), ('fried-chicken', 'Fried chicken'),
    ('fried-rice', 'Fried rice'), ('fries', 'Fries'), ('gnocchi', 'Gnocchi'), ('hot-dog', 'Hot dog'),
    ('hot-pot', 'Hot pot'), ('hummus', 'Hummus'), ('ice-cream', 'Ice cream'), ('lasagne', 'Lasagne'),
    ('noodles', 'Noodles'), ('omelette', 'Omelette'), ('paella', 'Paella'), ('pancakes', 'Pancakes'),
    ('pasta', 'Pasta'), ('pho', 'Phở'), ('pie', 'Pie'), ('pizza', 'Pizza'), ('poke', 'Poke'),
    ('ramen', 'Ramen'), ('risotto', 'Risotto'), ('salad', 'Salad'), ('sandwich', 'Sandwich'),
    ('sashimi', 'Sashimi'), ('schnitzel', 'Schnitzel'), ('seafood', 'Seafood'), ('shawarma', 'Shawarma'),
    ('soup', 'Soup'), ('starter', 'Starter'), ('steak', 'Steak'), ('stew', 'Stew'), ('sushi', 'Sushi'),
    ('tacos', 'Tacos'), ('tapas', 'Tapas'), ('tea', 'Tea'), ('thali', 'Thali'), ('tiramisu', 'Tiramisù'),
    ('vegetables', 'Vegetables'), ('wings', 'Wings'), ('other', 'Something else');

CREATE TABLE dishes (
    id uuid PRIMARY KEY,
    restaurant_id uuid NOT NULL REFERENCES restaurants,
    added_by uuid REFERENCES users ON DELETE SET NULL,
    name varchar(255) NOT NULL,
    description text,
    price numeric(10, 2) CHECK (price >= 0),
    currency varchar(3),
    image_url text,
    dish_type varchar(100) NOT NULL REFERENCES dish_types,
    tags text[] NOT NULL DEFAULT '{}',
    is_seasonal boolean NOT NULL DEFAULT false,
    is_available boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK ((price IS NULL) = (currency IS NULL)),
    -- What is said of a dish names these too, and so they cannot change under it.
    CONSTRAINT dishes_place UNIQUE (id, restaurant_id, dish_type)
);
CREATE INDEX dishes_restaurant ON dishes (restaurant_id, id);
CREATE INDEX dishes_type ON dishes (dish_type, id);
CREATE INDEX dishes_tags ON dishes USING gin (tags);
CREATE INDEX dishes_added_by ON dishes (added_by) WHERE added_by IS NOT NULL;

-- What changed: {field: {old, new}}.
CREATE TABLE restaurant_edits (
    id uuid PRIMARY KEY,
    restaurant_id uuid NOT NULL REFERENCES restaurants ON DELETE CASCADE,
    editor_id uuid REFERENCES users ON DELETE SET NULL,
    changes jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX restaurant_edits_of ON restaurant_edits (restaurant_id, id);
CREATE INDEX restaurant_edits_by ON restaurant_edits (editor_id) WHERE editor_id IS NOT NULL;

CREATE TABLE dish_edits (
    id uuid PRIMARY KEY,
    dish_id uuid NOT NULL REFERENCES dishes ON DELETE CASCADE,
    editor_id uuid REFERENCES users ON DELETE SET NULL,
    changes jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX dish_edits_of ON dish_edits (dish_id, id);
CREATE INDEX dish_edits_by ON dish_edits (editor_id) WHERE editor_id IS NOT NULL;

-- Folded, like those of posts.
CREATE TABLE restaurant_counts (
    restaurant_id uuid PRIMARY KEY,
    dishes int NOT NULL DEFAULT 0,
    reviews int NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE dish_counts (
    dish_id uuid PRIMARY KEY,
    rankings int NOT NULL DEFAULT 0,
    reviews int NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- What the viewer did to menus that the counts do not hold yet.
CREATE FUNCTION unfolded_dishes(viewer uuid) RETURNS TABLE (restaurant_id uuid, dishes int)
LANGUAGE sql STABLE AS $$
    SELECT coalesce(e.data #>> '{dish,restaurant,id}', e.data ->> 'restaurant_id')::uuid,
        sum(CASE e.type WHEN 'dish.added' THEN 1 ELSE -1 END)::int
    FROM unfolded(viewer, ARRAY['dish.added', 'dish.removed']) e GROUP BY 1
$$;

-- The same of what they ranked: a ranking that was not there before is one more, one that is not there now one less.
CREATE FUNCTION unfolded_rankings(viewer uuid) RETURNS TABLE (dish_id uuid, rankings int)
LANGUAGE sql STABLE AS $$
    SELECT (e.data ->> 'dish_id')::uuid,
        sum((e.data ->> 'before' IS NULL)::int - (e.data ->> 'ranking' IS NULL)::int)::int
    FROM unfolded(viewer, ARRAY['ranking.changed']) e GROUP BY 1
$$;
"""

DOWN = """
DROP FUNCTION unfolded_rankings, unfolded_dishes;
DROP TABLE dish_counts, restaurant_counts, dish_edits, restaurant_edits, dishes, dish_types, restaurants, cities;
DROP FUNCTION globe;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
