"""What these tests need of the machine besides Python: Node 20 and Chromium. Without them they are skipped, loudly."""

import os
import shutil
from collections.abc import Sequence
from typing import Final

import pytest

REQUIRED: Final = os.environ.get("POTLUCK_BROWSER_TESTS") == "required"
FLAGS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
"""Of Chromium: that it starts as root, and asks nobody for anything."""


def node() -> str:
    """Node's path."""
    return _found(("node",), "Node 20.14 or newer")


def chromium() -> str:
    """Chromium's path."""
    return _found(("chromium", "chromium-browser", "google-chrome"), "Chromium (`apt-get install chromium`)")


def _found(names: Sequence[str], words: str) -> str:
    path = next((path for path in map(shutil.which, names) if path), None)
    if path is None:
        sentence = f"potluck.js IS NOT TESTED: {words} is not installed"
        if REQUIRED:
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)
    return path
