"""What eating out asks of the database at its full size, as one line of JSON: `.venv/bin/python -m loadtests.patterns`.

The five data access patterns at 100,000 restaurants, 1,000,000 dishes and 5,000,000 rankings: each with the plan that
PostgreSQL takes for it, in shared buffers and ms beside a look-up by primary key in the same run. It ends with 1 when a
plan reads all of a large table. `--scale 0.01` makes everything smaller by that. The rows are made by number, not by
acting: what follows from rankings (counts, boards, experts) is computed from them in one statement each.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import uvloop

from domain.accounts.queries import READ_USER
from domain.activity.queries import READ_ACTIVITY
from domain.dishes.queries import READ_DISHES
from domain.experts.queries import READ_EXPERTS
from domain.leaderboards.queries import READ_FIRST
from domain.settings import settings
from domain.trending.queries import READ_TRENDING
from loadtests import crowd
from loadtests.notifications import Read, explain
from server.embedded import start_postgres
from server.migrate import migrate

RESTAURANTS, DISHES, MEMBERS, RANKINGS = 100_000, 1_000_000, 250_000, 5_000_000
CITIES = 500
LARGE = 10_000
"""A table of more rows is not to be read whole."""
ROUNDS = 15
"""How often a read is timed; the median counts."""

RESTAURANT_ID = "00000000-0000-7000-b000-"
DISH_ID = "00000000-0000-7000-c000-"
RANKING_ID = "00000000-0000-7000-d000-"
REVIEW_ID = "00000000-0000-7000-e000-"
COMMENT_ID = "00000000-0000-7000-f000-"
BUSY, TYPE = "city-0", "pizza"
"""A tenth of all restaurants are in this city."""
BOARD = f"dishes:{BUSY}:{TYPE}"
PAGE_SIZE = 21
"""20, and one to know whether there are more."""

# Everything is known by its number: a restaurant has ten dishes, two each of five types; a member has ranked both of a
# type at ten restaurants. So there is nothing to look up while rows are made. $1 restaurants, $2 members.
NUMBERS = f"""
CREATE FUNCTION pg_temp.known_as(prefix text, n bigint) RETURNS uuid LANGUAGE sql STABLE
RETURN (prefix || ({crowd.FIRST}::bigint + n))::uuid;
CREATE FUNCTION pg_temp.type_of(restaurant bigint, n bigint) RETURNS text LANGUAGE sql STABLE
RETURN (ARRAY['barbecue', 'bread', 'burger', 'cake', 'coffee', 'curry', 'dumplings', 'falafel', 'fish', 'noodles',
    'pasta', 'pho', 'pizza', 'ramen', 'salad', 'soup', 'steak', 'sushi', 'tacos', 'wings'
])[1 + (restaurant / 10 + n) % 20];
CREATE FUNCTION pg_temp.city_of(restaurant bigint) RETURNS text LANGUAGE sql STABLE
RETURN 'city-' || CASE WHEN restaurant % 10 = 0 THEN 0 ELSE restaurant % {CITIES} END;
CREATE FUNCTION pg_temp.at(n bigint) RETURNS timestamptz LANGUAGE sql STABLE
RETURN timestamptz '2026-01-01Z' + n * interval '1 second';
"""

ADD_PROFILES = "INSERT INTO profiles (user_id) SELECT id FROM users"
ADD_CITIES = """
INSERT INTO cities (slug, key, country, name)
SELECT 'city-' || n, 'city-' || n, '', 'City ' || n FROM generate_series(0, $1::bigint - 1) n
"""
ADD_RESTAURANTS = """
INSERT INTO restaurants (id, name, search_name, city, city_key, state_key, country_key, city_slug, latitude, longitude,
    cuisine_type, price_range, created_at, updated_at)
SELECT pg_temp.known_as($1, n), 'Kitchen ' || n, 'kitchen ' || n, 'City', pg_temp.city_of(n), '', '',
    pg_temp.city_of(n), (n * 7919 % 120000) / 1000.0 - 60, (n * 104729 % 360000) / 1000.0 - 180,
    ARRAY[(ARRAY['italian', 'thai', 'french', 'greek'])[1 + n % 4]], 1 + n % 4, pg_temp.at(n), pg_temp.at(n)
