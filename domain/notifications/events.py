"""What happens in an inbox, told to its owner. `version` grows with every change of the inbox; `unread` is the count
that came of it."""

from typing import ClassVar

from domain.eventlog import Event
from domain.ids import NotificationID
from domain.notifications.queries import Notification


class NotificationUpserted(Event, frozen=True, kw_only=True):
    """A single or a batch is new, or is not what it was."""

    type: ClassVar[str] = "notification.upserted"
    heard_on: ClassVar[tuple[str, ...]] = ("notifications",)
    notification: Notification
    unread: int
    version: int


class NotificationRemoved(Event, frozen=True, kw_only=True):
    """It is not in the list any more: what it told was taken back, a batch took its place, or its owner deleted it."""

    type: ClassVar[str] = "notification.removed"
    heard_on: ClassVar[tuple[str, ...]] = ("notifications",)
    id: NotificationID
    unread: int
    version: int


class NotificationsRead(Event, frozen=True, kw_only=True):
    """The owner read these, or all whose `last_updated_at` is not after `up_to`."""

    type: ClassVar[str] = "notifications.read"
    heard_on: ClassVar[tuple[str, ...]] = ("notifications",)
    ids: list[NotificationID] | None
    all: bool
    up_to: str | None
    unread: int
    version: int
