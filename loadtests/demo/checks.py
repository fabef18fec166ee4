"""Whether everybody was told everything once, and every number is what the graph says."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - it has none

from loadtests.board import answered
from loadtests.demo.boards import Placing, Points, Record, differences, expected
from loadtests.demo.city import CITY, Place, ids, opinions, ranked, raters, trending
from loadtests.demo.model import Row, inbox, likers, number_of_posts
from loadtests.demo.people import Person

NOTIFIED = """
SELECT substring(topic FROM 15) AS user_id, seq FROM events, unnest(topics) AS topic
WHERE topic LIKE 'notifications:%'
"""


class Findings:
    """What is not as it should be, in words; and what was counted over HTTP."""

    def __init__(self) -> None:
        self.lost: list[str] = []
        self.duplicated: list[str] = []
        self.wrong: list[str] = []
        self.follows = 0
        self.likes = 0
        self.rankings = 0
        self.boards = 0

    @property
    def faults(self) -> list[str]:
        """All of them."""
        kinds = {"lost": self.lost, "duplicated": self.duplicated, "wrong": self.wrong}
        return [f"{kind}: {each}" for kind, found in kinds.items() for each in found]

    def same(self, what: str, found: object, expected: object) -> None:
        """Compare."""
        if found != expected:
            self.wrong.append(f"{what} is {found}, not {expected}")

    def same_rows(self, what: str, found: Counter[Row], expected: Counter[Row]) -> None:
        """Compare, and tell only what differs."""
        if found != expected:
            more, less = (list(each.elements()) for each in (found - expected, expected - found))
            self.wrong.append(f"{what} has {more} instead of {less}")

    def once(self, where: str, heard: Iterable[str], expected: Iterable[str]) -> None:
        """Each exactly once, and no other."""
        times, due = Counter(heard), set(expected)
        self.lost += [f"{where}: {each}" for each in due - times.keys()]
        self.duplicated += [f"{where}: {each}" for each, number in times.items() for _ in range(number - 1)]
        self.wrong += [f"{where}: {each} was not meant for it" for each in times.keys() - due]


async def check_sockets(people: Sequence[Person], places: Sequence[Place], database: asyncpg.Connection) -> Findings:
    """What everybody's socket told them, against the graph, and event by event against the log."""
    findings = Findings()
    logged: dict[str, list[str]] = defaultdict(list)
    for row in await database.fetch(NOTIFIED):
        logged[row["user_id"]].append(_number(row["seq"]))
    posts = {person.name: person.posts for person in people}
    trending = _trending(people, places)
    for person in people:
        name, heard = person.name, person.heard
        notified = [each for each in heard if each.topic == "notifications"]
        findings.once(f"{name}'s notifications", (each.id[12:] for each in notified), logged[person.id])
        twice = Counter(each.what for each in notified)
        findings.duplicated += [f"{name}'s notifications: {what}" for what, number in twice.items() if number > 1]
        at_home = [post for friend in person.friends for post in posts[friend]]
        findings.once(f"{name}'s home", (each.what for each in heard if each.topic == "home"), at_home)
        profile = (each.what for each in heard if each.topic == f"user:{person.id}")
        findings.once(f"{name}'s profile", profile, person.posts)
        expected = inbox(person.friends)
        findings.same_rows(f"{name}'s live inbox", person.groups(list(person.rows.values())), expected)
        findings.same(f"{name}'s live unread", person.unread, _unread(person, expected))
        unread = sum(not row["read"] for row in person.rows.values())
        findings.same(f"the number of {name}'s live unread rows", unread, person.unread)
        findings.same(f"how often {name}'s inbox went backwards", person.backwards, 0)
        findings.same(f"{name}'s live counters", person.counters, _counters(person))
        findings.same(f"the live likes of {name}'s posts", person.likes, _likes(person))
        counts = {each["dish_id"]: each["ranking_count"] for each in person.trending}
        findings.same(f"what is trending, as {name} was told", counts, trending)
    return findings


async def check_http(people: Sequence[Person], places: Sequence[Place], findings: Findings) -> None:
    """What HTTP tells everybody, against the graph, and against what their socket told them."""
    await asyncio.gather(*(_check_person(person, findings) for person in people))
    await asyncio.gather(*(_check_rankings(person, places, findings) for person in people))
    await _check_city(people, places, findings)


async def check_boards(people: Sequence[Person], places: Sequence[Place]) -> Findings:
    """Each leaderboard that somebody keeps, against what HTTP says, and that against what all ranked and earned."""
    findings, guest = Findings(), people[0]
    kitchens = {dish: place.id for place in places for dish in place.dishes}
    records = await asyncio.gather(*(_record(person, places, findings) for person in people))
    for name in {each.board.name: None for person in people for each in person.boards}:
        told = answered(await guest.ask("GET", f"/leaderboards/{name}?limit=100"))
        kept = [(person.name, each.board) for person in people for each in person.boards if each.board.name == name]
        findings.wrong += differences(kept, told, expected(name, records, kitchens))
        findings.boards += len(kept)
    for person in people:
        between = sum(each.between for each in person.boards)
        findings.same(f"how often {person.name}'s boards were told what did not follow", between, 0)
    return findings


