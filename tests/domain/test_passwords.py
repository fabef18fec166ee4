"""Passwords: hashed with Argon2id, in bounded numbers."""

import asyncio

import argon2

from domain import passwords
from domain.passwords import PasswordsBusy
from domain.settings import settings


async def test_a_hash_is_argon2id_with_our_parameters() -> None:
    password_hash = await passwords.hashed("correct horse")

    assert password_hash.startswith(
        f"$argon2id$v=19$m={settings.password_memory_kib},t={settings.password_time_cost},p=1$"
    )
    assert await passwords.verified(password_hash, "correct horse") == (True, None)


async def test_another_password_is_wrong() -> None:
    assert await passwords.verified(await passwords.hashed("correct horse"), "correct house") == (False, None)


async def test_nobodys_password_is_never_right() -> None:
    assert await passwords.verified(None, "correct horse") == (False, None)


async def test_an_older_hash_comes_back_with_todays_parameters() -> None:
    older = argon2.PasswordHasher(time_cost=2, memory_cost=32, parallelism=2).hash("correct horse")

    right, better = await passwords.verified(older, "correct horse")

    assert right
    assert better is not None
    assert await passwords.verified(better, "correct horse") == (True, None)


async def test_the_same_characters_are_the_same_password_however_composed() -> None:
    password_hash = await passwords.hashed("caf\u00e9 au lait")

    assert (await passwords.verified(password_hash, "cafe\u0301 au lait")).right


async def test_when_too_many_wait_the_next_is_told_to_come_back() -> None:
    room = settings.password_threads + settings.password_queue
    crowd = [passwords.hashed("correct horse") for _ in range(room + 3)]

    answers = await asyncio.gather(*crowd, return_exceptions=True)

    refused = [answer for answer in answers if isinstance(answer, PasswordsBusy)]
    assert len(refused) == 3
    assert refused[0].retry_after == passwords.BUSY_S
    assert await passwords.hashed("correct horse")
