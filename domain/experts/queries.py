"""Who the experts of a city are."""

import msgspec

from domain import db
from domain.accounts.queries import UserRef
from domain.accounts.rules import Viewer
from domain.errors import NotFound
from domain.experts.rules import Influence, influence
from domain.ids import UserID
from domain.places.rules import wanted_slug


class Here(msgspec.Struct, frozen=True):
    """What somebody has said in the city."""

    rankings: int
    reviews: int


class Expert(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who knows the city's food, and why they stand where they do. `score` is what they are ordered by."""

    user: UserRef
    score: float
    influence: Influence
    here: Here


class CityNotFound(NotFound):
    """There is no restaurant in such a city."""


Before = tuple[float, UserID]
"""Where a page begins: behind the expert of this id, who has this influence."""

# $1 is the viewer, $2 the city.
READ_EXPERTS = """
SELECT u.id, u.username, u.display_name, u.avatar_url, e.influence, e.rankings AS rankings_here,
    e.reviews AS reviews_here, i.followers, i.rankings, i.reviews, i.likers
FROM experts e JOIN visible_users($1) u ON u.id = e.user_id JOIN influences i ON i.user_id = e.user_id
WHERE e.city_slug = $2 AND e.is_public AND (e.influence, e.user_id) < (coalesce($3::float8, 'infinity'), $4::uuid)
ORDER BY e.influence DESC, e.user_id DESC LIMIT $5
"""

IS_CITY = "SELECT EXISTS (SELECT FROM cities WHERE slug = $1)"


async def read_experts(viewer: Viewer, city: str, before: Before | None, limit: int) -> list[Expert]:
    """Experts of a city, which is a slug or a name that is one, by influence. Raises CityNotFound, Invalid."""
    slug = wanted_slug(city, "city")
    rows = await db.fetch(READ_EXPERTS, viewer.id, slug, *(before or (None, None)), limit)
    if not rows and not await db.fetchval(IS_CITY, slug):
        raise CityNotFound({"city": CityNotFound().message})
    return [_expert(row) for row in rows]


def position_of(expert: Expert) -> Before:
    """Where the page behind them begins."""
    return expert.score, expert.user.id


def _expert(row: db.Row) -> Expert:
    return Expert(
        user=UserRef(row["id"], row["username"], row["display_name"], row["avatar_url"]),
        score=row["influence"],
        influence=influence(**{name: row[name] for name in ("followers", "rankings", "reviews", "likers")}),
        here=Here(row["rankings_here"], row["reviews_here"]),
    )
