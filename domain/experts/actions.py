"""Folding what happened into influence: a constant number of statements for any number of events.

What an event names is reckoned anew from the rows: in whatever order, and however often, it comes to the same.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from domain import db, topics
from domain.accounts.events import PrivacyChanged, UserDeleted
from domain.counters.events import UserCounters
from domain.eventlog import Event, Logged, of
from domain.graph.events import UserBlocked, UserUnblocked
from domain.ids import UserID
from domain.places.events import RestaurantEdited
from domain.posts.events import PostDeleted
from domain.rankings.events import RankingChanged
from domain.reactions.events import PostLiked, PostUnliked
from domain.reviews.events import ReviewCreated, ReviewDeleted, ReviewLiked, ReviewUnliked

FOLDED: tuple[type[Event], ...] = (
    PostLiked,
    PostUnliked,
    PostDeleted,
    ReviewLiked,
    ReviewUnliked,
    ReviewCreated,
    ReviewDeleted,
    RankingChanged,
    UserBlocked,
    UserUnblocked,
    UserCounters,
    PrivacyChanged,
    UserDeleted,
    RestaurantEdited,
)

# $1 and $2 are likes, $3 things that are gone, $4 and $5 pairs of an author and who likes or liked. Each like that
# these name becomes what it is now; told is by how many people more somebody is liked. A statement sees what was
# before it, so `before` is how much of somebody's the other one liked until now.
SYNC_LIKES = """
WITH pair AS (
    SELECT * FROM unnest($4::uuid[], $5::uuid[]) AS p (user_id, liker_id)
), asked AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS a (thing_id, liker_id)
    UNION SELECT thing_id, liker_id FROM likes_received WHERE thing_id = ANY($3::uuid[])
    UNION SELECT r.thing_id, r.liker_id FROM pair JOIN likes_received r USING (user_id, liker_id)
    UNION SELECT l.post_id, l.user_id
    FROM pair JOIN likes l ON l.user_id = pair.liker_id JOIN posts p ON p.id = l.post_id AND p.author_id = pair.user_id
    UNION SELECT l.review_id, l.user_id
    FROM pair JOIN review_likes l ON l.user_id = pair.liker_id
    JOIN reviews r ON r.id = l.review_id AND r.author_id = pair.user_id
), found AS (
    SELECT asked.*, p.author_id AS user_id
    FROM asked JOIN likes l ON l.post_id = asked.thing_id AND l.user_id = asked.liker_id
    JOIN posts p ON p.id = l.post_id
    UNION ALL SELECT asked.*, r.author_id
    FROM asked JOIN review_likes l ON l.review_id = asked.thing_id AND l.user_id = asked.liker_id
    JOIN reviews r ON r.id = l.review_id
), counted AS (
    SELECT f.* FROM found f WHERE f.user_id <> f.liker_id
        AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = f.user_id AND b.blocked_id = f.liker_id)
        AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = f.liker_id AND b.blocked_id = f.user_id)
), added AS (
    INSERT INTO likes_received (thing_id, liker_id, user_id)
    SELECT thing_id, liker_id, user_id FROM counted ORDER BY thing_id, liker_id
    ON CONFLICT DO NOTHING RETURNING user_id, liker_id
), removed AS (
    DELETE FROM likes_received r USING asked
    WHERE r.thing_id = asked.thing_id AND r.liker_id = asked.liker_id AND NOT EXISTS (
        SELECT FROM counted c WHERE c.thing_id = asked.thing_id AND c.liker_id = asked.liker_id
    )
    RETURNING r.user_id, r.liker_id
), changed AS (
    SELECT user_id, liker_id, sum(one) AS more
    FROM (SELECT *, 1 AS one FROM added UNION ALL SELECT *, -1 FROM removed) c GROUP BY 1, 2
)
SELECT user_id, sum((before + more > 0)::int - (before > 0)::int)::int AS likers
FROM changed c, LATERAL (
    SELECT count(*) AS before FROM likes_received r WHERE r.user_id = c.user_id AND r.liker_id = c.liker_id
) b
GROUP BY 1 HAVING sum((before + more > 0)::int - (before > 0)::int) <> 0
"""

# Where these edits changed the city, or the country that makes it another one: whoever said something there.
PEOPLE_AT = """
WITH moved AS MATERIALIZED (
    SELECT e.restaurant_id FROM unnest($1::uuid[], $2::timestamptz[]) AS edit (restaurant_id, at)
    JOIN restaurant_edits e ON e.restaurant_id = edit.restaurant_id AND e.created_at = edit.at
        AND e.changes ?| ARRAY['city', 'country']
)
SELECT k.user_id FROM moved JOIN dish_rankings k USING (restaurant_id)
UNION SELECT r.author_id FROM moved JOIN reviews r USING (restaurant_id)
"""

RECKON = """
INSERT INTO influences (user_id, followers, rankings, reviews, likers)
SELECT u.id, coalesce(c.followers, 0), (SELECT count(*) FROM dish_rankings k WHERE k.user_id = u.id),
    (SELECT count(*) FROM reviews r WHERE r.author_id = u.id), coalesce(old.likers, 0) + asked.likers
