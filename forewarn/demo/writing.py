"""Writes the demo's lines as a replay file: one JSON object a line, numbers exact, gzip if the name ends in `.gz`."""

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def encode_line(line: dict[str, Any]) -> bytes:
    """One line with its line end."""
    return _ENCODER.encode(line) + b"\n"


def write_lines(lines: Iterable[dict[str, Any]], path: Path) -> int:
    """Write all lines; returns how many. Equal lines give equal bytes, zipped or not."""
    count = 0
    with path.open("wb") as raw:
        zipped = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) if path.suffix == ".gz" else None
        target = zipped or raw
        for line in lines:
            target.write(encode_line(line))
            count += 1
        if zipped:
            zipped.close()
    return count
