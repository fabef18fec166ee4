"""To whom an event is news, given whose the things are that it names."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from domain.comments.events import CommentCreated, CommentDeleted
from domain.eventlog import Event
from domain.graph.events import (
    FollowAccepted,
    FollowerRemoved,
    FollowRequested,
    FollowRequestRejected,
    FollowRequestWithdrawn,
    UserBlocked,
    UserFollowed,
    UserMuted,
    UserUnfollowed,
)
from domain.ids import PostID, ReviewID, UserID
from domain.leaderboards.events import BoardCrossed
from domain.leaderboards.rules import crossing, parse_board, title
from domain.mentions.events import MentionsChanged
from domain.notifications.rules import Act, Step, Undo
from domain.posts.events import PostDeleted
from domain.progression.events import BadgeEarned, LevelReached
from domain.reactions.events import PostLiked, PostUnliked
from domain.reviews.events import ReviewDeleted, ReviewLiked, ReviewUnliked
from domain.wording import ActType, Details

FOLDED: tuple[type[Event], ...] = (
    BoardCrossed,
    PostLiked,
    PostUnliked,
    PostDeleted,
    ReviewLiked,
    ReviewUnliked,
    ReviewDeleted,
    CommentCreated,
    CommentDeleted,
    UserFollowed,
    UserUnfollowed,
    FollowRequested,
    FollowRequestWithdrawn,
    FollowRequestRejected,
    FollowAccepted,
    FollowerRemoved,
    UserBlocked,
    UserMuted,
    MentionsChanged,
    BadgeEarned,
    LevelReached,
)
LIKE: frozenset[ActType] = frozenset({"like"})
REVIEW_LIKE: frozenset[ActType] = frozenset({"review_like"})
FOLLOW: frozenset[ActType] = frozenset({"follow", "follow_request"})
REQUEST: frozenset[ActType] = frozenset({"follow_request"})
ACCEPTED: frozenset[ActType] = frozenset({"follow_accepted"})
MENTION: frozenset[ActType] = frozenset({"mention"})

Happened = tuple[Any, datetime]
"""An event, and when."""


class Crossing(NamedTuple):
    """That something of a board, whose weeks are one with it, came among the first `place` of it, or left."""

    subject_id: UUID
    place: int
    has_entered: bool


def crossing_of(data: BoardCrossed) -> Crossing:
    """What is told of once within some time."""
    return Crossing(uuid5(data.entity_id, data.board.partition("@")[0]), *crossing(data.old, data.new))


class Met(NamedTuple):
    """A crossing, when it was told of, and since when it waited for that."""

    crossing: Crossing
    at: datetime
    since: datetime | None


class Said(NamedTuple):
    """What becomes of crossings, by their indices: which are told, which are of no interest any more; when each was
    last told then; and of each subject which one waits, or None when none does any more."""

    anew: set[int]
    stale: set[int]
    latest: dict[Crossing, datetime]
    waits: dict[UUID, int | None]


def said_of(
    met: Sequence[Met], told: Mapping[Crossing, datetime], waiting: Mapping[UUID, Crossing], every: timedelta
) -> Said:
    """Each is told once within some time. One that comes sooner waits, unless it is what was told last; what comes
    after it takes its place. `told` and `waiting` are those of all subjects."""
    said = Said(set(), set(), {}, {})
    known, waits = dict(told), dict(waiting)
    newest: dict[UUID, tuple[datetime, Crossing]] = {}
    for each, at in sorted(known.items(), key=lambda item: item[1]):
        newest[each.subject_id] = at, each
    for i, (each, at, since) in enumerate(met):
        subject = each.subject_id
        last = newest.get(subject)
        if since is not None and (subject in waits or (last is not None and last[0] > since)):
            said.stale.add(i)
        elif each not in known or at - known[each] >= every:
            said.anew.add(i)
            known[each] = said.latest[each] = at
            newest[subject] = at, each
            if waits.pop(subject, None) is not None:
                said.waits[subject] = None
        elif waits.get(subject) != each and (subject in waits or last is None or last[1] != each):
            waits[subject] = each
            said.waits[subject] = i
    return said


def steps_of(
    happened: Sequence[Happened],
    owners: dict[UUID, UserID],
    concerned: Mapping[int, Sequence[UserID]],
) -> list[Step]:
    """What the events are to inboxes, in their order; one's own acts are news to nobody.

    `owners` maps a post or a review to its author, and a reply to the author of what it answers; without what is gone.
    `concerned` says by its index whom a crossing of a board is told; one that is not in it is of no interest any more.
    """
    steps: list[Step] = []
    for i, (data, at) in enumerate(happened):
        match data:
            case PostLiked() | PostUnliked() | ReviewLiked() | ReviewUnliked():
                steps += _of_like(data, owners, at)
            case PostDeleted(id=post_id):
                steps.append(Undo("post", post_id))
            case ReviewDeleted(id=review_id):
                steps.append(Undo("review", review_id))
            case CommentCreated(comment=comment):
                steps += _of_comment(comment, owners, at)
            case CommentDeleted(ids=ids):
                steps += [Undo("subject", comment_id) for comment_id in ids]
            case MentionsChanged():
                steps += _of_mentions(data, owners, at)
            case UserBlocked(blocker_id=one, blocked_id=other):
                steps += [Undo("pair", one, other), Undo("pair", other, one)]
            case BadgeEarned() | LevelReached() | BoardCrossed():
                steps += _of_nobody(data, concerned.get(i), at)
            case _:
                steps += _of_people(data, at)
    return [step for step in steps if isinstance(step, Undo) or step.user_id != step.actor_id]


def _of_like(data: Any, owners: dict[UUID, UserID], at: datetime) -> list[Step]:
    match data:
        case PostLiked(post_id=post_id, user_id=actor) if post_id in owners:
            key = f"post_interaction:post:{post_id}"
            return [Act(owners[post_id], "like", key, actor, post_id, post_id, at)]
        case ReviewLiked(review_id=review_id, user_id=actor) if review_id in owners:
            key = f"review_interaction:review:{review_id}"
            return [Act(owners[review_id], "review_like", key, actor, review_id, None, at, review_id=review_id)]
        case PostUnliked(post_id=post_id, user_id=actor):
            return [Undo("act", post_id, actor, LIKE)]
        case ReviewUnliked(review_id=review_id, user_id=actor):
            return [Undo("act", review_id, actor, REVIEW_LIKE)]
        case _:
            return []


def _of_comment(comment: Any, owners: dict[UUID, UserID], at: datetime) -> list[Act]:
    """One comment tells nobody twice: whom it replies to hears of the reply, the target's author else of it."""
    actor, target = comment.author.id, comment.target
    post_id = PostID(target.id) if target.type == "post" else None
    review_id = ReviewID(target.id) if target.type == "review" else None
    acts: list[Act] = []
    if comment.id in owners:
        key = f"reply:comment:{comment.parent_id}"
        acts.append(Act(owners[comment.id], "reply", key, actor, comment.id, post_id, at, review_id))
    if target.id in owners and all(owners[target.id] != act.user_id for act in acts):
        key = f"comment:{target.type}:{target.id}"
        acts.append(Act(owners[target.id], "comment", key, actor, comment.id, post_id, at, review_id))
    return acts


