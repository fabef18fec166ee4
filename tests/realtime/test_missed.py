"""What is told again to who comes back, when this process has not heard yet that they see somebody again."""

from domain.accounts.rules import Viewer
from domain.clock import now
from domain.eventlog import Logged
from domain.graph.actions import follow_user
from domain.ids import UserID
from realtime.home import Audiences
from realtime.missed import Missed
from realtime.news import News, entry
from realtime.replay import Ring
from tests.factories import make_user

BEFORE = f"{0:024x}"


def missed_by(viewer: Viewer, *news: News) -> Missed:
    ring = Ring(window_s=300, budget=1_000_000)
    ring.clear(BEFORE)
    for each in news:
        ring.add(each)
    return Missed(viewer, ring, Audiences())


def act(seq: int, type: str, actor: UserID, *topics: str, delivery: str = "event") -> News:
    logged = Logged(seq, type, list(topics), "{}", actor, None, now())
    return News(f"1-{seq}", entry(logged, f"1-{seq - 1}", delivery))


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
