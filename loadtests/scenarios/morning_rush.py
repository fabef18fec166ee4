"""Everybody wakes up in the same half minute: reads what is new, follows, likes, comments, posts their breakfast."""

from loadtests.scripted.person import Person
from loadtests.scripted.scenario import Part, Scenario, ramp


async def early_bird(me: Person) -> None:
    await me.publish("Porridge, and it is still dark")
    await me.thinks(3, 8)
    await me.notifications()
    await me.read_notifications()
    await me.thinks(3, 8)


async def sleeper(me: Person) -> None:
    friend = me.somebody("early_bird")
    await me.notifications()
    await me.follow(friend)
    await me.thinks(1, 3)
    post = await me.newest(of=friend)
    if post is not None:
        await me.open(post)
        await me.like(post)
        await me.thinks(1, 3)
        if me.chance.random() < 0.3:
            await me.comment(post, "Save me some")
            await me.expect("comment.created", post.topic, within=2)
    await me.thinks(3, 8)


SCENARIO = Scenario(
    parts=[Part(early_bird, weight=1), Part(sleeper, weight=4)],
    arrival=ramp(30),
    users=200,
    seconds=90,
    holds=["lost == 0", "duplicated == 0", "out_of_order == 0", "wrong == 0", "frames_due > 0", "errors < 0.1 %"],
)
