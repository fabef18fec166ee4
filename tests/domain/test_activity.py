"""What somebody did lately: in one list, at the cost of one page, and nothing that the viewer may not see."""

import random
import re
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from domain import db
from domain.accounts.actions import ProfileChanges, change_profile
from domain.accounts.queries import UserNotFound
from domain.accounts.rules import Viewer
from domain.activity.queries import READ_ACTIVITY, read_activity
from domain.comments.queries import read_comment
from domain.errors import NotFound
from domain.graph.actions import block_user, follow_user
from domain.ids import UserID, new_id
from domain.posts.actions import delete_post
from domain.rankings.actions import NewRanking, rank_dish
from domain.rankings.queries import Ranking, read_rankings_of
from domain.reviews.actions import like_review
from domain.reviews.queries import read_review
from tests.conftest import Statements
from tests.factories import make_comment, make_dish, make_post, make_review, make_user


async def rank(viewer: Viewer) -> Ranking:
    made = await rank_dish(viewer, (await make_dish()).id, NewRanking(rank=1, notes="Good"))
    assert made.ranking is not None
    return made.ranking


async def ids(viewer: Viewer, of: Viewer) -> list[Any]:
    return [each.id for each in await read_activity(viewer, of.id, None, 100)]


async def test_rankings_reviews_and_comments_are_one_list_and_each_is_as_it_is_elsewhere() -> None:
    ana, ben, eve = await make_user(), await make_user(username="ben"), await make_user(username="eve")
    ranking = await rank(ana)
    review = await make_review(ana, stars=4, photos=["https://example.org/a.jpg"])
    await like_review(ben, review.id)
    await make_comment(review, ben)
    comment = await make_comment(await make_post(), ana, content="Ask @eve")
    reply = await make_comment(await make_review(), ana)
    await make_post(ana)
    await make_comment(review, eve)

    listed = await read_activity(ben, ana.id, None, 100)

    assert [each.type for each in listed] == ["comment", "comment", "review", "ranking"]
    assert [(each.ranking, each.review, each.comment) for each in listed] == [
        (None, None, await read_comment(ben, reply.id)),
        (None, None, await read_comment(ben, comment.id)),
        (None, await read_review(ben, review.id), None),
        ((await read_rankings_of(ben, ana.id, None, 1))[0], None, None),
    ]
    assert listed[-1].id == ranking.id
    assert [each.created_at for each in listed] == [
        reply.created_at,
        comment.created_at,
        review.created_at,
        ranking.created_at,
    ]


async def test_a_page_starts_behind_the_one_before_whatever_it_ended_with() -> None:
    ana, post, chance = await make_user(), await make_post(), random.Random(1)
    made: list[Any] = []
    for _ in range(12):
        acts: list[Callable[[], Coroutine[Any, Any, Any]]] = [
            lambda: rank(ana),
            lambda: make_review(ana),
            lambda: make_comment(post, ana),
        ]
        made.insert(0, (await chance.choice(acts)()).id)

    pages: list[list[Any]] = [[]]
    for _ in range(4):
        page = await read_activity(ana, ana.id, pages[-1][-1] if pages[-1] else None, 3)
        pages.append([each.id for each in page])

    assert [each for page in pages for each in page] == made


async def test_who_did_nothing_has_an_empty_list_and_who_is_not_there_none() -> None:
    ana = await make_user()

    assert await ids(await make_user(), ana) == []
    with pytest.raises(UserNotFound):
        await read_activity(ana, UserID(new_id()), None, 10)


@pytest.mark.parametrize("way", ["blocks", "is blocked"])
async def test_who_has_a_block_between_them_sees_nothing(way: str) -> None:
    ana, ben = await make_user(), await make_user()
    await make_review(ana)
    one, other = (ana, ben) if way == "blocks" else (ben, ana)
    await block_user(one, other.id)

    with pytest.raises(UserNotFound):
        await ids(ben, ana)


async def test_of_who_is_not_public_only_followers_see_rankings_and_reviews() -> None:
    ana, ben, eve = [await make_user() for _ in range(3)]
    said = [await rank(ana), await make_review(ana), await make_comment(await make_post(), ana)]
    await follow_user(ben, ana.id)
    await change_profile(ana, ana.id, ProfileChanges(privacy_level="followers"))

    seen = [await ids(viewer, ana) for viewer in (ana, ben, eve)]

    everything = [each.id for each in reversed(said)]
    assert seen == [everything, everything, everything[:1]]


