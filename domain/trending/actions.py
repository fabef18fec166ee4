"""Folding what people do into what is trending, and letting go of what is old."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from uuid import UUID

import msgspec

from domain import db, topics
from domain.clock import now, stamp
from domain.comments.events import CommentCreated, CommentDeleted
from domain.counters.events import DishCounters
from domain.db import transaction
from domain.dishes.events import DishEdited, DishRemoved
from domain.eventlog import Event, Logged, emit, emit_all, of
from domain.ids import ReviewID
from domain.places.events import RestaurantEdited
from domain.rankings.events import RankingChanged
from domain.rankings.rules import Placing
from domain.reviews.events import ReviewCreated, ReviewDeleted, ReviewEdited, ReviewLiked, ReviewUnliked
from domain.settings import settings
from domain.trending.events import TrendingChanged, TrendingDue
from domain.trending.queries import entries
from domain.trending.rules import COMMENT, EXPIRED, LIKE, TOP, Act, netted, scope_of, weight_of, weight_of_review

ACTED = {
    kind.type: kind
    for kind in (RankingChanged, ReviewCreated, ReviewEdited, ReviewLiked, ReviewUnliked, CommentCreated)
}
FOLDED: tuple[type[Event], ...] = (
    RankingChanged,
    ReviewCreated,
    ReviewEdited,
    ReviewDeleted,
    ReviewLiked,
    ReviewUnliked,
    CommentCreated,
    CommentDeleted,
    DishCounters,
    DishEdited,
    DishRemoved,
    RestaurantEdited,
    TrendingDue,
)

# $1 to $3 are taken back, the dishes $4 are gone, and so are the reviews and comments $5; and what is older than $6 has
# had its time: $7 of those.
LET_GO = """
WITH back AS (
    DELETE FROM trending_acts a USING unnest($1::text[], $2::uuid[], $3::uuid[]) AS back (kind, thing_id, actor_id)
    WHERE a.thing_id = back.thing_id AND a.actor_id = back.actor_id AND a.kind = back.kind RETURNING a.dish_id
), gone AS (
    DELETE FROM trending_acts WHERE dish_id = ANY($4::uuid[]) RETURNING dish_id
), unsaid AS (
    DELETE FROM trending_acts WHERE thing_id = ANY($5::uuid[]) OR review_id = ANY($5::uuid[]) RETURNING dish_id
), old AS (
    DELETE FROM trending_acts WHERE ctid = ANY(ARRAY(SELECT ctid FROM trending_acts WHERE at < $6 ORDER BY at LIMIT $7))
    RETURNING dish_id
)
SELECT coalesce(array_agg(DISTINCT dish_id), '{}') AS dishes, (SELECT count(*) FROM old) AS expired
FROM (TABLE back UNION ALL TABLE gone UNION ALL TABLE unsaid UNION ALL TABLE old) let_go
"""

# Of what is gone by now nothing counts. Who does it again on the same day did it when they did it first.
ADD_ACTS = """
INSERT INTO trending_acts AS a (kind, dish_id, review_id, thing_id, actor_id, weight, at, day)
SELECT act.kind, d.id, act.review_id, act.thing_id, act.actor_id, act.weight, act.at, (act.at AT TIME ZONE 'UTC')::date
FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::int[], $7::timestamptz[])
    AS act (kind, dish_id, review_id, thing_id, actor_id, weight, at)
