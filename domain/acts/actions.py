"""Folding events into what is news to somebody."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from domain import db
from domain.acts.queries import fans_of, owners_of, tellable, told_at
from domain.acts.rules import FOLDED, Happened, crossing_of, steps_of, told_anew
from domain.clock import now
from domain.comments.events import CommentCreated
from domain.eventlog import Logged
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
    steps = steps_of(happened, await owners_of(*_named(happened)), await _concerned(happened))
    for start in range(0, len(steps), settings.fold_limit):  # one event can be many acts
        part = steps[start : start + settings.fold_limit]
        told = await tellable([step for step in part if isinstance(step, Act)])
        await notifications.take([step for step in part if isinstance(step, Undo) or step in told])


REMEMBER = """
INSERT INTO told_crossings AS t (subject_id, place, has_entered, told_at)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::boolean[], $4::timestamptz[])
ON CONFLICT (subject_id, place, has_entered) DO UPDATE SET told_at = excluded.told_at
"""


async def _concerned(happened: Sequence[Happened]) -> dict[int, Sequence[UserID]]:
    """By its index, whom each crossing of a board is told: somebody themselves, of a dish who ranks it first; nobody
    what was told a short time ago, however often a place changes hands."""
    crossed = [(i, data, at) for i, (data, at) in enumerate(happened) if isinstance(data, BoardCrossed)]
    if not crossed:
        return {}
    met = [(crossing_of(data), at) for _, data, at in crossed]
    every = timedelta(seconds=settings.leaderboards_news_again_s)
    anew, latest = told_anew(met, await told_at({each for each, _ in met}), every)
    if latest:
        await db.execute(REMEMBER, *zip(*((*each, at) for each, at in latest.items()), strict=True))
    news = [(i, data) for (i, data, _), is_anew in zip(crossed, anew, strict=True) if is_anew]
    people = {i: [UserID(data.entity_id)] for i, data in news if data.board.startswith("users:")}
    dishes = {data.entity_id for i, data in news if i not in people}
    fans = await fans_of(dishes, settings.leaderboards_fans)
    return {i: people.get(i) or fans.get(data.entity_id, ()) for i, data in news}


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
