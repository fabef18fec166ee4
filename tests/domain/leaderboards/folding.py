"""Has the events of a test's own transaction folded, and holds what a client has that applies what is told of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain import db
from domain.eventlog import Logged, emit
from domain.ids import UserID
from domain.leaderboards.events import LeaderboardChanged
from domain.leaderboards.rules import parse_board
from domain.progression.events import PointsChanged
from domain.standings.actions import FOLDED, fold
from tests.domain.leaderboards.plain import Boards, Told, mean_of, rounded, score_of

LOG = """
SELECT seq, type, topics, data::text AS data, actor, audience, at FROM events WHERE seq > $1 AND type = ANY($2)
ORDER BY seq
"""
LAST = "SELECT coalesce(max(seq), 0) FROM events"
STORED = """
SELECT b.name AS board, e.entity_id, e.name, e.image_url, e.weight, e.points, e.ratings, e.reached_at, e.score,
    CASE WHEN e.seq > b.rescored AND e.seq <= b.rescoring THEN b.former ELSE b.prior END AS prior
FROM leaderboard_entries e JOIN leaderboards b ON b.id = e.board_id WHERE e.score IS NOT NULL
"""
BOARDS = "SELECT name, kind, size, weight, points, prior, version, rescoring FROM leaderboards"

Client = dict[str, tuple[int, list[dict[str, Any]]]]
"""Of each board its version and its window, as a client shows it."""


class Folder:
    """Folds what was done since the last time, as many events at once as it is told."""

    def __init__(self) -> None:
        self.seq = 0
        self.told = 0
        self.client: Client = {}

    async def begin(self) -> None:
        """What was done until now is not folded."""
        self.seq = self.told = await db.fetchval(LAST)

    async def waiting(self) -> list[Logged]:
        """What is not folded yet."""
        return [Logged(*row.values()) for row in await db.fetch(LOG, self.seq, [each.type for each in FOLDED])]

    async def touch(self, people: Sequence[UserID]) -> None:
        """Have these people's points folded."""
        for each in people:
            await emit(PointsChanged(user_id=each, points=0))
        await self.fold()

    async def fold(self, size: int = 5_000) -> None:
        """Fold it all; a client hears of it."""
        waiting = await self.waiting()
        for start in range(0, len(waiting), size):
            await fold(waiting[start : start + size])
        self.seq = max([self.seq, *(each.seq for each in waiting)])
        for row in await db.fetch(LOG, self.told, [LeaderboardChanged.type]):
            apply(self.client, row["topics"][0].removeprefix("leaderboard:"), msgspec.json.decode(row["data"]))
        self.told = await db.fetchval(LAST)


def apply(client: Client, board: str, change: Any) -> None:
    """What the contract tells a client to do."""
    version, window = client.get(board, (0, []))
    from_version = change["from_version"]
    assert from_version == version or (from_version == 0 and not window)
    assert change["version"] == version + 1 or (from_version == 0 and change["version"] > version)
    named = {move["entity_id"] for move in change["moves"]}
    kept = [each for each in window if each["entity_id"] not in named]
    for move in sorted((each for each in change["moves"] if each["to"]), key=lambda each: each["to"]):
        kept.insert(move["to"] - 1, {key: move[key] for key in ("entity_id", "name", "image_url", "rank", "score")})
    client[board] = (change["version"], kept)
    assert len(kept) == min(change["size"], 100)


async def check(expected: Boards, client: Client, *, exact_size: int, tolerance: float) -> None:
    """What is stored is what is expected, and what a client has heard."""
    boards = {row["name"]: row for row in await db.fetch(BOARDS)}
    stored: dict[str, dict[UUID, Told]] = {name: {} for name in boards}
    scores: dict[str, dict[UUID, int]] = {name: {} for name in boards}
    for row in await db.fetch(STORED):
        board, entity_id, *values, score, prior = row.values()
        assert score == score_of(Told(*values), prior)
        stored[board][entity_id] = Told(*values)
        scores[board][entity_id] = score
    assert {name: entries for name, entries in stored.items() if entries} == expected
    for name, board in boards.items():
        entries = list(stored[name].values())
        assert board["size"] == len(entries)
        assert (board["weight"], board["points"]) == (
            sum(each.weight for each in entries),
            sum(each.points for each in entries),
        )
        if board["kind"] == "users" or not entries:
            assert board["prior"] is None
        elif len(entries) <= exact_size:
            assert rounded(mean_of(entries)) == board["prior"]
        elif not board["rescoring"]:
            assert abs(float(rounded(mean_of(entries))) - float(board["prior"])) <= tolerance + 1e-9
        _, window = client.get(name, (0, []))
        assert window == shown(stored[name], scores[name])
        assert parse_board(name) is not None


def shown(entries: dict[UUID, Told], scores: dict[UUID, int]) -> Sequence[dict[str, Any]]:
    """The window: by score, then who was there first, then id; equal scores have equal ranks."""

    def order(each: UUID) -> tuple[int, datetime, UUID]:
        return (-scores[each], entries[each].reached_at, each)

    found: list[dict[str, Any]] = []
    for each in sorted(entries, key=order)[:100]:
        rank = 1 + sum(other > scores[each] for other in scores.values())
        told = entries[each]
        found.append(
            {
                "entity_id": str(each),
                "name": told.name,
                "image_url": told.image_url,
                "rank": rank,
                "score": scores[each] / 10_000,
            }
        )
    return found
