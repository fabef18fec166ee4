"""What is stored of boards. No foreign keys: an entry outlives what it is of until that is folded too."""

from piccolo.columns import UUID, BigInt, Integer, Numeric, Text, Timestamptz
from piccolo.table import Table

from domain.db import DB


class Leaderboards(Table, tablename="leaderboards", db=DB):
    """A board, from its first entry on. `weight` and `points` are sums over its entries. Those whose last change lies
    behind `rescored` and not behind `rescoring` have the score that the `former` prior makes of them."""

    id = Integer(primary_key=True)
    name = Text(unique=True)
    kind = Text()
    city = Text(null=True)
    about = Text(null=True)
    season = Integer()
    version = BigInt()
    size = Integer()
    weight = Numeric()
    points = Numeric()
    prior = Numeric(digits=(5, 4), null=True)
    former = Numeric(digits=(5, 4), null=True)
    rescored = BigInt()
    rescoring = BigInt()
    seq = BigInt()
    forgotten = BigInt()
    copy_id = UUID()


class LeaderboardEntries(Table, tablename="leaderboard_entries", db=DB):
    """Who or what is on a board, with what its score is made of; no score when it is there no more."""

    board_id = Integer()
    entity_id = UUID()
    name = Text()
    image_url = Text(null=True)
    weight = Numeric()
    points = Numeric()
    ratings = Integer()
    score = BigInt(null=True)
    reached_at = Timestamptz()
    seq = BigInt()
