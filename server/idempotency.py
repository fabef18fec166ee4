"""`Idempotency-Key`: a POST that is sent again gets the answer of the first, and nothing happens twice."""

from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from domain.idempotency.actions import answer_once
from domain.idempotency.queries import Answer
from server.auth import revocations
from server.call import call_of, viewer_in
from server.incoming import read_all

REPLAYED = (b"idempotency-replayed", b"true")


class IdempotencyKeys:
    """Authenticated POSTs outside /auth; all others pass, whatever they send."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The handler runs inside the transaction that holds the key, so its answer waits for the commit."""
        key = _key_in(scope)
        viewer = None if key is None else viewer_in(scope)
        if key is None or viewer is None or viewer.session_id in revocations:
            await self._app(scope, receive, send)
            return
        request, body = call_of(scope), await read_all(receive)
        # An answer that is sent again keeps the cursor it was made with, so the cursor is part of it.
        cursor = [(b"potluck-cursor", request.cursor.encode())] if request.cursor else []
        request.cursor = ""

        async def answer() -> Answer:
            held = _Held(body, receive)
            await self._app(scope, held.receive, held.send)
            return held.answer(cursor)

        target = b"POST %b?%b" % (scope["path"].encode(), scope["query_string"])
        made, replayed = await answer_once(viewer, key, target, body, answer)
        if replayed:
            request.headers.append(REPLAYED)
        await send({"type": "http.response.start", "status": made.status, "headers": made.headers})
        await send({"type": "http.response.body", "body": made.body, "more_body": False})


def _key_in(scope: Any) -> str | None:
    if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith("/api/"):
        return None
    if scope["path"].startswith("/api/v1/auth/"):
        return None
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"idempotency-key"), None)


class _Held:
    """The request's body once more, and the answer kept back."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive
        self._status = 500
        self._headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []

    async def receive(self) -> Any:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [(bytes(name), bytes(value)) for name, value in message["headers"]]
        elif message["type"] == "http.response.body":
            self._parts.append(message["body"])

    def answer(self, more: list[tuple[bytes, bytes]]) -> Answer:
        return Answer(self._status, self._headers + more, b"".join(self._parts))
