"""The city where they eat, who ranks which dish there, and what must come of it: plain Python, of no real place.

Everybody visits a few kitchens and has an opinion of their pizzas, changes it, and takes some of it back. That is the
same every time: it hangs on nothing but the name. Each does one after the other: nothing hangs on who is quicker.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

CITY = "Saltbridge"
KITCHENS = ("Anise", "Basil", "Caraway", "Dill", "Fennel", "Ginger", "Juniper", "Saffron")
DISH_TYPE = "pizza"
PIZZAS = ("Amber", "Black", "Crimson", "Green", "Plain", "White")

VISITS = 4  # kitchens that somebody knows
OPINIONS = 5  # in each of them
RANKS = 5
TAKEN_BACK = 0.15
LISTED_FROM = 5  # people


class Dish(NamedTuple):
    """A pizza by the numbers of its kitchen and of itself."""

    kitchen: int
    pizza: int


class Opinion(NamedTuple):
    """Somebody ranks a dish, or takes that back."""

    dish: Dish
    rank: int | None


def opinions(seed: str) -> Iterator[Opinion]:
    """What somebody does, in this order; the first kitchens and pizzas are the best known."""
    chance = random.Random(seed)
    for kitchen in chance.sample(range(len(KITCHENS)), VISITS):
        for _ in range(OPINIONS):
            pizza = min(chance.randrange(len(PIZZAS)), chance.randrange(len(PIZZAS)))
            rank = None if chance.random() < TAKEN_BACK else chance.randint(1, RANKS)
            yield Opinion(Dish(kitchen, pizza), rank)


def ranked(acts: Iterable[Opinion]) -> dict[Dish, int | None]:
    """What somebody thinks in the end: ranks without holes; None of what was pushed out."""
    orders: defaultdict[int, list[Dish]] = defaultdict(list)
    pushed_out: set[Dish] = set()
    for dish, rank in acts:
        order = orders[dish.kitchen]
        pushed_out.discard(dish)
        if dish in order:
            order.remove(dish)
        if rank is not None:
            order.insert(rank - 1, dish)
            pushed_out.update(order[RANKS:])
            del order[RANKS:]
    ranks: dict[Dish, int | None] = {dish: i for order in orders.values() for i, dish in enumerate(order, 1)}
    return ranks | dict.fromkeys(pushed_out)


def raters(names: Iterable[str]) -> Counter[Dish]:
    """How many have ranked each dish in the end."""
    return Counter(dish for name in names for dish in ranked(opinions(name)))


def trending(names: Iterable[str]) -> dict[Dish, int]:
    """The dishes that enough people have ranked, and how many."""
    return {dish: number for dish, number in raters(names).items() if number >= LISTED_FROM}


class Place(NamedTuple):
    """A kitchen and its pizzas, as they are called by id."""

    id: str
    dishes: Sequence[str]


def ids(places: Sequence[Place]) -> Mapping[Dish, str]:
    """What each dish is called."""
    return {Dish(i, j): each for i, place in enumerate(places) for j, each in enumerate(place.dishes)}
