"""What all tests of the HTTP side share."""

import pytest


@pytest.fixture(autouse=True)
def undone(database: None) -> None:
    """No test sees what another one wrote."""
