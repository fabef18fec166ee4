"""How acts become singles, batches and children: one inbox after the other, act by act, without I/O.

The rules are those of grouped notifications as Mastodon and others have them, with windows that count from the acts'
own times: a batch takes what comes within a day, a single becomes a batch within an hour.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple
from uuid import UUID

import msgspec

from domain.ids import NotificationID, PostID, ReviewID, UserID, new_id
from domain.settings import settings
from domain.wording import BATCHED, ActType, Details, NotificationType

HOUR: Final = timedelta(hours=1)


class Act(NamedTuple):
    """Something that somebody did, and for whom it is news. `subject` is what they did it to, or made.

    What nobody did has no actor, but `details`, and a subject that is told of once.
    """

    user_id: UserID
    type: ActType
    batch_key: str
    actor_id: UserID | None
    subject_id: UUID
    post_id: PostID | None
    at: datetime
    review_id: ReviewID | None = None
    details: Details | None = None


By = Literal["act", "subject", "pair", "post", "review"]


class Undo(NamedTuple):
    """What is no more: the acts of `other` on subject `one` (act), all acts on or of it (subject), those of actor
    `other` that user `one` was told of (pair), or all that is about the post or review `one`. With `types` or
    `user_id`, these only.
    """

    by: By
    one: UUID
    other: UUID | None = None
    types: frozenset[ActType] | None = None
    user_id: UserID | None = None


Step = Act | Undo


class Row(msgspec.Struct, kw_only=True):
    """A notification as it is stored."""

    id: NotificationID
    user_id: UserID
    type: NotificationType
    batch_key: str
    actor_id: UserID | None
    subject_id: UUID | None
    post_id: PostID | None
    review_id: ReviewID | None = None
    parent_id: NotificationID | None = None
    is_batch: bool = False
    batch_count: int = 1
    is_open: bool = False
    is_suppressed: bool = False
    created_at: datetime
    last_updated_at: datetime
    read_at: datetime | None = None
    details: Details | None = None

    @property
    def is_listed(self) -> bool:
        """Whether it is in the list, and not only below something that is."""
        return self.parent_id is None and not self.is_suppressed

    @property
    def is_unread(self) -> bool:
        """Whether it counts as unread."""
        return self.is_listed and self.read_at is None


class Slot(NamedTuple):
    """A single that was shown: one of so many an hour."""

    at: datetime
    actor_id: UserID | None
    subject_id: UUID


Pace = tuple[UserID, ActType]


class Grouping:
    """Some rows of some inboxes, and what acts make of them.

    It has to hold the open row of every key that an act names, and every row that is undone, with its batch.
    """

    def __init__(self, rows: Iterable[Row], paces: dict[Pace, list[Slot]]) -> None:
        self.rows = {row.id: row for row in rows}
        self.changed: dict[NotificationID, bool] = {}  # whether it can be seen; in the order in which they changed
        self.deleted: set[NotificationID] = set()
        self.paces = paces
        self.paced: set[Pace] = set()
        self._was = {row.id: (row.is_listed, row.is_unread) for row in self.rows.values()}
        self._of_user = {row.id: row.user_id for row in self.rows.values()}
        self._open = {(row.user_id, row.batch_key): row for row in self.rows.values() if row.is_open}
        self._index: dict[tuple[object, ...], list[Row]] | None = None

    def take(self, steps: Iterable[Step]) -> None:
        """Take the steps one after the other."""
        for step in steps:
            if isinstance(step, Act):
                self._add(step)
            else:
                for row in list(self._found(step)):
                    if row.id in self.rows:
                        self._remove(row)
                if step.by == "pair":
                    self._give_back(UserID(step.one), UserID(step.other or step.one))

    def saved(self) -> list[Row]:
        """The rows to store."""
        return [self.rows[row_id] for row_id in self.changed if row_id in self.rows]

    def unread(self) -> dict[UserID, int]:
        """By how much each user of whose something changed has more unread."""
        by: dict[UserID, int] = defaultdict(int)
        for row_id in self._touched():
            _, was = self._was.get(row_id, (False, False))
            now = row_id in self.rows and self.rows[row_id].is_unread
            by[self._of_user[row_id]] += now - was
        return by

    def news(self) -> Iterator[tuple[UserID, NotificationID, bool]]:
        """(user, notification, whether it is there now) of all that changed in the lists; what left comes first."""
        there: list[NotificationID] = []
        for row_id, can_be_seen in self._touched().items():
            was, _ = self._was.get(row_id, (False, False))
            if row_id in self.rows and self.rows[row_id].is_listed:
                there += [row_id] if can_be_seen else []
            elif was:
                yield self._of_user[row_id], row_id, False
        for row_id in there:
            yield self._of_user[row_id], row_id, True

    def gone(self) -> list[NotificationID]:
        """The rows to delete."""
        return [row_id for row_id in self._was if row_id in self.deleted]

    def _touched(self) -> dict[NotificationID, bool]:
        return self.changed | dict.fromkeys(self.deleted, True)

    def _add(self, act: Act) -> None:
        head = self._open.get((act.user_id, act.batch_key))
        if head is not None and act.at - head.created_at > _window(head):
            self._close(head)
            head = None
        if head is None:
            self._single(act)
            return
        if not head.is_batch:
            head = self._convert(head, act)
        child = self._create(act, parent_id=head.id)
        child.is_open = False
        head.batch_count += 1
        head.last_updated_at, head.read_at = act.at, None
        self.changed[head.id] = True
        if head.type == "follow" and head.batch_count >= settings.follow_batch_size:
            self._close(head)

    def _single(self, act: Act) -> None:
        """One that joins no group: of these there are only so many an hour. The same act again takes no more room: else
        one person could use it all up by doing and undoing."""
        pace = (act.user_id, act.type)
        slots = [slot for slot in self.paces.get(pace, ()) if act.at - slot.at < HOUR]
        is_again = any(slot[1:] == (act.actor_id, act.subject_id) for slot in slots)
        row = self._create(act, parent_id=None)
        row.is_open = True
        row.is_suppressed = not is_again and len(slots) >= settings.notifications_per_hour
        self._open[act.user_id, act.batch_key] = row
        if not row.is_suppressed and not is_again:
            self.paces[pace] = [*slots, Slot(act.at, act.actor_id, act.subject_id)]
            self.paced.add(pace)

    def _give_back(self, user_id: UserID, actor_id: UserID) -> None:
        """Somebody who is hidden from now on takes no room either."""
        for pace, slots in self.paces.items():
            kept = [slot for slot in slots if slot.actor_id != actor_id]
            if pace[0] == user_id and len(kept) < len(slots):
                self.paces[pace] = kept
                self.paced.add(pace)

    def _convert(self, single: Row, act: Act) -> Row:
        """Have a batch take its place."""
        batch = Row(
            id=NotificationID(new_id()),
            user_id=single.user_id,
            type=BATCHED.get(single.type, single.type),
            batch_key=single.batch_key,
            actor_id=None,
            subject_id=None,
            post_id=single.post_id,
            review_id=single.review_id,
            is_batch=True,
            is_open=True,
            created_at=act.at,
            last_updated_at=act.at,
        )
        self._keep(batch)
        single.parent_id, single.is_open, single.is_suppressed = batch.id, False, False
        self.changed[single.id] = True
        self._open[batch.user_id, batch.batch_key] = batch
        return batch

    def _create(self, act: Act, parent_id: NotificationID | None) -> Row:
        row = Row(
            id=NotificationID(new_id()),
            user_id=act.user_id,
            type=act.type,
            batch_key=act.batch_key,
            actor_id=act.actor_id,
            subject_id=act.subject_id,
            post_id=act.post_id,
            review_id=act.review_id,
            parent_id=parent_id,
            created_at=act.at,
            last_updated_at=act.at,
            details=act.details,
        )
        self._keep(row)
        return row

    def _keep(self, row: Row) -> None:
        self.rows[row.id] = row
        self._of_user[row.id] = row.user_id
        self.changed[row.id] = True
        if self._index is not None:
            _enter(self._index, row)

    def _close(self, head: Row) -> None:
        head.is_open = False
        self.changed.setdefault(head.id, False)
        del self._open[head.user_id, head.batch_key]

    def _remove(self, row: Row) -> None:
        del self.rows[row.id]
        self.deleted.add(row.id)
        if row.is_open:
            del self._open[row.user_id, row.batch_key]
        batch = None if row.parent_id is None else self.rows.get(row.parent_id)
        if batch is not None:
            batch.batch_count -= 1
            self.changed[batch.id] = True
            if not batch.batch_count:
                self._remove(batch)

    def _found(self, undo: Undo) -> Iterator[Row]:
        if self._index is None:  # made when the first is undone: most batches undo nothing
            self._index = defaultdict(list)
            for row in self.rows.values():
                _enter(self._index, row)
        for row in self._index.get((undo.by, undo.one, undo.other), ()):
            if (undo.types is None or row.type in undo.types) and undo.user_id in {None, row.user_id}:
                yield row


def _window(head: Row) -> timedelta:
    return timedelta(seconds=settings.notification_batch_s if head.is_batch else settings.notification_single_s)


def _enter(index: dict[tuple[object, ...], list[Row]], row: Row) -> None:
    if not row.is_batch:
        index["act", row.subject_id, row.actor_id].append(row)
        index["subject", row.subject_id, None].append(row)
        index["pair", row.user_id, row.actor_id].append(row)
    index["post", row.post_id, None].append(row)
    index["review", row.review_id, None].append(row)
