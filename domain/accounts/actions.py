"""What people do with their own accounts."""

from collections.abc import Collection
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domain import db, topics
from domain.accounts.events import PrivacyChanged, ProfileChanged, UserDeleted
from domain.accounts.queries import EARNED, User, UserNotFound, read_user, said_in
from domain.accounts.rules import Bio, City, DisplayName, Institution, PrivacyLevel, Viewer, Website
from domain.clock import now
from domain.db import transaction
from domain.errors import Forbidden
from domain.eventlog import emit
from domain.ids import UserID
from domain.location import Location


class ProfileChanges(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What people change of their profile; what is left out stays."""

    display_name: DisplayName | UnsetType | None = UNSET
    bio: Bio | UnsetType | None = UNSET
    city: City | UnsetType | None = UNSET
    location: Location | UnsetType | None = UNSET
    institutions: Annotated[list[Institution], Meta(max_length=10)] | UnsetType = UNSET
    websites: Annotated[list[Website], Meta(max_length=5)] | UnsetType = UNSET
    privacy_level: PrivacyLevel | UnsetType = UNSET


class NotYourProfile(Forbidden):
    """You may change only your own profile."""


LOCK_PROFILE = """
SELECT u.id FROM users u JOIN profiles p ON p.user_id = u.id WHERE u.id = $1 FOR NO KEY UPDATE
"""

CHANGE_PROFILE = """
WITH named AS (
    UPDATE users SET display_name = $2, privacy_level = $3, updated_at = $4 WHERE id = $1
)
UPDATE profiles SET bio = $5, city = $6, location = $7, institutions = $8, websites = $9 WHERE user_id = $1
"""


async def change_profile(viewer: Viewer, user_id: UserID, changes: ProfileChanges) -> User:
    """Change one's own profile. Raises NotYourProfile; UserNotFound when the account is gone."""
    if user_id != viewer.id:
        raise NotYourProfile
    given: dict[str, Any] = {
        name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET
    }
    async with transaction():
        if await db.fetchval(LOCK_PROFILE, viewer.id) is None:
            raise UserNotFound
        before = await read_user(viewer, viewer.id)
        after = msgspec.structs.replace(before, **given)
        if after == before:
            return before
        shown = (after.display_name, after.privacy_level, now(), after.bio, after.city)
        lists = (_json(after.institutions), _json(after.websites))
        location = None if after.location is None else _json(after.location)
        await db.execute(CHANGE_PROFILE, viewer.id, *shown, location, *lists)
        if after.privacy_level != before.privacy_level:
            changed = PrivacyChanged(user_id=viewer.id, privacy_level=after.privacy_level)
            await emit(changed, topics.access(viewer.id), actor=viewer.id)
        await emit(_changed(after), topics.user(viewer.id), actor=viewer.id)
    return after


def _changed(user: User) -> ProfileChanged:
    return ProfileChanged(**{name: getattr(user, name) for name in ProfileChanged.__struct_fields__})


HOLD_PROFILES = "SELECT FROM users WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"

READ_PROFILES = (
    """
SELECT u.id, u.username, u.display_name, u.avatar_url, p.bio, p.city, p.location, p.institutions, p.websites,
    u.privacy_level,"""
    + EARNED
    + "FROM users u JOIN profiles p ON p.user_id = u.id WHERE u.id = ANY($1::uuid[]) ORDER BY u.id"
)


async def profiles_to_tell(user_ids: Collection[UserID]) -> list[ProfileChanged]:
    """These profiles as they are, for whoever has changed what they show: nobody tells an older one after it."""
    await db.execute(HOLD_PROFILES, user_ids)
    return [ProfileChanged(**dict(row) | said_in(row)) for row in await db.fetch(READ_PROFILES, user_ids)]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


# Whoever signs in holds the credentials, then the user.
HOLD_CREDENTIALS = "SELECT FROM credentials WHERE user_id = $1 FOR UPDATE"

HOLD_ACCOUNT = "SELECT id FROM users WHERE id = $1 FOR UPDATE"


async def hold_account(viewer: Viewer) -> bool:
    """Have what the viewer does end before this, or fail; False when there is no account. A part of departures."""
    await db.execute(HOLD_CREDENTIALS, viewer.id)
    return await db.fetchval(HOLD_ACCOUNT, viewer.id) is not None


DELETE_ACCOUNT = "DELETE FROM users WHERE id = $1"


async def delete_account(viewer: Viewer) -> None:
    """Delete the account and what is only the viewer's own, and tell it. A part of departures."""
    await db.execute(DELETE_ACCOUNT, viewer.id)
    topic = topics.user(viewer.id)
    heard_by = (topic, topics.gone(topic), topics.access(viewer.id))
    await emit(UserDeleted(user_id=viewer.id), *heard_by, actor=viewer.id)
