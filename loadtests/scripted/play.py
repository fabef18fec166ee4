"""How a load test goes: a server, people in several processes, the play, the account, the report."""

import asyncio
import ipaddress
import multiprocessing
import os
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import msgspec
import uvloop
from rich.console import Console

from loadtests.running import Potluck, uninterrupted
from loadtests.scripted import report, worker
from loadtests.scripted.ledger import Account, Row, audit, audit_inboxes
from loadtests.scripted.measure import ACT, FRAME, LAG, STATE, Times, curve_ms, summary_ms
from loadtests.scripted.scenario import Scenario, find, load, roles
from loadtests.scripted.series import Series
from loadtests.scripted.table import Screen
from loadtests.scripted.thresholds import judge
from loadtests.scripted.worker import Failed, Orders, Settled, Tick
from loadtests.usage import Usage, usage_of
from server.binaries import CannotStart

OUT = Path("loadtests/out")
ALL_TOLD_S = 20.0
READY_S = 0.5  # between the last word to the processes and the start
INTERRUPTED = 130
ENVIRONMENT = {
    "POTLUCK_RATE_LIMITS": "off",  # everybody comes from one address
    "POTLUCK_PASSWORD_MEMORY_KIB": "64",  # cheap to register, and nobody's to break
    "POTLUCK_PASSWORD_TIME_COST": "1",
    "POTLUCK_ACCESS_TOKEN_S": "604800",
    "POTLUCK_DRAIN_S": "0.2",
}


class Asked(NamedTuple):
    """What was asked for on the command line; None: as the scenario says."""

    scenario: str
    users: int | None = None
    seconds: float | None = None
    processes: int | None = None
    target: str | None = None
    out: Path | None = None


def main(asked: Asked) -> int:
    """Play, print the headline, write the report; 0 only when everything holds. Raises CannotStart."""
    path = find(asked.scenario)
    scenario = load(path)
    roles(scenario.parts, asked.users or scenario.users)  # before anything is started for too few
    out = report.folder(asked.out or OUT)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # while there is no loop
    with _server(asked.target) as (url, potluck):
        run = _Run(path, scenario, asked, url, potluck)
        try:
            result = uvloop.run(_until_stopped(run))
        except asyncio.CancelledError:
            _say("stopped before anything was measured")
            return INTERRUPTED
    written = report.write(result, out)
    print(msgspec.json.encode(report.headline(result, written)).decode(), flush=True)
    for line in result["thresholds"]:
        _say(f"{'holds ' if line['holds'] else 'BROKEN'}  {line['text']}  (found: {line['found']})")
    for error, number in result["errors"].items():
        _say(f"{number} x {error}")
    for example in result["examples"]:
        _say(example)
    if result["interrupted"]:
        return INTERRUPTED
    return 0 if result["passed"] else 1


def refuse_what_is_not_ours(target: str | None, *, is_ours: bool) -> None:
    """Raises CannotStart for a host that is not this machine, unless somebody answers for it."""
    if target is None:
        return
    try:
        parts = urlsplit(target)
    except ValueError:
        raise CannotStart(f"--target {target} is no address") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CannotStart(f"--target {target} is no http:// or https:// address")
    loopback = parts.hostname == "localhost"
    with suppress(ValueError):
        loopback = loopback or ipaddress.ip_address(parts.hostname).is_loopback
    if not loopback and not is_ours:
        raise CannotStart(f"{parts.hostname} is another host: a load test of it needs --i-own-this-host")


@contextmanager
def _server(target: str | None) -> Generator[tuple[str, Potluck | None]]:
    """The one that was named, or one of our own on data that goes away."""
    if target is not None:
        try:
            httpx.get(f"{target.rstrip('/')}/health/ready", timeout=10).raise_for_status()
        except httpx.HTTPError as error:
            raise CannotStart(f"{target} is not ready: {error}") from None
        yield target.rstrip("/"), None
        return
    folder = tempfile.TemporaryDirectory(prefix="potluck-loadtest-", ignore_cleanup_errors=True)
    try:
        potluck = Potluck(Path(folder.name) / "data", "--workers", "2", **ENVIRONMENT)
        try:
            if not potluck.url.startswith("http"):
                raise CannotStart(f"the server did not start: {potluck.errors.read_text()}")
            yield potluck.url, potluck
        finally:
            potluck.interrupt()
    finally:
        with uninterrupted():
            folder.cleanup()


async def _until_stopped(run: "_Run") -> dict[str, Any]:
    """Cancelled by the first signal."""
    task = asyncio.create_task(run.play())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task


