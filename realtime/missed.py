"""What a client missed of the topics it comes back to, less what is not for it, or is no more."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Set
from typing import Literal, NamedTuple
from uuid import UUID

from domain import eventlog, topics
from domain.accounts.rules import Viewer
from domain.comments.queries import spoken_on
from domain.ids import UserID
from domain.posts.queries import visible_posts
from domain.rankings.queries import visible_rankers
from domain.reviews.queries import heard_of
from realtime.access import HOME, channel
from realtime.home import Audiences, author_of
from realtime.news import News, milliseconds
from realtime.replay import Ring

Spoken = Callable[[Collection[UserID], Collection[UUID]], Awaitable[set[tuple[UserID, UUID]]]]

# Topics on which acts of people who are blocked are withheld, and what is below them; and who said something there.
SPOKEN: dict[str, Spoken] = {"post": spoken_on, "review": spoken_on, "dish": heard_of, "restaurant": heard_of}
WITHHOLDING = tuple(f"{kind}:" for kind in SPOKEN)
TABLES = ("dish:", "restaurant:")  # where what people rank and say of it is told
HOME_NEWS = "author:*"  # where the ring keeps the news of all authors
PUBLISHED = "post.published"
TAKES_BACK = {"comment.deleted", "ranking.changed", "review.deleted"}  # what may leave nothing that the database knows
CATCH_UP_S = 2.0  # a batch is cut at least every `settings.watermark_s`
HOLDS = topics.holds("")


class Question(NamedTuple):
    """Something that the ring does not know.

    Does the viewer follow this author (follows)? May they still see this post, of which something changed at `since`
    (sees), or what this person ranks and reviews (reads)? Did this person, who was hidden or shown at `since`, say
    something on this topic (spoke)?
    """

    what: Literal["follows", "sees", "reads", "spoke"]
    one: str
    other: str
    since: str


class Missed:
    """The ring, as one viewer may be told it again. What it needs to know is asked for before it is told."""

    def __init__(self, viewer: Viewer, ring: Ring, audiences: Audiences) -> None:
        self._viewer = viewer
        self._ring = ring
        self._audiences = audiences
        self._answers: dict[Question, bool] = {}

    def unknown(self, asked: Mapping[str, str | None]) -> set[Question]:
        """What is to be asked before these topics can be told from their cursors on."""
        questions: set[Question] = set()
        for topic, cursor in asked.items():
            if cursor is None:
                continue
            if topic.startswith(WITHHOLDING):
                questions |= self._voices(topic, cursor)
            for news, _ in self._ring.since(self._key(topic), cursor, self._is_there) or ():
                if topic == HOME:
                    questions.add(self._of_author(news))
                questions |= self._of_access(topic, news)
        return questions - self._answers.keys()

    async def ask(self, questions: Collection[Question]) -> None:
        """Find out, a query for each kind of question. Raises what the database raises."""
        by: dict[str, list[Question]] = defaultdict(list)
        for question in questions:
            by[question.what].append(question)
        if authors := {UserID(UUID(each.one)) for each in by["follows"]}:
            followed = await self._audiences.followed(self._viewer.id, authors)
            self._answers |= {each: UUID(each.one) in followed for each in by["follows"]}
        if posts := {UUID(each.one) for each in by["sees"]}:
            seen = await visible_posts(self._viewer, posts)
            self._answers |= {each: UUID(each.one) in seen for each in by["sees"]}
        if people := {UserID(UUID(each.one)) for each in by["reads"]}:
            read = await visible_rankers(self._viewer, people)
            self._answers |= {each: UUID(each.one) in read for each in by["reads"]}
        answers: dict[Question, bool] = {}
        for kind, who_spoke in SPOKEN.items():
            asked = {each: _pair(each) for each in by["spoke"] if each.other.startswith(f"{kind}:")}
            if asked:
                people, things = zip(*asked.values(), strict=True)
                spoken = await who_spoke(set(people), set(things))
                answers |= {each: pair in spoken for each, pair in asked.items()}
        if not all(answers.values()):
            await self._catch_up()
        self._answers |= answers

    async def _catch_up(self) -> None:
        """Wait until the ring knows all that the database knew: who has not spoken may have deleted what they said, and
        that this was withheld is seen in the ring alone. Raises TimeoutError."""
        known = await eventlog.newest_batch()
        async with asyncio.timeout(CATCH_UP_S):
            while milliseconds(self._ring.newest) <= known:
                await asyncio.sleep(0.01)

    def told(self, topic: str, owner: str, cursor: str, hidden: Set[str]) -> list[tuple[News, str]] | None:
        """The news behind a cursor that is told again, each with the id told before it; None when it is too old."""

        def is_told(news: News) -> bool:
            if not self._is_there(news):
                return False
            if not self._answers.get(self._of_author(news)) if topic == HOME else news.is_withheld(hidden, owner):
                return False
            return all(self._answers.get(each) for each in self._of_access(topic, news))

        return self._ring.since(self._key(topic), cursor, is_told)

    def is_stale(self, topic: str, cursor: str) -> bool:
        """Whether a copy may hold what somebody said who was hidden or shown since then."""
        voices = self._voices(topic, cursor) if topic.startswith(WITHHOLDING) else set[Question]()
        people = {each.one for each in voices}
        ended = (news for news, _ in self._ring.since(topic, cursor) or () if news.type in TAKES_BACK)
        return any(self._answers.get(each) for each in voices) or any(news.is_withheld(people) for news in ended)

    def _key(self, topic: str) -> str:
        return HOME_NEWS if topic == HOME else channel(self._viewer.id, topic)

    def _is_there(self, news: News) -> bool:
        """Whether what it holds is not deleted since."""
        things = [each.removeprefix(HOLDS) for each in news.topics if each.startswith(HOLDS)]
        return not any(self._ring.last(f"gone:{each}") > news.id for each in things)

    def _voices(self, topic: str, cursor: str) -> set[Question]:
        changed = self._ring.since(f"apart:{self._viewer.id}", cursor) or ()
        return {
            Question("spoke", person, topic, news.id)
            for news, _ in changed
            for person, _ in news.turned(str(self._viewer.id))
        }

    def _of_author(self, news: News) -> Question:
        return Question("follows", str(author_of(news)), "", news.id)

    def _of_access(self, topic: str, news: News) -> set[Question]:
        """Nothing while nothing has changed that could have hidden what it holds."""
        last, held = self._ring.last, [each.removeprefix(HOLDS) for each in news.topics if each.startswith(HOLDS)]
        if not held:
            return set()
        if topic.startswith(TABLES):
            changed = {each: last(f"access:{each}:*") for each in news.voices}
            return {Question("reads", each, "", since) for each, since in changed.items() if since > news.id}
        if news.type != PUBLISHED:
            return set()
        since = max(last(f"access:{author_of(news)}:*"), last(f"again:{held[0]}"))
        return {Question("sees", held[0].removeprefix("post:"), "", since)} if since > news.id else set()


def _pair(spoke: Question) -> tuple[UserID, UUID]:
    """The person and the thing."""
    return UserID(UUID(spoke.one)), UUID(spoke.other.partition(":")[2])
