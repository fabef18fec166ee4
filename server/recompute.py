"""`python -m server.recompute NAME [--check]`: compute a derived state anew, and say in what it differed."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

from domain import db
from domain.recomputing import PAGE
from domain.settings import settings
from server.supervisor import say

SHOWN: Final = 100


async def recompute(name: str, *, check: bool) -> int:
    """The exit code: 1 when `check` finds a difference, or there is no such state."""
    if name not in PAGE:
        say(f"there is no {name} to recompute, only: {', '.join(sorted(PAGE))}")
        return 1
    found = 0
    await db.open_pool(worker=True)
    try:
        with db.patience(settings.fold_timeout_s):  # much is summed at once, and nobody waits
            async for line in (PAGE[name].check if check else PAGE[name].mend)():
                found += 1
                if found <= SHOWN:
                    print(line, flush=True)
    finally:
        await db.close_pool()
    what = "nothing differs" if not found else f"{found} {'difference' if found == 1 else 'differences'}"
    print(f"{name}: {what}{'' if check or not found else ', mended'}", flush=True)
    return 1 if check and found else 0


def main(arguments: Sequence[str]) -> int:
    """Run it; the exit code."""
    name, *options = arguments
    return asyncio.run(recompute(name, check="--check" in options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
