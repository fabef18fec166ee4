"""From nothing to live: new connections a second that say hello with three topics, and what each costs the server.

So many at a time connect, upgrade, say hello, are welcomed and go, each a member and none with a ticket: every one is
authenticated and its topics are judged by the database. `per_core_s` is how many a core of the server process takes.
Litestar's channels and Socket.IO subscribe as many topics and ask nobody.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import Any

from loadtests.http import percentiles_ms
from loadtests.measured.asked import Asked, beside, measured
from loadtests.measured.ours import post, serving
from loadtests.measured.sockets import Door, Ears, all_of, allow_files, enter
from loadtests.peers.running import running
from loadtests.usage import cpu_s

MEMBERS = 10_000
POSTS = 1_000
AT_ONCE = 64
SECONDS = 5.0
WARM = 500
SOURCES = [f"127.0.0.{number}" for number in range(2, 18)] if sys.platform == "linux" else [None]
"""Each has its own 28,000 ports, and a port rests for a minute after its connection."""


async def connect(doors: Sequence[Door], at_once: int, seconds: float, used: Callable[[], float]) -> dict[str, Any]:
    """Connect and go, again and again; CPU is what `used` says."""
    ears, numbers = Ears(), count()
    took_s: list[float] = []

    async def once() -> None:
        number = next(numbers)
        began = time.perf_counter()
        client, _ = await enter(ears, number, doors[number % len(doors)], SOURCES[number % len(SOURCES)])
        took_s.append(time.perf_counter() - began)
        client.leave()

    def works(ends: float) -> Iterator[Callable[[], Any]]:
        while time.perf_counter() < ends:
            yield once

    await all_of((partial(once) for _ in range(min(WARM, len(doors)))), at_once)
    took_s.clear()
    before, client, begun = used(), time.process_time(), time.perf_counter()
    await all_of(works(begun + seconds), at_once)
    took = time.perf_counter() - begun
    cpu, client_s, connected = used() - before, time.process_time() - client, len(took_s)
    return {
        "per_s": round(connected / took),
        "per_core_s": round(connected / max(cpu, 0.01)),
        "cpu_ms_each": round(cpu * 1000 / connected, 3),
        "cpu": round(cpu / took, 3),
        "ms": percentiles_ms(took_s),
        "connected": connected,
        "generator_cpu": round(client_s / took, 3),
    }


async def _ours(asked: Asked) -> dict[str, Any]:
    at_once, seconds = asked.users or AT_ONCE, asked.seconds or SECONDS
    async with serving(members=MEMBERS, posts=POSTS) as ours:
        doors = [
            ours.door(member, {"notifications": None, "home": None, post(member % POSTS): None})
            for member in range(MEMBERS)
        ]
        before = ours.used()
        found = await connect(doors, at_once, seconds, lambda: cpu_s(ours.pids()))
        return found | {"all_cpu_ms_each": (ours.used() - before).ms_each(found["connected"] + WARM)}


async def _peer(name: str, asked: Asked) -> dict[str, Any]:
    with running(name) as peer:
        doors = [peer.door([f"own{i}", f"home{i}", f"post{i % POSTS}"]) for i in range(MEMBERS)]
        return await connect(doors, asked.users or AT_ONCE, asked.seconds or SECONDS, lambda: cpu_s(peer.pids()))


async def measure(asked: Asked) -> dict[str, Any]:
    """Ours, then the peers."""
    allow_files(asked.users or AT_ONCE)
    found = {"potluck": await _ours(asked)}
    found |= await beside(asked, ("channels", "socketio"), lambda name: _peer(name, asked))
    ours = found["potluck"]
    ratios = {
        f"{what}_by_{name}": round(ours[what] / each[what], 2)
        for name, each in measured(found)
        for what in ("per_s", "per_core_s")
    }
    return {"ratios": ratios, "per_core_s": ours["per_core_s"], **found}
