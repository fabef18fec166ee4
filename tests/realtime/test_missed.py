"""What is told again to who comes back, when this process has not heard yet that they see somebody again."""

import asyncio

from domain import eventlog
from domain.accounts.actions import ProfileChanges, change_profile
from domain.accounts.rules import Viewer
from domain.clock import now
from domain.eventlog import Logged
from domain.graph.actions import follow_user
from domain.ids import UserID, new_id
from realtime.home import Audiences
from realtime.missed import Missed
from realtime.news import News, entry
from realtime.replay import Ring
from tests.factories import make_user

BEFORE = f"{0:024x}"


def ring_of(*news: News) -> Ring:
    ring = Ring(window_s=1e9, budget=1_000_000)
    ring.clear(BEFORE)
    for each in news:
        ring.add(each)
    return ring


def missed_by(viewer: Viewer, *news: News) -> Missed:
    return Missed(viewer, ring_of(*news), Audiences())


def act(seq: int, type: str, actor: UserID, *topics: str, delivery: str = "event", batch: int = 1) -> News:
    logged = Logged(seq, type, list(topics), "{}", actor, None, now())
    return News(f"{batch}-{seq}", entry(logged, f"1-{seq - 1}", delivery))


async def test_what_somebody_did_to_what_is_theirs_is_told_to_whoever_may_listen_to_it(database: None) -> None:
    viewer, owner = await make_user(), await make_user()
    topic = f"user:{owner.id}"
    changed = act(1, "profile.changed", owner.id, topic, delivery="state")
    missed = missed_by(viewer, changed)
    assert missed.told(topic, str(owner.id), BEFORE, {str(owner.id)}) == [(changed, "")]


async def test_what_somebody_else_did_there_is_withheld_from_whom_they_are_hidden(database: None) -> None:
    viewer, owner, other = await make_user(), await make_user(), await make_user()
    missed = missed_by(viewer, act(1, "comment.created", other.id, "post:1"))
    assert missed.told("post:1", str(owner.id), BEFORE, {str(other.id)}) == []


async def test_at_home_only_following_counts(database: None) -> None:
    viewer, followed, stranger = await make_user(), await make_user(), await make_user()
    await follow_user(viewer, followed.id)
    posts = [
        act(seq, "post.published", who.id, f"author:{who.id}", "author:*")
        for seq, who in ((1, followed), (2, stranger))
    ]
    missed = missed_by(viewer, *posts)
    await missed.ask(missed.unknown({"home": BEFORE}))
    assert missed.told("home", "", BEFORE, {str(followed.id)}) == [(posts[0], "")]


async def test_what_was_said_for_everybody_is_told_to_followers_alone_when_its_author_wants_it_and_its_end_to_everybody(
    database: None,
) -> None:
    follower, stranger, author = await make_user(), await make_user(), await make_user()
    await follow_user(follower, author.id)
    await change_profile(author, author.id, ProfileChanges(privacy_level="followers"))
    dish = f"dish:{new_id()}"
    said = act(1, "review.created", author.id, dish, "holds:review:1")
    ended = act(2, "review.deleted", author.id, dish)
    changed = act(3, "profile.changed", author.id, f"access:{author.id}:*", batch=2)
    for viewer, told in ((follower, [said, ended]), (stranger, [ended])):
        missed = missed_by(viewer, said, ended, changed)
        await missed.ask(missed.unknown({dish: BEFORE}))
        assert [news for news, _ in missed.told(dish, "", BEFORE, set()) or []] == told


async def test_who_has_not_spoken_is_believed_once_the_ring_knows_what_the_database_knew(database: None) -> None:
    viewer, blocker = await make_user(), await make_user()
    post = f"post:{new_id()}"
    apart = (f"hidden:{viewer.id}:{blocker.id}", f"apart:{viewer.id}")
    ring = ring_of(act(1, "user.blocked", blocker.id, *apart))
    missed = Missed(viewer, ring, Audiences())

    asking = asyncio.create_task(missed.ask(missed.unknown({post: BEFORE})))
    await asyncio.sleep(0.1)
    assert not asking.done()
    ring.add(act(2, "comment.deleted", blocker.id, post, batch=await eventlog.newest_batch() + 1))
    await asking

    assert missed.is_stale(post, BEFORE)
