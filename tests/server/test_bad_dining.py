"""Bad input about restaurants, dishes, rankings, reviews, boards and what follows from them: a 4xx in the one shape
that names the field, and every row stays as it is."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import msgspec
import pytest

from domain import db
from domain.accounts.rules import Viewer
from domain.rankings.actions import NewRanking, rank_dish
from tests.factories import auth, make_comment, make_dish, make_restaurant, make_review, make_user

NOBODY: Final = "019b0000-0000-7000-8000-000000000000"
LONG: Final = "x" * 5001
URL: Final = "https://example.org/a.jpg"
BLANKS: Final = ["", "  ", "\u200b", "\u2060\ufeff", "\x01", "a\0"]


class Scene(msgspec.Struct, frozen=True):
    """Somebody who has ranked and reviewed a dish that they added, and the ids of all that."""

    viewer: Viewer
    ids: dict[str, str]


@pytest.fixture
async def scene() -> Scene:
    """What is there before anything bad comes in."""
    ana = await make_user()
    there = await make_restaurant(ana, city="Paris", country="France", cuisine_type=["french"], latitude=1, longitude=1)
    dish, soup = await make_dish(ana, there), await make_dish(ana, there, dish_type="soup")
    await rank_dish(ana, dish.id, NewRanking(rank=2, notes="Good"))
    review = await make_review(ana, dish)
    comment = await make_comment(review, ana)
    made = {"restaurant": there, "dish": dish, "soup": soup, "review": review, "comment": comment, "user": ana}
    return Scene(ana, {name: str(each.id) for name, each in made.items()})


NAMES = """
SELECT quote_ident(relname) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""
DIGEST = "md5(string_agg(t::text, ',' ORDER BY t::text))"


async def rows() -> dict[str, str]:
    """All there is, table by table."""
    tables = [row[0] for row in await db.fetch(NAMES)]
    each = [f"SELECT '{name}', {DIGEST} FROM {name} t" for name in tables]  # noqa: S608 - of the catalogue
    return {row[0]: row[1] for row in await db.fetch(" UNION ALL ".join(each))}


@pytest.fixture(autouse=True)
async def unchanged(scene: Scene) -> AsyncIterator[None]:
    """None of these tests may change a row of any table."""
    before = await rows()
    yield
    assert await rows() == before
    assert before["dish_rankings"] is not None


async def ask(client: httpx.AsyncClient, scene: Scene, where: str, body: object = None) -> tuple[int, list[str]]:
    """(status, the fields that are named)"""
    method, path = where.split(" ")
    content = None if body is None else json.dumps(body)
    answer = await client.request(
        method,
        f"/api/v1{path.format(**scene.ids)}",
        content=content,
        headers=auth(scene.viewer) | ({} if body is None else {"Content-Type": "application/json"}),
    )
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "details"}
    return answer.status_code, list(error["details"])


GOOD: Final[dict[str, dict[str, Any]]] = {
    "POST /restaurants?force=true": {"name": "There", "city": "Paris"},
    "PATCH /restaurants/{restaurant}": {},
    "POST /restaurants/{restaurant}/dishes": {"name": "Margherita", "dish_type": "pizza"},
    "PATCH /dishes/{soup}": {},
    "PUT /dishes/{dish}/ranking": {"notes": "Good"},
    "POST /dishes/{soup}/reviews": {"content": "Good"},
    "PATCH /reviews/{review}": {},
    "POST /reviews/{review}/comments": {"content": "Good"},
    "PATCH /comments/{comment}": {},
}
REMOVED: Final = "removed"


def open_on(*periods: tuple[str, str], day: str = "monday") -> dict[str, Any]:
    return {"hours": {day: [{"opens": opens, "closes": closes} for opens, closes in periods]}}


