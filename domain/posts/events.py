"""What happens to posts."""

from typing import ClassVar

from domain.accounts.queries import UserRef
from domain.eventlog import Event
from domain.ids import PostID, UserID
from domain.location import Location
from domain.posts.queries import Post, Subject
from domain.posts.rules import PostType, Visibility


class PostPublished(Event, frozen=True, kw_only=True):
    """Somebody posted. Told to who may see the author's profile when post and account are public."""

    type: ClassVar[str] = "post.published"
    heard_on: ClassVar[tuple[str, ...]] = ("home", "user")
    post: Post


class PostEdited(Event, frozen=True, kw_only=True):
    """The author changed it. Counters are not repeated: they have a writer of their own."""

    type: ClassVar[str] = "post.edited"
    heard_on: ClassVar[tuple[str, ...]] = ("post",)
    id: PostID
    title: str | None
    content: str
    post_type: PostType
    image_url: str | None
    subject: Subject | None
    location: Location | None
    mentions: list[UserRef]
    edited_at: str


class PostVisibilityChanged(Event, frozen=True, kw_only=True):
    """The author shows it to others than before. For servers: they ask again who may listen."""

    type: ClassVar[str] = "visibility.changed"
    id: PostID
    author_id: UserID
    visibility: Visibility


class PostDeleted(Event, frozen=True, kw_only=True):
    """It is gone, with everything below it."""

    type: ClassVar[str] = "post.deleted"
    heard_on: ClassVar[tuple[str, ...]] = ("post",)
    id: PostID
    author_id: UserID
