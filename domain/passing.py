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

FOLDED = "SELECT batch >= $2 FROM cursors WHERE feature = $1"


async def hold_fold(feature: str) -> None:
    """Have nobody fold until the transaction ends."""
    await db.execute(HOLD_FOLD, feature)


async def has_folded(feature: str) -> bool:
    """Wait until the fold has passed all that is there now; False when it does not, for nobody folds."""
    until, deadline = await db.fetchval(NOW), time.monotonic() + PATIENCE_S
    while not await db.fetchval(FOLDED, feature, until):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True
