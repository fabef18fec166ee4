"""What can be seen of boards: everything, by everybody."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

import msgspec

from domain import db, positions
from domain.accounts.queries import visible_users
from domain.accounts.rules import Viewer
from domain.boards.queries import check_board
from domain.clock import stamp
from domain.dishes.queries import Dish, read_dishes
from domain.errors import Invalid, NotFound
from domain.ids import DishID, UserID
from domain.leaderboards.rules import (
    SCALE,
    WINDOW,
    Board,
    Kind,
    Seat,
    Window,
    ranked,
)
from domain.places.rules import wanted_slug
from domain.positions import Seated, State
from domain.settings import settings

SCOPES: Final = ("all", "following")
EntityType = Literal["dish", "restaurant", "user"]
TYPES: Final[dict[Kind, EntityType]] = {"dishes": "dish", "restaurants": "restaurant", "users": "user"}


class BoardEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A place on a board. `position` is one's own, `rank` is shared with who has the same score; `reached_at` is since
    when they have what they have."""

    entity_type: EntityType
    entity_id: UUID
    name: str
    image_url: str | None
    position: int
    rank: int
    score: float
    reached_at: str


class BoardPage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a board as it was in one moment; `version` is what live changes follow on."""

    board: str
    version: int
    size: int
    items: list[BoardEntry]
    next_cursor: str | None


class EntryNotFound(NotFound):
    """It is not on this board."""


class Behind(NamedTuple):
    """Where a page ended."""

    score: int
    reached_at: datetime
    entity_id: UUID


# $1 is the board, $2 to $4 where the page before ended, $5 how many, $6 whether each is counted and not the first only,
# $7 up to which size that is done here, $8 the viewer, $9 an entry, $10 how many of whom the viewer follows. The board
# is a row of its own, once at least. `ahead` are those between an entry and the one before it, and `level` of these
# those with its own score: however many entries, the board is read once.
_READ = """
SELECT b.id, b.copy_id, b.seq, b.size, b.version, e.entity_id, e.name, e.image_url, e.score, e.reached_at,
    e.weight, e.points, e.ratings,
    CASE WHEN e.seq > b.rescored AND e.seq <= b.rescoring THEN b.former ELSE b.prior END AS prior,
    CASE WHEN ($6 OR e.n = 1) AND b.size <= $7::int THEN (
        SELECT count(*) FROM leaderboard_entries o WHERE o.board_id = b.id AND o.score IS NOT NULL
            AND (-o.score, o.reached_at, o.entity_id) >= (-e.score_before, e.reached_before, e.id_before)
            AND (-o.score, o.reached_at, o.entity_id) < (-e.score, e.reached_at, e.entity_id)
    ) END AS ahead,
    CASE WHEN ($6 OR e.n = 1) AND b.size <= $7::int AND e.score < e.score_before THEN (
        SELECT count(*) FROM leaderboard_entries o WHERE o.board_id = b.id AND o.score IS NOT NULL
            AND -o.score = -e.score AND (o.reached_at, o.entity_id) < (e.reached_at, e.entity_id)
    ) END AS level
