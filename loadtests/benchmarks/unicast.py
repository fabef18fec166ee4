"""Everybody hears what is for them alone: 2,000 notifications a second to random ones of 10,000 connections.

They are handed in every 10 ms, 20 in a transaction, as the fold of notifications does it; latency counts from when they
were due. The same before that with a tenth of the connections: what a message costs should not depend on how many
there are. `net` is without what the server takes when nothing is said.
"""

import asyncio
import random
import time
from array import array
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain import db, topics
from domain.eventlog import emit_all
from domain.ids import NotificationID, UserID
from domain.notifications.events import NotificationUpserted
from domain.notifications.queries import About, Notification
from loadtests import crowd
from loadtests.http import percentiles_ms
from loadtests.measured.asked import Asked
from loadtests.measured.ours import EDITED_AT, Ours, message, serving
from loadtests.measured.sockets import Ears, Socket, allow_files, enter_all, until

CONNECTIONS = 10_000
FEWER = 10
PER_S = 2_000
AT_ONCE = 20
SECONDS = 5.0
IDLE_S = 3.0
ALL_S = 10.0


def told(member: int, number: int) -> tuple[NotificationUpserted, str]:
    """A numbered notification, and the topic of whom it is for."""
    notification = Notification(
        id=NotificationID(UUID(int=number)),
        type="like",
        title="New like",
        message=message(number, 40).decode(),
        data=About(),
        priority="low",
        is_batch=False,
        batch_count=1,
        batch_key="",
        parent_id=None,
        actors=[],
        read=False,
        read_at=None,
        created_at=EDITED_AT,
        last_updated_at=EDITED_AT,
    )
    topic = topics.notifications(UserID(UUID(crowd.member(member))))
    return NotificationUpserted(notification=notification, unread=1, version=number + 1), topic


async def tell(ours: Ours, targets: Sequence[int]) -> tuple["array[float]", float]:
    """Hand them in at a steady rate: when each was due, and how long it all took."""
    due = array("d")
    begun = time.perf_counter()
    for first in range(0, len(targets), AT_ONCE):
        at = begun + first / PER_S
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        news = [told(member, first + i) for i, member in enumerate(targets[first : first + AT_ONCE])]
        due.extend([at] * len(news))
        async with db.transaction():
            await emit_all(news)
        await ours.wake()
    return due, time.perf_counter() - begun


async def spoken_to(ours: Ours, ears: Ears, members: int, seconds: float) -> dict[str, Any]:
    """Tell random ones for a while; what it took, what was lost, and what it cost."""
    before, rest = ours.used(), min(IDLE_S, seconds)
    await asyncio.sleep(rest)
    idle = ours.used() - before
    ears.forget()
    picked = random.Random(members)
    targets = [picked.randrange(members) for _ in range(int(PER_S * seconds))]
    before, client = ours.used(), time.process_time()
    due, took = await tell(ours, targets)
    used, client_s = ours.used() - before, time.process_time() - client
    await until(lambda: len(ears.numbers) >= len(targets), ALL_S)
    right = [
        (number, at)
        for who, number, at in zip(ears.who, ears.numbers, ears.times, strict=True)
        if targets[number] == who
    ]
    total, at_rest = used.total, idle.total * took / rest
    server, server_at_rest = used.server, idle.server * took / rest
    number = len(targets)
    return {
        "connections": members,
        "per_s": round(number / took),
        "lost": number - len({each for each, _ in right}),
        "wrong": len(ears.numbers) - len(right),
        "ms": percentiles_ms([at - due[each] for each, at in right]),
        "cpu": round(total / took, 3),
        "cpu_by_part": used.share_of(took),
        "idle_cpu": round(idle.total / rest, 3),
        "cpu_ms_per_message": _each(total, number),
        "server_cpu_ms_per_message": _each(server, number),
        "net_cpu_ms_per_message": _each(total - at_rest, number),
        "net_server_cpu_ms_per_message": _each(server - server_at_rest, number),
        "generator_cpu": round(client_s / took, 3),
    }


def _each(seconds: float, number: int) -> float:
    return round(seconds * 1000 / number, 4)


async def measure(asked: Asked) -> dict[str, Any]:
    """Few, then many."""
    many = asked.users or CONNECTIONS
    few, seconds = max(1, many // FEWER), asked.seconds or SECONDS
    allow_files(many)
    async with serving(members=many, posts=1) as ours:
        ears = Ears()
        clients: list[Socket] = []
        found: dict[str, Any] = {}
        for name, members in (("few", few), ("many", many)):
            doors = [ours.door(member, {"notifications": None}) for member in range(members)]
            entered, _ = await enter_all(ears, doors[len(clients) :], first=len(clients))
            clients += entered
            found[name] = await spoken_to(ours, ears, members, seconds)
        for client in clients:
            client.leave()
    what = ("net_cpu_ms_per_message", "net_server_cpu_ms_per_message", "cpu_ms_per_message")
    ratios = {f"{each}_many_by_few": round(found["many"][each] / max(found["few"][each], 1e-4), 2) for each in what}
    lost = found["few"]["lost"] + found["many"]["lost"]
    return {"ratios": ratios, "p99_ms": found["many"]["ms"].get("p99"), "lost": lost, **found}
