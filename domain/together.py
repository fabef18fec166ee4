"""What is asked while questions are under way is asked together: one round trip for as many as have come."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

from domain.errors import TooMany

AskT = TypeVar("AskT")
AnswerT = TypeVar("AnswerT")


class Together(Generic[AskT, AnswerT]):
    """Who comes alone is asked for alone, at once. Who comes while `lanes` questions are under way waits for the first
    of them to end, and then goes together with all others who wait, up to `at_most`. No more than `longest` may
    wait, unless it is None.

    `ask` answers each in its turn: with the answer, or the exception that its asker shall get.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[AskT]], Awaitable[Sequence[AnswerT | Exception]]],
        *,
        lanes: int,
        at_most: int,
        longest: int | None = None,
    ) -> None:
        self._ask = ask
        self._at_most = at_most
        self._longest = longest
        self._waiting: deque[tuple[AskT, asyncio.Future[AnswerT]]] = deque()
        self._free = lanes
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself would let go of them

    async def of(self, one: AskT) -> AnswerT:
        """The answer. Raises TooMany when `longest` wait already, and what `ask` says."""
        if self._longest is not None and len(self._waiting) >= self._longest:
            raise TooMany
        future: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, future))
        if self._free:
            self._free -= 1
            # Not in the asker's context, which may end before the answer comes.
            task = asyncio.create_task(self._ask_on(), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def _ask_on(self) -> None:
        try:
            await self._ask_all()
        finally:
            self._free += 1  # at once: a done callback comes after those who were just answered have asked again

    async def _ask_all(self) -> None:
        while self._waiting:
            number = min(len(self._waiting), self._at_most)
            asked = [self._waiting.popleft() for _ in range(number)]
            try:
                answers = await self._ask([one for one, _ in asked])
            except Exception as error:  # noqa: BLE001 # each asker gets it
                answers = [error] * number
            for (_, future), answer in zip(asked, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
