"""Who is friends with whom, and what must come of it: plain Python that knows nothing of the product.

Friends follow each other. Each likes so many posts of the other's as their friendship weighs, the first post first, and
everybody has as many posts as that takes. All this happens within an hour, a round of likes per number of post.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import networkx as nx  # pyright: ignore[reportMissingTypeStubs] - it has none

SINGLES_AN_HOUR = 20
FOLLOWS_A_BATCH = 10

Friends = Mapping[str, int]
"""The friends of somebody, and what each friendship weighs."""


class Row(NamedTuple):
    """A notification: of likes by the number of the post, of follows by None; `acts` are those in a batch."""

    type: str
    post: int | None
    acts: int


def les_miserables() -> Mapping[str, Friends]:
    """Everybody in the novel and their friends: a friendship weighs how many chapters two people share."""
    edges: list[tuple[str, str, int]] = list(nx.les_miserables_graph().edges(data="weight"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - half typed
    people: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for one, other, weight in edges:
        people[one][other] = people[other][one] = weight
    return dict(sorted(people.items()))


def number_of_posts(friends: Friends) -> int:
    """How many it takes for each friend to like so many as they want to."""
    return max(friends.values())


def likers(friends: Friends, post: int) -> set[str]:
    """Who likes somebody's post of this number, from 0."""
    return {friend for friend, weight in friends.items() if weight > post}


def rounds(people: Mapping[str, Friends]) -> Iterator[dict[str, list[str]]]:
    """For each number of post: whose posts of that number everybody likes."""
    for post in range(max(map(number_of_posts, people.values()))):
        # Friendship is mutual: whose posts somebody likes are those who like theirs.
        yield {name: sorted(found) for name, friends in people.items() if (found := likers(friends, post))}


def inbox(friends: Friends) -> Counter[Row]:
    """Somebody's notifications at the end."""
    return Counter([*_of_follows(len(friends)), *_of_likes(friends)])


def _of_follows(number: int) -> Sequence[Row]:
    full, rest = divmod(number, FOLLOWS_A_BATCH)
    return [Row("follow", None, count) for count in [FOLLOWS_A_BATCH] * full + [rest] * (rest > 0)]


def _of_likes(friends: Friends) -> Iterator[Row]:
    """A post's first like is a single, unless there were too many: then it is unseen until a second one joins it."""
    for post in range(number_of_posts(friends)):
        count = len(likers(friends, post))
        if count > 1:
            yield Row("post_interaction", post, count)
        elif post < SINGLES_AN_HOUR:
            yield Row("like", post, 1)
