"""potluck.js in Node: what it holds of the contract, and how it fares with a real server."""

import os
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from loadtests.running import Potluck
from tests.journeys.community import QUICK
from tests.web import needs

pytestmark = pytest.mark.xdist_group("web")

HERE = Path(__file__).parent


def run(file: str, **environment: str) -> None:
    """Run a file of Node's tests; what it says when they fail."""
    # Connections that `fetch` keeps for later would keep Node for 4 s more.
    command = [needs.node(), "--test", "--test-force-exit", "--test-reporter=spec", str(HERE / file)]
    # Node 20 has a WebSocket behind this flag, later ones have it anyway.
    variables = {**os.environ, "NODE_OPTIONS": "--experimental-websocket", **environment}
    ended = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=100, check=False)
    assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr[-2000:]


def test_it_keeps_the_contract_frame_by_frame() -> None:
    run("conformance.test.mjs")


def test_its_rules_hold_for_whatever_happens() -> None:
    run("rules.test.mjs")


def test_mistakes_around_it_are_said_and_harm_nothing_else() -> None:
    run("mistakes.test.mjs")


@pytest.fixture(scope="module")
def potluck(tmp_path_factory: pytest.TempPathFactory) -> Generator[Potluck]:
    needs.node()
    running = Potluck(tmp_path_factory.mktemp("node") / "data", **QUICK, POTLUCK_HEARTBEAT_S="2")
    yield running
    running.interrupt()


def test_it_loses_nothing_on_a_real_server(potluck: Potluck) -> None:
    key = QUICK["POTLUCK_JWT_KEYS"].partition(":")[2]

    run("client.test.mjs", POTLUCK_URL=potluck.url, POTLUCK_KEY=key)
