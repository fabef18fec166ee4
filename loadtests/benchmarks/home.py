"""A post by somebody whom half of 10,000 listeners follow: who hears of it, how soon, and what had to be asked.

They post ten times, over HTTP, and are followed by every other listener and by as many who are away. `ms` is from the
request until the first and the last of those who follow have heard; `questions` are the statements about followers
that it took all of `serve`, for each post, and `sql` all statements, those of the request and the folds too.
"""

import asyncio
import statistics
import time
from typing import Any

from loadtests import crowd
from loadtests.http import Connection, connect, request
from loadtests.measured.asked import Asked
from loadtests.measured.ours import Ours, message, serving
from loadtests.measured.sockets import Ears, allow_files, enter_all, until
from loadtests.usage import memory_of

CONNECTIONS = 10_000
POSTS = 10
AUTHOR = 1
"""Members with an even number follow this one."""
APART_S = 0.5
ALL_S = 15.0

ADD_FOLLOWS = """
INSERT INTO follows (follower_id, followed_id, status, created_at)
SELECT ($1 || ($2::bigint + n))::uuid, $3, 'active', now() FROM generate_series(0, $4::bigint - 1, 2) n
"""
STATEMENTS = """
SELECT coalesce(sum(calls), 0)::bigint AS sql,
    coalesce(sum(calls) FILTER (WHERE query LIKE '%array_agg(%follower_id)%'), 0)::bigint AS questions
FROM pg_stat_statements WHERE toplevel
"""


async def heard(ours: Ours, author: Connection, ears: Ears, number: int, followers: int) -> dict[str, float]:
    """Post, and wait until all who follow have heard."""
    token = ours.tokens.of(AUTHOR)
    cpu, before = ours.used(), await ours.database.fetchrow(STATEMENTS)
    assert before is not None
    begun = time.perf_counter()
    await author.ask(request("POST", "/posts", token, {"content": message(number).decode()}))
    answered = time.perf_counter() - begun
    await until(lambda: len(ears.numbers) >= followers * (number + 1), ALL_S)
    await asyncio.sleep(APART_S)
    used, after = ours.used() - cpu, await ours.database.fetchrow(STATEMENTS)
    assert after is not None
    late = [at - begun for each, at in zip(ears.numbers, ears.times, strict=True) if each == number]
    return {
        "answered": answered * 1000,
        "first": min(late, default=ALL_S) * 1000,
        "last": max(late, default=ALL_S) * 1000,
        "server_cpu_ms": used.server * 1000,
        "sql": after["sql"] - before["sql"] - 1,
        "questions": after["questions"] - before["questions"],
    }


async def measure(asked: Asked) -> dict[str, Any]:
    """Enter, follow, post."""
    number = asked.users or CONNECTIONS
    allow_files(number)
    async with serving(members=2 * number, posts=1) as ours:
        await ours.database.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        await ours.database.execute(ADD_FOLLOWS, crowd.MEMBER_ID, crowd.FIRST, crowd.member(AUTHOR), 2 * number)
        await ours.database.execute("ANALYZE follows")
        ears = Ears()
        clients, _ = await enter_all(ears, [ours.door(member, {"home": None}) for member in range(number)])
        followers = (number + 1) // 2
        (author,) = await connect(ours.potluck.url, 1)
        before = memory_of(ours.pids())
        found = [await heard(ours, author, ears, each, followers) for each in range(POSTS)]
        grown = memory_of(ours.pids()).rss - before.rss
        right = {(who, each) for who, each in zip(ears.who, ears.numbers, strict=True) if who % 2 == 0}
        for client in clients:
            client.leave()
        author.close()
    median = {name: statistics.median(each[name] for each in found) for name in found[0]}
    return {
        "ratios": {"questions_per_post": median["questions"], "sql_per_follower": median["sql"] / followers},
        "lost": POSTS * followers - len(right),
        "wrong": len(ears.numbers) - len(right),
        "connections": number,
        "followers_connected": followers,
        "ms": {name: round(median[name], 1) for name in ("answered", "first", "last")},
        "server_cpu_ms_per_post": round(median["server_cpu_ms"], 1),
        "sql_per_post": median["sql"],
        "most_questions": max(each["questions"] for each in found),
        "grown_kb": grown,
    }
