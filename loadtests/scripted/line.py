"""A kept HTTP connection of one person: cheap, so that hundreds fit a process, and reading what any proxy sends."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import httptools
import msgspec

ANSWERED_WITHIN_S = 20.0
AGAIN = {429, 503}


class Refused(OSError):
    """The server said no, or nothing; an OSError, as for the socket both are trouble with the server."""

    def __init__(self, status: int, what: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{status or 'no answer'}: {what}")
        self.status = status
        self.retry_after = retry_after

    @property
    def may_be_tried_again(self) -> bool:
        """Whether it is about the moment and not about what was asked."""
        return self.status == 0 or self.status in AGAIN


class _Answer(NamedTuple):
    status: int
    body: bytes
    retry_after: float
    cursor: str | None


class _Answers(asyncio.Protocol):
    """One connection; it is asked one thing at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[_Answer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._retry_after = 0.0
        self._cursor: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] # of a socket, so both ways

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"not HTTP: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._fail(f"the connection ended: {exc}")

    def on_message_begin(self) -> None:
        self._body, self._retry_after, self._cursor = b"", 0.0, None

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after" and value.isdigit():
            self._retry_after = float(value)
        elif name.lower() == b"potluck-cursor":
            self._cursor = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self.answer is not None and not self.answer.done():
            status = self._parser.get_status_code()
            self.answer.set_result(_Answer(status, self._body, self._retry_after, self._cursor))
        if not self._parser.should_keep_alive() and self.transport is not None:
            self.transport.abort()
            self.transport = None

    def _fail(self, why: str) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(Refused(0, why))


class Line:
    """Requests under /api/v1 of `url`, one after the other, of somebody who stays signed in."""

    def __init__(self, url: str, trust: ssl.SSLContext | None) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        self._named, self._prefix = parts.netloc, f"{parts.path.rstrip('/')}/api/v1"
        self._trust = trust if parts.scheme == "https" else None
        self._answers: _Answers | None = None
        self._turn = asyncio.Lock()
        self._token = self._refresh_token = ""
        self._renewing = asyncio.Lock()

    def sign_in(self, tokens: Mapping[str, Any]) -> None:
        """Ask with this access token from now on, and renew it with this refresh token."""
        self._token, self._refresh_token = tokens["access_token"], tokens["refresh_token"]

    async def access(self, fresh: bool) -> str | None:
        """The access token, or the next one; None when the session has ended. Raises Refused."""
        refused = self._token
        async with self._renewing:
            if fresh and self._token == refused:
                try:
                    body = {"refresh_token": self._refresh_token}
                    answer = await self._ask("POST", "/auth/refresh", body, key="", token="")
                except Refused as trouble:
                    if trouble.may_be_tried_again:
                        raise
                    return None
                self.sign_in(msgspec.json.decode(answer.body))
        return self._token

    async def ask(self, method: str, path: str, body: object = None, key: str = "") -> Any:
        """The body of the answer; Refused otherwise. `key` makes a POST the same one when it is tried again."""
        return (await self.read(method, path, body, key))[0]

    async def read(self, method: str, path: str, body: object = None, key: str = "") -> tuple[Any, str | None]:
        """The body of the answer and its cursor; Refused otherwise. An access token that has ended is renewed."""
        token = self._token
        try:
            answer = await self._ask(method, path, body, key, token)
        except Refused as trouble:
            if trouble.status != 401 or not token or await self.access(fresh=self._token == token) is None:
                raise
            answer = await self._ask(method, path, body, key, self._token)
        return msgspec.json.decode(answer.body) if answer.body else None, answer.cursor

    async def _ask(self, method: str, path: str, body: object, key: str, token: str) -> _Answer:
        content = b"" if body is None else msgspec.json.encode(body)
        head = f"{method} {self._prefix}{path} HTTP/1.1\r\nHost: {self._named}\r\nContent-Length: {len(content)}\r\n"
        if token:
            head += f"Authorization: Bearer {token}\r\n"
        if content:
            head += "Content-Type: application/json\r\n"
        if key:
            head += f"Idempotency-Key: {key}\r\n"
        async with self._turn:
            try:
                async with asyncio.timeout(ANSWERED_WITHIN_S):
                    answer = await self._send(f"{head}\r\n".encode() + content)
            except TimeoutError:
                self.close()
                raise Refused(0, f"{method} {path}: nothing in {ANSWERED_WITHIN_S:.0f} s") from None
            except OSError as error:
                raise Refused(0, f"{method} {path}: {error}") from None
        if not 200 <= answer.status < 300:
            said = answer.body[:300].decode(errors="replace")
            raise Refused(answer.status, f"{method} {path}: {said}", answer.retry_after)
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._answers is not None and self._answers.transport is not None:
            self._answers.transport.abort()
        self._answers = None

    async def _send(self, request: bytes) -> _Answer:
        answers = self._answers
        if answers is None or answers.transport is None:
            loop = asyncio.get_running_loop()
            _, answers = await loop.create_connection(_Answers, self._host, self._port, ssl=self._trust)
            self._answers = answers
        assert answers.transport is not None
        answers.answer = asyncio.get_running_loop().create_future()
        answers.transport.write(request)
        return await answers.answer


def new_key() -> str:
    """Names a POST, so that trying again does nothing twice."""
    return uuid4().hex
