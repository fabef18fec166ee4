"""One whom everybody follows posts at a steady pace; each post is on every home within a moment."""

from loadtests.scripted.person import Person
from loadtests.scripted.scenario import Part, Scenario, at_once


async def celebrity(me: Person) -> None:
    async for turn in me.paced(per_second=0.5):
        await me.publish(f"Course {turn + 1} of my tasting menu")


async def follow_the_celebrity(me: Person) -> None:
    await me.follow(me.somebody("celebrity"))


async def follower(me: Person) -> None:
    await me.expect("post.published", "home", within=10)
    post = await me.newest(of=me.somebody("celebrity"))
    await me.thinks(1, 4)
    if post is not None and me.chance.random() < 0.2:
        await me.like(post)


SCENARIO = Scenario(
    parts=[Part(celebrity, exactly=1), Part(follower, opening=follow_the_celebrity)],
    arrival=at_once(),
    users=300,
    holds=[
        "lost == 0",
        "duplicated == 0",
        "out_of_order == 0",
        "wrong == 0",
        "frames_due > 0",
        "p99_act_to_frame_ms < 500",
    ],
)
