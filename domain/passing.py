"""How far a derived feature has folded the log: for whoever computes anew, beside it, what it keeps."""

import asyncio
import time
from typing import Final

from domain import db

LOOKS: Final = 3
"""So often a difference is looked at again, once what was on its way has been folded."""

PATIENCE_S: Final = 15.0

# Whoever folds holds it, too: meanwhile nobody else changes what the feature keeps.
HOLD_FOLD = "SELECT FROM cursors WHERE feature = $1 FOR UPDATE"

NOW = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

# All that was there then, and whatever the fold has put off to the next one.
FOLDED = """
SELECT k.batch >= $2 AND NOT EXISTS (
    SELECT FROM events e WHERE e.xid >= pg_snapshot_xmin(b.snapshot) AND NOT pg_visible_in_snapshot(e.xid, b.snapshot)
        AND e.type = $3
)
FROM cursors k JOIN batches b ON b.batch = k.batch WHERE k.feature = $1
"""


async def hold_fold(feature: str) -> None:
    """Have nobody fold until the transaction ends."""
    await db.execute(HOLD_FOLD, feature)


async def has_folded(feature: str, puts_off: str = "") -> bool:
    """Wait until the fold has passed all that is there now, and all events of a type by which it puts off what is much;
    False when it does not, for nobody folds."""
    until, deadline = await db.fetchval(NOW), time.monotonic() + PATIENCE_S
    while not await db.fetchval(FOLDED, feature, until, puts_off):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True
