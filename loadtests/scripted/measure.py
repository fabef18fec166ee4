"""What a process counts and times while it plays; histograms that add up over processes."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal

from hdrh.histogram import HdrHistogram

LONGEST_US = 120_000_000
CURVE = (0, 10, 25, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 97, 98, 99, 99.5, 99.9, 99.95, 99.99, 100)
FRAME = "frame"
"""From the intended time of a post or a comment to its event at each socket."""
STATE = "state"
"""From the intended time of a like to a count at the liker's socket that is at least the answer's."""
LAG = "lag"
"""How late the generator itself wakes up."""
ACT = "act "
"""Before the name of an act: from its intended time to the answer."""


ActName = Literal[
    "publish",
    "read posts",
    "like",
    "unlike",
    "comment",
    "read comments",
    "follow",
    "unfollow",
    "read inbox",
    "mark as read",
    "open post",
    "connect",
    "reconnect",
]


class Times:
    """Histograms by name, in microseconds up to two minutes, three digits exact."""

    def __init__(self) -> None:
        self.of: dict[str, HdrHistogram] = {}

    def record(self, name: str, seconds: float) -> None:
        """One measurement."""
        self._of(name).record_value(min(max(int(seconds * 1e6), 1), LONGEST_US))

    def taken(self) -> dict[str, bytes]:
        """All that was recorded since it was last asked, to be sent."""
        found = {name: histogram.encode() for name, histogram in self.of.items() if histogram.total_count}
        for name in found:
            self.of[name].reset()
        return found

    def add(self, taken: Mapping[str, bytes]) -> None:
        """Add what another has sent."""
        for name, encoded in taken.items():
            self._of(name).decode_and_add(encoded)

    def merged(self, names: Iterable[str]) -> HdrHistogram:
        """Several as one."""
        into = _histogram()
        for name in names:
            into.decode_and_add(self.of[name].encode())
        return into

    def _of(self, name: str) -> HdrHistogram:
        if name not in self.of:
            self.of[name] = _histogram()
        return self.of[name]


def _histogram() -> HdrHistogram:
    return HdrHistogram(1, LONGEST_US, 3)


def summary_ms(histogram: HdrHistogram) -> dict[str, float]:
    """Percentiles, in ms."""
    parts = {"p50": 50, "p90": 90, "p99": 99, "p999": 99.9, "max": 100}
    return {name: ms_at(histogram, part) for name, part in parts.items()}


def ms_at(histogram: HdrHistogram, percentile: float) -> float:
    """A percentile, in ms."""
    return round(histogram.get_value_at_percentile(percentile) / 1000, 2)


def curve_ms(histogram: HdrHistogram) -> list[tuple[float, float]]:
    """(percentile, ms) to draw."""
    return [(part, ms_at(histogram, part)) for part in CURVE] if histogram.total_count else []


class Measures:
    """Of one process."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()  # by act, and what was expected in vain by its type
        self.times = Times()
        self.on = False  # not while the stage is being set
        self.late_after_s = 1.0

    def time(self, name: str, seconds: float) -> None:
        """One measurement, once the play has begun."""
        if self.on:
            self.times.record(name, seconds)

    def count(self, name: str, number: int = 1) -> None:
        """So many of something, once the play has begun."""
        if self.on:
            self.counts[name] += number

    def fail(self, what: str) -> None:
        """An act that was refused or not answered, or a socket that was not served in time."""
        if self.on:
            self.errors[what] += 1
            self.counts["errors"] += 1

    def miss(self, kind: str) -> None:
        """An event that a session has expected in vain."""
        if self.on:
            self.errors[f"{kind}: expected in vain"] += 1
            self.counts["missed"] += 1
