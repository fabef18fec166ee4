"""What is stored of mentions."""

from piccolo.columns import UUID, ForeignKey, Timestamptz, Varchar
from piccolo.table import Table

from domain.accounts.tables import Users
from domain.db import DB


class Mentions(Table, tablename="mentions", db=DB):
    """Something said mentions somebody. `post_id` and `comment_id` are generated: what the mention is deleted with."""

    target_type = Varchar(length=20)
    target_id = UUID()
    user_id = ForeignKey(Users, null=False)
    created_at = Timestamptz()
    post_id = UUID(null=True)
    comment_id = UUID(null=True)
