"""What people can comment on, whatever it is: a type and an id, and what the feature of that type says about it.

Who may see a target, and whose it is, are a line for each type in the database's `visible_target`. A feature registers
the rest here, so that comments import nothing of what lies below them.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from domain import db
from domain.accounts.rules import Viewer
from domain.errors import NotFound

TargetType = Literal["post", "review"]


class Target(msgspec.Struct, frozen=True):
    """The thing that something is said about."""

    type: TargetType
    id: UUID


class Kind(NamedTuple):
    """A type of target: its topic, by id, and what is raised when there is none that the viewer may see."""

    topic: Callable[[Any], str]
    missing: type[NotFound]


_kinds: dict[TargetType, Kind] = {}


def register(name: TargetType, kind: Kind) -> None:
    """Let people comment on things of this type."""
    _kinds[name] = kind


def topic(target: Target) -> str:
    """Where the target's news is told."""
    return _kinds[target.type].topic(target.id)


def missing(target: Target) -> NotFound:
    """What to raise when the target is not there."""
    return _kinds[target.type].missing()


IS_VISIBLE = "SELECT EXISTS (SELECT FROM visible_target($1, $2, $3))"


async def check_visible(viewer: Viewer, target: Target) -> None:
    """Raises what its feature registered when the viewer may not see it."""
    if not await db.fetchval(IS_VISIBLE, viewer.id, target.type, target.id):
        raise missing(target)
