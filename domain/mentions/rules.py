"""What a mention looks like in a text."""

import re
from typing import Annotated, Final

from msgspec import Meta

from domain.settings import settings
from domain.text import Text

NAMES: Final = 50
"""How many names may be asked about at once."""

Name = Annotated[Text, Meta(max_length=255)]
"""What may be a username, or is not."""

USERNAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,50}")

# In these scripts words stand next to each other without a space, or take endings: Thai to Khmer, Chinese, Japanese,
# Korean. There a name may begin and end anywhere.
_UNSPACED: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
_LETTER: Final = rf"[^\W{_UNSPACED}]"
# Not in an address: a.b@c.org, a+@b.org, https://a.org/@b, @a@b.org. A combining accent makes another letter.
_MENTION: Final = re.compile(
    rf"(?<!{_LETTER})(?<![@/=])(?<!{_LETTER}[.+-])@([A-Za-z0-9_.-]++)(?!{_LETTER}|[@\u0300-\u036f])"
)


def names_in(content: str) -> list[str]:
    """The names with an `@`, in lower case, each once, as they appear; no more than the setting allows.

    A dot or a hyphen at the end belongs to the sentence, so a username that ends so cannot be mentioned.
    """
    found = (match[1].rstrip(".-").lower() for match in _MENTION.finditer(content))
    names = list(dict.fromkeys(name for name in found if USERNAME.fullmatch(name)))
    return names[: settings.mentions_per_text]
