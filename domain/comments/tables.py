"""What is stored of comments."""

from piccolo.columns import UUID, ForeignKey, Text, Timestamptz, Varchar
from piccolo.table import Table

from domain.accounts.tables import Users
from domain.db import DB
from domain.posts.tables import Posts


class Comments(Table, tablename="comments", db=DB):
    """A comment or a reply; `post_id` and `review_id` are generated: what a comment, not a reply, is deleted with."""

    id = UUID(primary_key=True)
    target_type = Varchar(length=20)
    target_id = UUID()
    parent_id = UUID(null=True)
    author_id = ForeignKey(Users, null=False)
    content = Text()
    created_at = Timestamptz()
    edited_at = Timestamptz(null=True)
    post_id = ForeignKey(Posts, null=True)
    review_id = UUID(null=True)
