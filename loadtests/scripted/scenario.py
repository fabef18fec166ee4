"""What a scenario file says: who plays, how they arrive, for how long, and what has to hold.

SCENARIO = Scenario(
    parts=[Part(author, exactly=1), Part(fan, weight=9), Part(lurker)],
    arrival=ramp(10), seconds=60, holds=["lost == 0", "p99_act_to_frame_ms < 500", "errors < 0.1 %"],
)
"""

import importlib.util
import inspect
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from loadtests.scripted import thresholds
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
    holds: Sequence[str] = thresholds.USUAL
    late_after_s: float = 1.0


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
    except (Exception, SystemExit) as error:  # of somebody's own code
        raise CannotStart(f"{path}: {error!r}") from error
    scenario = getattr(module, "SCENARIO", None)
    if not isinstance(scenario, Scenario):
        raise CannotStart(f"{path} has no SCENARIO = Scenario(…)")
    for text in scenario.holds:
        thresholds.parsed(text)
    if (wrong := _wrong(scenario)) is not None:
        raise CannotStart(f"{path}: {wrong}")
    return scenario


def _wrong(scenario: Scenario) -> str | None:
    """Why it cannot be played."""
    sessions = [each for part in scenario.parts for each in (part.session, part.opening) if each is not None]
    sync = next((each for each in sessions if not inspect.iscoroutinefunction(each)), None)
    if not scenario.parts:
        return "there are no parts to play"
    if sync is not None:
        return f"{getattr(sync, '__name__', sync)} is no session: say async def"
    if any(part.weight <= 0 and not part.exactly for part in scenario.parts):
        return "the weight of a part has to be above 0"
    if scenario.arrival.per_second is not None and scenario.arrival.per_second <= 0:
        return "the rate of arrival has to be above 0"
    return "seconds has to be above 0" if scenario.seconds <= 0 else None
