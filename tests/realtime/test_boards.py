"""A board's changes merged are what they are one by one: whoever is told of them less often sees the same."""

from collections.abc import Iterable
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime import boards
from realtime.hub import Hub
from realtime.news import Frame, News, Run, Wire, wire_for
from realtime.outgoing import Limits, Outgoing
from realtime.protocol import JSON, Cursor
from realtime.replay import Ring
from tests.realtime.windows import BOARD, Window, apply, change, changes, data_of, entity, shown

entities = st.tuples(st.integers(1, 7), st.sampled_from([1.0, 2.0, 3.0]))
windows = st.lists(st.lists(entities, max_size=5, unique_by=lambda row: row[0]), min_size=3, max_size=8)
ONE, TWO, THREE = (1, 3.0), (2, 2.0), (3, 1.0)


def merged(news: list[News]) -> News:
    (whole,) = boards.merge(news)
    return whole


@given(windows)
def test_a_merge_applied_is_its_parts_applied_one_after_the_other(told: list[Window]) -> None:
    parts = changes(told)

    spans = [(i, j) for i in range(len(parts)) for j in range(i + 1, len(parts) + 1)]

    assert all(apply(shown(told[i]), data_of(merged(parts[i:j]))) == shown(told[j]) for i, j in spans)


@given(windows)
def test_a_merge_applies_to_each_version_in_it(told: list[Window]) -> None:
    whole = data_of(merged(changes(told)))

    assert all(apply(shown(each), whole) == shown(told[-1]) for each in told)


@given(windows)
def test_it_does_not_matter_in_which_steps_something_is_merged(told: list[Window]) -> None:
    parts = changes(told)
    whole = data_of(merged(parts))

    in_two = [merged([merged(parts[:i]), merged(parts[i:])]) for i in range(1, len(parts))]
    piece_by_piece = parts[0]
    for part in parts[1:]:
        piece_by_piece = merged([piece_by_piece, part])

    assert all(data_of(each) == whole for each in [*in_two, piece_by_piece])


@given(windows)
def test_a_merge_names_all_that_its_parts_name_and_where_it_was_before_them(told: list[Window]) -> None:
    parts = changes(told)
    before = {row["entity_id"]: row["position"] for row in shown(told[0])}

    named = {move["entity_id"]: move["from"] for move in data_of(merged(parts))["moves"]}

    assert named == {each: before.get(each) for part in parts for each in _named(part)}


def _named(news: News) -> set[str]:
    return {move["entity_id"] for move in data_of(news)["moves"]}


def test_a_merge_is_from_the_version_before_the_first_to_that_of_the_last_and_has_its_id() -> None:
    parts = changes([[], [ONE], [ONE, TWO], [TWO, ONE]], first=5)

    whole = merged(parts)

    assert (whole.id, whole.first) == (parts[-1].id, parts[0])
    assert {name: data_of(whole)[name] for name in ("from_version", "version", "size")} == {
        "from_version": 4,
        "version": 7,
        "size": 2,
    }


def test_who_ends_where_it_began_is_named() -> None:
    whole = merged(changes([[ONE, TWO], [TWO, ONE], [ONE, TWO]]))

    assert [(move["entity_id"], move["from"], move["to"]) for move in data_of(whole)["moves"]] == [
        (entity(1), 1, 1),
        (entity(2), 2, 2),
    ]


def test_who_is_named_by_one_part_only_is_as_that_part_says() -> None:
    whole = merged(changes([[ONE, TWO], [ONE, TWO, THREE], [TWO, THREE]]))

    assert [(move["entity_id"], move["from"], move["to"]) for move in data_of(whole)["moves"]] == [
        (entity(3), None, 2),
        (entity(1), 1, None),
        (entity(2), 2, 1),
    ]


def test_what_does_not_follow_stays_apart() -> None:
    first, _, third, fourth = changes([[], [ONE], [TWO], [ONE, TWO], [ONE]])

    apart = boards.merge([first, third, fourth])

    assert [each.first or each for each in apart] == [first, third]
    assert data_of(apart[1])["from_version"] == 2


def test_what_cannot_be_read_stays_as_it_is() -> None:
    parts = changes([[], [ONE], [TWO], [ONE, TWO]])
    parts[1].data = b'{"version":2}'

    assert boards.merge(parts) == parts


def test_what_is_withheld_from_somebody_stays_apart() -> None:
    parts = changes([[], [ONE], [TWO]])
    parts[1].voices = [entity(9)]

    assert boards.merge(parts) == parts


