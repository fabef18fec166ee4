"""What is stored of what is trending. No foreign keys: an act outlives its dish until the removal is folded too."""

from piccolo.columns import UUID, BigInt, Bytea, Date, Integer, SmallInt, Text, Timestamptz, Varchar
from piccolo.table import Table

from domain.db import DB


class TrendingActs(Table, tablename="trending_acts", db=DB):
    """What somebody did about a dish: of a kind, on a day, to or with a thing by which it can be taken back, and on
    which review."""

    id = UUID(primary_key=True, db_column_name="dish_id")
    actor_id = UUID()
    kind = Varchar(length=20)
    day = Date()
    thing_id = UUID()
    review_id = UUID(null=True)
    weight = SmallInt()
    at = Timestamptz()


class TrendingDishes(Table, tablename="trending_dishes", db=DB):
    """A dish that is listed, as it is shown; its score is 1 at `one_at`."""

    dish_id = UUID(primary_key=True)
    restaurant_id = UUID()
    city = Text()
    dish_type = Varchar(length=100)
    dish_name = Text()
    restaurant_name = Text()
    image_url = Text(null=True)
    rankings = Integer()
    actors = Integer()
    one_at = Timestamptz()


class TrendingScopes(Table, tablename="trending_scopes", db=DB):
    """A list: how often it has changed, and a digest of what was told of it then."""

    scope = Text(primary_key=True)
    version = BigInt()
    told = Bytea()
