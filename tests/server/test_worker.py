"""Who follows the log for a derived feature: as much at once as is folded in time."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import pytest

from domain import eventlog
from domain.consequences import Consequence
from domain.eventlog import Logged
from domain.ids import PostID, UserID, new_id
from domain.reactions.events import PostLiked
from domain.settings import settings
from realtime.tasks import end_tasks
from server.worker import Follower, follow

pytestmark = pytest.mark.usefixtures("own_database")


async def emit_likes(number: int) -> list[PostID]:
    posts = [PostID(new_id()) for _ in range(number)]
    await eventlog.emit_all([(PostLiked(post_id=post, user_id=UserID(new_id())), f"post:{post}") for post in posts])
    await eventlog.cut(await eventlog.latest_cut())
    return posts


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
    follower = Follower(Consequence("counters", (PostLiked,), handler))

    await steps(follower)

    assert folded == posts
    assert max(sizes[:3]) <= 10 < max(sizes[3:])
    assert 10 < follower.limit <= settings.fold_limit


@pytest.mark.parametrize(("pace_s", "folds"), [(0, 2), (60, 1)])
async def test_a_feature_is_folded_no_oftener_than_its_pace_allows(pace_s: float, folds: int) -> None:
    sizes: list[int] = []

    async def handler(events: Sequence[Logged]) -> None:
        sizes.append(len(events))

    advanced = asyncio.Event()
    await emit_likes(3)
    following = asyncio.create_task(follow(Consequence("counters", (PostLiked,), handler, pace_s), advanced))
    await until(lambda: sizes == [3])
    await emit_likes(2)
    advanced.set()
    with contextlib.suppress(TimeoutError):
        await until(lambda: len(sizes) > 1)
    await end_tasks([following])

    assert sizes == [3, 2][:folds]
