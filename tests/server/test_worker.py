"""Who follows the log for a derived feature: as much at once as is folded in time."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import msgspec
import pytest

from domain import db, eventlog
from domain.consequences import Consequence
from domain.eventlog import Cut, Logged
from domain.ids import PostID, UserID, new_id
from domain.reactions.events import PostLiked, PostUnliked
from domain.settings import settings
from realtime.cuts import Cuts
from realtime.tasks import end_tasks
from server import worker
from server.worker import Follower, follow

pytestmark = pytest.mark.usefixtures("own_database")


async def emit_likes(number: int) -> list[PostID]:
    posts = [PostID(new_id()) for _ in range(number)]
    await eventlog.emit_all([(PostLiked(post_id=post, user_id=UserID(new_id())), f"post:{post}") for post in posts])
    await cut()
    return posts


async def cut() -> Cut:
    """The next batch, also when it is empty, as the relay that makes it knows it."""
    made = await eventlog.cut(await eventlog.latest_cut(), even_empty=True)
    assert made is not None
    return made[0]


async def likes_cut(number: int) -> Cut:
    """A batch of likes."""
    likes = [PostLiked(post_id=PostID(new_id()), user_id=UserID(new_id())) for _ in range(number)]
    await eventlog.emit_all([(liked, f"post:{liked.post_id}") for liked in likes])
    return await cut()


async def until(so: Callable[[], bool]) -> None:
    """Wait until it is so; TimeoutError when it takes too long."""
    async with asyncio.timeout(2):
        while not so():
            await asyncio.sleep(0.002)


async def steps(follower: Follower) -> None:
    """Step on until there is nothing more, as the worker does, whatever breaks."""
    while True:
        with contextlib.suppress(TimeoutError):
            if not await follower.step():
                return


async def test_a_batch_that_takes_too_long_is_folded_in_parts_and_then_in_larger_ones_again() -> None:
    sizes: list[int] = []
    folded: list[PostID] = []
    patience = [10, 10, 10, *[1000] * 20]

    async def handler(events: Sequence[Logged]) -> None:
        if len(events) > patience[0]:
            raise TimeoutError
        patience.pop(0)
        sizes.append(len(events))
        folded.extend(liked.post_id for liked in eventlog.of(events, PostLiked))

    posts = await emit_likes(200)
    follower = Follower(Consequence("counters", (PostLiked,), handler), Cuts())

    await steps(follower)

    assert folded == posts
    assert max(sizes[:3]) <= 10 < max(sizes[3:])
    assert 10 < follower.limit <= settings.fold_limit


async def test_an_event_that_takes_longer_than_a_statement_may_is_folded_with_more_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hasty = msgspec.structs.replace(settings, db_timeout_s=0.02, fold_timeout_s=0.5, fold_limit=4)
    monkeypatch.setattr(worker, "settings", hasty)
    folded: list[PostID] = []

    async def handler(events: Sequence[Logged]) -> None:
        await db.fetchval("SELECT pg_sleep(0.1)")
        folded.extend(liked.post_id for liked in eventlog.of(events, PostLiked))

    posts = await emit_likes(3)
    follower = Follower(Consequence("counters", (PostLiked,), handler), Cuts())

    await steps(follower)

    assert folded == posts
    assert 0.1 < follower.patience_s <= 0.5


@pytest.mark.parametrize(("pace_s", "folds"), [(0, 2), (60, 1)])
async def test_a_feature_is_folded_no_oftener_than_its_pace_allows(pace_s: float, folds: int) -> None:
    sizes: list[int] = []

    async def handler(events: Sequence[Logged]) -> None:
        sizes.append(len(events))

    cuts = Cuts()
    await emit_likes(3)
    following = asyncio.create_task(follow(Consequence("counters", (PostLiked,), handler, pace_s), cuts))
    await until(lambda: sizes == [3])
    await emit_likes(2)
    cuts.add(await eventlog.latest_cut())
    with contextlib.suppress(TimeoutError):
        await until(lambda: len(sizes) > 1)
    await end_tasks([following])

    assert sizes == [3, 2][:folds]


async def test_batches_without_anything_for_a_feature_are_passed_over_without_a_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []

    async def handler(events: Sequence[Logged]) -> None:
        sizes.append(len(events))

    cuts = Cuts()
    follower = Follower(Consequence("counters", (PostUnliked,), handler), cuts)
    await steps(follower)
    cuts.add(await likes_cut(2))
    cuts.add(newest := await likes_cut(1))

    with monkeypatch.context() as without_database:
        without_database.setattr(db.DB, "pool", None)
        answers = [await follower.step(look=False) for _ in range(2)]

    assert answers == [True, False]
    assert (follower.batch, sizes) == (newest.batch, [])


async def test_what_is_for_a_feature_is_folded_when_the_batches_behind_it_are_not() -> None:
    sizes: list[int] = []

    async def handler(events: Sequence[Logged]) -> None:
        sizes.append(len(events))

    cuts = Cuts()
    follower = Follower(Consequence("counters", (PostLiked,), handler), cuts)
    await steps(follower)
    cuts.add(await likes_cut(2))
    cuts.add(await cut())

    await follower.step(look=False)

    assert sizes == [2]


async def test_batches_that_somebody_else_cut_are_read_from_the_log() -> None:
    sizes: list[int] = []

    async def handler(events: Sequence[Logged]) -> None:
        sizes.append(len(events))

    cuts = Cuts()
    follower = Follower(Consequence("counters", (PostLiked,), handler), cuts)
    await steps(follower)
    await emit_likes(2)
    cuts.add(await cut())

    await follower.step(look=False)

    assert sizes == [2]
