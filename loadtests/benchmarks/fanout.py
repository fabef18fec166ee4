"""One topic and everybody listening: how many deliveries a second flat out, and how late at a steady rate.

A message is an event in the log; the relay, the Redis stream and the server process carry it to the sockets. Peers are
told by their own HTTP endpoint. Flat out all messages are handed in at once, to us in one transaction: `per_s` counts
from when they were all committed, or the first was delivered before that; `per_s_from_publish` from before the
publisher's first word; both up to the last delivery, and the median of the rounds. At a steady rate latency counts from
when a message was due to be handed in, by a process of its own: for us with a transaction of its own.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from loadtests.http import percentiles_ms
from loadtests.measured.asked import Asked, beside, measured
from loadtests.measured.ours import SIZE, message, post, serving
from loadtests.measured.publisher import Publisher, To, publisher
from loadtests.measured.sockets import Door, Ears, allow_files, enter_all, until
from loadtests.peers.running import Peer, running
from loadtests.usage import cpu_s

SUBSCRIBERS = 1_000
MESSAGES = 300
ROUNDS = 5
STEADY_PER_S = 100
STEADY_S = 10.0
ALL_S = 15.0
TOPIC = "benchmark"

Publish = Callable[[Sequence[int]], Awaitable[None]]


class Burst(msgspec.Struct, frozen=True):
    """A round flat out."""

    due: int
    heard: int
    wrong: int
    """Deliveries that were out of order, or came twice."""
    published_s: float
    first_s: float
    last_s: float
    generator_cpu: float

    @property
    def per_s(self) -> float:
        return self.heard / max(self.last_s - min(self.first_s, self.published_s), 1e-9)

    @property
    def per_s_from_publish(self) -> float:
        return self.heard / max(self.last_s, 1e-9)


async def burst(ears: Ears, subscribers: int, messages: int, publish: Publish) -> Burst:
    """Hand in all messages at once, and wait until all are heard by all."""
    ears.forget()
    ears.deferred = True
    due = subscribers * messages
    started, client = time.perf_counter(), time.process_time()
    await publish(range(messages))
    published = time.perf_counter() - started
    used = await _until_quiet(ears, due) - client
    ears.deferred = False
    ears.listen()
    heard = len(ears.numbers)
    times = ears.times
    first, last = (times[0] - started, max(times) - started) if heard else (0.0, ALL_S)
    return Burst(due, heard, wrong(ears, subscribers), published, first, last, used / max(last, 1e-9))


async def _until_quiet(ears: Ears, due: int) -> float:
    """Until everything must have arrived: what is there is looked at only when no more comes. The CPU time before."""
    give_up = time.perf_counter() + ALL_S
    before, used = -1, time.process_time()
    while time.perf_counter() < give_up:
        await asyncio.sleep(0.05)
        if ears.waiting and ears.waiting == before:
            used = time.process_time()
            ears.listen()
            if len(ears.numbers) >= due:
                break
        before = ears.waiting
    return used


def wrong(ears: Ears, subscribers: int) -> int:
    """Each socket hears 0, 1, 2 …: whatever is not the next one it should."""
    following = [0] * subscribers
    found = 0
    for who, number in zip(ears.who, ears.numbers, strict=True):
        if number != following[who]:
            found += 1
        following[who] = number + 1
    return found


async def steady(ears: Ears, subscribers: int, seconds: float, tell: Publisher) -> dict[str, Any]:
    """So many a second, whether or not those before have been handed in."""
    ears.forget()
    number, client = int(seconds * STEADY_PER_S), time.process_time()
    told = await tell.tell(number, STEADY_PER_S)
    used = time.process_time() - client
    await until(lambda: len(ears.numbers) >= number * subscribers, ALL_S)
    late = [at - told.begun - each / STEADY_PER_S for each, at in zip(ears.numbers, ears.times, strict=True)]
    return {
        "per_s": round(told.per_s),
        "lost": number * subscribers - len(late),
        "wrong": wrong(ears, subscribers),
        "ms": percentiles_ms(late),
        "generator_cpu": round(used / seconds, 3),
        "publisher_cpu": round(told.cpu_s / seconds, 3),
    }


async def _bursts(ears: Ears, asked: Asked, publish: Publish) -> dict[str, Any]:
    ears.make_room()
    subscribers = asked.users or SUBSCRIBERS
    await burst(ears, subscribers, 20, publish)
    rounds = [await burst(ears, subscribers, MESSAGES, publish) for _ in range(ROUNDS)]
    median = statistics.median
    return {
        "per_s": round(median(each.per_s for each in rounds)),
        "per_s_from_publish": round(median(each.per_s_from_publish for each in rounds)),
        "rounds_per_s": [round(each.per_s) for each in rounds],
        "rounds_per_s_from_publish": [round(each.per_s_from_publish) for each in rounds],
        "published_ms": [round(each.published_s * 1000, 1) for each in rounds],
        "last_ms": [round(each.last_s * 1000, 1) for each in rounds],
        "lost": sum(each.due - each.heard for each in rounds),
        "wrong": sum(each.wrong for each in rounds),
        "generator_cpu": round(median(each.generator_cpu for each in rounds), 3),
    }


async def _ours(asked: Asked) -> dict[str, Any]:
    subscribers, seconds, topic = asked.users or SUBSCRIBERS, asked.seconds or STEADY_S, post(0)
    async with serving(members=subscribers, posts=1) as ours:
        ears = Ears()
        doors = [ours.door(number, {topic: None}) for number in range(subscribers)]
        clients, _ = await enter_all(ears, doors)

        async def publish(numbers: Sequence[int]) -> None:
            await ours.publish([(topic, message(number)) for number in numbers])

        flat_out = await _bursts(ears, asked, publish)
        with publisher(To(topic, urls=ours.urls)) as tell:
            before = ours.used()
            at_rest = await steady(ears, subscribers, seconds, tell)
            used = ours.used() - before
        at_rest |= {"cpu": round(used.total / seconds, 3), "cpu_by_part": used.share_of(seconds)}
        for client in clients:
            client.leave()
    return {"flat_out": flat_out, "steady": at_rest}


async def _peer(name: str, asked: Asked) -> dict[str, Any]:
    subscribers, seconds = asked.users or SUBSCRIBERS, asked.seconds or STEADY_S
    with running(name) as peer:
        ears = Ears()
        doors: list[Door] = [peer.door([TOPIC])] * subscribers
        clients, _ = await enter_all(ears, doors)
        found: dict[str, Any] = {"flat_out": await _bursts(ears, asked, _publisher(peer))}
        if name == "nchan":  # nobody else could take it
            with publisher(To(TOPIC, peer=(peer.name, peer.port))) as tell:
                before = cpu_s(peer.pids())
                found["steady"] = await steady(ears, subscribers, seconds, tell)
                found["steady"]["cpu"] = round((cpu_s(peer.pids()) - before) / seconds, 3)
        for client in clients:
            client.leave()
    return found


def _publisher(peer: Peer) -> Publish:
    async def publish(numbers: Sequence[int]) -> None:
        await peer.publish(TOPIC, [message(number, SIZE) for number in numbers])

    return publish


async def measure(asked: Asked) -> dict[str, Any]:
    """Ours, then the peers."""
    allow_files(asked.users or SUBSCRIBERS)
    found = {"potluck": await _ours(asked)}
    found |= await beside(asked, ("nchan", "channels", "socketio"), lambda name: _peer(name, asked))
    lost = sum(found["potluck"][which]["lost"] for which in ("flat_out", "steady"))
    return {"ratios": ratios(found), "lost": lost, **found}


def ratios(found: dict[str, Any]) -> dict[str, float]:
    """Ours by theirs."""
    ours, by = found["potluck"], dict[str, float]()
    for name, peer in measured(found):
        for what in ("per_s", "per_s_from_publish"):
            by[f"{what}_by_{name}"] = round(ours["flat_out"][what] / peer["flat_out"][what], 2)
    for name, peer in measured(found):
        if "steady" in peer:
            ours_at, cpu = ours["steady"], max(peer["steady"]["cpu"], 0.001)
            by[f"steady_p99_by_{name}"] = round(ours_at["ms"]["p99"] / peer["steady"]["ms"]["p99"], 2)
            by[f"steady_cpu_by_{name}"] = round(ours_at["cpu"] / cpu, 2)
            by[f"steady_server_cpu_by_{name}"] = round(ours_at["cpu_by_part"]["server"] / cpu, 2)
    return by
