"""Reviews of dishes over HTTP."""

from typing import Any

import httpx
import pytest

from domain import db
from domain.ids import new_id
from tests.conftest import Clock
from tests.factories import auth, make_comment, make_dish, make_review, make_user

API = "/api/v1"
PHOTO = "https://example.org/a.jpg"


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_review_is_answered_with_every_key(client: httpx.AsyncClient, clock: Clock) -> None:
    ana, dish = await make_user(username="ana"), await make_dish()
    body = {"content": "Crisp", "stars": 4, "photos": [PHOTO]}

    answer = await client.post(f"{API}/dishes/{dish.id}/reviews", json=body, headers=auth(ana))

    made = answer.json()
    assert answer.status_code == 201
    assert made == body | {
        "id": made["id"],
        "author": {"id": str(ana.id), "username": "ana", "display_name": None, "avatar_url": None},
        "dish_id": str(dish.id),
        "dish": {"id": str(dish.id), "name": dish.name},
        "restaurant_id": str(dish.restaurant.id),
        "counters": {"likes": 0, "comments": 0},
        "viewer": {"liked": False},
        "created_at": f"{clock.time:%Y-%m-%dT%H:%M:%S.%f}Z",
        "edited_at": None,
    }
    assert (await client.get(f"{API}/reviews/{made['id']}", headers=auth(ana))).json() == made


async def test_a_second_review_is_409_and_names_the_first(client: httpx.AsyncClient) -> None:
    ana, dish = await make_user(), await make_dish()
    review = await make_review(ana, dish)

    answer = await client.post(f"{API}/dishes/{dish.id}/reviews", json={"content": "Again"}, headers=auth(ana))

    assert error(answer) == (409, "already_reviewed")
    assert answer.json()["error"]["details"] == {"review_id": str(review.id)}


