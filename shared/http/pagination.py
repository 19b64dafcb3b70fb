"""Pages of lists: a limit, an opaque cursor made of the last row's sort key, and the model of a page.

The query that continues behind the key is the repository's.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec
from fastapi import Query
from pydantic import BaseModel, BeforeValidator

from shared.errors import FieldError, InvalidInput
from shared.http.inputs import digits_only

MAX_LIMIT: Final = 500
MAX_CURSOR_LENGTH: Final = 1024

T = TypeVar("T")
U = TypeVar("U")

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items of one page."), BeforeValidator(digits_only)]
"""`limit: Limit = 50`"""

Cursor = Annotated[
    str | None, Query(max_length=MAX_CURSOR_LENGTH, description="`next_cursor` of the page before; none for the first.")
]
"""`cursor: Cursor = None`"""

Key = int | str | UUID | datetime | date


class Page(BaseModel, Generic[T]):
    """A part of a list; more is behind `next_cursor`, if there is one."""

    items: list[T]
    next_cursor: str | None = None


def encode_cursor(*key: Key) -> str:
    """The cursor that continues behind the row with this sort key."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).rstrip(b"=").decode()


def decode_cursor(cursor: str | None, *types: type[Any]) -> tuple[Any, ...] | None:
    """The sort key in a cursor, each part of the type named; None without cursor. Raises `bad_cursor`."""
    if cursor is None:
        return None
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        key = msgspec.json.decode(content, type=tuple[types])  # type: ignore[valid-type]  # made at run time
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError):
        raise bad_cursor() from None
    if encode_cursor(*key) != cursor or any(_is_hostile(part) for part in key):
        raise bad_cursor()
    return tuple(key)


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], tuple[Key, ...]], show: Callable[[T], U]) -> Page[U]:
    """The page of rows that were read with `limit + 1`: `key` is a row's sort key, `show` what is shown of it."""
    more = len(rows) > limit
    return Page(
        items=[show(row) for row in rows[:limit]],
        next_cursor=encode_cursor(*key(rows[limit - 1])) if more else None,
    )


def bad_cursor() -> InvalidInput:
    """The cursor was not made by this server, or not for this list."""
    message = "Use `next_cursor` of the page before, unchanged."
    return InvalidInput("bad_cursor", message, fields=(FieldError("cursor", "bad_cursor", message),))


def _is_hostile(part: Key) -> bool:
    """Values a database would choke on."""
    if isinstance(part, str):
        return "\0" in part
    if isinstance(part, datetime):
        return part.tzinfo is None or not 1900 < part.year < 3000
    return isinstance(part, int) and not -(2**63) <= part < 2**63
