"""What was done, and what each socket told of it: lost, duplicated, out of order. Pure: no I/O, no clock.

Times are of one machine's monotonic clock, which all its processes share. An event is *due* to whoever listened from
before it was asked for and either stayed to the end or was moved past its id; what happened while somebody came,
left or was reset may be told or not.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

UNFOLLOWED_S = 2.0
"""What was posted so shortly before an unfollow may have been withheld because of it."""
SINGLES_AN_HOUR = 20  # of a type; further ones are stored and not shown
FOLLOWS_IN_A_BATCH = 10


class Happened(NamedTuple):
    """An event that has to be told: a name that no other has, and from which source."""

    what: str
    source: str
    asked: float
    answered: float


class Span(msgspec.Struct):
    """Since when somebody hears of a source, and until when; None: to the end."""

    since: float
    until: float | None = None


class Hearing(msgspec.Struct):
    """One person's subscription to one topic, connection after connection, and what it told."""

    sources: dict[str, Span]
    position: str
    told: list[str] = []
    out_of_order: int = 0
    repeated: int = 0
    resets: list[tuple[str, str]] = []
    ended: bool = False
    last: str = ""

    def take(self, event_id: str, prev: str | None, what: str | None, position: str) -> None:
        """A frame as it came, with the position that the client held before."""
        if event_id <= max(self.last, position):
            if what is None and event_id == self.last:
                self.repeated += 1
            elif what not in self.told:
                self.out_of_order += 1
        elif prev is not None and prev > position:
            self.out_of_order += 1
            return  # the client asks again, and is told again
        self.last = max(self.last, event_id)
        if what is not None:
            self.told.append(what)

    def reset(self, cursor: str, position: str) -> None:
        """The server said that it can prove nothing of what was between the two."""
        self.resets.append((position, cursor))
        self.last = cursor


class Account(msgspec.Struct):
    """The sum of it."""

    due: int = 0
    told: int = 0
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    unexpected: int = 0
    examples: list[str] = []

    def note(self, kind: str, number: int, example: str) -> None:
        """Count a fault, and keep a few to look at."""
        if number:
            setattr(self, kind, getattr(self, kind) + number)
            if len(self.examples) < 20:
                self.examples.append(f"{kind}: {example}")


def audit(happened: Iterable[Happened], hearings: Sequence[Hearing], ids: Mapping[str, str]) -> Account:
    """Hold what was told against what happened; `ids` are those of the events that anybody was told of."""
    account = Account()
    by_source: dict[str, list[Happened]] = defaultdict(list)
    for each in happened:
        by_source[each.source].append(each)
    for hearing in hearings:
        times = Counter(hearing.told)
        known: set[str] = set()
        for source, span in hearing.sources.items():
            for act in by_source.get(source, ()):
                known.add(act.what)
                if is_due(act, ids.get(act.what), hearing, span):
                    account.due += 1
                    account.note("lost", act.what not in times, f"{act.what} from {source}")
        account.told += len(hearing.told)
        for what, number in times.items():
            account.note("duplicated", number - 1, what)
            account.note("unexpected", what not in known, what)
        account.note("duplicated", hearing.repeated, f"state of {', '.join(hearing.sources)}")
        account.note("out_of_order", hearing.out_of_order, ", ".join(hearing.sources))
    return account


def is_due(act: Happened, event_id: str | None, hearing: Hearing, span: Span) -> bool:
    """Whether this subscription had to tell it."""
    if act.asked < span.since or (span.until is not None and act.answered > span.until):
        return False
    if any(event_id is None or skipped < event_id <= cursor for skipped, cursor in hearing.resets):
        return False
    return not hearing.ended or (event_id is not None and event_id <= hearing.position)


Row = tuple[str, str, str]
"""Whose notification, of which kind (like, comment, follow), and of which post."""


def audit_inboxes(acts: Mapping[Row, int], inboxes: Mapping[str, Mapping[tuple[str, str], int]]) -> Account:
    """Hold the rows of live inboxes against the acts: each act is in one row, however they are grouped."""
    account = Account()
    groups: Counter[tuple[str, str]] = Counter()
    for (whose, kind, _), number in acts.items():
        groups[whose, kind] += -(-number // FOLLOWS_IN_A_BATCH) if kind == "follow" else 1
    rows = {*acts, *((whose, *about) for whose, inbox in inboxes.items() for about in inbox)}
    for whose, kind, post in rows:
        if whose not in inboxes:
            continue
        due, shown = acts.get((whose, kind, post), 0), inboxes[whose].get((kind, post), 0)
        alone = (due % FOLLOWS_IN_A_BATCH if kind == "follow" else due) == 1
        hidden = int(alone and groups[whose, kind] > SINGLES_AN_HOUR)
        account.due += due
        account.told += shown
        account.note("lost", max(due - hidden - shown, 0), f"{kind} in the inbox of {whose}: {shown} of {due}")
        account.note("duplicated", max(shown - due, 0), f"{kind} in the inbox of {whose}: {shown} of {due}")
    return account
