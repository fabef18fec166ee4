"""What a connection leaves behind."""

import asyncio
import time
from typing import Any

import msgspec

from domain.accounts.rules import Viewer, access_token, signing_key
from domain.ids import SessionID, UserID, new_id
from realtime.connection import Connection
from realtime.gateway import Gateway
from realtime.protocol import JSON
from realtime.websocket import AsgiOutlet


async def nothing(*_: Any) -> None: ...


async def test_who_says_hello_and_is_gone_at_once_leaves_nothing() -> None:
    gateway = Gateway(lambda _: False, lambda _: None, nothing)
    viewer = Viewer(UserID(new_id()), SessionID(new_id()), "user", int(time.time()) + 900)
    hello: dict[str, Any] = {"op": "hello", "token": access_token(viewer, signing_key()), "topics": {}}
    connection = Connection(gateway, AsgiOutlet(nothing, text=True), JSON)

    connection.hear(msgspec.json.encode(hello).decode())
    connection.lost()
    while connection.busy:
        await asyncio.sleep(0)

    assert not gateway.connections
    assert connection.listening is None
