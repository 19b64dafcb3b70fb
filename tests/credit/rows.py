"""Rows as sources send them, with defaults, for tests that care about one field."""

from typing import Any, Final

from tests.support.service import Served

UNKNOWN: Final = "018f3c6e-7a4b-7c3d-8e9f-0a1b2c3d4e5f"
"""An id nobody has."""

_OURS: Final[dict[str, Any]] = {"source": "erp", "currency": "CNY", "amount": "100.00"}


def invoice(number: str = "I1", who: str = "C1", **fields: Any) -> dict[str, Any]:
    row = _OURS | {"number": number, "customer": {"external_id": who}}
    return row | {"issued_at": "2026-03-02T09:30:00+08:00", "due": "2026-04-01"} | fields


def payment(number: str = "P1", who: str = "C1", **fields: Any) -> dict[str, Any]:
    row = _OURS | {"number": number, "customer": {"external_id": who}}
    return row | {"received_at": "2026-03-20T15:00:00+08:00"} | fields


def limit(number: str = "L1", who: str = "C1", **fields: Any) -> dict[str, Any]:
    row = _OURS | {"number": number, "customer": {"external_id": who}}
    row |= {"limit": "amount", "valid_from": "2026-01-01T00:00:00+08:00"} | fields
    if row["limit"] != "amount" and "amount" not in fields:
        del row["amount"]
    return row


async def sent(credit: Served, path: str, row: dict[str, Any]) -> str:
    """Id of a document that is new."""
    answer = await credit.post(path, row)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])
