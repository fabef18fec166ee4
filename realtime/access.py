"""May this viewer listen to this topic? One line per topic kind, asking what HTTP asks too."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from domain import topics
from domain.accounts.queries import user_access
from domain.accounts.rules import Viewer
from domain.posts.queries import post_access

HOME = "home"


class Verdict(NamedTuple):
    """What was found of a thing: whose it is, and `ok`, `deleted`, `suspended`, `blocked` or `private`."""

    owner: str
    code: str


Ask = Callable[[Viewer, Sequence[UUID]], Awaitable[Iterable[tuple[UUID, UUID | None, str]]]]

# A query per kind: (id, owner, verdict) of each id that was asked for.
KINDS: dict[str, Ask] = {
    "user": user_access,
    "post": post_access,
}

# Topics that are the viewer's own: nothing to ask.
OWN = {HOME}

# What only servers listen to: no client may.
INTERNAL = {"session", "access", "author", "gone", "shown"}


async def judge(viewer: Viewer, names: Iterable[str]) -> dict[str, Verdict | None]:
    """The verdict on each topic; None for what is no topic. One query per kind."""
    verdicts: dict[str, Verdict | None] = {}
    asked: dict[str, dict[UUID, str]] = defaultdict(dict)
    for name in names:
        try:
            kind, topic_id = topics.parse(name)
        except ValueError:
            kind, topic_id = "", None
        if kind in OWN and topic_id is None:
            verdicts[name] = Verdict("", "ok")
        elif kind not in KINDS or topic_id is None:
            verdicts[name] = None
        else:
            asked[kind][topic_id] = name
    for kind, wanted in asked.items():
        verdicts |= dict.fromkeys(wanted.values(), Verdict("", "deleted"))
        for topic_id, owner, code in await KINDS[kind](viewer, list(wanted)):
            verdicts[wanted[topic_id]] = Verdict(str(owner), code)
    return verdicts
