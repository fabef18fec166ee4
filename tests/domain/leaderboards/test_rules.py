"""The rules of boards as tables of cases: names, weeks, priors, ties and what a window's change is."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from domain.leaderboards.rules import (
    WEEK,
    Board,
    Seat,
    Window,
    changes,
    crossed,
    crossing,
    mean,
    next_prior,
    parse_board,
    parts,
    ranked,
    season_begins,
    season_name,
    season_of,
    title,
)

NAMES = {
    "dishes:paris:pizza": Board("dishes", "paris", "pizza", 0),
    "dishes:us-paris:pizza@2026-w47": Board("dishes", "us-paris", "pizza", 202647),
    "restaurants:東京:ラーメン": Board("restaurants", "東京", "ラーメン", 0),
    "users:paris": Board("users", "paris", None, 0),
    "users:global": Board("users", None, None, 0),
    "users:global@2020-w53": Board("users", None, None, 202053),
}
NONE = [
    "",
    "users",
    "users:",
    "users:Paris",
    "users:paris:pizza",
    "users:pa\x00ris",
    "dishes:paris",
    "dishes:paris:",
    "dishes::pizza",
    "dishes:paris:pizza:",
    "dishes:paris:pizza@",
    "dishes:paris:pizza@2026-47",
    "dishes:paris:pizza@2026-w00",
    "dishes:paris:pizza@2026-w54",
    "dishes:paris:pizza@2021-w53",
    "dishes:paris:pizza@0000-w01",
    "dishes:paris:pizza@2026-w47@2026-w47",
    "dishes:paris:pizza@٢٠٢٦-w47",
    "towns:paris",
    "restaurants:são-paulo:x",
    f"users:{'a' * 400}",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_says_what_a_board_is_and_is_written_in_one_way(name: str) -> None:
    assert parse_board(name) == NAMES[name]
    assert NAMES[name].name == name


@pytest.mark.parametrize("name", NONE)
def test_what_is_not_written_like_a_board_is_none(name: str) -> None:
    assert parse_board(name) is None


WEEKS = {
    datetime(2026, 11, 16, tzinfo=UTC): 202647,
    datetime(2026, 11, 22, 23, 59, 59, 999_999, tzinfo=UTC): 202647,
    datetime(2026, 11, 23, tzinfo=UTC): 202648,
    datetime(2026, 12, 31, tzinfo=UTC): 202653,
    datetime(2027, 1, 1, tzinfo=UTC): 202653,
    datetime(2027, 1, 4, tzinfo=UTC): 202701,
    datetime(2024, 12, 30, tzinfo=UTC): 202501,
    datetime(2026, 11, 23, 1, tzinfo=timezone(timedelta(hours=2))): 202647,
}


@pytest.mark.parametrize("time", WEEKS)
def test_a_season_is_a_week_of_iso_8601_in_utc(time: datetime) -> None:
    season = season_of(time)

    assert season == WEEKS[time]
    assert season_begins(season) <= time < season_begins(season) + WEEK


def test_a_season_has_a_name() -> None:
    assert season_name(202701) == "2027-w01"


# weight, points
MEANS = {(0, 0): None, (3, 10): "3.3333", (8, 13): "1.6250", (6, 25): "4.1667", (160_000, 600_008): "3.7501"}


@pytest.mark.parametrize("sums", MEANS)
def test_a_mean_has_four_digits_and_halves_go_up(sums: tuple[int, int]) -> None:
    found = mean(Decimal(sums[0]), Decimal(sums[1]))

    assert (None if found is None else str(found)) == MEANS[sums]


# prior, mean, follows -> prior
PRIORS: dict[tuple[str | None, str | None, bool], str | None] = {
    (None, "3.0000", False): "3.0000",
    ("3.0000", "3.0200", True): "3.0200",
    ("3.0000", "3.0200", False): "3.0000",
    ("3.0000", "3.0201", False): "3.0201",
    ("3.0000", "2.9800", False): "3.0000",
    ("3.0000", "2.9799", False): "2.9799",
    ("3.0000", None, False): None,
}


@pytest.mark.parametrize("case", PRIORS)
def test_a_prior_follows_the_mean_or_waits_until_it_is_off_by_more_than_the_tolerance(
    case: tuple[str | None, str | None, bool],
) -> None:
    prior, exact = (None if each is None else Decimal(each) for each in case[:2])

    found = next_prior(prior, exact, follows=case[2], tolerance=0.02)

    assert (None if found is None else str(found)) == PRIORS[case]


# scores, first position, first rank -> (position, rank)
TIES: list[tuple[list[int], int, int, list[tuple[int, int]]]] = [
    ([], 1, 1, []),
    ([9, 8, 8, 7], 1, 1, [(1, 1), (2, 2), (3, 2), (4, 4)]),
    ([5, 5, 5], 1, 1, [(1, 1), (2, 1), (3, 1)]),
    ([8, 8, 7, 7], 12, 10, [(12, 10), (13, 10), (14, 14), (15, 14)]),
]


@pytest.mark.parametrize(("scores", "position", "rank", "expected"), TIES)
def test_who_has_an_equal_score_has_an_equal_rank(
    scores: list[int], position: int, rank: int, expected: list[tuple[int, int]]
) -> None:
    assert ranked(scores, position, rank) == expected


A, B, C = UUID(int=1), UUID(int=2), UUID(int=3)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def seat(position: int, rank: int, score: int, name: str = "x", image: str | None = None) -> Seat:
    return Seat(position, rank, score, name, image, NOON)


WINDOWS: list[tuple[dict[UUID, Seat], dict[UUID, Seat], list[UUID]]] = [
    ({}, {}, []),
    ({A: seat(1, 1, 9)}, {A: seat(1, 1, 9)}, []),
    ({}, {A: seat(1, 1, 9)}, [A]),
    ({A: seat(1, 1, 9)}, {}, [A]),
    ({A: seat(1, 1, 9), B: seat(2, 2, 8)}, {B: seat(1, 1, 9), A: seat(2, 1, 9)}, [B, A]),
    ({A: seat(1, 1, 9), B: seat(2, 2, 8)}, {C: seat(1, 1, 10), A: seat(2, 2, 9)}, [B, C, A]),
    ({A: seat(1, 1, 9)}, {A: seat(1, 1, 9, "y")}, [A]),
    ({A: seat(1, 1, 9)}, {A: seat(1, 1, 9, "x", "https://example.org/a.jpg")}, [A]),
    ({A: seat(1, 1, 9), B: seat(2, 2, 8)}, {A: seat(1, 1, 9), B: seat(2, 1, 9)}, [B]),
]


@pytest.mark.parametrize(("before", "after", "expected"), WINDOWS)
def test_whatever_is_seen_differently_has_changed(
    before: dict[UUID, Seat], after: dict[UUID, Seat], expected: list[UUID]
) -> None:
    assert changes(before, after) == expected


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ([], [1, 2], [1, 2]),
        ([1, 2, 3, 4], [1, 2, 4, 3], [3, 4]),
        ([1, 2, 3], [3, 2, 1], []),
        ([1, 2, 3], [2, 3], [1]),
        (list(range(1, 12)), [11, *range(1, 11)], [3, 10, 11]),
    ],
)
def test_who_came_among_the_first_three_or_ten_or_left_them_is_found(
    before: list[int], after: list[int], found: list[int]
) -> None:
    def window(entities: list[int]) -> Window:
        return {UUID(int=each): Seat(i, i, 0, "", None, NOON) for i, each in enumerate(entities, 1)}

    assert sorted(each.int for each in crossed(window(before), window(after))) == found


@pytest.mark.parametrize(
    ("old", "new", "meant"),
    [
        (None, 10, (10, True)),
        (11, 3, (3, True)),
        (4, 1, (3, True)),
        (3, 4, (3, False)),
        (1, 11, (10, False)),
        (10, None, (10, False)),
    ],
)
def test_of_all_the_first_that_are_entered_or_left_at_once_one_is_meant(
    old: int | None, new: int | None, meant: tuple[int, bool]
) -> None:
    assert crossing(old, new) == meant


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("dishes:paris:pizza", "pizza in Paris"),
        ("dishes:new-york:ice-cream@2026-w05", "ice cream in New York this week"),
        ("users:paris", "reviewers in Paris"),
        ("users:global", "reviewers"),
    ],
)
def test_people_have_a_name_for_a_board(name: str, called: str) -> None:
    board = parse_board(name)
    assert board is not None
    assert title(board) == called


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ([], []),
        ([3], [[3]]),
        ([2, 3, 1], [[2, 3], [1]]),
        ([9, 1, 9], [[9], [1], [9]]),
        ([1, 1, 1, 1, 1, 1], [[1, 1, 1, 1, 1], [1]]),
    ],
)
def test_what_is_done_at_once_is_no_more_than_said_but_for_a_single_one(
    sizes: list[int], found: list[list[int]]
) -> None:
    assert [sizes[part] for part in parts(sizes, 5)] == found
