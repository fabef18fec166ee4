"""`./run demo`: 77 people, each number checked against the graph, and a server process killed in the middle."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import networkx as nx  # pyright: ignore[reportMissingTypeStubs] - it has none
import pytest

from loadtests.demo.checks import Findings
from loadtests.demo.city import KITCHENS, PIZZAS, Dish, Opinion, ranked, trending
from loadtests.demo.model import les_miserables
from loadtests.running import ROOT, environment, running, words_of

pytestmark = [
    pytest.mark.xdist_group("demo"),
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]

Demo = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def demo() -> Generator[Demo]:
    """Start the demo; if the test leaves it running, it is asked to end with all that it started."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command, pipe = [sys.executable, "-m", "server.cli", "demo", *arguments], subprocess.PIPE
        playing = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=pipe, stderr=pipe, text=True)
        started.append(playing)
        return playing

    yield start
    for playing in started:
        if playing.poll() is None:
            playing.terminate()
            playing.communicate(timeout=60)


def command_lines() -> Iterator[str]:
    for pid in running():
        with contextlib.suppress(OSError):  # it has just ended
            yield words_of(pid)


def weights() -> list[int]:
    edges: list[Any] = list(nx.les_miserables_graph().edges(data="weight"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - half typed
    return [weight for _, _, weight in edges]


def test_everybody_hears_everything_once_and_every_number_is_right_though_a_server_is_killed(
    demo: Demo,
) -> None:
    playing = demo("--kill")
    printed, said = playing.communicate(timeout=200)

    report = msgspec.json.decode(printed)
    assert (report["lost"], report["duplicated"], report["wrong"]) == (0, 0, 0), said
    assert playing.returncode == 0
    edges = weights()
    assert (report["people"], report["follows"], report["likes"]) == (77, 2 * len(edges), 2 * sum(edges))
    assert report["rankings"] > 0
    assert report["boards"] == 11 * 6, "every seventh keeps those of dishes, kitchens and people, each also of the week"
    assert "killed server process" in said
    assert report["reconnects"] > 0
    assert (report["resets"], report["gaps"]) == (0, 0)


def test_ctrl_c_ends_it_with_all_that_it_started(demo: Demo, tmp_path: Path) -> None:
    playing = demo("--data", str(tmp_path / "stage"))
    assert playing.stderr is not None
    assert playing.stderr.readline().startswith("demo: http://127.0.0.1:")
    time.sleep(2)

    playing.send_signal(signal.SIGINT)
    playing.communicate(timeout=60)

    assert playing.returncode == 0
    assert [line for line in command_lines() if str(tmp_path) in line] == []


def test_a_folder_that_is_not_empty_is_refused(demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "letter").touch()

    playing = demo("--once", "--data", str(tmp_path))
    printed, said = playing.communicate(timeout=60)

    assert (playing.returncode, printed) == (1, "")
    assert said == f"potluck: {tmp_path} is not empty: the demo begins with nobody\n"


A, B, C, D, E, F = (Dish(0, i) for i in range(6))


@pytest.mark.parametrize(
    ("acts", "ranks"),
    [
        ([(A, 4)], {A: 1}),
        ([(A, 1), (B, 1)], {A: 2, B: 1}),
        ([(A, 1), (B, 2), (C, 3), (A, 3)], {B: 1, C: 2, A: 3}),
        ([(A, 1), (B, 1), (B, None)], {A: 1}),
        ([(each, 1) for each in (A, B, C, D, E, F)], {F: 1, E: 2, D: 3, C: 4, B: 5, A: None}),
        ([*((each, 1) for each in (A, B, C, D, E, F)), (A, 5)], {F: 1, E: 2, D: 3, C: 4, A: 5, B: None}),
        ([(A, 1), (Dish(1, 0), 1)], {A: 1, Dish(1, 0): 1}),
    ],
)
def test_what_somebody_thinks_in_the_end_is_known_beforehand(
    acts: list[tuple[Dish, int | None]], ranks: dict[Dish, int | None]
) -> None:
    assert ranked(Opinion(*each) for each in acts) == ranks


def test_enough_people_know_the_same_dishes() -> None:
    listed = trending(les_miserables())

    assert 20 < len(listed) < len(KITCHENS) * len(PIZZAS)


def test_what_is_lost_told_twice_or_not_meant_for_somebody_is_found() -> None:
    findings = Findings()

    findings.once("home", heard=["soup", "soup", "salad"], expected=["soup", "bread"])
    findings.same("unread", 3, 2)

    assert findings.faults == [
        "lost: home: bread",
        "duplicated: home: soup",
        "wrong: home: salad was not meant for it",
        "wrong: unread is 3, not 2",
    ]
