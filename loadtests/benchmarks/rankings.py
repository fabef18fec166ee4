"""200 people rank dishes again and again, all on one board, while 1,000 sockets watch it.

In the end every socket's board has to be what HTTP says, and that what the rankings come to, added up here from the
rows by the rule alone. `differences` counts what is not so, and any makes the command fail: a wrong board of HTTP's
or of a socket's, a change that does not follow the one before it, a socket that ended, more than four messages a
second in the mean, and more than one refusal among a hundred answers. Times are from when an event's row was written
to when its frame was here, and so a little too much.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from loadtests.board import Board, answered, applied
from loadtests.http import Connection, Unexpected, connect, percentiles_ms, request
from loadtests.measured.asked import Asked
from loadtests.measured.ours import NEWS, Ours, serving
from loadtests.measured.sockets import AT_ONCE, ENTER_S, TEXT, Door, Ears, Socket, all_of, allow_files
from loadtests.scores import recomputed, wrong

RANKERS = 200
SOCKETS = 1_000
SECONDS = 60.0
RESTAURANTS = 25
DISHES = 6  # of each, so that more stand on the board than are in its window
PAUSE_S = (0.5, 1.5)
BOARD = "dishes:napoli:pizza"
A_SECOND = 4
SETTLED_S = 20.0

# From each ranking to the change of the board that tells of it or of what came with it.
TOLD = """
SELECT extract(epoch FROM (SELECT min(c.at) FROM events c WHERE c.type = 'leaderboard.changed'
    AND c.topics = ARRAY[$1] AND c.at >= r.at) - r.at)::float8 AS took
FROM events r WHERE r.type = 'ranking.changed' AND r.at >= now() - make_interval(secs => $2)
"""


class Watcher(Socket):
    """A client that keeps all events as they came, and when."""

    __slots__ = ("came", "said")

    def __init__(self, ears: Ears, number: int, door: Door, said: dict[bytes, bytes]) -> None:
        super().__init__(ears, number, door)
        self.said = said  # what any of them has heard: it is the same for all, and kept once
        self.came: list[tuple[float, bytes]] = []

    def _heed(self, kind: int, message: bytes) -> None:
        if kind == TEXT and message.startswith(NEWS):
            self.came.append((time.time(), self.said.setdefault(message, message)))
        else:
            super()._heed(kind, message)


class Heard(NamedTuple):
    """What a socket's board came to be, and how."""

    board: Board
    gaps: int
    frames: int


async def watch(ours: Ours, number: int, cursor: str) -> list[Watcher]:
    """So many clients that listen to the board from a cursor on."""
    ears, said, loop = Ears(), dict[bytes, bytes](), asyncio.get_running_loop()

    async def enter(member: int) -> Watcher:
        door = ours.door(member, {f"leaderboard:{BOARD}": cursor})._replace(news=b"\0")  # all is heeded
        watcher = Watcher(ears, member, door, said)
        assert watcher.entered is not None
        entered = watcher.entered
        await loop.create_connection(lambda: watcher, *door.address)
        async with asyncio.timeout(ENTER_S):
            await entered
        return watcher

    return await all_of([lambda i=i: enter(i) for i in range(number)], AT_ONCE)


async def menu(connection: Connection, token: str) -> list[str]:
    """Restaurants of a city with pizzas to rank; the dishes."""

    async def make(path: str, body: dict[str, Any]) -> str:
        return msgspec.json.decode(await connection.ask(request("POST", path, token, body)))["id"]

    dishes: list[str] = []
    for i in range(RESTAURANTS):
        there = await make("/restaurants?force=true", {"name": f"Trattoria {i}", "city": "Napoli", "country": "Italy"})
        dishes += [
            await make(f"/restaurants/{there}/dishes", {"name": f"Pizza {i}.{j}", "dish_type": "pizza"})
            for j in range(DISHES)
        ]
    return dishes


async def keep_ranking(
    connection: Connection, token: str, dishes: Sequence[str], seed: int, ends: float
) -> list[float | None]:
    """Rank a dish, think, and rank another, until the time is up; how long each answer took, None for a refusal."""
    chance, took_s = random.Random(seed), list[float | None]()
    await asyncio.sleep(chance.uniform(0, PAUSE_S[1]))
    while (asked := time.monotonic()) < ends:
        if chance.random() < 0.1:
            asking = request("DELETE", f"/dishes/{chance.choice(dishes)}/ranking", token)
        else:
            body = {"rank": chance.randint(1, 5), "notes": "Crisp"}
            asking = request("PUT", f"/dishes/{chance.choice(dishes)}/ranking", token, body)
        try:
            await connection.ask(asking)
            took_s.append(time.monotonic() - asked)
        except Unexpected:  # 503 on a machine that has too much to do: nothing is changed by it
            took_s.append(None)
        await asyncio.sleep(chance.uniform(*PAUSE_S))
    return took_s


