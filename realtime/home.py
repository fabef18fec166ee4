"""Home, joined at the edge: which connected users follow whoever posted. One question per process and tick."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol
from uuid import UUID

import structlog

from domain import eventlog
from domain.ids import UserID
from realtime.access import HOME
from realtime.news import Frame, News

log = structlog.get_logger()
AUTHOR = "author:"

FollowersAmong = Callable[[Collection[UserID], Collection[UserID]], Awaitable[set[tuple[UserID, UserID]]]]


class HomeListener(Protocol):
    """A connection that listens to home: from behind which id on it wants to hear."""

    home_from: str

    @property
    def send_event(self) -> Callable[[Frame], None]:
        """See hub.Listener."""
        ...


class Audiences:
    """Asks who follows whom for everybody who wants to know in the same turn of the loop."""

    def __init__(self, followers_among: FollowersAmong) -> None:
        self._followers_among = followers_among
        self._authors: set[UserID] = set()
        self._users: set[UserID] = set()
        self._asking: asyncio.Task[set[tuple[UserID, UserID]]] | None = None

    async def of(self, authors: Collection[UserID], users: Collection[UserID]) -> set[tuple[UserID, UserID]]:
        """(author, follower) among these, as of now or later. Raises what the database raises."""
        if not authors or not users:
            return set()
        self._authors.update(authors)
        self._users.update(users)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)

    async def _ask(self) -> set[tuple[UserID, UserID]]:
        await asyncio.sleep(0)  # let all who ask in this turn say so
        authors, users = self._authors, self._users
        self._authors, self._users, self._asking = set(), set(), None
        return await self._followers_among(authors, users)


class Home:
    """News of authors waits here, in order, until it is known who hears it."""

    def __init__(self, followers_among: FollowersAmong) -> None:
        self.audiences = Audiences(followers_among)
        self.undecided: deque[tuple[str, News]] = deque()  # (the position before it, news)
        self.listeners: dict[UserID, set[HomeListener]] = {}
        self._deciding: asyncio.Task[None] | None = None

    def join(self, user_id: UserID, listener: HomeListener) -> None:
        """Have a connection hear what those post whom its user follows."""
        self.listeners.setdefault(user_id, set()).add(listener)

    def leave(self, user_id: UserID, listener: HomeListener) -> None:
        """Have it hear no more."""
        of_user = self.listeners.get(user_id)
        if of_user is not None:
            of_user.discard(listener)
            if not of_user:
                del self.listeners[user_id]

    def settled(self, position: str) -> str:
        """The position up to which every audience is decided."""
        return self.undecided[0][0] if self.undecided else position

    def hear(self, news: News, before: str) -> None:
        """News of an author arrived."""
        if not self.listeners and not self.undecided:
            return
        self.undecided.append((before, news))
        if self._deciding is None or self._deciding.done():
            self._deciding = asyncio.create_task(self._decide())

    def forget(self) -> None:
        """News was lost: nothing that waits here can be trusted to be complete."""
        self.undecided.clear()

    async def stop(self) -> None:
        """End what runs."""
        if self._deciding is not None:
            self._deciding.cancel()
            await asyncio.gather(self._deciding, return_exceptions=True)

    async def _decide(self) -> None:
        delay = 0.05
        while self.undecided:
            waiting = list(self.undecided)
            try:
                pairs = await self.audiences.of({author_of(news) for _, news in waiting}, set(self.listeners))
            except eventlog.UNREADABLE as trouble:
                log.warning("home.interrupted", error=type(trouble).__name__)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 1.0)
                continue
            for each in waiting:
                if not self.undecided or self.undecided[0] is not each:
                    break  # forgotten meanwhile
                self.undecided.popleft()
                self._tell(each[1], pairs)

    def _tell(self, news: News, pairs: set[tuple[UserID, UserID]]) -> None:
        frame, author = Frame(news, HOME, None), author_of(news)
        for user_id, of_user in self.listeners.items():
            if (author, user_id) in pairs:
                for listener in of_user:
                    if listener.home_from < news.id:
                        listener.send_event(frame)


def author_of(news: News) -> UserID:
    """Whose news it is; ValueError for news that is nobody's."""
    for topic in news.topics:
        if topic.startswith(AUTHOR):
            return UserID(UUID(topic.removeprefix(AUTHOR)))
    raise ValueError(news.type)