LEFT JOIN reviews r ON r.id = act.review_id JOIN dishes d ON d.id = coalesce(act.dish_id, r.dish_id)
ON CONFLICT (dish_id, actor_id, kind, day, thing_id) DO UPDATE SET weight = excluded.weight
WHERE a.weight <> excluded.weight
RETURNING dish_id
"""

# $1 are dishes, $2 restaurants whose dishes are meant, $3 is now, $4 the half-life in seconds, $5 the floor. What a
# person did of a kind on a day is one act. Sums are of what is about 1 now: at a fixed time of reference they would
# run out of exponents within a year. Too old to count at all is 2^-1000.
RELIST = """
WITH asked AS (
    SELECT unnest($1::uuid[]) AS dish_id UNION SELECT id FROM dishes WHERE restaurant_id = ANY($2::uuid[])
), scored AS (
    SELECT asked.dish_id, total.actors, $3::timestamptz + make_interval(secs => $4 * ln(total.score) / ln(2)) AS one_at
    FROM asked CROSS JOIN LATERAL (
        SELECT count(DISTINCT actor_id) AS actors,
            sum(weight * power(2::float8, greatest(date_part('epoch', at - $3) / $4::float8, -1000))) AS score
        FROM (
            SELECT actor_id, max(weight) AS weight, min(at) AS at FROM trending_acts WHERE dish_id = asked.dish_id
            GROUP BY actor_id, kind, day
        ) counted HAVING count(DISTINCT actor_id) >= $5
    ) total
), before AS (
    SELECT t.dish_id, t.city, t.dish_type FROM trending_dishes t JOIN asked USING (dish_id)
), listed AS (
    INSERT INTO trending_dishes AS t (dish_id, restaurant_id, city, dish_type, dish_name, restaurant_name, image_url,
        rankings, actors, one_at)
    SELECT d.id, r.id, r.city_slug, d.dish_type, d.name, r.name, d.image_url, coalesce(c.rankings, 0), scored.actors,
        scored.one_at
    FROM scored JOIN dishes d ON d.id = scored.dish_id JOIN restaurants r ON r.id = d.restaurant_id
    LEFT JOIN dish_counts c ON c.dish_id = d.id
    WHERE d.is_available AND r.city_slug IS NOT NULL
    ON CONFLICT (dish_id) DO UPDATE SET city = excluded.city, dish_type = excluded.dish_type,
        dish_name = excluded.dish_name, restaurant_name = excluded.restaurant_name, image_url = excluded.image_url,
        rankings = excluded.rankings, actors = excluded.actors, one_at = excluded.one_at
    RETURNING t.dish_id, t.city, t.dish_type
), unlisted AS (
    DELETE FROM trending_dishes t USING asked
    WHERE t.dish_id = asked.dish_id AND NOT EXISTS (SELECT FROM listed WHERE listed.dish_id = t.dish_id)
)
SELECT city, dish_type FROM listed UNION SELECT city, dish_type FROM before
"""

# Of each city, and type or null, the list and what was last told of it.
TOPS = """
SELECT asked.scope, coalesce(s.version, 0) AS version, s.told, top.*
FROM unnest($1::text[], $2::text[], $3::text[]) AS asked (scope, city, of_type)
LEFT JOIN trending_scopes s ON s.scope = asked.scope
LEFT JOIN LATERAL (
    (SELECT * FROM trending_dishes t WHERE asked.of_type IS NULL AND t.city = asked.city
        ORDER BY t.one_at DESC, t.dish_id LIMIT $4)
    UNION ALL
    (SELECT * FROM trending_dishes t WHERE t.city = asked.city AND t.dish_type = asked.of_type
        ORDER BY t.one_at DESC, t.dish_id LIMIT $4)
) AS top ON true
ORDER BY asked.scope, top.one_at DESC, top.dish_id
"""

SHOWN = ("dish_id", "dish_name", "restaurant_id", "restaurant_name", "dish_type", "image_url", "rankings", "one_at")

KEEP_TOLD = """
INSERT INTO trending_scopes (scope, version, told)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[])
ON CONFLICT (scope) DO UPDATE SET version = excluded.version, told = excluded.told
"""


async def fold(events: Sequence[Logged]) -> None:
    """Count acts, let go of what is taken back or old, and tell the lists that are not what they were."""
    time = now()
    oldest = _oldest(time)
    back, done = netted(_acts(events))
    removed = [each.id for each in of(events, DishRemoved)]
    moved = [each.id for each in of(events, RestaurantEdited)]
    keys = [list(column) for column in zip(*back, strict=True)] or [[]] * 3
    unsaid = {*(each.id for each in of(events, ReviewDeleted)), *_deleted_comments(events)}
    left = await db.fetchrow(LET_GO, *keys, removed, list(unsaid), oldest, EXPIRED)
    assert left is not None  # it has a row of its own
    touched = {*left["dishes"], *removed, *_renewed(events)}
    if done := [act for act in done if act.at >= oldest and not unsaid & {act.thing_id, act.review_id}]:
        added = await db.fetch(ADD_ACTS, *(list(column) for column in zip(*done, strict=True)))
        touched |= {row["dish_id"] for row in added}
    if touched or moved:
        limits = (settings.trending_half_life_s, settings.trending_floor)
        rows = await db.fetch(RELIST, list(touched), moved, time, *limits)
        lists = {(row["city"], dish_type) for row in rows for dish_type in (None, row["dish_type"])}
        await emit_all(await _changed(lists, time))
    if left["expired"] == EXPIRED:  # and there may be more
        await emit(TrendingDue())


def _acts(events: Iterable[Logged]) -> Iterator[Act]:
    """What the events say that people did, and took back, in their order. Other notes and other words are no act."""
    for event in events:
        at = event.at
        match msgspec.json.decode(event.data, type=ACTED[event.type]) if event.type in ACTED else None:
            case RankingChanged() as ranked:
                after = None if ranked.ranking is None else Placing(ranked.ranking.rank, ranked.ranking.taste)
                if after != ranked.before:
                    yield Act("ranking", ranked.dish_id, None, ranked.dish_id, ranked.user.id, weight_of(after), at)
            case ReviewCreated(review=review):
                weight = weight_of_review(review.stars)
                yield Act("review", review.dish_id, review.id, review.id, review.author.id, weight, at)
            case ReviewEdited() as edited if event.actor is not None and edited.stars != edited.stars_before:
                weight = weight_of_review(edited.stars)
                yield Act("review", edited.dish_id, edited.id, edited.id, event.actor, weight, at)
            case ReviewLiked(review_id=review_id, user_id=user_id):
                yield Act("like", None, review_id, review_id, user_id, LIKE, at)
            case ReviewUnliked(review_id=review_id, user_id=user_id):
                yield Act("like", None, review_id, review_id, user_id, 0, at)
            case CommentCreated(comment=comment) if comment.target.type == "review":
                yield Act("comment", None, ReviewID(comment.target.id), comment.id, comment.author.id, COMMENT, at)
            case _:
                pass


def _deleted_comments(events: Sequence[Logged]) -> Iterator[UUID]:
    """Those on reviews, with their replies."""
    for deleted in of(events, CommentDeleted):
        if deleted.target.type == "review":
            yield from deleted.ids


def _renewed(events: Iterable[Logged]) -> Iterator[UUID]:
    """Dishes that are to be shown anew."""
    for event in events:
        if event.type == DishCounters.type:
            yield UUID(event.topics[0].removeprefix("dish:"))
    yield from (each.id for each in of([*events], DishEdited))


async def _changed(lists: Iterable[tuple[str, str | None]], time: datetime) -> list[tuple[Event, str]]:
    """The news of those lists that are not what was last told of them; it is kept as told."""
    asked = [(scope_of(*each), *each) for each in lists]
    rows: defaultdict[str, list[db.Row]] = defaultdict(list)
    if asked:
        for row in await db.fetch(TOPS, *(list(column) for column in zip(*asked, strict=True)), TOP):
            rows[row["scope"]].append(row)
    told: list[tuple[str, int, bytes]] = []
    news: list[tuple[Event, str]] = []
    for scope, found in rows.items():
        listed = [row for row in found if row["dish_id"] is not None]
        digest = _digest(listed)
        if digest == found[0]["told"]:
            continue
        version = found[0]["version"] + 1
        told.append((scope, version, digest))
        half_life = settings.trending_half_life_s
        top = entries(listed, time)
        changed = TrendingChanged(version=version, at=stamp(time), half_life_s=half_life, top=top)
        news.append((changed, topics.trending(scope)))
    if told:
        await db.execute(KEEP_TOLD, *(list(column) for column in zip(*told, strict=True)))
    return news


def _digest(listed: Sequence[db.Row]) -> bytes:
    """Of all that is told, with the score as what does not change by time."""
    shown = [[row[name] for name in SHOWN] for row in listed]
    return blake2b(msgspec.json.encode(shown), digest_size=16).digest()


IS_DUE = "SELECT EXISTS (SELECT FROM trending_acts WHERE at < $1)"


async def let_go() -> None:
    """Have the fold let go of acts that are older than the window, if there are any: nobody else writes here."""
    async with transaction():
        if await db.fetchval(IS_DUE, _oldest(now())):
            await emit(TrendingDue())


def _oldest(time: datetime) -> datetime:
    return time - timedelta(seconds=settings.trending_window_s)
