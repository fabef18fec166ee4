"""Ranking dishes, and no longer ranking them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from domain import db, topics
from domain.accounts.queries import UserNotFound, UserRef
from domain.accounts.rules import Viewer
from domain.clock import now, stamp
from domain.db import transaction
from domain.dishes.queries import DishNotFound
from domain.errors import Invalid
from domain.eventlog import emit
from domain.ids import DishID, RankingID, new_id
from domain.posts.rules import ImageUrl
from domain.rankings.events import RankingChanged
from domain.rankings.queries import DishRef, Ranking
from domain.rankings.rules import Moved, Notes, Placing, Rank, Taste, check_placing, moved, placed, rank_in
from domain.settings import settings


class NewRanking(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What somebody thinks of a dish: a rank or a taste, and why."""

    notes: Notes
    rank: Rank | None = None
    taste: Taste | None = None
    photo_url: ImageUrl | None = None


class Ranked(msgspec.Struct, frozen=True):
    """The viewer's ranking, null when there is none, and the others that have moved."""

    ranking: Ranking | None
    moved: list[Moved]


class PhotoRequired(Invalid):
    """A ranking needs a photo here."""


class _Scope(NamedTuple):
    """Whose ranking of which dish it is, and what they have ranked beside it."""

    user: UserRef
    is_public: bool
    dish_id: DishID
    dish: db.Row
    ranking: Ranking | None
    order: list[DishID]

    @property
    def placing(self) -> Placing | None:
        return None if self.ranking is None else Placing(self.ranking.rank, self.ranking.taste)


_Row = tuple[DishID, Rank | None, Rank | None, Taste | None, Taste | None]
"""A row of the history: the ranks before and after, then the tastes."""


# One after the other, on whatever devices. A statement of its own: the next one sees what this one has waited for.
# Their departure waits for this, or this for it; the account stays as public as it is.
HOLD_RANKER = """
SELECT id, username, display_name, avatar_url, privacy_level = 'public' AS is_public FROM users
WHERE id = $1 FOR NO KEY UPDATE
"""

# The dish stays, and its type.
READ_SCOPE = """
SELECT d.restaurant_id, d.dish_type, d.name, r.city_slug, own.id, own.rank, own.taste, own.notes, own.photo_url,
    own.created_at, own.updated_at,
    ARRAY(SELECT k.dish_id FROM dish_rankings k
        WHERE k.user_id = $1 AND k.restaurant_id = d.restaurant_id AND k.dish_type = d.dish_type
            AND k.rank IS NOT NULL
        ORDER BY k.rank) AS ranked
FROM dishes d JOIN restaurants r ON r.id = d.restaurant_id
LEFT JOIN dish_rankings own ON own.user_id = $1 AND own.dish_id = d.id
WHERE d.id = $2 FOR KEY SHARE OF d
"""

# $1 is the user, $2 the dish, $3 the time, $4 and $5 the dishes that moved and their ranks, $6 to $11 the history.
_MOVE = """
WITH moved AS (
    UPDATE dish_rankings k SET rank = m.rank, updated_at = $3
    FROM unnest($4::uuid[], $5::int[]) AS m (dish_id, rank) WHERE k.user_id = $1 AND k.dish_id = m.dish_id
), told AS (
    INSERT INTO ranking_history (id, user_id, dish_id, restaurant_id, dish_type, old_rank, new_rank, old_taste,
        new_taste, because_of, has_new_notes, created_at)
    SELECT h.id, $1, h.dish_id, d.restaurant_id, d.dish_type, h.old_rank, h.new_rank, h.old_taste, h.new_taste, $2,
        $12 AND h.dish_id = $2, $3
    FROM unnest($6::uuid[], $7::uuid[], $8::int[], $9::int[], $10::text[], $11::text[])
        AS h (id, dish_id, old_rank, new_rank, old_taste, new_taste), dishes d WHERE d.id = $2
)
"""

_ADD = """
INSERT INTO dish_rankings (id, user_id, dish_id, restaurant_id, dish_type, rank, taste, notes, photo_url, created_at,
    updated_at)
SELECT $13, $1, d.id, d.restaurant_id, d.dish_type, $14, $15, $16, $17, $3, $3 FROM dishes d WHERE d.id = $2
ON CONFLICT (user_id, dish_id) DO UPDATE SET rank = excluded.rank, taste = excluded.taste, notes = excluded.notes,
    photo_url = excluded.photo_url, updated_at = excluded.updated_at
"""

_REMOVE = """
DELETE FROM dish_rankings WHERE user_id = $1 AND dish_id = $2
"""

RANK = _MOVE + _ADD

UNRANK = _MOVE + _REMOVE


async def rank_dish(viewer: Viewer, dish_id: DishID, new: NewRanking) -> Ranked:
    """Give a dish a rank, or a taste; the same again changes nothing. Raises DishNotFound, Invalid, PhotoRequired."""
    check_placing(Placing(new.rank, new.taste))
    if settings.rankings_photo_required and new.photo_url is None:
        raise PhotoRequired({"photo_url": PhotoRequired().message})
    async with transaction():
        scope, time = await _hold(viewer, dish_id), now()
        order = placed(scope.order, dish_id, new.rank)
        ranking = _ranking(scope, new, rank_in(order, dish_id), time)
        if scope.ranking is not None and _says(scope.ranking) == _says(ranking):
            return Ranked(scope.ranking, [])
        changes = moved(scope.order, order, dish_id)
        has_new_notes = scope.ranking is None or scope.ranking.notes != ranking.notes
        moves = _moves(scope, Placing(ranking.rank, ranking.taste), changes, has_new_notes=has_new_notes)
        values = (ranking.id, ranking.rank, ranking.taste, ranking.notes, ranking.photo_url)
        await db.execute(RANK, viewer.id, dish_id, time, *moves, *values)
        await _tell(scope, ranking, changes)
    return Ranked(ranking, changes)