async def test_the_same_request_again_gets_the_same_answer(client: httpx.AsyncClient) -> None:
    ana, dish = await make_user(), await make_dish()
    headers = auth(ana) | {"Idempotency-Key": "one"}

    answers = [
        await client.post(f"{API}/dishes/{dish.id}/reviews", json={"content": "Once"}, headers=headers)
        for _ in range(2)
    ]

    assert [each.status_code for each in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()


async def test_reviews_are_listed_the_newest_first_and_counted_on_the_dish_and_the_restaurant_at_once(
    client: httpx.AsyncClient,
) -> None:
    ana, dish = await make_user(), await make_dish()
    made = [await make_review(None, dish), await make_review(ana, dish)]
    path = f"{API}/dishes/{dish.id}/reviews"

    first = (await client.get(f"{path}?limit=1", headers=auth(ana))).json()
    rest = (await client.get(path, params={"cursor": first["next_cursor"]}, headers=auth(ana))).json()
    counted = [
        (await client.get(f"{API}/{thing}", headers=auth(ana))).json()["counters"]["reviews"]
        for thing in (f"dishes/{dish.id}", f"restaurants/{dish.restaurant.id}")
    ]

    assert [each["id"] for each in [*first["items"], *rest["items"]]] == [str(each.id) for each in reversed(made)]
    assert rest["next_cursor"] is None
    assert counted == [1, 1]  # the other's is not folded yet


async def test_an_edit_answers_the_whole_and_a_deletion_nothing(client: httpx.AsyncClient) -> None:
    ana = await make_user()
    review = await make_review(ana, stars=2)
    path = f"{API}/reviews/{review.id}"

    edited = await client.patch(path, json={"stars": None, "photos": [PHOTO]}, headers=auth(ana))
    deleted = await client.delete(path, headers=auth(ana))
    gone = await client.get(path, headers=auth(ana))

    assert (edited.status_code, deleted.status_code, deleted.content) == (200, 204, b"")
    assert (edited.json()["stars"], edited.json()["photos"]) == (None, [PHOTO])
    assert (edited.json()["content"], edited.json()["edited_at"] is None) == (review.content, False)
    assert error(gone) == (404, "review_not_found")


async def test_others_may_not_change_it(client: httpx.AsyncClient) -> None:
    path, headers = f"{API}/reviews/{(await make_review()).id}", auth(await make_user())

    answers = [
        await client.patch(path, json={"stars": 1}, headers=headers),
        await client.delete(path, headers=headers),
    ]

    assert [error(each) for each in answers] == [(403, "not_your_review")] * 2


async def test_likes_answer_with_their_state_also_when_they_change_nothing(client: httpx.AsyncClient) -> None:
    ben, review = await make_user(username="ben"), await make_review()
    path = f"{API}/reviews/{review.id}"

    liked = [await client.put(f"{path}/like", headers=auth(ben)) for _ in range(2)]
    read = (await client.get(path, headers=auth(ben))).json()
    listed = (await client.get(f"{path}/likes", headers=auth(ben))).json()
    unliked = [await client.delete(f"{path}/like", headers=auth(ben)) for _ in range(2)]

    assert [each.json() for each in liked] == [{"likes": 1, "liked": True}] * 2
    assert (read["counters"], read["viewer"]) == ({"likes": 1, "comments": 0}, {"liked": True})
    assert [each["username"] for each in listed["items"]] == ["ben"]
    assert [(each.status_code, each.json()) for each in unliked] == [(200, {"likes": 0, "liked": False})] * 2


async def test_who_likes_it_is_paged(client: httpx.AsyncClient) -> None:
    me, review = await make_user(), await make_review()
    for _ in range(3):
        await client.put(f"{API}/reviews/{review.id}/like", headers=auth(await make_user()))
    path = f"{API}/reviews/{review.id}/likes"

    first = (await client.get(f"{path}?limit=2", headers=auth(me))).json()
    rest = (await client.get(path, params={"cursor": first["next_cursor"]}, headers=auth(me))).json()

    assert len({each["id"] for each in [*first["items"], *rest["items"]]}) == 3
    assert rest["next_cursor"] is None


async def test_comments_and_replies_are_made_listed_edited_and_deleted_below_a_review(
    client: httpx.AsyncClient,
) -> None:
    ana, ben = await make_user(), await make_user()
    review = await make_review(ana)
    path = f"{API}/reviews/{review.id}/comments"

    made = (await client.post(path, json={"content": "Really?"}, headers=auth(ben))).json()
    reply = await client.post(path, json={"content": "Yes", "parent_id": made["id"]}, headers=auth(ana))
    edited = await client.patch(f"{API}/comments/{made['id']}", json={"content": "Really!"}, headers=auth(ben))
    listed = (await client.get(path, headers=auth(ana))).json()
    replies = (await client.get(f"{path}?parent_id={made['id']}", headers=auth(ben))).json()
    deleted = await client.delete(f"{API}/comments/{made['id']}", headers=auth(ana))
    left = (await client.get(path, headers=auth(ana))).json()

    assert (reply.status_code, edited.status_code, deleted.status_code) == (201, 200, 204)
    assert made["target"] == {"type": "review", "id": str(review.id)}
    assert [(each["content"], each["reply_count"]) for each in listed["items"]] == [("Really!", 1)]
    assert [each["id"] for each in replies["items"]] == [reply.json()["id"]]
    assert left["items"] == []


async def test_a_comment_on_a_review_is_no_parent_below_another(client: httpx.AsyncClient) -> None:
    ana, one, other = await make_user(), await make_review(), await make_review()
    comment = await make_comment(one)

    answer = await client.post(
        f"{API}/reviews/{other.id}/comments", json={"content": "x", "parent_id": str(comment.id)}, headers=auth(ana)
    )

    assert (answer.status_code, list(answer.json()["error"]["details"])) == (400, ["parent_id"])


BODIES: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"content"}),
    ({"content": ""}, {"content"}),
    ({"content": " \n"}, {"content"}),
    ({"content": None}, {"content"}),
    ({"content": "a\0b"}, {"content"}),
    ({"content": "x" * 5001}, {"content"}),
    ({"content": "x", "stars": 0}, {"stars"}),
    ({"content": "x", "stars": 6}, {"stars"}),
    ({"content": "x", "stars": 4.5}, {"stars"}),
    ({"content": "x", "stars": "4"}, {"stars"}),
    ({"content": "x", "stars": True}, {"stars"}),
    ({"content": "x", "photos": None}, {"photos"}),
    ({"content": "x", "photos": PHOTO}, {"photos"}),
    ({"content": "x", "photos": ["me.jpg"]}, {"photos[0]"}),
    ({"content": "x", "photos": ["javascript:alert(1)"]}, {"photos[0]"}),
    ({"content": "x", "photos": [PHOTO] * 11}, {"photos"}),
    ({"content": "x", "author_id": "me"}, {"author_id"}),
]
ROWS = "SELECT (SELECT count(*) FROM events) || string_agg(r::text, ' ' ORDER BY id) FROM reviews r"


