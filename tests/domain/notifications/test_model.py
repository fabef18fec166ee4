"""Whatever people do, and whenever and in whatever portions it is folded: inboxes hold what the model says, and so
does a client's copy that was only told of changes. POTLUCK_MODEL_RUNS sets the number of runs.
"""

import os
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as configured
from hypothesis import strategies as st
from msgspec.structs import replace

from domain import db
from domain.accounts.actions import ProfileChanges, change_profile
from domain.accounts.rules import Viewer
from domain.acts.actions import fold
from domain.comments.actions import CommentChanges, NewComment, comment_on, delete_comment, edit_comment
from domain.errors import DomainError
from domain.eventlog import Logged
from domain.graph import actions as graph
from domain.ids import CommentID, NotificationID, PostID, UserID, new_id
from domain.notifications import rules
from domain.notifications.actions import ReadWhat, delete_notification, read
from domain.notifications.events import NotificationRemoved, NotificationsRead, NotificationUpserted
from domain.notifications.queries import Notification, NotificationNotFound, read_children, read_notifications
from domain.posts.actions import PostChanges, delete_post, edit_post
from domain.reactions.actions import like_post, unlike_post
from domain.settings import settings
from domain.targets import Target
from tests.domain.notifications.folding import NOON, Log, at, told
from tests.domain.notifications.model import Group, Model, Step
from tests.factories import make_post, make_user

RUNS = int(os.environ.get("POTLUCK_MODEL_RUNS", "40"))
PEOPLE = 5
AUTHORS = (0, 0, 0, 1)
"""Of the first posts."""
FOLLOWED = (0, 0, 0, 1, 2, 3, 4, 4)
"""Whom the others follow: some more than others, for some groups fill up."""
TOGETHER = ["follow", "unfollow", "accept", "reject", "remove", "block", "unblock", "mute", "unmute"]
ALWAYS = [
    *["like", "like", "like", "unlike", "comment", "reply", "follow", "accept", "wait"],
    *["fold", "fold", "fold all", "read", "read all"],
]
SELDOM = [
    *TOGETHER,
    *[
        "comment",
        "reply",
        "reply",
        "mention",
        "mention in post",
        "edit",
        "edit post",
        "uncomment",
        "delete post",
        "publish",
        "private",
        "public",
        "hide",
        "show",
        "throw away",
    ],
]
WAITS = [
    *(timedelta(microseconds=1), timedelta(minutes=30), timedelta(minutes=30), timedelta(minutes=30)),
    *(timedelta(hours=1), timedelta(hours=1, microseconds=1), timedelta(hours=12), timedelta(hours=12)),
    *(timedelta(hours=24), timedelta(hours=24, microseconds=1)),
]
Act = tuple[str, int, int]


@st.composite
def sequences(draw: st.DrawFn) -> list[Act]:
    """Each run does some things often and others never, so that what takes many steps comes about."""
    seldom = draw(st.lists(st.sampled_from(SELDOM), max_size=8))
    act = st.tuples(st.sampled_from([*ALWAYS, *seldom]), st.integers(0, PEOPLE - 1), st.integers(0, 29))
    return draw(st.lists(act, min_size=30, max_size=120))


Shape = tuple[Any, ...]


class Copy:
    """What one client holds: the list as it was told of it."""

    def __init__(self) -> None:
        self.rows: dict[NotificationID, Notification] = {}
        self.unread, self.version = 0, 0

    def apply(self, events: list[Any]) -> None:
        """Take what one transaction told."""
        assert len({(event.unread, event.version) for event in events}) == 1
        assert events[0].version > self.version
        self.unread, self.version = events[0].unread, events[0].version
        ids = [_about(event) for event in events]
        assert len(set(ids)) == len(ids)
        assert events == sorted(events, key=lambda event: not isinstance(event, NotificationRemoved))
        for event in events:
            match event:
                case NotificationUpserted(notification=row):
                    self.rows[row.id] = row
                case NotificationRemoved(id=row_id):
                    del self.rows[row_id]
                case NotificationsRead(ids=ids, up_to=up_to):
                    for row in self.rows.values():
                        if not row.read and (row.id in (ids or ()) or row.last_updated_at <= (up_to or "")):
                            self.rows[row.id] = replace(row, read=True)
                case _:
                    raise AssertionError(event)

    def listed(self) -> list[Notification]:
        """As a client shows it."""
        return sorted(self.rows.values(), key=lambda row: (row.last_updated_at, row.id), reverse=True)


