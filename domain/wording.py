"""The types of notifications there are, and how each is told in one line for people."""

from typing import Final, Literal, NamedTuple
from uuid import UUID

import msgspec

ActType = Literal[
    "like",
    "review_like",
    "comment",
    "reply",
    "mention",
    "follow",
    "follow_request",
    "follow_accepted",
    "badge_earned",
    "level_reached",
    "board_entered",
    "board_left",
]
NotificationType = ActType | Literal["post_interaction", "review_interaction"]
Priority = Literal["low", "normal", "high"]


class Wording(NamedTuple):
    """How a type is told: for one act, with a name and the fields of Details, and for several, with their number, or
    with these of the newest and how many `others` there are. `{1}` is what it is about: a post, or a review."""

    priority: Priority
    title: str
    one: str
    several: str
    single: str  # of a batch that is down to one


WORDINGS: Final[dict[NotificationType, Wording]] = {
    "like": Wording("low", "New like", "{} liked your post", "", ""),
    "post_interaction": Wording(
        "low", "New engagement", "", "{} people engaged with your post", "1 person engaged with your post"
    ),
    "review_like": Wording("low", "New like", "{} liked your review", "", ""),
    "review_interaction": Wording(
        "low", "New engagement", "", "{} people engaged with your review", "1 person engaged with your review"
    ),
    "comment": Wording(
        "normal",
        "New comment",
        "{0} commented on your {1}",
        "{0} new comments on your {1}",
        "1 new comment on your {1}",
    ),
    "reply": Wording(
        "high",
        "New reply",
        "{} replied to your comment",
        "{} new replies to your comment",
        "1 new reply to your comment",
    ),
    "mention": Wording("high", "New mention", "{} mentioned you", "You were mentioned {} times", "You were mentioned"),
    "follow": Wording(
        "normal",
        "New follower",
        "{} started following you",
        "{} people started following you",
        "1 person started following you",
    ),
    "follow_request": Wording(
        "high",
        "Follow request",
        "{} asked to follow you",
        "{} people asked to follow you",
        "1 person asked to follow you",
    ),
    "follow_accepted": Wording(
        "normal",
        "Request accepted",
        "{} accepted your request to follow them",
        "{} people accepted your requests to follow them",
        "1 person accepted your request to follow them",
    ),
    "badge_earned": Wording(
        "normal", "New badge", "You earned the badge {}", "You earned {} badges", "You earned 1 badge"
    ),
    "level_reached": Wording(
        "normal", "New career level", "You are a {} now", "You reached {} career levels", "You reached 1 career level"
    ),
    "board_entered": Wording(
        "normal",
        "Among the best",
        "{0} entered the top {place} of {board_name}",
        "{0} and {others} entered the top {place} of {board_name}",
        "",
    ),
    "board_left": Wording(
        "low",
        "Overtaken",
        "{0} left the top {place} of {board_name}",
        "{0} and {others} left the top {place} of {board_name}",
        "",
    ),
}


BATCHED: Final[dict[NotificationType, NotificationType]] = {
    "like": "post_interaction",
    "review_like": "review_interaction",
}
"""What a batch is called, where not like the singles in it."""


class Details(msgspec.Struct, frozen=True, omit_defaults=True, rename={"old": "from", "new": "to"}):
    """What there is to say when nobody did it: what it is called, and what it is. `old` and `new` are positions,
    `place` is 3 or 10: of how many first they are about."""

    name: str
    badge: str | None = None
    level: int | None = None
    board: str | None = None
    board_name: str | None = None
    entity_id: UUID | None = None
    place: int | None = None
    old: int | None = None
    new: int | None = None


def message(
    kind: NotificationType,
    count: int,
    *,
    is_batch: bool,
    name: str | None,
    about: str = "post",
    details: Details | None = None,
) -> str:
    """One line for people; `name` is the actor's, null when they are gone, or whom `details` tell of; `about` is what
    it is about. `details` of a batch are those of its newest."""
    wording = WORDINGS[kind]
    if details is not None:
        line = wording.several if count > 1 else wording.one
        others = "1 other" if count == 2 else f"{count - 1} others"
        return line.format(name or details.name, others=others, **msgspec.structs.asdict(details))
    if not is_batch:
        return wording.one.format(name or "Somebody", about)
    return (wording.single if count == 1 else wording.several).format(count, about)
