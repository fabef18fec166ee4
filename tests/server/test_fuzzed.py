"""Whatever schemathesis thinks of: no 500, and every answer is as the OpenAPI document says."""

# schemathesis leaves parts of its types open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUntypedFunctionDecorator=false

import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from server.app import create_app
from tests.conftest import make_database

document = schemathesis.openapi.from_dict(create_app().openapi_schema.to_schema())
document.config.generation.update(modes=[schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE])

pytestmark = pytest.mark.xdist_group("fuzzed")
_numbers = count(1)

# Another seed every night would find more; the same one every time makes a failure somebody's own.
bounded = settings(
    max_examples=50,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)


@pytest.fixture(scope="module")
async def database_url(worker_id: str) -> str:
    """A database of its own, for its server commits."""
    return await make_database(f"fuzzed_{worker_id}")


@pytest.fixture(scope="module")
def server(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A real server process; its address."""
    log = tmp_path_factory.mktemp("fuzzed") / "log"
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as out:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        fd = str(listener.fileno())
        command = [sys.executable, "-m", "uvicorn", "server.app:create_app", "--factory", "--fd", fd]
        environment = {**os.environ, "DATABASE_URL": database_url, "POTLUCK_LOG_LEVEL": "warning"}
        process = subprocess.Popen(
            command,
            env=environment,
            pass_fds=[listener.fileno()],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=Path(__file__).parents[2],
        )
    try:
        _wait_until_live(url)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _wait_until_live(url: str) -> None:
    give_up = time.monotonic() + 20
    while True:
        try:
            httpx.get(f"{url}/health/live", timeout=1).raise_for_status()
        except httpx.HTTPError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def fuzzer(server: str) -> Any:
    """Somebody who has just registered; for each operation, since one of them deletes the account."""
    name = f"fuzzer{next(_numbers)}"
    new = {"username": name, "email": f"{name}@example.org", "password": "correct horse battery"}
    answer = httpx.post(f"{server}/api/v1/auth/register", json=new)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
def headers(fuzzer: Any) -> dict[str, str]:
    """Of their requests."""
    return {"Authorization": f"Bearer {fuzzer['access_token']}"}


@pytest.fixture
def known(server: str, fuzzer: Any, headers: dict[str, str]) -> dict[str, str]:
    """Ids that there are, for parameters of these names."""
    api = f"{server}/api/v1"
    post = httpx.post(f"{api}/posts", json={"content": "soup"}, headers=headers).json()
    there = httpx.post(f"{api}/restaurants?force=true", json={"name": "Here"}, headers=headers).json()
    new = {"name": "Soup", "dish_type": "soup"}
    dish = httpx.post(f"{api}/restaurants/{there['id']}/dishes", json=new, headers=headers).json()
    review = httpx.post(f"{api}/dishes/{dish['id']}/reviews", json={"content": "hot"}, headers=headers).json()
    things = {"post": post, "user": fuzzer["user"], "restaurant": there, "dish": dish, "review": review}
    return {f"{name}_id": thing["id"] for name, thing in things.items()}


@document.parametrize()
@bounded
def test_answers_are_as_documented(case: Any, server: str, headers: dict[str, str], known: dict[str, str]) -> None:
    case.path_parameters = {name: real(name, value, known) for name, value in (case.path_parameters or {}).items()}

    case.call_and_validate(base_url=server, headers=headers, timeout=10, excluded_checks=excluded(case))


def excluded(case: Any) -> list[Any]:
    """Rules that no schema tells (a cursor is one of ours, log in by name or by address) make valid data invalid,
    and a query parameter that nobody asked for is ignored."""
    unasked = set(case.query or {}) - {parameter.name for parameter in case.operation.query}
    return [positive_data_acceptance, *([negative_data_rejection] if unasked else [])]


def real(name: str, value: Any, known: dict[str, str]) -> Any:
    """The id of something there is, in place of one that could be."""
    try:
        UUID(value)
    except (ValueError, AttributeError, TypeError):
        return value
    return known.get(name, value)


def test_no_error_was_unforeseen(server: str) -> None:
    metrics = httpx.get(f"{server}/metrics").text

    assert "potluck_unexpected_errors_total 0.0" in metrics
