"""The last minutes of every topic, in memory: what a client that was away can be told again."""

from collections import deque
from collections.abc import Callable

from realtime import boards
from realtime.news import News, milliseconds


class Ring:
    """All news behind `floor`, oldest first; bounded in age, counted from the newest, and in bytes."""

    def __init__(self, window_s: float, budget: int) -> None:
        self.floor = ""
        self.newest = ""
        self.bytes = 0
        self._window_ms = int(window_s * 1000)
        self._budget = budget
        self._all: deque[News] = deque()
        self._topics: dict[str, deque[News]] = {}

    def clear(self, floor: str) -> None:
        """Forget everything: nothing up to `floor` can be replayed."""
        self.floor = self.newest = floor
        self.bytes = 0
        self._all.clear()
        self._topics.clear()

    def add(self, news: News) -> None:
        """Append the newest. Raises ValueError when it is not."""
        if news.id <= self.newest:
            raise ValueError(f"{news.id} is not newer than {self.newest}")
        self.newest = news.id
        self._all.append(news)
        self.bytes += news.size
        for topic in news.topics:
            kept = self._topics.get(topic)
            if kept is None:
                kept = self._topics[topic] = deque()
            kept.append(news)
        oldest = milliseconds(news.id) - self._window_ms
        while self._all and (self.bytes > self._budget or milliseconds(self._all[0].id) < oldest):
            self._forget()

    def last(self, topic: str) -> str:
        """The id of the topic's newest event here; "" when there is none."""
        kept = self._topics.get(topic)
        return kept[-1].id if kept else ""

    def since(
        self, topic: str, cursor: str, is_told: Callable[[News], bool] = lambda _: True
    ) -> list[tuple[News, str]] | None:
        """The topic's news behind a cursor, each with the id told before it; None when the cursor is too old.

        Of state only the newest of each type is told, of a board its changes as one, and nothing that `is_told` is
        against.
        """
        if cursor < self.floor:
            return None
        before = ""
        states: set[str] = set()
        later: list[News] = []
        for news in reversed(self._topics.get(topic, ())):
            if news.id <= cursor:
                before = news.id
                break
            if news.type in states or not is_told(news):
                continue
            later.append(news)
            if news.delivery == "state":
                states.add(news.type)
        later.reverse()
        told: list[tuple[News, str]] = []
        for news in _merged(later):
            told.append((news, before))
            before = news.id
        return told

    def _forget(self) -> None:
        news = self._all.popleft()
        self.floor = news.id
        self.bytes -= news.size
        for topic in news.topics:
            kept = self._topics[topic]
            kept.popleft()
            if not kept:
                del self._topics[topic]


def _merged(news: list[News]) -> list[News]:
    changes: dict[str, list[News]] = {}
    for each in news:
        if each.delivery == "board":
            changes.setdefault(each.type, []).append(each)
    if not changes:
        return news
    merged = {each.id: each for parts in changes.values() for each in boards.merge(parts)}
    return [merged.get(each.id, each) for each in news if each.delivery != "board" or each.id in merged]
