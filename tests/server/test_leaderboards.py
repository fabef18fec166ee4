"""Boards over HTTP: pages, around somebody, among those one follows, and why a score is what it is."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from domain import db, positions
from domain.accounts.rules import Viewer
from domain.departures import leave
from domain.explanations import queries as explanations
from domain.graph.actions import block_user, follow_user
from domain.leaderboards import queries
from domain.leaderboards.rules import season_name, season_of
from domain.rankings.actions import NewRanking, rank_dish, unrank_dish
from domain.settings import settings as usual
from tests.domain.leaderboards.folding import Folder
from tests.factories import auth, make_dish, make_restaurant, make_user

URL = "/api/v1/leaderboards"
STAND = """
INSERT INTO user_progress (user_id, points) SELECT id, points FROM unnest($1::uuid[], $2::bigint[]) AS p (id, points)
"""


@pytest.fixture
async def folder() -> Folder:
    """What is done from now on is folded when it says so."""
    made = Folder()
    await made.begin()
    return made


@pytest.fixture(params=["counted", "from Redis"])
def places(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where places of boards come from."""
    counted = 1_000 if request.param == "counted" else -1
    monkeypatch.setattr(queries, "settings", msgspec.structs.replace(usual, leaderboards_counted=counted))
    return request.param


async def get(client: httpx.AsyncClient, viewer: Viewer, path: str = "", **params: Any) -> Any:
    answer = await client.get(URL + path, headers=auth(viewer), params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def make_pizzas(number: int) -> tuple[Viewer, list[Any]]:
    """So many pizzas in Paris, at a restaurant each."""
    viewer = await make_user()
    made: list[Any] = []
    for _ in range(number):
        there = await make_restaurant(viewer, city="Paris", cuisine_type=["pizzeria"])
        made.append(await make_dish(viewer, there))
    return viewer, made


async def rank(viewer: Viewer, dish: Any, rank: int = 1) -> None:
    await rank_dish(viewer, dish.id, NewRanking(rank=rank, notes="Good"))


async def people(folder: Folder, points: list[int]) -> list[Viewer]:
    """People with so many points, who stand on the board of all."""
    made = [await make_user(display_name=f"Person {i}") for i in range(len(points))]
    await db.execute(STAND, [each.id for each in made], points)
    await folder.touch([each.id for each in made])
    return made


def shape(page: Any) -> list[tuple[int, int, float]]:
    return [(each["position"], each["rank"], each["score"]) for each in page["items"]]


async def test_a_board_is_read_in_pages_with_ties_that_share_a_rank(
    client: httpx.AsyncClient, folder: Folder, places: str
) -> None:
    ana, *_ = await people(folder, [50, 40, 40, 40, 30])

    first = await get(client, ana, "/users:global", limit=2)
    second = await get(client, ana, "/users:global", limit=2, cursor=first["next_cursor"])
    third = await get(client, ana, "/users:global", limit=2, cursor=second["next_cursor"])

    assert shape(first) == [(1, 1, 50.0), (2, 2, 40.0)]
    assert shape(second) == [(3, 2, 40.0), (4, 2, 40.0)]
    assert shape(third) == [(5, 5, 30.0)]
    assert third["next_cursor"] is None
    assert (first["board"], first["size"]) == ("users:global", 5)
    assert first["version"] == second["version"] == third["version"] > 0
    assert first["items"][0] == {
        "entity_type": "user",
        "entity_id": str(ana.id),
        "name": "Person 0",
        "image_url": None,
        "position": 1,
        "rank": 1,
        "score": 50.0,
        "reached_at": first["items"][0]["reached_at"],
    }


# (at which of 5, how many) -> positions
AROUND = {
    (2, 3): [2, 3, 4],
    (0, 3): [1, 2, 3],
    (4, 3): [3, 4, 5],
    (2, 1): [3],
    (2, 2): [2, 3],
    (1, 100): [1, 2, 3, 4, 5],
}


@pytest.mark.parametrize("asked", AROUND)
async def test_around_somebody_are_those_ahead_and_behind(
    client: httpx.AsyncClient, folder: Folder, places: str, asked: tuple[int, int]
) -> None:
    made = await people(folder, [50, 40, 40, 30, 20])
    number, limit = asked

    found = await get(client, made[0], f"/users:global/around/{made[number].id}", limit=limit)

    assert [each["position"] for each in found["items"]] == AROUND[asked]
    assert {each["position"]: each["rank"] for each in found["items"]}.items() <= {1: 1, 2: 2, 3: 2, 4: 4, 5: 5}.items()
    assert str(made[number].id) in [each["entity_id"] for each in found["items"]]


async def test_among_whom_one_follows_everybody_has_their_place_among_all(
    client: httpx.AsyncClient, folder: Folder, places: str
) -> None:
    made = await people(folder, [50, 40, 40, 30, 20])
    me = made[3]
    for each in (made[4], made[1]):
        await follow_user(me, each.id)

    found = await get(client, me, "/users:global", scope="following", limit=2)
    rest = await get(client, me, "/users:global", scope="following", limit=2, cursor=found["next_cursor"])

    assert [each["entity_id"] for each in found["items"] + rest["items"]] == [str(made[i].id) for i in (1, 3, 4)]
    assert shape(found) + shape(rest) == [(2, 2, 40.0), (4, 4, 30.0), (5, 5, 20.0)]
    assert rest["next_cursor"] is None


async def test_however_many_are_level_each_of_whom_one_follows_has_their_place_among_all(
    client: httpx.AsyncClient, folder: Folder, places: str
) -> None:
    made = await people(folder, [50, 40, 40, 40, 40, 40, 40, 30, 30, 30, 20])
    for each in (1, 3, 4, 6, 8, 10):
        await follow_user(made[0], made[each].id)
    everybody = await get(client, made[0], "/users:global", limit=100)

    found = await get(client, made[0], "/users:global", scope="following", limit=100)

    followed = {str(made[i].id) for i in (0, 1, 3, 4, 6, 8, 10)}
    assert found["items"] == [each for each in everybody["items"] if each["entity_id"] in followed]


async def test_of_whom_one_follows_the_last_so_many_count(
    client: httpx.AsyncClient, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await people(folder, [50, 40, 30])
    for each in made[1:]:
        await follow_user(made[0], each.id)
    monkeypatch.setattr(queries, "settings", msgspec.structs.replace(usual, leaderboards_following=1))

    found = await get(client, made[0], "/users:global", scope="following")

    assert [each["entity_id"] for each in found["items"]] == [str(made[0].id), str(made[2].id)]


async def hide(made: list[Viewer]) -> None:
    await block_user(made[0], made[1].id)


async def be_hidden(made: list[Viewer]) -> None:
    await block_user(made[1], made[0].id)


async def go(made: list[Viewer]) -> None:
    await leave(made[0], made[0].id)


@pytest.mark.parametrize("hides", [hide, be_hidden, go])
@pytest.mark.parametrize("path", ["around", "entries"])
async def test_somebody_hidden_is_not_asked_for_by_name(
    client: httpx.AsyncClient, folder: Folder, path: str, hides: Callable[[list[Viewer]], Awaitable[None]]
) -> None:
    made = await people(folder, [50, 40])
    await hides(made)

    answer = await client.get(f"{URL}/users:global/{path}/{made[0].id}", headers=auth(made[1]))

    assert (answer.status_code, list(answer.json()["error"]["details"])) == (404, ["entity_id"])


async def test_of_dishes_and_restaurants_those_are_found_that_people_whom_one_follows_ranked(
    client: httpx.AsyncClient, folder: Folder, places: str
) -> None:
    ana, dishes = await make_pizzas(3)
    ben, cleo = await make_user(), await make_user()
    await rank(ben, dishes[0])
    await rank(cleo, dishes[1])
    await rank(ana, dishes[2])
    await follow_user(ana, cleo.id)
    await folder.fold()

    boards = ["dishes:paris:pizza", "restaurants:paris:pizzeria"]
    found = [await get(client, ana, f"/{board}", scope="following") for board in boards]

    assert [each["entity_id"] for each in found[0]["items"]] == [str(dishes[1].id), str(dishes[2].id)]
    assert shape(found[0]) == [(2, 1, 5.0), (3, 1, 5.0)]
    assert [each["entity_id"] for each in found[1]["items"]] == [str(dishes[i].restaurant.id) for i in (1, 2)]


async def test_a_score_leans_to_the_mean_of_the_board_and_says_why(client: httpx.AsyncClient, folder: Folder) -> None:
    ana, (one, other) = await make_pizzas(2)
    ben, third = await make_user(), await make_dish(ana, None)
    second = await make_dish(ana, await make_restaurant(ana, city="paris"))
    assert third.restaurant.city is None
    await db.execute("INSERT INTO user_progress (user_id, level) VALUES ($1, 4)", ben.id)
    await rank(ana, one)
    await rank(ben, one)
    await rank(ben, other)
    await rank(ben, second)
    await folder.fold()

    why = await get(client, ana, f"/dishes:paris:pizza/entries/{one.id}")

    assert (why["prior"], why["prior_weight"], why["weight"], why["points"], why["ratings"]) == (5.0, 5, 3.0, 15.0, 2)
    assert why["ranks"] == [{"rank": 1, "points": 5, "raters": 2, "weight": 3.0}]
    assert why["score"] == (5 * 5.0 + 15) / (5 + 3)
    assert why["activities"] is None


async def test_of_a_week_what_was_ranked_in_it_says_why(client: httpx.AsyncClient, folder: Folder) -> None:
    ana, (dish, _) = await make_pizzas(2)
    ben = await make_user()
    await rank(ben, dish)
    await db.execute("UPDATE ranking_history SET created_at = created_at - interval '30 days'")
    for _ in range(2):
        await rank(ana, dish)
        await unrank_dish(ana, dish.id)
    await rank(ana, dish)
    await folder.fold()
    week = season_name(season_of(datetime.now(UTC)))

    whys = [
        await get(client, ana, f"/{board}{suffix}/entries/{entity_id}")
        for board, entity_id in (("dishes:paris:pizza", dish.id), ("restaurants:paris:pizzeria", dish.restaurant.id))
        for suffix in ("", f"@{week}")
    ]

    both, one = ({"rank": 1, "points": 5, "raters": raters, "weight": float(raters)} for raters in (2, 1))
    assert [each["ranks"] for each in whys] == [[both], [one]] * 2
    assert [each["points"] for each in whys] == [10.0, 5.0] * 2


async def test_of_a_week_that_is_over_nobody_knows_why(
    client: httpx.AsyncClient, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, (dish, _) = await make_pizzas(2)
    await rank(ana, dish)
    await folder.fold()
    week = season_name(season_of(datetime.now(UTC)))
    monkeypatch.setattr(explanations, "now", lambda: datetime.now(UTC) + timedelta(days=7))

    why = await get(client, ana, f"/dishes:paris:pizza@{week}/entries/{dish.id}")

    assert (why["points"], why["ranks"], why["activities"]) == (5.0, None, None)


async def test_points_say_what_they_were_earned_with(client: httpx.AsyncClient, folder: Folder) -> None:
    (ana,) = await people(folder, [30])

    why = await get(client, ana, f"/users:global/entries/{ana.id}")

    assert (why["prior"], why["points"], why["score"], why["ranks"], why["activities"]) == (None, 30.0, 30.0, None, [])


async def test_a_dish_tells_its_score_and_the_best_come_first(client: httpx.AsyncClient, folder: Folder) -> None:
    ana, dishes = await make_pizzas(3)
    for dish in dishes[:2]:
        await rank(ana, dish)
    await rank(await make_user(), dishes[1])
    await folder.fold()

    best = await client.get("/api/v1/dishes/best", headers=auth(ana), params={"city": "PARIS", "dish_type": "pizza"})
    unranked = await client.get(f"/api/v1/dishes/{dishes[2].id}", headers=auth(ana))

    assert best.status_code == 200, best.text
    assert [each["id"] for each in best.json()["items"]] == [str(dishes[0].id), str(dishes[1].id)]
    assert [each["score"] for each in best.json()["items"]] == [
        {"score": 5.0, "raters": 1, "rank": 1},
        {"score": 5.0, "raters": 2, "rank": 1},
    ]
    assert unranked.json()["score"] is None


async def test_boards_with_something_on_them_are_listed_by_city_kind_and_week(
    client: httpx.AsyncClient, folder: Folder
) -> None:
    ana, (dish, _) = await make_pizzas(2)
    await rank(ana, dish)
    await folder.fold()
    week = season_name(season_of(datetime.now(UTC)))

    everything = await get(client, ana)
    first = await get(client, ana, limit=1)
    second = await get(client, ana, limit=1, cursor=first["next_cursor"])
    dishes = await get(client, ana, city="Paris", kind="dishes", season=week)
    await unrank_dish(ana, dish.id)
    await folder.fold()

    assert [each["name"] for each in everything["items"]] == ["dishes:paris:pizza", "restaurants:paris:pizzeria"]
    assert first["items"] + second["items"] == everything["items"]
    assert dishes["items"] == [
        {
            "name": f"dishes:paris:pizza@{week}",
            "kind": "dishes",
            "city": "paris",
            "about": "pizza",
            "season": week,
            "size": 1,
            "version": dishes["items"][0]["version"],
        }
    ]
    assert (await get(client, ana))["items"] == []
    assert (await get(client, ana, city="rome"))["items"] == []


@pytest.mark.parametrize("name", ["dishes:paris:soup@{week}", "restaurants:paris:pizzeria", "users:paris"])
async def test_a_board_that_there_can_be_is_empty_before_it_is_there(client: httpx.AsyncClient, name: str) -> None:
    ana, _ = await make_pizzas(1)
    board = name.format(week=season_name(season_of(datetime.now(UTC))))

    found = await get(client, ana, f"/{board}")

    assert found == {"board": board, "version": 0, "size": 0, "items": [], "next_cursor": None}


WRONG = {
    "/dishes:paris": (404, "board"),
    "/towns:paris:pizza": (404, "board"),
    "/dishes:Paris:pizza": (404, "board"),
    "/dishes:paris:pizza@2026-w54": (404, "board"),
    "/dishes:paris:pizza@2026w47": (404, "board"),
    "/dishes:paris:soap": (404, "dish_type"),
    "/dishes:atlantis:pizza": (404, "city"),
    "/users:atlantis": (404, "city"),
    "/restaurants:paris:zzz": (404, "cuisine"),
    "/users:global@9999-w52": (404, "season"),
    "/users:global@0001-w01": (404, "season"),
    "/dishes:paris:soup@2026-w01": (404, "season"),
    f"/restaurants:paris:zzz/around/{UUID(int=0)}": (404, "cuisine"),
    f"/users:global@9999-w52/entries/{UUID(int=0)}": (404, "season"),
    "/users:global?limit=0": (400, "limit"),
    "/users:global?limit=101": (400, "limit"),
    "/users:global?cursor=x": (400, "cursor"),
    "/users:global?scope=friends": (400, "scope"),
    f"/users:global/around/{UUID(int=0)}": (404, "entity_id"),
    f"/users:global/entries/{UUID(int=0)}": (404, "entity_id"),
    f"/users:atlantis/around/{UUID(int=0)}": (404, "city"),
    "?season=2026-w54": (400, "season"),
    "?kind=towns": (400, "kind"),
    "?city=!": (400, "city"),
}


@pytest.mark.parametrize("path", WRONG)
async def test_what_is_wrong_is_named(client: httpx.AsyncClient, path: str) -> None:
    ana, _ = await make_pizzas(1)

    answer = await client.get(URL + path, headers=auth(ana))

    error = answer.json()["error"]
    assert (answer.status_code, list(error["details"])) == (WRONG[path][0], [WRONG[path][1]])


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("city=atlantis&dish_type=pizza", 404, "city"),
        ("city=paris&dish_type=soap", 404, "dish_type"),
        ("city=paris", 400, "dish_type"),
    ],
)
async def test_the_best_dishes_of_nowhere_are_not_found(
    client: httpx.AsyncClient, query: str, status: int, field: str
) -> None:
    ana, _ = await make_pizzas(1)

    answer = await client.get(f"/api/v1/dishes/best?{query}", headers=auth(ana))

    assert (answer.status_code, list(answer.json()["error"]["details"])) == (status, [field])


async def test_without_redis_places_are_counted(
    client: httpx.AsyncClient, folder: Folder, places: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await people(folder, [50, 40, 40])
    monkeypatch.setattr(positions._Redis, "client", None)  # pyright: ignore[reportPrivateUsage] - it is not there

    found = await get(client, made[0], f"/users:global/around/{made[2].id}")

    assert shape(found) == [(1, 1, 50.0), (2, 2, 40.0), (3, 2, 40.0)]
