"""What is stored of what people are to each other."""

from piccolo.columns import Boolean, ForeignKey, Timestamptz, Varchar
from piccolo.table import Table

from domain.accounts.tables import Users
from domain.db import DB


class Follows(Table, tablename="follows", db=DB):
    """Who follows whom, or has asked to; one row per pair and direction."""

    follower_id = ForeignKey(Users, null=False)
    followed_id = ForeignKey(Users, null=False)
    status = Varchar(length=20)
    notify = Boolean(default=True)
    source = Varchar(length=30, null=True)
    created_at = Timestamptz()


class Blocks(Table, tablename="blocks", db=DB):
    """Who has blocked whom. Works both ways, is one's own."""

    blocker_id = ForeignKey(Users, null=False)
    blocked_id = ForeignKey(Users, null=False)
    created_at = Timestamptz()


class Mutes(Table, tablename="mutes", db=DB):
    """Who has muted whom."""

    muter_id = ForeignKey(Users, null=False)
    muted_id = ForeignKey(Users, null=False)
    created_at = Timestamptz()
