"""What happens to comments. Who has a block between them and the actor hears nothing of it, nor who has one between
them and somebody in its `topics.voice`: its author, and the author of the comment that it replies to."""

from typing import ClassVar

from domain.accounts.queries import UserRef
from domain.comments.queries import Comment
from domain.eventlog import Event
from domain.ids import CommentID
from domain.targets import Target


class CommentCreated(Event, frozen=True, kw_only=True):
    """Somebody commented, or replied."""

    type: ClassVar[str] = "comment.created"
    heard_on: ClassVar[tuple[str, ...]] = ("post", "review")
    comment: Comment


class CommentEdited(Event, frozen=True, kw_only=True):
    """Its author changed it."""

    type: ClassVar[str] = "comment.edited"
    heard_on: ClassVar[tuple[str, ...]] = ("post", "review")
    id: CommentID
    content: str
    mentions: list[UserRef]
    edited_at: str


class CommentDeleted(Event, frozen=True, kw_only=True):
    """Its author, or the target's, deleted it; `ids` are all that went: its own, then its replies'."""

    type: ClassVar[str] = "comment.deleted"
    heard_on: ClassVar[tuple[str, ...]] = ("post", "review")
    id: CommentID
    ids: list[CommentID]
    parent_id: CommentID | None
    target: Target
