"""Folding events into what is news to somebody."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec

from domain.acts.queries import fans_of, owners_of, tellable
from domain.acts.rules import FOLDED, Happened, steps_of
from domain.comments.events import CommentCreated
from domain.eventlog import Logged
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
    crossed = {data.entity_id for data, _ in happened if isinstance(data, BoardCrossed)}
    fans = await fans_of(crossed, settings.leaderboards_fans)
    steps = steps_of(happened, await owners_of(*_named(happened)), fans)
    for start in range(0, len(steps), settings.fold_limit):  # one event can be many acts
        part = steps[start : start + settings.fold_limit]
        told = await tellable([step for step in part if isinstance(step, Act)])
        await notifications.take([step for step in part if isinstance(step, Undo) or step in told])


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
