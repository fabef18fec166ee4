"""The demo to look at: a row per person, and what goes on altogether."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from rich.console import Console, Group
from rich.table import Table

from loadtests.demo.boards import KITCHENS_BOARD
from loadtests.demo.city import CITY, DISH_TYPE
from loadtests.demo.people import Person
from loadtests.http import percentiles_ms

SHOWN = 8  # of what is trending


def table(people: Sequence[Person], url: str, console: Console) -> Group:
    """What is trending, the best kitchens, and as many people as fit, those with most friends first."""
    listed, kitchens = people[0].trending[:SHOWN], _kitchens(people[0])[:SHOWN]
    beside = Table.grid(expand=True, padding=(0, 1))
    beside.add_column(ratio=3)
    beside.add_column(ratio=2)
    beside.add_row(_trending(listed), _best(kitchens))
    rows = max(len(listed), len(kitchens))
    room = console.height - 7 - (rows + 4 if rows else 0)
    return Group(*([beside] if rows else []), _people(people, url, max(room, 1)))


def _kitchens(person: Person) -> Sequence[dict[str, Any]]:
    """The board of the city's kitchens."""
    return [row for each in person.boards if each.board.name == KITCHENS_BOARD for row in each.board.items]


def _best(kitchens: Sequence[dict[str, Any]]) -> Table:
    made = Table(title=f"The best {DISH_TYPE} in {CITY}", expand=True)
    made.add_column("", justify="right")
    made.add_column("where", no_wrap=True, ratio=1)
    made.add_column("score", justify="right")
    for each in kitchens:
        made.add_row(str(each["rank"]), each["name"], f"{each['score']:.2f}")
    return made


def _trending(listed: Sequence[dict[str, Any]]) -> Table:
    made = Table(title=f"What is trending in {CITY}", expand=True)
    made.add_column("dish", no_wrap=True)
    made.add_column("where", no_wrap=True, ratio=1)
    for heading in ("ranked by", "score"):
        made.add_column(heading, justify="right")
    for each in listed:
        numbers = (str(each["ranking_count"]), f"{each['trending_score']:.1f}")
        made.add_row(each["dish_name"], each["restaurant_name"], *numbers)
    return made


def _people(people: Sequence[Person], url: str, number: int) -> Table:
    shown = sorted(people, key=lambda person: -len(person.friends))[:number]
    made = Table(title=f"Les Misérables on {url}", caption=_totals(people, len(shown)), expand=True)
    made.add_column("who", no_wrap=True)
    for heading in ("followers", "likes", "unread", "groups", "events"):
        made.add_column(heading, justify="right")
    made.add_column("last heard", no_wrap=True, ratio=1)
    for person in shown:
        groups = sum(row["is_batch"] for row in person.rows.values())
        followers, likes = person.counters.get("followers", 0), sum(person.likes.values())
        numbers = map(str, (followers, likes, person.unread, groups, person.events))
        made.add_row(person.name, *numbers, person.last)
    return made


def _totals(people: Sequence[Person], shown: int) -> str:
    took = percentiles_ms(list(chain.from_iterable(person.delays_s for person in people)))
    latency = ", ".join(f"{name} {ms:.0f} ms" for name, ms in took.items())
    acts = sum(person.acts for person in people)
    events, resets = (
        sum(person.events for person in people),
        sum(person.client.contract.seen.resets for person in people),
    )
    return (
        f"{shown} of {len(people)} people · {acts} acts · {events} events on their sockets, {resets} resets\n"
        f"from act to frame: {latency} · Ctrl-C ends"
    )
