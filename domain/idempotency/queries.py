"""The rows of keys: one is claimed by inserting it, and holds the answer once there is one."""

from datetime import datetime

import msgspec

from domain import db
from domain.ids import UserID


class Answer(msgspec.Struct, frozen=True):
    """An answer as it went out, to be sent again."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Kept(msgspec.Struct, frozen=True):
    """What is known of a key that was used before."""

    fingerprint: bytes
    answer: Answer


# Somebody else's row of this key that is not committed yet makes this wait. One that is too old is taken over.
CLAIM = """
INSERT INTO idempotent_answers AS kept (user_id, key, fingerprint, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id, key) DO UPDATE SET fingerprint = $3, created_at = $4, answer = NULL WHERE kept.created_at < $5
"""


async def claim(user_id: UserID, key: str, fingerprint: bytes, now: datetime, too_old: datetime) -> bool:
    """Claim the key; False when it was used after `too_old`."""
    return db.changed(await db.execute(CLAIM, user_id, key, fingerprint, now, too_old)) == 1


KEPT = "SELECT fingerprint, answer FROM idempotent_answers WHERE user_id = $1 AND key = $2"


async def kept(user_id: UserID, key: str) -> Kept | None:
    """What the key was used for."""
    row = await db.fetchrow(KEPT, user_id, key)
    return None if row is None else Kept(row["fingerprint"], msgspec.msgpack.decode(row["answer"], type=Answer))


KEEP = "UPDATE idempotent_answers SET answer = $3 WHERE user_id = $1 AND key = $2"


async def keep(user_id: UserID, key: str, answer: Answer) -> None:
    """Store the answer in the claimed row."""
    await db.execute(KEEP, user_id, key, msgspec.msgpack.encode(answer))


FORGET = "DELETE FROM idempotent_answers WHERE created_at < $1"


async def forget(too_old: datetime) -> int:
    """Delete old keys; how many."""
    return db.changed(await db.execute(FORGET, too_old))


FORGET_ALL = "DELETE FROM idempotent_answers WHERE user_id = $1"


async def forget_all(user_id: UserID) -> None:
    """Delete all of a user's keys."""
    await db.execute(FORGET_ALL, user_id)
