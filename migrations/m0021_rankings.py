"""Who ranks which dish how, and how it came to be."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000021"
VERSION = "1.38.0"
DESCRIPTION = "rankings of dishes and their history"

UP = """
CREATE TABLE dish_rankings (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    dish_id uuid NOT NULL,
    restaurant_id uuid NOT NULL,
    dish_type varchar(100) NOT NULL,
    rank smallint CHECK (rank BETWEEN 1 AND 5),
    taste varchar(20) CHECK (taste IN ('acceptable', 'second_chance', 'dissatisfied')),
    notes text NOT NULL,
    photo_url text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    -- Neither: it was among the five, and fell out.
    CHECK (rank IS NULL OR taste IS NULL),
    CONSTRAINT dish_rankings_dish FOREIGN KEY (dish_id, restaurant_id, dish_type)
        REFERENCES dishes (id, restaurant_id, dish_type),
    CONSTRAINT dish_rankings_once UNIQUE (user_id, dish_id),
    -- Checked when a statement ends: in the middle of it, two dishes may have a rank.
    CONSTRAINT dish_rankings_rank UNIQUE (user_id, restaurant_id, dish_type, rank) DEFERRABLE
);
CREATE INDEX dish_rankings_dish_id ON dish_rankings (dish_id, id);
CREATE INDEX dish_rankings_user_id ON dish_rankings (user_id, id);
CREATE INDEX dish_rankings_restaurant ON dish_rankings (restaurant_id, dish_type);

-- A row for each dish that a change has moved; `because_of` is the dish that somebody ranked. In the order of `seq`,
-- for clocks differ.
CREATE TABLE ranking_history (
    id uuid PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    dish_id uuid NOT NULL REFERENCES dishes,
    restaurant_id uuid NOT NULL,
    dish_type varchar(100) NOT NULL,
    old_rank smallint,
    new_rank smallint,
    old_taste varchar(20),
    new_taste varchar(20),
    because_of uuid NOT NULL,
    has_new_notes boolean NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX ranking_history_user ON ranking_history (user_id, seq);
CREATE INDEX ranking_history_dish ON ranking_history (dish_id);

-- The one definition of who may see what somebody ranks: who may see them, and unless they are public follows them.
CREATE FUNCTION visible_rankers(viewer uuid) RETURNS SETOF users LANGUAGE sql STABLE AS $$
    SELECT u.* FROM visible_users(viewer) u
    WHERE u.privacy_level = 'public' OR u.id = viewer OR EXISTS (
        SELECT FROM follows f WHERE f.follower_id = viewer AND f.followed_id = u.id AND f.status = 'active'
    )
$$;
"""

DOWN = """
DROP FUNCTION visible_rankers;
DROP TABLE ranking_history, dish_rankings;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
