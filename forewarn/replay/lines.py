"""Reads a replay file line by line, plain or gzip; parses each line strictly and keeps numbers exact.

What the fields of a line mean is the translator's business.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn, cast

MAX_LINE: Final = 1 << 20
"""Bytes of one line; a document is far smaller, and a file without line ends must not fill the memory."""


class ReplayRefused(Exception):
    """The whole run is refused before anything is sent; `line` is where that showed (0 = the file itself)."""

    def __init__(self, line: int, code: str, message: str) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.line = line
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Refused:
    """One line that is no document, and why. Never carries the value itself."""

    line: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Line:
    """One parsed line; all its numbers are decimals."""

    line: int
    fields: dict[str, Any]


class _Unreadable(ValueError):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_lines(path: Path, *, first: int = 1) -> Iterator[Line | Refused]:
    """Lines from number `first` on, blank ones left out. Raises `ReplayRefused` if the file cannot be read."""
    number = 0
    try:
        with _opened(path) as stream:
            while raw := stream.readline(MAX_LINE):
                number += 1
                whole = _finish_line(raw, stream)
                if number >= first and raw.strip():
                    yield _parsed(number, raw) if whole else _too_long(number)
    except FileNotFoundError as error:
        raise ReplayRefused(0, "file_not_found", f"There is no file {path}.") from error
    except (EOFError, zlib.error, OSError) as error:
        raise ReplayRefused(number, "file_unreadable", f"The file cannot be read any further: {error}") from error


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path)) if zipped else path.open("rb")


def _finish_line(raw: bytes, stream: BinaryIO) -> bool:
    """Whether `raw` is a whole line; if not, the rest of it is skipped."""
    if len(raw) < MAX_LINE or raw.endswith(b"\n"):
        return True
    while (rest := stream.readline(MAX_LINE)) and not rest.endswith(b"\n"):
        pass
    return False


def _too_long(number: int) -> Refused:
    return Refused(number, "line_too_long", "This line is too long for a document.")


def _parsed(number: int, raw: bytes) -> Line | Refused:
    try:
        fields = _DECODER.decode(raw.decode("utf-8-sig" if number == 1 else "utf-8").strip())
    except _Unreadable as error:
        return Refused(number, error.code, str(error))
    except UnicodeDecodeError:
        return Refused(number, "invalid_encoding", "Write the file in UTF-8.")
    except (ValueError, RecursionError):
        return Refused(number, "invalid_json", "This is not JSON.")
    if not isinstance(fields, dict):
        return Refused(number, "invalid_json", "Each line must be one JSON object.")
    return Line(number, fields)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _Unreadable("duplicate_key", "A field stands twice in this line.")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise _Unreadable("invalid_json", f"{name} is not JSON.")


_DECODER: Final = json.JSONDecoder(
    parse_float=Decimal, parse_int=Decimal, parse_constant=_no_constant, object_pairs_hook=_object
)
