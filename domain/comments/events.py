"""What happens to comments. The actor is who did it: nobody with a block between them and the actor hears of it."""

from typing import ClassVar

from domain.comments.queries import Comment
from domain.eventlog import Event
from domain.ids import CommentID
from domain.targets import Target


class CommentCreated(Event, frozen=True, kw_only=True):
    """Somebody commented, or replied."""

    type: ClassVar[str] = "comment.created"
    comment: Comment


class CommentEdited(Event, frozen=True, kw_only=True):
    """Its author changed it."""

    type: ClassVar[str] = "comment.edited"
    id: CommentID
    content: str
    edited_at: str


class CommentDeleted(Event, frozen=True, kw_only=True):
    """Its author, or the target's, deleted it; `ids` are all that went: its own, then its replies'."""

    type: ClassVar[str] = "comment.deleted"
    id: CommentID
    ids: list[CommentID]
    parent_id: CommentID | None
    target: Target
