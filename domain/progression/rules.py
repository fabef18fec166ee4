"""What an event touches of what people have earned: whose points, badges and levels are to be looked at again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from domain.accounts.events import UserDeleted
from domain.comments.events import CommentCreated, CommentDeleted
from domain.dishes.events import DishAdded, DishRemoved
from domain.eventlog import Event, Logged, of
from domain.ids import DishID, RestaurantID, UserID
from domain.places.events import RestaurantAdded, RestaurantEdited
from domain.posts.events import PostDeleted, PostPublished
from domain.progression.events import RankersMoved
from domain.rankings.events import RankingChanged
from domain.reviews.events import ReviewCreated, ReviewDeleted, ReviewEdited

FOLDED: Final[tuple[type[Event], ...]] = (
    RankingChanged,
    ReviewCreated,
    ReviewEdited,
    ReviewDeleted,
    PostPublished,
    PostDeleted,
    CommentCreated,
    CommentDeleted,
    RestaurantAdded,
    RestaurantEdited,
    DishAdded,
    DishRemoved,
    UserDeleted,
    RankersMoved,
)

UNMEASURED: Final = frozenset({"comment", "post"})
"""The activities that no badge counts."""


class Touched(msgspec.Struct):
    """What to look at again: acts, by what they were done to or made; and people.

    `gone` are things that went with all that was said below them. `measured` are those of whose badges a measure may
    be another although their points are not, `moved` the edits of restaurants that may have moved all who ranked there,
    `moving` after whom of these it goes on.
    """

    rankings: set[tuple[UserID, DishID]] = set()
    reviews: set[UUID] = set()
    posts: set[UUID] = set()
    comments: set[UUID] = set()
    restaurants: set[UUID] = set()
    dishes: set[UUID] = set()
    gone: set[UUID] = set()
    measured: set[UserID] = set()
    moved: set[tuple[RestaurantID, datetime]] = set()
    moving: dict[RestaurantID, UserID] = {}
    left: set[UserID] = set()


def touched(events: Sequence[Logged]) -> Touched:
    """What the events may have changed. Not how: that is for what is stored of them to say."""
    what = Touched()
    for ranked in of(events, RankingChanged):
        what.rankings.add((ranked.user.id, ranked.dish_id))
        if _is_among_the_best_as_before(ranked):
            continue
        what.measured.add(ranked.user.id)
    for removed in of(events, CommentDeleted):
        what.comments.update(removed.ids)
    what.comments.update(created.comment.id for created in of(events, CommentCreated))
    what.posts.update(published.post.id for published in of(events, PostPublished))
    what.posts.update(deleted.id for deleted in of(events, PostDeleted))
    what.gone.update(deleted.id for deleted in of(events, PostDeleted))
    what.reviews.update(created.review.id for created in of(events, ReviewCreated))
    what.reviews.update(edited.id for edited in of(events, ReviewEdited))
    what.reviews.update(deleted.id for deleted in of(events, ReviewDeleted))
    what.gone.update(deleted.id for deleted in of(events, ReviewDeleted))
    what.restaurants.update(added.restaurant.id for added in of(events, RestaurantAdded))
    what.dishes.update(added.dish.id for added in of(events, DishAdded))
    what.dishes.update(removed.id for removed in of(events, DishRemoved))
    what.moved.update((edited.id, datetime.fromisoformat(edited.updated_at)) for edited in of(events, RestaurantEdited))
    for behind in of(events, RankersMoved):
        what.moving[behind.restaurant_id] = min(behind.after, what.moving.get(behind.restaurant_id, behind.after))
    what.left.update(left.user_id for left in of(events, UserDeleted))
    return what


def _is_among_the_best_as_before(ranked: RankingChanged) -> bool:
    """Whether it has a rank and had one, or neither: how many of its kind have one is the same then."""
    before = None if ranked.before is None else ranked.before.rank
    after = None if ranked.ranking is None else ranked.ranking.rank
    return (before is None) == (after is None)
