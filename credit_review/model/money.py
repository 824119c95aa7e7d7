"""Money as integer minor units plus an ISO 4217 code. One frozen table of exponents; no floats anywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from credit_review.errors import BadInput
from credit_review.sentences import said

_TWO = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC "
    "CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD "
    "KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO "
    "NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL "
    "THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW"
)
_ZERO = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"

EXPONENTS: MappingProxyType[str, int] = MappingProxyType(
    {**dict.fromkeys(_TWO.split(), 2), **dict.fromkeys(_ZERO.split(), 0), **dict.fromkeys(_THREE.split(), 3)}
)
"""ISO 4217 minor-unit exponents. A code that is not here is an unknown currency: a quarantine reason, never a guess."""

MAX_MINOR = 2**53 - 1
"""Largest amount (minor units) the audit log can carry; sums beyond it are refused, not wrapped."""


_TYPED = re.compile(r"-?([0-9]+|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]+)?")


def exponent(currency: str) -> int:
    """Decimals of `currency`. Raises BadInput for a code that is not ISO 4217."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise BadInput(
            said("unknown currency {currency}", currency=repr(currency)),
            expected=said("an ISO 4217 code such as EUR, USD, JPY"),
            next_step=said("correct the source, or map the code in the mapping's currency codes"),
        ) from None


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An exact amount: `minor` integer minor units of `currency` (ISO 4217)."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        exponent(self.currency)
        if abs(self.minor) > MAX_MINOR:
            raise BadInput(
                said("amount {minor} {currency} is out of range", minor=self.minor, currency=self.currency),
                expected=said("at most {max_minor} minor units", max_minor=MAX_MINOR),
            )

    def decimal(self) -> Decimal:
        """The amount in major units, exact."""
        return Decimal(self.minor).scaleb(-exponent(self.currency))

    def __str__(self) -> str:
        return format_minor(self.minor, self.currency)


def to_minor(amount: str | int | Decimal, currency: str) -> int:
    """Integer minor units of a plain decimal number. Raises BadInput on excess decimals, text that is no number, or overflow."""
    try:
        value = Decimal(amount)
    except InvalidOperation:
        raise BadInput(said("{amount} is not an amount", amount=repr(amount)), expected=said("a decimal number such as 1250.00")) from None
    if not value.is_finite():
        raise BadInput(said("{amount} is not an amount", amount=repr(amount)), expected=said("a finite decimal number"))
    scaled = value.scaleb(exponent(currency))
    if scaled != scaled.to_integral_value():
        raise BadInput(
            said("{amount} has more decimals than {currency} has", amount=amount, currency=currency),
            expected=said("at most {exponent} decimals", exponent=exponent(currency)),
        )
    if abs(scaled) > MAX_MINOR:
        raise BadInput(
            said("amount {amount} {currency} is out of range", amount=amount, currency=currency),
            expected=said("at most {max_minor} minor units", max_minor=MAX_MINOR),
        )
    return int(scaled)


def typed(text: str, currency: str) -> int:
    """Integer minor units of an amount as a person types it: `60000`, `60,000.50`, `60000 EUR`.

    Raises BadInput for another currency, and for what a reader of another country could take for another amount (`60.000`, `1234,50`).
    """
    words = text.split()
    codes = [word.upper() for word in words if word.isalpha()]
    number = "".join(word for word in words if not word.isalpha())
    if number and codes and codes != [currency]:
        raise BadInput(
            said("{text} is in {codes}", text=repr(number), codes=" ".join(codes)),
            expected=said("an amount in {currency}, the currency of the account", currency=currency),
        )
    places = exponent(currency)
    if not _TYPED.fullmatch(number) or len(number.partition(".")[2]) > places:
        decimal = f"60,000{'.' + '50'.ljust(places, '0') if places else ''}"
        alone = " ".join(words[:-1]) if len(words) > 1 and words[-1].isalpha() else text  # a list states its currency in another column
        raise BadInput(said("{text} is not an amount", text=repr(alone)), expected=said("such as 60000 or {decimal}", decimal=decimal))
    return to_minor(number.replace(",", ""), currency)


def format_minor(minor: int, currency: str, *, decimals: bool = False) -> str:
    """Amount for people, `1,250,000 EUR`; whole major units unless `decimals` or the amount is not whole."""
    places = exponent(currency)
    units, rest = divmod(abs(minor), 10**places)
    fraction = f".{rest:0{places}d}" if places and (rest or decimals) else ""
    return f"{'-' if minor < 0 else ''}{units:,}{fraction} {currency}"
