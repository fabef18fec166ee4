"""Changing who and what stands on boards: scores, windows, versions, and the news of them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from domain import db, topics
from domain.clock import stamp
from domain.eventlog import Event, emit_all
from domain.ids import DishID
from domain.leaderboards.events import BoardCrossed, DishScore, LeaderboardChanged, Move
from domain.leaderboards.queries import read_windows
from domain.leaderboards.rules import (
    ALL_TIME,
    SCALE,
    Kind,
    Seat,
    Window,
    changes,
    crossed,
    mean,
    next_prior,
    parse_board,
    parts,
    reranked,
)
from domain.settings import settings

SMALL: Final = 1_000
"""Boards of up to so many entries get other scores at once, larger ones by and by."""
RESCORED_AT_ONCE: Final = 5_000
"""About so many entries get other scores in a statement: a tenth of a second."""
RESCORED_IN_TURN: Final = 50
"""So many parts of large boards do, before what else is to be done by the hour gets its turn."""


class Entry(NamedTuple):
    """What somebody or something has on a board, but for its score."""

    name: str
    image_url: str | None
    weight: Decimal
    points: Decimal
    ratings: int
    reached_at: datetime


GONE: Final = None
_NOTHING: Final = Entry("", None, Decimal(0), Decimal(0), 0, datetime.min)  # noqa: DTZ901 - no time at all

Place = tuple[str, UUID]
"""A board's name, and whom or what of it."""


class _Held(NamedTuple):
    """A board as it is stored."""

    id: int
    name: str
    kind: Kind
    season: int
    version: int
    size: int
    weight: Decimal
    points: Decimal
    prior: Decimal | None
    seq: int
    rescored: int
    rescoring: int


# One that was there before and is forgotten goes on behind all its versions: each of them had a change of its own.
ADD_BOARDS = """
INSERT INTO leaderboards (name, kind, city, about, season, version)
SELECT *, nextval('leaderboard_changes') FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[])
ON CONFLICT (name) DO NOTHING
"""

HOLD_BOARDS = """
SELECT id, name, kind, season, version, size, weight, points, prior, seq, rescored, rescoring FROM leaderboards
WHERE name = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE
"""

WRITE = """
INSERT INTO leaderboard_entries (board_id, entity_id, name, image_url, weight, points, ratings, reached_at, score, seq)
SELECT new.board_id, new.entity_id, new.name, new.image_url, new.weight, new.points, new.ratings, new.reached_at,
    board_score(new.prior, new.weight, new.points), nextval('leaderboard_changes')
FROM unnest($1::int[], $2::uuid[], $3::text[], $4::text[], $5::numeric[], $6::numeric[], $7::int[],
    $8::timestamptz[], $9::numeric[])
    AS new (board_id, entity_id, name, image_url, weight, points, ratings, reached_at, prior)
ON CONFLICT (entity_id, board_id) DO UPDATE SET name = excluded.name, image_url = excluded.image_url,
    weight = excluded.weight, points = excluded.points, ratings = excluded.ratings, reached_at = excluded.reached_at,
    score = excluded.score, seq = excluded.seq
"""

# What they were called is forgotten at once; that they are gone, once copies have had the time to hear of it.
REMOVE = """
UPDATE leaderboard_entries e SET name = '', image_url = NULL, weight = 0, points = 0, ratings = 0, score = NULL,
    reached_at = clock_timestamp(), seq = nextval('leaderboard_changes')
FROM unnest($1::int[], $2::uuid[]) AS gone (board_id, entity_id)
WHERE e.board_id = gone.board_id AND e.entity_id = gone.entity_id
"""

RESCORE = """
UPDATE leaderboard_entries e SET score = board_score(b.prior, e.weight, e.points), seq = nextval('leaderboard_changes')
FROM unnest($1::int[], $2::numeric[]) AS b (id, prior)
WHERE e.board_id = b.id AND e.score <> board_score(b.prior, e.weight, e.points)
"""

# Of a large one, the next ones behind $3 of those up to $4. What gets a new score is behind $4 then. By where the rows
# lie, which nobody changes while the board is held: a join may be planned as each with each.
RESCORE_PART = """
WITH part AS MATERIALIZED (
    SELECT ctid AS row, seq FROM leaderboard_entries
    WHERE board_id = $1 AND seq > $3 AND seq <= $4 ORDER BY seq LIMIT $5
), changed AS (
    UPDATE leaderboard_entries e SET score = board_score($2, e.weight, e.points), seq = nextval('leaderboard_changes')
    WHERE e.ctid = ANY (ARRAY(SELECT row FROM part)) AND e.score <> board_score($2, e.weight, e.points)
)
SELECT max(seq) FROM part
"""

