"""Names for mentions, over HTTP."""

from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from domain.accounts.rules import Viewer
from domain.mentions import queries
from domain.mentions.actions import Names
from domain.mentions.queries import KnownNames


@post("/api/v1/users/validate-usernames", status_code=200)
async def validate_usernames(viewer: NamedDependency[Viewer], data: JSONBody[Names]) -> KnownNames:
    """Which of up to 50 names are somebody's whom the viewer may see."""
    return await queries.read_named(viewer, data.usernames)


routes = [validate_usernames]