def heard(watcher: Watcher, board: Board, changes: dict[bytes, Any]) -> Heard:
    """Apply what came to what was fetched."""
    gaps = 0
    for _, message in watcher.came:
        after = applied(board, changes[message]["data"])
        gaps += after is None
        board = after or board
    return Heard(board, gaps, len(watcher.came))


async def read(connection: Connection, token: str) -> Board:
    """The board as HTTP has it."""
    return answered(
        msgspec.json.decode(await connection.ask(request("GET", f"/leaderboards/{BOARD}?limit=100", token)))
    )


async def settle(ours: Ours, connection: Connection, watchers: Sequence[Watcher]) -> tuple[Board, int]:
    """Wait until all that was ranked is told; the board as HTTP has it then, and what is wrong about it."""
    give_up = time.monotonic() + SETTLED_S
    while True:
        board = await read(connection, ours.tokens.of(0))
        errors = len(wrong(board, await recomputed(ours.database, *BOARD.split(":"))))
        newest = {msgspec.json.decode(each.came[-1][1])["data"]["version"] for each in watchers if each.came}
        if (not errors and newest == {board.version}) or time.monotonic() > give_up:
            return board, errors
        await asyncio.sleep(0.5)


async def measure(asked: Asked) -> dict[str, Any]:
    """Rank, watch, and compare; `--users` are the sockets."""
    number, seconds = asked.users or SOCKETS, asked.seconds or SECONDS
    rankers = min(RANKERS, number)
    allow_files(number + rankers)
    async with serving(members=number, posts=0) as ours:
        connections = await connect(ours.potluck.url, rankers)
        tokens = [ours.tokens.of(i) for i in range(rankers)]
        dishes = await menu(connections[0], tokens[0])
        first = request("PUT", f"/dishes/{dishes[0]}/ranking", tokens[0], {"rank": 1, "notes": "Crisp"})
        await connections[0].ask(first)
        cursor = await ours.database.fetchval("SELECT max(batch) FROM batches")
        await asyncio.sleep(1)
        begun = await read(connections[0], tokens[0])
        watchers = await watch(ours, number, f"{cursor:012x}{0:012x}")
        before, client_s = ours.used(), time.process_time()
        ends = time.monotonic() + seconds
        sessions = [
            keep_ranking(connection, token, dishes, seed, ends)
            for seed, (connection, token) in enumerate(zip(connections, tokens, strict=True))
        ]
        answers = [each for session in await asyncio.gather(*sessions) for each in session]
        took_s = [each for each in answers if each is not None]
        used, client_s = ours.used() - before, time.process_time() - client_s
        board, wrong_entries = await settle(ours, connections[0], watchers)
        told = await ours.database.fetch(TOLD, f"leaderboard:{BOARD}", seconds + SETTLED_S)
        for each in (*connections, *watchers):
            each.close() if isinstance(each, Connection) else each.leave()
    return _found(
        begun, board, wrong_entries, watchers, _Spent(seconds, took_s, len(answers) - len(took_s), used, client_s, told)
    )


class _Spent(NamedTuple):
    seconds: float
    took_s: list[float]
    refused: int
    used: Any
    client_s: float
    told: Sequence[Any]


def _found(
    begun: Board, board: Board, wrong_entries: int, watchers: Sequence[Watcher], spent: _Spent
) -> dict[str, Any]:
    messages = {message for each in watchers for _, message in each.came}
    changes = {each: msgspec.json.decode(each) for each in messages}
    results = [heard(each, begun, changes) for each in watchers]
    late = [
        at - datetime.fromisoformat(changes[message]["at"]).timestamp()
        for each in watchers
        for at, message in each.came
    ]
    most = max((each.frames for each in results), default=0)
    per_s = most / spent.seconds
    gaps = sum(each.gaps for each in results)
    lost = sum(each.board != board for each in results)
    too_many = max(most - A_SECOND * (spent.seconds + 2), 0)
    return {
        "ratios": {"messages_per_socket_s": round(per_s, 2)},
        "differences": wrong_entries + gaps + lost + (too_many > 0) + (100 * spent.refused > len(spent.took_s)),
        "wrong_entries": wrong_entries,
        "lost": lost,
        "gaps": gaps,
        "rankings": len(spent.took_s),
        "refused": spent.refused,
        "rankings_per_s": round(len(spent.took_s) / spent.seconds, 1),
        "answer_ms": percentiles_ms(spent.took_s),
        "ranked_to_told_ms": percentiles_ms([row["took"] for row in spent.told if row["took"] is not None]),
        "told_to_frame_ms": percentiles_ms(late),
        "versions": board.version - begun.version,
        "size": board.size,
        "sockets": len(watchers),
        "frame_bytes": round(sum(map(len, messages)) / max(len(messages), 1)),
        "cpu": spent.used.share_of(spent.seconds),
        "generator_cpu": round(spent.client_s / spent.seconds, 3),
    }
