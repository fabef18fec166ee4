"""Ranking dishes: what moves, what is kept, told and seen, and which two dishes to compare."""

from math import ceil, log2
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import db, topics
from domain.accounts.actions import ProfileChanges, change_profile
from domain.accounts.queries import UserNotFound, UserRef
from domain.accounts.rules import Viewer
from domain.clock import stamp
from domain.counters.events import DishCounters
from domain.departures import leave
from domain.dishes.queries import Dish, DishNotFound, DishTotals, read_dish
from domain.errors import Invalid
from domain.graph import actions as graph
from domain.ids import DishID, RestaurantID, UserID, new_id
from domain.places.queries import RestaurantNotFound
from domain.rankings import actions
from domain.rankings.actions import NewRanking, PhotoRequired, Ranked, rank_dish, unrank_dish
from domain.rankings.events import RankingChanged
from domain.rankings.queries import (
    DishRef,
    NextPair,
    Ranking,
    RankingChange,
    next_pair,
    read_history,
    read_rankings_of,
    read_rankings_on,
)
from domain.rankings.rules import LAST, Bounds, Moved, Notes, Placing, bounds, check_placing, moved, placed
from domain.settings import settings
from tests.conftest import Clock, Statements
from tests.factories import make_dish, make_restaurant, make_user, settle

EVENTS = "SELECT topics, data::text AS data, actor FROM events WHERE type = 'ranking.changed' ORDER BY seq"
A, B, C, D, E, F = (DishID(new_id()) for _ in range(6))


# how ranks move


@pytest.mark.parametrize(
    ("order", "dish", "rank", "after"),
    [
        ([], A, 1, [A]),
        ([], A, 5, [A]),
        ([A], B, 4, [A, B]),
        ([A], B, 1, [B, A]),
        ([A, B, C], D, 2, [A, D, B, C]),
        ([A, B, C], A, 3, [B, C, A]),
        ([A, B, C], A, 5, [B, C, A]),
        ([A, B, C], C, 1, [C, A, B]),
        ([A, B, C], B, 2, [A, B, C]),
        ([A, B, C], B, None, [A, C]),
        ([A, B, C], D, None, [A, B, C]),
        ([A, B, C, D, E], F, 1, [F, A, B, C, D, E]),
        ([A, B, C, D, E], F, 5, [A, B, C, D, F, E]),
        ([A, B, C, D, E], A, 5, [B, C, D, E, A]),
    ],
)
def test_a_dish_takes_its_place_or_the_next_free_one(
    order: list[DishID], dish: DishID, rank: int | None, after: list[DishID]
) -> None:
    assert placed(order, dish, rank) == after


@pytest.mark.parametrize(
    ("before", "after", "dish", "expected"),
    [
        ([], [A], A, []),
        ([A], [B, A], B, [(A, 1, 2)]),
        ([A, B, C], [B, C, A], A, [(B, 2, 1), (C, 3, 2)]),
        ([A, B, C], [A, C], B, [(C, 3, 2)]),
        ([A, B, C, D, E], [F, A, B, C, D, E], F, [(A, 1, 2), (B, 2, 3), (C, 3, 4), (D, 4, 5), (E, 5, None)]),
        ([A, B, C, D, E], [A, B, C, D, F, E], F, [(E, 5, None)]),
    ],
)
def test_the_others_that_moved_are_named_from_where_to_where(
    before: list[DishID], after: list[DishID], dish: DishID, expected: list[Any]
) -> None:
    assert moved(before, after, dish) == [Moved(*each) for each in expected]


def test_what_moved_is_written_as_from_and_to() -> None:
    assert msgspec.to_builtins(Moved(A, 5, None)) == {"dish_id": str(A), "from": 5, "to": None}


@pytest.mark.parametrize("placing", [Placing(None, None), Placing(1, "acceptable")])
def test_a_dish_has_a_rank_or_a_taste_and_never_both(placing: Placing) -> None:
    with pytest.raises(Invalid) as refused:
        check_placing(placing)

    assert set(refused.value.details) == {"rank", "taste"}


