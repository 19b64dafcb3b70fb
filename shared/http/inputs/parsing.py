"""From a body to models: one, or one per row of a bulk request where a bad row costs only itself."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from shared.errors import ForewarnError, InvalidInput, TooLarge, Unreadable
from shared.http.inputs.json import decode, decode_elements
from shared.http.inputs.model import Input
from shared.http.problems import invalid

MAX_ROWS: Final = 10_000
MAX_ROW_BYTES: Final = 1024 * 1024

JSON: Final = "application/json"
NDJSON: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")

M = TypeVar("M", bound=Input)


class RowError(InvalidInput):
    """A row that cannot be taken; returned in its place among the good ones, not raised."""

    def __init__(self, row: int, error: ForewarnError) -> None:
        super().__init__(error.code, error.message, fields=error.fields)
        self.row = row
        """From 1; in NDJSON the line."""


def parse_body(model: type[M], body: bytes, zone: ZoneInfo | None = None) -> M:
    """The model in a JSON body; `zone` is where times without one are from. Raises `InvalidInput` or `Unreadable`."""
    return _validator(model, zone)(decode(body))


def parse_rows(
    model: type[M], body: bytes, content_type: str, *, zone: ZoneInfo | None = None, max_rows: int = MAX_ROWS
) -> list[M | RowError]:
    """One result per row of a JSON array or of NDJSON, in order. Raises only if the rows cannot be told apart."""
    is_lines = content_type.partition(";")[0].strip().lower() in NDJSON
    values: Iterable[tuple[int, Any]] = _lines(body) if is_lines else enumerate(decode_elements(body), 1)
    validate = _validator(model, zone)
    rows: list[M | RowError] = []
    for number, value in values:
        if len(rows) == max_rows:
            raise TooLarge("too_many_rows", f"At most {max_rows} rows at once.")
        try:
            rows.append(validate(value))
        except ForewarnError as error:
            rows.append(RowError(number, error))
    if not rows:
        raise InvalidInput("no_rows", "Send at least one row.")
    return rows


def _validator(model: type[M], zone: ZoneInfo | None) -> Callable[[Any], M]:
    check = model.__pydantic_validator__.validate_python
    context = {"zone": zone}

    def validate(value: Any) -> M:
        if type(value) is not dict:
            if isinstance(value, ForewarnError):
                raise value
            raise InvalidInput("object_expected", 'Write an object such as {"number": "A-1"}.')
        try:
            found: M = check(value, context=context)
        except ValidationError as error:
            raise invalid(error.errors(include_url=False), model) from None
        return found

    return validate


def _lines(body: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each line that is not blank; in the place of an unreadable one, its error."""
    if body.lstrip()[:1] == b"[":
        raise Unreadable("invalid_json", f"This is a JSON array; send it as {JSON}.")
    if body.startswith(b"\xef\xbb\xbf"):
        raise Unreadable("bom", "Send the body without a byte order mark.")
    lines = body.split(b"\n")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_ROW_BYTES:
            raise TooLarge("row_too_large", f"Line {number} is longer than {MAX_ROW_BYTES} bytes.")
        if not line.strip():
            continue
        try:
            yield number, decode(line)
        except ForewarnError as error:
            if number == len(lines):
                raise Unreadable("truncated", "The last line ends in the middle; nothing was taken.") from None
            yield number, error
