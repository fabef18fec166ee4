"""What one can see of one's own sessions, and the statements that check and change credentials and tokens."""

from datetime import datetime
from typing import Literal

import msgspec

from domain import db
from domain.accounts.queries import User
from domain.accounts.rules import Viewer
from domain.clock import stamp
from domain.ids import SessionID, UserID


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """Proof of who one is, for `expires_in` seconds, and what to get the next with."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of the scheme
    expires_in: int


class SignedIn(Tokens, frozen=True, kw_only=True):
    """A session that has begun."""

    user: User


class Session(msgspec.Struct, frozen=True):
    """A device that is signed in; `current` is the one that asks."""

    id: SessionID
    user_agent: str | None
    ip: str | None
    created_at: str
    last_used_at: str
    expires_at: str
    current: bool


class Sessions(msgspec.Struct, frozen=True):
    """Where one is signed in, the last used first, up to a hundred."""

    items: list[Session]


class Credentials(msgspec.Struct, frozen=True):
    """What a password is checked against, and the time that tells whether it is still the same afterwards."""

    user_id: UserID
    password_hash: str
    changed_at: datetime
    is_active: bool


class HandedIn(msgspec.Struct, frozen=True):
    """A refresh token that we gave out, and the session it is of."""

    session_id: SessionID
    user_id: UserID
    role: str
    is_active: bool
    expires_at: datetime
    used_at: datetime | None
    replaced_by: bytes | None
    revoked_at: datetime | None


# credentials

ADD_CREDENTIALS = "INSERT INTO credentials (user_id, email, password_hash, changed_at) VALUES ($1, $2, $3, $4)"

CREDENTIALS = """
SELECT c.user_id, c.password_hash, c.changed_at, u.is_active
FROM credentials c JOIN users u ON u.id = c.user_id WHERE c.user_id = $1
"""

CREDENTIALS_BY_EMAIL = """
SELECT c.user_id, c.password_hash, c.changed_at, u.is_active
FROM credentials c JOIN users u ON u.id = c.user_id WHERE lower(c.email) = lower($1)
"""

CREDENTIALS_BY_USERNAME = """
SELECT c.user_id, c.password_hash, c.changed_at, u.is_active
FROM credentials c JOIN users u ON u.id = c.user_id WHERE lower(u.username) = lower($1)
"""

IMPROVE_HASH = "UPDATE credentials SET password_hash = $3 WHERE user_id = $1 AND changed_at = $2"

CHANGE_PASSWORD = """
UPDATE credentials SET password_hash = $3, changed_at = $4 WHERE user_id = $1 AND changed_at = $2
"""  # noqa: S105 - a statement


async def add_credentials(user_id: UserID, email: str, password_hash: str, time: datetime) -> None:
    """What a new user signs in with. Raises asyncpg.UniqueViolationError of `credentials_email`."""
    await db.execute(ADD_CREDENTIALS, user_id, email, password_hash, time)


async def credentials(user_id: UserID) -> Credentials | None:
    """What this user's password is checked against."""
    return _credentials(await db.fetchrow(CREDENTIALS, user_id))


async def credentials_by_email(email: str) -> Credentials | None:
    """The same for who has this address."""
    return _credentials(await db.fetchrow(CREDENTIALS_BY_EMAIL, email))


async def credentials_by_username(username: str) -> Credentials | None:
    """The same for who has this name."""
    return _credentials(await db.fetchrow(CREDENTIALS_BY_USERNAME, username))


def _credentials(row: db.Row | None) -> Credentials | None:
    return None if row is None else Credentials(*row.values())


async def improve_hash(checked: Credentials, password_hash: str) -> None:
    """Store the same password with better parameters, unless it was changed meanwhile."""
    await db.execute(IMPROVE_HASH, checked.user_id, checked.changed_at, password_hash)


async def change_password(checked: Credentials, password_hash: str, time: datetime) -> bool:
    """Store another password; False when somebody else did so since these credentials were read."""
    args = (checked.user_id, checked.changed_at, password_hash, time)
    return db.changed(await db.execute(CHANGE_PASSWORD, *args)) == 1


# sessions

# The password that was checked must still be the one: it is held fast until the session is there, so that whoever
# changes it finds the session and ends it.
OPEN_SESSION = """
WITH proven AS (
    SELECT u.id, u.role FROM credentials c JOIN users u ON u.id = c.user_id
    WHERE c.user_id = $1 AND c.changed_at = $2 AND u.is_active FOR SHARE
), opened AS (
    INSERT INTO auth_sessions (id, user_id, user_agent, ip, created_at, last_used_at, expires_at)
    SELECT $3, id, $4, $5, $6, $6, $7 FROM proven
), token AS (
    INSERT INTO refresh_tokens (hash, session_id, created_at, expires_at) SELECT $8, $3, $6, $7 FROM proven
)
SELECT role FROM proven
"""

