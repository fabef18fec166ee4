"""`./run loadtest`: a short play leaves its report; thresholds and foreign hosts are refused; the account is exact."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import msgspec
import pytest

from loadtests.running import ROOT, Potluck, environment, family_of, words_of
from loadtests.scripted.ledger import Account, Happened, Hearing, Span, audit, audit_inboxes
from loadtests.scripted.play import refuse_what_is_not_ours
from loadtests.scripted.report import page_of
from loadtests.scripted.scenario import READY, Part, find, load, roles
from loadtests.scripted.thresholds import KNOWN, judge, parsed
from server.binaries import CannotStart
from tests.journeys.community import QUICK

pytestmark = [
    pytest.mark.xdist_group("loadtest"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]

IMPOSSIBLE = """
from loadtests.scripted.scenario import Part, Scenario

async def fan(me):
    await me.publish()
    await me.thinks(0.3)

SCENARIO = Scenario(parts=[Part(fan)], seconds=1, users=3, holds=["acts > 0", "p50_publish_ms < 0.001"])
"""


def loadtest(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server.cli", "loadtest", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=90, check=False)


@pytest.fixture
def potluck(tmp_path: Path) -> Generator[Potluck]:
    running = Potluck(tmp_path / "data", **QUICK)
    yield running
    running.interrupt()


def test_a_short_play_loses_nothing_and_leaves_its_report(tmp_path: Path) -> None:
    played = loadtest("morning_rush", "--users", "20", "--for", "5", "--processes", "2", "--out", str(tmp_path / "out"))

    assert played.returncode == 0, played.stderr
    told = msgspec.json.decode(played.stdout)
    assert (told["lost"], told["duplicated"], told["out_of_order"], told["wrong"]) == (0, 0, 0, 0)
    assert told["frames_due"] > 0
    written = msgspec.json.decode((tmp_path / "out" / "morning_rush.json").read_bytes())
    assert written["passed"] is True
    assert written["series"][-1]["sockets"] == 20
    page = (tmp_path / "out" / "morning_rush.html").read_text()
    assert '"scenario":"morning_rush"' in page
    assert "://" not in page.replace("http://www.w3.org", "")


def test_a_threshold_that_does_not_hold_fails_the_play(potluck: Potluck, tmp_path: Path) -> None:
    scenario = tmp_path / "impossible.py"
    scenario.write_text(IMPOSSIBLE)

    played = loadtest(str(scenario), "--target", potluck.url, "--out", str(tmp_path))

    assert played.returncode == 1, played.stderr
    assert "holds   acts > 0" in played.stderr
    assert "BROKEN  p50_publish_ms < 0.001" in played.stderr


def test_a_play_may_be_longer_than_the_life_of_a_token(tmp_path: Path) -> None:
    potluck = Potluck(tmp_path / "data", **QUICK, POTLUCK_ACCESS_TOKEN_S="2")

    played = loadtest("morning_rush", "--users", "6", "--for", "6", "--target", potluck.url, "--out", str(tmp_path))

    potluck.interrupt()
    assert played.returncode == 0, played.stderr
    told = msgspec.json.decode(played.stdout)
    assert (told["lost"], told["wrong"], told["errors"]) == (0, 0, 0)


@pytest.mark.parametrize("awaited", ["server.cli serve", "spawn_main"])
def test_ctrl_c_at_any_time_leaves_no_process_and_no_folder(awaited: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "server.cli", "loadtest", "viral_post", "--users", "20", "--out", str(tmp_path)]
    (tmp_path / "temporary").mkdir()
    own = environment(TMPDIR=str(tmp_path / "temporary"))
    playing = subprocess.Popen(command, cwd=ROOT, env=own, text=True, stderr=subprocess.PIPE, start_new_session=True)
    while not any(awaited in words_of(pid) for pid in family_of(playing.pid)):
        assert playing.poll() is None
        time.sleep(0.02)
    family = family_of(playing.pid)

    os.killpg(playing.pid, signal.SIGINT)
    time.sleep(0.05)
    os.killpg(playing.pid, signal.SIGINT)

    _, said = playing.communicate(timeout=30)
    assert playing.returncode == 130
    assert "Traceback" not in said
    deadline = time.monotonic() + 5  # multiprocessing's own tracker ends a moment later
    while (left := [words_of(pid) for pid in family if words_of(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []
    assert list((tmp_path / "temporary").iterdir()) == []


def test_another_host_is_refused() -> None:
    played = loadtest("viral_post", "--target", "https://food.example.org")

    assert (played.returncode, played.stdout) == (2, "")
    assert played.stderr == "potluck: food.example.org is another host: a load test of it needs --i-own-this-host\n"


@pytest.mark.parametrize("target", ["http://10.0.0.7:8000", "http://127.0.0.1.example.org", "http://localhost.example"])
def test_what_only_looks_like_this_machine_is_another_host(target: str) -> None:
    with pytest.raises(CannotStart):
        refuse_what_is_not_ours(target, is_ours=False)

    refuse_what_is_not_ours(target, is_ours=True)


@pytest.mark.parametrize("target", ["http://[::1", "ftp://localhost", "localhost:8000"])
def test_what_is_no_address_is_refused(target: str) -> None:
    with pytest.raises(CannotStart, match=r"no (http://|address)"):
        refuse_what_is_not_ours(target, is_ours=True)


@pytest.mark.parametrize("target", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"])
def test_this_machine_is_not(target: str) -> None:
    refuse_what_is_not_ours(target, is_ours=False)


def test_a_scenario_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(CannotStart, match="no scenario brunch; ready ones: celebrity_posts, morning_rush"):
        find("brunch")


@pytest.mark.parametrize("name", sorted(each.stem for each in READY.glob("[a-z]*.py")))
def test_a_ready_scenario_can_be_played_by_twenty(name: str) -> None:
    scenario = load(find(name))

    assert len(roles(scenario.parts, 20)) == 20
    assert len(find(name).read_text().splitlines()) <= 55


def test_the_locustfile_is_python() -> None:
    compile((ROOT / "loadtests/locustfile.py").read_text(), "locustfile.py", "exec")


def test_parts_are_given_by_weight() -> None:
    async def session(_: object) -> None: ...

    given = roles([Part(session, exactly=2), Part(session, weight=3), Part(session)], 42)

    assert (given[:2], given.count(1), given.count(2)) == ([0, 0], 30, 10)


def test_what_was_never_measured_does_not_hold() -> None:
    figures = {"lost": 0, "errors": 3, "acts": 997}

    held = judge(["lost == 0", "errors < 0.1 %", "errors <= 0.3 %", "p99_publish_ms < 5"], figures)

    assert [(each.holds, each.found) for each in held] == [(True, 0), (False, 0.3), (True, 0.3), (False, None)]


@pytest.mark.parametrize(
    "text", ["lost == 1.2.3", "p99_brunch_ms < 5", "p99_act_ms < 3 s", "p99_act_ms < 3 ms", "p99_act_ms < 3 %"]
)
def test_what_is_no_threshold_is_refused_before_anything_is_played(text: str) -> None:
    with pytest.raises(CannotStart):
        parsed(text)


PLAIN = """
from loadtests.scripted.scenario import Part, Scenario, rate

