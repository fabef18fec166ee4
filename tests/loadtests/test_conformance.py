"""Runs tests/conformance.json, which says what its steps mean, against the rules of the Python client.

There is no network and no waiting: the server's every word is in the case, and time is a number that we move.
"""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loadtests.board import Board, applied
from loadtests.contract import Contract, Dial, Fetch, HangUp, Renew, Send
from loadtests.listeners import Copy, Frame, Listener
from loadtests.subscriptions import Report

CONTRACT = msgspec.json.decode((Path(__file__).parents[1] / "conformance.json").read_bytes())
CASES = {case["name"]: case["steps"] for case in CONTRACT["cases"]}


class Thrown(Exception):
    """By an application, because a step said so."""


class Told:
    """What an application was told of a topic, or holds of it."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.applied: list[str] = []
        self.holds: list[str] = []
        self.throws = False

    def apply(self, event: Frame) -> None:
        if self.throws:
            self.throws = False
            raise Thrown
        self.applied.append(event["id"])
        if event["id"] not in self.holds:
            self.holds.append(event["id"])


class Case:
    """A client, its application, its server and its clock."""

    def __init__(self) -> None:
        self.now = self.stepped = 1000.0
        self.contract = Contract(random.Random(1))
        self.listening: dict[str, Told] = {}
        self.copies: dict[str, Told] = {}
        self.fetches: list[Copy] = []  # under way
        self.dialled: list[Dial] = []
        self.connections: list[int] = []  # that said hello, as calls
        self.hung_up_calls: set[int] = set()
        self.said: list[Frame] = []  # that no step has asked for yet
        self.last_id: int | None = None
        self.tokens = 1
        self.contract.start(self.now)
        self.work()

    def connect(self) -> None:
        """Open what the client has dialled: when a step waits for it, and not while the application still speaks."""
        for call, fresh in self.dialled:
            self.tokens += fresh
            self.contract.opened(call, f"token-{self.tokens}", self.now)
        self.dialled.clear()
        self.work()

    def work(self) -> None:
        """Do what the client wants done."""
        while todo := self.contract.todo():
            for task in todo:
                match task:
                    case Dial():
                        self.dialled.append(task)
                    case Renew():
                        self.tokens += 1
                        self.contract.renewed(f"token-{self.tokens}")
                    case Send(call, message):
                        if message["op"] == "hello":
                            self.connections.append(call)
                        self.said.append(msgspec.json.decode(msgspec.json.encode(message)))
                    case HangUp(call, _):
                        self.hung_up_calls.add(call)
                    case Fetch(copy):
                        self.fetches.append(copy)
                    case Report(error):
                        assert isinstance(error, Thrown)

    def wait(self, until: float) -> None:
        """Let time pass until then, or until the client says something."""
        self.connect()
        while not self.said and self.contract.due <= until:
            self.now = max(self.now, self.contract.due)
            self.contract.passed(self.now)
            self.work()
            self.connect()
        if not self.said:
            self.now = until

    def next(self, op: str, within_s: float) -> Frame:
        self.wait(self.now + within_s)
        assert self.said, f"no {op} within {within_s} s"
        assert self.said[0]["op"] == op
        return self.said.pop(0)

    def connection(self, number: int | None) -> int:
        return self.connections[-1 if number is None else number]

    # The steps.

    def listen(self, topics: dict[str, str | None]) -> None:
        for topic, cursor in topics.items():
            listener = Listener(topic, lambda event, topic=topic: self.listening[topic].apply(event), cursor)
            self.listening[topic] = Told(listener)
            self.contract.add(listener)

    def copy(self, topics: list[str]) -> None:
        for topic in topics:
            copy = Copy(topic, _fetched_by_steps, lambda event, topic=topic: self.copies[topic].apply(event))
            self.copies[topic] = Told(copy)
            self.contract.add(copy)

    def fetched(self, answer: Frame) -> None:
        copy = next(each for each in self.fetches if each.topic == answer["topic"])
        if "refetch" not in answer:
            self.fetches.remove(copy)
            self.copies[copy.topic].holds = answer["holds"]
            self.contract.fetched(copy, answer["cursor"])

    def gone(self, topics: list[str]) -> None:
        for copy in [each for each in self.fetches if each.topic in topics]:
            self.fetches.remove(copy)
            self.contract.gone(copy)

    def forget(self, topics: list[str]) -> None:
        for topic in topics:
            self.contract.drop(self.listening[topic].listener)

    def throws(self, topics: list[str]) -> None:
        for topic in topics:
            self.listening[topic].throws = True

    def hello(self, wanted: Frame) -> None:
        after_s, before_s = wanted.pop("after_ms", 0) / 1000, wanted.pop("before_ms", 10_000) / 1000
        message = self.next("hello", before_s)
        assert self.now - self.stepped >= after_s
        assert message | wanted == message

    def hears(self, wanted: Frame) -> None:
        message = self.next(wanted["op"], 2)
        self.last_id = message["id"]
        assert message | wanted == message

    def says(self, frame: Frame) -> None:
        call = self.connection(frame.pop("on", None))
        if frame["op"] == "welcome":
            frame = CONTRACT["welcome"] | frame
        if frame.get("id") == "$id":
            frame["id"] = self.last_id
        if call not in self.hung_up_calls:
            self.contract.heard(call, frame, self.now)

    def closes(self, code: int, on: int | None = None) -> None:
        self.contract.lost(self.connection(on), code, self.now)

    def hung_up(self, number: int) -> None:
        assert self.connections[number] in self.hung_up_calls

    def silent(self, ms: int) -> None:
        self.wait(self.now + ms / 1000)
        assert self.said == []

    def state(self, topics: dict[str, Frame]) -> None:
        for topic, wanted in topics.items():
            assert {name: self.known(topic, name) for name in wanted} == wanted

    def known(self, topic: str, name: str) -> Any:
        told = self.listening.get(topic) or self.copies[topic]
        match name:
            case "applied":
                return told.applied
            case "holds":
                return self.copies[topic].holds
            case "resets":
                return told.listener.seen.resets
            case "removed":
                return told.listener.removed
            case _:
                return told.listener.cursor

    def seen(self, wanted: dict[str, int]) -> None:
        seen = self.contract.seen
        assert {"duplicate": seen.duplicates, "gap": seen.gaps} == wanted

    def status(self, wanted: str) -> None:
        assert self.contract.status == wanted


async def _fetched_by_steps() -> str | None:
    """A copy's fetch is answered by a step of the case."""


@pytest.mark.parametrize("name", CASES)
def test_the_client_does_what_the_contract_says(name: str) -> None:
    case = Case()

    for step in msgspec.json.decode(msgspec.json.encode(CASES[name])):
        what, argument = next(iter(step.items()))
        more = {key: value for key, value in step.items() if key != what}
        getattr(case, what)(argument, **more)
        case.work()
        case.stepped = case.now


BOARDS = {case["name"]: case for case in CONTRACT["boards"]}


@pytest.mark.parametrize("name", BOARDS)
def test_a_change_makes_of_a_board_what_the_contract_says(name: str) -> None:
    case = BOARDS[name]
    items = [{"entity_id": each} for each in case["board"]["items"]]
    board = Board("users:global", case["board"]["version"], case["board"]["size"], items)

    after = applied(board, case["change"])

    said = None if after is None else after._asdict() | {"items": [each["entity_id"] for each in after.items]}
    assert said == (case["becomes"] and {"name": "users:global", **case["becomes"]})
