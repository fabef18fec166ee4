"""The names of the channels that news is told on: a kind, and for most of them an id or a name."""

import re
from typing import Final
from uuid import UUID

from domain.ids import DishID, PostID, RestaurantID, ReviewID, SessionID, UserID
from domain.text import slug

NAMED: Final = {"leaderboard", "trending"}
"""Kinds whose topics have no id but a name: slugs with colons between them, and a week behind it where it has one."""

NAME_LENGTH: Final = 300
_SEASON: Final = re.compile(r"@\d{4}-w\d{2}$")


def user(user_id: UserID) -> str:
    """What anybody who may see the profile hears about a user."""
    return f"user:{user_id}"


def post(post_id: PostID) -> str:
    """What anybody who may see a post hears about it."""
    return f"post:{post_id}"


def restaurant(restaurant_id: RestaurantID) -> str:
    """What anybody hears about a restaurant and its dishes."""
    return f"restaurant:{restaurant_id}"


def dish(dish_id: DishID) -> str:
    """What anybody hears about a dish."""
    return f"dish:{dish_id}"


def leaderboard(board: str) -> str:
    """What anybody hears about a leaderboard."""
    return f"leaderboard:{board}"


def review(review_id: ReviewID) -> str:
    """What anybody who may see a review hears about it."""
    return f"review:{review_id}"


def trending(scope: str) -> str:
    """What anybody hears about a list of what is trending."""
    return f"trending:{scope}"


def notifications(user_id: UserID) -> str:
    """What a user hears about their notifications; clients call it `notifications`."""
    return f"notifications:{user_id}"


def session(session_id: SessionID) -> str:
    """What servers tell each other about an auth session; no client may listen."""
    return f"session:{session_id}"


def author(user_id: UserID) -> str:
    """What servers tell each other: an author said something, and their followers' homes may hear it."""
    return f"author:{user_id}"


def gone(topic: str) -> str:
    """What servers tell each other: the thing of this topic is no more."""
    return f"gone:{topic}"


def hidden(viewer: UserID, person: UserID) -> str:
    """What servers tell each other: what a person does is withheld from a viewer from now on."""
    return f"hidden:{viewer}:{person}"


def shown(viewer: UserID, person: UserID) -> str:
    """What servers tell each other: what a person does is withheld from a viewer no longer."""
    return f"shown:{viewer}:{person}"


def holds(thing: str) -> str:
    """What servers tell each other: this news holds what a thing says, and is not to be told again without it."""
    return f"holds:{thing}"


def again(topic: str) -> str:
    """What servers tell each other: who may listen to this topic is to be asked again."""
    return f"again:{topic}"


def voice(user_id: UserID) -> str:
    """What servers tell each other: it is about what a user said, or below it; who does not see them hears nothing."""
    return f"voice:{user_id}"


def access(owner: UserID, viewer: UserID | None = None) -> str:
    """What servers tell each other: what `viewer`, or everybody, may see of `owner` may have changed."""
    return f"access:{owner}:{viewer or '*'}"


def parse(topic: str) -> tuple[str, UUID | str | None]:
    """Split a topic into its kind and its id or name; ValueError when it is not written as we write it.
    What only servers read, and is not a kind and an id, is left as it is."""
    kind, colon, rest = topic.partition(":")
    if not colon or kind in {"access", "hidden", "shown"}:
        return kind, None
    if kind in NAMED:
        words = _SEASON.sub("", rest).split(":")
        if len(rest) > NAME_LENGTH or not all(each and slug(each) == each for each in words):
            raise ValueError(topic)
        return kind, rest
    parsed = UUID(rest)
    if str(parsed) != rest:
        raise ValueError(topic)
    return kind, parsed
