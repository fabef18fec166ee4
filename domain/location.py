"""Where something is, as people and posts tell it."""

from typing import Annotated

import msgspec
from msgspec import Meta

from domain.text import Text

ShortText = Annotated[Text, Meta(max_length=255)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]


class Location(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where; degrees in WGS 84."""

    display_name: ShortText
    lat: Latitude | None = None
    lon: Longitude | None = None
    place_id: ShortText | None = None
