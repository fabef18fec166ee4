"""What has to be known of acts before they are told."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from domain import db
from domain.acts.rules import Crossing, seen_as
from domain.ids import UserID
from domain.notifications.rules import Act

# Of posts and reviews their authors; of comments the authors of what they reply to.
OWNERS = """
SELECT id, author_id FROM posts WHERE id = ANY($1::uuid[])
UNION ALL SELECT id, author_id FROM reviews WHERE id = ANY($1::uuid[])
UNION ALL SELECT c.id, p.author_id FROM comments c JOIN comments p ON p.id = c.parent_id WHERE c.id = ANY($2::uuid[])
"""

# Of these acts, those that may be told: nobody hears of whom they muted or are apart from, or of what they cannot see.
# Who is gone by now did nothing, though each act's undoing is still to be folded.
TELLABLE = """
SELECT act.i
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[])
    WITH ORDINALITY AS act (user_id, actor_id, subject_id, seen_as, i)
WHERE (act.actor_id IS NULL OR EXISTS (SELECT FROM users u WHERE u.id = act.actor_id))
    AND NOT EXISTS (SELECT FROM mutes m WHERE m.muter_id = act.user_id AND m.muted_id = act.actor_id)
    AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = act.user_id AND b.blocked_id = act.actor_id)
    AND NOT EXISTS (SELECT FROM blocks b WHERE b.blocker_id = act.actor_id AND b.blocked_id = act.user_id)
    AND CASE act.seen_as
        WHEN 'comment' THEN EXISTS (SELECT FROM visible_comments(act.user_id) v WHERE v.id = act.subject_id)
        WHEN 'post' THEN EXISTS (SELECT FROM visible_posts(act.user_id) v WHERE v.id = act.subject_id)
        ELSE true END
"""


async def owners_of(things: Collection[UUID], comment_ids: Collection[UUID]) -> dict[UUID, UserID]:
    """Whose these posts and reviews are, and what these comments reply to; of what is gone, nobody's."""
    if not things and not comment_ids:
        return {}
    return {row["id"]: row["author_id"] for row in await db.fetch(OWNERS, things, comment_ids)}


async def tellable(acts: Sequence[Act]) -> set[Act]:
    """Those of the acts that may be told to whom they are news."""
    if not acts:
        return set()
    people = [[act.user_id for act in acts], [act.actor_id for act in acts]]
    things = [[act.subject_id for act in acts], [seen_as(act) for act in acts]]
    return {acts[row["i"] - 1] for row in await db.fetch(TELLABLE, *people, *things)}


TOLD = """
SELECT subject_id, place, has_entered, told_at FROM told_crossings WHERE subject_id = ANY($1::uuid[])
UNION ALL
SELECT subject_id, place, has_entered, NULL FROM waiting_crossings WHERE subject_id = ANY($1::uuid[])
"""


async def crossings_of(subjects: Collection[UUID]) -> tuple[dict[Crossing, datetime], dict[UUID, Crossing]]:
    """When crossings of these were last told, as far as that is remembered; and of each the one that waits."""
    told: dict[Crossing, datetime] = {}
    waiting: dict[UUID, Crossing] = {}
    for row in await db.fetch(TOLD, subjects):
        crossing = Crossing(row["subject_id"], row["place"], row["has_entered"])
        if row["told_at"] is None:
            waiting[crossing.subject_id] = crossing
        else:
            told[crossing] = row["told_at"]
    return told, waiting


FANS = """
SELECT dish.id, array_agg(k.user_id ORDER BY k.id) AS fans FROM unnest($1::uuid[]) AS dish (id), LATERAL (
    SELECT id, user_id FROM dish_rankings WHERE dish_id = dish.id AND rank = 1 ORDER BY id LIMIT $2
) k
GROUP BY dish.id
"""


async def fans_of(dishes: Collection[UUID], at_most: int) -> dict[UUID, list[UserID]]:
    """Who ranks each of the dishes first, the earliest first; so many of them."""
    if not dishes:
        return {}
    return {row["id"]: row["fans"] for row in await db.fetch(FANS, dishes, at_most)}
