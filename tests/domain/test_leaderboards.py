"""Boards through what can be done: who stands where, since when, and who may listen."""

from domain.leaderboards.queries import board_access
from tests.factories import make_restaurant, make_user


async def test_who_has_signed_in_may_listen_to_any_board_that_there_can_be() -> None:
    viewer = (await make_user()).id
    await make_restaurant(city="Paris", country="France")
    boards = ["dishes:paris:pizza", "restaurants:paris:thai@2026-w47", "users:paris", "users:global"]
    none = ["dishes:rome:pizza", "dishes:paris:soups", "users:rome", "users:PARIS", "users", "dishes:paris:pizza@x"]

    found = await board_access([(viewer, each) for each in [*none, *boards]])

    assert found == [(viewer, each, None, "ok") for each in boards]
