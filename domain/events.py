"""AnyEvent: everything that can happen, in one union; a type that is missing here is a failing test."""

from domain.accounts.events import PrivacyChanged, ProfileChanged, SessionRevoked, UserDeleted, UserRegistered
from domain.comments.events import CommentCreated, CommentDeleted, CommentEdited
from domain.counters.events import DishCounters, PostCounters, RestaurantCounters, ReviewCounters, UserCounters
from domain.dishes.events import DishAdded, DishEdited, DishRemoved
from domain.eventlog import Delivery, Event, Logged
from domain.graph.events import (
    FollowAccepted,
    FollowerRemoved,
    FollowRequested,
    FollowRequestRejected,
    FollowRequestWithdrawn,
    UserBlocked,
    UserFollowed,
    UserMuted,
    UserUnblocked,
    UserUnfollowed,
    UserUnmuted,
)
from domain.leaderboards.events import BoardCrossed, DishScore, LeaderboardChanged
from domain.mentions.events import MentionsChanged
from domain.notifications.events import NotificationRemoved, NotificationsRead, NotificationUpserted
from domain.places.events import CityNamed, RestaurantAdded, RestaurantEdited
from domain.posts.events import PostDeleted, PostEdited, PostPublished, PostVisibilityChanged
from domain.progression.events import BadgeEarned, LevelChanged, LevelReached, PointsChanged, RankersMoved
from domain.rankings.events import RankingChanged
from domain.reactions.events import PostLiked, PostUnliked
from domain.reviews.events import ReviewCreated, ReviewDeleted, ReviewEdited, ReviewLiked, ReviewUnliked
from domain.trending.events import TrendingChanged, TrendingDue

AnyEvent = (
    SessionRevoked
    | UserRegistered
    | UserDeleted
    | ProfileChanged
    | PrivacyChanged
    | UserFollowed
    | UserUnfollowed
    | FollowRequested
    | FollowRequestWithdrawn
    | FollowAccepted
    | FollowRequestRejected
    | FollowerRemoved
    | UserBlocked
    | UserUnblocked
    | UserMuted
    | UserUnmuted
    | PostPublished
    | PostEdited
    | PostVisibilityChanged
    | PostDeleted
    | PostLiked
    | PostUnliked
    | CommentCreated
    | CommentEdited
    | CommentDeleted
    | MentionsChanged
    | CityNamed
    | RestaurantAdded
    | RestaurantEdited
    | DishAdded
    | DishEdited
    | DishRemoved
    | RankingChanged
    | PointsChanged
    | RankersMoved
    | LevelChanged
    | BadgeEarned
    | LevelReached
    | BoardCrossed
    | ReviewCreated
    | ReviewEdited
    | ReviewDeleted
    | ReviewLiked
    | ReviewUnliked
    | PostCounters
    | UserCounters
    | RestaurantCounters
    | DishCounters
    | ReviewCounters
    | NotificationUpserted
    | NotificationRemoved
    | NotificationsRead
    | LeaderboardChanged
    | DishScore
    | TrendingChanged
    | TrendingDue
)

_TYPES: dict[str, type[Event]] = {each.type: each for each in AnyEvent.__args__}


def delivery_of(event: Logged) -> Delivery:
    """How news of this type is delivered; a type of another release, one by one."""
    known = _TYPES.get(event.type)
    return "event" if known is None else known.delivery
