"""What the relay of this process cut lately: who follows the log need not ask for what is not there."""

import asyncio
from collections import deque
from collections.abc import Set

from domain.eventlog import Cut

REMEMBERED = 1000  # batches


class Cuts:
    """The newest batches, as far as they were cut here."""

    def __init__(self) -> None:
        self._newest: deque[Cut] = deque(maxlen=REMEMBERED)
        self._news = asyncio.Event()

    def add(self, cut: Cut) -> None:
        """Remember a batch, and wake all who wait for one."""
        self._newest.append(cut)
        self._news.set()
        self._news = asyncio.Event()

    async def behind(self, batch: int, timeout: float) -> bool:
        """Wait until there is one behind this; False when there is none for so many seconds."""
        if self._newest and self._newest[-1].batch > batch:
            return True
        try:
            async with asyncio.timeout(timeout):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def without(self, types: Set[str], batch: int) -> int | None:
        """The newest batch up to which, from behind this one on, there is nothing of these types; None when there is,
        or when it is not known: somebody else has cut, or it is long ago."""
        if not self._newest:
            return None
        upto = expected = self._newest[-1].batch
        for cut in reversed(self._newest):
            if cut.batch <= batch or cut.batch != expected or cut.types is None or not types.isdisjoint(cut.types):
                break
            expected = cut.prev
        return upto if expected == batch else None
