"""What authors do with their posts."""

from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from domain import db, topics
from domain.accounts.queries import UserNotFound
from domain.accounts.rules import Viewer
from domain.clock import now
from domain.db import transaction
from domain.errors import Forbidden, Invalid
from domain.eventlog import emit
from domain.ids import PostID, new_id
from domain.location import Location
from domain.mentions.actions import mention
from domain.mentions.queries import Said
from domain.posts.events import PostDeleted, PostEdited, PostPublished, PostVisibilityChanged
from domain.posts.queries import Post, Subject, read_post
from domain.posts.rules import Content, ImageUrl, PostType, Title, Visibility
from domain.targets import Target

T = TypeVar("T")


class NewPost(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A post to be."""

    content: Content
    title: Title | None = None
    post_type: PostType = "daily"
    image_url: ImageUrl | None = None
    visibility: Visibility = "public"
    subject: Subject | None = None
    location: Location | None = None


class PostChanges(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What an author changes; what is left out stays."""

    content: Content | UnsetType = UNSET
    title: Title | UnsetType | None = UNSET
    post_type: PostType | UnsetType = UNSET
    image_url: ImageUrl | UnsetType | None = UNSET
    visibility: Visibility | UnsetType = UNSET
    subject: Subject | UnsetType | None = UNSET
    location: Location | UnsetType | None = UNSET


class NotYourPost(Forbidden):
    """Only its author may change a post."""


class NothingToChange(Invalid):
    """Name at least one field to change."""


# The author's row is held, so that nobody is told publicly what was posted after the account ceased to be public.
ADD_POST = """
WITH author AS (SELECT id, privacy_level FROM users WHERE id = $2 FOR SHARE)
INSERT INTO posts (id, author_id, title, content, post_type, image_url, visibility, subject, location, created_at)
SELECT $1, id, $3, $4, $5, $6, $7, $8, $9, $10 FROM author
RETURNING visibility = 'public' AND (SELECT privacy_level FROM author) = 'public' AS is_public
"""

CHANGE_POST = """
UPDATE posts p SET
    content = CASE WHEN 'content' = ANY($3) THEN $4 ELSE p.content END,
    title = CASE WHEN 'title' = ANY($3) THEN $5 ELSE title END,
    post_type = CASE WHEN 'post_type' = ANY($3) THEN $6 ELSE post_type END,
    image_url = CASE WHEN 'image_url' = ANY($3) THEN $7 ELSE image_url END,
    subject = CASE WHEN 'subject' = ANY($3) THEN $8::jsonb ELSE subject END,
    location = CASE WHEN 'location' = ANY($3) THEN $9::jsonb ELSE location END,
    visibility = CASE WHEN 'visibility' = ANY($3) THEN $11 ELSE p.visibility END,
    edited_at = CASE WHEN $3 = ARRAY['visibility'] THEN edited_at ELSE $10 END
FROM (SELECT id, visibility, content FROM posts WHERE id = $1 AND author_id = $2 FOR NO KEY UPDATE) old
WHERE p.id = old.id
RETURNING old.visibility, old.content
"""

DELETE_POST = "DELETE FROM posts WHERE id = $1 AND author_id = $2"


async def publish_post(viewer: Viewer, new: NewPost) -> Post:
    """Post it. Raises UserNotFound when the account is gone."""
    async with transaction():
        post_id = PostID(new_id())
        details = (new.title, new.content, new.post_type, new.image_url, new.visibility)
        things = (_json(new.subject), _json(new.location))
        is_public = await db.fetchval(ADD_POST, post_id, viewer.id, *details, *things, now())
        if is_public is None:
            raise UserNotFound
        mentioned = await mention(viewer, Said("post", post_id), Target("post", post_id), new.content)
        post = await read_post(viewer, post_id)
        heard_by = [topics.user(viewer.id)] if is_public else []
        heard_by += [topics.author(viewer.id)] if new.visibility != "private" else []
        heard_by += [topics.holds(topics.post(post_id))] if heard_by else []
        told = PostPublished(post=msgspec.structs.replace(post, viewer=None))
        await emit(told, *heard_by, actor=viewer.id, audience=new.visibility)
        if mentioned.news is not None:
            await emit(mentioned.news, actor=viewer.id)
    return post


async def edit_post(viewer: Viewer, post_id: PostID, changes: PostChanges) -> Post:
    """Change one's own post. Raises PostNotFound, NotYourPost, NothingToChange."""
    fields = [name for name in changes.__struct_fields__ if getattr(changes, name) is not UNSET]
    if not fields:
        raise NothingToChange(dict.fromkeys(changes.__struct_fields__, "may be changed"))
    texts = [_given(value) for value in (changes.content, changes.title, changes.post_type, changes.image_url)]
    things = [_json(_given(value)) for value in (changes.subject, changes.location)]
    async with transaction():
        args = (fields, *texts, *things, now(), _given(changes.visibility))
        before = await db.fetchrow(CHANGE_POST, post_id, viewer.id, *args)
        if before is None:
            await read_post(viewer, post_id)
            raise NotYourPost
        mentions = None
        if changes.content is not UNSET:
            said, on = Said("post", post_id), Target("post", post_id)
            mentions = (await mention(viewer, said, on, changes.content, before["content"])).news
        post = await read_post(viewer, post_id)
        if post.visibility != before["visibility"]:
            shown = PostVisibilityChanged(id=post.id, author_id=viewer.id, visibility=post.visibility)
            await emit(shown, topics.again(topics.post(post_id)), actor=viewer.id)
        if fields != ["visibility"]:
            await emit(_edited(post), topics.post(post_id), actor=viewer.id, audience=post.visibility)
        if mentions is not None:
            await emit(mentions, actor=viewer.id)
    return post


def _edited(post: Post) -> PostEdited:
    return PostEdited(
        id=post.id,
        title=post.title,
        content=post.content,
        post_type=post.post_type,
        image_url=post.image_url,
        subject=post.subject,
        location=post.location,
        mentions=post.mentions,
        edited_at=post.edited_at or post.created_at,
    )


async def delete_post(viewer: Viewer, post_id: PostID) -> None:
    """Delete one's own post and all below it. Raises PostNotFound, NotYourPost."""
    async with transaction():
        if not db.changed(await db.execute(DELETE_POST, post_id, viewer.id)):
            await read_post(viewer, post_id)
            raise NotYourPost
        await emit(
            PostDeleted(id=post_id, author_id=viewer.id),
            topics.post(post_id),
            topics.gone(topics.post(post_id)),
            actor=viewer.id,
        )


DELETE_ALL_POSTS = "DELETE FROM posts WHERE author_id = $1 RETURNING id"

TELL_DELETED = """
SELECT count(emit_event('post.deleted', ARRAY['post:' || id, 'gone:post:' || id],
    json_build_object('id', id, 'author_id', $1::uuid), $1, NULL))
FROM unnest($2::uuid[]) AS id
"""


async def delete_all_posts(viewer: Viewer) -> None:
    """Delete all that who leaves has posted, with what is below it. A part of departures."""
    gone = [row["id"] for row in await db.fetch(DELETE_ALL_POSTS, viewer.id)]
    # A statement of its own: the deletion has waited for all below the posts, and told their news comes before this.
    await db.fetchval(TELL_DELETED, viewer.id, gone)


def _given(value: T | UnsetType) -> T | None:
    return None if isinstance(value, UnsetType) else value


def _json(value: Subject | Location | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
