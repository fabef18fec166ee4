"""What somebody did lately, as far as the viewer may see it."""

from typing import Literal
from uuid import UUID

import msgspec

from domain import db
from domain.accounts.queries import UserNotFound, visible_users
from domain.accounts.rules import Viewer
from domain.clock import stamp
from domain.comments.queries import Comment, comment_of
from domain.ids import UserID
from domain.rankings.queries import Ranking, ranking_of
from domain.reviews.queries import Review, review_of

Kind = Literal["ranking", "review", "comment"]


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """A ranking, a review or a comment; the other two are null. Since `created_at`, though it may have changed."""

    type: Kind
    id: UUID
    created_at: str
    ranking: Ranking | None
    review: Review | None
    comment: Comment | None


# $1 is the viewer, $2 who did it, and what is older than $3 is listed: ids sort by the time they were made. Of each
# kind the newest are found by index, so that a page costs no more however much there is.
READ_ACTIVITY = """
WITH listed AS (
    (
        SELECT 'ranking' AS kind, k.id FROM dish_rankings k
        WHERE k.user_id = $2 AND k.id < coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
            AND EXISTS (SELECT FROM visible_rankers($1) v WHERE v.id = $2)
        ORDER BY k.id DESC LIMIT $4
    ) UNION ALL (
        SELECT 'review', r.id FROM visible_reviews($1) r
        WHERE r.author_id = $2 AND r.id < coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY r.id DESC LIMIT $4
    ) UNION ALL (
        SELECT 'comment', c.id FROM visible_comments($1) c
        WHERE c.author_id = $2 AND c.id < coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY c.id DESC LIMIT $4
    )
    ORDER BY id DESC LIMIT $4
)
SELECT l.kind, l.id, u.id AS user_id, u.id AS author_id, u.username, u.display_name, u.avatar_url,
    coalesce(k.created_at, r.created_at, c.created_at) AS created_at, coalesce(r.edited_at, c.edited_at) AS edited_at,
    coalesce(r.content, c.content) AS content, d.id AS dish_id, d.name AS dish_name, d.restaurant_id,
    k.dish_type, k.rank, k.taste, k.notes, k.photo_url, k.updated_at,
    r.stars, r.photos, greatest(coalesce(n.likes, 0) + coalesce(own.likes, 0), 0) AS likes,
    greatest(coalesce(n.comments, 0) + coalesce(said.comments, 0), 0) AS comments, liked.user_id IS NOT NULL AS liked,
    c.target_type, c.target_id, c.parent_id,
    (SELECT count(*)::int FROM comments b JOIN visible_users($1) a ON a.id = b.author_id WHERE b.parent_id = c.id)
        AS reply_count,
    CASE WHEN c.content LIKE '%@%' THEN (
        SELECT json_agg(m ORDER BY lower(m.username) COLLATE "C") FROM visible_mentions($1, 'comment', c.id) m
    ) END AS mentions
FROM listed l JOIN users u ON u.id = $2
LEFT JOIN dish_rankings k ON k.id = l.id
LEFT JOIN reviews r ON r.id = l.id
LEFT JOIN comments c ON c.id = l.id
LEFT JOIN dishes d ON d.id = coalesce(k.dish_id, r.dish_id)
LEFT JOIN review_counts n ON n.review_id = r.id
LEFT JOIN review_likes liked ON liked.review_id = r.id AND liked.user_id = $1
LEFT JOIN unfolded_review_likes($1) own ON own.review_id = r.id
LEFT JOIN unfolded_comments($1) said ON said.target_id = r.id
ORDER BY l.id DESC
"""


async def read_activity(viewer: Viewer, user_id: UserID, before: UUID | None, limit: int) -> list[Act]:
    """What somebody ranked, reviewed and commented, the newest first, from before an id on. Raises UserNotFound."""
    rows = await db.fetch(READ_ACTIVITY, viewer.id, user_id, before, limit)
    if not rows and not await visible_users(viewer, [user_id]):
        raise UserNotFound
    return [_act(row) for row in rows]


def _act(row: db.Row) -> Act:
    kind: Kind = row["kind"]
    return Act(
        type=kind,
        id=row["id"],
        created_at=stamp(row["created_at"]),
        ranking=ranking_of(row) if kind == "ranking" else None,
        review=review_of(row) if kind == "review" else None,
        comment=comment_of(row) if kind == "comment" else None,
    )
