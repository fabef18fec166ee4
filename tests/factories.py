"""Makes things the way the product makes them."""

from itertools import count
from typing import Any

from domain.accounts.rules import Viewer, access_token, signing_key, viewer_of
from domain.posts.actions import NewPost, publish_post
from domain.posts.queries import Post
from domain.sessions.actions import Device, Registration, register

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
