"""A process that hands in news at a steady rate: one that also hears it would be late for its own schedule."""

import asyncio
import multiprocessing
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import uvloop

from loadtests.measured.ours import SIZE, Urls, connected, message, publish
from loadtests.peers.running import Speaker

READY_S = 30.0
START_S = 0.2
GRACE_S = 30.0


class To(NamedTuple):
    """Whom to tell: us, by our servers, or a peer, by its name and port."""

    topic: str
    urls: Urls | None = None
    peer: tuple[str, int] | None = None


class Told(NamedTuple):
    """When the first was due (`perf_counter`, which all processes of a machine share), and the rate that was kept."""

    begun: float
    per_s: float
    cpu_s: float


class Publisher:
    """It, from outside."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    async def tell(self, number: int, per_s: float) -> Told:
        """Hand in so many, numbered, each when it is due whether or not those before are in. Raises TimeoutError."""
        begun = time.perf_counter() + START_S
        self._pipe.send((begun, number, per_s))
        return await asyncio.to_thread(self._answer, number / per_s + GRACE_S)

    def _answer(self, seconds: float) -> Told:
        if not self._pipe.poll(seconds):
            raise TimeoutError("the publisher does not answer")
        return self._pipe.recv()


@contextmanager
def publisher(to: To) -> Generator[Publisher]:
    """Start it; ended when left."""
    spawn = multiprocessing.get_context("spawn")
    pipe: Any = spawn.Pipe()  # of another type on each platform
    ours, theirs = pipe
    process = spawn.Process(target=_main, args=(theirs, to), name="publisher", daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(READY_S):
            raise TimeoutError("the publisher does not start")
        ours.recv()
        yield Publisher(ours)
    finally:
        ours.close()
        process.join(5)
        process.terminate()


def _main(pipe: Connection, to: To) -> None:
    uvloop.run(_serve(pipe, to))


async def _serve(pipe: Connection, to: To) -> None:
    async with _way(to) as tell:
        pipe.send(None)
        while True:
            try:
                begun, number, per_s = await asyncio.to_thread(pipe.recv)
            except EOFError:
                return
            used = time.process_time()
            for i in range(number):
                await asyncio.sleep(max(0.0, begun + i / per_s - time.perf_counter()))
                await tell(i)
            took = time.perf_counter() - begun
            pipe.send(Told(begun, number / took, time.process_time() - used))


@asynccontextmanager
async def _way(to: To) -> AsyncGenerator[Callable[[int], Awaitable[None]]]:
    if to.urls is not None:
        async with connected(to.urls) as redis:
            yield lambda number: publish(redis, [(to.topic, message(number))])
    elif to.peer is not None:
        with closing(Speaker(*to.peer)) as speaker:
            yield lambda number: speaker.publish(to.topic, [message(number, SIZE)])
