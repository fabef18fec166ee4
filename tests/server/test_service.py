"""Health, metrics, request ids, the access log and the headers that every answer has."""

import asyncio
import json
from typing import Any

import httpx
import msgspec
import pytest

from domain import db
from domain.clock import now
from domain.ids import UserID, new_id
from realtime import streams
from server import observe
from server.access import AccessLog, Line


async def test_a_process_that_answers_is_live(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/live")

    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


async def test_readiness_names_the_relay_when_nobody_cuts_batches(client: httpx.AsyncClient) -> None:
    await db.execute("UPDATE batches SET batch = 1 WHERE batch = (SELECT max(batch) FROM batches)")

    answer = await client.get("/health/ready")

    checks = answer.json()["checks"]
    assert (answer.status_code, answer.json()["status"]) == (503, "not_ready")
    assert (checks["database"]["ok"], checks["redis"]["ok"], checks["relay"]["ok"]) == (True, True, False)
    assert answer.headers["retry-after"] == "1"


CUT = """
INSERT INTO batches (batch, prev, snapshot)
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint, max(batch), pg_current_snapshot() FROM batches
"""


async def test_a_process_is_ready_when_all_parts_are_there(client: httpx.AsyncClient) -> None:
    await db.execute(CUT)

    answer = await client.get("/health/ready")

    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert answer.json()["checks"]["relay"]["age_s"] < 5


async def test_readiness_names_redis_when_it_is_gone(
    client: httpx.AsyncClient, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = streams.writer()
    gone.connection_pool.connection_kwargs["port"] = 1
    monkeypatch.setattr(app.state, "redis", gone)

    answer = await client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["checks"]["redis"] == {"ok": False, "error": "ConnectionError"}


async def test_readiness_names_delivery_when_the_process_drains(
    client: httpx.AsyncClient, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Draining:
        draining, healthy, position = True, True, ""

    monkeypatch.setitem(app.state._state, "gateway", Draining())

    answer = await client.get("/health/ready")

    assert answer.json()["checks"]["delivery"] == {"ok": False, "error": "this process is going away"}


async def test_metrics_count_requests_by_route(client: httpx.AsyncClient) -> None:
    await client.get("/health/live")

    answer = await client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    assert 'potluck_http_requests_total{method="GET",route="/health/live",status="200"}' in answer.text
    assert 'potluck_http_request_seconds_bucket{le="0.01",method="GET",route="/health/live"}' in answer.text


async def test_an_unknown_path_adds_no_series_of_its_own(client: httpx.AsyncClient) -> None:
    await client.get("/guessed/by/a/scanner")

    answer = await client.get("/metrics")

    assert "scanner" not in answer.text


async def test_a_sane_request_id_is_taken(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/live", headers={"X-Request-Id": "mine_1.2-3"})

    assert answer.headers["x-request-id"] == "mine_1.2-3"


@pytest.mark.parametrize("theirs", ["", "a b", "x" * 65, "<script>"])
async def test_another_request_id_is_replaced(client: httpx.AsyncClient, theirs: str) -> None:
    answer = await client.get("/nothing", headers={"X-Request-Id": theirs})

    assert answer.headers["x-request-id"] != theirs
    assert len(answer.headers["x-request-id"]) == 32


async def test_every_answer_says_how_browsers_should_treat_it(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nothing")

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "strict-transport-security" not in answer.headers


async def test_over_https_browsers_are_told_to_stay_there(app: Any) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://potluck") as client:
        answer = await client.get("/health/live")

    assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_a_request_is_one_line_without_its_query(client: httpx.AsyncClient, log: list[Any]) -> None:
    await client.get("/health/live?token=secret", headers={"Authorization": "Bearer secret", "X-Request-Id": "abc"})
    await asyncio.sleep(0)  # it is written in the loop's next turn

    (line,) = [each for each in log if each["message"] == "request"]
    assert line["timestamp"]
    assert line["duration_ms"] > 0
    assert (line["level"], line["service"], line["request_id"]) == ("info", "potluck", "abc")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/health/live", 200)
    assert line["user_id"] is None
    assert "secret" not in json.dumps(log)


async def test_requests_of_one_turn_are_one_write() -> None:
    written: list[bytes] = []
    log = AccessLog(written.append)
    lines = [Line(now(), f"{i}", UserID(new_id()), "GET", "/feed", 200, 1.5) for i in range(2)]

    log.add(lines[0])
    log.add(lines[1])
    before = list(written)
    await asyncio.sleep(0)

    assert (before, len(written)) == ([], 1)
    assert [json.loads(line) for line in written[0].splitlines()] == msgspec.to_builtins(lines)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The access log's lines, as they are written."""
    lines: list[Any] = []

    def write(written: bytes) -> None:
        lines.extend(map(json.loads, written.splitlines()))

    monkeypatch.setattr(observe, "access", AccessLog(write))
    return lines


async def test_pages_of_other_origins_may_not_read_answers(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/live", headers={"Origin": "https://elsewhere.example"})

    assert "access-control-allow-origin" not in answer.headers
