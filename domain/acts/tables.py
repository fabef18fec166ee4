"""What is stored of acts: which news of boards was told a short time ago."""

from piccolo.columns import UUID, Boolean, SmallInt, Timestamptz
from piccolo.table import Table

from domain.db import DB


class ToldCrossings(Table, tablename="told_crossings", db=DB):
    """When it was last told that something came among the first `place` of a board, or left."""

    subject_id = UUID(primary_key=True)
    place = SmallInt()
    has_entered = Boolean()
    told_at = Timestamptz()
