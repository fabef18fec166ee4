"""What a comment may be."""

from typing import Annotated

from msgspec import Meta

Content = Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"\A\s*[^\s\x00][^\x00]*\Z")]
