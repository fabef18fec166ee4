"""Experts over HTTP."""

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from domain.accounts.rules import Viewer
from domain.experts import queries
from domain.experts.queries import Before, Expert
from server.paging import Cursor, Limit, Page, page, position_in

City = Annotated[str, QueryParameter(min_length=1, max_length=100, description="A slug, or a name that is one.")]


@get("/api/v1/experts")
async def read_experts(
    viewer: NamedDependency[Viewer],
    city: FromQuery[City],
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[Expert]:
    """Public people who ranked or reviewed in a city, by influence, and what it is made of."""
    found = await queries.read_experts(viewer, city, position_in(cursor, Before), limit + 1)
    return page(found, limit, queries.position_of)


routes = [read_experts]
