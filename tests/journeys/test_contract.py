"""The live contract, frame by frame, on a real server: what is agreed, answered, refused and closed."""

import asyncio
import base64
import contextlib
import json
import socket as python_socket
import time
import uuid
from collections.abc import AsyncGenerator, Generator
from typing import Any

import httpx
import jwt
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from loadtests.running import Potluck
from tests.journeys.community import QUICK, Member, members

pytestmark = pytest.mark.xdist_group("contract")

KEY = base64.b64decode(QUICK["POTLUCK_JWT_KEYS"].partition(":")[2])
PYJWT: Any = jwt  # typed by halves
UNKNOWN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def potluck(tmp_path_factory: pytest.TempPathFactory) -> Generator[Potluck]:
    short = {"POTLUCK_HELLO_S": "0.5", "POTLUCK_HEARTBEAT_S": "5", "POTLUCK_TOPICS_PER_CONNECTION": "5"}
    short["POTLUCK_SLOW_READER_CLOSE_S"] = "1"
    running = Potluck(tmp_path_factory.mktemp("contract") / "data", **QUICK, **short)
    yield running
    running.interrupt()


@pytest.fixture
async def ada(potluck: Potluck) -> AsyncGenerator[Member]:
    async with members(1, potluck.url) as (somebody,):
        yield somebody


def address(potluck: Potluck) -> str:
    return potluck.url.replace("http", "ws", 1) + "/api/v1/ws"


async def dial(potluck: Potluck, *subprotocols: str, **more: Any) -> ClientConnection:
    offered: Any = list(subprotocols) or None
    return await connect(address(potluck), subprotocols=offered, compression=None, **more)


async def say(socket: ClientConnection, **message: Any) -> dict[str, Any]:
    await socket.send(json.dumps(message))
    return await hear(socket)


async def hear(socket: ClientConnection) -> dict[str, Any]:
    return json.loads(await asyncio.wait_for(socket.recv(), 10))


async def code_of(socket: ClientConnection) -> int | None:
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionClosed):
            async for _ in socket:
                pass
    return socket.close_code


async def greeted(potluck: Potluck, member: Member, **topics: str | None) -> tuple[ClientConnection, dict[str, Any]]:
    socket = await dial(potluck)
    return socket, await say(socket, op="hello", token=member.token, topics=topics)


def token(member: Member, expires_in: float, **claims: Any) -> str:
    known = PYJWT.decode(member.token, options={"verify_signature": False})
    now = int(time.time())
    return PYJWT.encode({**known, "iat": now, "exp": now + int(expires_in), **claims}, KEY, headers={"kid": "test"})


async def test_hello_authenticates_and_subscribes_in_one_round_trip(potluck: Potluck, ada: Member) -> None:
    post = await ada.do("POST", "/posts", {"content": "Soup"})
    wanted = {f"post:{post['id']}": None, f"user:{ada.id}": None, f"post:{UNKNOWN}": None, "soup": None}
    async with await dial(potluck) as socket:
        welcome = await say(socket, op="hello", token=ada.token, topics=wanted, client="tests/1")
        assert welcome["op"] == "welcome"
        assert welcome["user_id"] == ada.id
        assert 3500 < welcome["token_expires_in"] <= 3600
        assert welcome["retry"] == {"min_ms": 500, "max_ms": 15000}
        assert welcome["topics"][f"post:{post['id']}"]["outcome"] == "live"
        assert len(welcome["topics"][f"user:{ada.id}"]["cursor"]) == 24
        assert welcome["topics"][f"post:{UNKNOWN}"] == {"outcome": "error", "code": "not_found"}
        assert welcome["topics"]["soup"] == {"outcome": "error", "code": "bad_topic"}


async def test_both_subprotocols_say_the_same(potluck: Potluck, ada: Member) -> None:
    hello = {"op": "hello", "token": ada.token, "topics": {f"user:{ada.id}": None}}
    async with await dial(potluck, "potluck.v1.msgpack", "potluck.v1.json") as packed:
        await packed.send(msgspec.msgpack.encode(hello))
        answer = await packed.recv()
        assert packed.subprotocol == "potluck.v1.msgpack"
        assert isinstance(answer, bytes)
        assert msgspec.msgpack.decode(answer)["topics"][f"user:{ada.id}"]["outcome"] == "live"
    async with await dial(potluck, "potluck.v1.json") as plain:
        assert (await say(plain, **hello))["op"] == "welcome"


async def test_an_unknown_subprotocol_is_refused_with_400(potluck: Potluck) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await dial(potluck, "graphql-ws")
    assert refused.value.response.status_code == 400
    assert json.loads(refused.value.response.body)["error"]["code"] == "unknown_subprotocol"


async def test_a_page_of_another_origin_may_not_connect(potluck: Potluck) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await dial(potluck, origin="https://elsewhere.example")
    assert refused.value.response.status_code == 403


async def test_without_an_upgrade_it_is_no_page(potluck: Potluck) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{potluck.url}/api/v1/ws")
    assert answer.status_code == 426
    assert answer.json()["error"]["code"] == "upgrade_required"