def test_one_alone_is_not_touched() -> None:
    alone = change(1, [], [ONE])

    assert boards.merge([alone]) == [alone]
    assert boards.merge([]) == []


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What was read, so far."""
    read, decode = list[bytes](), boards._decode  # pyright: ignore[reportPrivateUsage]

    def noted(data: bytes) -> object:
        read.append(data)
        return decode(data)

    monkeypatch.setattr(boards, "_decode", noted)
    return read


def test_a_merge_is_made_once_for_all_and_goes_on_where_it_was(decoded: list[bytes]) -> None:
    parts = changes([[], [ONE], [TWO], [ONE], [TWO], [ONE]])

    assert len({id(merged(parts[:4])) for _ in range(100)}) == 1
    assert len(decoded) == 4
    assert merged([merged(parts[:4]), parts[4]]) is merged(parts)
    assert len(decoded) == 6  # besides, the merge and what is new to it


def test_of_what_was_merged_only_so_much_is_kept() -> None:
    for _ in range(2 * boards.KEPT):
        merged(changes([[], [ONE], [TWO]]))

    assert len(boards._kept) == boards.KEPT  # pyright: ignore[reportPrivateUsage]


class Client:
    """A client that reads when it likes: what is told to it goes through what waits for slow readers.

    It is strict: it applies a change to exactly the version that the change names, and `prev` and ids have to fit.
    """

    def __init__(self, told: list[Window], wire: Wire) -> None:
        self.told = told
        self.wire = wire
        self.hidden = frozenset[str]()
        self.outgoing: Outgoing | None = None
        self.position = ""
        self.rows: list[dict[str, Any]] = []
        self.version = 0

    def send_event(self, event: Frame | Run) -> None:
        assert self.outgoing is not None
        for each in event.frames:
            self.outgoing.add(each)

    def hold(self, topics: Iterable[str], position: str) -> None: ...

    def remove(self, topic: str, code: str) -> None: ...

    def fetch(self, version: int, position: str) -> None:
        """What HTTP answers: the board as it is at a position."""
        self.rows, self.version, self.position = shown(self.told[version]), version, position

    def read(self, room: int) -> None:
        assert self.outgoing is not None
        for each in self.outgoing.take(room):
            message: dict[str, Any] = msgspec.json.decode(each)
            if message["op"] == "cursor":
                self.position = max(self.position, message["cursor"])
                continue
            data: dict[str, Any] = message["data"]
            assert message["prev"] <= self.position < message["id"]
            assert data["from_version"] == self.version
            self.rows, self.version, self.position = apply(self.rows, data), int(data["version"]), message["id"]
            assert self.rows == shown(self.told[self.version])


WHAT = ["change", "change", "change", "tick", "come", "leave", "read", "read all", "cursor"]
PEOPLE = 2
steps = st.lists(st.tuples(st.sampled_from(WHAT), st.integers(0, PEOPLE - 1)), min_size=15, max_size=60)
END = [*(("come", each) for each in range(PEOPLE)), ("tick", 1), *(("read all", each) for each in range(PEOPLE))]


@given(st.integers(0, 9), steps)
@settings(max_examples=150)
def test_whoever_comes_and_goes_and_reads_as_they_like_has_the_board(seed: int, steps: list[tuple[str, int]]) -> None:
    chance, people = Random(seed), range(1, 8)
    told: list[Window] = [[(each, float(chance.randint(1, 3))) for each in chance.sample(people, 5)] for _ in range(60)]
    hub, ring = Hub(0.1, 0.25), Ring(300.0, 10**9)
    ring.clear(f"{0:024x}")
    clients = [Client(told, wire_for(JSON, framed=False)) for _ in range(PEOPLE)]
    coming = iter(changes(told))
    now, version = 0.0, 0

    def leave(client: Client) -> None:
        if client.outgoing is not None:
            hub.leave(client, BOARD)
            client.outgoing = None

    def come(client: Client) -> None:
        """As a connection does: from the client's position on, or with a fresh copy."""
        leave(client)
        client.outgoing = Outgoing(client.wire, Limits(0, 10**9, 10**9, 10**9))
        if not client.position:
            client.fetch(version, ring.newest)
        replay = ring.since(BOARD, client.position) or []
        hub.join(client, BOARD, ring.last(BOARD), ring.newest)
        for news, prev in replay:
            client.outgoing.add(Frame(news, BOARD, prev), is_missed=True)

    for what, number in [*steps, *END]:
        client = clients[number]
        match what:
            case "change":
                news = next(coming, None)
                if news is not None:
                    version += 1
                    ring.add(news)
                    hub.deliver(news, now)
                    hub.say()
            case "tick":
                now += 0.15 * (1 + number)
                hub.flush_due(now)
            case "come":
                come(client)
            case "leave":
                leave(client)
            case _ if client.outgoing is None:
                pass
            case "read":
                client.read(1)
            case "read all":
                client.read(10**9)
            case _:
                settled = hub.settled(BOARD, ring.newest)
                client.outgoing.add_answer(Cursor(cursor=settled, ticket=None))

    assert [each.version for each in clients] == [version] * PEOPLE
