"""Money and numbers as clients may write them: exact decimals, turned into minor units of a currency."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from shared.errors import FieldError, InvalidInput
from shared.http.problems import invalid_fields, refuse
from shared.money import EXPONENTS, to_minor

Sign = Literal["any", "not_negative", "positive"]

MAX_DIGITS: Final = 18
"""Before the decimal point; what one document may carry, `shared.money` limits further."""
MAX_MONEY_PLACES: Final = 6
MAX_PLACES: Final = 12

_PLAIN: Final = re.compile(r"-?(0|[1-9][0-9]*)(?:\.([0-9]+))?", re.ASCII)
_DECIMAL_SCHEMA: Final[JsonSchemaValue] = {
    "anyOf": [{"type": "string", "pattern": r"^-?(0|[1-9][0-9]{0,17})(\.[0-9]+)?$"}, {"type": "number"}]
}


@dataclass(frozen=True, slots=True)
class MoneyRule:
    """An amount in the currency that a field of the same model names; its value is in minor units.

    Decimal strings and JSON numbers are taken alike. The sign is the business's: a sale is not negative.
    """

    currency: str = "currency"
    sign: Sign = "not_negative"

    def check(self, value: object, info: core_schema.ValidationInfo) -> int:
        """Minor units of what was written."""
        text = _written(value, "amount", MAX_MONEY_PLACES)
        if self.currency not in info.data:
            # The currency's own error is reported; nothing can be said of the amount.
            return 0
        currency = info.data[self.currency]
        if currency is None:
            raise refuse("currency_required", f"Name the currency of this amount in {self.currency}.")
        try:
            minor = to_minor(text, currency)
        except InvalidInput as error:
            raise refuse(error.code, error.message) from None
        if minor < 0 and self.sign != "any":
            raise refuse("amount_negative", "An amount is not negative here; send a credit note or a return instead.")
        if minor == 0 and self.sign == "positive":
            raise refuse("amount_zero", "An amount is more than zero here.")
        return minor

    def __get_pydantic_core_schema__(self, *_: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _: Any, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**_DECIMAL_SCHEMA, "description": f"In `{self.currency}`, with at most its decimals."}


@dataclass(frozen=True, slots=True)
class _AmountRule:
    def check(self, value: object) -> str:
        return _written(value, "amount", MAX_MONEY_PLACES)

    def __get_pydantic_core_schema__(self, *_: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _: Any, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**_DECIMAL_SCHEMA, "description": "With at most the decimals of the document's currency."}


@dataclass(frozen=True, slots=True)
class _NumberRule:
    def check(self, value: object) -> Decimal:
        return Decimal(_written(value, "number", MAX_PLACES))

    def __get_pydantic_core_schema__(self, *_: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _: Any, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**_DECIMAL_SCHEMA, "description": f"Exact, with at most {MAX_PLACES} decimals."}


@dataclass(frozen=True, slots=True)
class _CurrencyRule:
    def check(self, value: object) -> str:
        if type(value) is not str or value not in EXPONENTS:
            raise refuse("currency_code", "Use an active ISO 4217 currency code such as CNY.")
        return value

    def __get_pydantic_core_schema__(self, *_: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _: Any, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["CNY"]}


Currency = Annotated[str, _CurrencyRule()]
Money = Annotated[int, MoneyRule()]
"""Zero or more, in minor units of the model's `currency`."""
PositiveMoney = Annotated[int, MoneyRule(sign="positive")]
SignedMoney = Annotated[int, MoneyRule(sign="any")]
Amount = Annotated[str, _AmountRule()]
"""Money in a currency the model does not name, as in a change to a document: see `minor_of`."""
Number = Annotated[Decimal, _NumberRule()]
"""A decimal that is no money: a rate, a share, a weight."""


def minor_of(field: str, amount: str, currency: str) -> int:
    """Minor units of an `Amount`. Raises the errors of `shared.money`, for that field."""
    try:
        return to_minor(amount, currency)
    except InvalidInput as error:
        raise invalid_fields([FieldError(field, error.code, error.message)]) from None


def _written(value: object, what: Literal["amount", "number"], places: int) -> str:
    """The decimal as plain digits, without the zeros at its end that say nothing."""
    if type(value) is int:
        # No digits yet: Python writes out no more than 4,300 of them.
        text = str(value) if abs(value) < 10**MAX_DIGITS else "9" * (MAX_DIGITS + 1)
    elif type(value) is Decimal:
        text = f"{value:f}" if abs(value.adjusted()) <= 2 * MAX_DIGITS or not value else _beyond(value, places)
    elif type(value) is str:
        text = value
    else:
        raise _bad_format(what)
    found = _PLAIN.fullmatch(text)
    if found is None:
        raise _bad_format(what)
    if len(found[1]) > MAX_DIGITS:
        raise refuse(f"{what}_too_large", f"At most {MAX_DIGITS} digits before the decimal point.")
    if found[2] is None or len(found[2]) <= places:
        return text
    text = text.rstrip("0").rstrip(".")
    if len(text.partition(".")[2]) > places:
        raise refuse("too_many_decimals", f"At most {places} decimals.")
    return text


def _beyond(value: Decimal, places: int) -> str:
    """Digits that break the same rule as a number too large or too fine to be written out."""
    return "9" * (MAX_DIGITS + 1) if value.adjusted() > 0 else "0." + "1" * (places + 1)


def _bad_format(what: str) -> Exception:
    return refuse(f"{what}_format", 'Write a plain decimal such as "1250.00".')
