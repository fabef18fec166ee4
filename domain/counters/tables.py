"""The folded counts. No foreign keys: a count outlives its object until the deletion is folded too."""

from piccolo.columns import JSONB, UUID, Integer
from piccolo.table import Table

from domain.db import DB


class PostCounts(Table, tablename="post_counts", db=DB):
    """A post's counts; a missing row is all zeros."""

    post_id = UUID(primary_key=True)
    likes = Integer()
    reactions = JSONB()
    comments = Integer()
    shares = Integer()


class UserCounts(Table, tablename="user_counts", db=DB):
    """A user's counts; a missing row is all zeros."""

    user_id = UUID(primary_key=True)
    followers = Integer()
    following = Integer()
    posts = Integer()


class ReviewCounts(Table, tablename="review_counts", db=DB):
    """A review's counts; a missing row is all zeros."""

    review_id = UUID(primary_key=True)
    likes = Integer()
    comments = Integer()


class RestaurantCounts(Table, tablename="restaurant_counts", db=DB):
    """A restaurant's counts; a missing row is all zeros."""

    restaurant_id = UUID(primary_key=True)
    dishes = Integer()
    reviews = Integer()


class DishCounts(Table, tablename="dish_counts", db=DB):
    """A dish's counts; a missing row is all zeros."""

    dish_id = UUID(primary_key=True)
    rankings = Integer()
    reviews = Integer()
