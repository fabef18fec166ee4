"""What a dish may be."""

from decimal import Decimal
from typing import Annotated, Final

from msgspec import Meta

from domain.errors import Invalid
from domain.text import Text

Description = Annotated[Text, Meta(min_length=1, max_length=2000)]
Price = Annotated[str, Meta(pattern=r"\A[0-9]{1,8}(?:\.[0-9]{1,2})?\Z")]
Currency = Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")]
DishTypeSlug = Annotated[Text, Meta(min_length=1, max_length=100)]
Tag = Annotated[Text, Meta(min_length=1, max_length=50)]

TAGS: Final = 20

# ISO 4217, those that are money in somebody's pocket.
_CODES: Final = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF"
    " CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG"
    " HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA"
    " MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD"
    " RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX"
    " USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG"
)
CURRENCIES: Final = frozenset(_CODES.split())


def check_price(price: str | None, currency: str | None) -> None:
    """Raises Invalid when there is one without the other, or no such currency."""
    if (price is None) != (currency is None):
        raise Invalid({"price" if price is None else "currency": "A price comes with its currency."})
    if currency is not None and currency not in CURRENCIES:
        raise Invalid({"currency": "This is no currency of ISO 4217."})


def priced(price: str | None) -> str | None:
    """A price with two digits behind the point: 12.5 is 12.50."""
    return None if price is None else f"{Decimal(price):.2f}"
