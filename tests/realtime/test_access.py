"""Who asks together is answered together, each for themselves."""

import asyncio
from collections.abc import Sequence

import pytest

from domain import db
from domain.db import Row
from domain.graph.actions import block_user
from realtime.access import Judge, Verdict
from tests.factories import make_post, make_user

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
