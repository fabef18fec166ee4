"""The CPU time that a running `serve` has used, by part."""

import os
from pathlib import Path

import msgspec

from tests.journeys.running import Potluck, words_of

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

    def ms_each(self, number: int) -> dict[str, float]:
        """What each of so many things took, in ms."""
        shares = [round(part * 1000 / max(number, 1), 4) for part in _parts(self)]
        return dict(zip(self.__struct_fields__, shares, strict=True))


def _parts(usage: Usage) -> tuple[float, ...]:
    return msgspec.structs.astuple(usage)


def usage_of(potluck: Potluck) -> Usage:
    """What it has used since it started; PostgreSQL's with the backends that have gone."""
    found = dict.fromkeys(Usage.__struct_fields__, 0.0)
    for pid in potluck.family():
        try:
            words = words_of(pid)
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        part = next((part for word, part in PARTS.items() if word in words), None)
        if part is not None:
            own, of_children = fields[11:13], fields[13:15] if part == "postgres" else []
            found[part] += sum(map(int, [*own, *of_children])) / TICKS
    return Usage(**found)
