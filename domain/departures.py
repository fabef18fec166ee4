"""Leaving, on one page: what ends with an account, and in which order.

Each feature deletes what is its own and emits the events that undo it, as if everything had been taken back one by one.
So what follows from those events is mended by itself, and nobody else need know of departures.
"""

from domain import db
from domain.accounts.actions import delete_account, hold_account
from domain.accounts.rules import Viewer
from domain.comments.actions import delete_all_comments
from domain.db import transaction
from domain.graph.actions import end_all
from domain.idempotency.actions import forget_all_answers
from domain.ids import UserID
from domain.posts.actions import delete_all_posts
from domain.rankings.actions import unrank_all
from domain.reactions.actions import unlike_all
from domain.reviews.actions import delete_all_reviews, unlike_all_reviews
from domain.sessions.actions import NotYourAccount, end_all_sessions

# From above to below, as everybody locks who deletes: posts and reviews, what is below those of others, and what stands
# alone. A constant number of statements each.
ENDS = (
    delete_all_posts,
    delete_all_reviews,
    delete_all_comments,
    unlike_all,
    unlike_all_reviews,
    unrank_all,
    end_all,
    end_all_sessions,
    forget_all_answers,
)

# Two who like each other's posts would wait for each other.
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('departures'))"


async def leave(viewer: Viewer, user_id: UserID) -> None:
    """Delete one's own account and all that it did; deleted before is deleted. Raises NotYourAccount."""
    if user_id != viewer.id:
        raise NotYourAccount
    async with transaction():
        await db.execute(ONE_AT_A_TIME)
        if await hold_account(viewer):
            for end in ENDS:
                await end(viewer)
            await delete_account(viewer)
