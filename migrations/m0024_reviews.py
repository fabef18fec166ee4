"""Reviews of dishes, the likes they get, and what follows from both: comments and notifications know them too."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000024"
VERSION = "1.38.0"
DESCRIPTION = "reviews, their likes and comments"

UP = """
CREATE TABLE reviews (
    id uuid PRIMARY KEY,
    author_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    dish_id uuid NOT NULL REFERENCES dishes,
    restaurant_id uuid NOT NULL REFERENCES restaurants,
    content text NOT NULL,
    stars smallint CHECK (stars BETWEEN 1 AND 5),
    photos text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    edited_at timestamptz,
    CONSTRAINT reviews_once UNIQUE (author_id, dish_id)
);
CREATE INDEX reviews_dish ON reviews (dish_id, id);
CREATE INDEX reviews_author ON reviews (author_id, id);
CREATE INDEX reviews_restaurant ON reviews (restaurant_id, author_id);

CREATE TABLE review_likes (
    review_id uuid NOT NULL REFERENCES reviews ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (review_id, user_id)
);
CREATE INDEX review_likes_user ON review_likes (user_id);
CREATE INDEX review_likes_listed ON review_likes (review_id, created_at, user_id);

-- Folded, like those of posts.
CREATE TABLE review_counts (
    review_id uuid PRIMARY KEY,
    likes int NOT NULL DEFAULT 0,
    comments int NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- The one definition of who may see a review: who may see what its author ranks.
CREATE FUNCTION visible_reviews(viewer uuid) RETURNS SETOF reviews LANGUAGE sql STABLE AS $$
    SELECT r.* FROM reviews r JOIN visible_rankers(viewer) a ON a.id = r.author_id
$$;

CREATE FUNCTION review_access(viewer uuid, ids uuid[]) RETURNS TABLE (id uuid, owner uuid, verdict text)
LANGUAGE sql STABLE AS $$
    SELECT asked.id, r.author_id, CASE
        WHEN seen.id IS NOT NULL THEN 'ok' WHEN r.id IS NULL THEN 'deleted' WHEN NOT a.is_active THEN 'suspended'
        WHEN EXISTS (
            SELECT FROM blocks b WHERE (b.blocker_id = viewer AND b.blocked_id = a.id)
                OR (b.blocker_id = a.id AND b.blocked_id = viewer)
        ) THEN 'blocked'
        ELSE 'private' END
    FROM unnest(ids) AS asked (id)
    LEFT JOIN reviews r ON r.id = asked.id
    LEFT JOIN users a ON a.id = r.author_id
    LEFT JOIN LATERAL (SELECT v.id FROM visible_reviews(viewer) v WHERE v.id = asked.id) seen ON true
$$;

-- A review's comments go with it, as a post's do.
ALTER TABLE comments DROP CONSTRAINT comments_target_type,
    ADD CONSTRAINT comments_target_type CHECK (target_type IN ('post', 'review')),
    ADD COLUMN review_id uuid
        GENERATED ALWAYS AS (CASE WHEN target_type = 'review' AND parent_id IS NULL THEN target_id END) STORED
        CONSTRAINT comments_review REFERENCES reviews ON DELETE CASCADE;
CREATE INDEX comments_review ON comments (review_id) WHERE review_id IS NOT NULL;

-- What people can comment on, if the viewer may see it: whose it is. Each type has its line, and is looked up by its
-- id: a join with all of them would read all that the viewer may see. visible_targets stays for the release that runs.
CREATE FUNCTION visible_target(viewer uuid, kind text, thing uuid) RETURNS TABLE (owner_id uuid)
LANGUAGE sql STABLE AS $$
    SELECT p.author_id FROM visible_posts(viewer) p WHERE kind = 'post' AND p.id = thing
    UNION ALL SELECT r.author_id FROM visible_reviews(viewer) r WHERE kind = 'review' AND r.id = thing
$$;

CREATE OR REPLACE FUNCTION visible_comments(viewer uuid) RETURNS SETOF comments LANGUAGE sql STABLE AS $$
    SELECT c.* FROM comments c
    JOIN visible_users(viewer) a ON a.id = c.author_id
    CROSS JOIN LATERAL visible_target(viewer, c.target_type, c.target_id)
    WHERE c.parent_id IS NULL OR EXISTS (
        SELECT FROM comments p JOIN visible_users(viewer) pa ON pa.id = p.author_id WHERE p.id = c.parent_id
    )
$$;

-- What the viewer did that the counts do not hold yet: to reviews, and by reviewing to dishes and restaurants.
CREATE FUNCTION unfolded_review_likes(viewer uuid) RETURNS TABLE (review_id uuid, likes int)
LANGUAGE sql STABLE AS $$
    SELECT (e.data->>'review_id')::uuid, sum(CASE e.type WHEN 'review.liked' THEN 1 ELSE -1 END)::int
    FROM unfolded(viewer, ARRAY['review.liked', 'review.unliked']) e GROUP BY 1
$$;

CREATE FUNCTION unfolded_reviews(viewer uuid) RETURNS TABLE (thing uuid, reviews int) LANGUAGE sql STABLE AS $$
    SELECT on_what.thing, sum(CASE e.type WHEN 'review.created' THEN 1 ELSE -1 END)::int
    FROM unfolded(viewer, ARRAY['review.created', 'review.deleted']) e, LATERAL (VALUES
        (coalesce(e.data #>> '{review,dish_id}', e.data ->> 'dish_id')::uuid),
        (coalesce(e.data #>> '{review,restaurant_id}', e.data ->> 'restaurant_id')::uuid)
    ) AS on_what (thing)
    GROUP BY 1
$$;

ALTER TABLE notifications ADD COLUMN review_id uuid;
CREATE INDEX notifications_review ON notifications (review_id) WHERE parent_id IS NULL AND review_id IS NOT NULL;
"""

DOWN = """
DELETE FROM notifications WHERE review_id IS NOT NULL;
ALTER TABLE notifications DROP COLUMN review_id;
DROP FUNCTION unfolded_reviews, unfolded_review_likes;
CREATE OR REPLACE FUNCTION visible_comments(viewer uuid) RETURNS SETOF comments LANGUAGE sql STABLE AS $$
    SELECT c.* FROM comments c
    JOIN visible_targets(viewer) t ON t.type = c.target_type AND t.id = c.target_id
    JOIN visible_users(viewer) a ON a.id = c.author_id
    WHERE c.parent_id IS NULL OR EXISTS (
        SELECT FROM comments p JOIN visible_users(viewer) pa ON pa.id = p.author_id WHERE p.id = c.parent_id
    )
$$;
DELETE FROM comments WHERE target_type = 'review';
ALTER TABLE comments DROP COLUMN review_id, DROP CONSTRAINT comments_target_type,
    ADD CONSTRAINT comments_target_type CHECK (target_type IN ('post'));
DROP FUNCTION visible_target, review_access, visible_reviews;
DROP TABLE review_counts, review_likes, reviews;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