async def test_a_comment_shows_to_who_sees_what_it_is_on_and_the_one_above_it() -> None:
    ana, ben, eve, owner = [await make_user() for _ in range(4)]
    hidden = await make_post(owner, visibility="followers")
    await follow_user(ana, owner.id)
    await make_comment(hidden, ana)
    post = await make_post()
    await make_comment(post, ana, await make_comment(post, eve))
    shown = await make_comment(post, ana)
    gone = await make_post(owner)
    await make_comment(gone, ana)
    await delete_post(owner, gone.id)
    await block_user(eve, ben.id)

    assert await ids(ben, ana) == [shown.id]
    assert len(await ids(ana, ana)) == 3


async def test_what_is_listed_is_what_can_be_read_one_by_one() -> None:
    chance, people = random.Random(7), [await make_user() for _ in range(4)]
    said: list[Any] = []
    for _ in range(30):
        who, level = chance.choice(people), chance.choice(["public", "followers"])
        post = await make_post(chance.choice(people), visibility=level)
        said += [await make_review(who)]
        if who.id == post.author.id or level == "public":
            said += [await make_comment(post, who)]
    await block_user(people[0], people[1].id)
    await change_profile(people[2], people[2].id, ProfileChanges(privacy_level="private"))

    for viewer in people:
        readable = {each.id for each in said if await can_read(viewer, each)}
        for author in people:
            mine = {each.id for each in said if each.author.id == author.id} & readable
            assert set(await ids_or_none(viewer, author)) == mine


async def can_read(viewer: Viewer, said: Any) -> bool:
    read: Any = read_comment if hasattr(said, "target") else read_review
    try:
        await read(viewer, said.id)
    except NotFound:
        return False
    return True


async def ids_or_none(viewer: Viewer, author: Viewer) -> list[Any]:
    try:
        return await ids(viewer, author)
    except UserNotFound:
        return []


# what it costs

ARMS = ("dish_rankings_user_id", "reviews_author", "comments_author")
FILL = """
WITH ranked AS (
    INSERT INTO dish_rankings (id, user_id, dish_id, restaurant_id, dish_type, notes, created_at, updated_at)
    SELECT gen_random_uuid(), u.id, d.id, d.restaurant_id, d.dish_type, 'x', now(), now() FROM users u, dishes d
), reviewed AS (
    INSERT INTO reviews (id, author_id, dish_id, restaurant_id, content, created_at)
    SELECT gen_random_uuid(), u.id, d.id, d.restaurant_id, 'x', now() FROM users u, dishes d
)
INSERT INTO comments (id, target_type, target_id, author_id, content, created_at)
SELECT gen_random_uuid(), 'post', p.id, u.id, 'x', now() FROM users u, posts p, generate_series(1, 20)
"""


@pytest.mark.parametrize("plan", ["force_custom_plan", "force_generic_plan"])
async def test_a_page_is_one_statement_and_found_by_indexes_alone(
    own_database: None, statements: Statements, plan: str
) -> None:
    async with db.rolled_back():  # in tables without what other tests left dead, which plans count
        ana = await make_user()
        for _ in range(20):
            await make_dish(await make_user())
            await make_post(await make_user())
        await db.execute(FILL)
        await db.execute("ANALYZE")
        await db.execute(f"SET LOCAL plan_cache_mode = {plan}")
        await db.execute("SET LOCAL enable_seqscan = off")  # these tables are small enough for it

        assert len(await statements(read_activity(ana, ana.id, None, 20))) == 1
        rows = await db.fetch(f"EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF) {READ_ACTIVITY}", ana.id, ana.id, None, 20)

        lines = [row[0] for row in rows]
        read = [line for line in lines if any(f"using {name} on" in line for name in ARMS)]
        numbers = [int(number) for line in read for number in re.findall(r"actual rows=([0-9]+)", line)]
        assert len(numbers) == 3, "\n".join(lines)
        assert sum(numbers) <= 20 + 3
