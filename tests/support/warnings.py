"""Warnings with defaults, as alerting publishes them, for tests that care about one field."""

from collections.abc import Sequence
from typing import Any, Final, cast

from shared.events import Warning as WarningDocument
from shared.events.alerting import Evidence, Span, Tier
from tests.support.builders import day, party

_NUMBERS: Final = {
    "credit_limit": {"debt": "120.00", "limit": "100.00", "overdue": "0.00", "overdue_days": "0"},
    "churn": {"last_order_day": "2026-01-05", "silent_days": "40", "allowed_days": "30", "median_gap_days": "10"},
}


def warning(
    customer: str = "C1", *, tier: str = "warning", tiers: Sequence[str] = (), at: float = 0, **fields: Any
) -> WarningDocument:
    """A firing credit warning unless told otherwise; `tiers` are those it went through."""
    code = fields.get("code", "credit_limit")
    numbers = fields.pop("numbers", _NUMBERS.get(code, {"source": "erp"}))
    spans = [Span(since=day(at + n), tier=cast("Tier", one), numbers=numbers) for n, one in enumerate(tiers or (tier,))]
    over = fields.get("condition") in ("resolved", "retracted")
    values: dict[str, Any] = {
        "code": code,
        "rule_version": 1,
        "scope": "CNY" if code == "credit_limit" else "",
        "root": party(customer),
        "condition": "firing",
        "tier": spans[-1].tier,
        "started_at": day(at),
        "ended_at": day(at + 9) if over else None,
        "end_reason": "recovered" if over else None,
        "spans": tuple(spans),
        "evidence": Evidence(numbers=numbers, formula="debt > limit", clears={"pay": "20.00"}),
    }
    return WarningDocument(**(values | fields))
