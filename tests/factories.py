"""Makes things the way the product makes them."""

from itertools import count
from typing import Any

from domain import eventlog
from domain.accounts.rules import Viewer, access_token, signing_key, viewer_of
from domain.comments.actions import NewComment, comment_on
from domain.comments.queries import Comment
from domain.consequences import PAGE
from domain.dishes.actions import NewDish, add_dish
from domain.dishes.queries import Dish
from domain.places.actions import NewRestaurant, add_restaurant
from domain.places.queries import Restaurant
from domain.posts.actions import NewPost, publish_post
from domain.posts.queries import Post
from domain.reviews.actions import NewReview, review_dish
from domain.reviews.queries import Review
from domain.sessions.actions import Device, Registration, register
from domain.targets import Target
from realtime.cuts import Cuts
from server.worker import Follower

PASSWORD = "correct horse battery"

_numbers = count(1)


async def make_user(**given: Any) -> Viewer:
    """Somebody who has just registered, as they are seen by actions."""
    number = next(_numbers)
    new: dict[str, Any] = {
        "username": f"member{number}",
        "email": f"member{number}@example.org",
        "password": PASSWORD,
    }
    signed_in = await register(Device(), Registration(**new | given))
    return viewer_of(signed_in.access_token)


def auth(viewer: Viewer) -> dict[str, str]:
    """The headers of a request of theirs."""
    return {"Authorization": f"Bearer {access_token(viewer, signing_key())}"}


async def make_post(viewer: Viewer | None = None, **given: Any) -> Post:
    """A post, by somebody new when nobody is named."""
    new: dict[str, Any] = {"content": "Soup of the day"}
    return await publish_post(viewer or await make_user(), NewPost(**new | given))


async def make_comment(
    on: Post | Review, viewer: Viewer | None = None, parent: Comment | None = None, content: str = "Looks good"
) -> Comment:
    """A comment on a post or a review, or a reply to the parent, by somebody new when nobody is named."""
    new = NewComment(content=content, parent_id=None if parent is None else parent.id)
    target = Target("post" if isinstance(on, Post) else "review", on.id)
    return await comment_on(viewer or await make_user(), target, new)


async def make_restaurant(viewer: Viewer | None = None, *, force: bool = True, **given: Any) -> Restaurant:
    """A restaurant of a name of its own, added by somebody new when nobody is named."""
    new: dict[str, Any] = {"name": f"Restaurant {next(_numbers)}"}
    return await add_restaurant(viewer or await make_user(), NewRestaurant(**new | given), force=force)


async def make_dish(viewer: Viewer | None = None, restaurant: Restaurant | None = None, **given: Any) -> Dish:
    """A pizza, in a new restaurant and by somebody new when none are named."""
    viewer = viewer or await make_user()
    restaurant = restaurant or await make_restaurant(viewer)
    new: dict[str, Any] = {"name": f"Pizza {next(_numbers)}", "dish_type": "pizza"}
    return await add_dish(viewer, restaurant.id, NewDish(**new | given))


async def make_review(viewer: Viewer | None = None, dish: Dish | None = None, **given: Any) -> Review:
    """A review of a new dish, by somebody new when nobody is named."""
    dish = dish or await make_dish()
    new: dict[str, Any] = {"content": "Crisp, and not too salty"}
    return await review_dish(viewer or await make_user(), dish.id, NewReview(**new | given))


async def settle() -> None:
    """Have all that is committed cut and folded, and what that emits too, the way the worker does."""
    while await eventlog.cut(await eventlog.latest_cut()):
        for consequence in PAGE:
            follower = Follower(consequence, Cuts())
            while await follower.step():
                pass
