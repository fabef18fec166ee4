"""Passwords: hashed and checked in a few threads, for that takes long on purpose, with a bound on how many wait."""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, TypeVar

import argon2
from argon2.exceptions import VerifyMismatchError

from domain.errors import TooMany
from domain.settings import settings

T = TypeVar("T")

HASHER: Final = argon2.PasswordHasher(
    time_cost=settings.password_time_cost, memory_cost=settings.password_memory_kib, parallelism=1
)
BUSY_S: Final = 1.0

_threads: Final = ThreadPoolExecutor(settings.password_threads, thread_name_prefix="password")
_waiting: Final[set[object]] = set()


class PasswordsBusy(TooMany):
    """Too many people are signing in at this moment: try again in a second."""


class Verdict(NamedTuple):
    """Is it the password? And its hash with today's parameters, when the stored one has others."""

    right: bool
    better_hash: str | None


async def hashed(password: str) -> str:
    """The Argon2id hash to store. Raises PasswordsBusy."""
    return await _in_thread(HASHER.hash, _normal(password))


async def verified(password_hash: str | None, password: str) -> Verdict:
    """Check a password; None, for nobody's, is never right and takes as long. Raises PasswordsBusy."""
    return await _in_thread(_verify, password_hash, _normal(password))


def _verify(password_hash: str | None, password: str) -> Verdict:
    try:
        HASHER.verify(password_hash or _nobodys(), password)
    except VerifyMismatchError:
        return Verdict(right=False, better_hash=None)
    if password_hash is None:
        return Verdict(right=False, better_hash=None)
    return Verdict(right=True, better_hash=HASHER.hash(password) if HASHER.check_needs_rehash(password_hash) else None)


def _nobodys() -> str:
    """A hash with today's parameters that no password is known for."""
    return f"$argon2id$v=19$m={HASHER.memory_cost},t={HASHER.time_cost},p={HASHER.parallelism}${'A' * 22}${'A' * 43}"


def _normal(password: str) -> str:
    """The same characters, however the keyboard composed them."""
    return unicodedata.normalize("NFKC", password)


async def _in_thread(work: Callable[..., T], *args: Any) -> T:
    if len(_waiting) >= settings.password_threads + settings.password_queue:
        raise PasswordsBusy(retry_after=BUSY_S)
    ticket = object()
    _waiting.add(ticket)
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, work, *args)
    finally:
        _waiting.discard(ticket)
