"""Every twenty seconds all sockets break at once, come back with what they know, and have missed nothing."""

from itertools import count

from loadtests.scripted.person import Person
from loadtests.scripted.scenario import Part, Scenario, at_once


async def publish_it(me: Person) -> None:
    await me.publish("Stew for everybody")


async def cook(me: Person) -> None:
    post = await me.newest(of=me)
    async for turn in me.paced(per_second=2):
        if post is not None:
            await me.comment(post, f"Stirred {turn + 1} times")


async def watch_the_cook(me: Person) -> None:
    cook = me.somebody("cook")
    await me.follow(cook)
    post = await me.newest(of=cook)
    if post is not None:
        await me.open(post)


async def guest(me: Person) -> None:
    for storm in count(1):
        await me.until(storm * 20 - 15)
        await me.lose_connection(me.chance.uniform(0, 1))


SCENARIO = Scenario(
    parts=[Part(cook, exactly=1, opening=publish_it), Part(guest, opening=watch_the_cook)],
    arrival=at_once(),
    users=300,
    holds=[
        "lost == 0",
        "duplicated == 0",
        "out_of_order == 0",
        "wrong == 0",
        "resets == 0",
        "frames_due > 0",
        "p99_reconnect_ms < 3000",
    ],
    late_after_s=3,
)
