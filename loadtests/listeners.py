"""What a listener knows of a topic: its position alone says what is new, known or missed. No I/O."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol

Frame = dict[str, Any]
Apply = Callable[[Frame], None]
Fetch = Callable[[], Awaitable[str | None]]

NOW = "\U0010ffff"
"""The position of who wants to hear from now on; it sorts after every cursor."""
BUFFER = 1_000  # events that a copy keeps while it fetches; beyond, it fetches once more


def judge(position: str, event_id: str, prev: str | None) -> Literal["new", "duplicate", "gap"]:
    """What an event is to somebody at a position."""
    if event_id <= position:
        return "duplicate"
    return "gap" if prev is not None and prev > position else "new"


class Seen:
    """How many events were new, were dropped as known, and showed that one is missing; how often all began anew."""

    def __init__(self) -> None:
        self.new = 0
        self.duplicates = 0
        self.gaps = 0
        self.resets = 0


class Keeper(Protocol):
    """Who has the connection."""

    def ask(self, listener: "Listener") -> None:
        """Have a topic told again, from behind the listener's position."""

    def missed(self, listener: "Listener") -> None:
        """The same because of a gap: after a while when it was not mended before."""

    def fetch(self, copy: "Copy") -> None:
        """Have a copy fetched."""

    def tell(self, told: Callable[..., None], *what: object) -> None:
        """Tell an application, and go on whatever it raises."""


class Listener:
    """Is told every event of a topic once and in order, from now on or from behind a cursor."""

    keeper: Keeper

    def __init__(self, topic: str, apply: Apply, cursor: str | None = None) -> None:
        self.topic = topic
        self.apply = apply
        self.position: str | None = NOW if cursor is None else cursor  # None: nobody knows yet
        self.waiting = True  # for an answer that says from where on it is told
        self.removed: str | None = None
        self.in_vain = 0  # gaps since something was new
        self.seen = Seen()

    @property
    def cursor(self) -> str | None:
        """What to hand in to go on from here; None before there was an answer."""
        return None if self.position == NOW else self.position

    @property
    def settled(self) -> bool:
        """Whether nothing is awaited, be it that it was removed."""
        return self.removed is not None or not self.waiting

    def begin(self) -> None:
        """It was added."""
        self.keeper.ask(self)

    def answered(self, asked: str, outcome: Frame) -> None:
        """The server tells this topic from behind `asked`; the outcome is no error."""
        if self.position == NOW:
            self.position = outcome["cursor"]
        elif self.position is None or asked > self.position:
            return  # the answer that we wait for is another one
        elif outcome["outcome"] == "reset":
            self.reset(outcome["cursor"])
        elif outcome["outcome"] == "live":
            self.position = max(self.position, outcome["cursor"])
        self.waiting = False

    def event(self, frame: Frame) -> None:
        """Something happened."""
        if self.waiting or self.position is None:
            return
        match judge(self.position, frame["id"], frame["prev"]):
            case "new":
                self.seen.new += 1
                self.in_vain = 0
                self.position = frame["id"]
                self.take(frame)
            case "duplicate":
                self.seen.duplicates += 1
            case "gap":
                self.seen.gaps += 1
                self.in_vain += 1
                self.waiting = True
                self.keeper.missed(self)

    def passed(self, cursor: str) -> None:
        """Everything up to here was told."""
        if not self.waiting and self.position is not None:
            self.position = max(self.position, cursor)

    def reset(self, cursor: str) -> None:
        """Nobody can say what was missed; it goes on from here, which may lie behind."""
        self.seen.resets += 1
        self.position, self.waiting = cursor, False

    def take(self, frame: Frame) -> None:
        """Apply what is new."""
        self.apply(frame)

    def end(self, code: str) -> None:
        """It may not be listened to any more."""
        self.removed = code


class Copy(Listener):
    """A snapshot of HTTP, kept true by events.

    `fetch` replaces the copy by what HTTP says, and returns its `Potluck-Cursor`: of several answers the lowest, None
    when there is none. It raises OSError when it is to be tried again and Gone when there is nothing to copy any more.
    A snapshot may know what `apply` is told afterwards, so applying an event twice must do no harm.
    """

    def __init__(self, topic: str, fetch: Fetch, apply: Apply) -> None:
        super().__init__(topic, apply)
        self.fetch = fetch
        self.position = None
        self.tries = 0
        self._later: list[Frame] | None = None  # what happens while it is fetched
        self._outdated = False

    @property
    def settled(self) -> bool:
        """Whether it is told, and nothing is being fetched; be it that it was removed."""
        return self.removed is not None or not (self.waiting or self._later is not None)

    def begin(self) -> None:
        """It was added."""
        self.refresh()

    def refresh(self) -> None:
        """Fetch; when that is under way its answer may be too old, and it is fetched once more."""
        self._outdated = self._later is not None
        self._later = []
        if not self._outdated:
            self.tries = 0
            self.keeper.fetch(self)

    def fetched(self, cursor: str | None) -> None:
        """The copy is what HTTP said at this cursor."""
        if self._outdated:
            self._outdated = False
            self.keeper.fetch(self)
            return
        later, self._later = self._later or [], None
        for frame in later:
            if cursor is None or frame["id"] > cursor:
                self.keeper.tell(self.apply, frame)
        if self.position is None:
            self.position = NOW if cursor is None else cursor
            self.keeper.ask(self)

    def answered(self, asked: str, outcome: Frame) -> None:
        """A snapshot of nobody knows when is fetched again, now that what follows is told."""
        of_nobody_knows_when = self.position == NOW
        super().answered(asked, outcome)
        if of_nobody_knows_when:
            self.refresh()

    def reset(self, cursor: str) -> None:
        """It is fetched again."""
        super().reset(cursor)
        self.refresh()

    def take(self, frame: Frame) -> None:
        """Apply what is new, after the snapshot."""
        if self._later is None:
            self.apply(frame)
            return
        self._later.append(frame)
        if len(self._later) > BUFFER:
            self.refresh()


class Gone(Exception):
    """There is nothing to copy any more, or not for us: HTTP says 403, 404 or 410."""
