"""The client on sockets: what it says and does when a server, here played by the test, does this or that."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from loadtests.client import JSON, MSGPACK, Client, Token, only
from loadtests.listeners import Copy, Frame, Gone, Listener

TOPIC = "post:1"


class Played:
    """A server that says only what it is told to say."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: asyncio.Queue[Call] = asyncio.Queue()

    async def call(self) -> "Call":
        """The next connection."""
        return await asyncio.wait_for(self.calls.get(), 5)


class Call:
    """A connection, as the server has it."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self._codec: Any = msgspec.json if socket.subprotocol == JSON else msgspec.msgpack

    async def hears(self) -> Frame:
        return self._codec.decode(await asyncio.wait_for(self.socket.recv(), 5))

    async def says(self, op: str, **fields: Any) -> None:
        said = self._codec.encode({"op": op, **fields})
        await self.socket.send(said.decode() if self.socket.subprotocol == JSON else said)

    async def welcomes(self, heartbeat_s: float = 25) -> Frame:
        """Answer a hello, which is returned."""
        hello = await self.hears()
        outcomes = {topic: {"outcome": "live", "cursor": cursor or "05"} for topic, cursor in hello["topics"].items()}
        await self.says(
            "welcome",
            session="s",
            user_id="u",
            heartbeat_s=heartbeat_s,
            token_expires_in=3600,
            ticket=None,
            retry={"min_ms": 10, "max_ms": 20},
            topics=outcomes,
        )
        return hello


@asynccontextmanager
async def played() -> AsyncGenerator[Played]:
    server = Played()

    async def take(socket: ServerConnection) -> None:
        server.calls.put_nowait(Call(socket))
        await socket.wait_closed()

    async with serve(take, "127.0.0.1", 0, subprotocols=[Subprotocol(JSON), Subprotocol(MSGPACK)]) as listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield server


@asynccontextmanager
async def talking(server: Played, token: Token, **options: Any) -> AsyncGenerator[Client]:
    client = Client([server.url], token, **options)
    try:
        yield client
    finally:
        await client.stop()


def renewed() -> tuple[Token, list[bool]]:
    """Tokens by number, and whether each had to be a new one."""
    asked: list[bool] = []

    async def give(fresh: bool) -> str:
        asked.append(fresh)
        return f"token-{1 + sum(asked)}"

    return give, asked


def event(number: str, prev: str) -> Frame:
    return {"topic": TOPIC, "id": number, "prev": prev, "type": "comment.created", "at": "", "data": {}}


@pytest.mark.parametrize("subprotocol", [JSON, MSGPACK])
async def test_a_listener_is_told_what_happens_in_either_encoding(subprotocol: str) -> None:
    told: list[str] = []
    async with played() as server, talking(server, only("token"), subprotocol=subprotocol) as client:
        client.add(Listener(TOPIC, lambda frame: told.append(frame["id"]), "05"))
        client.start()
        call = await server.call()
        hello = await call.welcomes()
        await call.says("event", **event("07", "05"))
        await client.until(lambda: told == ["07"])

    assert (hello["token"], hello["topics"], call.socket.subprotocol) == ("token", {TOPIC: "05"}, subprotocol)


async def test_on_drain_the_new_connection_is_made_before_the_old_one_is_dropped() -> None:
    told: list[str] = []
    async with played() as server, talking(server, only("token")) as client:
        client.add(Listener(TOPIC, lambda frame: told.append(frame["id"]), "05"))
        client.start()
        old = await server.call()
        await old.welcomes()
        await old.says("drain", reconnect_in_ms=10)
        new = await server.call()
        await old.says("event", **event("07", "05"))
        await client.until(lambda: told == ["07"])
        await new.welcomes()
        await asyncio.wait_for(old.socket.wait_closed(), 5)
        await new.says("event", **event("08", "07"))
        await client.until(lambda: told == ["07", "08"])

        assert (old.socket.close_code, client.contract.closes, client.contract.status) == (1000, [], "live")


async def test_whose_token_has_ended_gets_a_new_one_and_comes_back_at_once() -> None:
    token, asked = renewed()
    async with played() as server, talking(server, token) as client:
        client.start()
        first = await server.call()
        await first.welcomes()
        await first.socket.close(4300)
        hello = await (await server.call()).welcomes()

        assert (hello["token"], asked, client.contract.closes) == ("token-2", [False, True], [4300])


async def test_a_token_that_is_about_to_end_is_replaced_on_the_same_connection() -> None:
    token, asked = renewed()
    async with played() as server, talking(server, token) as client:
        client.start()
        call = await server.call()
        await call.welcomes()
        await call.says("token_expiring", expires_in=60)
        message = await call.hears()

        assert (message["op"], message["token"], asked) == ("token", "token-2", [False, True])


async def test_who_can_have_no_other_token_is_signed_out() -> None:
    async with played() as server, talking(server, only("token")) as client:
        client.start()
        call = await server.call()
        await call.hears()
        await call.socket.close(4301)
        await client.until(lambda: client.contract.status == "stopped")

        assert client.contract.reason == "signed_out"


async def test_a_token_that_cannot_be_had_now_is_asked_for_again() -> None:
    tries: list[bool] = []

    async def give(fresh: bool) -> str:
        tries.append(fresh)
        if len(tries) == 1:
            raise OSError
        return "token"

    async with played() as server, talking(server, give) as client:
        client.start()

        assert (await (await server.call()).welcomes())["token"] == "token"


async def test_a_connection_that_falls_silent_is_asked_for_a_sign_of_life_and_then_replaced() -> None:
    async with played() as server, talking(server, only("token")) as client:
        client.start()
        silent = await server.call()
        await silent.welcomes(heartbeat_s=0.1)
        asked = await silent.hears()
        await (await server.call()).welcomes()

        assert asked["op"] == "ping"
        assert client.contract.closes == [1006]


async def test_who_was_away_comes_back_at_once_from_where_they_were() -> None:
    async with played() as server, talking(server, only("token")) as client:
        client.add(Listener(TOPIC, lambda _: None, "05"))
        client.start()
        call = await server.call()
        await call.welcomes()
        await call.says("cursor", cursor="09", ticket="newest")
        await client.until(lambda: client.contract.ticket == "newest")
        await client.away(0.01)
        hello = await (await server.call()).welcomes()

        assert (hello["topics"], hello["ticket"]) == ({TOPIC: "09"}, "newest")


def answering(*answers: str | Exception | None) -> Callable[[], Awaitable[str | None]]:
    left = list(answers)

    async def fetch() -> str | None:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return fetch


async def test_a_copy_that_cannot_be_fetched_now_is_fetched_again() -> None:
    async with played() as server, talking(server, only("token")) as client:
        copy = Copy(TOPIC, answering(OSError(), "05"), lambda _: None)
        client.add(copy)
        await client.until(lambda: copy.cursor == "05")
        client.start()

        assert (await (await server.call()).welcomes())["topics"] == {TOPIC: "05"}


async def test_a_copy_of_what_is_gone_is_removed_and_not_asked_for() -> None:
    async with played() as server, talking(server, only("token")) as client:
        copy = Copy(TOPIC, answering(Gone()), lambda _: None)
        client.add(copy)
        await client.until(lambda: copy.removed == "not_found")
        client.start()

        assert (await (await server.call()).welcomes())["topics"] == {}


async def test_what_is_dropped_is_unsubscribed_from_before_that_ends() -> None:
    async with played() as server, talking(server, only("token")) as client:
        listener = Listener(TOPIC, lambda _: None, "05")
        client.add(listener)
        client.start()
        call = await server.call()
        await call.welcomes()
        await client.until(lambda: listener.settled)
        dropping = asyncio.create_task(client.drop(listener))
        asked = await call.hears()
        assert not dropping.done()
        await call.says("unsubscribed", id=asked["id"], topics=[TOPIC])
        await asyncio.wait_for(dropping, 5)

    assert asked["topics"] == [TOPIC]


async def test_whoever_waits_for_an_answer_is_told_when_the_connection_is_lost() -> None:
    async with played() as server, talking(server, only("token")) as client:
        client.start()
        call = await server.call()
        await call.welcomes()
        await client.until(lambda: client.contract.status == "live")
        asking = asyncio.create_task(client.ask("subscribe", {}))
        await call.hears()
        await call.socket.close(4200)

        with pytest.raises(ConnectionError):
            await asking


@asynccontextmanager
async def reported() -> AsyncGenerator[list[str]]:
    """What the loop is told of meanwhile, by its name."""
    found: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: found.append(type(context["exception"]).__name__))
    yield found
    loop.set_exception_handler(None)


async def test_a_listener_that_raises_is_reported_and_costs_nobody_an_event_nor_the_connection() -> None:
    told: list[str] = []

    def fail(_: Frame) -> None:
        raise ValueError

    async with reported() as failures, played() as server, talking(server, only("token")) as client:
        client.add(Listener(TOPIC, fail, "05"))
        client.add(Listener(TOPIC, lambda frame: told.append(frame["id"]), "05"))
        client.start()
        call = await server.call()
        await call.welcomes()
        await call.says("event", **event("07", "05"))
        await call.says("event", **event("08", "07"))
        await client.until(lambda: told == ["07", "08"])

        assert (failures, client.contract.closes, client.contract.seen.gaps) == (["ValueError"] * 2, [], 0)


async def test_what_raises_while_a_copy_catches_up_costs_it_nothing_else() -> None:
    told: list[str] = []
    again = asyncio.Event()

    def fail_once(frame: Frame) -> None:
        told.append(frame["id"])
        if len(told) == 1:
            raise ValueError

    async def fetch() -> str:
        if copy.position is not None:
            await again.wait()
        return "05"

    copy = Copy(TOPIC, fetch, fail_once)
    async with reported() as failures, played() as server, talking(server, only("token")) as client:
        client.add(copy)
        await client.until(lambda: copy.cursor == "05")
        client.start()
        call = await server.call()
        await call.welcomes()
        await call.says("reset", topic=TOPIC, cursor="05")
        await call.says("event", **event("07", "05"))
        await call.says("event", **event("08", "07"))
        await client.until(lambda: copy.cursor == "08")
        again.set()
        await client.until(lambda: copy.settled)

        assert (told, failures) == (["07", "08"], ["ValueError"])


async def test_a_copy_whose_fetch_raises_whatever_it_may_is_fetched_again() -> None:
    async with reported() as failures, played() as server, talking(server, only("token")) as client:
        copy = Copy(TOPIC, answering(KeyError("items"), "05"), lambda _: None)
        client.add(copy)
        await client.until(lambda: copy.cursor == "05")

        assert failures == ["KeyError"]


async def test_a_renewal_that_raises_whatever_it_may_is_tried_again() -> None:
    asked: list[bool] = []

    async def give(fresh: bool) -> str:
        asked.append(fresh)
        if len(asked) == 2:
            raise ValueError
        return f"token-{len(asked)}"

    async with reported() as failures, played() as server, talking(server, give) as client:
        client.start()
        call = await server.call()
        await call.welcomes()
        await call.says("token_expiring", expires_in=60)
        await client.until(lambda: bool(failures))
        await call.says("token_expiring", expires_in=55)
        message = await call.hears()

        assert (message["token"], asked, failures) == ("token-3", [False, True, True], ["ValueError"])


async def test_a_token_that_raises_whatever_it_may_is_reported_and_asked_for_again() -> None:
    tries: list[bool] = []

    async def give(fresh: bool) -> str:
        tries.append(fresh)
        if len(tries) == 1:
            raise ValueError
        return "token"

    async with reported() as failures, played() as server, talking(server, give) as client:
        client.start()

        assert (await (await server.call()).welcomes())["token"] == "token"
        assert failures == ["ValueError"]
