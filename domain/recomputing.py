"""What is computed from what people did, on one page: how each is computed anew, and held against what is stored."""

from collections.abc import AsyncGenerator, Callable
from typing import Final, NamedTuple

from domain.reckoning import actions as reckoning
from domain.revision import actions as revision


class Recomputed(NamedTuple):
    """A derived state. `check` says in what it differs from one computed anew, a line each; `mend` has it differ no
    more, and says in what it did."""

    check: Callable[[], AsyncGenerator[str]]
    mend: Callable[[], AsyncGenerator[str]]


PAGE: Final = {
    "progression": Recomputed(reckoning.find_differences, reckoning.mend),
    "leaderboards": Recomputed(revision.find_differences, revision.mend),
}
