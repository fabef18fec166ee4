"""What a key may look like, how long it counts, and what makes two requests the same."""

import re
from datetime import timedelta
from hashlib import sha256
from typing import Final

KEPT: Final = timedelta(hours=24)

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


def is_key(text: str) -> bool:
    """1 to 255 visible ASCII characters."""
    return _KEY.fullmatch(text) is not None


def fingerprint(target: bytes, body: bytes) -> bytes:
    """Two requests with one key must have the same."""
    return sha256(b"%d\n%b\n%b" % (len(target), target, body)).digest()