PLACE: Final[list[tuple[dict[str, Any], str]]] = [
    *(({"name": each}, "name") for each in [*BLANKS, "x" * 256, None, 5, ["x"], "\ud800"]),
    *(({"city": each}, "city") for each in ["", " ", "!!!", "\u200b", "\0", "x" * 101, 5]),
    *(({"country": each}, "country") for each in ["", "!!", "\0", "x" * 101]),
    *(({"state": each}, "state") for each in ["", "-", "x" * 101]),
    *(({"latitude": each, "longitude": 1}, "latitude") for each in [91, -90.1, "40", 1e308, 10**30]),
    *(({"latitude": 1, "longitude": each}, "longitude") for each in ([0], 181, -180.1, True)),
    *(({"price_range": each}, "price_range") for each in [0, 5, 9, -1, "2", 2.5]),
    *(({"phone": each}, "phone") for each in ["abc", "1" * 31, 555]),
    *(({"website": each}, "website") for each in ["ftp://x.org", "javascript:alert(1)", "https://" + "a" * 5000]),
    *(({"cuisine_type": each}, "cuisine_type[0]") for each in [["!!"], [""], [None], ["\0"]]),
    *(({"cuisine_type": each}, "cuisine_type") for each in ["thai", ["a"] * 11, None]),
    *(({"photos": each}, "photos[0]") for each in (["x"], ["javascript:alert(1)"], [5])),
    ({"photos": [URL] * 21}, "photos"),
    ({"hours": []}, "hours"),
    ({"hours": {"mon": []}}, "hours.mon"),
    (open_on(("25:00", "10:00")), "hours.monday[0].opens"),
    (open_on(("10:00", "9")), "hours.monday[0].closes"),
    ({"hours": {"monday": [{"opens": "10:00"}]}}, "hours.monday[0].closes"),
    (open_on(("10:00", "12:00"), ("11:00", "13:00")), "hours.monday[1]"),
    (
        {"hours": open_on(("22:00", "11:00"), day="sunday")["hours"] | open_on(("10:00", "12:00"))["hours"]},
        "hours.monday[0]",
    ),
    (open_on(*[(f"{hour}:00", f"{hour}:30") for hour in range(10, 16)]), "hours.monday"),
    ({"owner": "me"}, "owner"),
    ({"id": NOBODY}, "id"),
]
DISH: Final[list[tuple[dict[str, Any], str]]] = [
    *(({"name": each}, "name") for each in [*BLANKS, "x" * 256, None, 5]),
    *(({"dish_type": each}, "dish_type") for each in ["nope", "PIZZA", "\0", "", None, 5]),
    *(({"price": each, "currency": "EUR"}, "price") for each in ["-1", "1e5", "1.234", "123456789.00", "", 1, 1.5]),
    *(({"price": "1", "currency": each}, "currency") for each in ["XXX", "eur", "€", 5, None]),
    ({"currency": "EUR"}, "price"),
    ({"tags": ["!!"]}, "tags[0]"),
    ({"tags": ["a"] * 21}, "tags"),
    ({"description": ""}, "description"),
    ({"image_url": "javascript:alert(1)"}, "image_url"),
    ({"is_seasonal": "yes"}, "is_seasonal"),
    ({"is_available": 1}, "is_available"),
    ({"restaurant_id": NOBODY}, "restaurant_id"),
]
RANKING: Final[list[tuple[dict[str, Any], str]]] = [
    *(({"rank": each}, "rank") for each in [0, 6, -1, 10**30, "1", 1.5, True, [1]]),
    *(({"taste": each}, "taste") for each in ["bad", 1, ""]),
    ({"rank": 1, "notes": REMOVED}, "notes"),
    *(({"rank": 1, "notes": each}, "notes") for each in [*BLANKS, None, 5, "\ud800", "x" * 2001]),
    *(({"rank": 1, "photo_url": each}, "photo_url") for each in ["x", "javascript:alert(1)", f"{URL}\0", URL + LONG]),
    ({"rank": 1, "dish_id": NOBODY}, "dish_id"),
]
REVIEW: Final[list[tuple[dict[str, Any], str]]] = [
    *(({"content": each}, "content") for each in [*BLANKS, None, 5, LONG]),
    *(({"stars": each}, "stars") for each in [0, 6, -1, 4.5, "5", True]),
    ({"photos": [URL] * 11}, "photos"),
    ({"photos": None}, "photos"),
    ({"photos": ["x"]}, "photos[0]"),
    ({"rank": 1}, "rank"),
]
COMMENT: Final[list[tuple[dict[str, Any], str]]] = [
    *(({"content": each}, "content") for each in [*BLANKS, None, 5, "x" * 2001]),
    ({"content": "x", "stars": 5}, "stars"),
]
BELOW: Final[list[tuple[dict[str, Any], str]]] = [({"parent_id": each}, "parent_id") for each in ["x", 5, NOBODY]]
BODIES: Final[dict[str, list[tuple[dict[str, Any], str]]]] = {
    "POST /restaurants?force=true": [*PLACE, ({"name": REMOVED}, "name")],
    "PATCH /restaurants/{restaurant}": PLACE,
    "POST /restaurants/{restaurant}/dishes": [*DISH, ({"dish_type": REMOVED}, "dish_type")],
    "PATCH /dishes/{soup}": DISH,
    "PUT /dishes/{dish}/ranking": RANKING,
    "POST /dishes/{soup}/reviews": [*REVIEW, ({"content": REMOVED}, "content")],
    "PATCH /reviews/{review}": REVIEW,
    "POST /reviews/{review}/comments": [*COMMENT, *BELOW],
    "PATCH /comments/{comment}": COMMENT,
}


