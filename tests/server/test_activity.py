"""What somebody did lately, over HTTP."""

import httpx
import pytest

from domain.ids import new_id
from domain.rankings.actions import NewRanking, rank_dish
from tests.factories import auth, make_comment, make_dish, make_review, make_user

API = "/api/v1"


async def test_what_somebody_did_is_listed_and_paged_with_every_key(client: httpx.AsyncClient) -> None:
    ana, me = await make_user(), await make_user()
    await rank_dish(ana, (await make_dish()).id, NewRanking(rank=2, notes="Good"))
    review = await make_review(ana)
    comment = await make_comment(review, ana)
    path = f"{API}/users/{ana.id}/activity"

    first = (await client.get(f"{path}?limit=2", headers=auth(me))).json()
    rest = (await client.get(path, params={"cursor": first["next_cursor"]}, headers=auth(me))).json()

    listed = [*first["items"], *rest["items"]]
    assert rest["next_cursor"] is None
    assert [each["type"] for each in listed] == ["comment", "review", "ranking"]
    assert {tuple(each) for each in listed} == {("type", "id", "created_at", "ranking", "review", "comment")}
    shown = [(await client.get(f"{API}/reviews/{review.id}", headers=auth(me))).json()]
    below = (await client.get(f"{API}/reviews/{review.id}/comments", headers=auth(me))).json()["items"]
    ranked = (await client.get(f"{API}/users/{ana.id}/rankings", headers=auth(me))).json()["items"]
    assert [[listed[0]["comment"]], [listed[1]["review"]], [listed[2]["ranking"]]] == [below, shown, ranked]
    assert [each["id"] for each in below] == [str(comment.id)]


@pytest.mark.parametrize(("query", "field"), [("limit=0", "limit"), ("limit=101", "limit"), ("cursor=x", "cursor")])
async def test_what_is_no_page_is_refused_and_named(client: httpx.AsyncClient, query: str, field: str) -> None:
    ana = await make_user()

    answer = await client.get(f"{API}/users/{ana.id}/activity?{query}", headers=auth(ana))

    assert (answer.status_code, list(answer.json()["error"]["details"])) == (400, [field])


async def test_somebody_who_is_not_there_is_404(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{API}/users/{new_id()}/activity", headers=auth(await make_user()))

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "user_not_found")