FROM generate_series(0, $2::bigint - 1) n
"""
ADD_DISHES = """
INSERT INTO dishes (id, restaurant_id, name, dish_type, price, currency, tags, created_at, updated_at)
SELECT pg_temp.known_as($1, n), pg_temp.known_as($2, n % $4), 'Dish ' || n, pg_temp.type_of(n % $4, n / $4 / 2),
    5 + n % 20, 'EUR', ARRAY['tag-' || n % 100], pg_temp.at(n), pg_temp.at(n)
FROM generate_series(0, $3::bigint - 1) n
"""
# In the order in which people rank, which is none: what somebody ranked does not lie together.
ADD_RANKINGS = """
INSERT INTO dish_rankings (id, user_id, dish_id, restaurant_id, dish_type, rank, notes, created_at, updated_at)
SELECT pg_temp.known_as($1, n), pg_temp.known_as($2, member),
    pg_temp.known_as($3, restaurant + $6 * (2 * kind + n % 2)), pg_temp.known_as($4, restaurant),
    pg_temp.type_of(restaurant, kind), 1 + n % 2, 'What a crust!', pg_temp.at(n),
    pg_temp.at(n)
FROM (
    SELECT n, member, (member * 7 + visit * ($6 / 10 + 1)) % $6 AS restaurant, (member + visit) % 5 AS kind
    FROM (SELECT n, n / 2 % $7 AS member, n / 2 / $7 AS visit FROM generate_series(0, $5::bigint - 1) n) visits
) made
"""
ADD_REVIEWS = """
INSERT INTO reviews (id, author_id, dish_id, restaurant_id, content, stars, created_at)
SELECT pg_temp.known_as($1, n), user_id, dish_id, restaurant_id, 'Crisp, and still warm', 1 + n % 5, created_at
FROM (SELECT row_number() OVER () AS n, * FROM dish_rankings WHERE right(id::text, 1) = '0') chosen
"""
ADD_COMMENTS = """
INSERT INTO comments (id, target_type, target_id, author_id, content, created_at)
SELECT pg_temp.known_as($1, n), 'review', pg_temp.known_as($2, 1 + n * 31 % $4), pg_temp.known_as($3, n % $5), 'Indeed',
    pg_temp.at(n * 10)
FROM generate_series(0, $4::bigint - 1) n
"""
ADD_FOLLOWS = """
INSERT INTO follows (follower_id, followed_id, status)
SELECT pg_temp.known_as($1, n), pg_temp.known_as($1, (n + each * each * 17) % $2), 'active'
FROM generate_series(0, $2::bigint - 1) n, generate_series(1, 4) each
"""
ADD_BLOCKS = """
INSERT INTO blocks (blocker_id, blocked_id)
SELECT pg_temp.known_as($1, n), pg_temp.known_as($1, (n + 5) % $2) FROM generate_series(0, $2::bigint - 1, 10) n
"""

FOLLOWS_FROM_THEM = {
    "counts of people": """
INSERT INTO user_counts (user_id, followers, following) SELECT id, 4, 4 FROM users
""",
    "counts of reviews": """
INSERT INTO review_counts (review_id, comments) SELECT target_id, count(*) FROM comments GROUP BY target_id
""",
    "counts": """
INSERT INTO dish_counts (dish_id, rankings) SELECT dish_id, count(*) FROM dish_rankings GROUP BY dish_id
""",
    "badges": """
INSERT INTO user_badges (user_id, badge, awarded_at, progress, is_featured)
SELECT u.id, b.code, now(), '{}', b.i <= 3
FROM users u, (SELECT code, row_number() OVER (ORDER BY code) AS i FROM badges ORDER BY code LIMIT 5) b
""",
    "levels": """
INSERT INTO user_progress (user_id, points, rankings, level)
SELECT user_id, 10 * count(*), count(*), 1 FROM dish_rankings GROUP BY user_id
""",
    "boards": """
INSERT INTO leaderboards (name, kind, city, about, season, prior)
SELECT DISTINCT 'dishes:' || r.city_slug || ':' || d.dish_type, 'dishes', r.city_slug, d.dish_type, 0, 4.5
FROM dishes d JOIN restaurants r ON r.id = d.restaurant_id
""",
    "entries": """
