"""May this viewer listen to this topic? One line per topic kind, asking what HTTP asks too."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any
from uuid import UUID

from domain import topics
from domain.accounts.queries import visible_users
from domain.accounts.rules import Viewer
from domain.posts.queries import visible_posts
from realtime.protocol import Outcome

Ask = Callable[[Viewer, Collection[Any]], Awaitable[Collection[UUID]]]

KINDS: dict[str, Ask] = {
    "user": visible_users,
    "post": visible_posts,
}

# What only servers listen to: no client may.
INTERNAL = {"session"}

BAD_TOPIC = Outcome(outcome="error", code="bad_topic")
NOT_FOUND = Outcome(outcome="error", code="not_found")


async def judge(viewer: Viewer, names: Iterable[str]) -> dict[str, Outcome | None]:
    """For each topic None when the viewer may listen, else the refusal. One query per kind."""
    verdicts: dict[str, Outcome | None] = {}
    asked: dict[str, dict[UUID, str]] = defaultdict(dict)
    for name in names:
        try:
            kind, topic_id = topics.parse(name)
        except ValueError:
            kind, topic_id = "", None
        if kind not in KINDS or topic_id is None:
            verdicts[name] = BAD_TOPIC
        else:
            asked[kind][topic_id] = name
    for kind, wanted in asked.items():
        seen = set(await KINDS[kind](viewer, wanted))
        verdicts |= {name: None if topic_id in seen else NOT_FOUND for topic_id, name in wanted.items()}
    return verdicts
