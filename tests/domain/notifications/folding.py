"""Folding what was logged, when a test wants it and as if it had been logged when a test says."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from domain import db, topics
from domain.acts.rules import FOLDED
from domain.eventlog import Logged
from domain.ids import UserID
from domain.notifications.events import NotificationRemoved, NotificationsRead, NotificationUpserted

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TYPES = {kind.type for kind in FOLDED}
TOLD = {kind.type: kind for kind in (NotificationUpserted, NotificationRemoved, NotificationsRead)}

LOGGED = "SELECT seq, type, topics, data::text AS data, actor, audience, at FROM events WHERE seq > $1 ORDER BY seq"


class Log:
    """What of the log was not read yet."""

    def __init__(self) -> None:
        self._seq = 0

    async def new(self) -> list[Logged]:
        """What came to it since the last time."""
        events = [Logged(*row.values()) for row in await db.fetch(LOGGED, self._seq)]
        self._seq = max((event.seq for event in events), default=self._seq)
        return events


def at(events: list[Logged], time: datetime) -> list[Logged]:
    """What of these is folded, as if it had happened then."""
    return [msgspec.structs.replace(event, at=time) for event in events if event.type in TYPES]


def after(**by: float) -> datetime:
    """So long after noon."""
    return NOON + timedelta(**by)


def told(events: list[Logged]) -> dict[UserID, list[Any]]:
    """What of these was told, to whom."""
    heard: dict[UserID, list[Any]] = {}
    for event in events:
        if event.type in TOLD:
            (topic,) = event.topics
            _, user_id = topics.parse(topic)
            assert isinstance(user_id, UUID)
            heard.setdefault(UserID(user_id), []).append(msgspec.json.decode(event.data, type=TOLD[event.type]))
    return heard