INSERT INTO leaderboard_entries (board_id, entity_id, name, weight, points, ratings, score, reached_at, seq)
SELECT b.id, d.id, d.name, k.number, k.points, k.number, board_score(4.5, k.number, k.points), k.at, 0
FROM (
    SELECT dish_id, count(*) AS number, sum(6 - rank) AS points, max(created_at) AS at FROM dish_rankings
    GROUP BY dish_id
) k
JOIN dishes d ON d.id = k.dish_id JOIN restaurants r ON r.id = d.restaurant_id
JOIN leaderboards b ON b.name = 'dishes:' || r.city_slug || ':' || d.dish_type
""",
    "sizes": """
UPDATE leaderboards b SET size = e.number
FROM (SELECT board_id, count(*) AS number FROM leaderboard_entries GROUP BY board_id) e WHERE e.board_id = b.id
""",
    "trending": """
INSERT INTO trending_dishes (dish_id, restaurant_id, city, dish_type, dish_name, restaurant_name, rankings, actors,
    one_at)
SELECT d.id, r.id, r.city_slug, d.dish_type, d.name, r.name, c.rankings, c.rankings, now() + random() * interval '1 day'
FROM dishes d JOIN restaurants r ON r.id = d.restaurant_id JOIN dish_counts c ON c.dish_id = d.id
WHERE c.rankings >= 5
""",
    "influences": """
INSERT INTO influences (user_id, followers, rankings, reviews, likers)
SELECT user_id, hashtext(user_id::text) & 1023, count(*), 2, hashtext(user_id::text) & 63 FROM dish_rankings
GROUP BY user_id
""",
    "experts": """
INSERT INTO experts (user_id, city_slug, rankings, reviews, influence, is_public)
SELECT k.user_id, r.city_slug, count(*), 1, i.influence, true
FROM dish_rankings k JOIN restaurants r ON r.id = k.restaurant_id JOIN influences i ON i.user_id = k.user_id
GROUP BY k.user_id, r.city_slug, i.influence
""",
}
ANALYZE = "VACUUM ANALYZE"

# What stands in the way of many rows at once, as it is written anew behind them; keys of what others name stay.
CONSTRAINTS = """
SELECT conrelid::regclass::text AS of, conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
WHERE conrelid = ANY($1::text[]::regclass[]) AND contype IN ('p', 'u')
"""
INDEXES = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i WHERE i.indrelid = ANY($1::text[]::regclass[])
    AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
"""
# Nobody names the keys of these.
ALONE = ["follows", "dish_rankings", "dish_counts", "user_badges", "user_progress", "influences", "experts"]
FILLED = ["users", "restaurants", "dishes", "reviews", "comments", "leaderboard_entries", *ALONE]
SIZES = """
SELECT relname AS name, reltuples::bigint AS rows FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND reltuples > $1
"""