@pytest.mark.parametrize(("body", "fields"), BODIES, ids=[f"{body}"[:50] for body, _ in BODIES])
async def test_what_no_review_can_be_is_400_and_named_and_changes_nothing(
    client: httpx.AsyncClient, body: dict[str, Any], fields: set[str]
) -> None:
    ana, dish = await make_user(), await make_dish()
    review = await make_review(ana)
    before = await db.fetchval(ROWS)

    made = await client.post(f"{API}/dishes/{dish.id}/reviews", json=body, headers=auth(ana))
    edited = await client.patch(f"{API}/reviews/{review.id}", json=body or {"content": ""}, headers=auth(ana))

    assert (made.status_code, edited.status_code) == (400, 400)
    assert [set(each.json()["error"]["details"]) for each in (made, edited)] == [fields] * 2
    assert await db.fetchval(ROWS) == before


async def test_an_edit_of_nothing_names_what_may_be_edited(client: httpx.AsyncClient) -> None:
    ana = await make_user()

    answer = await client.patch(f"{API}/reviews/{(await make_review(ana)).id}", json={}, headers=auth(ana))

    assert error(answer) == (400, "nothing_to_change")
    assert set(answer.json()["error"]["details"]) == {"content", "stars", "photos"}


async def test_what_is_not_there_is_404(client: httpx.AsyncClient) -> None:
    headers, nothing = auth(await make_user()), new_id()
    dish, review = f"{API}/dishes/{nothing}/reviews", f"{API}/reviews/{nothing}"

    on_dish = [
        await client.post(dish, json={"content": "x"}, headers=headers),
        await client.get(dish, headers=headers),
    ]
    on_review = [
        await client.get(review, headers=headers),
        await client.patch(review, json={"stars": 1}, headers=headers),
        await client.delete(review, headers=headers),
        await client.put(f"{review}/like", headers=headers),
        await client.delete(f"{review}/like", headers=headers),
        await client.get(f"{review}/likes", headers=headers),
        await client.post(f"{review}/comments", json={"content": "x"}, headers=headers),
        await client.get(f"{review}/comments", headers=headers),
    ]

    assert [error(each) for each in on_dish] == [(404, "dish_not_found")] * 2
    assert [error(each) for each in on_review] == [(404, "review_not_found")] * 8


@pytest.mark.parametrize("cursor", ["x", "kgE", "AAAA"])
async def test_a_cursor_that_is_none_is_400(client: httpx.AsyncClient, cursor: str) -> None:
    ana, review = await make_user(), await make_review()
    paths = [f"{API}/dishes/{review.dish_id}/reviews", f"{API}/reviews/{review.id}/likes"]

    answers = [await client.get(path, params={"cursor": cursor}, headers=auth(ana)) for path in paths]

    assert [(each.status_code, list(each.json()["error"]["details"])) for each in answers] == [(400, ["cursor"])] * 2