# Before the new prior is saved: what is there by now has scores of the former one.
BEGIN_RESCORING = "UPDATE leaderboards SET former = prior, rescored = 0, rescoring = seq WHERE id = ANY($1::int[])"
END_RESCORING = "UPDATE leaderboards SET rescoring = 0 WHERE id = ANY($1::int[])"
RESCORED = "UPDATE leaderboards SET rescored = $2 WHERE id = $1"
BEING_RESCORED = "SELECT name FROM leaderboards WHERE rescoring > 0 ORDER BY id LIMIT 1"

SAVE = """
UPDATE leaderboards b SET version = new.version, size = new.size, weight = new.weight, points = new.points,
    prior = new.prior,
    seq = greatest(b.seq, (SELECT max(e.seq) FROM leaderboard_entries e WHERE e.board_id = b.id))
FROM unnest($1::int[], $2::bigint[], $3::int[], $4::numeric[], $5::numeric[], $6::numeric[])
    AS new (id, version, size, weight, points, prior)
WHERE b.id = new.id
"""


LEFT = """
SELECT e.board_id, e.entity_id, e.name, e.image_url, e.score, e.reached_at
FROM unnest($1::int[], $2::uuid[]) AS gone (board_id, entity_id)
JOIN leaderboard_entries e ON e.board_id = gone.board_id AND e.entity_id = gone.entity_id
"""

# The scores that changed behind $2, up to so many a board, and those of others.
SCORES = """
SELECT b.id AS board_id, e.entity_id, e.score, e.ratings FROM unnest($1::int[], $2::bigint[]) AS b (id, seq), LATERAL (
    SELECT * FROM leaderboard_entries e WHERE e.board_id = b.id AND e.seq > b.seq ORDER BY e.seq LIMIT $3
) e
UNION ALL
SELECT e.board_id, e.entity_id, e.score, e.ratings FROM unnest($4::int[], $5::uuid[]) AS other (board_id, entity_id)
JOIN leaderboard_entries e ON e.board_id = other.board_id AND e.entity_id = other.entity_id
"""


class _Span(NamedTuple):
    """A board and its window, before a change and behind it."""

    was: _Held
    now: _Held
    before: Window
    after: Window


async def change(changed: dict[Place, Entry | None], old: dict[Place, Entry]) -> None:
    """Write these entries, give the boards the prior that they have then, and tell it."""
    held = await _hold({board for board, _ in changed})
    before = await read_windows([board.id for board in held])
    now = _after(held, changed, old)
    rows = [
        (now[board].id, entity_id, *entry, now[board].prior) for (board, entity_id), entry in changed.items() if entry
    ]
    if rows:
        await db.execute(WRITE, *zip(*rows, strict=True))
    gone = [(now[board].id, entity_id) for (board, entity_id), entry in changed.items() if entry is GONE]
    if gone:
        await db.execute(REMOVE, *zip(*gone, strict=True))
    await _rescore([(board, now[board.name]) for board in held])
    await _save(held, now, before, settings.leaderboards_told)


async def _save(held: Sequence[_Held], now: dict[str, _Held], before: dict[int, Window], told: int) -> None:
    """Have the boards be as they are now, and tell what is seen of it; of other scores up to so many a board."""
    after = await read_windows([board.id for board in held])
    spans = [_Span(board, now[board.name], before[board.id], after[board.id]) for board in held]
    seen = [span for span in spans if changes(span.before, span.after) or span.was.size != span.now.size]
    spans = [span._replace(now=span.now._replace(version=span.was.version + (span in seen))) for span in spans]
    saved = [(now.id, now.version, now.size, now.weight, now.points, now.prior) for _, now, _, _ in spans]
    await db.execute(SAVE, *zip(*saved, strict=True))
    await emit_all([*await _moves(spans), *await _scores(spans, told), *_crossings(spans)])


async def _hold(names: set[str]) -> list[_Held]:
    rows = await db.fetch(HOLD_BOARDS, names)
    if len(rows) < len(names):
        boards = [(name, *parsed) for name in sorted(names) if (parsed := parse_board(name)) is not None]
        await db.execute(ADD_BOARDS, *zip(*boards, strict=True))
        rows = await db.fetch(HOLD_BOARDS, names)
    return [_Held(*row.values()) for row in rows]


