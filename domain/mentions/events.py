"""What happens to mentions."""

from typing import ClassVar

from domain.eventlog import Event
from domain.ids import PostID, ReviewID, UserID
from domain.mentions.queries import Said


class MentionsChanged(Event, frozen=True, kw_only=True):
    """Something said mentions others than before; it was just written, or edited: a post, or a comment on a post or on
    a review. For servers, and what follows."""

    type: ClassVar[str] = "mentions.changed"
    target: Said
    post_id: PostID | None = None
    review_id: ReviewID | None = None
    author_id: UserID
    added: list[UserID]
    removed: list[UserID]
