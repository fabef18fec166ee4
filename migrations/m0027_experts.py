"""Who has how much influence, and in which cities: from what there is, and folded from the log from now on."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000027"
VERSION = "1.38.0"
DESCRIPTION = "influence, and experts by city"

UP = """
-- Likes as far as they count: not one's own, and of nobody with a block between them. A copy, for the likes of what is
-- deleted are gone when it is folded, and who still likes something else of the same author counts on.
CREATE TABLE likes_received (
    thing_id uuid NOT NULL,
    liker_id uuid NOT NULL,
    user_id uuid NOT NULL,
    PRIMARY KEY (thing_id, liker_id)
);
CREATE INDEX likes_received_pair ON likes_received (user_id, liker_id);

-- Each from distinct people and things; the weights are those of domain/experts/rules.py.
CREATE TABLE influences (
    user_id uuid PRIMARY KEY,
    followers int NOT NULL,
    rankings int NOT NULL,
    reviews int NOT NULL,
    likers int NOT NULL,
    influence float8 NOT NULL GENERATED ALWAYS AS (
        10 * ln(1 + followers::float8) + 4 * ln(1 + rankings::float8) + 3 * ln(1 + reviews::float8)
        + 2 * ln(1 + likers::float8)
    ) STORED
) WITH (fillfactor = 50);

-- In which cities somebody has ranked or reviewed, and how often; with their influence, so that a city's experts lie
-- in the order of an index.
CREATE TABLE experts (
    user_id uuid NOT NULL,
    city_slug text NOT NULL,
    rankings int NOT NULL,
    reviews int NOT NULL,
    influence float8 NOT NULL,
    is_public boolean NOT NULL,
    PRIMARY KEY (user_id, city_slug)
);
CREATE INDEX experts_city ON experts (city_slug, influence, user_id) WHERE is_public;

INSERT INTO cursors (feature, batch, upto) SELECT 'experts', max(batch), max(batch) FROM batches;

INSERT INTO likes_received (thing_id, liker_id, user_id)
SELECT l.thing_id, l.liker_id, l.user_id FROM (
    SELECT l.post_id AS thing_id, l.user_id AS liker_id, p.author_id AS user_id
    FROM likes l JOIN posts p ON p.id = l.post_id
    UNION ALL SELECT l.review_id, l.user_id, r.author_id FROM review_likes l JOIN reviews r ON r.id = l.review_id
) l
WHERE l.user_id <> l.liker_id AND NOT EXISTS (
    SELECT FROM blocks b WHERE (b.blocker_id, b.blocked_id) IN ((l.user_id, l.liker_id), (l.liker_id, l.user_id))
);

INSERT INTO influences (user_id, followers, rankings, reviews, likers)
SELECT u.id, coalesce(c.followers, 0), (SELECT count(*) FROM dish_rankings k WHERE k.user_id = u.id),
    (SELECT count(*) FROM reviews r WHERE r.author_id = u.id),
    (SELECT count(DISTINCT l.liker_id) FROM likes_received l WHERE l.user_id = u.id)
FROM users u LEFT JOIN user_counts c ON c.user_id = u.id;

INSERT INTO experts (user_id, city_slug, rankings, reviews, influence, is_public)
SELECT u.id, r.city_slug, sum(did.rankings), sum(did.reviews), i.influence, u.privacy_level = 'public'
FROM (
    SELECT user_id, restaurant_id, 1 AS rankings, 0 AS reviews FROM dish_rankings
    UNION ALL SELECT author_id, restaurant_id, 0, 1 FROM reviews
) did
JOIN restaurants r ON r.id = did.restaurant_id JOIN users u ON u.id = did.user_id
JOIN influences i ON i.user_id = did.user_id
WHERE r.city_slug IS NOT NULL GROUP BY u.id, r.city_slug, i.influence;
"""

DOWN = """
DELETE FROM cursors WHERE feature = 'experts';
DROP TABLE experts, influences, likes_received;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
