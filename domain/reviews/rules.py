"""What a review may be."""

from typing import Annotated, Final

from msgspec import Meta

from domain.posts.rules import ImageUrl
from domain.text import Readable

PHOTOS: Final = 10

Content = Annotated[Readable, Meta(max_length=5000)]
Stars = Annotated[int, Meta(ge=1, le=5)]
Photos = Annotated[list[ImageUrl], Meta(max_length=PHOTOS)]