async def test_who_says_nothing_is_closed_with_4302(potluck: Potluck) -> None:
    async with await dial(potluck) as socket:
        assert await code_of(socket) == 4302


async def test_another_command_before_hello_is_closed_with_4000(potluck: Potluck) -> None:
    async with await dial(potluck) as socket:
        await socket.send('{"op":"ping","id":1}')
        assert await code_of(socket) == 4000


@pytest.mark.parametrize("bad", ["", "nonsense", "a.b.c"])
async def test_a_bad_token_is_closed_with_4303(potluck: Potluck, bad: str) -> None:
    async with await dial(potluck) as socket:
        await socket.send(json.dumps({"op": "hello", "token": bad}))
        assert await code_of(socket) == 4303


async def test_an_expired_token_is_closed_with_4300(potluck: Potluck, ada: Member) -> None:
    async with await dial(potluck) as socket:
        await socket.send(json.dumps({"op": "hello", "token": token(ada, -10)}))
        assert await code_of(socket) == 4300


async def test_a_token_that_expires_is_announced_and_then_closes_with_4300(potluck: Potluck, ada: Member) -> None:
    async with await dial(potluck) as socket:
        await say(socket, op="hello", token=token(ada, 3))
        assert (await hear(socket))["op"] == "token_expiring"
        assert await code_of(socket) == 4300


async def test_a_fresh_token_keeps_the_connection(potluck: Potluck, ada: Member) -> None:
    async with await dial(potluck) as socket:
        await say(socket, op="hello", token=token(ada, 2))
        assert (await hear(socket))["op"] == "token_expiring"
        renewed = await say(socket, op="token", id=9, token=ada.token)
        assert (renewed["op"], renewed["id"]) == ("ok", 9)
        assert renewed["token_expires_in"] > 3500
        await asyncio.sleep(2.5)
        assert (await say(socket, op="ping", id=10))["op"] in {"pong", "cursor"}


async def test_somebody_elses_token_closes_with_4303(potluck: Potluck, ada: Member) -> None:
    socket, _ = await greeted(potluck, ada)
    await socket.send(json.dumps({"op": "token", "id": 1, "token": token(ada, 60, sub=str(uuid.uuid4()))}))
    assert await code_of(socket) == 4303


async def test_a_second_hello_is_an_error_and_the_connection_lives(potluck: Potluck, ada: Member) -> None:
    socket, _ = await greeted(potluck, ada)
    again = await say(socket, op="hello", token=ada.token)
    assert (again["op"], again["code"]) == ("error", "invalid")
    assert (await say(socket, op="ping", id=1))["op"] == "pong"
    await socket.close()


async def test_a_malformed_message_names_its_field_and_ten_of_them_close(potluck: Potluck, ada: Member) -> None:
    socket, _ = await greeted(potluck, ada)
    error = await say(socket, op="subscribe", id=3, topics=["post:1"])
    assert (error["op"], error["id"], list(error["details"])) == ("error", 3, ["topics"])
    for _ in range(9):
        await socket.send("no json")
    assert await code_of(socket) == 4000


async def test_nothing_is_compressed_unless_the_operator_says_so(potluck: Potluck) -> None:
    async with await connect(address(potluck), compression="deflate") as socket:
        assert socket.protocol.extensions == []


async def test_an_oversized_message_closes_with_1009(potluck: Potluck, ada: Member) -> None:
    socket, _ = await greeted(potluck, ada)
    await socket.send("x" * 65_537)
    assert await code_of(socket) == 1009


async def test_subscribing_and_unsubscribing_repeat_the_id(potluck: Potluck, ada: Member) -> None:
    socket, _ = await greeted(potluck, ada)
    topic = f"user:{ada.id}"
    assert (await say(socket, op="subscribe", id=4, topics={topic: None}))["id"] == 4
    assert await say(socket, op="unsubscribe", id=5, topics=[topic]) == {
        "op": "unsubscribed",
        "id": 5,
        "topics": [topic],
    }
    await ada.do("POST", "/posts", {"content": "Unheard"})
    assert (await say(socket, op="ping", id=6))["op"] == "pong"
    await socket.close()


async def test_a_cursor_that_is_none_and_one_topic_too_many_are_refused(potluck: Potluck, ada: Member) -> None:
    posts = [await ada.do("POST", "/posts", {"content": f"{i}"}) for i in range(6)]
    topics: dict[str, Any] = {f"post:{post['id']}": None for post in posts}
    socket, _ = await greeted(potluck, ada)
    answer = await say(socket, op="subscribe", id=1, topics={**topics, f"user:{ada.id}": "yesterday"})
    outcomes = answer["topics"]
    assert outcomes[f"user:{ada.id}"] == {"outcome": "error", "code": "bad_cursor"}
    assert [each["outcome"] for each in outcomes.values()].count("live") == 5
    assert outcomes[f"post:{posts[5]['id']}"] == {"outcome": "error", "code": "too_many_topics"}
    await socket.close()


