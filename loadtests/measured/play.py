"""Runs a benchmark by its name and prints what it found as one line of JSON: ratios first."""

import gc
import importlib
import os
import platform
import resource
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import uvloop

from loadtests.measured.asked import Asked
from loadtests.usage import TICKS

INTERRUPTED = 130
DIFFERENT = 1  # something is not as it has to be, and not only slow


def main(name: str, asked: Asked) -> int:
    """Measure and print. Raises CannotStart."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    module: Any = importlib.import_module(f"loadtests.benchmarks.{name}")
    gc.disable()  # a pause of ours would be counted as theirs; a benchmark ends before it matters
    before = _Spent.now()
    try:
        found: dict[str, Any] = uvloop.run(module.measure(asked))
    except KeyboardInterrupt:
        return INTERRUPTED
    found = {"benchmark": name, **found, "machine": machine(), **before.until_now()}
    print(msgspec.json.encode(found).decode(), flush=True)
    return DIFFERENT if found.get("differences") else 0


class _Spent(NamedTuple):
    """What the machine has done so far: s on the clock, CPU s of everybody, of us and our children, and stolen."""

    clock: float
    everybody: float
    us: float
    stolen: float

    @classmethod
    def now(cls) -> "_Spent":
        spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        us = sum(each.ru_utime + each.ru_stime for each in spent)
        try:
            user, nice, system, _, _, irq, soft, steal = map(int, _first_line("/proc/stat").split()[1:9])
        except (OSError, ValueError):
            return cls(time.monotonic(), us, us, 0)
        return cls(time.monotonic(), (user + nice + system + irq + soft) / TICKS, us, steal / TICKS)

    def until_now(self) -> dict[str, float]:
        """How long it took, and how many cores others had meanwhile: figures are worth less the more that is."""
        now = self.now()
        took = now.clock - self.clock
        others = (now.everybody - self.everybody) - (now.us - self.us)
        return {
            "took_s": round(took, 1),
            "others_cpu": round(max(others, 0) / took, 2),
            "stolen_cpu": round((now.stolen - self.stolen) / took, 2),
        }


def machine() -> dict[str, object]:
    """What it was measured on."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu": _cpu(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _cpu() -> str:
    try:
        lines: Sequence[str] = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _first_line(path: str) -> str:
    return Path(path).read_text().partition("\n")[0]
