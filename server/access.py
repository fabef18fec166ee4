"""The access log: a line of JSON for each request, those of one turn of the loop in one write."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from domain.ids import UserID

_ENCODER: Final = msgspec.json.Encoder()


class Line(msgspec.Struct):
    """A request that was answered. `path` is the route, so that no id is logged; 499: the client left before."""

    timestamp: datetime
    request_id: str
    user_id: UserID | None
    method: str
    path: str
    status: int
    duration_ms: float
    level: str = "info"
    service: str = "potluck"
    message: str = "request"


class AccessLog:
    """A write of its own would be the dearest part of a line. Without `write` there is no log."""

    def __init__(self, write: Callable[[bytes], object] | None = None) -> None:
        self.write = write
        self._waiting: list[Line] = []

    def add(self, line: Line) -> None:
        """Have it written in the loop's next turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._write_all)
        self._waiting.append(line)

    def _write_all(self) -> None:
        lines, self._waiting = self._waiting, []
        if self.write is not None:
            self.write(_ENCODER.encode_lines(lines))
