"""How often Python looks for garbage: most of what a request leaves behind is gone without it."""

import gc
from typing import Final

YOUNG: Final = 10_000
"""Objects made and not yet gone, before the youngest are looked at; by default 700."""


def look_less_often() -> None:
    """Never again look at what is there now, which is there to stay, and at the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
