"""Every way to read, by everybody one can be to an author: a route or a topic without an answer here fails."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from domain import db, topics
from domain.accounts.rules import Viewer
from domain.acts.actions import fold
from domain.dishes.queries import Dish
from domain.graph import actions as graph
from domain.ids import PostID, ReviewID
from domain.notifications.queries import read_notifications
from domain.standings.actions import take
from realtime.access import HOME, KINDS, NOTIFICATIONS, OWN, judge
from tests.domain.notifications.folding import NOON, Log, at
from tests.factories import auth, make_comment, make_dish, make_post, make_restaurant, make_review, make_user

# What a route shows: a profile, a followers-only post, a review (by somebody public, unless one asked to follow them),
# what is the viewer's own, or what is nobody's but the author's; or a fact, whoever told it.
READS = {
    "/api/v1/auth/me": "own",
    "/api/v1/auth/sessions": "own",
    "/api/v1/blocks": "own",
    "/api/v1/mutes": "own",
    "/api/v1/follow-requests": "own",
    "/api/v1/follow-requests/sent": "own",
    "/api/v1/notifications": "own",
    "/api/v1/notifications/unread-count": "own",
    "/api/v1/notifications/{notification_id}/children": "author's",
    "/api/v1/users/{user_id}": "profile",
    "/api/v1/users/by-username/{username}": "profile",
    "/api/v1/users/{user_id}/followers": "profile",
    "/api/v1/users/{user_id}/following": "profile",
    "/api/v1/users/{user_id}/follow-stats": "profile",
    "/api/v1/users/{user_id}/posts": "profile",
    "/api/v1/posts/{post_id}": "post",
    "/api/v1/posts/{post_id}/comments": "post",
    "/api/v1/restaurants": "fact",
    "/api/v1/restaurants/{restaurant_id}": "fact",
    "/api/v1/restaurants/{restaurant_id}/edits": "fact",
    "/api/v1/restaurants/{restaurant_id}/dishes": "fact",
    "/api/v1/dishes": "fact",
    "/api/v1/dishes/{dish_id}": "fact",
    "/api/v1/dishes/{dish_id}/edits": "fact",
    "/api/v1/dish-types": "fact",
    "/api/v1/dishes/{dish_id}/rankings": "fact",
    "/api/v1/users/{user_id}/activity": "profile",
    "/api/v1/experts?city=lyon": "fact",
    "/api/v1/dishes/{dish_id}/reviews": "fact",
    "/api/v1/reviews/{review_id}": "review",
    "/api/v1/reviews/{review_id}/likes": "review",
    "/api/v1/reviews/{review_id}/comments": "review",
    "/api/v1/users/{user_id}/rankings": "profile",
    "/api/v1/users/{user_id}/rankings/history": "profile",
    "/api/v1/users/{user_id}/points": "profile",
    "/api/v1/users/{user_id}/badges": "profile",
    "/api/v1/users/{user_id}/level": "profile",
    "/api/v1/badges": "fact",
    "/api/v1/career-levels": "fact",
    "/api/v1/rankings/next-pair?restaurant_id={restaurant_id}&dish_type=pizza": "fact",
    "/api/v1/trending/dishes?city=somewhere": "fact",
    "/api/v1/leaderboards": "fact",
    "/api/v1/leaderboards/{board}": "fact",
    "/api/v1/leaderboards/{board}/around/{entity_id}": "fact",
    "/api/v1/leaderboards/{board}/entries/{entity_id}": "fact",
    "/api/v1/dishes/best?city=paris&dish_type=pizza": "fact",
}
LISTENS = {
    "user": "profile",
    "post": "post",
    "review": "review",
    "restaurant": "fact",
    "dish": "fact",
    "leaderboard": "fact",
    "trending": "fact",
    HOME: "own",
    NOTIFICATIONS: "own",
}

YES, NO, WHO = 200, 404, 401
# Of an author who shows a post to followers: {relation: {what: answer}}
ANSWERS = {
    "stranger": {"own": YES, "profile": YES, "post": NO, "author's": NO, "review": YES, "fact": YES},
    "follower": {"own": YES, "profile": YES, "post": YES, "author's": NO, "review": YES, "fact": YES},
    "pending": {"own": YES, "profile": YES, "post": NO, "author's": NO, "review": NO, "fact": YES},
    "muting": {"own": YES, "profile": YES, "post": NO, "author's": NO, "review": YES, "fact": YES},
    "blocked": {"own": YES, "profile": NO, "post": NO, "author's": NO, "review": NO, "fact": YES},
    "blocking": {"own": YES, "profile": NO, "post": NO, "author's": NO, "review": NO, "fact": YES},
    "author": {"own": YES, "profile": YES, "post": YES, "author's": YES, "review": YES, "fact": YES},
    "of somebody suspended": {"own": YES, "profile": NO, "post": NO, "author's": NO, "review": NO, "fact": YES},
    "without a token": {"own": WHO, "profile": WHO, "post": WHO, "author's": WHO, "review": WHO, "fact": WHO},
}


async def _follow(viewer: Viewer, author: Viewer) -> None:
    await graph.follow_user(viewer, author.id)


async def _ask(viewer: Viewer, author: Viewer) -> None:
    await db.execute("UPDATE users SET privacy_level = 'followers' WHERE id = $1", author.id)
    await graph.follow_user(viewer, author.id)


async def _mute(viewer: Viewer, author: Viewer) -> None:
    await graph.mute_user(viewer, author.id)


async def _be_blocked(viewer: Viewer, author: Viewer) -> None:
    await graph.follow_user(viewer, author.id)
    await graph.block_user(author, viewer.id)


async def _block(viewer: Viewer, author: Viewer) -> None:
    await graph.follow_user(viewer, author.id)
    await graph.block_user(viewer, author.id)


async def _suspend(viewer: Viewer, author: Viewer) -> None:
    await graph.follow_user(viewer, author.id)
    await db.execute("UPDATE users SET is_active = false WHERE id = $1", author.id)


async def _nothing(viewer: Viewer, author: Viewer) -> None: ...


BECOME: dict[str, Callable[[Viewer, Viewer], Awaitable[None]]] = {
    "stranger": _nothing,
    "follower": _follow,
    "pending": _ask,
    "muting": _mute,
    "blocked": _be_blocked,
    "blocking": _block,
    "author": _nothing,
    "of somebody suspended": _suspend,
    "without a token": _nothing,
}


def routes(app: Any) -> set[str]:
    """The paths under /api/v1 that can be read."""
    found = {route.path_format for route in app.routes if "GET" in getattr(route, "methods", ())}
    return {path for path in found if path.startswith("/api/v1/")}


async def scene(relation: str) -> tuple[Viewer, Viewer, PostID, Dish, ReviewID]:
    author = await make_user(username="author")
    post = await make_post(author, visibility="followers")
    await make_comment(post, author)
    dish = await make_dish(author, await make_restaurant(author, city="Lyon"))
    review = await make_review(author, dish)
    dish = await make_dish(author, await make_restaurant(author, city="Somewhere"))
    await graph.follow_user(await make_user(), author.id)
    dish = await make_dish(author)
    await make_restaurant(author, city="Paris")
    fan = await make_user()
    await graph.follow_user(fan, author.id)
    await db.execute("INSERT INTO user_progress (user_id, points) VALUES ($1, 10)", fan.id)
    await take("users", [fan.id], [])
    await fold(at(await Log().new(), NOON))
    viewer = author if relation == "author" else await make_user()
    await BECOME[relation](viewer, author)
    return viewer, author, post.id, dish, review.id


def test_every_route_that_reads_and_every_topic_kind_has_an_answer(app: Any) -> None:
    assert routes(app) == {path.partition("?")[0] for path in READS}
    assert set(KINDS) | OWN == set(LISTENS)


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("relation", ANSWERS)
async def test_a_route_shows_what_the_relation_allows(client: httpx.AsyncClient, relation: str, path: str) -> None:
    viewer, author, post_id, dish, review_id = await scene(relation)
    headers = {} if relation == "without a token" else auth(viewer)
    (heard,) = (await read_notifications(author, None, 2)).items
    ids = {"user_id": author.id, "post_id": post_id, "notification_id": heard.id}
    ids |= {"dish_id": dish.id, "restaurant_id": dish.restaurant.id, "review_id": review_id}
    ids["entity_id"] = await db.fetchval("SELECT entity_id FROM leaderboard_entries")
    answer = await client.get(path.format(username="author", board="users:global", **ids), headers=headers)
    assert answer.status_code == ANSWERS[relation][READS[path]]


@pytest.mark.parametrize("relation", [each for each in ANSWERS if each != "without a token"])
async def test_a_topic_is_open_to_whom_the_route_is_open(relation: str) -> None:
    viewer, author, post_id, dish, review_id = await scene(relation)
    names = {topics.user(author.id): "user", topics.post(post_id): "post", HOME: HOME, NOTIFICATIONS: NOTIFICATIONS}
    names |= {topics.restaurant(dish.restaurant.id): "restaurant", topics.dish(dish.id): "dish"}
    names[topics.leaderboard("users:global")] = "leaderboard"
    names[topics.review(review_id)] = "review"
    names[topics.trending("dishes:somewhere:pizza")] = "trending"
    verdicts = await judge([(viewer.id, name) for name in names])
    open_to = {
        kind: (verdict := verdicts[viewer.id, name]) is not None and verdict.code == "ok"
        for name, kind in names.items()
    }
    assert open_to == {kind: ANSWERS[relation][what] == YES for kind, what in LISTENS.items()}
