"""What a scenario file says: who plays, how they arrive, for how long, and what has to hold.

SCENARIO = Scenario(
    parts=[Part(author, exactly=1), Part(fan, weight=9), Part(lurker)],
    arrival=ramp(10), seconds=60, holds=["lost == 0", "p99_act_to_frame_ms < 500", "errors < 0.1 %"],
)
"""

import importlib.util
import operator
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from loadtests.scripted.person import Person
from server.binaries import CannotStart

READY = Path(__file__).parents[1] / "scenarios"
Session = Callable[[Person], Awaitable[None]]


class Part(msgspec.Struct, frozen=True):
    """A session and how many play it: `exactly` so many, or a share by weight of the others.

    `opening` is played before the clock starts, by all who have one and in the order of the parts.
    """

    session: Session
    weight: float = 1
    exactly: int = 0
    opening: Session | None = None

    @property
    def name(self) -> str:
        """The session's."""
        return getattr(self.session, "__name__", "session")


class Arrival(NamedTuple):
    """When people begin: all within so many seconds and again and again, or sessions at a rate, one at a time each."""

    over_s: float = 0.0
    per_second: float | None = None


def at_once() -> Arrival:
    """Everybody at the start."""
    return Arrival()


def ramp(seconds: float) -> Arrival:
    """Evenly over so many seconds; a third of a shorter play."""
    return Arrival(over_s=seconds)


def rate(per_second: float) -> Arrival:
    """So many sessions a second, however the server does; one that finds nobody free waits, and its wait counts."""
    return Arrival(per_second=per_second)


class Scenario(msgspec.Struct, frozen=True):
    """A play. Frames later than `late_after_s` are late."""

    parts: Sequence[Part]
    arrival: Arrival = Arrival()
    users: int = 100
    seconds: float = 60.0
    holds: Sequence[str] = ("lost == 0", "duplicated == 0", "out_of_order == 0", "wrong == 0", "frames_due > 0")
    late_after_s: float = 1.0


class Threshold(msgspec.Struct):
    """A line that has to hold, and whether it did."""

    text: str
    found: float | None
    holds: bool


COMPARE = {"<": operator.lt, "<=": operator.le, "==": operator.eq, ">=": operator.ge, ">": operator.gt}
LINE = re.compile(r"(\w+) *(<=|>=|==|<|>) *([\d.]+) *(%|ms|s)?")


def judge(holds: Sequence[str], figures: Mapping[str, float]) -> list[Threshold]:
    """Each line against the figures; what was never measured does not hold. `%` is of all acts."""
    return [_judge(text, figures) for text in holds]


def _judge(text: str, figures: Mapping[str, float]) -> Threshold:
    name, compare, number, unit = _parsed(text)
    found = figures.get(name)
    if found is not None and unit == "%":
        found = round(100 * found / max(figures["acts"] + figures["errors"], 1), 4)
    return Threshold(text, found, found is not None and COMPARE[compare](found, float(number)))


def _parsed(text: str) -> tuple[str, str, str, str | None]:
    line = LINE.fullmatch(text.strip())
    if line is None:
        raise CannotStart(f"not a threshold: '{text}'; say for instance 'lost == 0' or 'errors < 0.1 %'")
    name, compare, number, unit = line.groups()
    return name, compare, number, unit


def roles(parts: Sequence[Part], users: int) -> list[int]:
    """Which part each person plays; the same in every process."""
    fixed = [i for i, part in enumerate(parts) for _ in range(part.exactly)]
    left, weighted = users - len(fixed), [i for i, part in enumerate(parts) if not part.exactly]
    if left < len(weighted):
        raise CannotStart(f"{users} users are too few: there are {len(fixed) + len(weighted)} parts to play")
    total = sum(parts[i].weight for i in weighted)
    shares = {i: max(1, int(left * parts[i].weight / total)) for i in weighted}
    if weighted:
        most = max(weighted, key=lambda i: parts[i].weight)
        shares[most] += left - sum(shares.values())
    mixed = [i for i, number in shares.items() for _ in range(number)]
    random.Random(users).shuffle(mixed)
    return [*fixed, *mixed]


def find(name: str) -> Path:
    """The file of a scenario that is named, by path or by name. Raises CannotStart."""
    path = Path(name)
    if path.suffix != ".py":
        path = READY / f"{name}.py"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in READY.glob("[a-z]*.py")))
        raise CannotStart(f"there is no scenario {name}; ready ones: {known}")
    return path.absolute()


def load(path: Path) -> Scenario:
    """What the file calls SCENARIO. Raises CannotStart."""
    found = importlib.util.spec_from_file_location(f"scenario_{path.stem}", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    try:
        found.loader.exec_module(module)
    except Exception as error:  # of somebody's own code
        raise CannotStart(f"{path}: {error!r}") from error
    scenario = getattr(module, "SCENARIO", None)
    if not isinstance(scenario, Scenario):
        raise CannotStart(f"{path} has no SCENARIO = Scenario(…)")
    for text in scenario.holds:
        _parsed(text)
    return scenario
