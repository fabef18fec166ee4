"""Points, badges and career levels: what earns them is data, who has them is folded from the log from now on.

Who did something before gets what is theirs from `./run recompute progression`.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000022"
VERSION = "1.38.0"
DESCRIPTION = "points, badges and career levels"

UP = """
CREATE TABLE activities (
    activity varchar(50) PRIMARY KEY,
    points int NOT NULL CHECK (points > 0),
    description text NOT NULL
);
INSERT INTO activities (activity, points, description) VALUES
    ('ranking', 10, 'Said what they think of a dish'),
    ('ranking_photo', 5, 'Showed a dish that they ranked'),
    ('review', 15, 'Reviewed a dish'),
    ('review_photo', 5, 'Showed a dish that they reviewed'),
    ('comment', 1, 'Commented'),
    ('post', 2, 'Posted'),
    ('restaurant', 5, 'Added a restaurant'),
    ('dish', 3, 'Added a dish');

-- An act earns its points once: a retry finds the row. `within_id` is what it is gone with, beside its own reference:
-- a comment with its post. No foreign keys to people: what they earned goes when their departure is folded.
CREATE TABLE activity_points (
    user_id uuid NOT NULL,
    activity varchar(50) NOT NULL REFERENCES activities,
    reference_id uuid NOT NULL,
    within_id uuid,
    points int NOT NULL,
    awarded_at timestamptz NOT NULL,
    CONSTRAINT activity_points_once PRIMARY KEY (user_id, activity, reference_id)
);
CREATE INDEX activity_points_latest ON activity_points (user_id, awarded_at DESC, reference_id DESC, activity DESC);
-- Of most acts the log names the thing alone, once it is gone; of a ranking, whose it was.
CREATE INDEX activity_points_reference ON activity_points (reference_id)
    WHERE activity NOT IN ('ranking', 'ranking_photo');
CREATE INDEX activity_points_within ON activity_points (within_id) WHERE within_id IS NOT NULL;

