"""What can be seen of rankings, and by whom."""

from collections.abc import Collection
from uuid import UUID

import msgspec

from domain import db
from domain.accounts.queries import UserNotFound, UserRef, visible_users
from domain.accounts.rules import Viewer
from domain.clock import stamp
from domain.dishes.queries import read_dish
from domain.errors import Invalid
from domain.ids import DishID, RankingID, RestaurantID, UserID
from domain.places.queries import RestaurantNotFound
from domain.rankings.rules import LAST, Placing, Rank, Taste, bounds


class DishRef(msgspec.Struct, frozen=True):
    """A dish, as far as rankings name it."""

    id: DishID
    name: str


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody thinks of a dish: a rank or a taste; neither when it fell out of the ranks."""

    id: RankingID
    user: UserRef
    dish_id: DishID
    dish: DishRef
    restaurant_id: RestaurantID
    dish_type: str
    rank: Rank | None
    taste: Taste | None
    notes: str
    photo_url: str | None
    created_at: str
    updated_at: str


class RankingChange(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody thought of a dish before, and thinks from then on; because of the ranking of which dish."""

    id: UUID
    dish: DishRef
    restaurant_id: RestaurantID
    dish_type: str
    old: Placing
    new: Placing
    because_of: DishID
    created_at: str


class NextPair(msgspec.Struct, frozen=True, kw_only=True):
    """Is `dish` better than `other`? Ask again with the answer; at most `questions` are left. Once `other` is null,
    `rank` is where the dish belongs; null when that is behind the last rank, or when no dish is left."""

    dish: DishRef | None
    other: DishRef | None
    rank: Rank | None
    questions: int


_READ = """
SELECT k.id, k.dish_id, d.name AS dish_name, k.restaurant_id, k.dish_type, k.rank, k.taste, k.notes, k.photo_url,
    k.created_at, k.updated_at, u.id AS user_id, u.username, u.display_name, u.avatar_url
FROM dish_rankings k JOIN visible_rankers($1) u ON u.id = k.user_id JOIN dishes d ON d.id = k.dish_id
"""

READ_RANKINGS_OF = _READ + (
    "WHERE k.user_id = $2 AND ($3::uuid IS NULL OR k.id < $3) AND ($5::uuid IS NULL OR k.restaurant_id = $5)\n"
    "    AND ($6::text IS NULL OR k.dish_type = $6)\n"
    "ORDER BY k.id DESC LIMIT $4"
)

READ_RANKINGS_ON = _READ + "WHERE k.dish_id = $2 AND ($3::uuid IS NULL OR k.id < $3) ORDER BY k.id DESC LIMIT $4"

READ_HISTORY = """
SELECT h.id, h.dish_id, d.name AS dish_name, h.restaurant_id, h.dish_type, h.old_rank, h.old_taste, h.new_rank,
    h.new_taste, h.because_of, h.created_at
FROM ranking_history h JOIN visible_rankers($1) u ON u.id = h.user_id JOIN dishes d ON d.id = h.dish_id
WHERE h.user_id = $2 AND ($3::uuid IS NULL OR h.seq < (SELECT seq FROM ranking_history WHERE id = $3))
ORDER BY h.seq DESC LIMIT $4
"""


async def read_rankings_of(
    viewer: Viewer,
    user_id: UserID,
    before: UUID | None,
    limit: int,
    *,
    restaurant_id: RestaurantID | None = None,
    dish_type: str | None = None,
) -> list[Ranking]:
    """What somebody ranked, the newest first, from before an id on; at a restaurant, of a type. Raises UserNotFound."""
    rows = await db.fetch(READ_RANKINGS_OF, viewer.id, user_id, before, limit, restaurant_id, dish_type)
    if not rows and not await visible_users(viewer, [user_id]):
        raise UserNotFound
    return [ranking_of(row) for row in rows]


async def read_rankings_on(viewer: Viewer, dish_id: DishID, before: UUID | None, limit: int) -> list[Ranking]:
    """What people think of a dish, the newest first, from before an id on. Raises DishNotFound."""
    rows = await db.fetch(READ_RANKINGS_ON, viewer.id, dish_id, before, limit)
    if not rows:
        await read_dish(viewer, dish_id)
    return [ranking_of(row) for row in rows]


