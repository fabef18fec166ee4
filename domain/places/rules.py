"""What restaurants may be, how their names are compared, and what is near."""

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from domain.accounts.rules import Viewer
from domain.countries import code_of
from domain.errors import Invalid
from domain.ids import UserID
from domain.settings import settings
from domain.text import Readable, Text, slug

Name = Annotated[Readable, Meta(max_length=255)]
Address = Annotated[Text, Meta(min_length=1, max_length=500)]
Region = Annotated[Text, Meta(min_length=1, max_length=100)]
"""A city, a state or a country, in its own words."""
PostalCode = Annotated[Text, Meta(min_length=1, max_length=20)]
Phone = Annotated[str, Meta(max_length=30, pattern=r"\A\+?[0-9(][0-9 ()./x-]{2,}\Z")]
PriceRange = Annotated[int, Meta(ge=1, le=4)]
Cuisine = Annotated[Text, Meta(min_length=1, max_length=100)]
Searched = Annotated[Text, Meta(min_length=2, max_length=100)]
Time = Annotated[str, Meta(pattern=r"\A(?:[01][0-9]|2[0-3]):[0-5][0-9]\Z")]

CUISINES: Final = 10
PHOTOS: Final = 20
FINDABLE: Final = 10_000
"""How far a search is counted and paged."""

EARTH_M: Final = 6_371_008.8
"""The mean radius, as in the database's `globe`."""

WORDLESS: Final = "This has no letter and no digit."

MODERATORS: Final = frozenset({"moderator", "admin"})


class Period(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Open from `opens` until `closes`, local time; a closing that is not after the opening is on the next day."""

    opens: Time
    closes: Time


Day = Annotated[list[Period], Meta(max_length=5)]


class Hours(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """When a restaurant is open, by the weekday on which it opens."""

    monday: Day = []
    tuesday: Day = []
    wednesday: Day = []
    thursday: Day = []
    friday: Day = []
    saturday: Day = []
    sunday: Day = []


DAY_MIN: Final = 24 * 60
WEEK_MIN: Final = 7 * DAY_MIN


def check_hours(hours: Hours | None) -> None:
    """Raises Invalid that names the periods which begin while it is open already; the week goes round."""
    if hours is None:
        return
    spans: list[tuple[int, int, str]] = []
    for number, (day, periods) in enumerate(msgspec.structs.asdict(hours).items()):
        for i, period in enumerate(periods):
            begin, end = (DAY_MIN * number + _minutes(each) for each in (period.opens, period.closes))
            spans.append((begin, end if end > begin else end + DAY_MIN, f"hours.{day}[{i}]"))
    spans.sort()
    around = [(begin - WEEK_MIN, end - WEEK_MIN, path) for begin, end, path in spans[-1:]]
    pairs = zip([*around, *spans], spans, strict=False)
    if wrong := [later[2] for earlier, later in pairs if earlier[1] > later[0]]:
        raise Invalid(dict.fromkeys(wrong, "It is open already at this time."))


def _minutes(time: str) -> int:
    return 60 * int(time[:2]) + int(time[3:])


def check_position(latitude: float | None, longitude: float | None) -> None:
    """Raises Invalid when there is one without the other."""
    if (latitude is None) != (longitude is None):
        missing = "latitude" if latitude is None else "longitude"
        raise Invalid({missing: "Latitude and longitude come together."})


class Near(msgspec.Struct, frozen=True):
    """Around a point, as far as so many metres."""

    latitude: float
    longitude: float
    metres: float

    @property
    def chord(self) -> float:
        """The same distance, straight through the earth."""
        return chord(self.metres)


def chord(metres: float) -> float:
    """A distance along the earth as a straight line through it, metres."""
    return 2 * EARTH_M * math.sin(min(metres / (2 * EARTH_M), math.pi / 2))


def parse_near(text: str) -> Near:
    """`lat,lon,km`. Raises Invalid."""
    try:
        latitude, longitude, km = (float(part) for part in text.split(","))
    except ValueError:
        raise Invalid({"near": "Write it as latitude,longitude,kilometres."}) from None
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise Invalid({"near": "Latitude is from -90 to 90, longitude from -180 to 180."})
    if not 0 < km <= settings.search_radius_km:
        raise Invalid({"near": f"Kilometres are more than 0 and at most {settings.search_radius_km:g}."})
    return Near(latitude, longitude, km * 1000)


def slugs(texts: Iterable[str], field: str) -> list[str]:
    """Each once, as slugs, in their order. Raises Invalid, naming the place, for one without a letter or digit."""
    found = [slug(text) for text in texts]
    if wrong := [f"{field}[{i}]" for i, each in enumerate(found) if not each]:
        raise Invalid(dict.fromkeys(wrong, WORDLESS))
    return list(dict.fromkeys(found))


def named_slug(text: str, field: str) -> str:
    """A name as a slug. Raises Invalid when there is no letter and no digit in it."""
    found = slug(text)
    if not found:
        raise Invalid({field: WORDLESS})
    return found


def wanted_slug(text: str | None, field: str) -> str | None:
    """The same of what is looked for, if it is."""
    return None if text is None else named_slug(text, field)


REGIONS: Final = ("city", "state", "country")


def check_regions(given: Mapping[str, object]) -> None:
    """Raises Invalid that names the regions without a word: by such a name nothing would be found, and on no board."""
    names = {field: given[field] for field in REGIONS if given.get(field) is not None}
    if wrong := [field for field, name in names.items() if not slug(str(name))]:
        raise Invalid(dict.fromkeys(wrong, WORDLESS))


def country_key(country: str | None) -> str:
    """A country as countries are compared: its ISO code in lower case, or its slug; empty when it is not known."""
    return "" if country is None else code_of(country) or slug(country)


NAMESAKES: Final = 100


def city_slugs(key: str, country: str) -> list[str]:
    """What a city may be called, the best first: the next one is for when another city has it. Both are keys."""
    if not country:
        return [key, key]
    return [key, f"{country}-{key}", *(f"{country}-{key}-{number}" for number in range(2, NAMESAKES))]


BAND_DEG: Final = 0.05


def bands(latitude: float, metres: float) -> list[int]:
    """The strips of latitude that a circle touches, in order: two circles of which one holds the other's middle
    have one in common."""
    reach = math.degrees(metres / EARTH_M)
    return list(range(math.floor((latitude - reach) / BAND_DEG), math.floor((latitude + reach) / BAND_DEG) + 1))


def may_edit(viewer: Viewer, *added_by: UserID | None) -> bool:
    """Whoever added it, and moderators."""
    return viewer.id in added_by or viewer.role in MODERATORS