async def unrank_dish(viewer: Viewer, dish_id: DishID) -> Ranked:
    """Take a ranking back, if there is one; who was ranked below moves up. Raises DishNotFound."""
    async with transaction():
        scope = await _hold(viewer, dish_id)
        if scope.ranking is None:
            return Ranked(None, [])
        changes = moved(scope.order, placed(scope.order, dish_id, None), dish_id)
        moves = _moves(scope, Placing(None, None), changes, has_new_notes=False)
        await db.execute(UNRANK, viewer.id, dish_id, now(), *moves)
        await _tell(scope, None, changes)
    return Ranked(None, changes)


async def _hold(viewer: Viewer, dish_id: DishID) -> _Scope:
    user = await db.fetchrow(HOLD_RANKER, viewer.id)
    if user is None:
        raise UserNotFound
    dish = await db.fetchrow(READ_SCOPE, viewer.id, dish_id)
    if dish is None:
        raise DishNotFound
    ref = UserRef(user["id"], user["username"], user["display_name"], user["avatar_url"])
    ranking = None
    if dish["id"] is not None:
        ranking = Ranking(
            id=dish["id"],
            user=ref,
            dish_id=dish_id,
            dish=DishRef(dish_id, dish["name"]),
            restaurant_id=dish["restaurant_id"],
            dish_type=dish["dish_type"],
            rank=dish["rank"],
            taste=dish["taste"],
            notes=dish["notes"],
            photo_url=dish["photo_url"],
            created_at=stamp(dish["created_at"]),
            updated_at=stamp(dish["updated_at"]),
        )
    return _Scope(ref, user["is_public"], dish_id, dish, ranking, dish["ranked"])


def _ranking(scope: _Scope, new: NewRanking, rank: Rank | None, time: datetime) -> Ranking:
    known, dish = scope.ranking, scope.dish
    return Ranking(
        id=RankingID(new_id()) if known is None else known.id,
        user=scope.user,
        dish_id=scope.dish_id,
        dish=DishRef(scope.dish_id, dish["name"]),
        restaurant_id=dish["restaurant_id"],
        dish_type=dish["dish_type"],
        rank=rank,
        taste=new.taste,
        notes=new.notes,
        photo_url=new.photo_url,
        created_at=stamp(time) if known is None else known.created_at,
        updated_at=stamp(time),
    )


def _says(ranking: Ranking) -> tuple[object, ...]:
    return (ranking.rank, ranking.taste, ranking.notes, ranking.photo_url)


def _moves(scope: _Scope, new: Placing, changes: Sequence[Moved], *, has_new_notes: bool) -> tuple[object, ...]:
    """The parameters $4 to $12 of _MOVE."""
    old = scope.placing or Placing(None, None)
    rows: list[_Row] = [(each.dish_id, each.old, each.new, None, None) for each in changes]
    if old != new:
        rows.append((scope.dish_id, old.rank, new.rank, old.taste, new.taste))
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 5
    others = ([each.dish_id for each in changes], [each.new for each in changes])
    return (*others, [new_id() for _ in rows], *columns, has_new_notes)


async def _tell(scope: _Scope, ranking: Ranking | None, changes: list[Moved]) -> None:
    dish = scope.dish
    told = RankingChanged(
        user=scope.user,
        dish_id=scope.dish_id,
        restaurant_id=dish["restaurant_id"],
        dish_type=dish["dish_type"],
        city=dish["city_slug"],
        ranking=ranking,
        before=scope.placing,
        moved=changes,
    )
    concerned = [scope.dish_id, *(each.dish_id for each in changes)]
    heard_by = [*map(topics.dish, concerned), topics.restaurant(dish["restaurant_id"])] if scope.is_public else []
    if heard_by and ranking is not None:
        heard_by.append(topics.holds(topics.user(scope.user.id)))
    await emit(told, *heard_by, actor=scope.user.id)


# From the last rank to the first, so that none moves another.
UNRANK_ALL = """
WITH gone AS (
    DELETE FROM dish_rankings WHERE user_id = $1 RETURNING dish_id, restaurant_id, dish_type, rank, taste
), told AS (
    SELECT gone.*, r.city_slug, u.privacy_level = 'public' AS is_public,
        json_build_object('id', u.id, 'username', u.username, 'display_name', u.display_name,
            'avatar_url', u.avatar_url) AS who
    FROM gone JOIN restaurants r ON r.id = gone.restaurant_id JOIN users u ON u.id = $1
    ORDER BY gone.rank DESC NULLS FIRST, gone.dish_id
)
SELECT count(emit_event('ranking.changed',
    CASE WHEN is_public THEN ARRAY['dish:' || dish_id, 'restaurant:' || restaurant_id] ELSE '{}' END,
    json_build_object('user', who, 'dish_id', dish_id, 'restaurant_id', restaurant_id, 'dish_type', dish_type,
        'city', city_slug, 'ranking', NULL, 'before', json_build_object('rank', rank, 'taste', taste),
        'moved', '[]'::json), $1, NULL))
FROM told
"""


async def unrank_all(viewer: Viewer) -> None:
    """Take all rankings of who leaves back. A part of departures."""
    await db.fetchval(UNRANK_ALL, viewer.id)
