"""Builders for replay files and lines."""

import gzip
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from forewarn.replay.lines import Line, Refused, read_lines
from forewarn.replay.translate import Document, Options, Translator

OPTIONS = Options(currency="CNY", zone=ZoneInfo("Asia/Shanghai"))


def order(number: int = 1, ts: Any = "2026-03-02T10:00:00", **fields: Any) -> dict[str, Any]:
    values = {"type": "order.placed", "ts": ts, "customer": "C1", "order": f"O{number}", "amount": 100.5} | fields
    return {name: value for name, value in values.items() if value is not ...}


def invoice(number: int | str = 1, ts: str = "2026-03-03T10:00:00", **fields: Any) -> dict[str, Any]:
    values = {"type": "invoice.posted", "ts": ts, "customer": "C1", "invoice": f"I{number}", "amount": 100}
    return {name: value for name, value in ({**values, "due": "2026-04-02"} | fields).items() if value is not ...}


def payment(ts: str = "2026-03-04T10:00:00", **fields: Any) -> dict[str, Any]:
    return {"type": "payment.received", "ts": ts, "customer": "C1", "amount": 100} | fields


def limit(ts: str = "2026-03-01T10:00:00", **fields: Any) -> dict[str, Any]:
    return {"type": "credit_limit.set", "ts": ts, "customer": "C1", "amount": 5000} | fields


def write(path: Path, lines: Iterable[dict[str, Any] | str | bytes]) -> Path:
    """A replay file, zipped if it is called so; texts and bytes are written as they stand."""
    raw = b"".join(_encoded(line) + b"\n" for line in lines)
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


def translate(fields: dict[str, Any], options: Options = OPTIONS) -> Document | Refused:
    """What becomes of one line, numbers as the reader gives them."""
    exact = json.loads(json.dumps(fields), parse_float=Decimal, parse_int=Decimal)
    return Translator(options).translate(Line(1, exact))


def body(fields: dict[str, Any], options: Options = OPTIONS) -> dict[str, Any]:
    found = translate(fields, options)
    assert isinstance(found, Document), found
    return found.body


def code(fields: dict[str, Any], options: Options = OPTIONS) -> str:
    found = translate(fields, options)
    assert isinstance(found, Refused), found
    return found.code


def parsed(path: Path) -> list[Line | Refused]:
    return list(read_lines(path))


def _encoded(line: dict[str, Any] | str | bytes) -> bytes:
    if isinstance(line, bytes):
        return line
    return (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)).encode()
