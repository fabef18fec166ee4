"""To whom an event is news, given whose the things are that it names."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

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
from domain.ids import UserID
from domain.mentions.events import MentionsChanged
from domain.notifications.rules import Act, ActType, Details, Step, Undo
from domain.posts.events import PostDeleted
from domain.progression.events import BadgeEarned, LevelReached
from domain.reactions.events import PostLiked, PostUnliked

FOLDED: tuple[type[Event], ...] = (
    PostLiked,
    PostUnliked,
    PostDeleted,
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
FOLLOW: frozenset[ActType] = frozenset({"follow", "follow_request"})
REQUEST: frozenset[ActType] = frozenset({"follow_request"})
ACCEPTED: frozenset[ActType] = frozenset({"follow_accepted"})
MENTION: frozenset[ActType] = frozenset({"mention"})

Happened = tuple[Any, datetime]
"""An event, and when."""


def steps_of(happened: Collection[Happened], owners: dict[UUID, UserID]) -> list[Step]:
    """What the events are to inboxes, in their order; one's own acts are news to nobody.

    `owners` maps a post to its author, and a reply to the author of what it answers; what is gone is not in it.
    """
    steps: list[Step] = []
    for data, at in happened:
        match data:
            case PostLiked():
                steps += _of_like(data, owners, at)
            case PostUnliked(post_id=post_id, user_id=actor):
                steps.append(Undo("act", post_id, actor, LIKE))
            case PostDeleted(id=post_id):
                steps.append(Undo("post", post_id))
            case CommentCreated(comment=comment):
                steps += _of_comment(comment, owners, at)
            case CommentDeleted(ids=ids):
                steps += [Undo("subject", comment_id) for comment_id in ids]
            case MentionsChanged():
                steps += _of_mentions(data, owners, at)
            case UserBlocked(blocker_id=one, blocked_id=other):
                steps += [Undo("pair", one, other), Undo("pair", other, one)]
            case BadgeEarned() | LevelReached():
                steps.append(_of_award(data, at))
            case _:
                steps += _of_people(data, at)
    return [step for step in steps if isinstance(step, Undo) or step.user_id != step.actor_id]


def _of_like(liked: PostLiked, owners: dict[UUID, UserID], at: datetime) -> list[Act]:
    post_id = liked.post_id
    if post_id not in owners:
        return []
    return [Act(owners[post_id], "like", f"post_interaction:post:{post_id}", liked.user_id, post_id, post_id, at)]


def _of_comment(comment: Any, owners: dict[UUID, UserID], at: datetime) -> list[Act]:
    """One comment tells nobody twice: whom it replies to hears of the reply, the post's author else of the comment."""
    actor, post_id = comment.author.id, comment.target.id
    acts: list[Act] = []
    if comment.id in owners:
        key = f"reply:comment:{comment.parent_id}"
        acts.append(Act(owners[comment.id], "reply", key, actor, comment.id, post_id, at))
    if post_id in owners and all(owners[post_id] != act.user_id for act in acts):
        acts.append(Act(owners[post_id], "comment", f"comment:post:{post_id}", actor, comment.id, post_id, at))
    return acts


def _of_mentions(changed: MentionsChanged, owners: dict[UUID, UserID], at: datetime) -> list[Step]:
    """Whom a comment is told to anyway hears nothing more of being mentioned in it."""
    said, post_id, actor = changed.target.id, changed.post_id, changed.author_id
    steps: list[Step] = [Undo("act", said, actor, MENTION, user_id) for user_id in changed.removed]
    if post_id in owners:
        key, told = f"mention:post:{post_id}", {owners[post_id], owners.get(said)}
        steps += [Act(each, "mention", key, actor, said, post_id, at) for each in changed.added if each not in told]
    return steps


def _of_award(data: BadgeEarned | LevelReached, at: datetime) -> Act:
    """What somebody has earned: nobody gave it to them."""
    user_id = data.user_id
    if isinstance(data, BadgeEarned):
        details = Details(data.badge.name, badge=data.badge.code)
        return Act(user_id, "badge_earned", f"badge_earned:user:{user_id}", None, data.id, None, at, details)
    details = Details(data.level.name, level=data.level.level)
    return Act(user_id, "level_reached", f"level_reached:user:{user_id}", None, data.id, None, at, details)


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
