"""Lines that have to hold: `lost == 0`, `errors < 0.1 %`, `p99_act_to_frame_ms < 500`. The name is a figure of the
report and carries its unit; `%` is of all acts, and only of a count."""

import operator
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_args

import msgspec

from domain.events import AnyEvent
from loadtests.scripted.measure import ActName
from server.binaries import CannotStart

USUAL = (
    *("lost == 0", "duplicated == 0", "out_of_order == 0", "wrong == 0", "frames_due > 0"),
    *("errors == 0", "missed == 0", "not_played == 0"),
)
"""What holds of a scenario that says nothing else."""
COUNTS = {
    *("acts", "errors", "sessions", "frames", "late", "missed", "not_played", "frames_due"),
    *("lost", "duplicated", "out_of_order", "unexpected", "wrong", "resets", "gaps", "reconnects"),
}
RATES = {"acts_per_s", "frames_per_s", "generator_cpu"}
TIMED = {
    "act_to_frame",
    "like_to_state",
    "generator_lag",
    "act",
    *(each.replace(" ", "_") for each in get_args(ActName)),
}
EXPECTED = {f"expect_{each.type.replace('.', '_')}" for each in get_args(AnyEvent)}
PARTS = ("p50", "p90", "p99", "p999", "max")
KNOWN = COUNTS | RATES | {f"{part}_{name}_ms" for part in PARTS for name in TIMED | EXPECTED}
COMPARE = {"<": operator.lt, "<=": operator.le, "==": operator.eq, ">=": operator.ge, ">": operator.gt}
LINE = re.compile(r"(\w+) *(<=|>=|==|<|>) *(\d+(?:\.\d+)?) *(%?)")


class Threshold(msgspec.Struct):
    """A line that has to hold, and whether it did."""

    text: str
    found: float | None
    holds: bool


class Parsed(NamedTuple):
    """A line, taken apart."""

    name: str
    compare: str
    number: float
    is_share: bool


def judge(holds: Sequence[str], figures: Mapping[str, float]) -> list[Threshold]:
    """Each line against the figures; what was never measured does not hold. Raises CannotStart."""
    return [_judge(text, figures) for text in holds]


def _judge(text: str, figures: Mapping[str, float]) -> Threshold:
    line = parsed(text)
    found = figures.get(line.name)
    if found is not None and line.is_share:
        found = round(100 * found / max(figures["acts"] + figures["errors"], 1), 4)
    return Threshold(text, found, found is not None and COMPARE[line.compare](found, line.number))


def parsed(text: str) -> Parsed:
    """Take a line apart. Raises CannotStart for what is none, or is of a figure that no report has."""
    line = LINE.fullmatch(text.strip())
    if line is None:
        hint = "'lost == 0', 'errors < 0.1 %' or 'p99_act_ms < 500' (what ends in _ms is in milliseconds)"
        raise CannotStart(f"not a threshold: '{text}'; say for instance {hint}")
    name, compare, number, unit = line.groups()
    if name not in KNOWN:
        raise CannotStart(f"no report has a figure {name}, of '{text}'; docs/operations.md lists them")
    if unit and name not in COUNTS:
        raise CannotStart(f"{name} is no count, so it has no share of all acts: '{text}'")
    return Parsed(name, compare, float(number), bool(unit))
