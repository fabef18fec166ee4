"""What is stored of likes."""

from piccolo.columns import ForeignKey, Timestamptz
from piccolo.table import Table

from domain.accounts.tables import Users
from domain.db import DB
from domain.posts.tables import Posts


class Likes(Table, tablename="likes", db=DB):
    """Who likes what; one row per post and user."""

    post_id = ForeignKey(Posts, null=False)
    user_id = ForeignKey(Users, null=False)
    created_at = Timestamptz()
