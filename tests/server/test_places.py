"""Restaurants over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from domain import db
from domain.ids import new_id
from tests.conftest import Clock
from tests.factories import auth, make_restaurant, make_user

RESTAURANTS = "/api/v1/restaurants"
FULL: dict[str, Any] = {
    "name": "Trattoria Da Nonna",
    "address": "Via Roma 1",
    "city": "Napoli",
    "state": "Campania",
    "country": "Italy",
    "postal_code": "80134",
    "latitude": 40.8518,
    "longitude": 14.2681,
    "phone": "+39 081 123456",
    "website": "https://nonna.example",
    "hours": {
        **{day: [] for day in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday")},
        "sunday": [{"opens": "18:00", "closes": "01:00"}],
    },
    "cuisine_type": ["neapolitan", "pizza"],
    "price_range": 2,
    "photos": ["https://nonna.example/1.jpg"],
}


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_new_restaurant_is_answered_with_every_key(client: httpx.AsyncClient, clock: Clock) -> None:
    answer = await client.post(RESTAURANTS, json=FULL, headers=auth(await make_user()))

    made = answer.json()
    time = f"{clock.time:%Y-%m-%dT%H:%M:%S.%f}Z"
    assert answer.status_code == 201
    assert made == FULL | {
        "id": made["id"],
        "counters": {"dishes": 0, "reviews": 0},
        "created_at": time,
        "updated_at": time,
    }
    read = await client.get(f"{RESTAURANTS}/{made['id']}", headers=auth(await make_user()))
    assert (read.status_code, read.json()) == (200, made)


async def test_a_likely_duplicate_is_409_with_the_candidates_and_can_be_forced(client: httpx.AsyncClient) -> None:
    headers = auth(await make_user())
    made = (await client.post(RESTAURANTS, json=FULL, headers=headers)).json()

    refused = await client.post(RESTAURANTS, json=FULL | {"name": "Trattoria da nonna"}, headers=headers)
    forced = await client.post(f"{RESTAURANTS}?force=true", json=FULL, headers=headers)

    assert error(refused) == (409, "likely_duplicate")
    assert refused.json()["error"]["details"] == {made["id"]: "Trattoria Da Nonna, Via Roma 1, 0 m away"}
    assert forced.status_code == 201
    assert forced.json()["id"] != made["id"]


async def test_an_edit_answers_with_the_restaurant_and_is_listed(client: httpx.AsyncClient) -> None:
    ana, ben = await make_user(username="ana"), await make_user()
    made = (await client.post(RESTAURANTS, json=FULL, headers=auth(ana))).json()
    path = f"{RESTAURANTS}/{made['id']}"

    edited = await client.patch(path, json={"phone": None, "cuisine_type": ["Pizza"]}, headers=auth(ana))
    edits = await client.get(f"{path}/edits", headers=auth(ben))

    changed = {"phone": None, "cuisine_type": ["pizza"], "updated_at": edited.json()["updated_at"]}
    assert (edited.status_code, edited.json()) == (200, made | changed)
    (edit,) = edits.json()["items"]
    assert edits.json()["next_cursor"] is None
    assert edit == {
        "id": edit["id"],
        "editor": {"id": str(ana.id), "username": "ana", "display_name": None, "avatar_url": None},
        "changes": {
            "phone": {"old": "+39 081 123456", "new": None},
            "cuisine_type": {"old": ["neapolitan", "pizza"], "new": ["pizza"]},
        },
        "created_at": edited.json()["updated_at"],
    }


async def test_edits_are_paged(client: httpx.AsyncClient) -> None:
    ana = await make_user()
    path = f"{RESTAURANTS}/{(await make_restaurant(ana)).id}"
    for price in (1, 2, 3):
        await client.patch(path, json={"price_range": price}, headers=auth(ana))

    first = (await client.get(f"{path}/edits?limit=2", headers=auth(ana))).json()
    rest = (await client.get(f"{path}/edits", params={"cursor": first["next_cursor"]}, headers=auth(ana))).json()

    items = [*first["items"], *rest["items"]]
    assert [each["changes"]["price_range"]["new"] for each in items] == [3, 2, 1]


async def test_somebody_elses_restaurant_is_403_and_no_restaurant_404(client: httpx.AsyncClient) -> None:
    headers, there = auth(await make_user()), await make_restaurant()
    nothing = f"{RESTAURANTS}/{new_id()}"

    answers = [
        await client.patch(f"{RESTAURANTS}/{there.id}", json={"name": "Mine"}, headers=headers),
        await client.get(nothing, headers=headers),
        await client.patch(nothing, json={"name": "Mine"}, headers=headers),
        await client.get(f"{nothing}/edits", headers=headers),
        await client.get(f"{nothing}/dishes", headers=headers),
    ]

    assert [error(answer) for answer in answers] == [
        (403, "not_your_restaurant"),
        *[(404, "restaurant_not_found")] * 4,
    ]


async def test_restaurants_are_found_by_every_filter_and_paged_by_number(client: httpx.AsyncClient) -> None:
    headers = auth(await make_user())
    made = (await client.post(RESTAURANTS, json=FULL, headers=headers)).json()
    await client.post(RESTAURANTS, json={"name": "Elsewhere"}, headers=headers)
    everything = "q=nonna&near=40.85,14.27,1&city=napoli&state=campania&country=it&cuisine=Pizza&price=2"

    found = await client.get(f"{RESTAURANTS}?{everything}", headers=headers)
    second = await client.get(f"{RESTAURANTS}?page=2&limit=1", headers=headers)

    assert found.json() == {"items": [made], "pagination": {"page": 1, "limit": 20, "total": 1, "total_pages": 1}}
    assert [each["name"] for each in second.json()["items"]] == ["Trattoria Da Nonna"]
    assert second.json()["pagination"] == {"page": 2, "limit": 1, "total": 2, "total_pages": 2}


# what cannot be

ROWS = "SELECT (SELECT count(*) FROM restaurants) + (SELECT count(*) FROM events)"


@pytest.fixture
async def unchanged() -> AsyncIterator[None]:
    """No row more or less, but those of the tester."""
    before = await db.fetchval(ROWS)
    yield
    assert await db.fetchval(ROWS) == before + 1  # who tried has registered


MONDAY = {"opens": "09:00", "closes": "12:00"}
BODIES: list[tuple[dict[str, Any], str]] = [
    ({"latitude": 90.1}, "latitude"),
    ({"latitude": -91}, "latitude"),
    ({"longitude": 180.5}, "longitude"),
    ({"longitude": "14"}, "longitude"),
    ({"latitude": None}, "latitude"),
    ({"longitude": None}, "longitude"),
    ({"price_range": 9}, "price_range"),
    ({"price_range": 0}, "price_range"),
    ({"price_range": 1.5}, "price_range"),
    ({"name": ""}, "name"),
    ({"name": None}, "name"),
    ({"name": "x" * 256}, "name"),
    ({"city": ""}, "city"),
    ({"phone": "call me"}, "phone"),
    ({"website": "javascript:alert(1)"}, "website"),
    ({"photos": ["https://a.example/1.jpg", "nothing"]}, "photos[1]"),
    ({"photos": ["https://a.example/1.jpg"] * 21}, "photos"),
    ({"cuisine_type": "pizza"}, "cuisine_type"),
    ({"cuisine_type": ["thai", "!"]}, "cuisine_type[1]"),
    ({"cuisine_type": ["thai"] * 11}, "cuisine_type"),
    ({"hours": {"monday": [{"opens": "25:00", "closes": "12:00"}]}}, "hours.monday[0].opens"),
    ({"hours": {"monday": [{"opens": "09:00"}]}}, "hours.monday[0].closes"),
    ({"hours": {"monday": [MONDAY, MONDAY]}}, "hours.monday[1]"),
    ({"hours": {"monday": [MONDAY] * 6}}, "hours.monday"),
    ({"hours": {"mon": []}}, "hours.mon"),
    ({"rating": 5}, "rating"),
]


@pytest.mark.parametrize(("wrong", "field"), BODIES, ids=[f"{wrong}"[:40] for wrong, _ in BODIES])
async def test_what_no_restaurant_can_be_is_400_and_named(
    client: httpx.AsyncClient, unchanged: None, wrong: dict[str, Any], field: str
) -> None:
    answer = await client.post(RESTAURANTS, json=FULL | wrong, headers=auth(await make_user()))

    assert answer.status_code == 400
    assert list(answer.json()["error"]["details"]) == [field]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("near=91,0,1", "near"),
        ("near=0,181,1", "near"),
        ("near=0,0", "near"),
        ("near=0,0,0", "near"),
        ("near=0,0,5000", "near"),
        ("near=", "near"),
        ("price=9", "price"),
        ("price=cheap", "price"),
        ("q=x", "q"),
        ("city=", "city"),
        ("state=", "state"),
        ("page=0", "page"),
        ("page=10001", "page"),
        ("limit=101", "limit"),
    ],
)
async def test_what_cannot_be_looked_for_is_400_and_named(client: httpx.AsyncClient, query: str, field: str) -> None:
    answer = await client.get(f"{RESTAURANTS}?{query}", headers=auth(await make_user()))

    assert answer.status_code == 400
    assert list(answer.json()["error"]["details"]) == [field]


@pytest.mark.parametrize(("method", "path"), [("POST", RESTAURANTS), ("GET", RESTAURANTS)])
async def test_who_has_not_signed_in_is_asked_to(client: httpx.AsyncClient, method: str, path: str) -> None:
    assert error(await client.request(method, path, json=FULL))[0] == 401
