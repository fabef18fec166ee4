"""How names are compared."""

import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.text import Readable, folded, slug


@pytest.mark.parametrize(
    ("text", "compared"),
    [
        ("Café de Flore", "cafe de flore"),
        ("  CAFÉ\tde   flore ", "cafe de flore"),
        ("Łódź", "lodz"),
        ("Smørrebrød", "smorrebrod"),
        ("Weißbräu", "weissbrau"),
        ("İstanbul", "istanbul"),
        ("Phở Thìn", "pho thin"),
        ("ＡＢＣ", "abc"),
        ("북촌 칼국수", "북촌 칼국수"),
        ("すし", "すし"),
        ("ก๋วยเตี๋ยว", "ก๋วยเตี๋ยว"),
    ],
)
def test_case_accents_and_spaces_make_no_difference_in_whatever_script(text: str, compared: str) -> None:
    assert folded(text) == compared


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("San José", "san-jose"),
        ("St. John's", "st-john-s"),
        ("--Rio_de Janeiro--", "rio-de-janeiro"),
        ("東京", "東京"),
        ("Москва", "москва"),
        ("Ελλάδα", "ελλαδα"),
        ("القاهرة", "القاهرة"),
        ("กรุงเทพ", "กรุงเทพ"),
        ("!?", ""),
        ("🍲", ""),
    ],
)
def test_a_slug_is_words_and_hyphens(text: str, expected: str) -> None:
    assert slug(text) == expected


@given(st.text(max_size=60))
def test_a_slug_of_a_slug_is_the_same(text: str) -> None:
    assert slug(slug(text)) == slug(text)
    assert not set(slug(text)) & set(" :/?#@,.")


def is_readable(text: str) -> bool:
    try:
        msgspec.convert(text, Readable)
    except msgspec.ValidationError:
        return False
    return True


READABLE = [
    "x",
    " x ",
    "\u200bx\ufeff",
    ".",
    "🍲",
    "❤\ufe0f",
    "👩\u200d🍳",
    "東京",
    "می\u200cخواهم",
    "\u0301",
    "1\n2",
    "x" * 100_000,
]
BLANK = ["", " ", "\t\r\n", "\u200b", "\u2060\ufeff", "\x01\x1f\x7f\x9f", "\u00ad", "\u200e \u202e", "\u3164", "\u2800"]
ODD = ["\ufe0f", "\U000e0001\U000e007f", "\u200b" * 100_000, "\0", "x\0", "\0x"]


@pytest.mark.parametrize("text", READABLE, ids=lambda text: ascii(text)[:20])
def test_text_with_something_to_see_is_readable(text: str) -> None:
    assert is_readable(text)


@pytest.mark.parametrize("text", BLANK + ODD, ids=lambda text: ascii(text)[:20])
def test_spaces_control_characters_and_what_has_no_picture_are_nothing_to_read(text: str) -> None:
    assert not is_readable(text)


# Signs that are written over the number that follows, and the marks of two notations.
SEEN = {
    *map(chr, [*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)])
}


def test_of_what_unicode_calls_spaces_control_and_format_only_signs_that_are_seen_are_readable() -> None:
    every = map(chr, [*range(0xD800), *range(0xE000, 0x110000)])
    unseen = [each for each in every if unicodedata.category(each) in {"Zs", "Zl", "Zp", "Cc", "Cf"}]

    assert {each for each in unseen if is_readable(each)} <= SEEN
