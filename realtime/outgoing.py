"""What waits for one client that reads more slowly than news comes: in order, bounded, and nothing lost unmarked."""

from typing import NamedTuple

from realtime import boards, protocol
from realtime.news import Frame, Told, Wire

RESET_SIZE = 128  # bytes of a `reset` without its topic, roughly
TOO_SLOW = "you read too slowly"


class Limits(NamedTuple):
    """In bytes: from `merge` on only the newest states and one change of each board wait, from `reset` on no events,
    from `close` on nothing.

    Replays wait besides, up to `resume`: they were asked for, and inside the window they end in no reset.
    """

    merge: int
    reset: int
    close: int
    resume: int


class _Run:
    """What waits of one topic since the client was last told where it stands on it."""

    __slots__ = ("events", "last", "reset", "states")

    def __init__(self) -> None:
        self.events = 0  # those that may be replaced
        self.last = 0  # number of the newest frame
        self.states: dict[str, int] = {}  # type -> number of the newest
        self.reset: protocol.Reset | None = None  # waits in place of what was replaced, and of what comes next


class _Item:
    """A frame with its run, the `reset` in place of a run, or an answer."""

    __slots__ = ("is_missed", "run", "size", "what")

    def __init__(
        self, what: Frame | protocol.Reset | bytes, size: int, run: _Run | None = None, *, is_missed: bool = False
    ) -> None:
        self.what = what
        self.size = size
        self.run = run
        self.is_missed = is_missed  # part of a replay

    @property
    def is_event(self) -> bool:
        """Whether it may be replaced by a reset of its own accord."""
        return isinstance(self.what, Frame) and not self.is_missed and self.what.news.delivery == "event"


