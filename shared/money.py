"""Money: integer minor units inside, decimal strings with an ISO 4217 currency outside, never a float."""

import re
from decimal import Decimal
from typing import Final

from shared.errors import InvalidInput

MAX_MINOR: Final = 10**14
"""Ceiling of one amount in minor units (10^12 in a currency with two decimals); sums stay far inside 64 bits."""

_TWO_DECIMALS = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF "
    "CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF "
    "IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR "
    "MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD "
    "SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR "
    "ZMW ZWG"
)
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"

EXPONENTS: Final[dict[str, int]] = {
    **dict.fromkeys(_TWO_DECIMALS.split(), 2),
    **dict.fromkeys(_NO_DECIMALS.split(), 0),
    **dict.fromkeys(_THREE_DECIMALS.split(), 3),
}
"""Decimals per active ISO 4217 currency."""

_AMOUNT = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,6})?", re.ASCII)


def exponent(currency: str) -> int:
    """Decimals of `currency`. Raises `currency_code` for anything but an active ISO 4217 code."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise InvalidInput("currency_code", "Use an active ISO 4217 currency code such as CNY.") from None


def to_minor(amount: str, currency: str) -> int:
    """Minor units of a decimal string.

    Raises `amount_format`, `too_many_decimals` or `amount_too_large`; zeros behind the currency's decimals are fine.
    """
    places = exponent(currency)
    if not _AMOUNT.fullmatch(amount):
        raise InvalidInput("amount_format", 'Write the amount as a plain decimal such as "1250.00".')
    scaled = Decimal(amount).scaleb(places)
    if scaled != scaled.to_integral_value():
        raise InvalidInput("too_many_decimals", f"{currency} has {places} decimals.")
    minor = int(scaled)
    if abs(minor) > MAX_MINOR:
        raise InvalidInput("amount_too_large", "The amount is beyond what one document may carry.")
    return minor


def to_decimal(minor: int, currency: str) -> str:
    """Decimal string with exactly the currency's decimals; the inverse of `to_minor`."""
    places = EXPONENTS[currency]
    if places == 0:
        return str(minor)
    sign, digits = ("-" if minor < 0 else ""), str(abs(minor)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}"