async def fan(me):
    await me.thinks(0.1)
    await me.publish()
    {act}

def not_async(me): ...

SCENARIO = Scenario({arguments})
"""


def plain(folder: Path, arguments: str, act: str = "await me.thinks(0.2)") -> Path:
    scenario = folder / "plain.py"
    scenario.write_text(PLAIN.format(act=act, arguments=arguments))
    return scenario


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("parts=[]", "there are no parts"),
        ("parts=[Part(not_async)]", "not_async is no session"),
        ("parts=[Part(fan, opening=not_async)]", "not_async is no session"),
        ("parts=[Part(fan, weight=0)]", "weight of a part"),
        ("parts=[Part(fan)], arrival=rate(0)", "rate of arrival"),
        ("parts=[Part(fan)], seconds=0", "seconds has to be"),
        ("parts=[Part(fan)], holds=['lost = 0']", "not a threshold"),
    ],
)
def test_what_cannot_be_played_is_refused_with_a_sentence(arguments: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=sentence):
        load(plain(tmp_path, arguments))


def test_a_session_that_fails_ends_the_play_at_once_and_says_so(potluck: Potluck, tmp_path: Path) -> None:
    scenario = plain(tmp_path, "parts=[Part(fan)], seconds=60, users=4", act="raise KeyError('oops')")

    played = loadtest(str(scenario), "--target", potluck.url, "--out", str(tmp_path))

    assert played.returncode == 1
    assert played.stderr.endswith("potluck: the scenario failed: KeyError('oops')\n")


def test_whoever_looks_for_somebody_who_is_not_there_is_told(potluck: Potluck, tmp_path: Path) -> None:
    scenario = plain(tmp_path, "parts=[Part(fan, exactly=1)], seconds=60, users=4", act="me.somebody('fan')")

    played = loadtest(str(scenario), "--target", potluck.url, "--out", str(tmp_path))

    assert (played.returncode, "Traceback" in played.stderr) == (1, False)
    assert "there is nobody else who plays fan" in played.stderr


def test_sessions_that_were_due_and_found_nobody_free_are_counted_and_fail_the_play(
    potluck: Potluck, tmp_path: Path
) -> None:
    scenario = plain(
        tmp_path, "parts=[Part(fan)], seconds=2, users=2, arrival=rate(50)", act="await me.expect('x.y', within=0.1)"
    )

    played = loadtest(str(scenario), "--target", potluck.url, "--out", str(tmp_path))

    assert played.returncode == 1, played.stderr
    figures = msgspec.json.decode((tmp_path / "plain.json").read_bytes())["figures"]
    assert 0 < figures["not_played"] < 100
    assert figures.keys() <= KNOWN
    assert "BROKEN  not_played == 0" in played.stderr
    assert "BROKEN  missed == 0" in played.stderr
    assert f"{figures['missed']} x x.y: expected in vain" in played.stderr


def test_a_play_that_is_interrupted_reports_what_it_had_measured(potluck: Potluck, tmp_path: Path) -> None:
    scenario = plain(tmp_path, "parts=[Part(fan)], seconds=60, users=4")
    command = [ROOT / "run", "loadtest", scenario.name, "--target", potluck.url, "--out", "out"]
    playing = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert playing.stderr is not None
    while "sockets" not in playing.stderr.readline():
        assert playing.poll() is None
    playing.send_signal(signal.SIGINT)
    told, _ = playing.communicate(timeout=30)

    assert playing.returncode == 130
    found = msgspec.json.decode(told)
    assert (found["interrupted"], found["passed"], "lost" in found) == (True, False, False)
    assert (tmp_path / "out" / "plain.html").is_file()


def test_the_headline_says_how_many_really_play(potluck: Potluck, tmp_path: Path) -> None:
    scenario = plain(tmp_path, "parts=[Part(fan, exactly=2)], seconds=1, users=20")

    played = loadtest(str(scenario), "--target", potluck.url, "--out", str(tmp_path))

    assert msgspec.json.decode(played.stdout)["users"] == 2


def test_a_report_that_cannot_be_written_is_told_before_anything_is_played(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    played = loadtest("viral_post", "--out", str(tmp_path / "file" / "out"))

    assert (played.returncode, played.stdout) == (1, "")
    assert played.stderr.startswith(f"potluck: cannot make {tmp_path}/file/out for the report")


def test_figures_cannot_end_the_script_they_are_in() -> None:
    assert "</script><b>" not in page_of('{"scenario":"</script><b>"}')


# The account. Three comments on a post, by somebody whom everybody hears.

COMMENTS = [Happened(f"comment {n}", "post:1", asked=n, answered=n + 0.5) for n in (1, 2, 3)]
IDS = {f"comment {n}": f"{n:04}" for n in (1, 2, 3)}


def hearing(*numbers: int, since: int = 0, ended_at: str | None = None) -> Hearing:
    """Of somebody who was told these, in this order, each naming the one before as `prev`; they came after `since`."""
    made, position = Hearing({"post:1": Span(since + 0.6 if since else 0)}, ""), f"{since:04}"
    for n in numbers:
        made.take(f"{n:04}", f"{n - 1:04}", f"comment {n}", position)
        position = f"{n:04}" if f"{n - 1:04}" == position else position  # as a client does
    made.ended, made.position = ended_at is not None, ended_at or position
    return made


def account(*hearings: Hearing) -> tuple[int, int, int, int]:
    found = audit(COMMENTS, hearings, IDS)
    return found.due, found.lost, found.duplicated, found.out_of_order


def test_all_told_once_and_in_order_is_no_fault() -> None:
    assert account(hearing(1, 2, 3), hearing(1, 2, 3)) == (6, 0, 0, 0)


def test_the_last_ones_that_never_came_are_lost() -> None:
    assert account(hearing(1, 2, 3), hearing(1)) == (6, 2, 0, 0)


def test_what_nobody_was_told_is_lost_to_everybody() -> None:
    found = audit(COMMENTS, [hearing(1, 2), hearing(1, 2)], {k: v for k, v in IDS.items() if k != "comment 3"})

    assert (found.lost, found.examples) == (2, ["lost: comment 3 from post:1"] * 2)


def test_one_left_out_in_the_middle_is_a_gap_and_what_is_behind_it_waits() -> None:
    assert account(hearing(1, 3)) == (3, 2, 0, 1)


def test_one_left_out_and_told_again_is_only_a_gap() -> None:
    assert account(hearing(1, 3, 2, 3)) == (3, 0, 0, 1)


def test_one_told_twice_is_a_duplicate() -> None:
    assert account(hearing(1, 2, 2, 3, 1)) == (3, 0, 2, 0)


def test_one_that_comes_after_a_newer_one_is_out_of_order() -> None:
    made = Hearing({"post:1": Span(0)}, "")
    made.take("0001", None, "comment 1", "")
    made.take("0003", None, "comment 3", "0001")
    made.take("0002", None, "comment 2", "0003")

    assert account(made) == (3, 0, 0, 1)


def test_state_told_twice_is_a_duplicate_too() -> None:
    made = hearing(1, 2, 3)
    made.take("0004", "0003", None, "0003")
    made.take("0004", "0003", None, "0004")

    assert account(made) == (3, 0, 1, 0)


def test_what_happened_before_somebody_came_was_not_due_to_them() -> None:
    assert account(hearing(3, since=2)) == (1, 0, 0, 0)
    assert account(hearing(2, 3, since=1)) == (2, 0, 0, 0)


def test_who_left_had_to_be_told_what_their_position_has_passed() -> None:
    assert account(hearing(1, ended_at="0001"), hearing(1, 2, 3)) == (4, 0, 0, 0)
    assert account(hearing(1, ended_at="0002"), hearing(1, 2, 3)) == (5, 1, 0, 0)


def test_what_a_reset_has_skipped_was_not_due() -> None:
    made = hearing(1)
    made.reset("0002", "0001")
    made.take("0003", "0002", "comment 3", "0002")

    assert account(made, hearing(1, 2, 3)) == (5, 0, 0, 0)


def test_what_nobody_did_is_unexpected() -> None:
    assert audit(COMMENTS[:2], [hearing(1, 2, 3)], IDS).unexpected == 1


def test_acts_that_no_row_of_an_inbox_tells_are_lost_and_rows_without_an_act_are_too_many() -> None:
    acts = {("ann", "like", "1"): 5, ("ann", "follow", ""): 12, ("bob", "like", "2"): 3, ("gone", "like", "3"): 9}
    ann, bob = {("like", "1"): 4, ("follow", ""): 12}, {("like", "2"): 3, ("comment", "2"): 1}

    found = audit_inboxes(acts, {"ann": ann, "bob": bob})

    assert (found.due, found.lost, found.duplicated) == (20, 1, 1)


def test_single_acts_beyond_twenty_an_hour_are_not_shown() -> None:
    acts = {("ann", "like", str(post)): 1 for post in range(22)}

    found = audit_inboxes(acts, {"ann": {("like", str(post)): 1 for post in range(20)}})

    assert found == Account(due=22, told=20)
