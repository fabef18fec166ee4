"""What a review may be."""

from typing import Annotated, Final

from msgspec import Meta

from domain.posts.rules import ImageUrl

PHOTOS: Final = 10

Content = Annotated[str, Meta(min_length=1, max_length=5000, pattern=r"\A\s*[^\s\x00][^\x00]*\Z")]
Stars = Annotated[int, Meta(ge=1, le=5)]
Photos = Annotated[list[ImageUrl], Meta(max_length=PHOTOS)]
