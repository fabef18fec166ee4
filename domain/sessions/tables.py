"""What is stored of credentials, sessions and tokens; of secrets only hashes."""

from piccolo.columns import UUID, Boolean, Bytea, ForeignKey, Text, Timestamptz, Varchar
from piccolo.table import Table

from domain.accounts.tables import Users
from domain.db import DB


class Credentials(Table, tablename="credentials", db=DB):
    """How a user signs in. `changed_at` moves with the password, not with the parameters of its hash."""

    user_id = ForeignKey(Users, primary_key=True)
    email = Varchar(length=255)
    email_verified = Boolean(default=False)
    password_hash = Text(secret=True)
    changed_at = Timestamptz()


class AuthSessions(Table, tablename="auth_sessions", db=DB):
    """A device that is signed in until `revoked_at` or, unused, `expires_at`."""

    id = UUID(primary_key=True)
    user_id = ForeignKey(Users, null=False)
    user_agent = Text(null=True)
    ip = Text(null=True)
    created_at = Timestamptz()
    last_used_at = Timestamptz()
    expires_at = Timestamptz()
    revoked_at = Timestamptz(null=True)


class RefreshTokens(Table, tablename="refresh_tokens", db=DB):
    """The hash of a token that was given out, when it was used, and the hash of its successor."""

    hash = Bytea(primary_key=True, secret=True)
    session_id = ForeignKey(AuthSessions, null=False)
    created_at = Timestamptz()
    expires_at = Timestamptz()
    used_at = Timestamptz(null=True)
    replaced_by = Bytea(null=True, secret=True)
