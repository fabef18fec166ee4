"""The rules of notifications as http.md tells them, in plain Python, for the product to be compared with.

Nothing here is imported from the product. Ids are whatever can be compared; times are datetimes.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

Id = Any

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SPOKEN = {"comment", "reply", "mention"}
"""What a person may do more than once below one thing, and others may not see."""


class Comment(NamedTuple):
    post: Id
    parent: Id | None
    author: Id


class Mentions(NamedTuple):
    """Whom something said below a post mentions, and did not before; and the other way round."""

    post: Id
    author: Id
    added: set[Id]
    removed: set[Id]


class Step(NamedTuple):
    """Something that the log tells: what happened, to or by whom, and when."""

    kind: str
    one: Id
    other: Id
    at: datetime


class Deed(NamedTuple):
    """What somebody did, as somebody else is told of it; and the post that goes with it."""

    kind: str
    actor: Id
    about: Id
    at: datetime
    post: Id | None = None


@dataclass(eq=False)
class Group:
    """A single, or a batch and what is below it."""

    owner: Id
    key: str
    kind: str
    created: datetime
    updated: datetime
    deeds: list[Deed] = field(default_factory=list[Deed])
    is_batch: bool = False
    is_shown: bool = True
    is_read: bool = False

    def actors(self) -> list[Id]:
        """The three who did it last: of a talk, among the last fifty."""
        by_time = sorted(enumerate(self.deeds), key=lambda each: (each[1].at, each[0]), reverse=True)
        last: dict[Id, datetime] = {}
        for _, deed in by_time[: 50 if self.kind in SPOKEN else 3]:
            last.setdefault(deed.actor, deed.at)
        return sorted(sorted(last), key=lambda actor: last[actor], reverse=True)[:3]


class Model:
    """What is true of a few people, what of it they have not been told yet, and what their inboxes hold."""

    def __init__(self, *, an_hour: int, follows_in_a_batch: int) -> None:
        self.an_hour, self.follows_in_a_batch = an_hour, follows_in_a_batch
        self.posts: dict[Id, Id] = {}
        self.hidden: set[Id] = set()
        self.comments: dict[Id, Comment] = {}
        self.mentions: dict[Id, set[Id]] = {}
        self.likes: set[tuple[Id, Id]] = set()
        self.follows: dict[tuple[Id, Id], str] = {}
        self.blocks: set[tuple[Id, Id]] = set()
        self.mutes: set[tuple[Id, Id]] = set()
        self.private: set[Id] = set()
        self.groups: list[Group] = []
        self.heads: dict[tuple[Id, str], Group] = {}
        self.shown: dict[tuple[Id, str], list[Deed]] = defaultdict(list)

    # What people may see and do. Every act answers with what the log tells of it; None is a refusal.

    def apart(self, one: Id, other: Id) -> bool:
        return (one, other) in self.blocks or (other, one) in self.blocks

    def sees(self, viewer: Id, post: Id) -> bool:
        author = self.posts.get(post)
        if author is None or self.apart(viewer, author):
            return False
        if viewer == author:
            return True
        is_open = author not in self.private or self.follows.get((viewer, author)) == "active"
        return is_open and post not in self.hidden

    def reads(self, viewer: Id, comment: Id) -> bool:
        said = self.comments.get(comment)
        if said is None or not self.sees(viewer, said.post) or self.apart(viewer, said.author):
            return False
        return said.parent is None or not self.apart(viewer, self.comments[said.parent].author)

    def like(self, who: Id, post: Id, at: datetime) -> list[Step] | None:
        if not self.sees(who, post):
            return None
        if (who, post) in self.likes:
            return []
        self.likes.add((who, post))
        return [Step("like", who, post, at)]

    def unlike(self, who: Id, post: Id, at: datetime) -> list[Step] | None:
        if not self.sees(who, post):
            return None
        if (who, post) not in self.likes:
            return []
        self.likes.discard((who, post))
        return [Step("unlike", who, post, at)]

    def may_comment(self, who: Id, post: Id, parent: Id | None) -> bool:
        if parent is None:
            return self.sees(who, post)
        return self.reads(who, parent) and self.comments[parent].parent is None

    def comment(self, who: Id, post: Id, parent: Id | None, comment: Id, at: datetime) -> list[Step]:
        self.comments[comment] = Comment(post, parent, who)
        return [Step("comment", comment, self.comments[comment], at)]

    def may_edit(self, who: Id, comment: Id) -> bool:
        return self.reads(who, comment) and self.comments[comment].author == who

    def mention(self, who: Id, said: Id, post: Id, name: Id | None, at: datetime) -> list[Step]:
        """Have what was said mention somebody, or nobody."""
        before = self.mentions.get(said, set())
        named = {name} - {None, who}
        now = {each for each in named if not self.apart(who, each)}
        self.mentions[said] = now
        return [] if now == before else [Step("mention", said, Mentions(post, who, now - before, before - now), at)]

    def uncomment(self, who: Id, comment: Id, at: datetime) -> list[Step] | None:
        if not self.reads(who, comment):
            return None
        said = self.comments[comment]
        if who not in {said.author, self.posts[said.post]}:
            return None
        gone = [each for each, said in self.comments.items() if comment in {each, said.parent}]
        for each in gone:
            del self.comments[each]
        return [Step("uncomment", frozenset(gone), None, at)]

    def follow(self, who: Id, other: Id, at: datetime) -> list[Step] | None:
        if self.apart(who, other):
            return None
        is_private = other in self.private
        if self.follows.get((who, other)) == "active" or (is_private and (who, other) in self.follows):
            return []
        self.follows[who, other] = "pending" if is_private else "active"
        return [Step("ask" if is_private else "follow", who, other, at)]

    def unfollow(self, who: Id, other: Id, at: datetime) -> list[Step] | None:
        return None if self.apart(who, other) else self._end(who, other, at, "active", "pending")

    def accept(self, who: Id, other: Id, at: datetime) -> list[Step] | None:
        if self.apart(who, other) or (other, who) not in self.follows:
            return None
        if self.follows[other, who] == "active":
            return []
        self.follows[other, who] = "active"
        return [Step("accept", other, who, at)]

    def reject(self, who: Id, other: Id, at: datetime) -> list[Step] | None:
        return None if self.apart(who, other) else self._end(other, who, at, "pending")

    def remove(self, who: Id, other: Id, at: datetime) -> list[Step] | None:
        return None if self.apart(who, other) else self._end(other, who, at, "active")

    def _end(self, follower: Id, followed: Id, at: datetime, *statuses: str) -> list[Step]:
        if self.follows.get((follower, followed)) not in statuses:
            return []
        del self.follows[follower, followed]
        return [Step("end", follower, followed, at)]

    def block(self, who: Id, other: Id, at: datetime) -> list[Step] | None:
        if (who, other) in self.blocks:
            return []
        if self.apart(who, other):
            return None
        ended = [*self._end(who, other, at, "active", "pending"), *self._end(other, who, at, "active", "pending")]
        self.blocks.add((who, other))
        return [*ended, Step("block", who, other, at)]

    def unblock(self, who: Id, other: Id, _: datetime) -> list[Step] | None:
        if (who, other) not in self.blocks and self.apart(who, other):
            return None
        self.blocks.discard((who, other))
        return []

    def mute(self, who: Id, other: Id, at: datetime) -> list[Step] | None:
        if self.apart(who, other):
            return None
        if (who, other) in self.mutes:
            return []
        self.mutes.add((who, other))
        return [Step("mute", who, other, at)]

    def unmute(self, who: Id, other: Id, _: datetime) -> list[Step] | None:
        if self.apart(who, other):
            return None
        self.mutes.discard((who, other))
        return []

    def delete_post(self, who: Id, post: Id, at: datetime) -> list[Step] | None:
        if self.posts.get(post) != who:
            return None
        del self.posts[post]
        self.likes = {each for each in self.likes if each[1] != post}
        self.comments = {each: said for each, said in self.comments.items() if said.post != post}
        return [Step("delete", post, None, at)]

    # What becomes of it when it is folded: what is true is what is true then, and not when it happened.

    def fold(self, steps: list[Step]) -> None:
        for step in steps:
            self._take(step)

    def _take(self, step: Step) -> None:
        kind, one, other, at = step
        match kind:
            case "like" if other in self.posts:
                self._tell(self.posts[other], f"post_interaction:post:{other}", Deed("like", one, other, at, other))
            case "comment":
                self._tell_comment(one, other, at)
            case "mention":
                self._mention(one, other, at)
            case "follow":
                self._forget(other, lambda deed: (deed.kind, deed.actor) == ("follow_request", one))
                self._tell(other, f"follow:user:{other}", Deed("follow", one, one, at))
            case "ask":
                self._tell(other, f"follow_request:user:{other}", Deed("follow_request", one, one, at))
            case "accept":
                self._forget(other, lambda deed: (deed.kind, deed.actor) == ("follow_request", one))
                self._tell(one, f"follow_accepted:user:{one}", Deed("follow_accepted", other, other, at))
            case "unlike":
                self._forget(None, lambda deed: (deed.kind, deed.actor, deed.about) == ("like", one, other))
            case "uncomment":
                self._forget(None, lambda deed: deed.about in one)
            case "end":
                self._forget(other, lambda deed: deed.kind in {"follow", "follow_request"} and deed.actor == one)
                self._forget(one, lambda deed: (deed.kind, deed.actor) == ("follow_accepted", other))
            case "block":
                self._silence(one, other)
                self._silence(other, one)
            case "mute":
                self._silence(one, other)
            case "delete":
                self._forget(None, lambda deed: deed.post == one)
            case _:
                pass

    def _silence(self, owner: Id, actor: Id) -> None:
        self._forget(owner, lambda deed: deed.actor == actor)
        for (whose, _), shown in self.shown.items():
            if whose == owner:
                shown[:] = [deed for deed in shown if deed.actor != actor]

    def _tell_comment(self, comment: Id, said: Comment, at: datetime) -> None:
        if comment not in self.comments:
            return
        author = self.posts[said.post]
        above = None if said.parent is None else self.comments[said.parent].author
        if above is not None:
            self._tell(above, f"reply:comment:{said.parent}", Deed("reply", said.author, comment, at, said.post))
        if author != above:
            self._tell(author, f"comment:post:{said.post}", Deed("comment", said.author, comment, at, said.post))

    def _mention(self, said: Id, changed: Mentions, at: datetime) -> None:
        for each in changed.removed:
            self._forget(each, lambda deed: (deed.kind, deed.about) == ("mention", said))
        if changed.post not in self.posts:
            return
        parent = self.comments[said].parent if said in self.comments else None
        hear_anyway = {self.posts[changed.post], None if parent is None else self.comments[parent].author}
        for each in changed.added - hear_anyway:
            deed = Deed("mention", changed.author, said, at, changed.post)
            self._tell(each, f"mention:post:{changed.post}", deed)

    def _tell(self, owner: Id, key: str, deed: Deed) -> None:
        if owner == deed.actor or self.apart(owner, deed.actor) or (owner, deed.actor) in self.mutes:
            return
        if deed.kind in SPOKEN:
            of_post = deed.about == deed.post
            if not (self.sees(owner, deed.post) if of_post else self.reads(owner, deed.about)):
                return
        head = self.heads.get((owner, key))
        if head is not None and deed.at - head.created > (DAY if head.is_batch else HOUR):
            head = None
        if head is None:
            head = self._new(owner, key, deed)
            lately = [shown for shown in self.shown[owner, deed.kind] if deed.at - shown.at < HOUR]
            is_again = any((shown.actor, shown.about) == (deed.actor, deed.about) for shown in lately)
            head.is_shown = is_again or len(lately) < self.an_hour
            if head.is_shown and not is_again:
                self.shown[owner, deed.kind].append(deed)
            return
        if not head.is_batch:
            self.groups.remove(head)
            single, head = head, self._new(owner, key, deed)
            head.kind = "post_interaction" if deed.kind == "like" else deed.kind
            head.deeds, head.is_batch = [*single.deeds, deed], True
        else:
            head.deeds.append(deed)
            head.updated, head.is_read = deed.at, False
        if head.kind == "follow" and len(head.deeds) >= self.follows_in_a_batch:
            del self.heads[owner, key]

    def _new(self, owner: Id, key: str, deed: Deed) -> Group:
        made = Group(owner, key, deed.kind, created=deed.at, updated=deed.at, deeds=[deed])
        self.groups.append(made)
        self.heads[owner, key] = made
        return made

    def _forget(self, owner: Id | None, which: Callable[[Deed], bool]) -> None:
        for group in list(self.groups):
            if owner in {None, group.owner}:
                group.deeds = [deed for deed in group.deeds if not which(deed)]
                if not group.deeds:
                    self._remove(group)

    def _remove(self, group: Group) -> None:
        self.groups.remove(group)
        if self.heads.get((group.owner, group.key)) is group:
            del self.heads[group.owner, group.key]

    # What their owners see of it and do with it.

    def listed(self, owner: Id) -> list[Group]:
        """The latest first; those of the same time in any order."""
        own = [group for group in self.groups if group.owner == owner and group.is_shown]
        return sorted(own, key=lambda group: group.updated, reverse=True)

    def unread(self, owner: Id) -> int:
        return sum(not group.is_read for group in self.listed(owner))

    def read(self, groups: list[Group]) -> None:
        for group in groups:
            group.is_read = True

    def throw_away(self, group: Group) -> None:
        self._remove(group)
