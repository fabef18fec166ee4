"""The types of potluck.js are those of the wire."""

from domain.events import AnyEvent
from realtime import typescript


def test_the_committed_types_are_the_generated_ones() -> None:
    committed = typescript.FILE.read_text(encoding="utf-8")

    assert typescript.completed(committed) == committed


def test_every_event_that_clients_hear_of_has_a_type() -> None:
    told = [each for each in AnyEvent.__args__ if each.heard_on]

    assert all(f"  '{each.type}': {each.__name__};" in typescript.types() for each in told)


def test_what_may_be_absent_is_marked_and_what_is_always_there_is_not() -> None:
    types = typescript.types()

    assert "  comment_id?: string | null;" in types
    assert "  counters: Counters;" in types
    assert "  parent_id: string | null;" in types