@pytest.mark.parametrize("notes", ["", " ", "\n", "x" * 2001, "a\0"])
def test_notes_say_something(notes: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(notes, Notes)


# which two to compare

ORDER = [A, B, C, D, E]


@pytest.mark.parametrize(
    ("others", "better_than", "worse_than", "expected"),
    [
        ([], None, None, Bounds(1, 1)),
        (ORDER, None, None, Bounds(1, 6)),
        (ORDER, C, None, Bounds(1, 3)),
        (ORDER, None, C, Bounds(4, 6)),
        (ORDER, C, A, Bounds(2, 3)),
        (ORDER, B, A, Bounds(2, 2)),
        (ORDER, None, E, Bounds(6, 6)),
    ],
)
def test_answers_narrow_where_a_dish_belongs(
    others: list[DishID], better_than: DishID | None, worse_than: DishID | None, expected: Bounds
) -> None:
    assert bounds(others, better_than, worse_than) == expected


@pytest.mark.parametrize(
    ("better_than", "worse_than", "fields"),
    [
        (F, None, {"better_than"}),
        (None, F, {"worse_than"}),
        (A, C, {"better_than", "worse_than"}),
        (A, A, {"better_than", "worse_than"}),
    ],
)
def test_answers_that_cannot_be_are_named(
    better_than: DishID | None, worse_than: DishID | None, fields: set[str]
) -> None:
    with pytest.raises(Invalid) as refused:
        bounds(ORDER, better_than, worse_than)

    assert set(refused.value.details) == fields


@given(st.integers(0, 200).flatmap(lambda number: st.tuples(st.just(number), st.integers(1, number + 1))))
def test_any_place_is_found_in_as_few_questions_as_binary_insertion_asks(case: tuple[int, int]) -> None:
    number, place = case
    others = [DishID(new_id()) for _ in range(number)]
    better_than = worse_than = None
    asked, found = 0, bounds(others, None, None)
    while (rank := found.compare_with) is not None:
        asked += 1
        left = found.questions
        if place <= rank:
            better_than = others[rank - 1]
        else:
            worse_than = others[rank - 1]
        found = bounds(others, better_than, worse_than)
        assert found.questions < left

    assert found == (place, place)
    assert asked <= ceil(log2(number + 1))


# ranking


async def some_dishes(number: int = 6, viewer: Viewer | None = None) -> list[Dish]:
    """Pizzas of one restaurant."""
    viewer = viewer or await make_user()
    there = await make_restaurant(viewer, city="Napoli", country="Italy")
    return [await make_dish(viewer, there) for _ in range(number)]


async def rank(viewer: Viewer, dish: Dish, rank: int | None = None, **more: Any) -> Ranked:
    new: dict[str, Any] = {"notes": "Good", "rank": rank}
    return await rank_dish(viewer, dish.id, NewRanking(**new | more))


async def order_of(viewer: Viewer, dish: Dish) -> list[DishID]:
    """The viewer's dishes of this type at this restaurant, by rank."""
    listed = await read_rankings_of(
        viewer, viewer.id, None, 100, restaurant_id=dish.restaurant.id, dish_type=dish.dish_type
    )
    ranks = {each.rank: each.dish_id for each in listed if each.rank is not None}
    assert sorted(ranks) == list(range(1, len(ranks) + 1))
    return [ranks[each] for each in sorted(ranks)]


async def events() -> list[RankingChanged]:
    return [msgspec.json.decode(row["data"], type=RankingChanged) for row in await db.fetch(EVENTS)]


async def test_a_ranking_is_what_somebody_said_of_a_dish(clock: Clock) -> None:
    ana, (dish, *_) = await make_user(username="ana"), await some_dishes(1)

    made = await rank(ana, dish, 1, photo_url="https://example.org/p.jpg", notes="Crisp")

    assert made.moved == []
    assert made.ranking is not None
    assert made.ranking == Ranking(
        id=made.ranking.id,
        user=UserRef(ana.id, "ana", None, None),
        dish_id=dish.id,
        dish=DishRef(dish.id, dish.name),
        restaurant_id=dish.restaurant.id,
        dish_type="pizza",
        rank=1,
        taste=None,
        notes="Crisp",
        photo_url="https://example.org/p.jpg",
        created_at=stamp(clock.time),
        updated_at=stamp(clock.time),
    )
    assert await read_rankings_of(await make_user(), ana.id, None, 10) == [made.ranking]


async def test_who_holds_a_rank_moves_down_and_who_is_sixth_falls_out_with_their_notes() -> None:
    ana, dishes = await make_user(), await some_dishes(6)
    for dish in dishes[:5]:
        await rank(ana, dish, 5, notes=f"About {dish.name}")

    made = await rank(ana, dishes[5], 2)

    ids = [each.id for each in dishes]
    assert made.moved == [
        Moved(ids[1], 2, 3),
        Moved(ids[2], 3, 4),
        Moved(ids[3], 4, 5),
        Moved(ids[4], 5, None),
    ]
    assert await order_of(ana, dishes[0]) == [ids[0], ids[5], ids[1], ids[2], ids[3]]
    (fallen,) = await read_rankings_on(ana, ids[4], None, 10)
    assert (fallen.rank, fallen.taste, fallen.notes) == (None, None, f"About {dishes[4].name}")


async def test_a_rank_beyond_the_end_is_the_next_free_one() -> None:
    ana, dishes = await make_user(), await some_dishes(2)
    await rank(ana, dishes[0], 3)

    made = await rank(ana, dishes[1], 4)

    assert made.ranking is not None
    assert made.ranking.rank == 2


async def test_taking_a_dish_away_closes_the_hole() -> None:
    ana, dishes = await make_user(), await some_dishes(3)
    for dish in dishes:
        await rank(ana, dish, 5)

    gone = await unrank_dish(ana, dishes[0].id)

    assert gone == Ranked(None, [Moved(dishes[1].id, 2, 1), Moved(dishes[2].id, 3, 2)])
    assert await order_of(ana, dishes[0]) == [dishes[1].id, dishes[2].id]
    assert await read_rankings_on(ana, dishes[0].id, None, 10) == []


async def test_a_taste_takes_no_rank_and_closes_the_hole_where_there_was_one() -> None:
    ana, dishes = await make_user(), await some_dishes(3)
    for dish in dishes:
        await rank(ana, dish, 5)

    made = await rank(ana, dishes[0], taste="second_chance")

    assert made.ranking is not None
    assert (made.ranking.rank, made.ranking.taste) == (None, "second_chance")
    assert made.moved == [Moved(dishes[1].id, 2, 1), Moved(dishes[2].id, 3, 2)]
    assert (await rank(ana, dishes[0], 1)).moved == [Moved(dishes[1].id, 1, 2), Moved(dishes[2].id, 2, 3)]


async def test_ranks_are_of_one_person_one_restaurant_and_one_type() -> None:
    ana, ben = await make_user(), await make_user()
    here, elsewhere = (await some_dishes(1, ana))[0], (await some_dishes(1, ana))[0]
    there = await make_restaurant(ana)
    soup, pizza = await make_dish(ana, there, dish_type="soup"), await make_dish(ana, there)

    made = [await rank(ana, each, 1) for each in (here, elsewhere, soup, pizza)]
    made.append(await rank(ben, here, 1))

    assert [each.ranking and each.ranking.rank for each in made] == [1] * 5
    assert [each.moved for each in made] == [[]] * 5


SAME: list[dict[str, Any]] = [{"rank": 2}, {"rank": 5}, {"taste": "dissatisfied"}]


@pytest.mark.parametrize("what", SAME, ids=str)
async def test_the_same_again_changes_nothing_and_tells_nothing(clock: Clock, what: dict[str, Any]) -> None:
    ana, dishes = await make_user(), await some_dishes(2)
    await rank(ana, dishes[0], 1)
    first = await rank(ana, dishes[1], **what)
    told, listed = await events(), await read_history(ana, ana.id, None, 10)
    clock.forward(minutes=5)

    again = await rank(ana, dishes[1], **what)

    assert again == Ranked(first.ranking, [])
    assert await events() == told
    assert await read_history(ana, ana.id, None, 10) == listed


async def test_taking_back_what_is_not_there_changes_nothing() -> None:
    ana, (dish,) = await make_user(), await some_dishes(1)

    assert await unrank_dish(ana, dish.id) == Ranked(None, [])

    assert await events() == []


async def test_other_notes_move_nothing_and_are_no_history_but_are_told(clock: Clock) -> None:
    ana, (dish,) = await make_user(), await some_dishes(1)
    first = (await rank(ana, dish, 1)).ranking
    assert first is not None
    clock.forward(minutes=5)

    second = (await rank(ana, dish, 1, notes="Better")).ranking

    assert second == msgspec.structs.replace(first, notes="Better", updated_at=stamp(clock.time))
    assert len(await read_history(ana, ana.id, None, 10)) == 1
    assert (await events())[-1].ranking == second


async def test_a_photo_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, (dish,) = await make_user(), await some_dishes(1)
    strict = msgspec.structs.replace(settings, rankings_photo_required=True)
    monkeypatch.setattr(actions, "settings", strict)

    with pytest.raises(PhotoRequired) as refused:
        await rank(ana, dish, 1)
    await rank(ana, dish, 1, photo_url="https://example.org/p.jpg")

    assert list(refused.value.details) == ["photo_url"]


@pytest.mark.parametrize("wrong", [{}, {"rank": 1, "taste": "acceptable"}])
async def test_what_is_neither_or_both_changes_nothing(wrong: dict[str, Any]) -> None:
    ana, (dish,) = await make_user(), await some_dishes(1)

    with pytest.raises(Invalid):
        await rank(ana, dish, **wrong)

    assert await order_of(ana, dish) == []
    assert await events() == []


async def test_what_is_not_there_can_be_neither_ranked_nor_taken_back() -> None:
    ana, nothing = await make_user(), DishID(new_id())

    with pytest.raises(DishNotFound):
        await rank_dish(ana, nothing, NewRanking(rank=1, notes="x"))
    with pytest.raises(DishNotFound):
        await unrank_dish(ana, nothing)
    with pytest.raises(DishNotFound):
        await read_rankings_on(ana, nothing, None, 10)


async def test_who_is_gone_ranks_nothing() -> None:
    ana, (dish,) = await make_user(), await some_dishes(1)
    await leave(ana, ana.id)

    with pytest.raises(UserNotFound):
        await rank(ana, dish, 1)


async def test_an_act_costs_four_statements_whatever_moves(statements: Statements) -> None:
    ana, dishes = await make_user(), await some_dishes(6)
    for dish in dishes[:5]:
        await rank(ana, dish, 1)

    run = [
        await statements(rank(ana, dishes[5], 1)),
        await statements(rank(ana, dishes[5], taste="acceptable")),
        await statements(unrank_dish(ana, dishes[0].id)),
        await statements(unrank_dish(ana, dishes[0].id)),
    ]

    assert [len([sql for sql in each if "SAVEPOINT" not in sql]) for each in run] == [4, 4, 4, 2]


# what is told


async def test_a_change_is_told_on_every_dish_whose_rank_changed_and_on_their_restaurant() -> None:
    ana, dishes = await make_user(username="ana"), await some_dishes(3)
    await rank(ana, dishes[0], 1)
    await rank(ana, dishes[1], 1)

    made = await rank(ana, dishes[2], 2)

    row = (await db.fetch(EVENTS))[-1]
    there = dishes[0].restaurant.id
    heard_by = [topics.dish(dishes[2].id), topics.dish(dishes[0].id), topics.restaurant(there)]
    assert row["topics"] == [*heard_by, topics.holds(topics.user(ana.id))]
    assert row["actor"] == ana.id
    assert msgspec.json.decode(row["data"], type=RankingChanged) == RankingChanged(
        user=UserRef(ana.id, "ana", None, None),
        dish_id=dishes[2].id,
        restaurant_id=there,
        dish_type="pizza",
        city="napoli",
        ranking=made.ranking,
        before=None,
        moved=[Moved(dishes[0].id, 2, 3)],
    )


async def test_a_change_says_what_was_before() -> None:
    ana, (dish,) = await make_user(), await some_dishes(1)
    await rank(ana, dish, 1)
    await rank(ana, dish, taste="acceptable")
    await unrank_dish(ana, dish.id)

    told = await events()

    assert [each.before for each in told] == [None, Placing(1, None), Placing(None, "acceptable")]
    assert [each.ranking is None for each in told] == [False, False, True]


async def test_of_accounts_that_are_not_public_clients_hear_nothing() -> None:
    ana, (dish,) = await make_user(), await some_dishes(1)
    await change_profile(ana, ana.id, ProfileChanges(privacy_level="followers"))

    await rank(ana, dish, 1)

    (row,) = await db.fetch(EVENTS)
    assert (row["topics"], row["actor"]) == ([], ana.id)


# the history


async def test_every_dish_that_a_change_moved_has_a_row_in_the_history(clock: Clock) -> None:
    ana, dishes = await make_user(), await some_dishes(2)
    one, two = (DishRef(each.id, each.name) for each in dishes)
    await rank(ana, dishes[0], 1)
    await rank(ana, dishes[1], 1)
    await rank(ana, dishes[1], taste="acceptable")
    await unrank_dish(ana, dishes[1].id)

    listed = await read_history(ana, ana.id, None, 10)

    none, first, second = Placing(None, None), Placing(1, None), Placing(2, None)
    tasted = Placing(None, "acceptable")
    assert [(each.dish, each.old, each.new, each.because_of) for each in reversed(listed)] == [
        (one, none, first, one.id),
        (one, first, second, two.id),
        (two, none, first, two.id),
        (one, second, first, two.id),
        (two, first, tasted, two.id),
        (two, tasted, none, two.id),
    ]
    assert listed[0] == RankingChange(
        id=listed[0].id,
        dish=two,
        restaurant_id=dishes[0].restaurant.id,
        dish_type="pizza",
        old=tasted,
        new=none,
        because_of=two.id,
        created_at=stamp(clock.time),
    )


async def test_the_history_says_which_changes_came_with_new_notes() -> None:
    ana, dishes = await make_user(), await some_dishes(2)
    await rank(ana, dishes[0], 1)
    await rank(ana, dishes[1], 1)
    await rank(ana, dishes[0], 1)
    await rank(ana, dishes[0], 2, notes="Not so good today")

    said = await db.fetch("SELECT dish_id, has_new_notes FROM ranking_history ORDER BY seq")

    first, second = (each.id for each in dishes)
    assert [tuple(row.values()) for row in said] == [
        *[(first, True), (first, False), (second, True)],
        *[(second, False), (first, False), (second, False), (first, True)],
    ]


async def test_the_history_is_paged() -> None:
    ana, dishes = await make_user(), await some_dishes(3)
    for dish in dishes:
        await rank(ana, dish, 1)
    whole = await read_history(ana, ana.id, None, 10)

    first = await read_history(ana, ana.id, None, 4)
    rest = await read_history(ana, ana.id, first[-1].id, 4)

    assert [*first, *rest] == whole
    assert len(whole) == 6


# who sees it


async def listed_to(viewer: Viewer, author: Viewer, dish: Dish) -> list[int]:
    """How many of the author's rankings the viewer sees: of the author, on the dish, in the history."""
    return [
        len(await read_rankings_of(viewer, author.id, None, 10)),
        len([each for each in await read_rankings_on(viewer, dish.id, None, 10) if each.user.id == author.id]),
        len(await read_history(viewer, author.id, None, 10)),
    ]


async def test_anybody_sees_what_a_public_account_ranked() -> None:
    ana, (dish,) = await make_user(), await some_dishes(1)
    await rank(ana, dish, 1)

    assert await listed_to(await make_user(), ana, dish) == [1, 1, 1]


@pytest.mark.parametrize("level", ["followers", "private"])
async def test_of_an_account_that_is_not_public_only_followers_see_what_it_ranked(level: Any) -> None:
    ana, ben, eve = await make_user(), await make_user(), await make_user()
    (dish,) = await some_dishes(1)
    await rank(ana, dish, 1)
    await graph.follow_user(ben, ana.id)
    await change_profile(ana, ana.id, ProfileChanges(privacy_level=level))
    await graph.follow_user(eve, ana.id)

    assert [await listed_to(each, ana, dish) for each in (ana, ben, eve)] == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]


