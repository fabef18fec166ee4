"""Do it once: claim a key, do what was asked, keep the answer."""

from collections.abc import Awaitable, Callable

from domain import clock, db
from domain.accounts.rules import Viewer
from domain.errors import Conflict, Invalid
from domain.idempotency import queries, rules
from domain.idempotency.queries import Answer


class IdempotencyKeyReused(Conflict):
    """This Idempotency-Key was used for another request."""


class _Refused(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


async def answer_once(
    viewer: Viewer, key: str, target: bytes, body: bytes, answer: Callable[[], Awaitable[Answer]]
) -> tuple[Answer, bool]:
    """`answer()`, or what it answered to the same key before; and whether it was before.

    What `answer()` changes is committed with its answer. Answers from 400 on undo their changes and are not kept.
    """
    if not rules.is_key(key):
        raise Invalid({"Idempotency-Key": "This must be 1 to 255 visible ASCII characters."})
    try:
        async with db.transaction():
            return await _answer_once(viewer, key, rules.fingerprint(target, body), answer)
    except _Refused as refused:
        return refused.answer, False


async def _answer_once(
    viewer: Viewer, key: str, fingerprint: bytes, answer: Callable[[], Awaitable[Answer]]
) -> tuple[Answer, bool]:
    now = clock.now()
    if await queries.claim(viewer.id, key, fingerprint, now, now - rules.KEPT):
        made = await answer()
        if made.status >= 400:
            raise _Refused(made)
        await queries.keep(viewer.id, key, made)
        return made, False
    kept = await queries.kept(viewer.id, key)
    if kept is None or kept.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    return kept.answer, True


async def forget_old_answers() -> int:
    """Delete the keys that no longer count; how many. The schedule calls it."""
    return await queries.forget(clock.now() - rules.KEPT)


async def forget_all_answers(viewer: Viewer) -> None:
    """Forget what who leaves was answered. A part of departures."""
    await queries.forget_all(viewer.id)
