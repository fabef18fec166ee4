"""Text from outside: what any of it must be, whatever it is for, and how names are compared."""

import re
import unicodedata
from typing import Annotated, Final

from msgspec import Meta

Text = Annotated[str, Meta(pattern=r"^[^\x00]*$")]
"""PostgreSQL's text holds no NUL. Add your own lengths: `Annotated[Text, Meta(max_length=100)]`."""

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
