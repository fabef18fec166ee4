"""What all people of a process share: whom there is, when it begins and ends, and what they did."""

from collections import Counter
from typing import NamedTuple

from loadtests.scripted.ledger import Happened
from loadtests.scripted.measure import Measures


class Over(Exception):
    """The time is up."""


class Missed(Exception):
    """What was expected did not come."""


class Someone(NamedTuple):
    """Somebody else of the play."""

    session: str
    name: str
    id: str


class Post(NamedTuple):
    """A post, and by whom it is."""

    id: str
    author: str

    @property
    def topic(self) -> str:
        """Where its news is."""
        return f"post:{self.id}"


class Stage:
    """What all people of a process share."""

    def __init__(self, url: str, run: str, measures: Measures) -> None:
        self.url = url
        self.run = run
        self.measures = measures
        self.cast: list[Someone] = []
        self.begins = 0.0
        self.ends = float("inf")
        # For the ledger:
        self.ids: dict[str, str] = {}
        self.happened: list[Happened] = []
        self.comments: Counter[tuple[str, str]] = Counter()  # (author of the post, post), by others
        self.likes: dict[tuple[str, str, str], bool] = {}  # (author, post, by whom)
        self.follows: dict[tuple[str, str], bool] = {}  # (followed, by whom)
