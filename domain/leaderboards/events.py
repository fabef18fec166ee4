"""What happens to leaderboards, as clients hear it: the moves of a span, which are applied to the version before it."""

from typing import ClassVar
from uuid import UUID

import msgspec

from domain.eventlog import Delivery, Event


class Move(msgspec.Struct, frozen=True, kw_only=True, rename={"old": "from", "new": "to"}):
    """Where something was in the window before the span and is behind it, 1 to 100; null: outside. `rank` is null then;
    `rank`, `score`, `name`, `image_url` and `reached_at` are those behind the span."""

    entity_id: UUID
    name: str
    old: int | None
    new: int | None
    rank: int | None
    score: float
    image_url: str | None
    reached_at: str | None


class LeaderboardChanged(Event, frozen=True, kw_only=True):
    """The window of a board changed from one version to another: `moves` names everything in it whose place, rank,
    score, name or picture changed at any time between the two, also what is now as it was. To apply it to any version
    from `from_version` on: take out all that is named, then put in what has a `to`, there, the smallest first."""

    type: ClassVar[str] = "leaderboard.changed"
    heard_on: ClassVar[tuple[str, ...]] = ("leaderboard",)
    delivery: ClassVar[Delivery] = "board"
    version: int
    from_version: int
    size: int
    moves: list[Move]


class BoardCrossed(Event, frozen=True, kw_only=True, rename={"old": "from", "new": "to"}):
    """Somebody or a dish came among the first three or ten of a board, or is there no longer. For those concerned.
    `waited_since` is when that was, where it could not be told at once."""

    type: ClassVar[str] = "leaderboard.crossed"
    board: str
    entity_id: UUID
    name: str
    old: int | None
    new: int | None
    waited_since: str | None = None


class DishScore(Event, frozen=True, kw_only=True):
    """What all rankings of a dish come to, of how many, and its rank when it is in the window of its all-time board.
    `score` is null when nobody ranks it any more."""

    type: ClassVar[str] = "dish.score"
    heard_on: ClassVar[tuple[str, ...]] = ("dish",)
    delivery: ClassVar[Delivery] = "state"
    score: float | None
    raters: int
    rank: int | None
    board: str