FROM (SELECT $2::bigint, $3::timestamptz, $4::uuid, $5::int, $6::boolean, $8::uuid, $9::uuid, $10::int) asked
LEFT JOIN leaderboards b ON b.name = $1
LEFT JOIN LATERAL (
    SELECT found.*, row_number() OVER places AS n, lag(found.score, 1, 9223372036854775807) OVER places AS score_before,
        lag(found.reached_at, 1, '-infinity') OVER places AS reached_before,
        lag(found.entity_id, 1, '00000000-0000-0000-0000-000000000000') OVER places AS id_before
    FROM (found_here) found WINDOW places AS (ORDER BY -found.score, found.reached_at, found.entity_id)
) e ON true
ORDER BY e.n
"""

_ORDER = " ORDER BY -e.score, e.reached_at, e.entity_id LIMIT $5"
_ON_BOARD = "SELECT * FROM leaderboard_entries e WHERE e.board_id = b.id AND e.score IS NOT NULL"

READ_FIRST = _READ.replace("found_here", _ON_BOARD + _ORDER)

READ_NEXT = _READ.replace(
    "found_here", _ON_BOARD + " AND (-e.score, e.reached_at, e.entity_id) > (-$2::bigint, $3, $4)" + _ORDER
)

_FOLLOWED = """((SELECT followed_id FROM follows WHERE follower_id = $8 AND status = 'active'
    ORDER BY created_at DESC LIMIT $10) UNION ALL SELECT $8)"""
_RANKED = " FROM dish_rankings k WHERE k.rank IS NOT NULL AND k.user_id IN " + _FOLLOWED
_CHOSEN: Final[dict[Kind, str]] = {
    "users": _FOLLOWED,
    "dishes": "(SELECT DISTINCT k.dish_id" + _RANKED + " AND k.dish_type = b.about)",
    "restaurants": "(SELECT DISTINCT k.restaurant_id" + _RANKED + ")",
}

# OFFSET 0: each is looked up by its key, and the board is not walked through.
_FOLLOWING = """SELECT e.* FROM chosen_here AS chosen (id), LATERAL (
            SELECT * FROM leaderboard_entries o
            WHERE o.entity_id = chosen.id AND o.board_id = b.id AND o.score IS NOT NULL OFFSET 0
        ) e
        WHERE ($4::uuid IS NULL OR (-e.score, e.reached_at, e.entity_id) > (-$2::bigint, $3, $4))
        ORDER BY -e.score, e.reached_at, e.entity_id LIMIT $5"""

# People whom the viewer follows, and themselves; or what these have ranked.
READ_FOLLOWING: Final[dict[Kind, str]] = {
    kind: _READ.replace("found_here", _FOLLOWING.replace("chosen_here", chosen)) for kind, chosen in _CHOSEN.items()
}

# An entry, and up to $5 on both sides of it.
READ_AROUND = _READ.replace(
    "found_here",
    """SELECT beside.* FROM leaderboard_entries me, LATERAL (
            (SELECT * FROM leaderboard_entries e WHERE e.board_id = b.id AND e.score IS NOT NULL
                AND (-e.score, e.reached_at, e.entity_id) < (-me.score, me.reached_at, me.entity_id)
            ORDER BY -e.score DESC, e.reached_at DESC, e.entity_id DESC LIMIT $5)
            UNION ALL
            (SELECT * FROM leaderboard_entries e WHERE e.board_id = b.id AND e.score IS NOT NULL
                AND (-e.score, e.reached_at, e.entity_id) >= (-me.score, me.reached_at, me.entity_id)
            ORDER BY -e.score, e.reached_at, e.entity_id LIMIT $5 + 1)
        ) beside WHERE me.board_id = b.id AND me.entity_id = $9 AND me.score IS NOT NULL""",
)

WINDOWS = """
SELECT b.id AS board_id, e.entity_id, e.score, e.name, e.image_url, e.reached_at
FROM unnest($1::int[]) AS b (id), LATERAL (
    SELECT * FROM leaderboard_entries e WHERE e.board_id = b.id AND e.score IS NOT NULL
    ORDER BY -e.score, e.reached_at, e.entity_id LIMIT $2
) e
ORDER BY b.id, -e.score, e.reached_at, e.entity_id
"""


async def read_windows(boards: Collection[int]) -> dict[int, Window]:
    """The first of each board, by its number."""
    found: dict[int, list[db.Row]] = {board_id: [] for board_id in boards}
    for row in await db.fetch(WINDOWS, boards, WINDOW):
        found[row["board_id"]].append(row)
    return {board_id: _window(rows) for board_id, rows in found.items()}


def _window(rows: Sequence[db.Row]) -> Window:
    places = ranked([row["score"] for row in rows], 1, 1)
    return {
        row["entity_id"]: Seat(*place, row["score"], row["name"], row["image_url"], row["reached_at"])
        for row, place in zip(rows, places, strict=True)
    }


EVERY_SIZE: Final = 2**31 - 1
TRIES: Final = 3


class Part(NamedTuple):
    """Rows of a board that follow on each other, or each for itself, with their places."""

    board: db.Row | None
    rows: list[db.Row]
    places: list[tuple[int, int]]


async def read_part(
    sql: str,
    name: str,
    limit: int,
    *,
    behind: Behind | None = None,
    each: bool = False,
    viewer: Viewer | None = None,
    entity_id: UUID | None = None,
) -> Part:
    """A part of a board, all in one snapshot. Redis says where it is, when the board is large; else it is counted."""
    begins = (None, None, None) if behind is None else behind
    args = (name, *begins, limit, each)
    about = (None if viewer is None else viewer.id, entity_id, settings.leaderboards_following)
    for attempt in range(TRIES):
        counted = EVERY_SIZE if attempt == TRIES - 1 else settings.leaderboards_counted
        found = await db.fetch(sql, *args, counted, *about)
        board = found[0] if found and found[0]["id"] is not None else None
        rows = [row for row in found if row["entity_id"] is not None]
        if board is None or not rows:
            return Part(board, [], [])
        asked = rows if each else rows[:1]
        if sql is READ_FIRST:
            before = [(0, 0)]
        elif asked[0]["ahead"] is not None:
            before = list(_ahead_and_better(asked))
        else:
            state = State(board["id"], board["copy_id"], board["seq"], board["size"])
            seated = [Seated(row["score"], row["reached_at"], row["entity_id"]) for row in asked]
            told = await positions.ahead_of(state, seated)
            if told is None:
                continue
            before = told
        if each:
            return Part(board, rows, [(ahead + 1, better + 1) for ahead, better in before])
        ((ahead, better),) = before
        return Part(board, rows, ranked([row["score"] for row in rows], ahead + 1, better + 1))
    raise AssertionError("the last try counts")


def _ahead_and_better(rows: Sequence[db.Row]) -> Iterator[tuple[int, int]]:
    """Of entries in order: how many are ahead of each, and how many of these have a better score."""
    ahead = level = 0
    for row in rows:
        ahead += row["ahead"]
        level = level + row["ahead"] if row["level"] is None else row["level"]
        yield ahead, ahead - level


def place_of(board: Board, row: db.Row, place: tuple[int, int]) -> dict[str, Any]:
    return {
        "entity_type": TYPES[board.kind],
        "entity_id": row["entity_id"],
        "name": row["name"],
        "image_url": row["image_url"],
        "position": place[0],
        "rank": place[1],
        "score": row["score"] / SCALE,
        "reached_at": stamp(row["reached_at"]),
    }


def _page(board: Board, part: Part, limit: int) -> tuple[BoardPage, Behind | None]:
    """The page, and where it ends when there is more."""
    items = [BoardEntry(**place_of(board, row, place)) for row, place in zip(part.rows, part.places, strict=True)][
        :limit
    ]
    known = part.board
    page = BoardPage(
        board=board.name,
        version=0 if known is None else known["version"],
        size=0 if known is None else known["size"],
        items=items,
        next_cursor=None,
    )
    last = part.rows[limit - 1] if len(part.rows) > limit else None
    return page, None if last is None else Behind(last["score"], last["reached_at"], last["entity_id"])


async def read_board(
    viewer: Viewer, name: str, behind: Behind | None, limit: int, scope: str
) -> tuple[BoardPage, Behind | None]:
    """A page of a board, from behind an entry on, and where it ends: of everybody, or of whom the viewer follows with
    themselves, or of what these ranked. Raises BoardNotFound, Invalid."""
    if scope not in SCOPES:
        raise Invalid({"scope": "It is all or following."})
    board = await check_board(name)
    if scope == "following":
        sql = READ_FOLLOWING[board.kind]
        part = await read_part(sql, name, limit + 1, behind=behind, each=True, viewer=viewer)
    else:
        part = await read_part(READ_FIRST if behind is None else READ_NEXT, name, limit + 1, behind=behind)
    return _page(board, part, limit)


async def check_entry(viewer: Viewer, name: str, entity_id: UUID) -> Board:
    """The board of this name, for asking of something on it. Raises BoardNotFound; EntryNotFound for somebody whom the
    viewer may not see: that they are listed is for everybody, what they have is not asked for by name."""
    board = await check_board(name)
    if board.kind == "users" and not await visible_users(viewer, [UserID(entity_id)]):
        raise EntryNotFound({"entity_id": EntryNotFound().message})
    return board


async def read_around(viewer: Viewer, name: str, entity_id: UUID, limit: int) -> BoardPage:
    """An entry and those around it, as many ahead of it as behind where there are. Raises BoardNotFound,
    EntryNotFound."""
    board = await check_entry(viewer, name, entity_id)
    part = await read_part(READ_AROUND, name, limit - 1, entity_id=entity_id)
    at = next((i for i, row in enumerate(part.rows) if row["entity_id"] == entity_id), None)
    if at is None:
        raise EntryNotFound({"entity_id": EntryNotFound().message})
    first = max(0, min(at - limit // 2, len(part.rows) - limit))
    page, _ = _page(board, Part(part.board, part.rows[first:], part.places[first:]), limit)
    return page


async def best_dishes(
    viewer: Viewer, city: str, dish_type: str, behind: Behind | None, limit: int
) -> tuple[list[Dish], Behind | None]:
    """The dishes of a type in a city, the best first, and where the page ends. A city is a name or a slug. Raises
    BoardNotFound, Invalid."""
    where, what = wanted_slug(city, "city"), wanted_slug(dish_type, "dish_type")
    page, end = await read_board(viewer, f"dishes:{where}:{what}", behind, limit, "all")
    found = {dish.id: dish for dish in await read_dishes(viewer, [each.entity_id for each in page.items])}
    wanted = [DishID(each.entity_id) for each in page.items]
    return [found[each] for each in wanted if each in found], end
