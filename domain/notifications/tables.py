"""What is stored of notifications. Titles, messages and names of actors are not: they are made when somebody reads."""

from piccolo.columns import JSONB, UUID, Boolean, Integer, Timestamptz, Varchar
from piccolo.columns.column_types import BigInt
from piccolo.table import Table

from domain.db import DB


class Inboxes(Table, tablename="inboxes", db=DB):
    """A user's notifications as a whole; whoever changes one of them locks this first."""

    user_id = UUID(primary_key=True)
    unread = Integer()
    version = BigInt()


class Notifications(Table, tablename="notifications", db=DB):
    """A single, a batch, or a child of a batch. No foreign key to the actor: an act is taken back by its event."""

    id = UUID(primary_key=True)
    user_id = UUID()
    type = Varchar(length=50)
    batch_key = Varchar(length=255)
    actor_id = UUID(null=True)
    subject_id = UUID(null=True)
    post_id = UUID(null=True)
    review_id = UUID(null=True)
    parent_id = UUID(null=True)
    is_batch = Boolean()
    batch_count = Integer()
    is_open = Boolean()
    is_suppressed = Boolean()
    created_at = Timestamptz()
    last_updated_at = Timestamptz()
    read_at = Timestamptz(null=True)
    details = JSONB(null=True)


class NotificationPaces(Table, tablename="notification_paces", db=DB):
    """The last singles of a type that were shown to a user: there are only so many an hour."""

    id = UUID(primary_key=True, db_column_name="user_id")
    type = Varchar(length=50)
    slots = JSONB()
