"""Leaderboards over HTTP."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from domain.accounts.rules import Viewer
from domain.boards import queries as boards
from domain.boards.queries import BoardSummary
from domain.dishes.queries import Dish
from domain.explanations.queries import Explanation
from domain.explanations.queries import explain_entry as explain
from domain.leaderboards import queries
from domain.leaderboards.queries import Behind, BoardPage
from domain.leaderboards.rules import Kind
from server.paging import Cursor, Limit, Page, cursor_of, page, position_in

Place = Annotated[str | None, QueryParameter(max_length=100, description="A city's name or slug.")]
Season = Annotated[str | None, QueryParameter(max_length=20, description="A week like 2026-w47; none is all time.")]
City = Annotated[str, QueryParameter(max_length=100, description="A city's name or slug.")]
Whose = Annotated[  # `scope` is Litestar's own
    str, QueryParameter(name="scope", max_length=20, description="`all` or `following`.")
]
DishType = Annotated[str, QueryParameter(max_length=100)]


@get("/api/v1/leaderboards")
async def read_boards(
    *,
    viewer: NamedDependency[Viewer],  # noqa: ARG001 - for who has signed in
    city: FromQuery[Place] = None,
    kind: FromQuery[Kind | None] = None,
    season: FromQuery[Season] = None,
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[BoardSummary]:
    """The boards that have something on them, by name: of all time, or of a week."""
    found = await boards.read_boards(city, kind, season, position_in(cursor, str), limit + 1)
    return page(found, limit, lambda last: last.name)


@get("/api/v1/leaderboards/{board:str}")
async def read_board(
    *,
    viewer: NamedDependency[Viewer],
    board: FromPath[str],
    of_whom: FromQuery[Whose] = "all",
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> BoardPage:
    """A board, the best first: `dishes:{city}:{dish_type}`, `restaurants:{city}:{cuisine}`, `users:{city}` or
    `users:global`, with `@2026-w47` behind it for a week. `scope=following`: people whom one follows and oneself, or
    what these ranked, each with its place among all."""
    found, end = await queries.read_board(viewer, board, position_in(cursor, Behind), limit, of_whom)
    return msgspec.structs.replace(found, next_cursor=None if end is None else cursor_of(end))


@get("/api/v1/leaderboards/{board:str}/around/{entity_id:uuid}")
async def read_around(
    viewer: NamedDependency[Viewer],
    board: FromPath[str],
    entity_id: FromPath[UUID],
    limit: FromQuery[Limit] = 11,
) -> BoardPage:
    """Somebody or something on a board, with those ahead of and behind it."""
    return await queries.read_around(viewer, board, entity_id, limit)


@get("/api/v1/leaderboards/{board:str}/entries/{entity_id:uuid}")
async def explain_entry(
    viewer: NamedDependency[Viewer],
    board: FromPath[str],
    entity_id: FromPath[UUID],
) -> Explanation:
    """Why somebody or something has its score."""
    return await explain(viewer, board, entity_id)


@get("/api/v1/dishes/best")
async def best_dishes(
    *,
    viewer: NamedDependency[Viewer],
    city: FromQuery[City],
    dish_type: FromQuery[DishType],
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[Dish]:
    """The dishes of a type in a city, the best first."""
    found, end = await queries.best_dishes(viewer, city, dish_type, position_in(cursor, Behind), limit)
    return Page(found, None if end is None else cursor_of(end))


routes = [read_boards, read_board, read_around, explain_entry, best_dishes]
