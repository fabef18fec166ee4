"""Notifications over HTTP: the list and its pages, children, the unread count, reading and deleting."""

from typing import Any

import httpx
import pytest

from domain import db
from domain.accounts.rules import Viewer
from domain.acts.actions import fold
from domain.clock import stamp
from domain.graph.actions import follow_user
from domain.ids import new_id
from domain.posts.queries import Post
from domain.reactions.actions import like_post
from tests.domain.notifications.folding import Log, after, at
from tests.factories import auth, make_post, make_user

PATH = "/api/v1/notifications"
NOBODYS = "019b0000-0000-7000-8000-000000000000"


@pytest.fixture
def log() -> Log:
    """What was not folded yet."""
    return Log()


async def ask(client: httpx.AsyncClient, viewer: Viewer, path: str = "") -> Any:
    answer = await client.get(PATH + path, headers=auth(viewer))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def read(client: httpx.AsyncClient, viewer: Viewer, body: Any) -> httpx.Response:
    return await client.post(f"{PATH}/read", json=body, headers=auth(viewer))


async def like(post: Post, number: int) -> None:
    for _ in range(number):
        await like_post(await make_user(), post.id)


async def heard(log: Log, author: Viewer, likes: int = 3) -> None:
    """A batch of likes at noon, and a follow a minute later."""
    await like(await make_post(author), likes)
    await fold(at(await log.new(), after()))
    await follow_user(await make_user(username="ben"), author.id)
    await fold(at(await log.new(), after(minutes=1)))


def told(answer: httpx.Response, status: int) -> tuple[str, dict[str, str]]:
    assert answer.status_code == status, answer.text
    return answer.json()["error"]["code"], answer.json()["error"]["details"]


async def test_an_inbox_without_news_is_an_empty_list(client: httpx.AsyncClient) -> None:
    ana = await make_user()

    assert await ask(client, ana) == {"items": [], "next_cursor": None, "unread": 0, "version": 0}
    assert await ask(client, ana, "/unread-count") == {"unread": 0}


async def test_the_list_shows_the_latest_first_with_every_key(client: httpx.AsyncClient, log: Log) -> None:
    ana = await make_user()
    await heard(log, ana)

    page = await ask(client, ana)

    single, batch = page["items"]
    assert {**page, "items": None} == {"items": None, "next_cursor": None, "unread": 2, "version": 2}
    assert single == {
        "id": single["id"],
        "type": "follow",
        "title": "New follower",
        "message": "ben started following you",
        "data": {"user_id": single["actors"][0]["id"]},
        "priority": "normal",
        "is_batch": False,
        "batch_count": 1,
        "batch_key": f"follow:user:{ana.id}",
        "parent_id": None,
        "actors": [{"id": single["actors"][0]["id"], "username": "ben", "display_name": None, "avatar_url": None}],
        "read": False,
        "read_at": None,
        "created_at": stamp(after(minutes=1)),
        "last_updated_at": stamp(after(minutes=1)),
    }
    assert batch.keys() == single.keys()
    assert (batch["type"], batch["is_batch"], batch["batch_count"]) == ("post_interaction", True, 3)
    assert (batch["message"], len(batch["actors"])) == ("3 people engaged with your post", 3)


async def test_pages_show_each_once_even_those_of_one_time(client: httpx.AsyncClient, log: Log) -> None:
    ana, ben = await make_user(), await make_user()
    for _ in range(5):
        await like_post(ben, (await make_post(ana)).id)
    await fold(at(await log.new(), after()))
    whole = [each["id"] for each in (await ask(client, ana))["items"]]

    first = await ask(client, ana, "?limit=2")
    second = await ask(client, ana, f"?limit=2&cursor={first['next_cursor']}")
    third = await ask(client, ana, f"?limit=2&cursor={second['next_cursor']}")

    pages = [[each["id"] for each in page["items"]] for page in (first, second, third)]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [each for page in pages for each in page] == whole
    assert third["next_cursor"] is None
    assert {page["unread"] for page in (first, second, third)} == {5}