-- One measure and how much of it; rankings also of one cuisine, city, country or type of dish.
CREATE FUNCTION is_badge_requirement(requirement jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE jsonb_typeof(requirement) WHEN 'object' THEN (
        SELECT count(*) FILTER (
                WHERE key IN ('rankings', 'photos', 'reviews', 'full_scopes', 'restaurants_added', 'dishes_added',
                    'distinct_cuisines', 'distinct_cities', 'distinct_countries', 'distinct_dish_types',
                    'distinct_restaurants')
                AND value::text ~ '^[1-9][0-9]{0,8}$'
            ) = 1
            AND count(*) FILTER (
                WHERE key IN ('cuisine', 'city', 'country', 'dish_type') AND jsonb_typeof(value) = 'string'
            ) = count(*) - 1
            AND (count(*) = 1 OR (count(*) = 2 AND bool_or(key = 'rankings')))
        FROM jsonb_each(requirement)
    ) ELSE false END
$$;

CREATE TABLE badges (
    code varchar(50) PRIMARY KEY CHECK (code ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    name varchar(100) NOT NULL,
    description text NOT NULL,
    category varchar(50) NOT NULL CHECK (category IN ('cuisine', 'region', 'technical')),
    requirements jsonb NOT NULL CONSTRAINT badges_requirements CHECK (is_badge_requirement(requirements)),
    icon_url varchar(255)
);
INSERT INTO badges (code, name, description, category, requirements) VALUES
    ('chinese-kitchen', 'Chinese kitchen', '10 dishes of Chinese restaurants ranked', 'cuisine',
        '{"rankings": 10, "cuisine": "chinese"}'),
    ('ethiopian-kitchen', 'Ethiopian kitchen', '10 dishes of Ethiopian restaurants ranked', 'cuisine',
        '{"rankings": 10, "cuisine": "ethiopian"}'),
    ('french-kitchen', 'French kitchen', '10 dishes of French restaurants ranked', 'cuisine',
        '{"rankings": 10, "cuisine": "french"}'),
    ('greek-kitchen', 'Greek kitchen', '10 dishes of Greek restaurants ranked', 'cuisine',
        '{"rankings": 10, "cuisine": "greek"}'),
    ('indian-kitchen', 'Indian kitchen', '10 dishes of Indian restaurants ranked', 'cuisine',
        '{"rankings": 10, "cuisine": "indian"}'),
    ('italian-kitchen', 'Italian kitchen', '10 dishes of Italian restaurants ranked', 'cuisine',
        '{"rankings": 10, "cuisine": "italian"}'),
    ('japanese-kitchen', 'Japanese kitchen', '10 dishes of Japanese restaurants ranked', 'cuisine',
        '{"rankings": 10, "cuisine": "japanese"}'),
    ('korean-kitchen', 'Korean kitchen', '10 dishes of Korean restaurants ranked', 'cuisine',
        '{"rankings": 10, "cuisine": "korean"}'),
    ('lebanese-kitchen', 'Lebanese kitchen', '10 dishes of Lebanese restaurants ranked', 'cuisine',
        '{"rankings": 10, "cuisine": "lebanese"}'),
    ('mexican-kitchen', 'Mexican kitchen', '10 dishes of Mexican restaurants ranked', 'cuisine',
        '{"rankings": 10, "cuisine": "mexican"}'),
    ('peruvian-kitchen', 'Peruvian kitchen', '10 dishes of Peruvian restaurants ranked', 'cuisine',
        '{"rankings": 10, "cuisine": "peruvian"}'),
    ('spanish-kitchen', 'Spanish kitchen', '10 dishes of Spanish restaurants ranked', 'cuisine',
        '{"rankings": 10, "cuisine": "spanish"}'),
    ('thai-kitchen', 'Thai kitchen', '10 dishes of Thai restaurants ranked', 'cuisine',
        '{"rankings": 10, "cuisine": "thai"}'),
    ('turkish-kitchen', 'Turkish kitchen', '10 dishes of Turkish restaurants ranked', 'cuisine',
        '{"rankings": 10, "cuisine": "turkish"}'),
    ('vietnamese-kitchen', 'Vietnamese kitchen', '10 dishes of Vietnamese restaurants ranked', 'cuisine',
        '{"rankings": 10, "cuisine": "vietnamese"}'),
    ('pizza-judge', 'Pizza judge', '15 pizzas ranked', 'cuisine', '{"rankings": 15, "dish_type": "pizza"}'),
    ('burger-judge', 'Burger judge', '15 burgers ranked', 'cuisine', '{"rankings": 15, "dish_type": "burger"}'),
    ('ramen-judge', 'Ramen judge', '15 bowls of ramen ranked', 'cuisine', '{"rankings": 15, "dish_type": "ramen"}'),
    ('sushi-judge', 'Sushi judge', '15 plates of sushi ranked', 'cuisine', '{"rankings": 15, "dish_type": "sushi"}'),
    ('taco-judge', 'Taco judge', '15 plates of tacos ranked', 'cuisine', '{"rankings": 15, "dish_type": "tacos"}'),
    ('coffee-judge', 'Coffee judge', '15 coffees ranked', 'cuisine', '{"rankings": 15, "dish_type": "coffee"}'),
    ('five-kitchens', 'Five kitchens', 'Dishes of 5 cuisines ranked', 'cuisine', '{"distinct_cuisines": 5}'),
    ('ten-kitchens', 'Ten kitchens', 'Dishes of 10 cuisines ranked', 'cuisine', '{"distinct_cuisines": 10}'),
    ('tour-of-france', 'Tour of France', '20 dishes ranked in France', 'region', '{"rankings": 20, "country": "fr"}'),
    ('tour-of-india', 'Tour of India', '20 dishes ranked in India', 'region', '{"rankings": 20, "country": "in"}'),
    ('tour-of-italy', 'Tour of Italy', '20 dishes ranked in Italy', 'region', '{"rankings": 20, "country": "it"}'),
    ('tour-of-japan', 'Tour of Japan', '20 dishes ranked in Japan', 'region', '{"rankings": 20, "country": "jp"}'),
    ('tour-of-mexico', 'Tour of Mexico', '20 dishes ranked in Mexico', 'region', '{"rankings": 20, "country": "mx"}'),
    ('tour-of-spain', 'Tour of Spain', '20 dishes ranked in Spain', 'region', '{"rankings": 20, "country": "es"}'),
    ('tour-of-thailand', 'Tour of Thailand', '20 dishes ranked in Thailand', 'region',
        '{"rankings": 20, "country": "th"}'),
    ('tour-of-the-states', 'Tour of the States', '20 dishes ranked in the United States', 'region',
        '{"rankings": 20, "country": "us"}'),
    ('city-hopper', 'City hopper', 'Dishes ranked in 5 cities', 'region', '{"distinct_cities": 5}'),
    ('well-travelled', 'Well travelled', 'Dishes ranked in 20 cities', 'region', '{"distinct_cities": 20}'),
    ('across-borders', 'Across borders', 'Dishes ranked in 3 countries', 'region', '{"distinct_countries": 3}'),
    ('around-the-world', 'Around the world', 'Dishes ranked in 10 countries', 'region', '{"distinct_countries": 10}'),
    ('first-bite', 'First bite', 'A dish ranked', 'technical', '{"rankings": 1}'),
    ('regular', 'Regular', 'Dishes ranked at 10 restaurants', 'technical', '{"distinct_restaurants": 10}'),
    ('all-rounder', 'All-rounder', 'Dishes of 10 types ranked', 'technical', '{"distinct_dish_types": 10}'),
    ('decided', 'Decided', 'All five ranks of a type of dish given at a restaurant', 'technical',
        '{"full_scopes": 1}'),
    ('connoisseur', 'Connoisseur', 'All five ranks given 10 times', 'technical', '{"full_scopes": 10}'),
    ('arbiter', 'Arbiter', 'All five ranks given 50 times', 'technical', '{"full_scopes": 50}'),
    ('plate-photographer', 'Plate photographer', '10 dishes shown', 'technical', '{"photos": 10}'),
    ('food-stylist', 'Food stylist', '100 dishes shown', 'technical', '{"photos": 100}'),
    ('reviewer', 'Reviewer', '10 reviews written', 'technical', '{"reviews": 10}'),
    ('essayist', 'Essayist', '100 reviews written', 'technical', '{"reviews": 100}'),
    ('scout', 'Scout', '10 restaurants added', 'technical', '{"restaurants_added": 10}'),
    ('menu-keeper', 'Menu keeper', '50 dishes added', 'technical', '{"dishes_added": 50}');

CREATE VIEW badge_conditions AS
SELECT b.code, m.key AS measure, m.value::int AS needed, coalesce(s.key, '') AS scope, coalesce(s.value, '') AS name
FROM badges b
JOIN LATERAL jsonb_each_text(b.requirements) m ON m.key NOT IN ('cuisine', 'city', 'country', 'dish_type')
LEFT JOIN LATERAL jsonb_each_text(b.requirements) s ON s.key IN ('cuisine', 'city', 'country', 'dish_type');

-- `weight` is that of a reviewer's rankings in what others see; without a level it is 1.
CREATE TABLE career_levels (
    level smallint PRIMARY KEY CHECK (level BETWEEN 1 AND 7),
    code varchar(50) NOT NULL UNIQUE,
    name varchar(100) NOT NULL,
    description text NOT NULL,
    required_points int NOT NULL CHECK (required_points >= 0),
    required_rankings int NOT NULL CHECK (required_rankings >= 0),
    icon_url varchar(255),
    benefits text[] NOT NULL,
    weight numeric(4, 2) NOT NULL CHECK (weight >= 1)
);
INSERT INTO career_levels (level, code, name, description, required_points, required_rankings, benefits, weight) VALUES
    (1, 'junior-district-reviewer', 'Junior District Reviewer', 'Knows the kitchens around the corner', 250, 20,
        '{"Your rankings count 1.25 times"}', 1.25),
    (2, 'district-reviewer', 'District Reviewer', 'Knows a district, and shows it', 650, 50,
        '{"Your rankings count 1.5 times"}', 1.5),
    (3, 'city-reviewer', 'City Reviewer', 'Knows a city in more than one cuisine', 1350, 100,
        '{"Your rankings count 1.75 times"}', 1.75),
    (4, 'regional-critic', 'Regional Critic', 'Has eaten in one city after the other', 3400, 250,
        '{"Your rankings count 2 times"}', 2),
    (5, 'national-critic', 'National Critic', 'Ranks, and says why', 7000, 500,
        '{"Your rankings count 2.25 times"}', 2.25),
    (6, 'executive-critic', 'Executive Critic', 'Has decided many menus to the end', 14500, 1000,
        '{"Your rankings count 2.5 times"}', 2.5),
    (7, 'chief-food-officer', 'Chief Food Officer', 'Nobody has eaten more, or further away', 30000, 2000,
        '{"Your rankings count 3 times"}', 3);

CREATE TABLE career_level_badges (
    level smallint NOT NULL REFERENCES career_levels ON DELETE CASCADE,
    badge varchar(50) NOT NULL REFERENCES badges ON DELETE CASCADE,
    PRIMARY KEY (level, badge)
);
CREATE INDEX career_level_badges_badge ON career_level_badges (badge);
INSERT INTO career_level_badges (level, badge) VALUES
    (2, 'plate-photographer'), (3, 'five-kitchens'), (3, 'decided'), (4, 'city-hopper'), (4, 'all-rounder'),
    (5, 'ten-kitchens'), (5, 'reviewer'), (6, 'connoisseur'), (6, 'food-stylist'), (7, 'across-borders'),
    (7, 'arbiter');

-- `progress` is how far they were when they got it.
CREATE TABLE user_badges (
    user_id uuid NOT NULL,
    badge varchar(50) NOT NULL REFERENCES badges ON DELETE CASCADE,
    awarded_at timestamptz NOT NULL,
    progress jsonb NOT NULL,
    is_featured boolean NOT NULL DEFAULT false,
    PRIMARY KEY (user_id, badge)
);
CREATE INDEX user_badges_badge ON user_badges (badge);

CREATE TABLE user_progress (
    user_id uuid PRIMARY KEY,
    points bigint NOT NULL DEFAULT 0,
    rankings int NOT NULL DEFAULT 0,
    level smallint NOT NULL DEFAULT 0 CHECK (level BETWEEN 0 AND 7)
) WITH (fillfactor = 50);

-- When somebody was last told of a badge or level: what is lost and won again is not told over and over.
CREATE TABLE told_awards (
    user_id uuid NOT NULL,
    award varchar(60) NOT NULL,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, award)
);

-- What nobody did has no actor; it says itself what it is about. Null is one actor: it is told once, too.
ALTER TABLE notifications ADD COLUMN details jsonb, DROP CONSTRAINT notifications_check1,
    ADD CONSTRAINT notifications_told CHECK (
        is_batch OR (batch_count = 1 AND subject_id IS NOT NULL AND (actor_id IS NULL) = (details IS NOT NULL))
    );
DROP INDEX notifications_act;
CREATE UNIQUE INDEX notifications_act ON notifications (subject_id, actor_id, type, user_id) NULLS NOT DISTINCT
    WHERE NOT is_batch;

INSERT INTO cursors (feature, batch, upto) SELECT 'progression', max(batch), max(batch) FROM batches;
"""

DOWN = """
DELETE FROM cursors WHERE feature = 'progression';
DELETE FROM notifications WHERE details IS NOT NULL;
DROP INDEX notifications_act;
CREATE UNIQUE INDEX notifications_act ON notifications (subject_id, actor_id, type, user_id) WHERE NOT is_batch;
ALTER TABLE notifications DROP CONSTRAINT notifications_told, DROP COLUMN details, ADD CONSTRAINT notifications_check1
    CHECK (is_batch OR (batch_count = 1 AND actor_id IS NOT NULL AND subject_id IS NOT NULL));
DROP TABLE told_awards, user_progress, user_badges, career_level_badges, career_levels;
DROP VIEW badge_conditions;
DROP TABLE badges;
DROP FUNCTION is_badge_requirement;
DROP TABLE activity_points, activities;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
