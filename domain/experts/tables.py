"""What is kept of influence. No foreign keys: it outlives its object until the deletion is folded too."""

from piccolo.columns import UUID, Boolean, DoublePrecision, Integer, Text
from piccolo.table import Table

from domain.db import DB


class LikesReceived(Table, tablename="likes_received", db=DB):
    """Who likes which post or review of whom, as far as it counts."""

    id = UUID(primary_key=True, db_column_name="thing_id")
    liker_id = UUID()
    user_id = UUID()


class Influences(Table, tablename="influences", db=DB):
    """What somebody's influence is made of; it is generated."""

    user_id = UUID(primary_key=True)
    followers = Integer()
    rankings = Integer()
    reviews = Integer()
    likers = Integer()
    influence = DoublePrecision()


class Experts(Table, tablename="experts", db=DB):
    """Somebody in a city where they have ranked or reviewed."""

    id = UUID(primary_key=True, db_column_name="user_id")
    city_slug = Text()
    rankings = Integer()
    reviews = Integer()
    influence = DoublePrecision()
    is_public = Boolean()