async def test_what_comes_meanwhile_does_not_shift_the_pages(client: httpx.AsyncClient, log: Log) -> None:
    ana, ben = await make_user(), await make_user()
    for _ in range(4):
        await like_post(ben, (await make_post(ana)).id)
    await fold(at(await log.new(), after()))
    whole = [each["id"] for each in (await ask(client, ana))["items"]]
    first = await ask(client, ana, "?limit=2")
    await follow_user(ben, ana.id)
    await fold(at(await log.new(), after(minutes=1)))

    rest = await ask(client, ana, f"?limit=2&cursor={first['next_cursor']}")

    assert [each["id"] for page in (first, rest) for each in page["items"]] == whole


async def test_a_batch_is_opened_page_by_page(client: httpx.AsyncClient, log: Log) -> None:
    ana = await make_user()
    await heard(log, ana, likes=5)
    _, batch = (await ask(client, ana))["items"]
    path = f"/{batch['id']}/children"

    whole = await ask(client, ana, path)
    first = await ask(client, ana, f"{path}?limit=3")
    rest = await ask(client, ana, f"{path}?limit=3&cursor={first['next_cursor']}")

    assert [len(page["items"]) for page in (whole, first, rest)] == [5, 3, 2]
    assert first["items"] + rest["items"] == whole["items"]
    assert rest["next_cursor"] is None
    assert {(each["type"], each["parent_id"], each["read"]) for each in whole["items"]} == {
        ("like", batch["id"], False)
    }


async def test_a_single_has_no_children(client: httpx.AsyncClient, log: Log) -> None:
    ana = await make_user()
    await heard(log, ana)
    single, _ = (await ask(client, ana))["items"]

    assert await ask(client, ana, f"/{single['id']}/children") == {"items": [], "next_cursor": None}


async def test_some_are_read_and_then_all(client: httpx.AsyncClient, log: Log) -> None:
    ana = await make_user()
    await heard(log, ana)
    _, batch = (await ask(client, ana))["items"]

    some = await read(client, ana, {"ids": [batch["id"]]})
    after_some = [each["read"] for each in (await ask(client, ana))["items"]]
    all_of_them = await read(client, ana, {"all": True})
    again = await read(client, ana, {"all": True})

    assert (some.status_code, some.json()) == (200, {"unread": 1})
    assert after_some == [False, True]
    assert (all_of_them.json(), again.json()) == ({"unread": 0}, {"unread": 0})
    assert await ask(client, ana, "/unread-count") == {"unread": 0}
    assert all(each["read"] and each["read_at"] for each in (await ask(client, ana))["items"])
    assert all(each["read"] for each in (await ask(client, ana, f"/{batch['id']}/children"))["items"])


async def test_ids_of_nothing_or_of_somebody_else_are_read_by_nobody(client: httpx.AsyncClient, log: Log) -> None:
    ana, ben = await make_user(), await make_user()
    await heard(log, ana)
    single, batch = (await ask(client, ana))["items"]
    (child, *_) = (await ask(client, ana, f"/{batch['id']}/children"))["items"]

    by_another = await read(client, ben, {"ids": [single["id"], batch["id"], NOBODYS]})
    a_child = await read(client, ana, {"ids": [child["id"], NOBODYS]})

    assert (by_another.json(), a_child.json()) == ({"unread": 0}, {"unread": 2})


BODIES: list[tuple[Any, set[str]]] = [
    ({}, {"ids", "all"}),
    ({"all": False}, {"ids", "all"}),
    ({"ids": [NOBODYS], "all": True}, {"ids", "all"}),
    ({"ids": []}, {"ids"}),
    ({"ids": ["12"]}, {"ids"}),
    ({"ids": [None]}, {"ids"}),
    ({"ids": NOBODYS}, {"ids"}),
    ({"ids": [NOBODYS] * 1001}, {"ids"}),
    ({"all": 1}, {"all"}),
    ({"all": True, "until": "now"}, {"until"}),
    ([], {"body"}),
]


