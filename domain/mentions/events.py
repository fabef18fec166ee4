"""What happens to mentions."""

from typing import ClassVar

from domain.eventlog import Event
from domain.ids import PostID, UserID
from domain.mentions.queries import Said


class MentionsChanged(Event, frozen=True, kw_only=True):
    """Something said mentions others than before; it was just written, or edited. For servers, and what follows."""

    type: ClassVar[str] = "mentions.changed"
    target: Said
    post_id: PostID
    author_id: UserID
    added: list[UserID]
    removed: list[UserID]
