"""What a comment may be."""

from typing import Annotated

from msgspec import Meta

from domain.text import Readable

Content = Annotated[Readable, Meta(max_length=2000)]
