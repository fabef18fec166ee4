"""What happens to accounts."""

from typing import ClassVar, Literal

from domain.eventlog import Event
from domain.ids import SessionID, UserID

Reason = Literal["signed_out", "ended", "token_reused", "password_changed"]


class UserRegistered(Event, frozen=True):
    """Somebody joined."""

    type: ClassVar[str] = "user.registered"
    user_id: UserID


class SessionRevoked(Event, frozen=True):
    """A session ended: its sockets close, its access tokens count no more. For servers, never for clients."""

    type: ClassVar[str] = "session.revoked"
    session_id: SessionID
    user_id: UserID
    reason: Reason
