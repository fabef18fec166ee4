"""What happens to reviews. Who has a block between them and the author hears nothing of it."""

from typing import ClassVar

from domain.eventlog import Event
from domain.ids import DishID, RestaurantID, ReviewID, UserID
from domain.reviews.queries import Review
from domain.reviews.rules import Stars


class ReviewCreated(Event, frozen=True, kw_only=True):
    """Somebody reviewed a dish. Told to clients when the account is public. `city` is a slug."""

    type: ClassVar[str] = "review.created"
    heard_on: ClassVar[tuple[str, ...]] = ("dish", "restaurant")
    review: Review
    dish_type: str
    city: str | None


class ReviewEdited(Event, frozen=True, kw_only=True):
    """Its author changed it. Counters are not repeated: they have a writer of their own."""

    type: ClassVar[str] = "review.edited"
    heard_on: ClassVar[tuple[str, ...]] = ("review", "dish", "restaurant")
    id: ReviewID
    dish_id: DishID
    restaurant_id: RestaurantID
    content: str
    stars: Stars | None
    stars_before: Stars | None
    photos: list[str]
    edited_at: str


class ReviewDeleted(Event, frozen=True, kw_only=True):
    """It is gone, with its likes and comments."""

    type: ClassVar[str] = "review.deleted"
    heard_on: ClassVar[tuple[str, ...]] = ("review", "dish", "restaurant")
    id: ReviewID
    author_id: UserID
    dish_id: DishID
    restaurant_id: RestaurantID


class ReviewLiked(Event, frozen=True, kw_only=True):
    """Somebody likes a review who did not before. For servers, as with posts: clients hear the folded count."""

    type: ClassVar[str] = "review.liked"
    review_id: ReviewID
    user_id: UserID


class ReviewUnliked(Event, frozen=True, kw_only=True):
    """Somebody took a like back."""

    type: ClassVar[str] = "review.unliked"
    review_id: ReviewID
    user_id: UserID
