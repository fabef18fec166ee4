"""Home, joined at the edge: which connected users follow whoever posted. The database is asked, for it alone knows."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import Protocol
from uuid import UUID

import structlog

from domain import eventlog
from domain.graph.queries import followers_among, followers_of
from domain.ids import UserID
from domain.settings import settings
from realtime import metrics
from realtime.access import AT_ONCE, HOME
from realtime.news import Frame, News

log = structlog.get_logger()
AUTHOR = "author:"
UNHEARD = "too much was posted while nobody could say who hears it"

# Measured: docs/decisions/0016.
POSTS = 5  # in one question: what an answer holds is bounded by it
FEW = 1_000  # listeners whose names are sent along, whoever posts
MANY = 20_000  # followers of an author: to read more costs more than to name the listeners
CROWDS = 10_000  # authors of whom it is remembered that they have so many


class HomeListener(Protocol):
    """A connection that listens to home: from behind which id on it wants to hear."""

    home_from: str

    @property
    def send_event(self) -> Callable[[Frame], None]:
        """See hub.Listener."""
        ...

    def reset(self, topic: str, position: str, reason: str) -> None:
        """Begin anew with a topic at this position."""
        ...


class Audiences:
    """Asks whom they follow for everybody who comes back in the same turn of the loop."""

    def __init__(self) -> None:
        self._authors: set[UserID] = set()
        self._users: set[UserID] = set()
        self._asking: asyncio.Task[dict[UserID, set[UserID]]] | None = None

    async def followed(self, user_id: UserID, authors: Collection[UserID]) -> set[UserID]:
        """Of these authors, those whom the user hears of, as of now or later. Raises what the database raises."""
        if not authors:
            return set()
        self._authors.update(authors)
        self._users.add(user_id)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        found = await asyncio.shield(self._asking)
        return {author for author in authors if user_id in found.get(author, ())}

    async def _ask(self) -> dict[UserID, set[UserID]]:
        await asyncio.sleep(0)  # let all who ask in this turn say so
        authors, users = self._authors, list(self._users)
        self._authors, self._users, self._asking = set(), set(), None
        found: dict[UserID, set[UserID]] = {author: set() for author in authors}
        for start in range(0, len(users), AT_ONCE):
            for author, followers in (await followers_among(authors, users[start : start + AT_ONCE])).items():
                found[author].update(followers)
        return found


class Home:
    """News of authors waits here, in order, until it is known who hears it.

    What waits is bounded: beyond `settings.home_bytes` it is forgotten, and all who listen begin anew.
    """

    def __init__(self) -> None:
        self.audiences = Audiences()
        self.undecided: deque[tuple[str, News]] = deque()  # (the position before it, news)
        self.listeners: dict[UserID, tuple[HomeListener, ...]] = {}
        self._bytes = 0
        self._crowds: set[UserID] = set()  # authors with more than MANY followers
        self._deciding: asyncio.Task[None] | None = None

    def join(self, user_id: UserID, listener: HomeListener) -> None:
        """Have a connection hear what those post whom its user follows."""
        self.leave(user_id, listener)
        self.listeners[user_id] = (*self.listeners.get(user_id, ()), listener)

    def leave(self, user_id: UserID, listener: HomeListener) -> None:
        """Have it hear no more."""
        others = tuple(each for each in self.listeners.pop(user_id, ()) if each is not listener)
        if others:
            self.listeners[user_id] = others

    def settled(self, position: str) -> str:
        """The position up to which every audience is decided."""
        return self.undecided[0][0] if self.undecided else position

    def hear(self, news: News, before: str) -> None:
        """News of an author arrived."""
        if not self.listeners and not self.undecided:
            return
        self.undecided.append((before, news))
        self._bytes += news.size
        if self._bytes > settings.home_bytes:
            self._give_up(news.id)
        elif self._deciding is None or self._deciding.done():
            self._deciding = asyncio.create_task(self._decide())

    def forget(self) -> None:
        """Nothing that waits here is told: news was lost, or there is too much of it."""
        self.undecided.clear()
        self._bytes = 0

    async def stop(self) -> None:
        """End what runs."""
        if self._deciding is not None:
            self._deciding.cancel()
            await asyncio.gather(self._deciding, return_exceptions=True)

    def _give_up(self, position: str) -> None:
        log.warning("home.gave_up", posts=len(self.undecided), listeners=len(self.listeners))
        metrics.HOME_RESETS.inc()
        self.forget()
        for listener in list(self._of(self.listeners)):
            listener.reset(HOME, position, UNHEARD)

    async def _decide(self) -> None:
        delay = 0.05
        while self.undecided:
            waiting = list(islice(self.undecided, POSTS))
            try:
                heard = await self._followers({author_of(news) for _, news in waiting})
            except eventlog.UNREADABLE as trouble:
                log.warning("home.interrupted", error=type(trouble).__name__)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 1.0)
                continue
            for each in waiting:
                if not self.undecided or self.undecided[0] is not each:
                    break  # forgotten meanwhile
                self.undecided.popleft()
                self._bytes -= each[1].size
                self._tell(each[1], heard.get(author_of(each[1]), ()))

    async def _followers(self, authors: set[UserID]) -> dict[UserID, list[UserID]]:
        """Who may hear of each author. One question, but for the first post of somebody with very many followers."""
        found: dict[UserID, list[UserID]] = {}
        crowds = authors if len(self.listeners) <= FEW else authors & self._crowds
        if crowds != authors:
            for author, followers in (await followers_of(authors - crowds, MANY)).items():
                if followers is None:
                    self._remember(author)
                else:
                    found[author] = followers
        if found.keys() != authors:
            found |= await followers_among(authors - found.keys(), self.listeners)
        return found

    def _remember(self, author: UserID) -> None:
        if len(self._crowds) >= CROWDS:
            self._crowds.clear()
        self._crowds.add(author)

    def _tell(self, news: News, followers: Collection[UserID]) -> None:
        frame = Frame(news, HOME, None)
        for listener in self._of(followers):
            if listener.home_from < news.id:
                listener.send_event(frame)

    def _of(self, users: Collection[UserID]) -> Iterator[HomeListener]:
        for user_id in users:
            yield from self.listeners.get(user_id, ())


def author_of(news: News) -> UserID:
    """Whose news it is; ValueError for news that is nobody's."""
    for topic in news.topics:
        if topic.startswith(AUTHOR):
            return UserID(UUID(topic.removeprefix(AUTHOR)))
    raise ValueError(news.type)
