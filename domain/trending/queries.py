"""What can be seen of what is trending: everything, by everybody; who acted is nobody's to see."""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from domain import db
from domain.accounts.queries import Verdict
from domain.clock import now, stamp
from domain.errors import NotFound
from domain.ids import DishID, RestaurantID, UserID
from domain.places.rules import named_slug, wanted_slug
from domain.settings import settings
from domain.trending.rules import parse_scope, scope_of, score_at


class TrendingDish(msgspec.Struct, frozen=True, kw_only=True):
    """A dish on a list; `ranking_count` is how many have ranked it, ever."""

    dish_id: DishID
    dish_name: str
    restaurant_id: RestaurantID
    restaurant_name: str
    dish_type: str
    image_url: str | None
    ranking_count: int
    trending_score: float


class TrendingDishes(msgspec.Struct, frozen=True, kw_only=True):
    """A list, the most trending first. Scores are as of `at`, and half of that `half_life_s` later; `version` counts
    the changes of the list that were not by time alone. Its topic is `trending:{scope}`."""

    scope: str
    version: int
    at: str
    half_life_s: float
    top: list[TrendingDish]


class ListNotFound(NotFound):
    """There is no such list of what is trending."""


# $1 is a city's slug, $2 a type's or null, $3 their scope, $4 how many. One snapshot: the version is that of the list.
READ_TRENDING = """
SELECT EXISTS (SELECT FROM cities WHERE slug = $1) AS has_city,
    $2::text IS NULL OR EXISTS (SELECT FROM dish_types WHERE slug = $2) AS has_type,
    coalesce((SELECT version FROM trending_scopes WHERE scope = $3), 0) AS version, top.*
FROM (VALUES (1)) AS one LEFT JOIN LATERAL (
    (SELECT * FROM trending_dishes t WHERE $2::text IS NULL AND t.city = $1
        ORDER BY t.one_at DESC, t.dish_id LIMIT $4)
    UNION ALL
    (SELECT * FROM trending_dishes t WHERE t.city = $1 AND t.dish_type = $2
        ORDER BY t.one_at DESC, t.dish_id LIMIT $4)
) AS top ON true
ORDER BY top.one_at DESC, top.dish_id
"""


async def read_trending(city: str, dish_type: str | None, limit: int) -> TrendingDishes:
    """What is trending in a city, by its name or slug; of a type. Raises ListNotFound when there is no such city or
    type, Invalid when that is no word."""
    where, of, time = named_slug(city, "city"), wanted_slug(dish_type, "dish_type"), now()
    scope = scope_of(where, of)
    rows = await db.fetch(READ_TRENDING, where, of, scope, limit)
    wrong: dict[str, str] = {}
    if not rows[0]["has_city"]:
        wrong["city"] = "There is no restaurant in a city of this name."
    if not rows[0]["has_type"]:
        wrong["dish_type"] = "See GET /api/v1/dish-types."
    if wrong:
        raise ListNotFound(wrong)
    top = entries([row for row in rows if row["dish_id"] is not None], time)
    return TrendingDishes(
        scope=scope, version=rows[0]["version"], at=stamp(time), half_life_s=settings.trending_half_life_s, top=top
    )


def entries(rows: Sequence[db.Row], time: datetime) -> list[TrendingDish]:
    """Rows of trending_dishes as they are told at a time."""
    return [
        TrendingDish(
            dish_id=row["dish_id"],
            dish_name=row["dish_name"],
            restaurant_id=row["restaurant_id"],
            restaurant_name=row["restaurant_name"],
            dish_type=row["dish_type"],
            image_url=row["image_url"],
            ranking_count=row["rankings"],
            trending_score=score_at(time, row["one_at"], settings.trending_half_life_s),
        )
        for row in rows
    ]


# Of the lists that names tell of: whether there is their city, and type if they have one.
KNOWN = """
SELECT asked.i FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (city, dish_type, i)
WHERE EXISTS (SELECT FROM cities c WHERE c.slug = asked.city)
    AND (asked.dish_type IS NULL OR EXISTS (SELECT FROM dish_types t WHERE t.slug = asked.dish_type))
ORDER BY asked.i
"""


async def trending_access(asked: Collection[tuple[UserID, str]]) -> list[tuple[UserID, str, None, Verdict]]:
    """Of each (viewer, scope) those that are lists: nobody's, and open to everybody."""
    lists = [(viewer, scope, found) for viewer, scope in asked if (found := parse_scope(scope))]
    rows = await db.fetch(KNOWN, [city for *_, (city, _) in lists], [dish_type for *_, (_, dish_type) in lists])
    return [(*lists[row["i"] - 1][:2], None, "ok") for row in rows]
