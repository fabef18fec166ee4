"""Every error has one shape, and says neither too little nor too much."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import asyncpg
import httpx
import msgspec
import pytest
from litestar import Litestar, get, post
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody
from msgspec import Meta
from prometheus_client import REGISTRY
from redis.exceptions import ConnectionError as RedisGone

from domain.errors import Conflict, Forbidden, Invalid, NotFound, TooMany, Unauthorized
from domain.ids import PostID
from server import errors
from server.errors import answer_to
from server.incoming import StrictRequest
from server.observe import Edge


class NameTaken(Conflict):
    """Somebody has this name."""


class Pot(msgspec.Struct, forbid_unknown_fields=True):
    """A body."""

    name: Annotated[str, Meta(min_length=2)]
    size: int = 1


CASES: list[tuple[Exception, int, str]] = [
    (NotFound(), 404, "not_found"),
    (Forbidden(), 403, "forbidden"),
    (NameTaken({"name": "taken"}), 409, "name_taken"),
    (Invalid(), 400, "invalid"),
    (TooMany(retry_after=2.5), 429, "too_many"),
    (Unauthorized(), 401, "unauthorized"),
    (ConnectionRefusedError(), 503, "unavailable"),
    (TimeoutError(), 503, "unavailable"),
    (RedisGone(), 503, "unavailable"),
    (asyncpg.InterfaceError("pool is closing"), 503, "unavailable"),
    (asyncpg.InterfaceError("another operation is in progress"), 500, "internal"),
    (asyncpg.CannotConnectNowError("starting"), 503, "unavailable"),
    (asyncpg.UniqueViolationError("twice"), 500, "internal"),
    (KeyError("secret"), 500, "internal"),
]


@pytest.mark.parametrize(("error", "status", "code"), CASES)
def test_a_kind_of_error_decides_status_and_code(error: Exception, status: int, code: str) -> None:
    answer = answer_to(error)

    assert (answer.status, answer.error.code) == (status, code)


def test_the_docstring_is_the_message_and_the_details_name_the_field() -> None:
    answer = answer_to(NameTaken({"name": "taken"}))

    assert answer.error.message == "Somebody has this name."
    assert answer.error.details == {"name": "taken"}


def test_too_many_says_how_long_to_wait_in_whole_seconds() -> None:
    assert answer_to(TooMany(retry_after=2.5)).headers["Retry-After"] == "3"


def test_unauthorized_names_the_scheme() -> None:
    assert answer_to(Unauthorized()).headers["WWW-Authenticate"] == "Bearer"


def test_what_is_down_may_be_back_in_a_second() -> None:
    assert answer_to(OSError()).headers["Retry-After"] == "1"


def counted() -> float:
    return REGISTRY.get_sample_value("potluck_unexpected_errors_total") or 0


def test_an_unforeseen_error_is_counted_and_tells_nothing() -> None:
    before = counted()

    answer = answer_to(KeyError("secret"))

    assert counted() == before + 1
    assert b"secret" not in answer.body()


@post("/pots")
async def make(data: JSONBody[Pot]) -> Pot:
    """Take a body."""
    return data


@get("/pots/{pot_id:uuid}")
async def read(
    pot_id: FromPath[PostID], size: FromQuery[int], x_kind: Annotated[int, HeaderParameter(name="x-kind")] = 1
) -> dict[str, Any]:
    """Take parameters."""
    return {}


@get("/broken")
async def broken() -> None:
    """A mistake of ours."""
    raise KeyError("secret")


@pytest.fixture
async def small() -> AsyncGenerator[httpx.AsyncClient]:
    """A small application behind the same errors."""
    app: Any = Litestar(
        [make, read, broken],
        request_class=StrictRequest,
        exception_handlers={Exception: errors.handle},
        logging_config=None,
        openapi_config=None,
    )
    app.asgi_handler = Edge(app.asgi_handler, app.state)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://potluck") as made:
        yield made


def body_of(answer: httpx.Response) -> Any:
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json().keys() == {"error"}
    assert answer.json()["error"].keys() == {"code", "message", "details"}
    return answer.json()["error"]


async def test_a_wrong_field_of_the_body_is_named(small: httpx.AsyncClient) -> None:
    answer = await small.post("/pots", json={"name": "x"})

    assert answer.status_code == 400
    assert body_of(answer)["details"] == {"name": "Expected `str` of length >= 2."}


async def test_a_missing_body_is_named(small: httpx.AsyncClient) -> None:
    answer = await small.post("/pots")

    assert answer.status_code == 400
    assert body_of(answer)["details"] == {"body": "A JSON body is required."}


async def test_a_number_in_a_string_is_no_number(small: httpx.AsyncClient) -> None:
    answer = await small.post("/pots", json={"name": "pan", "size": "2"})

    assert body_of(answer)["details"] == {"size": "Expected `int`, got `str`."}


async def test_a_missing_query_parameter_is_named(small: httpx.AsyncClient) -> None:
    answer = await small.get("/pots/019b0000-0000-7000-8000-000000000000")

    assert answer.status_code == 400
    assert body_of(answer)["details"] == {"size": "This parameter is required."}


async def test_a_wrong_header_is_named(small: httpx.AsyncClient) -> None:
    answer = await small.get("/pots/019b0000-0000-7000-8000-000000000000?size=1", headers={"x-kind": "big"})

    assert answer.status_code == 400
    assert list(body_of(answer)["details"]) == ["x_kind"]


async def test_an_id_that_is_no_uuid_is_named(small: httpx.AsyncClient) -> None:
    answer = await small.get("/pots/12?size=1")

    assert answer.status_code == 400
    assert list(body_of(answer)["details"]) == ["pot_id"]


async def test_an_unknown_path_is_404(small: httpx.AsyncClient) -> None:
    answer = await small.get("/pans")

    assert answer.status_code == 404
    assert body_of(answer)["code"] == "not_found"


async def test_another_method_is_405_and_names_those_there_are(small: httpx.AsyncClient) -> None:
    answer = await small.delete("/pots")

    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]
    assert body_of(answer)["code"] == "method_not_allowed"


async def test_a_mistake_of_ours_is_500_in_the_same_shape(small: httpx.AsyncClient) -> None:
    answer = await small.get("/broken")

    assert answer.status_code == 500
    assert body_of(answer) == {"code": "internal", "message": "Something went wrong on our side.", "details": {}}
    assert answer.headers["x-request-id"]