@pytest.mark.parametrize("blocks_first", [True, False])
async def test_what_somebody_hidden_ranked_is_not_seen(*, blocks_first: bool) -> None:
    ana, ben = await make_user(), await make_user()
    (dish,) = await some_dishes(1)
    await rank(ana, dish, 1)
    blocker, blocked = (ana, ben) if blocks_first else (ben, ana)
    await graph.block_user(blocker, blocked.id)

    assert await read_rankings_on(ben, dish.id, None, 10) == []
    with pytest.raises(UserNotFound):
        await read_rankings_of(ben, ana.id, None, 10)
    with pytest.raises(UserNotFound):
        await read_history(ben, ana.id, None, 10)


async def test_lists_are_paged_the_newest_first() -> None:
    ana, dishes = await make_user(), await some_dishes(3)
    people = [await make_user() for _ in range(3)]
    for dish in dishes:
        await rank(ana, dish, 1)
    for each in people:
        await rank(each, dishes[0], 1)

    mine = await read_rankings_of(ana, ana.id, None, 2)
    rest = await read_rankings_of(ana, ana.id, mine[-1].id, 2)
    theirs = await read_rankings_on(ana, dishes[0].id, None, 3)
    oldest = await read_rankings_on(ana, dishes[0].id, theirs[-1].id, 3)

    assert [each.dish_id for each in [*mine, *rest]] == [each.id for each in reversed(dishes)]
    assert [each.user.id for each in [*theirs, *oldest]] == [*(each.id for each in reversed(people)), ana.id]


