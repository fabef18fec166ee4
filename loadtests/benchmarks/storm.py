"""Everybody comes back at once: 10,000 clients with tickets and three topics, each of which has missed a piece of news.

First their sockets are cut, then the server process is killed (SIGKILL) under them. `seconds` is from there until each
is welcomed and has heard what it missed, with the half second that clients wait before they try; then they come as fast
as they are let in, 500 at a time, and try again when they are not.
SQL statements and Redis commands are those of all of `serve` meanwhile, less what it does in as long a time at rest.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from loadtests.measured.asked import Asked
from loadtests.measured.ours import Ours, message, post, serving
from loadtests.measured.sockets import Door, Ears, Refused, Socket, all_of, allow_files, enter, enter_all, until

CLIENTS = 10_000
POSTS = 1_000
AT_ONCE = 500
RETRY_S = (0.1, 0.5)
AWAY_S = 0.5
"""Before they try: the least that a welcome asks of clients."""
IDLE_S = 3.0
GIVE_UP_S = 60.0

STATEMENTS = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE toplevel"


class Counts(NamedTuple):
    """What the server has asked of others so far."""

    at: float
    sql: int
    redis: int


class Crowd:
    """All clients: what each takes along, and the tries it needed."""

    def __init__(self, ours: Ours, number: int) -> None:
        self.ours = ours
        self.number = number
        self.posts = min(POSTS, number)
        self.ears = Ears()
        self.clients: list[Socket] = []
        self.welcomes: list[bytes] = []
        self.tries = 0

    async def enter(self) -> None:
        """For the first time."""
        none = dict.fromkeys(("notifications", "home"))
        doors = [self.ours.door(i, {**none, post(i % self.posts): None}) for i in range(self.number)]
        self.clients, self.welcomes = await enter_all(self.ears, doors)

    def doors(self) -> list[Door]:
        """To come back through, with what the last welcome said."""
        found: list[Door] = []
        for i, welcome in enumerate(self.welcomes):
            said = msgspec.json.decode(welcome)
            cursors = {topic: outcome["cursor"] for topic, outcome in said["topics"].items()}
            found.append(self.ours.door(i, cursors, said["ticket"]))
        return found

    async def come_back(self, doors: Sequence[Door]) -> None:
        """Until everybody is live."""
        entered = await all_of([partial(self._again, i, door) for i, door in enumerate(doors)], AT_ONCE)
        self.clients, self.welcomes = [client for client, _ in entered], [welcome for _, welcome in entered]

    async def _again(self, number: int, door: Door) -> tuple[Socket, bytes]:
        give_up = time.monotonic() + GIVE_UP_S
        while True:
            self.tries += 1
            try:
                return await enter(self.ears, number, door)
            except (Refused, OSError, TimeoutError):
                if time.monotonic() > give_up:
                    raise
                await asyncio.sleep(random.uniform(*RETRY_S))

    def outcomes(self) -> Counter[str]:
        """What became of their topics."""
        said = [msgspec.json.decode(welcome)["topics"] for welcome in self.welcomes]
        return Counter(outcome["outcome"] for topics in said for outcome in topics.values())

    def heard(self) -> tuple[int, int]:
        """(those who did not hear what they missed, deliveries that were not due)."""
        right = {
            who for who, number in zip(self.ears.who, self.ears.numbers, strict=True) if who % self.posts == number
        }
        return self.number - len(right), len(self.ears.numbers) - len(right)


async def asked_so_far(ours: Ours) -> Counts:
    """Everything; these two are not counted."""
    commands = await ours.redis.info("commandstats")
    redis = sum(stats["calls"] for name, stats in commands.items() if name not in {"cmdstat_info", "cmdstat_publish"})
    return Counts(time.monotonic(), await ours.database.fetchval(STATEMENTS) - 1, redis)


async def storm(crowd: Crowd, at_rest: tuple[float, float], *, kill: bool) -> dict[str, Any]:
    """Cut or kill, let news happen, and have everybody come back."""
    ours, ears = crowd.ours, crowd.ears
    doors, ended = crowd.doors(), ears.ended
    ears.forget()
    crowd.tries = 0
    if kill:
        os.kill(ours.pids()[0], signal.SIGKILL)
    else:
        for client in crowd.clients:
            client.leave()
    cut = time.perf_counter()
    await until(lambda: ears.ended >= ended + crowd.number, GIVE_UP_S)
    await ours.publish([(post(number), message(number)) for number in range(crowd.posts)])
    await asyncio.sleep(max(0.0, cut + AWAY_S - time.perf_counter()))
    before, cpu = await asked_so_far(ours), ours.used()
    began, client_s = time.perf_counter(), time.process_time()
    await crowd.come_back(doors)
    await until(lambda: len(ears.numbers) >= crowd.number, GIVE_UP_S)
    seconds, client_s = time.perf_counter() - began, time.process_time() - client_s
    after, used = await asked_so_far(ours), ours.used() - cpu
    took = after.at - before.at
    lost, wrong = crowd.heard()
    return {
        "seconds": round(began + seconds - cut, 3),
        "per_s": round(crowd.number / seconds),
        "lost": lost,
        "wrong": wrong,
        "outcomes": dict(crowd.outcomes()),
        "tries": crowd.tries,
        "sql": after.sql - before.sql,
        "redis": after.redis - before.redis,
        "sql_per_client": _each(after.sql - before.sql - at_rest[0] * took, crowd.number),
        "redis_per_client": _each(after.redis - before.redis - at_rest[1] * took, crowd.number),
        "cpu_ms_per_client": used.ms_each(crowd.number),
        "generator_cpu": round(client_s / seconds, 3),
    }


def _each(number: float, clients: int) -> float:
    return round(max(number, 0) / clients, 4)


async def measure(asked: Asked) -> dict[str, Any]:
    """Enter, rest, cut, kill."""
    number = asked.users or CLIENTS
    allow_files(number)
    async with serving(members=number, posts=min(POSTS, number)) as ours:
        await ours.database.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        crowd = Crowd(ours, number)
        await crowd.enter()
        before = await asked_so_far(ours)
        await asyncio.sleep(asked.seconds or IDLE_S)
        after = await asked_so_far(ours)
        rest = after.at - before.at
        at_rest = ((after.sql - before.sql) / rest, (after.redis - before.redis) / rest)
        found = {"cut": await storm(crowd, at_rest, kill=False), "killed": await storm(crowd, at_rest, kill=True)}
        for client in crowd.clients:
            client.leave()
    figures = {
        f"{name}_{what}": each[what] for name, each in found.items() for what in ("sql_per_client", "redis_per_client")
    }
    return {
        "ratios": figures,
        "seconds": {name: each["seconds"] for name, each in found.items()},
        "lost": sum(each["lost"] for each in found.values()),
        "at_rest_per_s": {"sql": round(at_rest[0], 1), "redis": round(at_rest[1], 1)},
        **found,
    }
