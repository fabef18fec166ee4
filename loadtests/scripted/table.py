"""The load test to look at while it runs; a line every few seconds where there is no terminal."""

from collections.abc import Mapping
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from loadtests.scripted.measure import ACT, FRAME, STATE, Times, summary_ms

LINE_EVERY_S = 5.0


class Screen:
    """A progress bar over a table of acts."""

    def __init__(self, console: Console, name: str, users: int, seconds: float, url: str) -> None:
        self._console = console
        self._title = f"{name}: {users} users on {url}"
        bar, text = BarColumn(bar_width=None), TextColumn("{task.description}")
        self._progress = Progress(text, bar, TimeRemainingColumn(), console=console, expand=True)
        self._task = self._progress.add_task("signing up", total=seconds)
        self._live = Live(self._progress, console=console, auto_refresh=False, transient=True)
        self._line_at = 0.0

    def __enter__(self) -> "Screen":
        self._say(self._title)
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._console.is_terminal:
            self._live.stop()

    @property
    def phase(self) -> str:
        """What is going on."""
        return self._progress.tasks[0].description

    @phase.setter
    def phase(self, phase: str) -> None:
        self._progress.update(self._task, description=phase)
        self._live.update(self._progress, refresh=self._console.is_terminal)

    def show(self, second: float, counts: Mapping[str, int], times: Times, sockets: int) -> None:
        """How it stands."""
        self._progress.update(self._task, completed=second)
        if self._console.is_terminal:
            self._live.update(Group(_table(self._title, counts, times, sockets), self._progress), refresh=True)
        elif second >= self._line_at:
            self._line_at = second + LINE_EVERY_S
            took = summary_ms(times.of[FRAME]) if FRAME in times.of else {}
            latency = f", act to frame p50 {took['p50']} p99 {took['p99']} ms" if took else ""
            self._say(f"{second:.0f} s: {sockets} sockets, {_totals(counts)}{latency}")

    def _say(self, line: str) -> None:
        if not self._console.is_terminal:
            self._console.print(f"loadtest: {line}", highlight=False, soft_wrap=True)


def _totals(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts.get(name, 0):,} {name}" for name in ("acts", "frames", "errors", "late", "missed"))


def _table(title: str, counts: Mapping[str, int], times: Times, sockets: int) -> Table:
    made = Table(title=title, caption=f"{sockets} sockets · {_totals(counts)}", expand=True)
    made.add_column("act", no_wrap=True)
    for heading in ("times", "p50 ms", "p99 ms", "max ms"):
        made.add_column(heading, justify="right")
    told = {FRAME: "post or comment → frame", STATE: "like → count"}
    names = [name for name in (*told, *sorted(times.of)) if name in times.of]
    for name in dict.fromkeys(names):
        if name in told or name.startswith((ACT, "expect ")):
            took = summary_ms(times.of[name])
            numbers = (f"{took[part]:,.1f}" for part in ("p50", "p99", "max"))
            made.add_row(told.get(name, name.removeprefix(ACT)), f"{times.of[name].total_count:,}", *numbers)
    return made
