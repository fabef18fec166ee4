"""The client of the live contract on asyncio, for tests, demo and load tests alike.

client = Client([url], only(token))
client.add(Listener("home", print))
client.add(Copy(f"post:{post}", fetch, apply))
client.start()

What it does and when is in loadtests/contract.py; this dials, sends, fetches, and tells the time.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from loadtests.contract import WELCOME_S, Contract, Dial, Fetch, HangUp, Renew, Send
from loadtests.listeners import Copy, Frame, Gone, Listener
from loadtests.subscriptions import Report

JSON = "potluck.v1.json"
MSGPACK = "potluck.v1.msgpack"
ANSWERED_WITHIN_S = 10.0
GOODBYE_S = 1.0

Token = Callable[[bool], Awaitable[str | None]]
"""Gives an access token, a new one when asked with True; None when nobody is signed in any more. Raises OSError when
none can be had now, and is asked again."""


def only(token: str) -> Token:
    """A token that nobody renews: when it is not good any more, nobody is signed in."""

    async def give(fresh: bool) -> str | None:  # a Token's
        return None if fresh else token

    return give


class Client:
    """Listens on any of several servers until stopped. `seed` is for its waits and its choice of a server."""

    def __init__(self, urls: Sequence[str], token: Token, *, subprotocol: str = JSON, seed: int = 0) -> None:
        self._chance = random.Random(seed)
        self.contract = Contract(self._chance)
        self._urls = urls
        self._token = token
        self._subprotocol = subprotocol
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._sockets: dict[int, ClientConnection] = {}
        self._asking: dict[Copy | None, asyncio.Task[None]] = {}  # HTTP: for a copy, or for a token
        self._tasks: set[asyncio.Task[None]] = set()  # all of these, and what is being sent or hung up
        self._answers: dict[int, asyncio.Future[Frame]] = {}
        self._changed = asyncio.Event()
        self._due = float("inf")
        self._alarm: asyncio.TimerHandle | None = None

    # Who listens.

    @property
    def settled(self) -> bool:
        """Whether everybody is told, and nothing is being fetched."""
        return all(each.settled for each in self.contract.topics)

    def add(self, listener: Listener) -> None:
        """Tell a listener of its topic from now on; a copy is fetched now."""
        self.contract.add(listener)
        self._do()

    async def drop(self, listener: Listener) -> None:
        """Tell it no more, be it in the middle of a fetch; ends when the server knows, or is gone."""
        if isinstance(listener, Copy) and (fetching := self._asking.pop(listener, None)) is not None:
            fetching.cancel()
        request = self.contract.drop(listener)
        if request is not None:
            with contextlib.suppress(ConnectionError, TimeoutError):
                await self._answer(request)

    # The connection.

    def start(self) -> None:
        """Connect, and stay connected."""
        self.contract.start(self._now())
        self._do()

    async def stop(self) -> None:
        """Hang up for good."""
        self.contract.stop()
        self._do()
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Lose the connection without a word, for good."""
        self.contract.offline()
        self.contract.stop()
        self._do()

    async def away(self, seconds: float) -> None:
        """Be cut off without a word for a while; then connect at once."""
        self.contract.offline()
        self._do()
        await asyncio.sleep(seconds)
        self.contract.online(self._now())
        self._do()

    async def ask(self, op: str, topics: Any = None) -> Frame:
        """Send a command, past all listeners; its answer. Raises ConnectionError and TimeoutError."""
        request = self.contract.request(op, topics)
        if request is None:
            raise ConnectionError
        return await self._answer(request)

    async def until(self, done: Callable[[], bool], within: float = 10.0) -> None:
        """Wait until what was heard makes `done()` true. Raises TimeoutError after `within` seconds."""
        async with asyncio.timeout(within):
            while not done():
                self._changed.clear()
                await self._changed.wait()

    def hear(self, call: int, frame: Frame) -> None:
        """Take a frame, as it came on a connection."""
        self.contract.heard(call, frame, self._now())
        if self._answers and (answer := self._answers.pop(frame.get("id", 0), None)) is not None and not answer.done():
            answer.set_result(frame)

    # What the contract wants done.

    def _do(self) -> None:
        for task in self.contract.todo():
            match task:
                case Send(call, message):
                    if call in self._sockets:
                        self._spawn(self._send(self._sockets[call], message))
                case Dial(call, fresh):
                    self._calls[call] = self._spawn(self._talk(call, fresh=fresh))
                case HangUp(call, politely):
                    self._hang_up(call, politely=politely)
                case Fetch(copy):
                    self._asking[copy] = self._spawn(self._fetch(copy))
                case Renew():
                    self._asking[None] = self._spawn(self._renew())
                case Report(error):
                    _report(error)
        if self.contract.due != self._due:
            self._set_alarm(self.contract.due)
        self._changed.set()

    def _spawn(self, doing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _report(error)

    async def _talk(self, call: int, *, fresh: bool) -> None:
        url = self._chance.choice(self._urls).replace("http", "ws", 1) + "/api/v1/ws"
        offered: Any = [self._subprotocol]
        code = 1006
        try:
            token = await self._token(fresh)
            if token is None:
                self.contract.signed_out()
                return
            socket = await connect(
                url, subprotocols=offered, compression=None, max_size=None, ping_interval=None, close_timeout=GOODBYE_S
            )
            self._sockets[call] = socket
            try:
                self.contract.opened(call, token, self._now())
                self._do()
                async for message in socket:
                    self.hear(call, self._decode(message))
                    self._do()
            finally:
                await socket.close()
                code = socket.close_code or code
        except (OSError, WebSocketException):
            pass  # the code says why
        finally:
            self._sockets.pop(call, None)
            if self._calls.pop(call, None) is not None:  # or else it was us who hung up
                self.contract.lost(call, code, self._now())
            if self.contract.status != "live":
                self._give_up_waiting()
            self._do()

    def _hang_up(self, call: int, *, politely: bool) -> None:
        socket, talking = self._sockets.pop(call, None), self._calls.pop(call, None)
        if socket is not None and not politely:
            socket.transport.abort()
        if talking is not None:
            talking.cancel()

    async def _send(self, socket: ClientConnection, message: Frame) -> None:
        with contextlib.suppress(OSError, WebSocketException):  # who reads from it will know
            if self._subprotocol == JSON:
                await socket.send(msgspec.json.encode(message).decode())
            else:
                await socket.send(msgspec.msgpack.encode(message))

    def _decode(self, message: str | bytes) -> Frame:
        if self._subprotocol == JSON:
            return msgspec.json.decode(message)
        return msgspec.msgpack.decode(message if isinstance(message, bytes) else message.encode())

    async def _fetch(self, copy: Copy) -> None:
        try:
            cursor = await copy.fetch()
        except Gone:
            self.contract.gone(copy)
        except Exception as error:  # noqa: BLE001 - of whoever fetches; it is tried again whatever it was
            if not isinstance(error, OSError):
                _report(error)
            self.contract.failed(copy, self._now())
        else:
            self.contract.fetched(copy, cursor)
        self._asking.pop(copy, None)
        self._do()

    async def _renew(self) -> None:
        try:
            async with asyncio.timeout(WELCOME_S):
                token = await self._token(True)
        except Exception as error:  # noqa: BLE001 - as with a fetch
            if not isinstance(error, OSError):
                _report(error)
            self.contract.not_renewed()
        else:
            self.contract.renewed(token)
        self._asking.pop(None, None)
        self._do()

    # Answers and time.

    async def _answer(self, request: int) -> Frame:
        self._answers[request] = answer = asyncio.get_running_loop().create_future()
        self._do()
        return await asyncio.wait_for(answer, ANSWERED_WITHIN_S)

    def _give_up_waiting(self) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError())
        self._answers.clear()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _set_alarm(self, due: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._due, self._alarm = due, None
        if due < float("inf"):
            self._alarm = asyncio.get_running_loop().call_at(due, self._ring)

    def _ring(self) -> None:
        self._due = float("inf")  # it may ring a little early
        self.contract.passed(self._now())
        self._do()


def _report(error: BaseException) -> None:
    """To whoever looks after the loop: it is of the application's own code."""
    context = {"message": "what a client was given to call has failed", "exception": error}
    asyncio.get_running_loop().call_exception_handler(context)