async def test_a_list_costs_one_statement_however_long_it_is(statements: Statements) -> None:
    ana, dishes = await make_user(), await some_dishes(5)
    for dish in dishes:
        await rank(ana, dish, 1)

    assert len(await statements(read_rankings_of(ana, ana.id, None, 20))) == 1
    assert len(await statements(read_rankings_on(ana, dishes[0].id, None, 20))) == 1
    assert len(await statements(read_history(ana, ana.id, None, 20))) == 1


async def test_who_ranked_nothing_has_an_empty_list_and_who_is_not_there_none() -> None:
    ana, nobody = await make_user(), UserID(new_id())

    assert await read_rankings_of(ana, ana.id, None, 10) == []
    assert await read_history(ana, ana.id, None, 10) == []
    with pytest.raises(UserNotFound):
        await read_rankings_of(ana, nobody, None, 10)


# the next pair


async def ask(viewer: Viewer, dish: Dish, **answers: Any) -> NextPair:
    return await next_pair(viewer, dish.restaurant.id, dish.dish_type, **answers)


async def test_a_dish_that_nothing_was_said_of_is_compared_with_the_middle_one() -> None:
    ana, dishes = await make_user(), await some_dishes(4)
    for dish in dishes[:3]:
        await rank(ana, dish, 5)

    pair = await ask(ana, dishes[0])

    one, other = DishRef(dishes[3].id, dishes[3].name), DishRef(dishes[1].id, dishes[1].name)
    assert pair == NextPair(dish=one, other=other, rank=None, questions=2)


