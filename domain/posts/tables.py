"""What is stored of posts."""

from piccolo.columns import JSONB, UUID, ForeignKey, Text, Timestamptz, Varchar
from piccolo.table import Table

from domain.accounts.tables import Users
from domain.db import DB


class Posts(Table, tablename="posts", db=DB):
    """A post. Deleting one deletes its likes."""

    id = UUID(primary_key=True)
    author_id = ForeignKey(Users, null=False)
    title = Varchar(length=200, null=True)
    content = Text()
    post_type = Varchar(length=20)
    image_url = Text(null=True)
    visibility = Varchar(length=20)
    subject = JSONB(null=True)
    location = JSONB(null=True)
    created_at = Timestamptz()
    edited_at = Timestamptz(null=True)
