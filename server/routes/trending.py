"""What is trending over HTTP."""

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from domain.accounts.rules import Viewer
from domain.dishes.rules import DishTypeSlug
from domain.places.rules import Region
from domain.trending import queries
from domain.trending.queries import TrendingDishes
from domain.trending.rules import TOP

Length = Annotated[int, QueryParameter(ge=1, le=TOP)]


@get("/api/v1/trending/dishes")
async def read_trending(
    *,
    viewer: NamedDependency[Viewer],  # noqa: ARG001 - for who has signed in
    city: FromQuery[Region],
    dish_type: FromQuery[DishTypeSlug | None] = None,
    limit: FromQuery[Length] = TOP,
) -> TrendingDishes:
    """The dishes of a city that people act on now, by its name or slug; of a type. Live as `trending:{scope}`."""
    return await queries.read_trending(city, dish_type, limit)


routes = [read_trending]
