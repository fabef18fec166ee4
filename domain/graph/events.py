"""What happens between people. For servers and for what follows from it: clients hear the folded counts."""

from typing import ClassVar

from domain.eventlog import Event
from domain.ids import UserID


class UserFollowed(Event, frozen=True, kw_only=True):
    """Somebody follows a public account."""

    type: ClassVar[str] = "user.followed"
    follower_id: UserID
    followed_id: UserID


class UserUnfollowed(Event, frozen=True, kw_only=True):
    """The follower no longer follows."""

    type: ClassVar[str] = "user.unfollowed"
    follower_id: UserID
    followed_id: UserID


class FollowRequested(Event, frozen=True, kw_only=True):
    """Somebody asks to follow an account that is not public."""

    type: ClassVar[str] = "follow.requested"
    follower_id: UserID
    followed_id: UserID


class FollowRequestWithdrawn(Event, frozen=True, kw_only=True):
    """Whoever asked to follow no longer does."""

    type: ClassVar[str] = "follow.withdrawn"
    follower_id: UserID
    followed_id: UserID


class FollowAccepted(Event, frozen=True, kw_only=True):
    """A request was accepted: the follower follows from now on."""

    type: ClassVar[str] = "follow.accepted"
    follower_id: UserID
    followed_id: UserID


class FollowRequestRejected(Event, frozen=True, kw_only=True):
    """A request was rejected. Whoever asked is not told."""

    type: ClassVar[str] = "follow.rejected"
    follower_id: UserID
    followed_id: UserID


class FollowerRemoved(Event, frozen=True, kw_only=True):
    """The followed had the follower follow no longer."""

    type: ClassVar[str] = "follower.removed"
    follower_id: UserID
    followed_id: UserID


class UserBlocked(Event, frozen=True, kw_only=True):
    """Neither sees the other any more. What it ended between them is told before, one by one."""

    type: ClassVar[str] = "user.blocked"
    blocker_id: UserID
    blocked_id: UserID


class UserUnblocked(Event, frozen=True, kw_only=True):
    """They may see each other again."""

    type: ClassVar[str] = "user.unblocked"
    blocker_id: UserID
    blocked_id: UserID


class UserMuted(Event, frozen=True, kw_only=True):
    """The muter wants to hear nothing of the muted."""

    type: ClassVar[str] = "user.muted"
    muter_id: UserID
    muted_id: UserID


class UserUnmuted(Event, frozen=True, kw_only=True):
    """The muter hears of the muted again."""

    type: ClassVar[str] = "user.unmuted"
    muter_id: UserID
    muted_id: UserID