@pytest.mark.parametrize("place", range(1, LAST + 2))
@pytest.mark.parametrize("is_ranked", [False, True])
async def test_answering_leads_to_the_rank_where_a_dish_belongs(place: int, *, is_ranked: bool) -> None:
    ana, (dish, *others) = await make_user(), await some_dishes(LAST + 1 - is_ranked)
    for each in others:
        await rank(ana, each, 5)
    if is_ranked:
        await rank(ana, dish, 3)
    better, answers, asked = others[: place - 1], {"dish_id": dish.id}, 0

    pair = await ask(ana, dish, **answers)
    while pair.other is not None:
        asked += 1
        answers["worse_than" if pair.other.id in {each.id for each in better} else "better_than"] = pair.other.id
        pair = await ask(ana, dish, **answers)

    assert asked <= 3
    assert pair.rank == (min(place, len(others) + 1) if min(place, len(others) + 1) <= LAST else None)
    assert pair.questions == 0


async def test_when_all_is_said_there_is_no_pair() -> None:
    ana, dishes = await make_user(), await some_dishes(2)
    await rank(ana, dishes[0], 1)
    await rank(ana, dishes[1], taste="acceptable")

    assert await ask(ana, dishes[0]) == NextPair(dish=None, other=None, rank=None, questions=0)


