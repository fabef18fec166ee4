"""Points, badges and career levels over HTTP."""

from uuid import UUID

from litestar import delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from domain.accounts.rules import Viewer
from domain.ids import UserID
from domain.progression import actions, queries
from domain.progression.queries import (
    ActivityTotal,
    Before,
    Career,
    Catalogue,
    Featured,
    PointsRow,
    UserBadges,
    UserLevel,
    position_of,
)
from server.paging import Cursor, Limit, Page, page, position_in


class PointsPage(Page[PointsRow], frozen=True):
    """A part of what earned somebody points, for oneself only; `total` and `by_activity` are of all of it."""

    total: int
    by_activity: list[ActivityTotal]


@get("/api/v1/badges")
async def read_badges(viewer: NamedDependency[Viewer]) -> Catalogue:  # noqa: ARG001 - for who has signed in
    """All badges there are."""
    return await queries.read_badges()


@get("/api/v1/career-levels")
async def read_career_levels(viewer: NamedDependency[Viewer]) -> Career:  # noqa: ARG001 - for who has signed in
    """All career levels, from the first one on, with what they take and what they bring."""
    return await queries.read_levels()


@get("/api/v1/users/{user_id:uuid}/points")
async def read_points(
    viewer: NamedDependency[Viewer],
    user_id: FromPath[UUID],
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> PointsPage:
    """Somebody's points and by which kinds of acts they earned them; one's own act by act, the latest first."""
    points = await queries.read_points(viewer, UserID(user_id), position_in(cursor, Before), limit + 1)
    listed = page(points.rows, limit, position_of)
    return PointsPage(listed.items, listed.next_cursor, points.total, points.by_activity)


@get("/api/v1/users/{user_id:uuid}/badges")
async def read_user_badges(viewer: NamedDependency[Viewer], user_id: FromPath[UUID]) -> UserBadges:
    """The badges that somebody has, the latest first, and how far they are with the others, the nearest first."""
    return await queries.read_user_badges(viewer, UserID(user_id))


@get("/api/v1/users/{user_id:uuid}/level")
async def read_user_level(viewer: NamedDependency[Viewer], user_id: FromPath[UUID]) -> UserLevel:
    """Somebody's career level, and what is missing for the next one."""
    return await queries.read_user_level(viewer, UserID(user_id))


@put("/api/v1/users/{user_id:uuid}/badges/{code:str}/featured")
async def feature_badge(viewer: NamedDependency[Viewer], user_id: FromPath[UUID], code: FromPath[str]) -> Featured:
    """Show one of one's badges on one's profile. Only so many are shown."""
    return await actions.feature_badge(viewer, UserID(user_id), code)


@delete("/api/v1/users/{user_id:uuid}/badges/{code:str}/featured", status_code=200)
async def unfeature_badge(viewer: NamedDependency[Viewer], user_id: FromPath[UUID], code: FromPath[str]) -> Featured:
    """Show it on one's profile no longer."""
    return await actions.unfeature_badge(viewer, UserID(user_id), code)


routes = [
    read_badges,
    read_career_levels,
    read_points,
    read_user_badges,
    read_user_level,
    feature_badge,
    unfeature_badge,
]
