"""Changes of a leaderboard right behind each other, as one: for whoever is told of it less often than it changes."""

from collections.abc import Sequence
from copy import copy
from typing import Final

import msgspec
from msgspec.structs import replace

from domain.leaderboards.events import LeaderboardChanged
from realtime.news import News

KEPT: Final = 64
"""How many merges are remembered: who was told nothing since the same change shares one, however many they are."""

_decode = msgspec.json.Decoder(LeaderboardChanged).decode
_kept: dict[News, News] = {}  # its first change -> the newest merge that begins there; the last used last


def merge(parts: Sequence[News]) -> list[News]:
    """Fewer news that say what these say, in order: one, unless a part does not apply to what the one before it leaves,
    or is not for everybody.

    A merge has the id of its last part, and names all that any part names: where it was in the first that names it, and
    what it is in the last. So it may be applied to the version before it, and to each in it.
    """
    if len(parts) < 2:
        return list(parts)
    first = parts[0].first or parts[0]
    known = _kept.pop(first, None)
    if known is not None:
        behind = [each for each in parts if each.id > known.id]
        if len(behind) < len(parts) and parts[-1 - len(behind)].id == known.id:
            parts = [known, *behind]
    merged = _merged(parts)
    if merged[0].first is not None:
        _kept[first] = merged[0]
        if len(_kept) > KEPT:
            del _kept[next(iter(_kept))]
    return merged


def _merged(parts: Sequence[News]) -> list[News]:
    if len(parts) == 1:
        return list(parts)
    spans: list[_Span] = []
    for news in parts:
        if not spans or not spans[-1].take(news):
            spans.append(_Span(news))
    return [each.merged() for each in spans]


class _Span:
    """News, and what follows it, as far as it does."""

    def __init__(self, news: News) -> None:
        self._first: News = news
        self._last: News = news
        self._whole = _change(news)
        self._moves = {} if self._whole is None else {each.entity_id: each for each in self._whole.moves}

    def take(self, news: News) -> bool:
        """Take what comes next, when it follows."""
        change, whole = _change(news), self._whole
        if change is None or whole is None or change.from_version != whole.version or news.topics != self._last.topics:
            return False
        for move in change.moves:
            known = self._moves.get(move.entity_id)
            self._moves[move.entity_id] = move if known is None else replace(move, old=known.old)
        self._last, self._whole = news, replace(change, from_version=whole.from_version)
        return True

    def merged(self) -> News:
        """All that was taken, as one."""
        if self._whole is None or self._last is self._first:
            return self._first
        merged = copy(self._last)
        merged.first = self._first.first or self._first
        merged.data = msgspec.json.encode(replace(self._whole, moves=list(self._moves.values())))
        return merged


def _change(news: News) -> LeaderboardChanged | None:
    """None for what must stay as it is: withheld from somebody, or not written as we write it."""
    if news.voices:
        return None
    try:
        return _decode(news.data)
    except msgspec.DecodeError:
        return None
