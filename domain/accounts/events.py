"""What happens to accounts."""

from typing import ClassVar, Literal

from domain.accounts.queries import BadgeRef, CareerLevelRef
from domain.accounts.rules import PrivacyLevel
from domain.eventlog import Delivery, Event
from domain.ids import SessionID, UserID
from domain.location import Location

Reason = Literal["signed_out", "ended", "token_reused", "password_changed", "account_deleted"]


class UserRegistered(Event, frozen=True):
    """Somebody joined."""

    type: ClassVar[str] = "user.registered"
    user_id: UserID


class ProfileChanged(Event, frozen=True, kw_only=True):
    """Somebody's profile as it is now; counters have a writer of their own."""

    type: ClassVar[str] = "profile.changed"
    heard_on: ClassVar[tuple[str, ...]] = ("user",)
    delivery: ClassVar[Delivery] = "state"
    id: UserID
    username: str
    display_name: str | None
    avatar_url: str | None
    bio: str | None
    city: str | None
    location: Location | None
    institutions: list[str]
    websites: list[str]
    privacy_level: PrivacyLevel
    career_level: CareerLevelRef | None
    featured_badges: list[BadgeRef]


class PrivacyChanged(Event, frozen=True, kw_only=True):
    """Others may see the account's posts than before. For servers: they ask again who may listen."""

    type: ClassVar[str] = "privacy.changed"
    user_id: UserID
    privacy_level: PrivacyLevel


class UserDeleted(Event, frozen=True):
    """Somebody deleted their account. What it had done to others is told before, one by one."""

    type: ClassVar[str] = "user.deleted"
    heard_on: ClassVar[tuple[str, ...]] = ("user",)
    user_id: UserID


class SessionRevoked(Event, frozen=True):
    """A session ended: its sockets close, its access tokens count no more. For servers, never for clients."""

    type: ClassVar[str] = "session.revoked"
    session_id: SessionID
    user_id: UserID
    reason: Reason
