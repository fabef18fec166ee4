"""What can be asked of leaderboards."""

import re
from collections.abc import Collection
from typing import Final, Literal

from domain.ids import UserID

_NAME: Final = re.compile(r"(dishes:[^:@]+|restaurants:[^:@]+|users):[^:@]+(@\d{4}-w\d{2})?")


async def board_access(asked: Collection[tuple[UserID, str]]) -> list[tuple[UserID, str, None, Literal["ok"]]]:
    """Of each (viewer, board) those that are boards: nobody's, and open to everybody."""
    return [(viewer, board, None, "ok") for viewer, board in asked if _NAME.fullmatch(board)]