async def test_what_is_no_longer_available_is_not_asked_about_unless_it_is_named() -> None:
    ana = await make_user()
    there = await make_restaurant(ana)
    gone = await make_dish(ana, there, is_available=False)

    assert (await ask(ana, gone)).dish is None
    assert (await ask(ana, gone, dish_id=gone.id)).rank == 1


async def test_a_dish_of_another_type_or_restaurant_is_refused_and_named() -> None:
    ana = await make_user()
    there = await make_restaurant(ana)
    pizza, soup = await make_dish(ana, there), await make_dish(ana, there, dish_type="soup")
    elsewhere = await make_dish(ana)
    await rank(ana, soup, 1)
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("dish_id", {"dish_id": soup.id}),
        ("dish_id", {"dish_id": elsewhere.id}),
        ("dish_id", {"dish_id": DishID(new_id())}),
        ("better_than", {"better_than": soup.id}),
        ("worse_than", {"worse_than": elsewhere.id}),
    ]

    found = [await refusal(next_pair(ana, there.id, "pizza", **more)) for _, more in wrong]

    assert found == [[field] for field, _ in wrong]
    assert await refusal(next_pair(ana, there.id, "nothing")) == ["dish_type"]
    with pytest.raises(RestaurantNotFound):
        await next_pair(ana, RestaurantID(new_id()), "pizza", dish_id=pizza.id)


