"""May this viewer listen to this topic? One line per topic kind, asking what HTTP asks too."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from domain import topics
from domain.accounts.queries import user_access
from domain.boards.queries import board_access
from domain.dishes.queries import dish_access
from domain.graph.queries import hidden_from
from domain.ids import UserID
from domain.places.queries import restaurant_access
from domain.posts.queries import post_access
from domain.reviews.queries import review_access
from domain.settings import settings
from domain.together import Together
from domain.trending.queries import trending_access

HOME = "home"
NOTIFICATIONS = "notifications"


class Verdict(NamedTuple):
    """What was found of a thing: whose it is, and `ok`, `deleted`, `suspended`, `blocked` or `private`."""

    owner: str
    code: str


Question = tuple[UserID, str]
"""May this viewer listen to this topic?"""

Thing = TypeVar("Thing")  # an id, or a name
Ask = Callable[[Sequence[tuple[UserID, Thing]]], Awaitable[Collection[tuple[UserID, Thing, UserID | None, str]]]]

# A query per kind: (viewer, thing, owner, verdict) of each (viewer, thing) that was asked for.
KINDS: dict[str, Ask[Any]] = {
    "user": user_access,
    "post": post_access,
    "restaurant": restaurant_access,
    "dish": dish_access,
    "leaderboard": board_access,
    "review": review_access,
    "trending": trending_access,
}

# Topics that are the viewer's own: nothing to ask.
OWN = {HOME, NOTIFICATIONS}

# What only servers listen to: no client may.
INTERNAL = {"session", "access", "author", "gone", "hidden", "shown", "holds", "again", "voice"}

AT_ONCE = 1000  # questions in one query, and who ask them


def channel(viewer: UserID, topic: str) -> str:
    """What the log calls a topic of a client's."""
    return topics.notifications(viewer) if topic == NOTIFICATIONS else topic


async def judge(questions: Collection[Question]) -> dict[Question, Verdict | None]:
    """The verdict on each; None for what is no topic. Raises what the database raises."""
    verdicts: dict[Question, Verdict | None] = {}
    asked: dict[str, dict[tuple[UserID, UUID | str], Question]] = defaultdict(dict)
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
    """Asks for everybody who wants to know: who comes while questions are under way goes together with others."""

    def __init__(self) -> None:
        lanes = settings.access_lanes
        self._verdicts = Together(_judge_all, lanes=lanes, at_most=AT_ONCE)
        self._hidden = Together(_hidden_from_all, lanes=lanes, at_most=AT_ONCE)

    async def verdicts(self, viewer: UserID, names: Collection[str]) -> Mapping[str, Verdict | None]:
        """The verdict on each topic, as of now or later; None for what is no topic. Raises what the database raises."""
        return await self._verdicts.of((viewer, names)) if names else {}

    async def hidden_from(self, viewer: UserID) -> set[UserID]:
        """Whose acts are withheld from a viewer, as of now or later. Raises what the database raises."""
        return await self._hidden.of(viewer)


async def _judge_all(asked: Sequence[tuple[UserID, Collection[str]]]) -> list[Mapping[str, Verdict | None]]:
    found = await judge({(viewer, name) for viewer, names in asked for name in names})
    return [{name: found[viewer, name] for name in names} for viewer, names in asked]


async def _hidden_from_all(viewers: Sequence[UserID]) -> list[set[UserID]]:
    found = await hidden_from(set(viewers))
    return [set(found[viewer]) for viewer in viewers]