@pytest.mark.parametrize(("body", "fields"), BODIES, ids=[str(body)[:30] for body, _ in BODIES])
async def test_a_bad_body_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, log: Log, body: Any, fields: set[str]
) -> None:
    ana = await make_user()
    await heard(log, ana)

    _, details = told(await read(client, ana, body), 400)

    assert {field.partition("[")[0].partition(".")[0] for field in details} == fields
    assert await ask(client, ana, "/unread-count") == {"unread": 2}


@pytest.mark.parametrize("path", ["", f"/{NOBODYS}/children"])
@pytest.mark.parametrize("query", ["limit=-1", "limit=0", "limit=101", "limit=x", "cursor=hello", "cursor="])
async def test_a_bad_parameter_is_refused_and_named(client: httpx.AsyncClient, path: str, query: str) -> None:
    answer = await client.get(f"{PATH}{path}?{query}", headers=auth(await make_user()))

    assert list(told(answer, 400)[1]) == [query.partition("=")[0]]


@pytest.mark.parametrize(("method", "path"), [("GET", "/12/children"), ("DELETE", "/12")])
async def test_an_id_that_is_none_is_refused(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, PATH + path, headers=auth(await make_user()))

    assert list(told(answer, 400)[1]) == ["notification_id"]


async def test_a_batch_is_deleted_with_what_is_below_it(client: httpx.AsyncClient, log: Log) -> None:
    ana = await make_user()
    await heard(log, ana)
    single, batch = (await ask(client, ana))["items"]

    deleted = await client.delete(f"{PATH}/{batch['id']}", headers=auth(ana))
    again = await client.delete(f"{PATH}/{batch['id']}", headers=auth(ana))

    page = await ask(client, ana)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert told(again, 404)[0] == "notification_not_found"
    assert ([each["id"] for each in page["items"]], page["unread"]) == ([single["id"]], 1)
    assert await db.fetchval("SELECT count(*) FROM notifications") == 1


async def test_what_is_somebody_elses_or_below_a_batch_or_nothing_is_404(client: httpx.AsyncClient, log: Log) -> None:
    ana, ben = await make_user(), await make_user()
    await heard(log, ana)
    single, batch = (await ask(client, ana))["items"]
    (child, *_) = (await ask(client, ana, f"/{batch['id']}/children"))["items"]
    strange = [(ben, single["id"]), (ben, batch["id"]), (ben, child["id"]), (ana, child["id"]), (ana, str(new_id()))]

    opened = [await client.get(f"{PATH}/{row_id}/children", headers=auth(viewer)) for viewer, row_id in strange]
    deleted = [await client.delete(f"{PATH}/{row_id}", headers=auth(viewer)) for viewer, row_id in strange]

    assert {told(answer, 404)[0] for answer in opened + deleted} == {"notification_not_found"}
    assert len((await ask(client, ana))["items"]) == 2


async def test_what_is_sent_again_with_its_key_is_answered_again_and_does_nothing(
    client: httpx.AsyncClient, log: Log
) -> None:
    ana = await make_user()
    await heard(log, ana)
    headers = {**auth(ana), "Idempotency-Key": "read-all"}

    first = await client.post(f"{PATH}/read", json={"all": True}, headers=headers)
    await like(await make_post(ana), 1)
    await fold(at(await log.new(), after(minutes=2)))
    second = await client.post(f"{PATH}/read", json={"all": True}, headers=headers)

    assert (first.json(), second.json()) == ({"unread": 0}, {"unread": 0})
    assert await ask(client, ana, "/unread-count") == {"unread": 1}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/unread-count"),
        ("GET", f"/{NOBODYS}/children"),
        ("POST", "/read"),
        ("DELETE", f"/{NOBODYS}"),
    ],
)
async def test_without_a_token_there_is_nothing(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, PATH + path, json={"all": True} if method == "POST" else None)

    assert answer.status_code == 401
