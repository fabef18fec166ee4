"""What a benchmark is asked for, and what is measured beside it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from loadtests.peers.install import Missing


class Asked(NamedTuple):
    """None: as the benchmark has it."""

    users: int | None = None
    """Connections, or whatever a benchmark has many of."""
    seconds: float | None = None
    peers: bool = True


async def beside(
    asked: Asked, names: Sequence[str], measure: Callable[[str], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """What is found of each peer, if any is asked for; of one that is not there, why."""
    found: dict[str, Any] = {}
    for name in names if asked.peers else ():
        try:
            found[name] = await measure(name)
        except Missing as why:
            found[name] = None
            found[f"{name}_missing"] = str(why)
    return found


def measured(found: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The peers that could be, with what was found of them."""
    return [(name, each) for name, each in found.items() if name != "potluck" and isinstance(each, dict)]
