"""Which connections listen to which topics, and what is held back of each. Plain data, no I/O."""

from typing import Protocol

from realtime.news import Frame, News


class Listener(Protocol):
    """A connection, as far as the hub knows one."""

    def send_event(self, event: Frame) -> None:
        """Put the frame into what goes out next; never waits."""
        ...


class Channel:
    """A topic with listeners."""

    __slots__ = ("flushed_at", "held", "joining", "members", "name", "sent")

    def __init__(self, name: str, sent: str) -> None:
        self.name = name
        self.members: set[Listener] = set()
        self.joining: dict[Listener, str] = {}  # since something was held back -> the position they know
        self.sent = sent  # the id that the next frame names as the one before it
        self.held: dict[str, News] = {}  # type -> newest state, in order of ids
        self.flushed_at = float("-inf")


class Hub:
    """Events go out one by one; of state at most one of a type per interval and topic, the newest.

    What is held back of a topic goes out right before its next event, so that ids only grow.
    """

    def __init__(self, state_interval_s: float) -> None:
        self.channels: dict[str, Channel] = {}
        self.holding: set[Channel] = set()
        self._interval = state_interval_s

    def join(self, listener: Listener, topic: str, sent: str, position: str) -> None:
        """Have a listener hear of a topic what comes behind a position. `sent` is the topic's newest id so far."""
        channel = self.channels.get(topic)
        if channel is None:
            channel = self.channels[topic] = Channel(topic, sent)
        if listener not in channel.members:
            if channel.held:
                channel.joining[listener] = position
            else:
                channel.members.add(listener)

    def leave(self, listener: Listener, topic: str) -> None:
        """Have it hear no more; a topic without listeners is forgotten."""
        channel = self.channels.get(topic)
        if channel is None:
            return
        channel.members.discard(listener)
        channel.joining.pop(listener, None)
        if not channel.members and not channel.joining:
            del self.channels[topic]
            self.holding.discard(channel)

    def deliver(self, news: News, now: float) -> None:
        """Hand news to whoever listens; `now` is monotonic seconds."""
        for topic in news.topics:
            channel = self.channels.get(topic)
            if channel is None:
                continue
            if news.delivery == "event":
                if channel.held:
                    self.flush(channel)
                self._tell(channel, news)
                continue
            channel.held.pop(news.type, None)
            channel.held[news.type] = news
            if now - channel.flushed_at >= self._interval:
                channel.flushed_at = now
                self.flush(channel)
            else:
                self.holding.add(channel)

    def flush_due(self, now: float) -> None:
        """Send the states whose interval has passed."""
        for channel in [each for each in self.holding if now - each.flushed_at >= self._interval]:
            channel.flushed_at = now
            self.flush(channel)

    def flush_topic(self, topic: str) -> None:
        """Send what is held back of a topic, before a position is told that covers it."""
        channel = self.channels.get(topic)
        if channel is not None and channel.held:
            self.flush(channel)

    def flush(self, channel: Channel) -> None:
        """Send what is held back, and let in who joined meanwhile: of this they get what is newer than they know."""
        for news in channel.held.values():
            frame = self._tell(channel, news)
            for listener, position in channel.joining.items():
                if position < news.id:
                    listener.send_event(frame)
        channel.held.clear()
        self.holding.discard(channel)
        if channel.joining:
            channel.members.update(channel.joining)
            channel.joining.clear()

    def _tell(self, channel: Channel, news: News) -> Frame:
        frame = Frame(news, channel.name, channel.sent)
        channel.sent = news.id
        for listener in channel.members:
            listener.send_event(frame)
        return frame