def _about(event: Any) -> Any:
    return event.notification.id if isinstance(event, NotificationUpserted) else getattr(event, "id", None)


class Run:
    """One sequence of acts on fresh people."""

    def __init__(self, people: list[Viewer], model: Model) -> None:
        self.people = people
        self.model = model
        self.now = NOON
        self.log = Log()
        self.pending: list[tuple[list[Step], list[Logged]]] = []
        self.posts: list[tuple[PostID, Viewer]] = []
        self.comments: list[CommentID] = []
        self.copies = {each.id: Copy() for each in people}
        self.found: dict[UserID, list[tuple[Notification, Group]]] = {each.id: [] for each in people}

    async def begin(self) -> None:
        for author in AUTHORS:
            await self._publish(self.people[author])
        await self.act(("private", PEOPLE - 1, 0))
        await self.log.new()

    async def act(self, act: Act) -> None:
        name, who, number = act
        me, other, (post_id, author) = (
            self.people[who],
            self.people[number % PEOPLE],
            self.posts[number % len(self.posts)],
        )
        if name in TOGETHER:
            await self._between(name, me.id, other.id, number)
            return
        match name:
            case "like":
                await self._do(like_post(me, post_id), self.model.like(me.id, post_id, self.now))
            case "unlike":
                liked = [post for user, post in self.model.likes if user == me.id]
                post_id = liked[number % len(liked)] if liked else post_id
                await self._do(unlike_post(me, post_id), self.model.unlike(me.id, post_id, self.now))
            case "comment" | "mention":
                await self._comment(me, post_id, None, other if name == "mention" else None)
            case "reply" if self.comments:
                parent = self.comments[number % len(self.comments)]
                if parent in self.model.comments:
                    mentioned = other if number % 3 == 0 else None
                    await self._comment(me, self.model.comments[parent].post, parent, mentioned)
            case "edit" if self.comments:
                await self._edit(me, self.comments[number % len(self.comments)], other if number % 3 else None)
            case "edit post" if post_id in self.model.posts:
                steps = self.model.mention(author.id, post_id, post_id, other.id if number % 3 else None, self.now)
                content = self._said(other if number % 3 else None)
                await self._do(edit_post(author, post_id, PostChanges(content=content)), steps)
            case "uncomment" if self.comments:
                comment = self.comments[number % len(self.comments)]
                await self._do(delete_comment(me, comment), self.model.uncomment(me.id, comment, self.now))
            case "delete post" if number < 10:
                own = [post for post, author in self.model.posts.items() if author == me.id]
                post_id = own[number % len(own)] if own else post_id
                await self._do(delete_post(me, post_id), self.model.delete_post(me.id, post_id, self.now))
            case "publish" | "mention in post":
                await self._publish(me, other if name == "mention in post" else None)
            case "private" | "public":
                await change_profile(me, me.id, ProfileChanges(privacy_level=name))
                (self.model.private.add if name == "private" else self.model.private.discard)(me.id)
            case "hide" | "show" if post_id in self.model.posts:
                visibility = "private" if name == "hide" else "public"
                await edit_post(author, post_id, PostChanges(visibility=visibility))
                (self.model.hidden.add if name == "hide" else self.model.hidden.discard)(post_id)
            case "wait":
                self.now += WAITS[number % len(WAITS)]
            case "fold" | "fold all":
                await self.fold(1 + number % 6 if name == "fold" else len(self.pending))
            case "read" | "read all":
                await self._read(me, number, everything=name == "read all")
            case "throw away":
                await self._throw_away(me, number)
            case _:
                pass

    async def _between(self, name: str, me: UserID, other: UserID, number: int) -> None:
        if name in {"accept", "reject", "remove", "unfollow"}:
            mine, theirs = (0, 1) if name == "unfollow" else (1, 0)
            known = [pair[theirs] for pair in self.model.follows if pair[mine] == me]
            other = known[number % len(known)] if known else other
        elif name == "follow":
            other = self.people[FOLLOWED[number % len(FOLLOWED)]].id
        if me != other:
            (viewer,) = [each for each in self.people if each.id == me]
            await self._do(PRODUCT[name](viewer, other), getattr(self.model, name)(me, other, self.now))

    def _said(self, mentioned: Viewer | None) -> str:
        return "Good" if mentioned is None else f"Good, @person{self.people.index(mentioned)}"

    async def _publish(self, author: Viewer, mentioned: Viewer | None = None) -> None:
        post = await make_post(author, content=self._said(mentioned))
        self.posts.append((post.id, author))
        self.model.posts[post.id] = author.id
        name = None if mentioned is None else mentioned.id
        await self._do(_done(), self.model.mention(author.id, post.id, post.id, name, self.now))

    async def _comment(
        self, me: Viewer, post_id: PostID, parent: CommentID | None, mentioned: Viewer | None = None
    ) -> None:
        act = comment_on(me, Target("post", post_id), NewComment(content=self._said(mentioned), parent_id=parent))
        if not self.model.may_comment(me.id, post_id, parent):
            await self._do(act, None)
            return
        comment = (await act).id
        self.comments.append(comment)
        name = None if mentioned is None else mentioned.id
        steps = self.model.comment(me.id, post_id, parent, comment, self.now)
        steps += self.model.mention(me.id, comment, post_id, name, self.now)
        await self._do(_done(), steps)

    async def _edit(self, me: Viewer, comment: CommentID, mentioned: Viewer | None) -> None:
        act = edit_comment(me, comment, CommentChanges(content=self._said(mentioned)))
        if not self.model.may_edit(me.id, comment):
            await self._do(act, None)
            return
        post_id, name = self.model.comments[comment].post, None if mentioned is None else mentioned.id
        await self._do(act, self.model.mention(me.id, comment, post_id, name, self.now))

    async def _do(self, act: Awaitable[object], steps: list[Step] | None) -> None:
        """Do it, and remember what is to be folded of it; `steps` is what the model says of it, None a refusal."""
        if steps is None:
            with pytest.raises(DomainError):
                await act
            return
        await act
        events = at(await self.log.new(), self.now)
        assert len(events) == len(steps)
        if events:
            self.pending.append((steps, events))

    async def fold(self, number: int) -> None:
        """Fold the first acts that are not folded yet."""
        acts, self.pending = self.pending[:number], self.pending[number:]
        self.model.fold([step for steps, _ in acts for step in steps])
        await fold([event for _, events in acts for event in events])
        await self.check()

    async def _read(self, me: Viewer, number: int, *, everything: bool) -> None:
        """All, or some of them, and what is no business of theirs."""
        some = [each for i, each in enumerate(self.found[me.id]) if everything or number >> i & 1]
        self.model.read([group for _, group in some])
        strange = [NotificationID(new_id()), *(row.id for row, _ in self.found[self.people[number % PEOPLE].id])]
        ids = [row.id for row, _ in some] + (strange if self.people[number % PEOPLE] is not me else strange[:1])
        answer = await read(me, ReadWhat(all=True) if everything else ReadWhat(ids=ids))
        assert answer.unread == self.model.unread(me.id)
        await self.check()

    async def _throw_away(self, me: Viewer, number: int) -> None:
        found = self.found[me.id]
        if not found:
            return
        row, group = found[number % len(found)]
        for stranger in self.people:
            if stranger is not me:
                with pytest.raises(NotificationNotFound):
                    await delete_notification(stranger, row.id)
        for child in await read_children(me, row.id, None, 1):
            with pytest.raises(NotificationNotFound):
                await delete_notification(me, child.id)
        await delete_notification(me, row.id)
        self.model.throw_away(group)
        await self.check()

    async def check(self) -> None:
        """Everybody's inbox is what the model says and what they were told."""
        for user_id, events in told(await self.log.new()).items():
            self.copies[user_id].apply(events)
        for each in self.people:
            await self._check(each)
        rows = sum(len(group.deeds) + group.is_batch for group in self.model.groups)
        assert await db.fetchval("SELECT count(*) FROM notifications") == rows

    async def _check(self, viewer: Viewer) -> None:
        inbox = await read_notifications(viewer, None, 100)
        groups = {self._deeds(group): group for group in self.model.listed(viewer.id)}
        rows = {await self._told_of(viewer, row): row for row in inbox.items}
        assert rows.keys() == groups.keys()
        for deeds, row in rows.items():
            assert _shape(row) == self._shape_of(groups[deeds])
        assert inbox.unread == self.model.unread(viewer.id)
        assert inbox.items == sorted(inbox.items, key=lambda row: (row.last_updated_at, row.id), reverse=True)
        copy = self.copies[viewer.id]
        assert [self._as_seen(viewer, row) for row in copy.listed()] == [
            self._as_seen(viewer, row) for row in inbox.items
        ]
        assert copy.unread == inbox.unread
        self.found[viewer.id] = [(row, groups[deeds]) for deeds, row in rows.items()]

    def _as_seen(self, viewer: Viewer, row: Notification) -> Notification:
        """Who is hidden is named no more at once, but in what was told before."""
        actors = [each for each in row.actors if not self.model.apart(viewer.id, each.id)]
        return replace(row, read_at=None, actors=actors, message="")

    def _deeds(self, group: Group) -> frozenset[Shape]:
        return frozenset((deed.kind, self._seen(group, deed.actor), deed.about, deed.at) for deed in group.deeds)

    def _shape_of(self, group: Group) -> Shape:
        count, actors = len(group.deeds), [each for each in group.actors() if self._seen(group, each)]
        return group.kind, group.key, group.is_batch, count, group.is_read, actors, group.created, group.updated

    def _seen(self, group: Group, actor: Any) -> Any:
        return None if self.model.apart(group.owner, actor) else actor

    async def _told_of(self, viewer: Viewer, row: Notification) -> frozenset[Shape]:
        """Whatever a row tells of."""
        below = await read_children(viewer, row.id, None, 100)
        assert bool(below) is row.is_batch
        assert [(each.parent_id, each.read, each.is_batch, each.batch_key) for each in below] == [
            (row.id, row.read, False, row.batch_key)
        ] * len(below)
        assert below == sorted(below, key=lambda each: (each.created_at, each.id), reverse=True)
        return frozenset(_deed(each) for each in (below or [row]))


