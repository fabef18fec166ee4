"""Which country a name means."""

import pytest

from domain.countries import code_of


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *[("FR", "fr"), ("fr", "fr"), ("France", "fr"), ("  FRANCE ", "fr"), ("USA", "us"), ("UK", "gb")],
        *[("United States", "us"), ("Österreich", "at"), ("osterreich", "at"), ("Cote d'Ivoire", "ci"), ("日本", "jp")],
        *[("Andorra", "ad"), ("Zimbabwe", "zw"), ("Republic of the Congo", "cg"), ("DR Congo", "cd")],
    ],
)
def test_a_country_is_known_by_its_code_and_its_names(name: str, code: str) -> None:
    assert code_of(name) == code


@pytest.mark.parametrize("name", ["", "Atlantis", "xx", "Fra", "France, Europe"])
def test_what_is_no_country_has_no_code(name: str) -> None:
    assert code_of(name) is None
