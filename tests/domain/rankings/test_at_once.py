"""Several devices of one person rank at once, each on a connection of its own: one after the other, in some order."""

import asyncio
from itertools import permutations
from random import Random

import pytest

from domain.accounts.rules import Viewer
from domain.dishes.actions import remove_dish
from domain.dishes.queries import Dish, DishNotFound, read_dish
from domain.ids import DishID
from domain.rankings.actions import NewRanking, rank_dish, unrank_dish
from domain.rankings.rules import placed
from tests.domain.rankings.replay import check, stored
from tests.factories import make_dish, make_restaurant, make_user

ROUNDS = 40


async def scene(number: int) -> tuple[Viewer, list[Dish]]:
    viewer = await make_user()
    there = await make_restaurant(viewer)
    return viewer, [await make_dish(viewer, there) for _ in range(number)]


async def order_of(viewer: Viewer) -> list[DishID]:
    ranks = {each.rank: dish for dish, each in (await stored(viewer)).items() if each.rank is not None}
    return [ranks[rank] for rank in sorted(ranks)]


async def test_two_devices_end_in_one_of_the_two_orders(own_database: None) -> None:
    viewer, dishes = await scene(5)
    chance = Random(5)
    for dish in dishes[:3]:
        await rank_dish(viewer, dish.id, NewRanking(rank=5, notes="x"))
    for number in range(ROUNDS):
        before = await order_of(viewer)
        wanted = [(dish.id, chance.randint(1, 5)) for dish in chance.sample(dishes, 2)]
        ways = [one_after_the_other(before, way) for way in permutations(wanted)]

        acts = [rank_dish(viewer, dish, NewRanking(rank=rank, notes=str(number))) for dish, rank in wanted]
        await asyncio.gather(*acts)

        assert await order_of(viewer) in ways
    await check(viewer, dishes)


def one_after_the_other(order: list[DishID], wanted: tuple[tuple[DishID, int], ...]) -> list[DishID]:
    for dish, rank in wanted:
        order = placed(order, dish, rank)[:5]
    return order


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_many_devices_do_the_ranks_have_no_holes_and_the_history_no_gaps(
    own_database: None, seed: int
) -> None:
    viewer, dishes = await scene(7)

    async def device(chance: Random) -> None:
        for number in range(ROUNDS):
            dish, kind = chance.choice(dishes), chance.randrange(5)
            if kind == 0:
                await unrank_dish(viewer, dish.id)
            elif kind == 1:
                await rank_dish(viewer, dish.id, NewRanking(taste="acceptable", notes="x"))
            else:
                await rank_dish(viewer, dish.id, NewRanking(rank=chance.randint(1, 5), notes=str(number % 3)))

    await asyncio.gather(*(device(Random(10 * seed + each)) for each in range(4)))

    await check(viewer, dishes)


async def test_people_do_not_wait_for_each_other_for_ever(own_database: None) -> None:
    _, dishes = await scene(4)
    people = [await make_user() for _ in range(6)]

    async def rank_all(viewer: Viewer, chance: Random) -> None:
        for dish in chance.sample(dishes, len(dishes)) * 3:
            await rank_dish(viewer, dish.id, NewRanking(rank=chance.randint(1, 5), notes="x"))

    await asyncio.gather(*(rank_all(each, Random(seed)) for seed, each in enumerate(people)))

    found = [await check(each, dishes) for each in people]
    assert [len(each) for each in found] == [4] * 6


async def test_a_dish_that_is_removed_while_it_is_ranked_is_either_gone_or_kept(own_database: None) -> None:
    viewer, dishes = await scene(12)
    ben = await make_user()

    async def fate(dish: Dish) -> tuple[bool, bool]:
        ranking = rank_dish(ben, dish.id, NewRanking(rank=1, notes="x"))
        done = await asyncio.gather(ranking, remove_dish(viewer, dish.id), return_exceptions=True)
        assert done[1] is None
        assert not isinstance(done[0], BaseException) or isinstance(done[0], DishNotFound)
        try:
            return not isinstance(done[0], DishNotFound), not (await read_dish(ben, dish.id)).is_available
        except DishNotFound:
            return not isinstance(done[0], DishNotFound), False

    fates = [await fate(dish) for dish in dishes]

    assert set(fates) <= {(True, True), (False, False)}