def _deed(row: Notification) -> Shape:
    about = row.data.comment_id or row.data.post_id or row.data.user_id
    return row.type, row.actors[0].id if row.actors else None, about, datetime.fromisoformat(row.created_at)


def _shape(row: Notification) -> Shape:
    times = datetime.fromisoformat(row.created_at), datetime.fromisoformat(row.last_updated_at)
    actors = [actor.id for actor in row.actors]
    return row.type, row.batch_key, row.is_batch, row.batch_count, row.read, actors, *times


async def _done() -> None:
    """It was done before."""


PRODUCT: dict[str, Callable[[Viewer, UserID], Awaitable[object]]] = {
    "follow": graph.follow_user,
    "unfollow": graph.unfollow_user,
    "accept": graph.accept_request,
    "reject": graph.reject_request,
    "remove": graph.remove_follower,
    "block": graph.block_user,
    "unblock": graph.unblock_user,
    "mute": graph.mute_user,
    "unmute": graph.unmute_user,
}


@pytest.mark.timeout(7200)
@configured(
    max_examples=RUNS,
    deadline=None,
    derandomize=RUNS < 100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    print_blob=True,
)
@given(an_hour=st.sampled_from([1, 2, 20]), follows=st.sampled_from([2, 3, 10]), sequence=sequences())
async def test_inboxes_hold_what_the_model_says_and_so_do_those_who_were_told(
    monkeypatch: pytest.MonkeyPatch, an_hour: int, follows: int, sequence: list[Act]
) -> None:
    limits = replace(settings, notifications_per_hour=an_hour, follow_batch_size=follows)
    monkeypatch.setattr(rules, "settings", limits)
    async with db.rolled_back():
        people = [await make_user(username=f"person{number}") for number in range(PEOPLE)]
        run = Run(people, Model(an_hour=an_hour, follows_in_a_batch=follows))
        await run.begin()
        for act in sequence:
            await run.act(act)
        await run.fold(len(run.pending))
