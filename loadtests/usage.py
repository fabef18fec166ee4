"""What processes have used: CPU time, of a running `serve` by part, and memory."""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from loadtests.running import Potluck, words_of

TICKS = os.sysconf("SC_CLK_TCK")
PARTS = {"server.process": "server", "server.worker": "worker", "postgres": "postgres", "valkey": "valkey"}


class Usage(msgspec.Struct, frozen=True):
    """CPU seconds."""

    server: float = 0
    worker: float = 0
    postgres: float = 0
    valkey: float = 0

    def __sub__(self, before: "Usage") -> "Usage":
        return Usage(*(now - then for now, then in zip(_parts(self), _parts(before), strict=True)))

    @property
    def total(self) -> float:
        """Of all parts."""
        return sum(_parts(self))

    def ms_each(self, number: int) -> dict[str, float]:
        """What each of so many things took, in ms."""
        shares = [round(part * 1000 / max(number, 1), 4) for part in _parts(self)]
        return dict(zip(self.__struct_fields__, shares, strict=True))

    def share_of(self, seconds: float) -> dict[str, float]:
        """How much of a core each part used in so many seconds."""
        return {name: round(each / seconds, 3) for name, each in zip(_names(), _parts(self), strict=True)}


def _names() -> tuple[str, ...]:
    return Usage.__struct_fields__


def _parts(usage: Usage) -> tuple[float, ...]:
    return msgspec.structs.astuple(usage)


def usage_of(potluck: Potluck) -> Usage:
    """What it has used since it started; PostgreSQL's with the backends that have gone."""
    found = dict.fromkeys(_names(), 0.0)
    for pid in potluck.family():
        words = words_of(pid)
        part = next((part for word, part in PARTS.items() if word in words), None)
        if part is not None:
            found[part] += cpu_s([pid], of_gone=part == "postgres")
    return Usage(**found)


def cpu_s(pids: Iterable[int], *, of_gone: bool = False) -> float:
    """CPU seconds that processes have used, also those of their children that have gone if you like."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11 : 15 if of_gone else 13]))
    return total / TICKS


class Memory(msgspec.Struct, frozen=True):
    """KiB: resident; and counting what is shared with others only in part."""

    rss: int
    pss: int


def memory_of(pids: Iterable[int]) -> Memory:
    """What processes hold."""
    rss = pss = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        held = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines[1:])}
        rss, pss = rss + held["Rss"], pss + held["Pss"]
    return Memory(rss, pss)
