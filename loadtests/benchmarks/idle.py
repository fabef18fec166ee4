"""What a connection costs that does nothing: KiB of the server process, for each of 10,000 with three topics.

Ours are of different members, authenticated, and listen to their notifications, their home and a post that ten have in
common; peers' clients are nobody in particular and listen to two topics of their own and one in common. `rss_kb` is
what the process has grown by since a tenth as many came and went; `pss_kb` counts what it shares only in part.
`later_rss_kb` is the same when they have been idle for a while.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from loadtests.measured.asked import Asked, beside, measured
from loadtests.measured.ours import post, serving
from loadtests.measured.sockets import Door, Ears, allow_files, enter_all
from loadtests.peers.running import running
from loadtests.usage import Memory, cpu_s, memory_of

CONNECTIONS = 10_000
SHARED_BY = 10
SETTLE_S = 1.0
IDLE_S = 5.0


async def grown(pids: Callable[[], Sequence[int]], doors: Sequence[Door], idle_s: float) -> dict[str, Any]:
    """What server processes grow by when clients come in through these doors."""
    ears = Ears()
    first, _ = await enter_all(ears, doors[: len(doors) // 10])  # what is made once, whoever comes
    for client in first:
        client.leave()
    await asyncio.sleep(SETTLE_S)
    before, ended, begun = memory_of(pids()), ears.ended, time.perf_counter()
    clients, _ = await enter_all(ears, doors)
    entered = time.perf_counter() - begun
    await asyncio.sleep(SETTLE_S)
    settled, used = memory_of(pids()), cpu_s(pids())
    await asyncio.sleep(idle_s)
    later, used = memory_of(pids()), cpu_s(pids()) - used
    lost = ears.ended - ended
    for client in clients:
        client.leave()
    number = len(doors)
    return {
        "rss_kb": _each(settled.rss - before.rss, number),
        "pss_kb": _each(settled.pss - before.pss, number),
        "later_rss_kb": _each(later.rss - before.rss, number),
        "idle_cpu": round(used / idle_s, 3),
        "lost": lost,
        "entered_per_s": round(number / entered),
        "rss_mb": {name: _mb(memory) for name, memory in (("before", before), ("after", settled))},
    }


def _each(kb: int, number: int) -> float:
    return round(kb / number, 2)


def _mb(memory: Memory) -> float:
    return round(memory.rss / 1024, 1)


async def _ours(asked: Asked) -> dict[str, Any]:
    number = asked.users or CONNECTIONS
    shared = max(1, number // SHARED_BY)
    async with serving(members=number, posts=shared) as ours:
        doors = [
            ours.door(member, {"notifications": None, "home": None, post(member % shared): None})
            for member in range(number)
        ]
        return await grown(ours.pids, doors, asked.seconds or IDLE_S)


async def _peer(name: str, asked: Asked) -> dict[str, Any]:
    number = asked.users or CONNECTIONS
    shared = max(1, number // SHARED_BY)
    with running(name) as peer:
        doors = [peer.door([f"own{i}", f"home{i}", f"post{i % shared}"]) for i in range(number)]
        return await grown(peer.pids, doors, asked.seconds or IDLE_S)


async def measure(asked: Asked) -> dict[str, Any]:
    """Ours, then the peers."""
    allow_files(asked.users or CONNECTIONS)
    found = {"potluck": await _ours(asked)}
    found |= await beside(asked, ("nchan", "channels", "socketio"), lambda name: _peer(name, asked))
    ours = found["potluck"]
    return {"ratios": ratios(found), "rss_kb": ours["rss_kb"], "lost": ours["lost"], **found}


def ratios(found: dict[str, Any]) -> dict[str, float]:
    """Ours by theirs."""
    ours = found["potluck"]["rss_kb"]
    return {f"rss_by_{name}": round(ours / max(each["rss_kb"], 0.01), 3) for name, each in measured(found)}