def _of_mentions(changed: MentionsChanged, owners: dict[UUID, UserID], at: datetime) -> list[Step]:
    """Whom a comment is told to anyway hears nothing more of being mentioned in it."""
    said, actor = changed.target.id, changed.author_id
    post_id, review_id = changed.post_id, changed.review_id
    on, kind = (post_id, "post") if review_id is None else (review_id, "review")
    steps: list[Step] = [Undo("act", said, actor, MENTION, user_id) for user_id in changed.removed]
    if on is not None and on in owners:
        key, told = f"mention:{kind}:{on}", {owners[on], owners.get(said)}
        others = [each for each in changed.added if each not in told]
        steps += [Act(each, "mention", key, actor, said, post_id, at, review_id) for each in others]
    return steps


def _of_nobody(data: Any, told: Sequence[UserID] | None, at: datetime) -> list[Step]:
    """What somebody has come to: nobody did it to them."""
    if not isinstance(data, BoardCrossed):
        return [_of_award(data, at)]
    return [] if told is None else _of_crossing(data, told, at)


def _of_award(data: BadgeEarned | LevelReached, at: datetime) -> Act:
    user_id = data.user_id
    if isinstance(data, BadgeEarned):
        details = Details(data.badge.name, badge=data.badge.code)
        return Act(user_id, "badge_earned", f"badge_earned:user:{user_id}", None, data.id, None, at, details=details)
    details = Details(data.level.name, level=data.level.level)
    return Act(user_id, "level_reached", f"level_reached:user:{user_id}", None, data.id, None, at, details=details)


def _of_crossing(data: BoardCrossed, told: Sequence[UserID], at: datetime) -> list[Step]:
    """What was told before of its place there is true no more, also when nobody is told anything new."""
    subject, board = uuid5(data.entity_id, data.board), parse_board(data.board)
    if board is None:
        return []
    place, has_entered = crossing(data.old, data.new)
    kind: ActType = "board_entered" if has_entered else "board_left"
    details = Details(
        data.name,
        board=data.board,
        board_name=title(board),
        entity_id=data.entity_id,
        place=place,
        old=data.old,
        new=data.new,
    )
    key = f"{kind}:board:{uuid5(NAMESPACE_URL, f'{data.board}:{place}')}"
    acts = [Act(each, kind, key, None, subject, None, at, details=details) for each in told]
    return [Undo("subject", subject), *acts]


def _of_people(data: Any, at: datetime) -> list[Step]:
    if isinstance(data, UserMuted):
        return [Undo("pair", data.muter_id, data.muted_id)]
    follower, followed = data.follower_id, data.followed_id
    match data:
        case UserFollowed():
            asked = Undo("act", followed, follower, REQUEST)
            return [asked, Act(followed, "follow", f"follow:user:{followed}", follower, followed, None, at)]
        case FollowRequested():
            return [Act(followed, "follow_request", f"follow_request:user:{followed}", follower, followed, None, at)]
        case FollowAccepted():
            key = f"follow_accepted:user:{follower}"
            answered = Undo("act", followed, follower, REQUEST)
            return [answered, Act(follower, "follow_accepted", key, followed, follower, None, at)]
        case _:
            return [Undo("act", followed, follower, FOLLOW), Undo("act", follower, followed, ACCEPTED)]


def seen_as(act: Act) -> Literal["comment", "post", ""]:
    """What the subject is that the recipient has to be able to see."""
    match act.type:
        case "comment" | "reply":
            return "comment"
        case "mention":
            return "post" if act.subject_id == act.post_id else "comment"
        case _:
            return ""
