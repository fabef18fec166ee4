"""May this viewer listen to this topic? One line per topic kind, asking what HTTP asks too."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from domain import topics
from domain.accounts.queries import user_access
from domain.dishes.queries import dish_access
from domain.ids import UserID
from domain.places.queries import restaurant_access
from domain.posts.queries import post_access

HOME = "home"
NOTIFICATIONS = "notifications"


class Verdict(NamedTuple):
    """What was found of a thing: whose it is, and `ok`, `deleted`, `suspended`, `blocked` or `private`."""

    owner: str
    code: str


Question = tuple[UserID, str]
"""May this viewer listen to this topic?"""

Pairs = Sequence[tuple[UserID, UUID]]
Ask = Callable[[Pairs], Awaitable[Collection[tuple[UserID, UUID, UserID | None, str]]]]

# A query per kind: (viewer, id, owner, verdict) of each (viewer, id) that was asked for.
KINDS: dict[str, Ask] = {
    "user": user_access,
    "post": post_access,
    "restaurant": restaurant_access,
    "dish": dish_access,
}

# Topics that are the viewer's own: nothing to ask.
OWN = {HOME, NOTIFICATIONS}

# What only servers listen to: no client may.
INTERNAL = {"session", "access", "author", "gone", "hidden", "shown", "holds", "again", "voice"}

AT_ONCE = 1000  # questions in one query


def channel(viewer: UserID, topic: str) -> str:
    """What the log calls a topic of a client's."""
    return topics.notifications(viewer) if topic == NOTIFICATIONS else topic


async def judge(questions: Collection[Question]) -> dict[Question, Verdict | None]:
    """The verdict on each; None for what is no topic. Raises what the database raises."""
    verdicts: dict[Question, Verdict | None] = {}
    asked: dict[str, dict[tuple[UserID, UUID], Question]] = defaultdict(dict)
    for question in questions:
        viewer, name = question
        try:
            kind, topic_id = topics.parse(name)
        except ValueError:
            kind, topic_id = "", None
        if kind in OWN and topic_id is None:
            verdicts[question] = Verdict("", "ok")
        elif kind not in KINDS or topic_id is None:
            verdicts[question] = None
        else:
            asked[kind][viewer, topic_id] = question
    for kind, wanted in asked.items():
        verdicts |= dict.fromkeys(wanted.values(), Verdict("", "deleted"))
        pairs = list(wanted)
        for start in range(0, len(pairs), AT_ONCE):
            for viewer, topic_id, owner, code in await KINDS[kind](pairs[start : start + AT_ONCE]):
                verdicts[wanted[viewer, topic_id]] = Verdict(str(owner), code)
    return verdicts


class Judge:
    """Asks for everybody who wants to know in the same turn of the loop: a thousand listeners are one query."""

    def __init__(self) -> None:
        self._questions: set[Question] = set()
        self._asking: asyncio.Task[dict[Question, Verdict | None]] | None = None

    async def verdicts(self, viewer: UserID, names: Collection[str]) -> dict[str, Verdict | None]:
        """The verdict on each topic, as of now or later; None for what is no topic. Raises what the database raises."""
        if not names:
            return {}
        self._questions.update((viewer, name) for name in names)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        found = await asyncio.shield(self._asking)
        return {name: found[viewer, name] for name in names}

    async def _ask(self) -> dict[Question, Verdict | None]:
        await asyncio.sleep(0)  # let all who ask in this turn say so
        questions, self._questions, self._asking = self._questions, set(), None
        return await judge(questions)