def with_good(where: str, what: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (GOOD[where] | what).items() if value is not REMOVED}


@pytest.mark.parametrize("where", BODIES)
async def test_a_bad_field_is_refused_and_named(client: httpx.AsyncClient, scene: Scene, where: str) -> None:
    bodies = [with_good(where, what) for what, _ in BODIES[where]]

    answers = [(body, *await ask(client, scene, where, body)) for body in bodies]

    assert answers == [(body, 400, [field]) for body, (_, field) in zip(bodies, BODIES[where], strict=True)]


@pytest.mark.parametrize("what", [{}, {"rank": 1, "taste": "acceptable"}, {"rank": None, "taste": None}])
async def test_a_ranking_is_a_rank_or_a_taste(client: httpx.AsyncClient, scene: Scene, what: dict[str, Any]) -> None:
    assert await ask(client, scene, "PUT /dishes/{dish}/ranking", what | {"notes": "x"}) == (400, ["rank", "taste"])


@pytest.mark.parametrize("where", GOOD)
@pytest.mark.parametrize("body", [[], "x", 5])
async def test_a_body_that_is_no_object_is_refused(
    client: httpx.AsyncClient, scene: Scene, where: str, body: object
) -> None:
    assert await ask(client, scene, where, body) == (400, ["body"])


# Where -> (status, fields)
QUESTIONS: Final[dict[str, tuple[int, list[str]]]] = {
    "/restaurants?near=1,2": (400, ["near"]),
    "/restaurants?near=nan,1,1": (400, ["near"]),
    "/restaurants?near=91,1,1": (400, ["near"]),
    "/restaurants?near=1,181,1": (400, ["near"]),
    "/restaurants?near=1,1,0": (400, ["near"]),
    "/restaurants?near=1,1,inf": (400, ["near"]),
    "/restaurants?near=1,1,101": (400, ["near"]),
    "/restaurants?price=9": (400, ["price"]),
    "/restaurants?price=x": (400, ["price"]),
    "/restaurants?q=a": (400, ["q"]),
    "/restaurants?city=!!": (400, ["city"]),
    "/restaurants?city=%00": (400, ["city"]),
    "/restaurants?cuisine=!!": (400, ["cuisine"]),
    "/restaurants?page=0": (400, ["page"]),
    "/restaurants?page=100000000000000000000": (400, ["page"]),
    "/restaurants?limit=101": (400, ["limit"]),
    "/restaurants/12": (400, ["restaurant_id"]),
    "/restaurants/12/dishes": (400, ["restaurant_id"]),
    "/dishes?tag=!!": (400, ["tag"]),
    "/dishes?city=!!": (400, ["city"]),
    "/dishes?dish_type=%00": (400, ["dish_type"]),
    "/dishes/12": (400, ["dish_id"]),
    "/dishes/12/rankings": (400, ["dish_id"]),
    "/dishes/best?city=paris": (400, ["dish_type"]),
    "/dishes/best?city=!!&dish_type=pizza": (400, ["city"]),
    "/dishes/best?city=nowhere&dish_type=pizza": (404, ["city"]),
    "/dishes/best?city=paris&dish_type=nope": (404, ["dish_type"]),
    "/rankings/next-pair?restaurant_id=x&dish_type=pizza": (400, ["restaurant_id"]),
    "/rankings/next-pair?restaurant_id={restaurant}": (400, ["dish_type"]),
    "/rankings/next-pair?restaurant_id={restaurant}&dish_type=nope": (400, ["dish_type"]),
    "/rankings/next-pair?restaurant_id={restaurant}&dish_type=pizza&dish_id={soup}": (400, ["dish_id"]),
    "/rankings/next-pair?restaurant_id={restaurant}&dish_type=soup&better_than={dish}": (400, ["better_than"]),
    "/rankings/next-pair?restaurant_id={restaurant}&dish_type=soup&worse_than={soup}": (400, ["worse_than"]),
    "/users/{user}/rankings?restaurant_id=x": (400, ["restaurant_id"]),
    "/users/{user}/rankings?dish_type=%00": (400, ["dish_type"]),
    "/users/12/rankings/history": (400, ["user_id"]),
    "/users/12/activity": (400, ["user_id"]),
    "/reviews/12": (400, ["review_id"]),
    "/reviews/{review}/comments?parent_id=x": (400, ["parent_id"]),
    "/leaderboards?kind=towns": (400, ["kind"]),
    "/leaderboards?season=2026-w99": (400, ["season"]),
    "/leaderboards?city=!!": (400, ["city"]),
    "/leaderboards/x": (404, ["board"]),
    "/leaderboards/dishes:paris": (404, ["board"]),
    "/leaderboards/dishes:Paris:pizza": (404, ["board"]),
    "/leaderboards/dishes:paris:nope": (404, ["dish_type"]),
    "/leaderboards/dishes:nowhere:pizza": (404, ["city"]),
    "/leaderboards/restaurants:paris:zzz": (404, ["cuisine"]),
    "/leaderboards/users:global@9999-w52": (404, ["season"]),
    "/leaderboards/users:global@0001-w01": (404, ["season"]),
    "/leaderboards/users:global@0000-w01": (404, ["board"]),
    "/leaderboards/users:global@2026-w99": (404, ["board"]),
    "/leaderboards/users:global@٢٠٢٦-w47": (404, ["board"]),
    "/leaderboards/%00": (400, ["path"]),
    "/leaderboards/" + "a" * 400: (404, ["board"]),
    "/leaderboards/users:global?scope=friends": (400, ["scope"]),
    "/leaderboards/users:global?limit=0": (400, ["limit"]),
    "/leaderboards/users:global/around/12": (400, ["entity_id"]),
    f"/leaderboards/users:global/around/{NOBODY}": (404, ["entity_id"]),
    f"/leaderboards/users:global/entries/{NOBODY}": (404, ["entity_id"]),
    "/users/12/points": (400, ["user_id"]),
    "/users/12/badges": (400, ["user_id"]),
    "/users/12/level": (400, ["user_id"]),
    "/users/{user}/points?limit=0": (400, ["limit"]),
    "/trending/dishes": (400, ["city"]),
    "/trending/dishes?city=!!": (400, ["city"]),
    "/trending/dishes?city=nowhere": (404, ["city"]),
    "/trending/dishes?city=paris&dish_type=nope": (404, ["dish_type"]),
    "/trending/dishes?city=paris&limit=51": (400, ["limit"]),
    "/experts": (400, ["city"]),
    "/experts?city=!!": (400, ["city"]),
    "/experts?city=nowhere": (404, ["city"]),
    "/experts?city=paris&limit=101": (400, ["limit"]),
}


