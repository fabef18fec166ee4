"""A community too big to sign up one by one: members and posts by SQL, tokens signed with the server's own key."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import asyncpg
import jwt

# Primes, so that counting k up, (k % MEMBERS, k % POSTS) names every pair once, and never two near each other.
# More members than a process remembers tokens of: each like pays for its signature, unless it is meant not to.
MEMBERS = 30_011
POSTS = 1_009
FIRST = 100_000_000_000
"""Number 0, as the last group of an id: twelve digits, which pgbench can count too."""
MEMBER_ID = "00000000-0000-7000-8000-"
POST_ID = "00000000-0000-7000-9000-"

ADD_MEMBERS = """
INSERT INTO users (id, username)
SELECT ($1 || ($2::bigint + n))::uuid, 'crowd' || n FROM generate_series(0, $3::bigint - 1) n
"""
ADD_POSTS = """
INSERT INTO posts (id, author_id, content)
SELECT ($1 || ($2::bigint + n))::uuid, ($4 || ($2::bigint + n))::uuid, 'Soup, again'
FROM generate_series(0, $3::bigint - 1) n
"""

_JWS: Any = jwt.PyJWS()  # its types need a package that HS256 does not


def member(number: int) -> str:
    """A member's id."""
    return f"{MEMBER_ID}{FIRST + number}"


def post(number: int) -> str:
    """A post's id; its author is the member with the same number."""
    return f"{POST_ID}{FIRST + number}"


async def gather(database_url: str, *, members: int = MEMBERS, posts: int = POSTS) -> asyncpg.Connection:
    """Bring them all in; the connection that did it."""
    connection: asyncpg.Connection = await asyncpg.connect(database_url)
    await connection.execute(ADD_MEMBERS, MEMBER_ID, FIRST, members)
    await connection.execute(ADD_POSTS, POST_ID, FIRST, posts, MEMBER_ID)
    await connection.execute("ANALYZE users, posts")
    return connection


def jwt_keys(data: Path) -> str:
    """The keys that the `serve` on this data has made."""
    return str(json.loads((data / "secrets.json").read_text())["POTLUCK_JWT_KEYS"])


class Tokens:
    """Signs members in, at the server's expense later on."""

    def __init__(self, keys: str) -> None:
        self._kid, _, key = keys.partition(",")[0].partition(":")
        self._key = base64.b64decode(key)
        self._issued_at = int(time.time())

    def of(self, number: int) -> str:
        """The member's access token."""
        claims = {"sub": member(number), "sid": member(number), "role": "user"}
        times = {"iat": self._issued_at, "exp": self._issued_at + 3600}
        return _JWS.encode(json.dumps({**claims, **times}).encode(), self._key, "HS256", headers={"kid": self._kid})
