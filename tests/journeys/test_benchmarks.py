"""`./run loadtest` with a benchmark, tiny and alone: figures come, nothing is lost; and that loss would be noticed."""

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from loadtests.benchmarks import fanout, idle
from loadtests.measured import play
from loadtests.measured.asked import Asked, beside
from loadtests.measured.ours import EMPTY, SIZE, message
from loadtests.measured.sockets import Door, Ears, Refused, Socket
from loadtests.peers import install
from loadtests.peers.install import Missing
from loadtests.running import ROOT, environment

pytestmark = [
    pytest.mark.xdist_group("benchmarks"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]

NAMES = sorted(each.stem for each in ROOT.glob("loadtests/benchmarks/[a-z]*.py"))


def loadtest(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server.cli", "loadtest", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=90, check=False)


def run(name: str, *arguments: str) -> dict[str, Any]:
    """What it prints, which has to be one line."""
    done = loadtest(name, "--no-peers", *arguments)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    found = msgspec.json.decode(line)
    assert list(found)[:2] == ["benchmark", "ratios"]
    assert found["benchmark"] == name
    assert found["machine"]["cores"] > 0
    assert found["others_cpu"] >= 0
    return found


def test_fan_out_reaches_everybody_in_order() -> None:
    found = run("fanout", "--users", "10", "--for", "0.2")

    flat_out, steady = found["potluck"]["flat_out"], found["potluck"]["steady"]
    assert found["lost"] == flat_out["wrong"] == steady["wrong"] == 0
    assert len(flat_out["rounds_per_s"]) == 5
    assert flat_out["per_s"] >= flat_out["per_s_from_publish"] > 0
    assert steady["ms"].keys() == {"p50", "p99"}


def test_unicast_reaches_whom_it_is_for_and_nobody_else() -> None:
    found = run("unicast", "--users", "20", "--for", "0.2")

    assert (found["few"]["connections"], found["many"]["connections"]) == (2, 20)
    assert found["lost"] == found["few"]["wrong"] == found["many"]["wrong"] == 0
    assert found["p99_ms"] > 0


def test_idle_connections_are_weighed() -> None:
    found = run("idle", "--users", "100", "--for", "0.1")

    assert found["lost"] == 0
    assert found["rss_kb"] == found["potluck"]["rss_kb"]
    assert found["potluck"]["rss_mb"]["after"] > 20


def test_connections_come_and_go() -> None:
    found = run("connect", "--users", "4", "--for", "0.2")

    assert found["potluck"]["connected"] > 0
    assert found["per_core_s"] > 0


def test_a_post_is_heard_by_those_who_follow_after_one_question() -> None:
    found = run("home", "--users", "20")

    assert (found["followers_connected"], found["lost"], found["wrong"]) == (10, 0, 0)
    assert found["most_questions"] == 1


def test_every_board_that_is_watched_is_what_the_rankings_come_to() -> None:
    found = run("rankings", "--users", "10", "--for", "2")

    assert (found["differences"], found["lost"], found["gaps"], found["wrong_entries"]) == (0, 0, 0, 0)
    assert found["rankings"] > 0
    assert found["versions"] > 0


def test_a_difference_makes_the_command_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def measure(asked: Asked) -> dict[str, Any]:
        return {"ratios": {}, "differences": asked.users}

    monkeypatch.setattr(idle, "measure", measure)

    assert [play.main("idle", Asked(users=differences)) for differences in (0, 3)] == [0, play.DIFFERENT]
    assert capsys.readouterr().out.count('"differences":3') == 1


def test_after_a_storm_everybody_is_back_with_what_they_missed() -> None:
    found = run("storm", "--users", "50", "--for", "0.2")

    assert found["lost"] == found["cut"]["wrong"] == found["killed"]["wrong"] == 0
    assert found["cut"]["outcomes"] == found["killed"]["outcomes"] == {"live": 100, "replayed": 50}
    assert found["killed"]["tries"] >= 50


def test_likes_are_counted_beside_pgbench() -> None:
    found = run("like", "--for", "0.2")

    assert found["counters_equal_rows"] is True
    assert found["ratios"].keys() == {"spread_by_pgbench", "known_by_pgbench", "hot_by_spread"}
    assert found["rows"] > 0


def test_latency_is_told_for_both_processes() -> None:
    found = run("latency", "--for", "0.2")

    assert found["lost"] == 0
    assert found["events"]["half"]["second_process"]["from_at_ms"]["p50"] > 0


def test_a_benchmark_takes_no_target() -> None:
    done = loadtest("fanout", "--target", "http://127.0.0.1:1")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "potluck: fanout is a benchmark: it takes only --users, --for and --no-peers\n"


def test_help_names_every_benchmark_and_scenario() -> None:
    said = " ".join(loadtest("--help").stdout.split())

    assert f"Benchmarks: {', '.join(NAMES)}." in said
    assert "viral_post." in said


@pytest.mark.parametrize("name", NAMES)
def test_the_page_tells_how_each_is_run(name: str) -> None:
    assert f"`./run loadtest {name}`" in (ROOT / "docs/performance.md").read_text()


async def test_a_peer_that_is_not_there_is_null_with_its_reason() -> None:
    async def measure(name: str) -> dict[str, Any]:
        if name == "gone":
            raise Missing("not installed")
        return {"rss_kb": 2.0}

    found = await beside(Asked(), ("here", "gone"), measure)

    assert found == {"here": {"rss_kb": 2.0}, "gone": None, "gone_missing": "not installed"}
    assert idle.ratios({"potluck": {"rss_kb": 1.0}, **found}) == {"rss_by_here": 0.5}


def test_nobody_is_measured_beside_us_when_nobody_is_asked_for() -> None:
    assert not list(fanout.ratios({"potluck": {}}))


@pytest.mark.parametrize("file", ["requirements.txt", "package-lock.json"])
def test_the_peers_are_pinned_without_an_address(file: str) -> None:
    text = (install.HERE / file).read_text()

    assert "://" not in text
    assert "sha256:" in text or "sha512-" in text


def test_a_message_makes_an_event_of_as_many_bytes_as_peers_get() -> None:
    assert len(message(7)) + EMPTY == len(message(7, SIZE)) == SIZE


# What the sockets hear.

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
WELCOME = b'\x81\x07{"w":1}'
DOOR = Door(("", 0), "/", welcome=b'{"w"', news=b'{"n"')


def news(number: int, size: int = 12) -> bytes:
    payload = b'{"n":"#%06d#' % number + b"x" * size
    length = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2, "big")
    return b"\x81" + length + payload


async def heard(said: bytes, part: int) -> Ears:
    """What a socket hears that is told in parts of so many bytes."""
    ears = Ears()
    socket = Socket(ears, 3, DOOR)
    for begin in range(0, len(said), part):
        socket.take(said, begin, min(begin + part, len(said)), at=begin)
    return ears


@pytest.mark.parametrize("part", [1, 2, 7, 64, 10_000])
async def test_frames_are_heard_whole_however_they_arrive(part: int) -> None:
    ears = await heard(UPGRADED + WELCOME + news(0) + b"\x8a\x00" + news(1, 300) + news(2, 20), part)

    assert (list(ears.who), list(ears.numbers)) == ([3, 3, 3], [0, 1, 2])


async def test_what_comes_before_the_welcome_is_no_news() -> None:
    ears = await heard(UPGRADED + news(0) + WELCOME + news(1), 10_000)

    assert list(ears.numbers) == [1]


async def test_an_upgrade_that_is_refused_is_told() -> None:
    socket = Socket(Ears(), 0, DOOR)
    entered = socket.entered
    assert entered is not None

    refusal = b"HTTP/1.1 403 Forbidden\r\n\r\n"
    socket.take(refusal, 0, len(refusal), at=0)

    with pytest.raises(Refused, match="403"):
        await entered


@pytest.mark.parametrize(
    ("numbers", "wrong"), [([0, 1, 2], 0), ([0, 2], 1), ([0, 1, 1, 2], 1), ([1, 0, 2], 3), ([1, 2], 1)]
)
async def test_what_is_left_out_told_twice_or_out_of_order_is_counted(numbers: list[int], wrong: int) -> None:
    ears = await heard(UPGRADED + WELCOME + b"".join(news(number) for number in numbers), 10_000)

    assert fanout.wrong(ears, 4) == wrong
