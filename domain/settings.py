"""Every setting, its default and what it is for; read from the environment once, at import."""

import os
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`name` is read from `POTLUCK_NAME`; the two URLs also from their well-known names."""

    database_url: Annotated[str, Meta(description="PostgreSQL 16 or newer (also read from DATABASE_URL).")] = (
        "postgresql://postgres@127.0.0.1:5432/potluck"
    )
    redis_url: Annotated[str, Meta(description="Redis or Valkey 7 or newer (also read from REDIS_URL).")] = (
        "redis://127.0.0.1:6379/0"
    )
    jwt_keys: Annotated[
        str, Meta(description="`kid:base64[,kid:base64…]`; the first signs, all verify. `serve` makes one.")
    ] = ""
    cors_origins: Annotated[str, Meta(description="Other origins allowed to call, comma-separated.")] = ""
    trusted_proxies: Annotated[
        str, Meta(description="Addresses whose forwarded headers count, comma-separated; `*` for any.")
    ] = ""
    log_level: Annotated[str, Meta(description="debug, info, warning or error.")] = "info"

    db_pool_size: Annotated[int, Meta(description="PostgreSQL connections per process.", ge=2)] = 16
    db_timeout_s: Annotated[
        float, Meta(description="Longest wait for a connection, and for a statement, seconds.", gt=0)
    ] = 5.0
    redis_timeout_s: Annotated[float, Meta(description="Longest wait for a Redis command, seconds.", gt=0)] = 2.0
    max_body_bytes: Annotated[int, Meta(description="Largest request body, bytes.", ge=1024)] = 262_144
    drain_s: Annotated[float, Meta(description="How long a stopping process lets clients leave, seconds.")] = 2.0

    access_token_s: Annotated[int, Meta(description="Life of an access token, seconds.", ge=1)] = 3600
    refresh_token_s: Annotated[int, Meta(description="Life of a refresh token, seconds.", ge=1)] = 604_800
    refresh_grace_s: Annotated[
        float, Meta(description="A used refresh token gets its answer again this long, seconds.")
    ] = 10.0
    password_threads: Annotated[int, Meta(description="Threads that hash passwords, per process.", ge=1)] = 2
    password_queue: Annotated[int, Meta(description="Hashes that may wait before 429, per process.", ge=1)] = 64
    password_memory_kib: Annotated[int, Meta(description="Argon2id memory cost, KiB.", ge=8)] = 19_456
    password_time_cost: Annotated[int, Meta(description="Argon2id passes.", ge=1)] = 2

    rate_limits: Annotated[str, Meta(description="`on`, or `off` for load tests.")] = "on"
    rate_read: Annotated[str, Meta(description="Reads per client: `burst/per minute`.")] = "600/1200"
    rate_write: Annotated[str, Meta(description="Writes per client: `burst/per minute`.")] = "300/600"
    rate_auth: Annotated[str, Meta(description="Sign-ins and sign-ups per address.")] = "60/60"
    rate_login: Annotated[str, Meta(description="Sign-ins per account name and address.")] = "10/10"

    relay_poll_s: Annotated[float, Meta(description="The relay looks for news at least this often, seconds.")] = 0.05
    relay_pace_s: Annotated[float, Meta(description="Least time between two batches, seconds.")] = 0.005
    watermark_s: Annotated[float, Meta(description="The relay cuts an empty batch when idle this long, seconds.")] = 0.3
    takeover_s: Annotated[float, Meta(description="Without a batch for so long, a waiting relay relays, seconds.")] = (
        1.0
    )
    replay_window_s: Annotated[float, Meta(description="How long news can be replayed, seconds.", gt=0)] = 300.0
    replay_bytes: Annotated[int, Meta(description="Budget of the replay ring, bytes per process.")] = 134_217_728
    counters_pace_s: Annotated[float, Meta(description="Least time between two folds of counts, seconds.")] = 0.01
    notifications_pace_s: Annotated[
        float, Meta(description="Least time between two folds of acts into inboxes, seconds.")
    ] = 0.04
    experts_pace_s: Annotated[float, Meta(description="Least time between two folds of influence, seconds.")] = 1.0
    progression_pace_s: Annotated[
        float, Meta(description="Least time between two folds of points, badges and levels, seconds.")
    ] = 0.1
    progression_moved: Annotated[
        int, Meta(description="Of people who ranked at restaurants that moved, so many are settled in a fold.", ge=1)
    ] = 500
    leaderboards_pace_s: Annotated[
        float, Meta(description="Least time between two folds of rankings and points into boards, seconds.")
    ] = 0.25
    leaderboards_exact_size: Annotated[
        int, Meta(description="The prior of a board of up to so many follows its mean exactly.", ge=0)
    ] = 100
    leaderboards_tolerance: Annotated[
        float, Meta(description="That of a larger one follows once it is off by more than so many points.", ge=0)
    ] = 0.02
    leaderboards_news_size: Annotated[
        int, Meta(description="Who is among the first of a board of so many entries, or no longer, is told.", ge=1)
    ] = 10
    leaderboards_fans: Annotated[
        int, Meta(description="Of people who rank a dish first, so many are told of its places at most.", ge=0)
    ] = 100
    leaderboards_news_again_s: Annotated[
        float,
        Meta(description="That something came among the first, or left, is told again so long after, seconds.", ge=0),
    ] = 3600.0
    leaderboards_told: Annotated[
        int,
        Meta(
            description="Of a new prior, boards of up to so many tell every score; larger ones the first 100's.", ge=0
        ),
    ] = 5_000
    trending_pace_s: Annotated[
        float, Meta(description="Least time between two folds of what is trending, so between two lists, seconds.")
    ] = 1.0
    leaderboards_counted: Annotated[
        int, Meta(description="Places on boards of up to so many entries are counted without Redis.", ge=0)
    ] = 1_000
    leaderboards_following: Annotated[
        int, Meta(description="With scope=following, of whom one follows so many count: the last ones.", ge=1)
    ] = 1_000
    leaderboards_copy_s: Annotated[
        int, Meta(description="How long a board's copy in Redis is kept when nobody asks for it, seconds.", ge=1)
    ] = 86_400
    fold_limit: Annotated[int, Meta(description="Events folded per transaction at most.", ge=1)] = 5_000
    fold_timeout_s: Annotated[
        float,
        Meta(
            description="Longest statement of `recompute`, or where a single event takes long to fold, seconds.", gt=0
        ),
    ] = 60.0
    event_retention_days: Annotated[int, Meta(description="Days the event log is kept.", ge=1)] = 7

    like_lanes: Annotated[int, Meta(description="Statements that add likes at once, per process.", ge=1)] = 2
    likes_per_statement: Annotated[int, Meta(description="Likes that one statement adds at most.", ge=1)] = 100
    likes_waiting: Annotated[int, Meta(description="Likes that may wait before 429, per process.", ge=1)] = 10_000

    access_lanes: Annotated[
        int, Meta(description="Questions about who may listen that are under way at once, per process and kind.", ge=1)
    ] = 2

    mentions_per_text: Annotated[
        int, Meta(description="Different names with an @ in a post or comment that count.", ge=0)
    ] = 20

    search_radius_km: Annotated[
        float, Meta(description="Restaurants are looked for at most so far around, km.", gt=0)
    ] = 100.0
    duplicate_within_m: Annotated[
        float, Meta(description="A restaurant so near to another of a like name may be the same, metres.", ge=0)
    ] = 150.0
    duplicate_similarity: Annotated[
        float, Meta(description="From which likeness of two names on, 0 to 1 (pg_trgm's similarity).", ge=0, le=1)
    ] = 0.5

    rankings_photo_required: Annotated[bool, Meta(description="Whether a ranking of a dish needs a photo.")] = False

    featured_badges: Annotated[int, Meta(description="Badges that somebody shows on their profile at most.", ge=1)] = 3
    award_told_again_s: Annotated[
        float, Meta(description="A badge or level lost and won again is told again so long after, seconds.", ge=0)
    ] = 86_400.0
    trending_half_life_s: Annotated[
        float, Meta(description="What is trending weighs half after so long, seconds.", gt=0)
    ] = 21_600.0
    trending_window_s: Annotated[
        float, Meta(description="What people do counts as trending for so long, seconds.", gt=0)
    ] = 172_800.0
    trending_floor: Annotated[
        int, Meta(description="Dishes trend from so many different people in that time on.", ge=1)
    ] = 5

    notification_batch_s: Annotated[
        float, Meta(description="A batch of notifications takes acts so long after its making, seconds.", gt=0)
    ] = 86_400.0
    notification_single_s: Annotated[
        float, Meta(description="A single notification becomes a batch so long after its making, seconds.", gt=0)
    ] = 3600.0
    notifications_per_hour: Annotated[
        int, Meta(description="New notifications of a type an hour that join no other, per user.", ge=1)
    ] = 20
    follow_batch_size: Annotated[int, Meta(description="Follows in one batch; the next one begins anew.", ge=2)] = 10

    hello_s: Annotated[float, Meta(description="A socket must say hello within, seconds.")] = 5.0
    heartbeat_s: Annotated[float, Meta(description="A cursor message and a ping at least this often, seconds.")] = 25.0
    state_interval_s: Annotated[float, Meta(description="Least time between two states of a topic and type, s.")] = 0.1
    board_interval_s: Annotated[float, Meta(description="Least time between two changes of a leaderboard, s.")] = 0.25
    connections_per_user: Annotated[int, Meta(description="Open sockets of one user, per process.", ge=1)] = 50
    topics_per_connection: Annotated[int, Meta(description="Topics a connection may follow.", ge=1)] = 200
    topics_per_minute: Annotated[
        int, Meta(description="Topics a connection may ask for a minute, again and again included.", ge=1)
    ] = 1200
    message_bytes: Annotated[int, Meta(description="Largest message from a client, bytes.")] = 65_536
    slow_reader_merge_bytes: Annotated[
        int,
        Meta(
            description="From so many bytes waiting on, of state only the newest waits, and boards merged.",
            ge=1024,
        ),
    ] = 65_536
    slow_reader_reset_bytes: Annotated[
        int, Meta(description="From so many on, events that wait are replaced by a `reset` per topic.", ge=1024)
    ] = 262_144
    slow_reader_close_bytes: Annotated[
        int, Meta(description="From so many on, the client is closed with 4101.", ge=1024)
    ] = 1_048_576
    slow_reader_close_s: Annotated[
        float, Meta(description="And when it has read none of what waits for so long, seconds.", gt=0)
    ] = 10.0
    resume_bytes: Annotated[
        int, Meta(description="What a client missed and is told again may wait besides, bytes.", ge=0)
    ] = 16_777_216
    home_bytes: Annotated[
        int,
        Meta(description="Posts may wait to be told to homes, bytes per process; beyond it homes begin anew.", ge=0),
    ] = 16_777_216
    compression: Annotated[
        Literal["on", "off"], Meta(description="`on`: clients that offer permessage-deflate get events compressed.")
    ] = "off"
    errors_per_minute: Annotated[int, Meta(description="Malformed messages a minute that end it.", ge=1)] = 10


def from_environment(environ: dict[str, str]) -> Settings:
    """Read the settings; ValueError names the variable that is wrong."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        name = f"POTLUCK_{field.name.upper()}"
        value = environ.get(name, environ.get(field.name.upper()) if field.name.endswith("_url") else None)
        if value is None:
            continue
        try:
            found[field.name] = msgspec.convert(value, field.type, strict=False)
        except msgspec.ValidationError as wrong:
            raise ValueError(f"{name}: {wrong}") from None
    return Settings(**found)


def documentation() -> list[tuple[str, str, str]]:
    """(variable, default, meaning) of every setting, for the operations page."""
    hints = get_type_hints(Settings, include_extras=True)
    rows: list[tuple[str, str, str]] = []
    for field in msgspec.structs.fields(Settings):
        meta = next(each for each in get_args(hints[field.name]) if isinstance(each, msgspec.Meta))
        rows.append((f"POTLUCK_{field.name.upper()}", str(field.default), meta.description or ""))
    return rows


settings = from_environment(dict(os.environ))
