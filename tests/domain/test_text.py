"""How names are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.text import folded, slug


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
