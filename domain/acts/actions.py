"""Folding events into what is news to somebody."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from domain import db
from domain.acts.queries import crossings_of, fans_of, owners_of, tellable
from domain.acts.rules import FOLDED, Happened, Met, crossing_of, said_of, steps_of
from domain.clock import now, stamp
from domain.comments.events import CommentCreated
from domain.eventlog import Logged, emit_all, encode
from domain.ids import UserID
from domain.leaderboards.events import BoardCrossed
from domain.mentions.events import MentionsChanged
from domain.notifications import actions as notifications
from domain.notifications.rules import Act, Undo
from domain.reactions.events import PostLiked
from domain.reviews.events import ReviewLiked
from domain.settings import settings

_decoders: dict[str, msgspec.json.Decoder[Any]] = {kind.type: msgspec.json.Decoder(kind) for kind in FOLDED}


async def fold(events: Sequence[Logged]) -> None:
    """Have what the events say be told to those whom it concerns."""
    happened: list[Happened] = [(_decoders[event.type].decode(event.data), event.at) for event in events]
    steps = steps_of(happened, await owners_of(*_named(happened)), await _say(happened))
    for start in range(0, len(steps), settings.fold_limit):  # one event can be many acts
        part = steps[start : start + settings.fold_limit]
        told = await tellable([step for step in part if isinstance(step, Act)])
        await notifications.take([step for step in part if isinstance(step, Undo) or step in told])


REMEMBER = """
INSERT INTO told_crossings AS t (subject_id, place, has_entered, told_at)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::boolean[], $4::timestamptz[])
ON CONFLICT (subject_id, place, has_entered) DO UPDATE SET told_at = excluded.told_at
"""


WAIT = """
INSERT INTO waiting_crossings AS w (subject_id, place, has_entered, data, crossed_at, due_at)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::boolean[], $4::json[], $5::timestamptz[], $6::timestamptz[])
ON CONFLICT (subject_id) DO UPDATE SET place = excluded.place, has_entered = excluded.has_entered,
    data = excluded.data, crossed_at = excluded.crossed_at, due_at = excluded.due_at
"""

WAIT_NO_MORE = "DELETE FROM waiting_crossings WHERE subject_id = ANY($1::uuid[])"


async def _say(happened: Sequence[Happened]) -> dict[int, Sequence[UserID]]:
    """By its index, whom each crossing of a board is told: somebody themselves, of a dish who ranks it first; nobody
    what was told a short time ago, however often a place changes hands: that waits. What waited and is so no more is
    left out."""
    crossed = [(i, data, at) for i, (data, at) in enumerate(happened) if isinstance(data, BoardCrossed)]
    if not crossed:
        return {}
    met = [Met(crossing_of(data), at, _time(data.waited_since)) for _, data, at in crossed]
    every = timedelta(seconds=settings.leaderboards_news_again_s)
    told, waiting = await crossings_of({each.crossing.subject_id for each in met})
    said = said_of(met, told, waiting, every)
    if said.latest:
        await db.execute(REMEMBER, *zip(*((*each, at) for each, at in said.latest.items()), strict=True))
    if ended := [subject for subject, i in said.waits.items() if i is None]:
        await db.execute(WAIT_NO_MORE, ended)
    told |= said.latest
    if begun := [(met[i], crossed[i][1]) for i in said.waits.values() if i is not None]:
        rows = [(*each.crossing, encode(data), each.at, told[each.crossing] + every) for each, data in begun]
        await db.execute(WAIT, *zip(*rows, strict=True))
    news = [crossed[i][:2] for i in sorted(said.anew)]
    people = {i: [UserID(data.entity_id)] for i, data in news if data.board.startswith("users:")}
    dishes = {data.entity_id for i, data in news if i not in people}
    fans = await fans_of(dishes, settings.leaderboards_fans)
    concerned: dict[int, Sequence[UserID]] = {crossed[i][0]: () for i in range(len(crossed)) if i not in said.stale}
    return concerned | {i: people.get(i) or fans.get(data.entity_id, ()) for i, data in news}


def _time(stamped: str | None) -> datetime | None:
    return None if stamped is None else datetime.fromisoformat(stamped)


AT_ONCE: Final = 1_000

TAKE_DUE = """
DELETE FROM waiting_crossings w USING (
    SELECT subject_id FROM waiting_crossings WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
) due WHERE w.subject_id = due.subject_id RETURNING w.data::text AS data, w.crossed_at
"""


async def tell_waiting_crossings() -> None:
    """Tell what crossed a board and has waited long enough, for it is still so."""
    decode = _decoders[BoardCrossed.type].decode
    async with db.transaction():
        rows = await db.fetch(TAKE_DUE, now(), AT_ONCE)
        waited = [(decode(row["data"]), stamp(row["crossed_at"])) for row in rows]
        await emit_all([(msgspec.structs.replace(data, waited_since=since), None) for data, since in waited])


FORGET = "DELETE FROM told_crossings WHERE told_at < $1"


async def forget_crossings() -> None:
    """Forget what was told so long ago that it may be told again."""
    await db.execute(FORGET, now() - timedelta(seconds=settings.leaderboards_news_again_s))


def _named(happened: Collection[Happened]) -> tuple[set[UUID], set[UUID]]:
    """The posts and reviews that something was done to, and the comments that may answer others."""
    things: set[UUID] = set()
    comments: set[UUID] = set()
    for data, _ in happened:
        match data:
            case PostLiked(post_id=post_id):
                things.add(post_id)
            case ReviewLiked(review_id=review_id):
                things.add(review_id)
            case CommentCreated(comment=comment):
                things.add(comment.target.id)
                comments |= {comment.id} if comment.parent_id is not None else set()
            case MentionsChanged(target=said, post_id=post_id, review_id=review_id):
                things |= {each for each in (post_id, review_id) if each is not None}
                comments |= {said.id} if said.type == "comment" else set()
            case _:
                pass
    return things, comments
