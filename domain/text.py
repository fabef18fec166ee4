"""Text from outside: what any of it must be, whatever it is for, and how names are compared."""

import re
import unicodedata
from typing import Annotated, Final

from msgspec import Meta

Text = Annotated[str, Meta(pattern=r"^[^\x00]*$")]
"""PostgreSQL's text holds no NUL. Add your own lengths: `Annotated[Text, Meta(max_length=100)]`."""

# Spaces, control characters, the empty pattern of Braille, what Unicode shows nothing of (Default_Ignorable_Code_Point
# in DerivedCoreProperties.txt) and what only annotates.
_BLANK: Final = (
    r"\s\x01-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
READABLE: Final = rf"\A[{_BLANK}]*[^{_BLANK}\x00][^\x00]*\Z"
UNREADABLE: Final = "There is nothing in it to read, or NUL."

Readable = Annotated[str, Meta(min_length=1, pattern=READABLE)]
"""Text with something to see in it. Add your own length, as above."""

_ACCENT: Final = re.compile("[\u0300-\u036f]")
# Letters of their own, which Unicode does not take apart.
_PLAIN: Final = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


def folded(text: str) -> str:
    """A name as names are compared: without case, accents and needless spaces, in whatever script."""
    bare = _ACCENT.sub("", unicodedata.normalize("NFKD", text).casefold()).translate(_PLAIN)
    return " ".join(unicodedata.normalize("NFKC", bare).split())


def slug(text: str) -> str:
    """The same as part of an address: words and hyphens; letters of other scripts stay. Empty when there are none."""
    words = "".join(each if unicodedata.category(each)[0] in "LNM" else " " for each in folded(text))
    return "-".join(words.split())
