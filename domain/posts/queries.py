"""What can be seen of posts, and by whom."""

from collections.abc import Collection
from uuid import UUID

import msgspec

from domain import db, targets, topics
from domain.accounts.queries import UserNotFound, UserRef, Verdict, visible_users
from domain.accounts.rules import Viewer
from domain.clock import stamp
from domain.errors import NotFound
from domain.ids import PostID, UserID
from domain.location import Location
from domain.mentions.queries import mentioned
from domain.posts.rules import PostType, ShortText, Visibility
from domain.targets import Kind


class Subject(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The thing a post is about."""

    type: ShortText
    id: UUID


class Counters(msgspec.Struct, frozen=True):
    """What others did with it."""

    likes: int = 0
    reactions: dict[str, int] = {}
    comments: int = 0
    shares: int = 0


class Own(msgspec.Struct, frozen=True):
    """What the viewer did with it."""

    liked: bool
    reaction: str | None


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """A post as a viewer sees it; `viewer` is null in what everybody is told."""

    id: PostID
    author: UserRef
    title: str | None
    content: str
    post_type: PostType
    image_url: str | None
    visibility: Visibility
    subject: Subject | None
    location: Location | None
    mentions: list[UserRef]
    counters: Counters
    viewer: Own | None
    created_at: str
    edited_at: str | None


class PostNotFound(NotFound):
    """There is no such post, or you may not see it."""


targets.register("post", Kind(topics.post, PostNotFound))


# $1 is the viewer.
_READ = """
SELECT p.id, p.title, p.content, p.post_type, p.image_url, p.visibility, p.subject, p.location, p.created_at,
    p.edited_at, a.id AS author_id, a.username, a.display_name, a.avatar_url,
    coalesce(c.likes, 0) + coalesce(own.likes, 0) AS likes, c.reactions,
    greatest(coalesce(c.comments, 0) + coalesce(said.comments, 0), 0) AS comments, coalesce(c.shares, 0) AS shares,
    l.user_id IS NOT NULL AS liked,
    CASE WHEN p.content LIKE '%@%' THEN (
        SELECT json_agg(m ORDER BY lower(m.username) COLLATE "C") FROM visible_mentions($1, 'post', p.id) m
    ) END AS mentions
FROM visible_posts($1) p JOIN users a ON a.id = p.author_id
LEFT JOIN post_counts c ON c.post_id = p.id
LEFT JOIN likes l ON l.post_id = p.id AND l.user_id = $1
LEFT JOIN unfolded_likes($1) own ON own.post_id = p.id
LEFT JOIN unfolded_comments($1) said ON said.target_id = p.id
"""

READ_POST = _READ + "WHERE p.id = $2"

READ_POSTS_OF = _READ + "WHERE p.author_id = $2 AND ($3::uuid IS NULL OR p.id < $3) ORDER BY p.id DESC LIMIT $4"

VISIBLE_POSTS = "SELECT id FROM visible_posts($1) WHERE id = ANY($2::uuid[])"

POST_ACCESS = """
SELECT asked.viewer, a.id, a.owner, a.verdict
FROM unnest($1::uuid[], $2::uuid[]) AS asked (viewer, id), post_access(asked.viewer, ARRAY[asked.id]) a
"""


async def read_post(viewer: Viewer, post_id: PostID) -> Post:
    """The post. Raises PostNotFound when there is none or the viewer may not see it."""
    row = await db.fetchrow(READ_POST, viewer.id, post_id)
    if row is None:
        raise PostNotFound
    return _post(row)


async def read_posts_of(viewer: Viewer, author_id: UserID, before: UUID | None, limit: int) -> list[Post]:
    """An author's posts, newest first, from before an id on. Raises UserNotFound."""
    posts = [_post(row) for row in await db.fetch(READ_POSTS_OF, viewer.id, author_id, before, limit)]
    if not posts and not await visible_users(viewer, [author_id]):
        raise UserNotFound
    return posts


async def visible_posts(viewer: Viewer, post_ids: Collection[UUID]) -> set[UUID]:
    """Which of these posts the viewer may see."""
    return {row["id"] for row in await db.fetch(VISIBLE_POSTS, viewer.id, list(post_ids))}


async def post_access(asked: Collection[tuple[UserID, UUID]]) -> list[tuple[UserID, UUID, UserID | None, Verdict]]:
    """Of each (viewer, post): its author, and whether the viewer may see it or why not."""
    rows = await db.fetch(POST_ACCESS, [viewer for viewer, _ in asked], [post_id for _, post_id in asked])
    return [(row["viewer"], row["id"], row["owner"], row["verdict"]) for row in rows]


def _post(row: db.Row) -> Post:
    reactions, subject, location, edited = row["reactions"], row["subject"], row["location"], row["edited_at"]
    return Post(
        id=row["id"],
        author=UserRef(row["author_id"], row["username"], row["display_name"], row["avatar_url"]),
        title=row["title"],
        content=row["content"],
        post_type=row["post_type"],
        image_url=row["image_url"],
        visibility=row["visibility"],
        subject=None if subject is None else msgspec.json.decode(subject, type=Subject),
        location=None if location is None else msgspec.json.decode(location, type=Location),
        mentions=mentioned(row["mentions"]),
        counters=Counters(
            row["likes"],
            {} if reactions is None else msgspec.json.decode(reactions, type=dict[str, int]),
            row["comments"],
            row["shares"],
        ),
        viewer=Own(row["liked"], None),
        created_at=stamp(row["created_at"]),
        edited_at=None if edited is None else stamp(edited),
    )