async def _record(person: Person, places: Sequence[Place], findings: Findings) -> Record:
    names, path = ids(places), f"/users/{person.id}"
    ranks = {names[dish]: rank for dish, rank in ranked(opinions(person.name)).items()}
    history, level, rows, earned = await asyncio.gather(
        person.pages(f"{path}/rankings/history"),
        person.ask("GET", f"{path}/level"),
        person.pages(f"{path}/points"),
        person.ask("GET", f"{path}/points?limit=1"),
    )
    times = {each["activity"]: each["times"] for each in earned["by_activity"]}
    done = {"post": len(person.posts), "ranking": len(ranks)}
    findings.same(f"for what {person.name} has points", {each: times.get(each, 0) for each in done}, done)
    return Record(
        person.id,
        ranks,
        [Placing(each["dish"]["id"], each["new"]["rank"], each["created_at"]) for each in history],
        Decimal(1) if level["level"] is None else Decimal(str(level["level"]["weight"])),
        [Points(each["points"], each["awarded_at"]) for each in rows],
    )


async def _check_rankings(person: Person, places: Sequence[Place], findings: Findings) -> None:
    names = ids(places)
    expected = {names[dish]: rank for dish, rank in ranked(opinions(person.name)).items()}
    found = {each["dish_id"]: each["rank"] for each in await person.pages(f"/users/{person.id}/rankings")}
    findings.same(f"{person.name}'s ranks", found, expected)
    findings.rankings += len(found)


async def _check_city(people: Sequence[Person], places: Sequence[Place], findings: Findings) -> None:
    """How many rank each dish, and what is trending: the same dishes in the same order for everybody."""
    guest, names = people[0], ids(places)
    counted: dict[str, int] = {}
    for place in places:
        menu = await guest.pages(f"/restaurants/{place.id}/dishes")
        counted |= {each["id"]: each["counters"]["rankings"] for each in menu}
    expected = raters(person.name for person in people)
    findings.same("how many rank each dish", counted, {each: expected[dish] for dish, each in names.items()})
    listed = (await guest.ask("GET", f"/trending/dishes?city={CITY}"))["top"]
    for person in people:
        findings.same(f"the order in which {person.name} was told", _order(person.trending), _order(listed))


def _trending(people: Sequence[Person], places: Sequence[Place]) -> dict[str, int]:
    names = ids(places)
    return {names[dish]: number for dish, number in trending(person.name for person in people).items()}


def _order(listed: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """All but what fades."""
    return [{name: value for name, value in each.items() if name != "trending_score"} for each in listed]


async def _check_person(person: Person, findings: Findings) -> None:
    name, friends, path = person.name, person.friends, f"/users/{person.id}"
    counters = (await person.ask("GET", path))["counters"]
    findings.same(f"{name}'s counters", counters, _counters(person))
    findings.follows += counters["following"]
    for side in ("followers", "following"):
        listed = sorted(each["username"] for each in await person.pages(f"{path}/{side}"))
        findings.same(f"{name}'s {side}", listed, sorted(friends))
    likes = {each["id"]: each["counters"]["likes"] for each in await person.pages(f"{path}/posts")}
    findings.same(f"likes of {name}'s posts", likes, _likes(person))
    findings.likes += sum(likes.values())
    rows = await person.pages("/notifications")
    findings.same_rows(f"{name}'s inbox", person.groups(rows), inbox(friends))
    findings.same(f"{name}'s live copy", *(_by_id(each) for each in (person.rows.values(), rows)))
    for path in ("/notifications/unread-count", "/notifications"):
        unread = (await person.ask("GET", path))["unread"]
        findings.same(f"{name}'s unread at {path}", unread, _unread(person, inbox(friends)))
    await _check_actors(person, rows, findings)


async def _check_actors(person: Person, rows: Sequence[dict[str, Any]], findings: Findings) -> None:
    """Who is in each group; follows fill one after the other in any order."""
    followers: list[str] = []
    for row in rows:
        if not row["actors"]:
            continue
        acts = await person.pages(f"/notifications/{row['id']}/children") if row["is_batch"] else [row]
        actors = sorted(act["actors"][0]["username"] for act in acts)
        findings.same(f"size of {person.name}'s '{row['message']}'", len(actors), row["batch_count"])
        if row["type"] == "follow":
            followers += actors
        else:
            number = person.posts.index(row["data"]["post_id"])
            findings.same(f"in {person.name}'s group {number}", actors, sorted(likers(person.friends, number)))
    findings.same(f"whom {person.name} was told of", sorted(followers), sorted(person.friends))


def _unread(person: Person, done: Counter[Row]) -> int:
    """Of what people did, and of what nobody did: what one has earned hangs on more than the graph."""
    return done.total() + sum(not row["actors"] for row in person.rows.values()) - person.has_read


def _counters(person: Person) -> dict[str, int]:
    number = len(person.friends)
    return {"followers": number, "following": number, "posts": number_of_posts(person.friends)}


def _likes(person: Person) -> dict[str, int]:
    return {post: len(likers(person.friends, number)) for number, post in enumerate(person.posts)}


def _by_id(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Without the time of reading, which `notifications.read` does not tell."""
    return {row["id"]: row | {"read_at": None} for row in rows}


def _number(seq: int) -> str:
    """An event's number as its id ends."""
    return f"{seq:012x}"