class Heard(NamedTuple):
    """What all sockets told, held against what was done. Of an interrupted play there is none."""

    account: Account
    totals: Mapping[str, int]
    wrong: Sequence[str]

    def figures(self) -> dict[str, float]:
        """For the report."""
        account = self.account
        return {
            "frames_due": account.due,
            "lost": account.lost,
            "duplicated": account.duplicated,
            "out_of_order": account.out_of_order,
            "unexpected": account.unexpected,
            "wrong": len(self.wrong),
            **{name: self.totals[name] for name in ("resets", "gaps", "reconnects")},
        }

    def examples(self) -> list[str]:
        """Of what is not as it should be."""
        return [*self.account.examples, *(f"wrong: {each}" for each in self.wrong[:10])]


class _Run:
    def __init__(self, path: Path, scenario: Scenario, asked: Asked, url: str, potluck: Potluck | None) -> None:
        self._path = path
        self._scenario = scenario
        self._url = url
        self._potluck = potluck
        self._target = asked.target
        self._users = len(roles(scenario.parts, asked.users or scenario.users))
        self._seconds = asked.seconds or scenario.seconds
        self._processes = min(asked.processes or min(os.cpu_count() or 1, 4), self._users)
        self._pipes: list[Connection] = []
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.times = Times()
        self._series = Series(self._processes, self._seconds)
        self._cpu_s = [(0.0, 0.0)] * self._processes
        self._played_s = 0.0

    async def play(self) -> dict[str, Any]:
        """The result; of one that is interrupted while it is played, what was measured until then."""
        begun = time.time()
        screen = Screen(Console(stderr=True), self._path.stem, self._users, self._seconds, self._url)
        heard = used = None
        with screen, self._as_far_as_it_came():
            async with self._workers():
                cast = [each for part in await self._all_say() for each in part]
                screen.phase = "setting the stage"
                self._tell(cast)
                for index in range(len(self._scenario.parts)):
                    self._tell(index)
                    await self._all_say()
                starts = time.monotonic() + READY_S
                self._tell((starts, starts + self._seconds))
                used = await self._act(screen, starts)
                screen.phase = "waiting for the last word"
                heard = await self._settle()
                self._tell(None)
        self._series.close()
        return self._result(begun, heard, used)

    @contextmanager
    def _as_far_as_it_came(self) -> Generator[None]:
        try:
            yield
        except asyncio.CancelledError:
            if self._played_s <= 0:
                raise

    @asynccontextmanager
    async def _workers(self) -> AsyncGenerator[None]:
        spawn = multiprocessing.get_context("spawn")
        started: list[BaseProcess] = []
        run = secrets.token_hex(4)
        resource_tracker.ensure_running()  # starting it lets signals through again
        try:
            for index in range(self._processes):
                pipe: Any = spawn.Pipe()  # of another type on each platform
                ours, theirs = pipe
                orders = Orders(self._path, self._url, run, index, self._processes, self._users)
                process = spawn.Process(target=worker.main, args=(theirs, orders), name=f"loadtest-{index + 1}")
                with uninterrupted():  # until the process has said that it does not care
                    process.start()
                theirs.close()
                started.append(process)
                self._pipes.append(ours)
            yield
            await asyncio.gather(*(asyncio.to_thread(each.join, 10) for each in started))
        finally:
            for pipe in self._pipes:
                pipe.close()
            for process in started:
                if process.is_alive():
                    process.terminate()
                process.join(5)

    def _tell(self, what: Any) -> None:
        for pipe in self._pipes:
            try:
                pipe.send(what)
            except OSError:
                raise CannotStart("a process of the load test ended: see above") from None

    async def _all_say(self) -> list[Any]:
        return list(await asyncio.gather(*(self._hear(pipe) for pipe in self._pipes)))

    async def _hear(self, pipe: Connection) -> Any:
        try:
            said = await worker.receive(pipe)
        except (EOFError, ConnectionError):
            raise CannotStart("a process of the load test ended: see above") from None
        if isinstance(said, Failed):
            raise CannotStart(said.why)
        return said

    async def _act(self, screen: Screen, starts: float) -> Usage | None:
        """The play itself; what the server used of CPU meanwhile."""
        before = usage_of(self._potluck) if self._potluck else None
        sockets = [0] * self._processes

        async def listen(index: int, pipe: Connection) -> None:
            while (tick := await self._hear(pipe)) is not None:
                assert isinstance(tick, Tick)
                self.counts.update(tick.counts)
                self.errors.update(tick.errors)
                self.times.add(tick.times)
                self._series.add(index, tick)
                self._played_s = max(self._played_s, tick.at)
                first, _ = self._cpu_s[index]
                self._cpu_s[index] = (first or tick.cpu_s, tick.cpu_s)
                sockets[index] = tick.sockets
                screen.show(time.monotonic() - starts, self.counts, self.times, sum(sockets))

        screen.phase = "playing"
        await asyncio.gather(*(listen(index, pipe) for index, pipe in enumerate(self._pipes)))
        if before is None or self._potluck is None:
            return None
        return usage_of(self._potluck) - before

    async def _settle(self) -> "Heard":
        """Ask what was heard until it is all, or for too long."""
        give_up = time.monotonic() + ALL_TOLD_S
        while True:
            self._tell("settle")
            settled: list[Settled] = await self._all_say()
            account = _account(settled)
            wrong = [each for one in settled for each in one.wrong]
            if not (account.lost or wrong) or time.monotonic() > give_up:
                totals: Counter[str] = Counter()
                for one in settled:
                    totals.update(one.totals)
                return Heard(account, totals, wrong)

    def _result(self, begun: float, heard: "Heard | None", used: Usage | None) -> dict[str, Any]:
        seconds = self._seconds if heard else self._played_s
        cpu = [(last - first) / max(seconds - worker.TICK_S, worker.TICK_S) for first, last in self._cpu_s]
        figures: dict[str, float] = {
            **{
                name: self.counts[name]
                for name in ("acts", "errors", "sessions", "frames", "late", "missed", "not_played")
            },
            **(heard.figures() if heard else {}),
            "acts_per_s": round(self.counts["acts"] / seconds, 1),
            "frames_per_s": round(self.counts["frames"] / seconds, 1),
            "generator_cpu": round(max(cpu), 2),
        }
        times = self.times
        acts = [name for name in sorted(times.of) if name.startswith(ACT)]
        named = {"act_to_frame": FRAME, "like_to_state": STATE, "generator_lag": LAG}
        told = [*acts, *(name for name in sorted(times.of) if name.startswith("expect "))]
        named |= {name.removeprefix(ACT).replace(" ", "_").replace(".", "_"): name for name in told}
        for name, key in named.items():
            if key in times.of and times.of[key].total_count:
                figures |= {f"{part}_{name}_ms": ms for part, ms in summary_ms(times.of[key]).items()}
        if acts:
            figures |= {f"{part}_act_ms": ms for part, ms in summary_ms(times.merged(acts)).items()}
        thresholds = judge(self._scenario.holds, figures)
        return {
            "scenario": self._path.stem,
            "passed": heard is not None and all(each.holds for each in thresholds),
            "interrupted": heard is None,
            "thresholds": msgspec.to_builtins(thresholds),
            "figures": figures,
            "users": self._users,
            "seconds": seconds,
            "processes": self._processes,
            "target": self._target or "its own server: two processes, throw-away data, no rate limits",
            "begun_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begun)),
            "late_after_s": self._scenario.late_after_s,
            "generator_cpu": [round(each, 2) for each in cpu],
            "server_cpu": used and {name: round(getattr(used, name) / seconds, 2) for name in Usage.__struct_fields__},
            "acts": [
                {"name": name.removeprefix(ACT), "count": times.of[name].total_count, **summary_ms(times.of[name])}
                for name in told
            ],
            "errors": dict(self.errors),
            "curves": {
                title: curve_ms(times.of[name])
                for title, name in (("post or comment → frame", FRAME), ("like → count", STATE))
                if name in times.of
            }
            | ({"act → answer": curve_ms(times.merged(acts))} if acts else {}),
            "series": self._series.points,
            "examples": heard.examples() if heard else [],
        }


def _account(settled: Sequence[Settled]) -> Account:
    """Of all processes: what one did, the others have heard."""
    ids: dict[str, str] = {}
    acts: Counter[Row] = Counter()
    inboxes: dict[str, Mapping[tuple[str, str], int]] = {}
    for each in settled:
        ids |= each.ids
        acts.update(each.acts)
        inboxes |= each.inboxes
    happened = [one for each in settled for one in each.happened]
    events = audit(happened, [hearing for each in settled for hearing in each.hearings], ids)
    rows = audit_inboxes(acts, inboxes)
    return Account(
        due=events.due + rows.due,
        told=events.told + rows.told,
        lost=events.lost + rows.lost,
        duplicated=events.duplicated + rows.duplicated,
        out_of_order=events.out_of_order,
        unexpected=events.unexpected,
        examples=[*events.examples, *rows.examples],
    )


def _say(line: str) -> None:
    print(f"loadtest: {line}", file=sys.stderr, flush=True)
