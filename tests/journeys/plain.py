"""A small community in plain Python, which knows nothing of the product: who may see, read and hear what, and why not.

Every act says whether it is allowed, and does it then. A `Moment` keeps what was true after an act.
"""

from typing import Any, NamedTuple

Topic = tuple[str, int]
"""("post", its number) or ("user", who)."""


class Said(NamedTuple):
    """A comment on a post, or a reply below one."""

    post: int
    author: int
    below: str | None


class Moment(NamedTuple):
    """What was true after an act."""

    lacking: dict[tuple[int, Topic], str]  # (viewer, what they may not listen to) -> why not
    readers: dict[str, frozenset[int]]  # comment -> who may hear of it
    hearers: dict[int, frozenset[int]]  # author -> whose home tells what they post
    apart: frozenset[tuple[int, int]]
    spoken: frozenset[tuple[int, int]]  # (who, post) that they have commented on
    states: dict[tuple[Topic, str], dict[str, Any]]  # (topic, type) -> what is told of it


class Plain:
    """The community as it is now. Everybody and everything is a number, but comments, which have the product's ids."""

    def __init__(self, people: int) -> None:
        self.people = range(people)
        self.follows: dict[tuple[int, int], str] = {}  # active or pending
        self.blocks: set[tuple[int, int]] = set()
        self.mutes: set[tuple[int, int]] = set()
        self.private: set[int] = set()
        self.authors: list[int] = []  # by post
        self.visible_to: list[str] = []
        self.words: list[str] = []
        self.deleted: set[int] = set()
        self.likes: set[tuple[int, int]] = set()
        self.said: dict[str, Said] = {}
        self.text: dict[str, str] = {}  # comment -> its words; those that are deleted have none

    # who may what

    def apart(self, one: int, other: int) -> bool:
        return (one, other) in self.blocks or (other, one) in self.blocks

    def why_not(self, viewer: int, topic: Topic) -> str:
        """Why they may not listen; "" when they may."""
        kind, number = topic
        if kind == "user":
            return "blocked" if self.apart(viewer, number) else ""
        author = self.authors[number]
        if number in self.deleted:
            return "deleted"
        if self.apart(viewer, author):
            return "blocked"
        is_public = self.visible_to[number] == "public" and author not in self.private
        is_followed = self.visible_to[number] != "private" and self.follows.get((viewer, author)) == "active"
        return "" if viewer == author or is_public or is_followed else "private"

    def sees(self, viewer: int, post: int) -> bool:
        return not self.why_not(viewer, ("post", post))

    def hides(self, viewer: int, comment: str) -> bool:
        """What somebody says who is apart, and whatever is below it."""
        said = self.said[comment]
        return self.apart(viewer, said.author) or (said.below is not None and self.hides(viewer, said.below))

    def finds(self, viewer: int, comment: str) -> bool:
        return comment in self.text and self._reads(viewer, comment)

    def _reads(self, viewer: int, comment: str) -> bool:
        return self.sees(viewer, self.said[comment].post) and not self.hides(viewer, comment)

    def hears(self, listener: int, author: int) -> bool:
        """Whether their home tells what the author posts."""
        return self.follows.get((listener, author)) == "active" and (listener, author) not in self.mutes

    def told_of(self, post: int) -> tuple[bool, bool]:
        """Whether homes tell of a new post, and whether the author's profile does."""
        is_public = self.visible_to[post] == "public" and self.authors[post] not in self.private
        return self.visible_to[post] != "private", is_public

    # what is shown

    def comments(self, viewer: int, post: int) -> dict[str, str]:
        return {
            each: text for each, text in self.text.items() if self.said[each].post == post and self.finds(viewer, each)
        }

    def state(self, topic: Topic, kind: str) -> dict[str, Any]:
        """What an event of this type says now."""
        _, number = topic
        match kind:
            case "post.counters":
                likes = sum(what == number for _, what in self.likes)
                comments = sum(self.said[each].post == number for each in self.text)
                return {"likes": likes, "reactions": {}, "comments": comments, "shares": 0}
            case "user.counters":
                active = [pair for pair, status in self.follows.items() if status == "active"]
                posts = sum(who == number for post, who in enumerate(self.authors) if post not in self.deleted)
                followers, following = (sum(pair[end] == number for pair in active) for end in (1, 0))
                return {"followers": followers, "following": following, "posts": posts}
            case _:
                return {"privacy_level": "private" if number in self.private else "public"}

    def moment(self) -> Moment:
        """What is true now, to look at later."""
        posts = [("post", number) for number in range(len(self.authors))]
        users = [("user", number) for number in self.people]
        kinds = [(each, "post.counters") for each in posts]
        kinds += [(each, kind) for each in users for kind in ("user.counters", "profile.changed")]
        return Moment(
            {(who, each): why for who in self.people for each in (*posts, *users) if (why := self.why_not(who, each))},
            {each: frozenset(who for who in self.people if self._reads(who, each)) for each in self.said},
            {who: frozenset(other for other in self.people if self.hears(other, who)) for who in self.people},
            frozenset((one, other) for one in self.people for other in self.people if self.apart(one, other)),
            frozenset((self.said[each].author, self.said[each].post) for each in self.text),
            {(topic, kind): self.state(topic, kind) for topic, kind in kinds},
        )

    # what is done, if it may be

    def like(self, who: int, post: int) -> bool:
        if self.sees(who, post):
            self.likes.add((who, post))
        return self.sees(who, post)

    def unlike(self, who: int, post: int) -> bool:
        if self.sees(who, post):
            self.likes.discard((who, post))
        return self.sees(who, post)

    def may_say(self, who: int, post: int, below: str | None) -> bool:
        return self.sees(who, post) and (below is None or (self.finds(who, below) and self.said[below].below is None))

    def say(self, comment: str, said: Said, words: str) -> None:
        self.said[comment], self.text[comment] = said, words

    def edit(self, who: int, comment: str, words: str) -> bool:
        may = self.finds(who, comment) and who == self.said[comment].author
        if may:
            self.text[comment] = words
        return may

    def unsay(self, who: int, comment: str) -> bool:
        said = self.said[comment]
        may = self.finds(who, comment) and who in {said.author, self.authors[said.post]}
        if may:
            for each in [each for each in self.text if comment in {each, self.said[each].below}]:
                del self.text[each]
        return may

    def follow(self, who: int, other: int) -> bool:
        if not self.apart(who, other) and self.follows.get((who, other)) != "active":
            self.follows[who, other] = "pending" if other in self.private else "active"
        return not self.apart(who, other)

    def unfollow(self, who: int, other: int) -> bool:
        self.follows.pop((who, other), None)  # there is none between those who are apart
        return not self.apart(who, other)

    def accept(self, who: int, other: int) -> bool:
        if (other, who) not in self.follows:
            return False
        self.follows[other, who] = "active"
        return True

    def reject(self, who: int, other: int) -> bool:
        if self.follows.get((other, who)) == "pending":
            del self.follows[other, who]
        return not self.apart(who, other)

    def drop(self, who: int, other: int) -> bool:
        if self.follows.get((other, who)) == "active":
            del self.follows[other, who]
        return not self.apart(who, other)

    def block(self, who: int, other: int) -> bool:
        if (other, who) in self.blocks:
            return False
        self.blocks.add((who, other))
        self.follows.pop((who, other), None)
        self.follows.pop((other, who), None)
        return True

    def unblock(self, who: int, other: int) -> bool:
        self.blocks.discard((who, other))
        return not self.apart(who, other)

    def mute(self, who: int, other: int) -> bool:
        if not self.apart(who, other):
            self.mutes.add((who, other))
        return not self.apart(who, other)

    def unmute(self, who: int, other: int) -> bool:
        if not self.apart(who, other):
            self.mutes.discard((who, other))
        return not self.apart(who, other)

    def publish(self, who: int, visible_to: str, words: str) -> int:
        self.authors.append(who)
        self.visible_to.append(visible_to)
        self.words.append(words)
        return len(self.authors) - 1

    def changes(self, who: int, post: int) -> bool:
        """Whether they may change it: edit it, show it to others, delete it."""
        return who == self.authors[post] and post not in self.deleted
