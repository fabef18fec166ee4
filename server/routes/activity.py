"""What somebody did lately, over HTTP."""

from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from domain.accounts.rules import Viewer
from domain.activity import queries
from domain.activity.queries import Act
from domain.ids import UserID
from server.paging import Cursor, Limit, Page, page, position_in


@get("/api/v1/users/{user_id:uuid}/activity")
async def read_activity(
    viewer: NamedDependency[Viewer],
    user_id: FromPath[UUID],
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[Act]:
    """What somebody ranked, reviewed and commented, in one list, the newest first."""
    found = await queries.read_activity(viewer, UserID(user_id), position_in(cursor, UUID), limit + 1)
    return page(found, limit, lambda last: last.id)


routes = [read_activity]
