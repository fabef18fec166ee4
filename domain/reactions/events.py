"""What happens to likes. These go to the log alone: what clients hear is the folded count."""

from typing import ClassVar

from domain.eventlog import Event
from domain.ids import PostID, UserID


class PostLiked(Event, frozen=True, kw_only=True):
    """Somebody likes a post who did not before."""

    type: ClassVar[str] = "post.liked"
    post_id: PostID
    user_id: UserID


class PostUnliked(Event, frozen=True, kw_only=True):
    """Somebody took a like back."""

    type: ClassVar[str] = "post.unliked"
    post_id: PostID
    user_id: UserID
