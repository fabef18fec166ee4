"""Ids are UUIDv7: they sort by the time they were made, so indexes grow at one end."""

from typing import NewType
from uuid import UUID

from uuid_utils.compat import uuid7

UserID = NewType("UserID", UUID)
SessionID = NewType("SessionID", UUID)
PostID = NewType("PostID", UUID)
CommentID = NewType("CommentID", UUID)
NotificationID = NewType("NotificationID", UUID)
RestaurantID = NewType("RestaurantID", UUID)
DishID = NewType("DishID", UUID)
RankingID = NewType("RankingID", UUID)
ReviewID = NewType("ReviewID", UUID)


def new_id() -> UUID:
    """A fresh UUIDv7 (RFC 9562)."""
    return uuid7()
