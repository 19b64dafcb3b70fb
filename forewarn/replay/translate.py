"""From a line of a replay file to the request that submits its document: one table of types, pure, no I/O.

Whether the document is accepted is the services' to say; here is only what a line must have to become a request.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from forewarn.replay.lines import Line, Refused, ReplayRefused
from forewarn.replay.times import ZoneNeeded, day, instant
from shared.errors import InvalidInput
from shared.ids import canonical_external_id
from shared.money import exponent, to_decimal, to_minor

Kind = Literal["order", "return", "invoice", "payment", "credit_limit"]
Fields = dict[str, Any]

MAX_DIGITS: Final = 30
"""Digits and places beyond which an amount is not even written out (`1e999999999` is a short line)."""

MAX_IGNORED: Final = 200
"""Names of unknown fields that are counted one by one."""

OTHER_FIELDS: Final = "(others)"

NOT_YET_SUPPORTED: Final = frozenset({"expense.recorded", "expense_budget.set", "major_change.reported"})

_COMMON: Final = frozenset({"type", "ts", "customer", "currency", "amount"})


@dataclass(frozen=True, slots=True)
class Options:
    """What the user says about a whole file."""

    source: str = "replay"
    currency: str | None = None
    """Of lines that name none."""
    zone: ZoneInfo | None = None
    """Of times that name none."""
    backfill: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A line that can be submitted: `body` is a row of the bulk endpoint for `kind`."""

    line: int
    kind: Kind
    at: datetime
    """Business time, which beats are about."""
    body: Fields


@dataclass(frozen=True, slots=True)
class _Type:
    """How lines of one type are read."""

    kind: Kind
    number: str | None
    """Field with the document's number; None = it has no such field."""
    at: str
    """Field of the request that takes `ts`."""
    more: frozenset[str] = frozenset()
    negative: bool = False


_TYPES: Final[Mapping[str, _Type]] = {
    "order.placed": _Type("order", "order", "placed_at", frozenset({"lines"})),
    "order.credited": _Type("return", "order", "returned_at", frozenset({"lines"}), negative=True),
    "invoice.posted": _Type("invoice", "invoice", "issued_at", frozenset({"due", "order"})),
    "payment.received": _Type("payment", "payment", "received_at", frozenset({"invoice"})),
    "credit_limit.set": _Type("credit_limit", None, "valid_from"),
}


class Translator:
    """Translates the lines of one file; counts the fields it does not know."""

    def __init__(self, options: Options) -> None:
        if options.currency is not None:
            exponent(options.currency)
        self._options = options
        self.ignored: Counter[str] = Counter()

    def translate(self, line: Line) -> Document | Refused:
        """The document of a line, or why there is none. Raises `ReplayRefused` if an option of the run is missing."""
        try:
            return self._document(line)
        except InvalidInput as error:
            return Refused(line.line, error.code, error.message)
        except ZoneNeeded:
            message = "This time names no zone; say with --time-zone where the file comes from."
            raise ReplayRefused(line.line, "time_zone_required", message) from None

    def _document(self, line: Line) -> Document:
        fields = {name: value for name, value in line.fields.items() if value is not None}
        of = _type_of(fields)
        at = instant(_required(fields, "ts"), self._options.zone)
        body: Fields = {
            "source": self._options.source,
            "number": _number(of, fields, at),
            "customer": {"external_id": _text(fields, "customer")},
            "currency": self._currency(line),
            of.at: at.isoformat(),
        }
        body |= _limit(fields, body["currency"]) if of.kind == "credit_limit" else _amount(of, fields, body["currency"])
        body |= _particulars(of, fields)
        self._count_ignored(of, line.fields)
        return Document(line.line, of.kind, at, body)

    def _currency(self, line: Line) -> str:
        currency = line.fields.get("currency") or self._options.currency
        if currency is None:
            message = "This line names no currency; say with --currency what the file is in."
            raise ReplayRefused(line.line, "currency_required", message)
        if not isinstance(currency, str):
            raise InvalidInput("currency_code", "Use an active ISO 4217 currency code such as CNY.")
        exponent(currency)
        return currency

    def _count_ignored(self, of: _Type, fields: Fields) -> None:
        for name in fields.keys() - _COMMON - of.more - {of.number}:
            known = name in self.ignored or len(self.ignored) < MAX_IGNORED
            self.ignored[name if known else OTHER_FIELDS] += 1