async def read_history(viewer: Viewer, user_id: UserID, before: UUID | None, limit: int) -> list[RankingChange]:
    """How somebody's rankings came to be, the newest first, from before an id on. Raises UserNotFound."""
    rows = await db.fetch(READ_HISTORY, viewer.id, user_id, before, limit)
    if not rows and not await visible_users(viewer, [user_id]):
        raise UserNotFound
    return [
        RankingChange(
            id=row["id"],
            dish=DishRef(row["dish_id"], row["dish_name"]),
            restaurant_id=row["restaurant_id"],
            dish_type=row["dish_type"],
            old=Placing(row["old_rank"], row["old_taste"]),
            new=Placing(row["new_rank"], row["new_taste"]),
            because_of=row["because_of"],
            created_at=stamp(row["created_at"]),
        )
        for row in rows
    ]


def ranking_of(row: db.Row) -> Ranking:
    """A ranking of the row's columns, as those of `_READ` are called."""
    return Ranking(
        id=row["id"],
        user=UserRef(row["user_id"], row["username"], row["display_name"], row["avatar_url"]),
        dish_id=row["dish_id"],
        dish=DishRef(row["dish_id"], row["dish_name"]),
        restaurant_id=row["restaurant_id"],
        dish_type=row["dish_type"],
        rank=row["rank"],
        taste=row["taste"],
        notes=row["notes"],
        photo_url=row["photo_url"],
        created_at=stamp(row["created_at"]),
        updated_at=stamp(row["updated_at"]),
    )


# The dish that is asked about, or else the first on the menu that the viewer said nothing of; and what it is to be
# compared with.
VISIBLE_RANKERS = "SELECT id FROM visible_rankers($1) WHERE id = ANY($2::uuid[])"


async def visible_rankers(viewer: Viewer, people: Collection[UserID]) -> set[UserID]:
    """Of which of these people the viewer may see what they rank, and say of dishes."""
    return {row["id"] for row in await db.fetch(VISIBLE_RANKERS, viewer.id, people)}


PAIR = """
SELECT r.id IS NOT NULL AS has_restaurant, t.slug IS NOT NULL AS has_type, asked.id, asked.name,
    ARRAY(SELECT k.dish_id FROM dish_rankings k
        WHERE k.user_id = $1 AND k.restaurant_id = $2 AND k.dish_type = $3 AND k.rank IS NOT NULL
            AND k.dish_id IS DISTINCT FROM asked.id
        ORDER BY k.rank) AS others,
    ARRAY(SELECT d.name FROM dish_rankings k JOIN dishes d ON d.id = k.dish_id
        WHERE k.user_id = $1 AND k.restaurant_id = $2 AND k.dish_type = $3 AND k.rank IS NOT NULL
            AND k.dish_id IS DISTINCT FROM asked.id
        ORDER BY k.rank) AS names
FROM (VALUES (1)) AS one
LEFT JOIN restaurants r ON r.id = $2 LEFT JOIN dish_types t ON t.slug = $3
LEFT JOIN LATERAL (
    SELECT d.id, d.name FROM dishes d
    WHERE d.restaurant_id = $2 AND d.dish_type = $3 AND CASE
        WHEN $4::uuid IS NOT NULL THEN d.id = $4
        ELSE d.is_available
            AND NOT EXISTS (SELECT FROM dish_rankings k WHERE k.user_id = $1 AND k.dish_id = d.id) END
    ORDER BY d.id LIMIT 1
) asked ON true
"""


async def next_pair(
    viewer: Viewer,
    restaurant_id: RestaurantID,
    dish_type: str,
    *,
    dish_id: DishID | None = None,
    better_than: DishID | None = None,
    worse_than: DishID | None = None,
) -> NextPair:
    """Which dish to compare a dish with, that is better than one and worse than another. Raises RestaurantNotFound,
    Invalid. Nothing is kept between two questions: an answer names the dish, and all that is known of it."""
    row = await db.fetchrow(PAIR, viewer.id, restaurant_id, dish_type, dish_id)
    assert row is not None  # it has a row of its own
    if not row["has_restaurant"]:
        raise RestaurantNotFound
    if not row["has_type"]:
        raise Invalid({"dish_type": "There is no such type of dish."})
    if row["id"] is None:
        if dish_id is not None:
            raise Invalid({"dish_id": "This is no dish of this type at this restaurant."})
        return NextPair(dish=None, other=None, rank=None, questions=0)
    others = [DishRef(each, name) for each, name in zip(row["others"], row["names"], strict=True)]
    found = bounds([each.id for each in others], better_than, worse_than)
    asked = found.compare_with
    return NextPair(
        dish=DishRef(row["id"], row["name"]),
        other=None if asked is None else others[asked - 1],
        rank=found.best if asked is None and found.best <= LAST else None,
        questions=found.questions,
    )
