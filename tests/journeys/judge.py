"""Judges what a client was told, frame by frame, by the acts that had begun when it came."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tests.journeys.plain import Moment, Topic
from tests.journeys.witness import STATES, Told


class Published(NamedTuple):
    """A post when it was made; `at_home` and `on_profile`: whether it was told there."""

    moment: int
    number: int
    author: int
    at_home: bool
    on_profile: bool


class Ledger:
    """What was done, and when; a moment is the number of acts up to there."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self.topics: dict[str, Topic] = {}
        self.words: dict[str, tuple[int, str]] = {}  # of a comment, each time others -> when, and the comment
        self.gone: dict[str, int] = {}  # comment or post that was deleted -> when
        self.rewritten: dict[str, tuple[int, Topic]] = {}  # words of a post -> when, and the post
        self.posts: dict[str, Published] = {}

    def between(self, first: int, last: int) -> Sequence[Moment]:
        return self.moments[first : last + 1]


def misdeeds(ledger: Ledger, who: int, told: Iterable[Told]) -> Iterator[str]:
    """Everything that they should not have been told."""
    last: dict[tuple[str, str], int] = {}  # (topic, type) -> the earliest moment that the newest state can be of
    resets: dict[str, list[int]] = {}  # since it was had, or had again
    for each in told:
        frame = each.frame
        match frame["op"]:
            case "event" if frame["type"] in STATES:
                key = (frame["topic"], frame["type"])
                found = _state_of(ledger, who, each, last.get(key, 0))
                if found is None:
                    yield f"a state that was not so, or not for them: {each}"
                last[key] = last.get(key, 0) if found is None else found
            case "event":
                if not _may_hear(ledger, who, each):
                    yield f"not for them: {each}"
            case "removed" | "error":
                lacking = {moment.lacking.get((who, ledger.topics[frame["topic"]])) for moment in _asked(ledger, each)}
                if frame["code"] not in lacking - {None} and not (frame["code"] == "not_found" and lacking - {None}):
                    yield f"taken away while they had it: {each}"
            case "reset":
                resets.setdefault(frame["topic"], []).append(each.moment)
                if _turns(ledger, who, frame["topic"], each.moment) < len(resets[frame["topic"]]):
                    yield f"a reset without a reason: {each}"
            case "back":
                resets.pop(frame["topic"], None)
            case _:
                pass


def _asked(ledger: Ledger, told: Told) -> Sequence[Moment]:
    return ledger.between(told.asked, told.moment)


def _may_hear(ledger: Ledger, who: int, told: Told) -> bool:
    """Whether they might know of it at some time between the act and the frame."""
    frame, data = told.frame, told.frame["data"]
    match frame["type"]:
        case "comment.created":
            may = _may_read(ledger, who, told, *ledger.words[data["comment"]["content"]])
        case "comment.edited":
            may = _may_read(ledger, who, told, *ledger.words[data["content"]])
        case "comment.deleted":
            may = _may_read(ledger, who, told, ledger.gone[data["id"]], data["id"])
        case "post.edited":
            done, topic = ledger.rewritten[data["content"]]
            may = any((who, topic) not in moment.lacking for moment in ledger.between(done, told.moment))
        case "post.deleted":
            may = (who, ledger.topics[frame["topic"]]) not in ledger.moments[ledger.gone[data["id"]] - 1].lacking
        case "post.published":
            may = _may_hear_of_post(ledger, who, told, ledger.posts[data["post"]["id"]])
        case _:
            may = False
    return may


def _may_hear_of_post(ledger: Ledger, who: int, told: Told, made: Published) -> bool:
    since = ledger.between(made.moment, told.moment)
    if told.frame["topic"] == "home":
        return made.at_home and any(who in moment.hearers[made.author] for moment in since)
    return made.on_profile and any((who, ("user", made.author)) not in moment.lacking for moment in since)


def _may_read(ledger: Ledger, who: int, told: Told, done: int, comment: str) -> bool:
    return any(who in moment.readers[comment] for moment in ledger.between(done, told.moment))


def _state_of(ledger: Ledger, who: int, told: Told, since: int) -> int | None:
    """The first moment, not before the one of the state before it, at which this was so, and since which they might
    know it; None when there is none."""
    topic, data = ledger.topics[told.frame["topic"]], told.frame["data"]
    for number in range(since, told.moment + 1):
        state = ledger.moments[number].states.get((topic, told.frame["type"]))
        if state is not None and _says(data, state):
            later = ledger.between(number, told.moment)
            if any((who, topic) not in moment.lacking for moment in later):
                return number
    return None


def _says(data: dict[str, Any], state: dict[str, Any]) -> bool:
    return all(data[name] == value for name, value in state.items())


def _turns(ledger: Ledger, who: int, topic: str, upto: int) -> int:
    """How often somebody who has spoken there was hidden from them, or shown to them again."""
    kind, number = ledger.topics.get(topic, ("", 0))
    turned = 0
    for moment in range(1, upto + 1):
        before, after = ledger.moments[moment - 1].apart, ledger.moments[moment].apart
        people = {other for one, other in before ^ after if one == who}
        spoken = {other for each in ledger.between(moment, upto) for other, post in each.spoken if post == number}
        turned += kind == "post" and not people.isdisjoint(spoken)
    return turned


def due(ledger: Ledger, who: int, post: str, at_home: bool, listens_since: int | None) -> bool:
    """Whether they must have been told of this post, at home or on its author's profile."""
    made = ledger.posts[post]
    if listens_since is None or listens_since >= made.moment:
        return False
    since = ledger.moments[made.moment :]
    if any((who, ("post", made.number)) in moment.lacking for moment in since):
        return False  # who is told again what they missed is not told of that
    return made.at_home and all(who in moment.hearers[made.author] for moment in since) if at_home else made.on_profile
