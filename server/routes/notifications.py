"""Notifications over HTTP."""

from uuid import UUID

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from domain.accounts.rules import Viewer
from domain.ids import NotificationID
from domain.notifications import actions, queries
from domain.notifications.actions import ReadWhat
from domain.notifications.queries import Before, Notification, Unread, position_of
from server.paging import Cursor, Limit, Page, page, position_in


class InboxPage(Page[Notification], frozen=True):
    """A part of the viewer's notifications; `unread` and `version` are of all of them."""

    unread: int
    version: int


@get("/api/v1/notifications")
async def read_notifications(
    viewer: NamedDependency[Viewer], limit: FromQuery[Limit] = 20, cursor: FromQuery[Cursor] = None
) -> InboxPage:
    """The viewer's notifications, the latest first."""
    inbox = await queries.read_notifications(viewer, position_in(cursor, Before), limit + 1)
    listed = page(inbox.items, limit, position_of)
    return InboxPage(listed.items, listed.next_cursor, inbox.unread, inbox.version)


@get("/api/v1/notifications/unread-count")
async def read_unread(viewer: NamedDependency[Viewer]) -> Unread:
    """How many are unread."""
    return await queries.read_unread(viewer)


@get("/api/v1/notifications/{notification_id:uuid}/children")
async def read_children(
    viewer: NamedDependency[Viewer],
    notification_id: FromPath[UUID],
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[Notification]:
    """What a batch consists of, the latest first."""
    before = position_in(cursor, Before)
    found = await queries.read_children(viewer, NotificationID(notification_id), before, limit + 1)
    return page(found, limit, position_of)


@post("/api/v1/notifications/read", status_code=200)
async def read(viewer: NamedDependency[Viewer], data: JSONBody[ReadWhat]) -> Unread:
    """Have some or all of them read, on all of the viewer's devices."""
    return await actions.read(viewer, data)


@delete("/api/v1/notifications/{notification_id:uuid}")
async def delete_notification(viewer: NamedDependency[Viewer], notification_id: FromPath[UUID]) -> None:
    """Take one out of the list, on all of the viewer's devices."""
    await actions.delete_notification(viewer, NotificationID(notification_id))


routes = [read_notifications, read_unread, read_children, read, delete_notification]