def _after(held: Sequence[_Held], changed: dict[Place, Entry | None], old: dict[Place, Entry]) -> dict[str, _Held]:
    """The boards with sizes, sums and priors as they are after the change."""
    sums = {board.name: (board.size, board.weight, board.points) for board in held}
    for place, entry in changed.items():
        size, weight, points = sums[place[0]]
        was, is_now = old.get(place) or _NOTHING, entry or _NOTHING
        size += (entry is not GONE) - (place in old)
        sums[place[0]] = (size, weight + is_now.weight - was.weight, points + is_now.points - was.points)
    after: dict[str, _Held] = {}
    for board in held:
        size, weight, points = sums[board.name]
        exact = None if board.kind == "users" else mean(weight, points)
        follows = size <= settings.leaderboards_exact_size
        prior = next_prior(board.prior, exact, follows=follows, tolerance=settings.leaderboards_tolerance)
        if board.rescoring and size > SMALL:  # one after the other
            prior = board.prior
        after[board.name] = board._replace(size=size, weight=weight, points=points, prior=prior)
    return after


async def _rescore(boards: Sequence[tuple[_Held, _Held]]) -> None:
    """Give what is on these boards, before and after a change, the scores that new priors make of it: on small ones at
    once, and on large ones later, so that no change ever takes long."""
    changed = [(was, now) for was, now in boards if was.prior != now.prior or (was.rescoring and now.size <= SMALL)]
    small = [now for _, now in changed if now.size <= SMALL]
    for part in parts([board.size for board in small], RESCORED_AT_ONCE):
        await db.execute(RESCORE, [board.id for board in small[part]], [board.prior for board in small[part]])
    if ended := [was.id for was, now in changed if was.rescoring and now.size <= SMALL]:
        await db.execute(END_RESCORING, ended)
    if begun := [now.id for _, now in changed if now.size > SMALL]:
        await db.execute(BEGIN_RESCORING, begun)


async def rescore_some() -> None:
    """Go on with large boards that have a new prior, a part after the other, each a change of its own."""
    for _ in range(RESCORED_IN_TURN):
        if not await rescore_part():
            return


async def rescore_part() -> bool:
    """Give the next part of a large board its new scores; False when there is none."""
    async with db.transaction():
        name = await db.fetchval(BEING_RESCORED)
        if name is None:
            return False
        held = await _hold({name})
        (board,) = held
        before = await read_windows([board.id for board in held])
        args = (board.id, board.prior, board.rescored, board.rescoring, RESCORED_AT_ONCE)
        upto = await db.fetchval(RESCORE_PART, *args)
        if upto is None:  # meanwhile the mean may have moved on
            await db.execute(END_RESCORING, [board.id])
            held = [board._replace(rescoring=0)]
        else:
            await db.execute(RESCORED, board.id, upto)
        now = _after(held, {}, {})
        await _rescore([(each, now[each.name]) for each in held])
        told = settings.leaderboards_told if board.size <= settings.leaderboards_told else 0
        await _save(held, now, before, told)
        return True


async def _moves(spans: Sequence[_Span]) -> list[tuple[Event, str]]:
    """What of each board is seen differently."""
    left = [(span.now.id, each) for span in spans for each in span.before.keys() - span.after.keys()]
    outside: dict[tuple[int, UUID], Seat] = {}
    for row in await db.fetch(LEFT, *zip(*left, strict=True)) if left else ():
        seat = Seat(0, 0, row["score"] or 0, row["name"], row["image_url"], row["reached_at"])
        outside[row["board_id"], row["entity_id"]] = seat
    news: list[tuple[Event, str]] = []
    for span in spans:
        if span.was.version == span.now.version:
            continue
        moves = [_move(each, span, outside) for each in changes(span.before, span.after)]
        version, size = span.now.version, span.now.size
        known = span.was.version if span.was.seq else 0  # of a new board everybody knows that there is nothing on it
        told = LeaderboardChanged(version=version, from_version=known, size=size, moves=moves)
        news.append((told, topics.leaderboard(span.now.name)))
    return news


def _move(entity_id: UUID, span: _Span, outside: dict[tuple[int, UUID], Seat]) -> Move:
    was, inside = span.before.get(entity_id), span.after.get(entity_id)
    seat = inside or outside[span.now.id, entity_id]
    return Move(
        entity_id=entity_id,
        name=seat.name,
        old=None if was is None else was.position,
        new=None if inside is None else inside.position,
        rank=None if inside is None else inside.rank,
        score=seat.score / SCALE,
        image_url=seat.image_url,
        reached_at=stamp(seat.reached_at),
    )


