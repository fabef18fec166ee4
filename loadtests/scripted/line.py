"""A kept HTTP connection of one person: cheap, so that hundreds fit a process, and reading what any proxy sends."""

import asyncio
import ssl
from typing import Any
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


class _Answers(asyncio.Protocol):
    """One connection; it is asked one thing at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[tuple[int, bytes, float]] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._retry_after = 0.0

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
        self._body, self._retry_after = b"", 0.0

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after" and value.isdigit():
            self._retry_after = float(value)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_result((self._parser.get_status_code(), self._body, self._retry_after))
        if not self._parser.should_keep_alive() and self.transport is not None:
            self.transport.abort()
            self.transport = None

    def _fail(self, why: str) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(Refused(0, why))


class Line:
    """Requests under /api/v1 of `url`, one after the other."""

    def __init__(self, url: str, trust: ssl.SSLContext | None) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        self._named, self._prefix = parts.netloc, f"{parts.path.rstrip('/')}/api/v1"
        self._trust = trust if parts.scheme == "https" else None
        self._answers: _Answers | None = None
        self._turn = asyncio.Lock()
        self.token = ""

    async def ask(self, method: str, path: str, body: object = None, key: str = "") -> Any:
        """The body of the answer; Refused otherwise. `key` makes a POST the same one when it is tried again."""
        content = b"" if body is None else msgspec.json.encode(body)
        head = f"{method} {self._prefix}{path} HTTP/1.1\r\nHost: {self._named}\r\nContent-Length: {len(content)}\r\n"
        if self.token:
            head += f"Authorization: Bearer {self.token}\r\n"
        if content:
            head += "Content-Type: application/json\r\n"
        if key:
            head += f"Idempotency-Key: {key}\r\n"
        async with self._turn:
            try:
                async with asyncio.timeout(ANSWERED_WITHIN_S):
                    status, answer, retry_after = await self._send(f"{head}\r\n".encode() + content)
            except TimeoutError:
                self.close()
                raise Refused(0, f"{method} {path}: nothing in {ANSWERED_WITHIN_S:.0f} s") from None
            except OSError as error:
                raise Refused(0, f"{method} {path}: {error}") from None
        if not 200 <= status < 300:
            raise Refused(status, f"{method} {path}: {answer[:300].decode(errors='replace')}", retry_after)
        return msgspec.json.decode(answer) if answer else None

    def close(self) -> None:
        """Hang up."""
        if self._answers is not None and self._answers.transport is not None:
            self._answers.transport.abort()
        self._answers = None

    async def _send(self, request: bytes) -> tuple[int, bytes, float]:
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
