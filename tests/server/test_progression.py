"""Points, badges and career levels over HTTP."""

from typing import Any

import httpx
import pytest

from domain.accounts.rules import Viewer
from domain.progression.actions import fold
from domain.progression.rules import FOLDED
from domain.rankings.actions import NewRanking, rank_dish
from tests.domain.notifications.folding import Log
from tests.factories import auth, make_dish, make_user

pytestmark = pytest.mark.usefixtures("database")


async def fold_all() -> None:
    types = {kind.type for kind in FOLDED}
    await fold([event for event in await Log().new() if event.type in types])


async def who_ranked() -> Viewer:
    """Somebody who has ranked a dish with a photo."""
    viewer = await make_user()
    dish = await make_dish()
    await rank_dish(viewer, dish.id, NewRanking(notes="Good", rank=1, photo_url="https://example.org/pizza.jpg"))
    await fold_all()
    return viewer


async def get(client: httpx.AsyncClient, viewer: Viewer, path: str) -> Any:
    answer = await client.get(f"/api/v1{path}", headers=auth(viewer))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_points_are_read_a_page_at_a_time(client: httpx.AsyncClient) -> None:
    ana = await who_ranked()

    first = await get(client, ana, f"/users/{ana.id}/points?limit=1")
    second = await get(client, ana, f"/users/{ana.id}/points?limit=1&cursor={first['next_cursor']}")

    assert first["total"] == second["total"] == 15
    assert [each["activity"] for each in first["by_activity"]] == ["ranking", "ranking_photo"]
    assert [first["items"][0]["activity"], second["items"][0]["activity"]] == ["ranking_photo", "ranking"]
    assert second["next_cursor"] is None


async def test_badges_are_read_with_those_that_are_missing(client: httpx.AsyncClient) -> None:
    ana = await who_ranked()

    badges = await get(client, ana, f"/users/{ana.id}/badges")

    (earned,) = badges["earned"]
    judge = next(each for each in badges["missing"] if each["code"] == "pizza-judge")
    assert (earned["code"], earned["is_featured"]) == ("first-bite", False)
    assert judge == {
        "code": "pizza-judge",
        "name": "Pizza judge",
        "icon_url": None,
        "description": "15 pizzas ranked",
        "category": "cuisine",
        "requirements": {"rankings": 15, "dish_type": "pizza"},
        "progress": {"have": 1, "need": 15},
    }
    assert len(badges["missing"]) + 1 == len((await get(client, ana, "/badges"))["items"])


async def test_the_level_says_what_is_missing_for_the_next(client: httpx.AsyncClient) -> None:
    ana = await who_ranked()

    found = await get(client, ana, f"/users/{ana.id}/level")

    assert (found["level"], found["points"], found["rankings"]) == (None, 15, 1)
    assert found["next"]["level"] == (await get(client, ana, "/career-levels"))["items"][0]
    assert found["next"]["missing"] == {"points": 235, "rankings": 19, "badges": []}


async def test_a_badge_is_shown_on_the_profile_and_taken_off_again(client: httpx.AsyncClient) -> None:
    ana = await who_ranked()
    path = f"/api/v1/users/{ana.id}/badges/first-bite/featured"

    shown = await client.put(path, headers=auth(ana))
    profile = await get(client, await make_user(), f"/users/{ana.id}")
    hidden = await client.delete(path, headers=auth(ana))

    badge = {"code": "first-bite", "name": "First bite", "icon_url": None}
    assert (shown.status_code, shown.json()) == (200, {"featured_badges": [badge]})
    assert (profile["featured_badges"], profile["career_level"]) == ([badge], None)
    assert (hidden.status_code, hidden.json()) == (200, {"featured_badges": []})


@pytest.mark.parametrize("code", ["pizza-judge", "no-such-badge", "a" * 300, "Ünknown"])
async def test_a_badge_that_is_not_earned_is_not_found(client: httpx.AsyncClient, code: str) -> None:
    ana = await who_ranked()

    answer = await client.put(f"/api/v1/users/{ana.id}/badges/{code}/featured", headers=auth(ana))

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "badge_not_earned")


async def test_somebody_elses_badges_are_not_ones_own_to_show(client: httpx.AsyncClient) -> None:
    ana, ben = await who_ranked(), await make_user()

    answer = await client.put(f"/api/v1/users/{ana.id}/badges/first-bite/featured", headers=auth(ben))

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_your_badges")


@pytest.mark.parametrize("asked", ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=kgGR"])
async def test_a_bad_page_is_refused_by_the_name_of_its_field(client: httpx.AsyncClient, asked: str) -> None:
    ana = await make_user()

    answer = await client.get(f"/api/v1/users/{ana.id}/points?{asked}", headers=auth(ana))

    assert (answer.status_code, list(answer.json()["error"]["details"])) == (400, [asked.partition("=")[0]])
