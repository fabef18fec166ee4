"""Who asks together is answered together, each for themselves."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain import db
from domain.db import Row
from domain.graph.actions import block_user
from domain.ids import UserID
from realtime.access import Judge, Verdict, judge
from tests.conftest import Clock
from tests.factories import make_post, make_restaurant, make_user

pytestmark = pytest.mark.usefixtures("own_database")


async def test_many_who_ask_at_once_are_a_query_of_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, post = await make_user(), await make_post()
    people = [await make_user() for _ in range(20)]
    await block_user(ana, people[0].id)
    asked: list[str] = []
    fetch = db.fetch

    async def counted(sql: str, *args: object) -> Sequence[Row]:
        asked.append(sql)
        return await fetch(sql, *args)

    monkeypatch.setattr(db, "fetch", counted)
    judge, topic = Judge(), f"post:{post.id}"
    verdicts = asyncio.gather(*(judge.verdicts(each.id, [topic, "home", "nothing"]) for each in people))
    hidden = asyncio.gather(*(judge.hidden_from(each.id) for each in people))

    may = Verdict(str(post.author.id), "ok")
    assert await verdicts == [{topic: may, "home": Verdict("", "ok"), "nothing": None}] * 20
    assert await hidden == [{ana.id}] + [set()] * 19
    assert len(asked) == 2


@pytest.mark.parametrize(
    "board", ["users:global", "users:fr-paris", "dishes:napoli:pizza", "restaurants:東京:寿司", "users:roma@2026-w47"]
)
async def test_a_leaderboard_is_open_to_anybody(board: str, clock: Clock) -> None:
    clock.time = datetime(2026, 11, 20, tzinfo=UTC)
    viewer, topic = UserID(UUID(int=1)), f"leaderboard:{board}"
    for city, country in [("Roma", "it"), ("Napoli", "it"), ("東京", "jp"), ("Paris", "us"), ("Paris", "fr")]:
        await make_restaurant(city=city, country=country, cuisine_type=["寿司"])

    assert await judge([(viewer, topic)]) == {(viewer, topic): Verdict("None", "ok")}


@pytest.mark.parametrize(
    "board", ["cooks:roma", "users", "dishes:roma", "users:roma:pizza", "dishes:a:b:c", "users:global@9999-w52"]
)
async def test_a_leaderboard_that_nobody_leads_is_not_found(board: str) -> None:
    viewer, topic = UserID(UUID(int=1)), f"leaderboard:{board}"

    assert await judge([(viewer, topic)]) == {(viewer, topic): Verdict("", "deleted")}


@pytest.mark.parametrize(
    "name", ["", ":", "users:", "users:Roma", "users:s\u00e3o", 'users:"', "users:roma@2026-w4", "users:a b", "a" * 301]
)
async def test_what_is_not_written_as_names_are_written_is_no_topic(name: str) -> None:
    viewer, topic = UserID(UUID(int=1)), f"leaderboard:{name}"

    assert await judge([(viewer, topic)]) == {(viewer, topic): None}