class Outgoing:
    """Made when a client falls behind, and forgotten when it has caught up.

    - A newer state leaves out the older one of its topic and type. The next frame on the topic then names what the
      older one named as `prev`. A cursor between them may cover the older one: the newer one comes behind it, and is
      told again to whoever resumes from there.
    - A change of a board is merged into the one before it, where that waits: so no cursor comes between what it applies
      to and the client.
    - What is replaced of a topic becomes one `reset` where the first of it was, so before any cursor that covers it;
      while that waits, it takes in what comes next of the topic.
    - Answers are never replaced; but a `cursor` that still waits when the next one comes says nothing any more.
    """

    __slots__ = (
        *("_cursor", "_events", "_items", "_limits", "_number", "_prevs", "_runs", "_seen", "_wire"),
        *("bytes", "merged", "missed", "replaced", "resets"),
    )

    def __init__(self, wire: Wire, limits: Limits) -> None:
        self.bytes = 0  # waiting, without replays
        self.missed = 0  # bytes of replays
        self.merged = self.replaced = self.resets = 0  # states, events and states, and resets for these, so far
        self._wire = wire
        self._limits = limits
        self._items: dict[int, _Item] = {}  # by number, in order
        self._number = 0
        self._events = 0  # in all runs
        self._seen = 0  # the last number when events were last replaced: there are none up to there
        self._cursor = 0
        self._runs: dict[str, _Run] = {}
        self._prevs: dict[tuple[str, str], str] = {}  # (topic, id that was left out) -> what names it names this

    def __len__(self) -> int:
        """The number of messages that wait."""
        return len(self._items)

    def add(self, frame: Frame, *, is_missed: bool = False) -> None:
        """Put a frame behind all else; `is_missed` when it is part of a replay, which is told as it was promised."""
        run = self._runs.get(frame.topic)
        if run is None:
            run = self._runs[frame.topic] = _Run()
        if run.reset is not None:
            self._take_in(frame, run.reset)
            return
        item = _Item(frame, frame.size, run)
        if is_missed and self.missed + item.size <= self._limits.resume:
            item.is_missed = True
        elif frame.news.delivery == "board":
            if self._merge_board(frame, run):
                return
        elif not item.is_event:
            self._merge(frame, run)
        run.last = self._number + 1
        self._put(item)

    def add_answer(self, answer: protocol.Answer) -> None:
        """Put an answer behind all else."""
        match answer:
            case protocol.Welcome() | protocol.Subscribed() | protocol.Unsubscribed():
                for topic in answer.topics:
                    self._runs.pop(topic, None)
            case protocol.Removed() | protocol.Reset():
                self._runs.pop(answer.topic, None)
            case protocol.Cursor():
                if self._cursor in self._items:
                    self._remove(self._cursor)
                self._cursor = self._number + 1
            case _:
                pass
        message = Told(answer).bytes_for(self._wire)
        self._put(_Item(message, len(message)))

    def take(self, room: int) -> list[bytes]:
        """The next messages: the first, and more until they are `room` bytes together."""
        messages: list[bytes] = []
        numbers: list[int] = []
        for number, item in self._items.items():
            message = self._message(item)
            messages.append(message)
            numbers.append(number)
            room -= len(message)
            if room <= 0:
                break
        for number in numbers:
            self._remove(number)
        return messages

    def relieve(self, buffered: int) -> bool:
        """With so many bytes written that still wait elsewhere: do what the limits say; whether it is to be closed."""
        if self._events and buffered + self.bytes >= self._limits.reset:
            self._replace_events()
        return buffered + self.bytes >= self._limits.close

    def _put(self, item: _Item) -> None:
        self._number += 1
        self._items[self._number] = item
        self._count(item, 1)

    def _remove(self, number: int) -> _Item:
        item = self._items.pop(number)
        self._count(item, -1)
        if item.run is not None and item.what is item.run.reset:
            item.run.reset = None
        return item

    def _count(self, item: _Item, sign: int) -> None:
        if item.is_missed:
            self.missed += sign * item.size
            return
        self.bytes += sign * item.size
        if item.run is not None and item.is_event:
            item.run.events += sign
            self._events += sign

    def _message(self, item: _Item) -> bytes:
        what = item.what
        if isinstance(what, bytes):
            return what
        if isinstance(what, protocol.Reset):
            return Told(what).bytes_for(self._wire)
        prev = self._prev(what)
        return (what if prev == what.prev else Frame(what.news, what.topic, prev)).bytes_for(self._wire)

    def _prev(self, frame: Frame) -> str | None:
        """What a frame names as the one before it, now that some were left out; asked once of each."""
        prev, seen = None, frame.prev
        while seen is not None:
            prev, seen = seen, self._prevs.pop((frame.topic, seen), None)
        return prev

    def _merge(self, state: Frame, run: _Run) -> None:
        """Leave out the older state of the same type, if one waits."""
        older = run.states.get(state.news.type, 0)
        if older in self._items:
            frame = self._remove(older).what
            assert isinstance(frame, Frame)
            prev = self._prev(frame)
            if prev is not None:
                self._prevs[frame.topic, frame.news.id] = prev
            self.merged += 1
        run.states[state.news.type] = self._number + 1

    def _merge_board(self, change: Frame, run: _Run) -> bool:
        """Merge a change into the one that it follows; False when there is none, or when they do not fit."""
        item = self._items.get(run.last)
        if item is None or item.is_missed or not isinstance(item.what, Frame):
            return False
        before = item.what
        if before.news.type != change.news.type or before.news.id != change.prev:
            return False
        merged = boards.merge([before.news, change.news])
        if len(merged) > 1:
            return False
        self._count(item, -1)
        item.what = Frame(merged[0], change.topic, before.prev)
        item.size = item.what.size
        self._count(item, 1)
        self.merged += 1
        return True

    def _replace_events(self) -> None:
        """One reset for what waits of each topic that has events, but replays; looks at everything once."""
        since = self._seen
        fresh: list[int] = []
        for number in reversed(self._items):
            if number <= since:
                break
            fresh.append(number)
        for number in reversed(fresh):
            item = self._items[number]
            run, what = item.run, item.what
            if run is None or item.is_missed or not isinstance(what, Frame):
                continue
            if run.reset is not None:
                self._remove(number)
            elif run.events:
                run.reset = protocol.Reset(topic=what.topic, cursor="", reason=TOO_SLOW)
                self._count(item, -1)
                self._items[number] = item = _Item(run.reset, RESET_SIZE + len(what.topic), run)
                self._count(item, 1)
                self.resets += 1
            else:
                continue
            self._take_in(what, run.reset)
        self._seen = self._number

    def _take_in(self, frame: Frame, reset: protocol.Reset) -> None:
        self._prev(frame)
        reset.cursor = max(reset.cursor, frame.news.id)
        self.replaced += 1
