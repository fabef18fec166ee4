"""How a play went, second by second, for the report to draw."""

import math
from collections import Counter

from loadtests.scripted.measure import FRAME, Times, summary_ms
from loadtests.scripted.worker import TICK_S, Tick


class Series:
    """Second by second; one is closed when all processes have told of the next. What is told after the end belongs to
    the last."""

    def __init__(self, processes: int, seconds: float) -> None:
        self.points: list[dict[str, float]] = []
        self._last = max(math.ceil(seconds) - 1, 0)
        self._reached = [0] * processes
        self._sockets = [0] * processes
        self._open: dict[int, tuple[Counter[str], Times]] = {}

    def add(self, index: int, tick: Tick) -> None:
        """What a process has told."""
        second = min(int(max(tick.at - TICK_S / 2, 0)), self._last)
        counts, times = self._open.setdefault(second, (Counter(), Times()))
        counts.update(tick.counts)
        times.add({name: encoded for name, encoded in tick.times.items() if name == FRAME})
        self._reached[index], self._sockets[index] = second, tick.sockets
        for each in sorted(self._open):
            if each < min(self._reached):
                self._close(each)

    def close(self) -> None:
        """There is no more to come."""
        for each in sorted(self._open):
            self._close(each)

    def _close(self, second: int) -> None:
        counts, times = self._open.pop(second)
        took = summary_ms(times.of[FRAME]) if FRAME in times.of else {}
        self.points.append(
            {
                "t": second,
                "sockets": sum(self._sockets),
                **{name: counts[name] for name in ("acts", "frames", "errors", "late")},
                **{name: took[name] for name in ("p50", "p99") if name in took},
            }
        )
