"""What is stored of acts: which news of boards was told a short time ago, and which waits for that."""

from piccolo.columns import JSON, UUID, Boolean, SmallInt, Timestamptz
from piccolo.table import Table

from domain.db import DB


class ToldCrossings(Table, tablename="told_crossings", db=DB):
    """When it was last told that something came among the first `place` of a board, or left."""

    subject_id = UUID(primary_key=True)
    place = SmallInt()
    has_entered = Boolean()
    told_at = Timestamptz()


class WaitingCrossings(Table, tablename="waiting_crossings", db=DB):
    """The newest one that was not told because it had been a short time before: the event, and when it may be told."""

    subject_id = UUID(primary_key=True)
    place = SmallInt()
    has_entered = Boolean()
    data = JSON()
    crossed_at = Timestamptz()
    due_at = Timestamptz()