async def test_a_bad_question_is_refused_and_named(client: httpx.AsyncClient, scene: Scene) -> None:
    assert {path: await ask(client, scene, f"GET {path}") for path in QUESTIONS} == QUESTIONS


NOWHERE: Final[dict[str, object]] = {
    "PATCH /restaurants/{nobody}": {"name": "x"},
    "POST /restaurants/{nobody}/dishes": {"name": "x", "dish_type": "pizza"},
    "PATCH /dishes/{nobody}": {"name": "x"},
    "DELETE /dishes/{nobody}": None,
    "PUT /dishes/{nobody}/ranking": {"rank": 1, "notes": "x"},
    "DELETE /dishes/{nobody}/ranking": None,
    "POST /dishes/{nobody}/reviews": {"content": "x"},
    "PATCH /reviews/{nobody}": {"content": "x"},
    "DELETE /reviews/{nobody}": None,
    "PUT /reviews/{nobody}/like": None,
    "POST /reviews/{nobody}/comments": {"content": "x"},
    "PUT /users/{user}/badges/nope/featured": None,
    "GET /rankings/next-pair?restaurant_id={nobody}&dish_type=pizza": None,
    "GET /users/{nobody}/points": None,
    "GET /users/{nobody}/badges": None,
    "GET /users/{nobody}/level": None,
    "GET /users/{nobody}/activity": None,
    "GET /users/{nobody}/rankings": None,
    "GET /users/{nobody}/rankings/history": None,
}


async def test_about_what_is_not_there_the_answer_is_404(client: httpx.AsyncClient, scene: Scene) -> None:
    asked = {where.replace("{nobody}", NOBODY): body for where, body in NOWHERE.items()}

    answers = {where: (await ask(client, scene, where, body))[0] for where, body in asked.items()}

    assert answers == dict.fromkeys(asked, 404)