async def test_a_cursor_from_before_the_window_is_reset_and_one_from_the_future_too(
    potluck: Potluck, ada: Member
) -> None:
    topic = f"user:{ada.id}"
    old, far = f"{1:024x}", "f" * 24
    socket, welcome = await greeted(potluck, ada, **{topic: old})
    assert welcome["topics"][topic]["outcome"] == "reset"
    again = await say(socket, op="subscribe", id=1, topics={topic: far})
    assert again["topics"][topic]["outcome"] == "reset"
    await socket.close()


async def test_what_was_missed_is_replayed_and_then_live_from_the_cursor(potluck: Potluck, ada: Member) -> None:
    topic = f"user:{ada.id}"
    socket, welcome = await greeted(potluck, ada, **{topic: None})
    cursor = welcome["topics"][topic]["cursor"]
    await socket.close()
    await ada.do("POST", "/posts", {"content": "While you were away"})
    await asyncio.sleep(0.3)
    back, welcome = await greeted(potluck, ada, **{topic: cursor})
    outcome = welcome["topics"][topic]
    missed = [await hear(back) for _ in range(outcome["count"])]
    assert outcome["outcome"] == "replayed"
    assert missed[0]["type"] == "post.published"
    assert [each["id"] for each in missed] == sorted(each["id"] for each in missed)
    assert missed[0]["prev"] <= cursor < missed[0]["id"]
    assert missed[-1]["id"] <= outcome["cursor"]
    await back.close()


async def test_whoever_missed_more_than_a_slow_reader_may_leave_waiting_is_told_it_all(
    potluck: Potluck, ada: Member
) -> None:
    post = await ada.do("POST", "/posts", {"content": "x"})
    topic = f"post:{post['id']}"
    socket, welcome = await greeted(potluck, ada, **{topic: None})
    await socket.close()
    for _ in range(500):
        await ada.do("POST", f"/posts/{post['id']}/comments", {"content": "\U0001f372" * 2000})
    narrow = python_socket.socket()
    narrow.setsockopt(python_socket.SOL_SOCKET, python_socket.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", int(potluck.url.rpartition(":")[2])))
    async with await dial(potluck, sock=narrow, max_size=None) as back:
        cursor = welcome["topics"][topic]["cursor"]
        outcome = (await say(back, op="hello", token=ada.token, topics={topic: cursor}))["topics"][topic]
        assert outcome["count"] > 400
        told = 0
        while told < 500:
            told += (await hear(back)).get("type") == "comment.created"


async def test_who_asks_for_topics_again_and_again_has_to_wait(potluck: Potluck, ada: Member) -> None:
    socket, _ = await greeted(potluck, ada)
    many = dict.fromkeys(map(str, range(1000)))
    assert (await say(socket, op="subscribe", id=1, topics=many))["op"] == "subscribed"
    refused = await say(socket, op="subscribe", id=2, topics=many)
    assert (refused["op"], refused["id"], refused["code"]) == ("error", 2, "too_many")
    assert 0 < refused["retry_after"] < 60
    assert (await say(socket, op="subscribe", id=3, topics={f"user:{ada.id}": None}))["op"] == "subscribed"
    await socket.close()


async def test_the_position_is_told_every_heartbeat(potluck: Potluck, ada: Member) -> None:
    socket, welcome = await greeted(potluck, ada, **{f"user:{ada.id}": None})
    told = await hear(socket)
    assert told["op"] == "cursor"
    assert told["cursor"] >= welcome["topics"][f"user:{ada.id}"]["cursor"]
    await socket.close()


async def test_logging_out_closes_the_sessions_sockets_with_4301(potluck: Potluck, ada: Member) -> None:
    socket, _ = await greeted(potluck, ada)
    await ada.ask("POST", "/auth/logout", {"refresh_token": ada.refresh_token})
    assert await code_of(socket) == 4301
    late = await dial(potluck)
    await late.send(json.dumps({"op": "hello", "token": ada.token}))
    assert await code_of(late) == 4301


async def test_a_client_that_never_reads_is_closed_and_nobody_else_waits(potluck: Potluck, ada: Member) -> None:
    post = await ada.do("POST", "/posts", {"content": "x"})
    topic = f"post:{post['id']}"
    slow = await dial(potluck)
    await say(slow, op="hello", token=ada.token, topics={topic: None})
    slow.transport.pause_reading()
    quick = await ada.live({topic: None})
    edits = 0
    while 'sockets_closed_total{code="4101"}' not in (await ada.http.get(f"{potluck.url}/metrics")).text:
        for _ in range(20):
            await ada.do("PATCH", f"/posts/{post['id']}", {"content": "\U0001f372" * 5000})
        edits += 20
        assert edits < 1500
    await quick.until(lambda: len(quick.topics[topic].events) == edits)
    assert 'slow_readers_total{step="closed_age"} 1.0' in (await ada.http.get(f"{potluck.url}/metrics")).text
    slow.transport.resume_reading()
    assert await code_of(slow) == 4101
    await quick.stop()