# Of the session too, so that it cannot end while its next token is made.
LOCK_TOKEN = """
SELECT s.id, s.user_id, u.role, u.is_active, t.expires_at, t.used_at, t.replaced_by, s.revoked_at
FROM refresh_tokens t JOIN auth_sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id
WHERE t.hash = $1 FOR NO KEY UPDATE OF s, t
"""  # noqa: S105 - a statement

REPLACE_TOKEN = """
WITH used AS (
    UPDATE refresh_tokens SET used_at = $3, replaced_by = $2 WHERE hash = $1 RETURNING session_id
), added AS (
    INSERT INTO refresh_tokens (hash, session_id, created_at, expires_at) SELECT $2, session_id, $3, $4 FROM used
)
UPDATE auth_sessions SET last_used_at = $3, expires_at = $4 FROM used WHERE id = used.session_id
"""  # noqa: S105 - a statement

READ_SESSIONS = """
SELECT id, user_agent, ip, created_at, last_used_at, expires_at FROM auth_sessions
WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 ORDER BY last_used_at DESC, id DESC LIMIT 100
"""

OWNER_OF_SESSION = "SELECT user_id FROM auth_sessions WHERE id = $1"

OWNER_OF_TOKEN = """
SELECT s.id, s.user_id FROM refresh_tokens t JOIN auth_sessions s ON s.id = t.session_id WHERE t.hash = $1
"""  # noqa: S105 - a statement

REVOKE_SESSION = "UPDATE auth_sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL"

REVOKE_OTHERS = """
UPDATE auth_sessions SET revoked_at = $3 WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL RETURNING id
"""

# Those that had not ended.
DELETE_SESSIONS = """
WITH deleted AS (
    DELETE FROM auth_sessions WHERE user_id = $1 RETURNING id, revoked_at
)
SELECT id FROM deleted WHERE revoked_at IS NULL
"""

# From the log: it remembers the sessions of those who have left.
REVOKED_SINCE = """
SELECT (data->>'session_id')::uuid AS id, at FROM events WHERE type = 'session.revoked' AND at > $1 ORDER BY at
"""


async def open_session(
    checked: Credentials,
    session_id: SessionID,
    *,
    user_agent: str | None,
    ip: str | None,
    time: datetime,
    expires_at: datetime,
    token_hash: bytes,
) -> str | None:
    """A session and its first refresh token; the user's role. None when the password was changed meanwhile."""
    args = (checked.user_id, checked.changed_at, session_id, user_agent, ip, time, expires_at, token_hash)
    return await db.fetchval(OPEN_SESSION, *args)


async def lock_token(token_hash: bytes) -> HandedIn | None:
    """The token and its session, held until the transaction ends; None for one we never gave out."""
    row = await db.fetchrow(LOCK_TOKEN, token_hash)
    return None if row is None else HandedIn(*row.values())


async def replace_token(token_hash: bytes, successor_hash: bytes, time: datetime, expires_at: datetime) -> None:
    """Note that a token was used and by what it was replaced; the session lives on until `expires_at`."""
    await db.execute(REPLACE_TOKEN, token_hash, successor_hash, time, expires_at)


async def read_sessions(viewer: Viewer, time: datetime) -> Sessions:
    """Where the viewer is signed in."""
    return Sessions([_session(viewer, row) for row in await db.fetch(READ_SESSIONS, viewer.id, time)])


def _session(viewer: Viewer, row: db.Row) -> Session:
    times = [stamp(row[name]) for name in ("created_at", "last_used_at", "expires_at")]
    return Session(row["id"], row["user_agent"], row["ip"], *times, current=row["id"] == viewer.session_id)


async def owner_of_session(session_id: SessionID) -> UserID | None:
    """Whose session it is or was."""
    return await db.fetchval(OWNER_OF_SESSION, session_id)


async def owner_of_token(token_hash: bytes) -> tuple[SessionID, UserID] | None:
    """Which session a refresh token is of, used or not, and whose."""
    row = await db.fetchrow(OWNER_OF_TOKEN, token_hash)
    return None if row is None else (row["id"], row["user_id"])


async def revoke_session(session_id: SessionID, time: datetime) -> bool:
    """End a session; False when it had ended before."""
    return db.changed(await db.execute(REVOKE_SESSION, session_id, time)) == 1


async def revoke_others(user_id: UserID, kept: SessionID, time: datetime) -> list[SessionID]:
    """End all of a user's sessions but one; those that ended now."""
    return [row["id"] for row in await db.fetch(REVOKE_OTHERS, user_id, kept, time)]


async def delete_sessions(user_id: UserID) -> list[SessionID]:
    """Delete all of a user's sessions; those that ended with it."""
    return [row["id"] for row in await db.fetch(DELETE_SESSIONS, user_id)]


async def revoked_since(time: datetime) -> list[tuple[SessionID, datetime]]:
    """Which sessions have ended since, and when."""
    return [(row["id"], row["at"]) for row in await db.fetch(REVOKED_SINCE, time)]
