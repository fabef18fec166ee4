"""What is stored of rankings."""

from piccolo.columns import UUID, BigInt, Boolean, ForeignKey, SmallInt, Text, Timestamptz, Varchar
from piccolo.table import Table

from domain.accounts.tables import Users
from domain.db import DB
from domain.dishes.tables import Dishes


class DishRankings(Table, tablename="dish_rankings", db=DB):
    """What somebody thinks of a dish, which names its restaurant and type too: they are the scope of the rank."""

    id = UUID(primary_key=True)
    user_id = ForeignKey(Users, null=False)
    dish_id = ForeignKey(Dishes, null=False)
    restaurant_id = UUID()
    dish_type = Varchar(length=100)
    rank = SmallInt(null=True)
    taste = Varchar(length=20, null=True)
    notes = Text()
    photo_url = Text(null=True)
    created_at = Timestamptz()
    updated_at = Timestamptz()


class RankingHistory(Table, tablename="ranking_history", db=DB):
    """What somebody thought of a dish, and thinks from then on; in the order of `seq`."""

    id = UUID(primary_key=True)
    seq = BigInt()
    user_id = ForeignKey(Users, null=False)
    dish_id = ForeignKey(Dishes, null=False)
    restaurant_id = UUID()
    dish_type = Varchar(length=100)
    old_rank = SmallInt(null=True)
    new_rank = SmallInt(null=True)
    old_taste = Varchar(length=20, null=True)
    new_taste = Varchar(length=20, null=True)
    because_of = UUID()
    has_new_notes = Boolean()
    created_at = Timestamptz()