async def fill(connection: asyncpg.Connection, scale: float) -> None:
    """All rows, and then the indexes on them."""
    restaurants, dishes, members, rankings = (int(each * scale) for each in (RESTAURANTS, DISHES, MEMBERS, RANKINGS))
    await connection.execute("SET session_replication_role = replica; SET maintenance_work_mem = '1GB'")
    await connection.execute("SET work_mem = '256MB'; SET statement_timeout = 0")
    await connection.execute(NUMBERS)
    indexes, keys = await connection.fetch(INDEXES, FILLED), await connection.fetch(CONSTRAINTS, ALONE)
    await connection.execute(f"DROP INDEX {', '.join(row['name'] for row in indexes)}")
    for row in keys:
        await connection.execute(f"ALTER TABLE {row['of']} DROP CONSTRAINT {row['name']}")
    await _timed(connection, "members", crowd.ADD_MEMBERS, crowd.MEMBER_ID, crowd.FIRST, members)
    await _timed(connection, "profiles", ADD_PROFILES)
    await _timed(connection, "cities", ADD_CITIES, CITIES)
    await _timed(connection, "restaurants", ADD_RESTAURANTS, RESTAURANT_ID, restaurants)
    await _timed(connection, "dishes", ADD_DISHES, DISH_ID, RESTAURANT_ID, dishes, restaurants)
    ids = (RANKING_ID, crowd.MEMBER_ID, DISH_ID, RESTAURANT_ID)
    await _timed(connection, "rankings", ADD_RANKINGS, *ids, rankings, restaurants, members)
    await _timed(connection, "reviews", ADD_REVIEWS, REVIEW_ID)
    await _timed(connection, "comments", ADD_COMMENTS, COMMENT_ID, REVIEW_ID, crowd.MEMBER_ID, rankings // 10, members)
    await _timed(connection, "follows", ADD_FOLLOWS, crowd.MEMBER_ID, members)
    await _timed(connection, "blocks", ADD_BLOCKS, crowd.MEMBER_ID, members)
    for name, sql in FOLLOWS_FROM_THEM.items():
        await _timed(connection, name, sql)
    for row in keys:
        add = f"ALTER TABLE {row['of']} ADD CONSTRAINT {row['name']} {row['definition']}"
        await _timed(connection, row["name"], add)
    for row in indexes:
        await _timed(connection, row["name"], row["definition"])
    await _timed(connection, "vacuum", ANALYZE)
    await connection.execute("RESET ALL")


async def _timed(connection: asyncpg.Connection, name: str, sql: str, *args: Any) -> None:
    began = time.monotonic()
    await connection.execute(sql, *args, timeout=1800)
    print(f"{name}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)


BEST = """
SELECT array_agg(entity_id::text) FROM (
    SELECT e.entity_id FROM leaderboard_entries e JOIN leaderboards b ON b.id = e.board_id
    WHERE b.name = $1 ORDER BY -e.score, e.reached_at, e.entity_id LIMIT $2
) best
"""


def reads(best: Sequence[str]) -> dict[str, tuple[str, Sequence[Any]]]:
    """What is asked: by a member, of the busiest city, and of another member. The best dishes are asked for twice: who
    they are, and what they are."""
    viewer, other = crowd.member(1), crowd.member(2)
    board = [BOARD, None, None, None, PAGE_SIZE, False, settings.leaderboards_counted, viewer, None]
    board.append(settings.leaderboards_following)
    return {
        "by_key": ("SELECT * FROM dishes WHERE id = $1", [f"{DISH_ID}{crowd.FIRST + 4321}"]),
        "best_dishes": (READ_FIRST, board),
        "best_dishes_named": (READ_DISHES, [viewer, [*best]]),
        "profile": (READ_USER, [viewer, other]),
        "trending": (READ_TRENDING, [BUSY, TYPE, f"dishes:{BUSY}:{TYPE}", 50]),
        "activity": (READ_ACTIVITY, [viewer, other, None, PAGE_SIZE]),
        "experts": (READ_EXPERTS, [viewer, BUSY, None, None, PAGE_SIZE]),
    }


async def measure(url: str, scale: float) -> tuple[dict[str, object], list[str]]:
    """Fill an empty database, ask, and say what reads all of a large table."""
    await migrate(url)
    connection: asyncpg.Connection = await asyncpg.connect(url)
    try:
        await fill(connection, scale)
        large = {row["name"]: row["rows"] for row in await connection.fetch(SIZES, LARGE)}
        found: dict[str, Read] = {}
        best = await connection.fetchval(BEST, BOARD, PAGE_SIZE - 1)
        for name, (sql, args) in reads(best).items():
            runs = [await explain(connection, sql, args) for _ in range(ROUNDS)]
            found[name] = msgspec.structs.replace(runs[-1], ms=statistics.median(run.ms for run in runs))
    finally:
        await connection.close()
    key = found["by_key"]
    figures = {
        name: {
            "buffers": read.buffers,
            "buffers_per_key": round(read.buffers / key.buffers, 1),
            "ms": round(read.ms, 3),
            "ms_per_key": round(read.ms / key.ms, 1),
            "plan": read.nodes,
        }
        for name, read in found.items()
    }
    whole = {f"Seq Scan on {name}" for name in large}
    faults = [f"{name}: {node}" for name, read in found.items() for node in read.nodes if node in whole]
    return {"rows": large, "reads": figures}, faults


def main() -> int:
    """Start PostgreSQL as shipped, fill it, ask, print, and end it with all that is in it."""
    parser = argparse.ArgumentParser(prog="loadtests.patterns")
    parser.add_argument("--scale", type=float, default=1.0, help="of all rows")
    scale: float = parser.parse_args().scale
    with tempfile.TemporaryDirectory(prefix="potluck-patterns-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # root's PostgreSQL runs as somebody else
        with start_postgres(Path(folder)) as postgres:
            figures, faults = uvloop.run(measure(postgres.url, scale))
    print(msgspec.json.encode(figures).decode())
    for fault in faults:
        print(f"reads all of a large table: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
