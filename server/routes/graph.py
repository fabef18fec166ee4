"""Who follows, blocks and mutes whom, over HTTP."""

from datetime import datetime
from uuid import UUID

from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from domain.accounts.queries import Relation
from domain.accounts.rules import Viewer
from domain.graph import actions, queries
from domain.graph.actions import Asked
from domain.graph.queries import Before, FollowStats, FollowStatus, FollowStatuses, Person
from domain.ids import UserID
from server.paging import Cursor, Limit, Page, page, position_in


def before(cursor: str | None) -> Before | None:
    """Where a page of people begins."""
    return position_in(cursor, tuple[datetime, UserID])


def after(last: Person) -> tuple[str, UUID]:
    """Where the page behind somebody begins."""
    return last.since, last.id


@put("/api/v1/users/{user_id:uuid}/follow")
async def follow_user(viewer: NamedDependency[Viewer], user_id: FromPath[UUID]) -> FollowStatus:
    """Follow somebody, or ask to when the account is not public."""
    return await actions.follow_user(viewer, UserID(user_id))


@delete("/api/v1/users/{user_id:uuid}/follow", status_code=200)
async def unfollow_user(viewer: NamedDependency[Viewer], user_id: FromPath[UUID]) -> FollowStatus:
    """Follow somebody no longer, or no longer ask to."""
    return await actions.unfollow_user(viewer, UserID(user_id))


@get("/api/v1/users/{user_id:uuid}/followers")
async def read_followers(
    viewer: NamedDependency[Viewer],
    user_id: FromPath[UUID],
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[Person]:
    """Who follows somebody, newest first; `status` is whether the viewer follows them."""
    found = await queries.read_followers(viewer, UserID(user_id), before(cursor), limit + 1)
    return page(found, limit, after)


@get("/api/v1/users/{user_id:uuid}/following")
async def read_following(
    viewer: NamedDependency[Viewer],
    user_id: FromPath[UUID],
    limit: FromQuery[Limit] = 20,
    cursor: FromQuery[Cursor] = None,
) -> Page[Person]:
    """Whom somebody follows, newest first; `status` is whether the viewer follows them."""
    found = await queries.read_following(viewer, UserID(user_id), before(cursor), limit + 1)
    return page(found, limit, after)


@get("/api/v1/users/{user_id:uuid}/follow-stats")
async def read_follow_stats(viewer: NamedDependency[Viewer], user_id: FromPath[UUID]) -> FollowStats:
    """How many follow somebody, and whom; open requests are told to oneself only."""
    return await queries.read_stats(viewer, UserID(user_id))


@post("/api/v1/follows/status", status_code=200)
async def read_follow_statuses(viewer: NamedDependency[Viewer], data: JSONBody[Asked]) -> FollowStatuses:
    """Which of up to 100 people the viewer follows."""
    return await queries.read_statuses(viewer, data.user_ids)


@get("/api/v1/follow-requests")
async def read_follow_requests(
    viewer: NamedDependency[Viewer], limit: FromQuery[Limit] = 20, cursor: FromQuery[Cursor] = None
) -> Page[Person]:
    """Who asks to follow the viewer, newest first."""
    return page(await queries.read_requests(viewer, before(cursor), limit + 1), limit, after)


@get("/api/v1/follow-requests/sent")
async def read_sent_follow_requests(
    viewer: NamedDependency[Viewer], limit: FromQuery[Limit] = 20, cursor: FromQuery[Cursor] = None
) -> Page[Person]:
    """Whom the viewer has asked, and who has not answered, newest first."""
    return page(await queries.read_sent_requests(viewer, before(cursor), limit + 1), limit, after)


@put("/api/v1/follow-requests/{user_id:uuid}")
async def accept_follow_request(viewer: NamedDependency[Viewer], user_id: FromPath[UUID]) -> FollowStatus:
    """Let them follow the viewer."""
    return await actions.accept_request(viewer, UserID(user_id))


@delete("/api/v1/follow-requests/{user_id:uuid}")
async def reject_follow_request(viewer: NamedDependency[Viewer], user_id: FromPath[UUID]) -> None:
    """Do not let them follow the viewer."""
    await actions.reject_request(viewer, UserID(user_id))


@delete("/api/v1/follow-requests/sent/{user_id:uuid}")
async def cancel_follow_request(viewer: NamedDependency[Viewer], user_id: FromPath[UUID]) -> None:
    """Take back a request that is not answered yet."""
    await actions.cancel_request(viewer, UserID(user_id))


@delete("/api/v1/users/{user_id:uuid}/follower")
async def remove_follower(viewer: NamedDependency[Viewer], user_id: FromPath[UUID]) -> None:
    """Have them follow the viewer no longer."""
    await actions.remove_follower(viewer, UserID(user_id))


@put("/api/v1/users/{user_id:uuid}/block")
async def block_user(viewer: NamedDependency[Viewer], user_id: FromPath[UUID]) -> Relation:
    """End all there is between the two, and hide each from the other."""
    return await actions.block_user(viewer, UserID(user_id))


@delete("/api/v1/users/{user_id:uuid}/block")
async def unblock_user(viewer: NamedDependency[Viewer], user_id: FromPath[UUID]) -> None:
    """Take a block back; what it ended stays ended."""
    await actions.unblock_user(viewer, UserID(user_id))


@put("/api/v1/users/{user_id:uuid}/mute")
async def mute_user(viewer: NamedDependency[Viewer], user_id: FromPath[UUID]) -> Relation:
    """Hear nothing of somebody, who does not notice."""
    return await actions.mute_user(viewer, UserID(user_id))


@delete("/api/v1/users/{user_id:uuid}/mute")
async def unmute_user(viewer: NamedDependency[Viewer], user_id: FromPath[UUID]) -> None:
    """Hear of them again."""
    await actions.unmute_user(viewer, UserID(user_id))


@get("/api/v1/blocks")
async def read_blocks(
    viewer: NamedDependency[Viewer], limit: FromQuery[Limit] = 20, cursor: FromQuery[Cursor] = None
) -> Page[Person]:
    """Whom the viewer has blocked, newest first."""
    return page(await queries.read_blocked(viewer, before(cursor), limit + 1), limit, after)


@get("/api/v1/mutes")
async def read_mutes(
    viewer: NamedDependency[Viewer], limit: FromQuery[Limit] = 20, cursor: FromQuery[Cursor] = None
) -> Page[Person]:
    """Whom the viewer has muted, newest first."""
    return page(await queries.read_muted(viewer, before(cursor), limit + 1), limit, after)


routes = [
    follow_user,
    unfollow_user,
    read_followers,
    read_following,
    read_follow_stats,
    read_follow_statuses,
    read_follow_requests,
    read_sent_follow_requests,
    accept_follow_request,
    reject_follow_request,
    cancel_follow_request,
    remove_follower,
    block_user,
    unblock_user,
    mute_user,
    unmute_user,
    read_blocks,
    read_mutes,
]
