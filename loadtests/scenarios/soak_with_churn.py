"""Sessions come at a constant rate and go again, for as long as you like: `--for 3600` looks for what adds up."""

from loadtests.scripted.person import Person
from loadtests.scripted.scenario import Part, Scenario, rate


async def host(me: Person) -> None:
    async for turn in me.paced(per_second=0.2):
        await me.publish(f"Table {turn + 1} is laid")


async def passer_by(me: Person) -> None:
    friend = me.somebody("host")
    await me.follow(friend)
    post = await me.newest(of=friend)
    if post is not None:
        await me.open(post)
        await me.like(post)
        await me.thinks(1, 4)
        await me.comment(post, "Is there a chair left?")
        await me.expect("comment.created", post.topic, within=2)
        if me.chance.random() < 0.3:
            await me.unlike(post)
    await me.thinks(1, 4)
    if me.chance.random() < 0.2:
        await me.unfollow(friend)
    await me.leave()


SCENARIO = Scenario(
    parts=[Part(host, exactly=5), Part(passer_by)],
    arrival=rate(10),
    users=120,
    seconds=300,
    holds=["lost == 0", "duplicated == 0", "out_of_order == 0", "wrong == 0", "frames_due > 0", "errors < 0.1 %"],
)
