"""With compression on: whoever offers it gets events compressed, everybody else as ever, and all the same."""

import json
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from loadtests.running import Potluck
from tests.journeys.community import QUICK, Member, members

pytestmark = pytest.mark.xdist_group("compression")

LONG = "Potluck " * 100
OFFERS: dict[str, ClientPerMessageDeflateFactory | None] = {
    "nothing": None,
    "what browsers offer": ClientPerMessageDeflateFactory(client_max_window_bits=True),
    "the least": ClientPerMessageDeflateFactory(),
    "a small window": ClientPerMessageDeflateFactory(server_max_window_bits=9, client_max_window_bits=9),
}


@pytest.fixture(scope="module")
def potluck(tmp_path_factory: pytest.TempPathFactory) -> Generator[Potluck]:
    running = Potluck(tmp_path_factory.mktemp("compression") / "data", **QUICK, POTLUCK_COMPRESSION="on")
    yield running
    running.interrupt()


@pytest.fixture
async def ada(potluck: Potluck) -> AsyncGenerator[Member]:
    async with members(1, potluck.url) as (somebody,):
        yield somebody


class Counting(ClientConnection):
    """Knows how many bytes came over the network."""

    received = 0

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        super().data_received(data)


async def listen(ada: Member, topic: str, offer: ClientPerMessageDeflateFactory | None) -> Counting:
    extensions = None if offer is None else [offer]
    address = ada.url.replace("http", "ws", 1) + "/api/v1/ws"
    socket: Any = await connect(address, compression=None, extensions=extensions, create_connection=Counting)
    await socket.send(json.dumps({"op": "hello", "token": ada.token, "topics": {topic: None}, "client": LONG}))
    assert json.loads(await socket.recv())["op"] == "welcome"
    return socket


async def told(socket: ClientConnection, number: int) -> list[dict[str, Any]]:
    """So many comments, with a question and its answer between any two."""
    comments: list[dict[str, Any]] = []
    while len(comments) < number:
        frame = json.loads(await socket.recv())
        if frame.get("type") == "comment.created":
            comments.append(frame)
            await socket.send(json.dumps({"op": "ping", "id": len(comments)}))
    return comments


async def test_everybody_is_told_the_same_whatever_they_offer(ada: Member) -> None:
    post = await ada.do("POST", "/posts", {"content": "x"})
    sockets = {name: await listen(ada, f"post:{post['id']}", offer) for name, offer in OFFERS.items()}
    for i in range(20):
        await ada.do("POST", f"/posts/{post['id']}/comments", {"content": f"{i}{LONG}"})
    heard = {name: await told(socket, 20) for name, socket in sockets.items()}
    received = {name: socket.received for name, socket in sockets.items()}
    for socket in sockets.values():
        socket.transport.abort()  # with much unread, closing politely takes long

    assert all(comments == heard["nothing"] for comments in heard.values())
    assert received["nothing"] > 20 * len(LONG)
    assert received["what browsers offer"] < received["nothing"] / 2
    assert received["the least"] < received["nothing"] / 2
    assert received["a small window"] > 20 * len(LONG)
    for socket in sockets.values():
        await socket.close()