def _type_of(fields: Fields) -> _Type:
    name = _required(fields, "type")
    if name in NOT_YET_SUPPORTED:
        raise InvalidInput("not_yet_supported", f"{name} cannot be submitted yet.")
    found = _TYPES.get(name) if isinstance(name, str) else None
    if found is None:
        raise InvalidInput("unknown_type", f"Known types: {', '.join([*_TYPES, *sorted(NOT_YET_SUPPORTED)])}.")
    return found


def _required(fields: Fields, name: str) -> Any:
    try:
        return fields[name]
    except KeyError:
        raise InvalidInput("field_required", f"The field {name} is missing.") from None


def _text(fields: Fields, name: str) -> str:
    """A name or number. Integers are taken as they are written; with a decimal point nobody knows what was meant."""
    value = _required(fields, name)
    if isinstance(value, Decimal) and value.as_tuple().exponent == 0:
        value = str(value)
    if not isinstance(value, str):
        raise InvalidInput("text_type", f"The field {name} must be a text.")
    text = canonical_external_id(value)
    if not text:
        raise InvalidInput("field_required", f"The field {name} is empty.")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise InvalidInput("char_not_allowed", f"The field {name} holds half a character.")
    return text


def _number(of: _Type, fields: Fields, at: datetime) -> str:
    """The document's number, or one that identical lines share.

    Fields nobody here knows count too: they may be all that tells two payments of one day and amount apart.
    """
    if of.kind == "credit_limit":
        return _derived("limit", [_text(fields, "customer"), at.astimezone(UTC).isoformat()])
    if of.number in fields:
        return _text(fields, of.number)
    return _derived("line", fields)


def _derived(prefix: str, content: Any) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_canonical_number)
    return f"{prefix}-{hashlib.sha256(canonical.encode()).hexdigest()[:32]}"


def _canonical_number(value: Decimal) -> list[Any]:
    """Equal numbers alike (10, 10.0, 1e1), without the rounding of `Decimal.normalize`."""
    sign, digits, power = value.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    kept = text.rstrip("0")
    return [sign, kept, int(power) + len(text) - len(kept)] if kept else [0, "", 0]


def _minor(value: object, currency: str) -> int:
    if isinstance(value, Decimal):
        size, places = value.adjusted(), value.as_tuple().exponent
        if size > MAX_DIGITS or int(places) < -MAX_DIGITS:
            raise InvalidInput("amount_too_large", "The amount is beyond what one document may carry.")
        value = _plain(value)
    if not isinstance(value, str):
        raise InvalidInput("amount_format", "Write the amount as a number such as 1250.00.")
    return to_minor(value, currency)


def _plain(value: Decimal) -> str:
    """Without exponent and without zeros behind the last place, of which exporters write many."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _amount(of: _Type, fields: Fields, currency: str) -> Fields:
    minor = _minor(_required(fields, "amount"), currency)
    if of.negative and minor >= 0:
        raise InvalidInput("amount_not_negative", "A credited order carries a negative amount.")
    if not of.negative and minor < 0:
        raise InvalidInput("amount_negative", "Only order.credited carries a negative amount.")
    return {"amount": to_decimal(abs(minor), currency)}


def _limit(fields: Fields, currency: str) -> Fields:
    amount = _required(fields, "amount")
    if amount in ("unlimited", "none"):
        return {"limit": amount}
    minor = _minor(amount, currency)
    if minor < 0:
        raise InvalidInput("amount_negative", "A limit is an amount of 0 or more.")
    return {"limit": "amount", "amount": to_decimal(minor, currency)}


def _particulars(of: _Type, fields: Fields) -> Fields:
    body: Fields = {}
    if of.kind == "invoice":
        body["due"] = day(_required(fields, "due")).isoformat()
        if "order" in fields:
            body["orders"] = [_text(fields, "order")]
    if of.kind == "payment" and "invoice" in fields:
        body["invoice"] = _text(fields, "invoice")
    if "lines" in of.more and "lines" in fields:
        body["lines"] = _count(fields["lines"])
    return body


def _count(value: object) -> int:
    if not isinstance(value, Decimal) or not 0 <= value <= 1_000_000 or value != value.to_integral_value():
        raise InvalidInput("int_type", "The field lines must be a whole number.")
    return int(value)