async def _scores(spans: Sequence[_Span], most: int) -> list[tuple[Event, str]]:
    """The scores of dishes that changed, up to so many a board, and whose rank did."""
    boards = {span.now.id: span for span in spans if (span.now.kind, span.now.season) == ("dishes", ALL_TIME)}
    if not boards:
        return []
    since = [(board_id, span.was.seq) for board_id, span in boards.items()]
    seen = [(board_id, each) for board_id, span in boards.items() for each in reranked(span.before, span.after)]
    others = [[board_id for board_id, _ in seen], [dish_id for _, dish_id in seen]]
    rows = await db.fetch(SCORES, *zip(*since, strict=True), most, *others)
    told: dict[DishID, DishScore] = {}
    for row in sorted(rows, key=lambda row: row["score"] is not None):  # one that moved to another board is there
        span, dish_id, score = boards[row["board_id"]], row["entity_id"], row["score"]
        seat = span.after.get(dish_id)
        told[dish_id] = DishScore(
            score=None if score is None else score / SCALE,
            raters=row["ratings"],
            rank=None if seat is None else seat.rank,
            board=span.now.name,
        )
    return [(score, topics.dish(dish_id)) for dish_id, score in told.items()]


def _crossings(spans: Sequence[_Span]) -> Iterator[tuple[Event, None]]:
    """Who and what is among the first now, or no longer; small boards make nobody proud, and restaurants are nobody."""
    for span in spans:
        if span.now.kind == "restaurants" or span.now.size < settings.leaderboards_news_size:
            continue
        for entity_id in crossed(span.before, span.after):
            was, seat = span.before.get(entity_id), span.after.get(entity_id)
            known = seat or was
            assert known is not None
            yield (
                BoardCrossed(
                    board=span.now.name,
                    entity_id=entity_id,
                    name=known.name,
                    old=None if was is None else was.position,
                    new=None if seat is None else seat.position,
                ),
                None,
            )


# As if nobody had counted: of another copy, too. $2 is up to which size scores are made at once.
RECOUNT = """
UPDATE leaderboards b SET size = due.size, weight = due.weight, points = due.points, copy_id = gen_random_uuid(),
    seq = greatest(b.seq, due.seq), former = b.prior, rescored = 0,
    rescoring = CASE WHEN due.size > $2 THEN greatest(b.seq, due.seq) ELSE 0 END,
    prior = CASE WHEN b.kind <> 'users' THEN round(due.points / nullif(due.weight, 0), 4) END
FROM (
    SELECT count(*)::int AS size, coalesce(sum(e.weight), 0) AS weight, coalesce(sum(e.points), 0) AS points,
        max(e.seq) AS seq
    FROM leaderboard_entries e
    WHERE e.board_id = (SELECT id FROM leaderboards WHERE name = $1) AND e.score IS NOT NULL
) due
WHERE b.name = $1
"""


async def recount(name: str) -> None:
    """Give a board the size, the sums and the prior that its entries have, and them their scores, on a large one by and
    by; and tell it."""
    held = await _hold({name})
    before = await read_windows([board.id for board in held])
    await db.execute(RECOUNT, name, SMALL)
    (board,) = await _hold({name})
    if board.size <= SMALL:
        await db.execute(RESCORE, [board.id], [board.prior])
    await _save(held, {name: board}, before, settings.leaderboards_told)


FORGET_GONE = """
WITH held AS MATERIALIZED (
    SELECT id FROM leaderboards WHERE id IN (
        SELECT board_id FROM leaderboard_entries WHERE score IS NULL AND reached_at < now() - interval '1 hour'
    ) ORDER BY id FOR NO KEY UPDATE
), gone AS (
    DELETE FROM leaderboard_entries e USING held
    WHERE e.board_id = held.id AND e.score IS NULL AND e.reached_at < now() - interval '1 hour'
    RETURNING e.board_id, e.seq
)
UPDATE leaderboards b SET forgotten = greatest(b.forgotten, g.seq)
FROM (SELECT board_id, max(seq) AS seq FROM gone GROUP BY board_id) g WHERE b.id = g.board_id
"""

FORGET_BOARDS = """
DELETE FROM leaderboards b
WHERE b.size = 0 AND NOT EXISTS (SELECT FROM leaderboard_entries e WHERE e.board_id = b.id)
"""


async def forget_gone() -> None:
    """Forget what was taken off boards, and boards that have nothing else; copies that have not heard of it by now are
    made anew."""
    await db.execute(FORGET_GONE)
    await db.execute(FORGET_BOARDS)
