"""Who comes while questions are under way is asked for together with the others."""

import asyncio
from collections.abc import Sequence

import pytest

from domain.errors import TooMany
from domain.together import Together


class Asked:
    """Remembers what was asked together, and answers when told to: twice the number, or that it is odd."""

    def __init__(self) -> None:
        self.questions: list[list[int]] = []
        self.gates: list[asyncio.Event] = []

    async def __call__(self, numbers: Sequence[int]) -> list[int | Exception]:
        gate = asyncio.Event()
        self.questions.append(list(numbers))
        self.gates.append(gate)
        await gate.wait()
        return [2 * number if number % 2 == 0 else ValueError(number) for number in numbers]


def together(asked: Asked, *, lanes: int = 1, at_most: int = 100, longest: int = 100) -> Together[int, int]:
    return Together(asked, lanes=lanes, at_most=at_most, longest=longest)


async def come(made: Together[int, int], *numbers: int) -> list[asyncio.Task[int]]:
    """Each on its own, in this order; they have asked when this returns."""
    tasks = [asyncio.create_task(made.of(number)) for number in numbers]
    await asyncio.sleep(0.001)
    return tasks


async def test_who_comes_alone_is_asked_for_at_once() -> None:
    asked = Asked()

    (task,) = await come(together(asked), 2)
    asked.gates[0].set()

    assert await task == 4
    assert asked.questions == [[2]]


async def test_who_comes_while_a_question_is_under_way_goes_together_with_the_next_one() -> None:
    asked = Asked()
    made = together(asked)

    (first,) = await come(made, 0)
    rest = await come(made, 2, 4, 6)
    before = list(asked.questions)
    asked.gates[0].set()
    await first
    await asyncio.sleep(0)
    asked.gates[1].set()

    assert await asyncio.gather(*rest) == [4, 8, 12]
    assert before == [[0]]
    assert asked.questions == [[0], [2, 4, 6]]


async def test_as_many_questions_are_under_way_as_there_are_lanes_and_none_takes_more_than_it_may() -> None:
    asked = Asked()
    made = together(asked, lanes=2, at_most=2)

    await come(made, 0)
    await come(made, 2)
    rest = await come(made, 4, 6, 8)
    asked.gates[1].set()
    await asyncio.sleep(0.001)

    assert asked.questions == [[0], [2], [4, 6]]
    assert not any(task.done() for task in rest)


async def test_an_exception_is_for_its_asker_alone() -> None:
    asked = Asked()

    tasks = await come(together(asked), 2, 3, 4)
    asked.gates[0].set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert (answers[0], answers[2]) == (4, 8)
    assert isinstance(answers[1], ValueError)


async def test_a_question_that_fails_fails_for_all_who_asked_it_and_for_nobody_after_them() -> None:
    async def ask(numbers: Sequence[int]) -> list[int | Exception]:
        if 2 in numbers:
            raise OSError
        return list(numbers)

    made: Together[int, int] = Together(ask, lanes=1, at_most=2, longest=100)
    answers = await asyncio.gather(*(made.of(number) for number in (2, 4, 6)), return_exceptions=True)

    assert [type(answer) for answer in answers] == [OSError, OSError, int]
    assert await made.of(8) == 8


@pytest.mark.parametrize("lanes", [1, 2])
async def test_who_was_just_answered_may_ask_again_at_once(lanes: int) -> None:
    async def ask(numbers: Sequence[int]) -> list[int | Exception]:
        return list(numbers)

    made: Together[int, int] = Together(ask, lanes=lanes, at_most=1, longest=100)

    async def ask_again(times: int) -> None:
        for number in range(times):
            assert await made.of(number) == number

    async with asyncio.timeout(5):
        await asyncio.gather(*(ask_again(3) for _ in range(lanes)))


async def test_who_leaves_keeps_nobody_from_their_answer() -> None:
    asked = Asked()

    leaves, stays = await come(together(asked), 2, 4)
    leaves.cancel()
    asked.gates[0].set()

    assert await stays == 8


async def test_so_many_may_wait_and_no_more() -> None:
    asked = Asked()
    made = together(asked, longest=2)

    await come(made, 0)
    await come(made, 2, 4)

    with pytest.raises(TooMany):
        await made.of(6)