FROM unnest($1::uuid[], $2::int[]) AS asked (user_id, likers) JOIN users u ON u.id = asked.user_id
LEFT JOIN user_counts c ON c.user_id = u.id LEFT JOIN influences old ON old.user_id = u.id
ORDER BY u.id
ON CONFLICT (user_id) DO UPDATE SET followers = excluded.followers, rankings = excluded.rankings,
    reviews = excluded.reviews, likers = excluded.likers
"""

PLACE = """
WITH here AS (
    SELECT did.user_id, r.city_slug, sum(did.rankings)::int AS rankings, sum(did.reviews)::int AS reviews
    FROM (
        SELECT user_id, restaurant_id, 1 AS rankings, 0 AS reviews FROM dish_rankings WHERE user_id = ANY($1::uuid[])
        UNION ALL SELECT author_id, restaurant_id, 0, 1 FROM reviews WHERE author_id = ANY($1::uuid[])
    ) did JOIN restaurants r ON r.id = did.restaurant_id
    WHERE r.city_slug IS NOT NULL GROUP BY 1, 2
), left_behind AS (
    DELETE FROM experts e WHERE e.user_id = ANY($1::uuid[])
        AND NOT EXISTS (SELECT FROM here WHERE here.user_id = e.user_id AND here.city_slug = e.city_slug)
)
INSERT INTO experts (user_id, city_slug, rankings, reviews, influence, is_public)
SELECT here.*, i.influence, u.privacy_level = 'public'
FROM here JOIN users u ON u.id = here.user_id JOIN influences i ON i.user_id = here.user_id
ORDER BY here.user_id, here.city_slug
ON CONFLICT (user_id, city_slug) DO UPDATE SET rankings = excluded.rankings, reviews = excluded.reviews,
    influence = excluded.influence, is_public = excluded.is_public
"""

FORGET = """
WITH gone AS (DELETE FROM influences WHERE user_id = ANY($1::uuid[]))
DELETE FROM experts WHERE user_id = ANY($1::uuid[])
"""


async def fold(events: Sequence[Logged]) -> None:
    """Have the influence of whom the events name, and the cities that they are experts of, be what they come to now."""
    more = await _liked(events)
    touched = set(more) | {each.user.id for each in of(events, RankingChanged)}
    touched |= {each.review.author.id for each in of(events, ReviewCreated)}
    touched |= {each.author_id for each in of(events, ReviewDeleted)}
    touched |= {each.user_id for each in of(events, PrivacyChanged)}
    counted = (event.topics[0] for event in events if event.type == UserCounters.type)
    touched |= {UserID(user_id) for _, user_id in map(topics.parse, counted) if isinstance(user_id, UUID)}
    if edited := [(each.id, datetime.fromisoformat(each.updated_at)) for each in of(events, RestaurantEdited)]:
        touched |= {row["user_id"] for row in await db.fetch(PEOPLE_AT, *zip(*edited, strict=True))}
    if touched:
        people = sorted(touched)
        await db.execute(RECKON, people, [more[each] for each in people])
        await db.execute(PLACE, people)
    if left := [each.user_id for each in of(events, UserDeleted)]:
        await db.execute(FORGET, left)


async def _liked(events: Sequence[Logged]) -> Counter[UUID]:
    """By how many people more each user is liked."""
    likes = {(each.post_id, each.user_id) for kind in (PostLiked, PostUnliked) for each in of(events, kind)}
    likes |= {(each.review_id, each.user_id) for kind in (ReviewLiked, ReviewUnliked) for each in of(events, kind)}
    gone = [each.id for kind in (PostDeleted, ReviewDeleted) for each in of(events, kind)]
    apart = {(each.blocker_id, each.blocked_id) for kind in (UserBlocked, UserUnblocked) for each in of(events, kind)}
    if not likes and not gone and not apart:
        return Counter()
    pairs = [*apart, *((other, one) for one, other in apart)]
    things, likers = [thing for thing, _ in likes], [liker for _, liker in likes]
    args = (things, likers, gone, [one for one, _ in pairs], [other for _, other in pairs])
    return Counter({row["user_id"]: row["likers"] for row in await db.fetch(SYNC_LIKES, *args)})
