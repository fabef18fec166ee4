"""Who people are and how they prove it; secrets lie apart from what others may see."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from domain.migration import script

ID = "2026-11-21T04:00:00:000002"
VERSION = "1.38.0"
DESCRIPTION = "users, their credentials, profiles, sessions and refresh tokens"

UP = """
CREATE TABLE users (
    id uuid PRIMARY KEY,
    username varchar(50) NOT NULL,
    display_name varchar(100),
    avatar_url text,
    role varchar(20) NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'moderator', 'admin')),
    privacy_level varchar(20) NOT NULL DEFAULT 'public' CHECK (privacy_level IN ('public', 'followers', 'private')),
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_username ON users (lower(username));

-- The one definition of who may see a profile. Planned as part of the query that calls it.
CREATE FUNCTION visible_users(viewer uuid) RETURNS SETOF users LANGUAGE sql STABLE AS $$
    SELECT * FROM users WHERE is_active
$$;

CREATE TABLE credentials (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    email varchar(255) NOT NULL,
    email_verified boolean NOT NULL DEFAULT false,
    password_hash text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX credentials_email ON credentials (lower(email));

CREATE TABLE profiles (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    bio text,
    city varchar(100),
    location jsonb,
    institutions jsonb NOT NULL DEFAULT '[]',
    websites jsonb NOT NULL DEFAULT '[]',
    preferences jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE auth_sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    user_agent text,
    ip text,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX auth_sessions_user ON auth_sessions (user_id);
CREATE INDEX auth_sessions_revoked ON auth_sessions (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE refresh_tokens (
    hash bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES auth_sessions ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    replaced_by bytea
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
"""

DOWN = """
DROP FUNCTION visible_users;
DROP TABLE refresh_tokens, auth_sessions, profiles, credentials, users;
"""


async def forwards() -> MigrationManager:
    return script(ID, DESCRIPTION, up=UP, down=DOWN)
