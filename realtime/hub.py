"""Which connections listen to which topics, and what is held back of each. Plain data, no I/O."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Set
from typing import Protocol

from realtime import boards
from realtime.news import Frame, News, Run


class Listener(Protocol):
    """A connection, as far as the hub knows one."""

    @property
    def hidden(self) -> Set[str]:
        """The users whose acts are withheld from it, and what is below them."""
        ...

    @property
    def send_event(self) -> Callable[[Frame | Run], None]:
        """Puts frames behind what is on its way; never waits."""
        ...

    def hold(self, topics: Iterable[str], position: str) -> None:
        """Hear nothing of these until it is known whether it still may."""
        ...

    def remove(self, topic: str, code: str) -> None:
        """Hear nothing of it any more."""
        ...


class Channel:
    """A topic with listeners."""

    __slots__ = ("flushed_at", "held", "joining", "members", "name", "owner", "sent", "wary")

    def __init__(self, name: str, owner: str, sent: str) -> None:
        self.name = name
        self.owner = owner  # whose thing it is: what anybody may see of it depends on them
        self.members: set[Listener] = set()
        # From whom something may be withheld -> the id it was last sent, where that is not `sent`.
        self.wary: dict[Listener, str | None] = {}
        self.joining: dict[Listener, str] = {}  # since something was held back -> the position they know
        self.sent = sent  # the id that the next frame names as the one before it
        self.held: dict[str, list[News]] = {}  # type -> newest state, or changes of a board; by their newest ids
        self.flushed_at = float("-inf")

    def listeners(self) -> list[Listener]:
        """All of them."""
        return [*self.members, *self.wary, *self.joining]


class Hub:
    """Events go out one by one; of state at most one of a type per interval and topic, the newest; of a board's changes
    at most one per interval, merged.

    What is held back of a topic goes out right before its next event, so that ids only grow. News of one topic right
    behind each other is collected, and given to its members as one run: by `say`, before anything else happens to
    them. Who calls `deliver` calls `say` behind the last of a batch; everything else here does so itself.
    """

    def __init__(self, state_interval_s: float, board_interval_s: float) -> None:
        self.channels: dict[str, Channel] = {}
        self.holding: set[Channel] = set()
        self._owned: dict[str, set[Channel]] = {}
        self._state_interval = state_interval_s
        self._board_interval = board_interval_s
        self.told = 0  # frames that were given to listeners
        self._speaking: Channel | None = None
        self._run: list[Frame] = []

    def say(self) -> None:
        """Give what was collected to whom it is for."""
        channel, run = self._speaking, self._run
        if channel is None:
            return
        self._speaking, self._run = None, []
        said = run[0] if len(run) == 1 else Run(run)
        for listener in channel.members:
            listener.send_event(said)
        self.told += len(run) * len(channel.members)

    def join(
        self, listener: Listener, topic: str, sent: str, position: str, *, owner: str = "", last: str | None = None
    ) -> None:
        """Have a listener hear of a topic what comes behind a position. `sent` is the topic's newest id so far; `last`
        the one that this listener was sent, when what came after it was withheld."""
        self.say()
        channel = self.channels.get(topic)
        if channel is None:
            channel = self.channels[topic] = Channel(topic, owner, sent)
            if owner:
                self._owned.setdefault(owner, set()).add(channel)
        if channel.held and last is not None:
            self._flush(channel)
        if channel.held:
            channel.joining[listener] = position
        else:
            _let_in(channel, listener, last)

    def leave(self, listener: Listener, topic: str) -> str:
        """Have it hear no more; the id that it was last sent. A topic without listeners is forgotten."""
        self.say()
        channel = self.channels.get(topic)
        if channel is None:
            return ""
        channel.members.discard(listener)
        last = channel.wary.pop(listener, None)
        channel.joining.pop(listener, None)
        if not channel.members and not channel.wary and not channel.joining:
            self._forget(channel)
        return channel.sent if last is None else last

    def of_owner(self, owner: str) -> list[Channel]:
        """The topics of somebody's things."""
        return list(self._owned.get(owner, ()))

    def _forget(self, channel: Channel) -> None:
        del self.channels[channel.name]
        self.holding.discard(channel)
        if channel.owner:
            self._owned[channel.owner].discard(channel)
            if not self._owned[channel.owner]:
                del self._owned[channel.owner]

    def deliver(self, news: News, now: float) -> None:
        """Hand news to whoever listens; `now` is monotonic seconds."""
        for topic in news.topics:
            channel = self.channels.get(topic)
            if channel is None:
                continue
            if news.delivery == "event":
                if channel.held:
                    self._flush(channel)
                self._tell(channel, news)
                continue
            held = channel.held.pop(news.type, [])
            if news.delivery != "board":
                held.clear()
            held.append(news)
            channel.held[news.type] = held
            if self._is_due(channel, now):
                channel.flushed_at = now
                self._flush(channel)
            else:
                self.holding.add(channel)

    def flush_due(self, now: float) -> None:
        """Send what is held back and whose interval has passed."""
        for channel in [each for each in self.holding if self._is_due(each, now)]:
            channel.flushed_at = now
            self._flush(channel)
        self.say()

    def _is_due(self, channel: Channel, now: float) -> bool:
        has_board = any(parts[-1].delivery == "board" for parts in channel.held.values())
        return now - channel.flushed_at >= (self._board_interval if has_board else self._state_interval)

    def forget(self) -> None:
        """News was lost: what is held back is of no use, and what comes next is behind everything known."""
        self.say()
        for channel in self.channels.values():
            channel.held.clear()
            channel.sent = ""
            for listener in channel.joining:
                _let_in(channel, listener)
            channel.joining.clear()
            channel.wary = dict.fromkeys(channel.wary)
        self.holding.clear()

    def settled(self, topic: str, position: str) -> str:
        """The position up to which a topic's listeners were sent everything: before what is held back."""
        channel = self.channels.get(topic)
        if channel is None or not channel.held:
            return position
        oldest = min(parts[0].id for parts in channel.held.values())
        return min(position, f"{int(oldest, 16) - 1:024x}")

    def flush_topic(self, topic: str) -> None:
        """Send what is held back of a topic, before a position is told that covers it."""
        channel = self.channels.get(topic)
        if channel is not None and channel.held:
            self._flush(channel)
        self.say()

    def _flush(self, channel: Channel) -> None:
        """Send what is held back, and let in who joined meanwhile: of this they get what is newer than they know."""
        for parts in channel.held.values():
            before = channel.sent
            told = [self._tell(channel, news) for news in boards.merge(parts)]
            late = {0: told}  # number of parts that somebody knows already -> what they are told
            for listener, position in channel.joining.items():
                known = bisect_right(parts, position, key=lambda each: each.id)
                if known not in late:
                    late[known] = _frames(channel.name, boards.merge(parts[known:]), before)
                for frame in late[known]:
                    if not frame.news.is_withheld(listener.hidden, channel.owner):
                        listener.send_event(frame)
        channel.held.clear()
        self.holding.discard(channel)
        if channel.joining:
            self.say()
        for listener in channel.joining:
            _let_in(channel, listener)
        channel.joining.clear()

    def _tell(self, channel: Channel, news: News) -> Frame:
        before = channel.sent
        frame = Frame(news, channel.name, before)
        channel.sent = news.id
        if channel.members:
            if self._speaking is not channel:
                self.say()
                self._speaking = channel
            self._run.append(frame)
        for listener, last in channel.wary.items():
            if news.is_withheld(listener.hidden, channel.owner):
                channel.wary[listener] = before if last is None else last
            else:
                listener.send_event(frame if last is None else Frame(news, channel.name, last))
                channel.wary[listener] = None
                self.told += 1
        return frame


def _frames(topic: str, news: list[News], before: str) -> list[Frame]:
    prevs = [before, *(each.id for each in news)]
    return [Frame(each, topic, prev) for each, prev in zip(news, prevs, strict=False)]


def _let_in(channel: Channel, listener: Listener, last: str | None = None) -> None:
    if listener.hidden or last is not None:
        channel.wary[listener] = last
    else:
        channel.members.add(listener)
