"""What the rules of the Python client decide by themselves, as tables of cases."""

import random

import pytest

from loadtests.contract import Wait, backoff, verdict
from loadtests.listeners import judge


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (4000, "stop"),
        (4003, "stop"),
        (4099, "stop"),
        (4100, "wait"),
        (4102, "wait"),
        (4200, "now"),
        (4300, "token"),
        (4303, "token"),
        (4400, "wait"),
        (1000, "wait"),
        (1006, "wait"),
        (1012, "wait"),
    ],
)
def test_a_close_code_carries_the_verdict(code: int, what: str) -> None:
    assert verdict(code) == what


@pytest.mark.parametrize("tries", [1, 2, 3, 5, 10, 100_000])
def test_waiting_stays_between_the_two_and_grows(tries: int) -> None:
    wait = Wait(0.5, 15.0)

    assert backoff(wait, tries, 0.0) == 0.5
    assert backoff(wait, tries, 1.0) == min(15.0, 0.5 * 2**tries if tries < 50 else 15.0)


def test_waiting_is_spread_out() -> None:
    chance = random.Random(1)

    drawn = {round(backoff(Wait(0.5, 15.0), 5, chance.random()), 3) for _ in range(1000)}

    assert len(drawn) > 900


@pytest.mark.parametrize(
    ("position", "prev", "event_id", "what"),
    [
        ("05", "04", "06", "new"),
        ("05", "05", "06", "new"),
        ("05", "", "06", "new"),
        ("05", None, "06", "new"),
        ("05", "04", "05", "duplicate"),
        ("05", None, "05", "duplicate"),
        ("05", "01", "03", "duplicate"),
        ("05", "06", "07", "gap"),
        ("", "", "01", "new"),
        ("", "01", "02", "gap"),
    ],
)
def test_an_event_is_new_or_known_or_shows_that_one_is_missing(
    position: str, prev: str | None, event_id: str, what: str
) -> None:
    assert judge(position, event_id, prev) == what
