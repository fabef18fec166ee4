"""What is stored of reckoning."""

from piccolo.columns import UUID, Boolean, Text
from piccolo.table import Table

from domain.db import DB


class Reckoned(Table, tablename="reckoned", db=DB):
    """One row: a digest of the catalogues by which everybody has what is theirs, up to whom if it goes on."""

    is_one = Boolean(primary_key=True, default=True)
    catalogues = Text()
    upto = UUID(null=True)
