"""Reads JSON without floats: numbers with a point or exponent become `Decimal`; says exactly why it cannot be read.

What is read fast is accepted by msgspec; only what it refuses is read again, slowly, for the reason and the place.
"""

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn

import msgspec

from shared.errors import FieldError, ForewarnError, InvalidInput, Unreadable

MAX_DEPTH: Final = 16
MAX_NUMBER_LENGTH: Final = 4300
MAX_EXPONENT: Final = 308

_NUL: Final = b"\\u0000"
_BOM: Final = b"\xef\xbb\xbf"
_TOO_LONG: Final = Decimal("nan")
_TOO_LARGE: Final = Decimal("inf")


def decode(body: bytes) -> Any:
    """The value of a JSON text. Raises `Unreadable` (400) or `InvalidInput` with the place of a bad character."""
    try:
        value = _decode(body)
    except _UNREADABLE:
        raise _why_unreadable(body) from None
    if _is_suspicious(body):
        _refuse_hostile(value)
    return value


def decode_elements(body: bytes) -> list[Any]:
    """The elements of a JSON array; in the place of one that no service can keep, the error that says why."""
    try:
        value = _decode(body)
    except _UNREADABLE:
        value = _decode_anything(body)
        suspicious = True
    else:
        # No look at the depth: models have a shape, and looking at nested rows took longer than all the rest.
        suspicious = _NUL in body
    if type(value) is not list:
        raise InvalidInput("array_expected", 'Write the rows as an array such as [{"number": "A-1"}].')
    return [_or_error(element) for element in value] if suspicious else value


def _is_suspicious(body: bytes) -> bool:
    """Whether a text that can be read may be too deep or hold U+0000; three scans of the bytes tell for nearly all."""
    return body.count(b"{") + body.count(b"[") > MAX_DEPTH or _NUL in body


def _or_error(value: Any) -> Any:
    try:
        _refuse_hostile(value)
    except ForewarnError as error:
        return error
    return value


def _refuse_hostile(value: Any) -> None:
    """Raise for what no service can keep: depth, U+0000, half characters, numbers beyond reason."""
    for place, part, depth in _walk(value):
        if depth > MAX_DEPTH:
            raise _too_deep()
        if type(part) is str:
            _refuse_characters(part, place)
        elif type(part) is Decimal and not part.is_finite():
            _refuse_number(part)


def _why_unreadable(body: bytes) -> ForewarnError:
    """The reason why `decode` cannot read this."""
    try:
        _refuse_hostile(_decode_anything(body))
    except ForewarnError as error:
        return error
    return Unreadable("invalid_json", "The body is not JSON.")


def _decode_anything(body: bytes) -> Any:
    """Like `decode`, slower; leaves half characters in, and numbers beyond reason as NaN or infinity."""
    if not body.strip():
        raise Unreadable("invalid_json", "The body is empty.")
    try:
        return json.loads(_text(body), parse_float=_decimal, parse_int=_integer, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Unreadable("invalid_json", f"The body is not JSON from {place} on.") from None
    except RecursionError:
        raise _too_deep() from None


def _text(body: bytes) -> str:
    if body.startswith(_BOM):
        raise Unreadable("bom", "Send the body without a byte order mark.")
    if b"\0" in body[:4]:
        raise Unreadable("not_utf8", "The body is not UTF-8 from byte 0 on.")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Unreadable("not_utf8", f"The body is not UTF-8 from byte {error.start} on.") from None


def _walk(value: Any) -> Iterator[tuple[str, Any, int]]:
    """Every value and key inside, with its place and depth; without recursion."""
    waiting: list[tuple[str, Any, int]] = [("", value, 0)]
    while waiting:
        place, part, depth = waiting.pop()
        if type(part) is dict:
            depth += 1
            for key, inner in part.items():
                yield place, key, depth
                waiting.append((f"{place}.{key}".lstrip("."), inner, depth))
        elif type(part) is list:
            depth += 1
            waiting += [(f"{place}.{index}".lstrip("."), inner, depth) for index, inner in enumerate(part)]
        yield place, part, depth


def _refuse_characters(text: str, place: str) -> None:
    for position, character in enumerate(text, 1):
        if character == "\0" or "\ud800" <= character <= "\udfff":
            message = f"Character U+{ord(character):04X} at position {position} is not allowed."
            field = place if place.isprintable() and len(place) <= 200 else "?"
            raise InvalidInput("char_not_allowed", message, fields=(FieldError(field, "char_not_allowed", message),))


def _refuse_number(number: Decimal) -> NoReturn:
    if number.is_nan():
        raise Unreadable("number_too_long", f"A number has at most {MAX_NUMBER_LENGTH} digits.")
    raise Unreadable("number_out_of_range", f"A number has at most the exponent {MAX_EXPONENT}.")


def _refuse_constant(name: str) -> NoReturn:
    raise Unreadable("invalid_json", f"{name} is not valid JSON.")


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= MAX_NUMBER_LENGTH else _TOO_LONG


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_NUMBER_LENGTH:
        return _TOO_LONG
    try:
        number = Decimal(text)
    except InvalidOperation:
        return _TOO_LARGE
    return number if abs(number.adjusted()) <= MAX_EXPONENT else _TOO_LARGE


def _reasonable_decimal(text: str) -> Decimal:
    number = _decimal(text)
    if not number.is_finite():
        raise ValueError
    return number


def _too_deep() -> Unreadable:
    return Unreadable("too_deep", f"Values lie at most {MAX_DEPTH} deep in one another.")


_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_decode: Final = msgspec.json.Decoder(float_hook=_reasonable_decimal).decode
