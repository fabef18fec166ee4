"""Who is mentioned, and which names there are."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import msgspec

from domain import db
from domain.accounts.queries import UserRef
from domain.accounts.rules import Viewer
from domain.mentions.rules import USERNAME


class Said(msgspec.Struct, frozen=True):
    """Where people are mentioned: in a post, or in a comment."""

    type: Literal["post", "comment"]
    id: UUID


class KnownNames(msgspec.Struct, frozen=True):
    """Which of the names asked about are somebody's, by username, and which are not, as they were asked about."""

    valid: list[UserRef]
    unknown: list[str]


NAMED = """
SELECT id, username, display_name, avatar_url FROM visible_users($1)
WHERE lower(username) = ANY($2::text[]) ORDER BY lower(username) COLLATE "C"
"""


async def read_named(viewer: Viewer, names: Sequence[str]) -> KnownNames:
    """Which of these are usernames, in whatever case, of people whom the viewer may see."""
    asked = {name: name.lower() for name in names if USERNAME.fullmatch(name)}
    valid = [UserRef(*row.values()) for row in await db.fetch(NAMED, viewer.id, list(asked.values()))]
    found = {user.username.lower() for user in valid}
    return KnownNames(valid, [name for name in dict.fromkeys(names) if asked.get(name) not in found])


def mentioned(users: str | None) -> list[UserRef]:
    """Users as the database lists them in JSON; null are none."""
    return [] if users is None else msgspec.json.decode(users, type=list[UserRef])
