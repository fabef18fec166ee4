"""The counts that clients hear: absolute, so that the newest is enough."""

from typing import ClassVar

from domain.eventlog import Delivery, Event


class PostCounters(Event, frozen=True, kw_only=True):
    """A post's counts."""

    type: ClassVar[str] = "post.counters"
    heard_on: ClassVar[tuple[str, ...]] = ("post",)
    delivery: ClassVar[Delivery] = "state"
    likes: int
    reactions: dict[str, int]
    comments: int
    shares: int


class UserCounters(Event, frozen=True, kw_only=True):
    """A user's counts."""

    type: ClassVar[str] = "user.counters"
    heard_on: ClassVar[tuple[str, ...]] = ("user",)
    delivery: ClassVar[Delivery] = "state"
    followers: int
    following: int
    posts: int


class ReviewCounters(Event, frozen=True, kw_only=True):
    """A review's counts."""

    type: ClassVar[str] = "review.counters"
    heard_on: ClassVar[tuple[str, ...]] = ("review",)
    delivery: ClassVar[Delivery] = "state"
    likes: int
    comments: int


class RestaurantCounters(Event, frozen=True, kw_only=True):
    """A restaurant's counts."""

    type: ClassVar[str] = "restaurant.counters"
    heard_on: ClassVar[tuple[str, ...]] = ("restaurant",)
    delivery: ClassVar[Delivery] = "state"
    dishes: int
    reviews: int


class DishCounters(Event, frozen=True, kw_only=True):
    """A dish's counts."""

    type: ClassVar[str] = "dish.counters"
    heard_on: ClassVar[tuple[str, ...]] = ("dish",)
    delivery: ClassVar[Delivery] = "state"
    rankings: int
    reviews: int
