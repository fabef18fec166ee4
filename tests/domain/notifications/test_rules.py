"""How acts become singles, batches and children: a table of cases."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.ids import NotificationID, PostID, UserID
from domain.notifications import rules
from domain.notifications.rules import Act, Grouping, Pace, Row, Step, Undo
from domain.settings import settings
from domain.wording import WORDINGS, ActType, Details, NotificationType, message
from tests.domain.notifications.folding import NOON, after

ME, POST, OTHER_POST = UserID(UUID(int=0)), PostID(UUID(int=100)), PostID(UUID(int=101))
NAMES = ["ana", "ben", "cid", "dan", "eve", "fay", "gus", "hal", "ida", "jan", "kim", "leo"]
PEOPLE = {name: UserID(UUID(int=number)) for number, name in enumerate(NAMES, 1)}
NAME_OF = {user_id: name for name, user_id in PEOPLE.items()}
DAY, HOUR = 24 * 60, 60
A_MOMENT = 1e-6 / 60
"""A microsecond, in minutes."""


def like(name: str, minute: float = 0, post: PostID = POST, to: UserID = ME) -> Act:
    return Act(to, "like", f"post_interaction:post:{post}", PEOPLE[name], post, post, after(minutes=minute))


def comment(name: str, number: int, minute: float = 0) -> Act:
    return Act(
        ME, "comment", f"comment:post:{POST}", PEOPLE[name], UUID(int=1000 + number), POST, after(minutes=minute)
    )


def follow(name: str, minute: float = 0) -> Act:
    return Act(ME, "follow", f"follow:user:{ME}", PEOPLE[name], ME, None, after(minutes=minute))


def unlike(name: str, post: PostID = POST) -> Undo:
    return Undo("act", post, PEOPLE[name], frozenset[ActType]({"like"}))


def uncomment(number: int) -> Undo:
    return Undo("subject", UUID(int=1000 + number))


def mute(name: str, by: UserID = ME) -> Undo:
    return Undo("pair", by, PEOPLE[name])


def folded(
    steps: Sequence[Step], rows: Sequence[Row] = (), paces: dict[Pace, list[rules.Slot]] | None = None
) -> Grouping:
    grouping = Grouping([replace(row) for row in rows], paces or {})
    grouping.take(steps)
    return grouping


def heads(grouping: Grouping) -> list[str]:
    """Singles and batches as they were made; in brackets when suppressed."""
    rows = list(grouping.rows.values())
    said: list[str] = []
    for head in (row for row in rows if row.parent_id is None):
        actors = [row.actor_id for row in rows if row.parent_id == head.id or row is head]
        who = " ".join(NAME_OF[actor] for actor in actors if actor is not None)
        minute = round((head.last_updated_at - NOON).total_seconds() / 60)
        line = f"{head.type}{f' {head.batch_count}' if head.is_batch else ''}: {who} @{minute}"
        said.append(f"({line})" if head.is_suppressed else line)
    return said


CASES: dict[str, tuple[list[Step], list[str]]] = {
    "one is a single": ([like("ana")], ["like: ana @0"]),
    "two are a batch of likes and reactions": ([like("ana"), like("ben", 5)], ["post_interaction 2: ana ben @5"]),
    "what is no like keeps its type": ([comment("ana", 1), comment("ana", 2, 3)], ["comment 2: ana ana @3"]),
    "posts are apart": ([like("ana"), like("ben", 5, OTHER_POST)], ["like: ana @0", "like: ben @5"]),
    "types are apart": ([like("ana"), comment("ben", 1, 5)], ["like: ana @0", "comment: ben @5"]),
    "an hour after a single is in time": ([like("ana"), like("ben", HOUR)], ["post_interaction 2: ana ben @60"]),
    "an hour and a moment is not": ([like("ana"), like("ben", HOUR + A_MOMENT)], ["like: ana @0", "like: ben @60"]),
    "a closed single stays one": (
        [like("ana"), like("ben", 61), like("cid", 62)],
        ["like: ana @0", "post_interaction 2: ben cid @62"],
    ),
    "a day after its making a batch takes one more": (
        [like("ana"), like("ben", 60), like("cid", 60 + DAY)],
        ["post_interaction 3: ana ben cid @1500"],
    ),
    "a day and a moment is too late, and begins as a single": (
        [like("ana"), like("ben", 60), like("cid", 60 + DAY + A_MOMENT)],
        ["post_interaction 2: ana ben @60", "like: cid @1500"],
    ),
    "a day counts from the making and not from the last": (
        [like("ana"), like("ben", 1), like("cid", DAY), like("dan", DAY + 2)],
        ["post_interaction 3: ana ben cid @1440", "like: dan @1442"],
    ),
    "what is folded late joins by its own time": (
        [like("ana", 10), like("ben", 5), like("cid", 7)],
        ["post_interaction 3: ana ben cid @7"],
    ),
    "who takes it back is gone": ([like("ana"), unlike("ana")], []),
    "a batch of one stays a batch": ([like("ana"), like("ben", 5), unlike("ana")], ["post_interaction 1: ben @5"]),
    "a batch of none is gone": ([like("ana"), like("ben", 5), unlike("ana"), unlike("ben")], []),
    "after none one begins anew": (
        [like("ana"), like("ben", 5), unlike("ana"), unlike("ben"), like("cid", 6)],
        ["like: cid @6"],
    ),
    "a batch of one takes more": (
        [like("ana"), like("ben", 5), unlike("ana"), like("cid", 6)],
        ["post_interaction 2: ben cid @6"],
    ),
    "the last to take it back changes no time": (
        [like("ana"), like("ben", 5), like("cid", 9), unlike("cid")],
        ["post_interaction 2: ana ben @5".replace("@5", "@9")],
    ),
    "taking back is of one post": (
        [like("ana"), like("ana", 5, OTHER_POST), unlike("ana", OTHER_POST)],
        ["like: ana @0"],
    ),
    "taking back what was never told is nothing": ([unlike("ana"), like("ben")], ["like: ben @0"]),
    "liking again is another like": ([like("ana"), unlike("ana"), like("ana", 5)], ["like: ana @5"]),
    "a deleted comment is gone": (
        [comment("ana", 1), comment("ben", 2), comment("ana", 3), uncomment(1)],
        ["comment 2: ben ana @0"],
    ),
    "a deleted post takes all along": (
        [like("ana"), like("ben"), comment("cid", 1), follow("dan"), Undo("post", POST)],
        ["follow: dan @0"],
    ),
    "whom one mutes is gone from everywhere": (
        [like("ana"), like("ben"), comment("ana", 1), follow("ana", 1), mute("ana")],
        ["post_interaction 1: ben @0"],
    ),
    "others still hear of them": (
        [like("ana"), like("ana", 1, OTHER_POST, PEOPLE["ben"]), mute("ana")],
        ["like: ana @1"],
    ),
    "ten follows are full": (
        [follow(name, minute) for minute, name in enumerate(NAMES)],
        ["follow 10: ana ben cid dan eve fay gus hal ida jan @9", "follow 2: kim leo @11"],
    ),
    "a full batch of which one goes stays closed": (
        [*(follow(name) for name in NAMES[:10]), Undo("act", ME, PEOPLE["ana"]), follow("kim", 1)],
        ["follow 9: ben cid dan eve fay gus hal ida jan @0", "follow: kim @1"],
    ),
    "likes are never full": (
        [like(name) for name in NAMES],
        ["post_interaction 12: ana ben cid dan eve fay gus hal ida jan kim leo @0"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_acts_become_groups(case: str) -> None:
    steps, expected = CASES[case]

    assert heads(folded(steps)) == expected


@pytest.mark.parametrize("case", CASES)
def test_in_whatever_portions_they_are_folded(case: str) -> None:
    steps, expected = CASES[case]
    grouping = Grouping([], {})

    for step in steps:
        grouping = folded([step], list(grouping.rows.values()), grouping.paces)

    assert heads(grouping) == expected


OF_ANOTHER_POST = [PostID(UUID(int=200 + number)) for number in range(4)]


def likes_of_posts(*minutes: float) -> list[Step]:
    return [like("ana", minute, PostID(UUID(int=200 + number))) for number, minute in enumerate(minutes)]


LIMITED: dict[str, tuple[list[Step], list[str]]] = {
    "the third in an hour is suppressed": (
        likes_of_posts(0, 1, 2),
        ["like: ana @0", "like: ana @1", "(like: ana @2)"],
    ),
    "an hour later there is room": (
        likes_of_posts(0, 1, 60, 60),
        ["like: ana @0", "like: ana @1", "like: ana @60", "(like: ana @60)"],
    ),
    "a moment before there is not": (
        likes_of_posts(0, 1, 60 - A_MOMENT),
        ["like: ana @0", "like: ana @1", "(like: ana @60)"],
    ),
    "what is suppressed takes no room": (
        likes_of_posts(0, 30, 40, 50, 60, 80),
        ["like: ana @0", "like: ana @30", "(like: ana @40)", "(like: ana @50)", "like: ana @60", "(like: ana @80)"],
    ),
    "other types have room of their own": (
        [*likes_of_posts(0, 1, 2), comment("ben", 1, 3)],
        ["like: ana @0", "like: ana @1", "(like: ana @2)", "comment: ben @3"],
    ),
    "other people too": (
        [*likes_of_posts(0, 1), like("ana", 2, POST, PEOPLE["ben"])],
        ["like: ana @0", "like: ana @1", "like: ana @2"],
    ),
    "what joins a group needs no room": (
        [*likes_of_posts(0, 1), like("ben", 2, PostID(UUID(int=200)))],
        ["like: ana @1", "post_interaction 2: ana ben @2"],
    ),
    "what is suppressed is shown when it becomes a batch": (
        [*likes_of_posts(0, 1, 2), like("ben", 3, PostID(UUID(int=202)))],
        ["like: ana @0", "like: ana @1", "post_interaction 2: ana ben @3"],
    ),
    "taking back gives no room": (
        [*likes_of_posts(0, 1), unlike("ana", PostID(UUID(int=200))), like("ben", 2)],
        ["like: ana @1", "(like: ben @2)"],
    ),
}


@pytest.fixture
def two_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "settings", replace(settings, notifications_per_hour=2))


@pytest.mark.parametrize("case", LIMITED)
def test_only_so_many_singles_of_a_type_are_shown_in_an_hour(two_an_hour: None, case: str) -> None:
    steps, expected = LIMITED[case]

    assert heads(folded(steps)) == expected


def rows_of(*steps: Step) -> list[Row]:
    return list(folded(steps).rows.values())


def news(grouping: Grouping) -> list[str]:
    """What is told, and to how many more unread."""
    said: list[str] = []
    for user_id, row_id, is_there in grouping.news():
        assert user_id == ME
        row = grouping.rows.get(row_id)
        what = row.type if row is not None and is_there else "one"
        said.append(f"{'+' if is_there else '-'}{what}")
    return said


SINGLE, BATCH = rows_of(like("ana")), rows_of(like("ana"), like("ben", 5))
TOLD: dict[str, tuple[list[Row], list[Step], list[str], int]] = {
    "a single": ([], [like("ana")], ["+like"], 1),
    "a batch that was made at once": ([], [like("ana"), like("ben")], ["+post_interaction"], 1),
    "a batch in place of a single": (SINGLE, [like("ben", 5)], ["-one", "+post_interaction"], 0),
    "one more in a batch": (BATCH, [like("cid", 9)], ["+post_interaction"], 0),
    "many more in a batch": (BATCH, [like(name, 9) for name in NAMES[2:]], ["+post_interaction"], 0),
    "one less in a batch": (BATCH, [unlike("ana")], ["+post_interaction"], 0),
    "none left in a batch": (BATCH, [unlike("ana"), unlike("ben")], ["-one"], -1),
    "a single that is taken back": (SINGLE, [unlike("ana")], ["-one"], -1),
    "one that came and went": ([], [like("ana"), unlike("ana")], [], 0),
    "a batch that came and went": ([], [like("ana"), like("ben"), Undo("post", POST)], [], 0),
    "one that closes is not told again": (SINGLE, [like("ben", 61)], ["+like"], 1),
    "what left comes first": (
        [*SINGLE, *rows_of(comment("ben", 1))],
        [like("cid"), uncomment(1)],
        ["-one", "-one", "+post_interaction"],
        -1,
    ),
}


@pytest.mark.parametrize("case", TOLD)
def test_what_changed_in_a_list_is_told_once(case: str) -> None:
    rows, steps, expected, unread = TOLD[case]

    grouping = folded(steps, rows)

    assert news(grouping) == expected
    assert grouping.unread().get(ME, 0) == unread


def test_what_is_suppressed_is_neither_told_nor_unread(two_an_hour: None) -> None:
    grouping = folded(likes_of_posts(0, 1, 2))

    assert (len(grouping.saved()), news(grouping), grouping.unread()) == (3, ["+like"] * 2, {ME: 2})


def test_what_joins_has_the_batch_unread_again() -> None:
    read = [replace(row, read_at=NOON) for row in BATCH]

    grouping = folded([like("cid", 9)], read)

    assert [row.is_unread for row in grouping.rows.values() if row.is_batch] == [True]
    assert grouping.unread() == {ME: 1}


def test_what_is_taken_back_leaves_the_batch_as_read_as_it_was() -> None:
    read = [replace(row, read_at=NOON) for row in BATCH]

    grouping = folded([unlike("ana")], read)

    assert [row.read_at for row in grouping.rows.values() if row.is_batch] == [NOON]
    assert grouping.unread() == {ME: 0}


def test_a_read_single_becomes_an_unread_batch() -> None:
    grouping = folded([like("ben", 5)], [replace(row, read_at=NOON) for row in SINGLE])

    assert grouping.unread() == {ME: 1}


def test_only_rows_that_were_there_are_deleted() -> None:
    grouping = folded([unlike("ana"), like("cid"), unlike("cid")], SINGLE)

    assert grouping.gone() == [NotificationID(SINGLE[0].id)]
    assert grouping.saved() == []


MESSAGES = [
    ("like", 1, False, "Ana", "Ana liked your post"),
    ("like", 1, False, None, "Somebody liked your post"),
    ("post_interaction", 2, True, "Ana", "2 people engaged with your post"),
    ("post_interaction", 1, True, "Ana", "1 person engaged with your post"),
    ("comment", 1, False, "Ana", "Ana commented on your post"),
    ("comment", 12, True, "Ana", "12 new comments on your post"),
    ("comment", 1, True, "Ana", "1 new comment on your post"),
    ("reply", 1, False, "Ana", "Ana replied to your comment"),
    ("reply", 3, True, "Ana", "3 new replies to your comment"),
    ("reply", 1, True, "Ana", "1 new reply to your comment"),
    ("mention", 1, False, "Ana", "Ana mentioned you"),
    ("mention", 3, True, "Ana", "You were mentioned 3 times"),
    ("mention", 1, True, "Ana", "You were mentioned"),
    ("follow", 1, False, "Ana", "Ana started following you"),
    ("follow", 10, True, "Ana", "10 people started following you"),
    ("follow", 1, True, "Ana", "1 person started following you"),
    ("follow_request", 1, False, "Ana", "Ana asked to follow you"),
    ("follow_request", 2, True, "Ana", "2 people asked to follow you"),
    ("follow_request", 1, True, "Ana", "1 person asked to follow you"),
    ("follow_accepted", 1, False, "Ana", "Ana accepted your request to follow them"),
    ("follow_accepted", 2, True, "Ana", "2 people accepted your requests to follow them"),
    ("follow_accepted", 1, True, "Ana", "1 person accepted your request to follow them"),
    ("review_like", 1, False, "Ana", "Ana liked your review"),
    ("review_interaction", 2, True, "Ana", "2 people engaged with your review"),
    ("review_interaction", 1, True, "Ana", "1 person engaged with your review"),
    ("like", 1, False, "{0} %s", "{0} %s liked your post"),
    ("badge_earned", 2, True, None, "You earned 2 badges"),
    ("badge_earned", 1, True, None, "You earned 1 badge"),
    ("level_reached", 2, True, None, "You reached 2 career levels"),
    ("level_reached", 1, True, None, "You reached 1 career level"),
]

BOARD = Details("Margherita", board="dishes:paris:pizza", board_name="pizza in Paris", place=3, old=12, new=3)
TOLD_OF_THEMSELVES = [
    ("badge_earned", Details("Pizza judge", badge="pizza-judge"), "You earned the badge Pizza judge"),
    ("level_reached", Details("City Reviewer", level=3), "You are a City Reviewer now"),
    ("board_entered", BOARD, "Margherita entered the top 3 of pizza in Paris"),
    ("board_left", BOARD, "Margherita left the top 3 of pizza in Paris"),
    ("badge_earned", Details("{new} %s"), "You earned the badge {new} %s"),
]


@pytest.mark.parametrize(("kind", "count", "is_batch", "name", "text"), MESSAGES)
def test_a_message_is_one_line_for_people(
    kind: NotificationType, count: int, is_batch: bool, name: str | None, text: str
) -> None:
    assert message(kind, count, is_batch=is_batch, name=name) == text


@pytest.mark.parametrize(("kind", "details", "text"), TOLD_OF_THEMSELVES)
def test_what_nobody_did_is_one_line_for_people(kind: NotificationType, details: Details, text: str) -> None:
    assert message(kind, 1, is_batch=False, name=None, details=details) == text


def test_a_message_about_a_review_calls_it_so() -> None:
    one = message("comment", 1, is_batch=False, name="Ana", about="review")
    several = message("comment", 12, is_batch=True, name="Ana", about="review")

    assert (one, several) == ("Ana commented on your review", "12 new comments on your review")


def test_every_type_has_its_message() -> None:
    assert {kind for kind, *_ in [*MESSAGES, *TOLD_OF_THEMSELVES]} == set(WORDINGS)


@pytest.mark.parametrize(
    ("kind", "count", "text"),
    [
        ("board_entered", 3, "Margherita and 2 others entered the top 3 of pizza in Paris"),
        ("board_left", 2, "Margherita and 1 other left the top 3 of pizza in Paris"),
        ("board_left", 1, "Margherita left the top 3 of pizza in Paris"),
    ],
)
def test_a_group_of_a_board_names_its_newest(kind: NotificationType, count: int, text: str) -> None:
    assert message(kind, count, is_batch=True, name=None, details=BOARD) == text
