"""What is stored of reviews."""

from piccolo.columns import UUID, Array, ForeignKey, SmallInt, Text, Timestamptz
from piccolo.table import Table

from domain.accounts.tables import Users
from domain.db import DB
from domain.dishes.tables import Dishes
from domain.places.tables import Restaurants


class Reviews(Table, tablename="reviews", db=DB):
    """What somebody says of a dish. Deleting it deletes its likes and comments."""

    id = UUID(primary_key=True)
    author_id = ForeignKey(Users, null=False)
    dish_id = ForeignKey(Dishes, null=False)
    restaurant_id = ForeignKey(Restaurants, null=False)
    content = Text()
    stars = SmallInt(null=True)
    photos = Array(base_column=Text())
    created_at = Timestamptz()
    edited_at = Timestamptz(null=True)


class ReviewLikes(Table, tablename="review_likes", db=DB):
    """Who likes which review; one row per review and user."""

    review_id = ForeignKey(Reviews, null=False)
    user_id = ForeignKey(Users, null=False)
    created_at = Timestamptz()
