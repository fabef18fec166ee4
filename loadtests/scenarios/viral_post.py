"""One post that everybody watches: fans like it and say so, and every socket hears of all of it."""

from loadtests.scripted.person import Person
from loadtests.scripted.scenario import Part, Scenario, ramp


async def publish_it(me: Person) -> None:
    await me.publish("The one with the burnt aubergines")


async def author(me: Person) -> None:
    await me.thinks(2, 4)
    await me.notifications()
    await me.thinks(10, 20)
    await me.read_notifications()


async def fan(me: Person) -> None:
    post = await me.newest(of=me.somebody("author"))
    if post is None:
        return
    if await me.open(post):
        await me.thinks(1, 5)
        await me.like(post)
        await me.expect("post.counters", post.topic, within=2)
    await me.thinks(5, 15)
    if me.chance.random() < 0.3:
        await me.comment(post, "Made it twice this week")
        await me.expect("comment.created", post.topic, within=2)
    await me.thinks(5, 15)


async def lurker(me: Person) -> None:
    post = await me.newest(of=me.somebody("author"))
    if post is not None:
        await me.open(post)
        await me.comments(post)
    await me.thinks(10, 20)


SCENARIO = Scenario(
    parts=[Part(author, exactly=1, opening=publish_it), Part(fan, weight=4), Part(lurker, weight=1)],
    arrival=ramp(10),
    users=500,
    holds=[
        "lost == 0",
        "duplicated == 0",
        "out_of_order == 0",
        "wrong == 0",
        "frames_due > 0",
        "errors < 0.1 %",
        "p99_act_to_frame_ms < 500",
    ],
)
