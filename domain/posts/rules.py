"""What a post may be."""

from typing import Annotated, Literal

from msgspec import Meta

from domain.text import Readable

PostType = Literal["daily", "photo", "spontaneous"]
Visibility = Literal["public", "followers", "private"]

Title = Annotated[Readable, Meta(max_length=200)]
Content = Annotated[Readable, Meta(max_length=5000)]
ImageUrl = Annotated[str, Meta(max_length=2000, pattern=r"\Ahttps?://[^\s\x00]+\Z")]
ShortText = Annotated[str, Meta(max_length=255, pattern=r"\A[^\x00]*\Z")]