async def refusal(asking: Any) -> list[str]:
    with pytest.raises(Invalid) as refused:
        await asking
    return list(refused.value.details)


async def test_a_pair_costs_one_statement(statements: Statements) -> None:
    ana, dishes = await make_user(), await some_dishes(3)
    await rank(ana, dishes[0], 1)

    assert len(await statements(ask(ana, dishes[0]))) == 1


# counts


async def test_rankings_are_counted_and_the_count_is_told(own_database: None) -> None:
    ana, ben, dishes = await make_user(), await make_user(), await some_dishes(6)
    for dish in dishes:
        await rank(ana, dish, 1)
    await rank(ben, dishes[0], taste="acceptable")
    await rank(ben, dishes[1], 1)
    await unrank_dish(ben, dishes[1].id)
    own = [(await read_dish(ben, each.id)).counters.rankings for each in dishes[:2]]

    await settle()

    assert own == [1, 0]  # at once, of what is one's own
    assert [(await read_dish(ben, each.id)).counters for each in dishes] == [
        DishTotals(rankings=2, reviews=0),
        *[DishTotals(rankings=1, reviews=0)] * 5,
    ]
    told = await db.fetch("SELECT topics, data::text AS data FROM events WHERE type = 'dish.counters'")
    said = {row["topics"][0]: msgspec.json.decode(row["data"], type=DishCounters) for row in told}
    assert said[topics.dish(dishes[0].id)] == DishCounters(rankings=2, reviews=0)
    assert len(said) == 6


# leaving


async def test_leaving_takes_all_rankings_back_as_if_one_by_one() -> None:
    ana, dishes = await make_user(username="ana"), await some_dishes(6)
    for dish in dishes:
        await rank(ana, dish, 1)
    await rank(ana, dishes[5], taste="dissatisfied")
    before = len(await events())

    await leave(ana, ana.id)

    told = (await events())[before:]
    placings = [Placing(None, None), Placing(None, "dissatisfied"), *(Placing(each, None) for each in (4, 3, 2, 1))]
    assert sorted(map(repr, (each.before for each in told))) == sorted(map(repr, placings))
    assert [each.before.rank for each in told if each.before and each.before.rank] == [4, 3, 2, 1]
    assert {(each.user, each.city, each.ranking) for each in told} == {
        (UserRef(ana.id, "ana", None, None), "napoli", None)
    }
    assert [each.moved for each in told] == [[]] * 6
    heard = {tuple(row["topics"]) for row in (await db.fetch(EVENTS))[before:]}
    assert heard == {(topics.dish(each.id), topics.restaurant(each.restaurant.id)) for each in dishes}
    assert (
        await db.fetchval("SELECT (SELECT count(*) FROM dish_rankings) + (SELECT count(*) FROM ranking_history)") == 0
    )


async def test_a_departure_tells_the_same_fields_as_taking_back() -> None:
    ana, dishes = await make_user(), await some_dishes(2)
    for dish in dishes:
        await rank(ana, dish, 5)
    await unrank_dish(ana, dishes[1].id)
    await leave(ana, ana.id)

    told = [msgspec.json.decode(row["data"]) for row in await db.fetch(EVENTS)]

    assert told[-1].keys() == told[-2].keys()
    assert told[-1]["user"] == told[-2]["user"]


async def test_of_an_account_that_is_not_public_clients_do_not_hear_that_it_leaves() -> None:
    ana, (dish,) = await make_user(), await some_dishes(1)
    await rank(ana, dish, 1)
    await change_profile(ana, ana.id, ProfileChanges(privacy_level="private"))

    await leave(ana, ana.id)

    assert (await db.fetch(EVENTS))[-1]["topics"] == []
