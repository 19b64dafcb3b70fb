"""The shipped rules in plain arithmetic over replay lines, for one customer at a time: no code of the product."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import Any

Line = dict[str, Any]


@dataclass(frozen=True)
class Episode:
    code: str
    tier: str
    opens: date
    ends: date | None


def by_customer(lines: Iterable[Line]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        found[line["customer"]].append(line)
    return found


def episodes(lines: list[Line], today: date) -> list[Episode]:
    """Episodes of silence and of credit (debt above the limit, or overdue: one warning while either lasts)."""
    return silences(lines, today) + credit(lines, today)


def silences(lines: list[Line], today: date) -> list[Episode]:
    days = sorted({_day(line) for line in lines if line["type"] == "order.placed"})
    found = []
    for count in range(3, len(days) + 1):
        known = days[:count]
        gaps = [(later - day).days for day, later in pairwise(known)]
        allowed = max(30, min(120, 3 * median(gaps)))
        until = days[count] if count < len(days) else today
        silence = (until - known[-1]).days
        if silence > allowed:
            tier = "critical" if silence > 2 * allowed else "warning"
            opens = known[-1] + timedelta(days=int(allowed) + 1)
            found.append(Episode("churn", tier, opens, days[count] if count < len(days) else None))
    return found


def credit(lines: list[Line], today: date) -> list[Episode]:
    ranks = _ranks(lines, today)
    found: list[Episode] = []
    opens, worst = None, 0
    for day in sorted(ranks):
        rank = ranks[day]
        if rank and opens is None:
            opens, worst = day, 0
        worst = max(worst, rank)
        if not rank and opens is not None:
            found.append(Episode("credit_limit", "critical" if worst > 1 else "warning", opens, day))
            opens = None
    if opens is not None:
        found.append(Episode("credit_limit", "critical" if worst > 1 else "warning", opens, None))
    return found


def _ranks(lines: list[Line], today: date) -> dict[date, int]:
    """Per day: the state at its end (0 calm, 1 warning, 2 critical), at least what any instant of it had."""
    by_day: dict[date, list[Line]] = defaultdict(list)
    for line in lines:
        by_day[_day(line)].append(line)
    state, ranks, day = _Account(), {}, min(by_day)
    while day < today:
        overdue = state.overdue(day)
        for line in by_day.get(day, []):
            state.apply(line)
        ranks[day] = max(state.over, overdue if not by_day.get(day) else state.overdue(day))
        day += timedelta(days=1)
    ranks[today] = max(state.over, state.overdue(today))
    return ranks


class _Account:
    def __init__(self) -> None:
        self.debt = Decimal(0)
        self.limit: Decimal | None = None
        self.open: dict[str, tuple[date, Decimal]] = {}
        self.spare = Decimal(0)
        self.over = 0

    def apply(self, line: Line) -> None:
        amount = line["amount"]
        match line["type"]:
            case "credit_limit.set":
                self.limit = amount
            case "invoice.posted":
                self.debt += amount
                paid = min(self.spare, amount)
                self.spare -= paid
                self.open[line["invoice"]] = (date.fromisoformat(line["due"]), amount - paid)
            case "payment.received":
                self.debt -= amount
                self._allocate(line.get("invoice"), amount)
            case _:
                return
        self._judge_debt()

    def _allocate(self, named: str | None, money: Decimal) -> None:
        order = [named] if named in self.open else []
        for key in [*order, *(key for key in self.open if key not in order)]:
            due, left = self.open[key]
            used = min(left, money)
            money -= used
            self.open[key] = (due, left - used)
        self.spare += money
        self.open = {key: found for key, found in self.open.items() if found[1] > 0}

    def _judge_debt(self) -> None:
        if self.limit is None:
            self.over = 1 if self.debt > 0 else 0
            return
        percent = 100 * self.debt / self.limit
        if percent >= 120:
            self.over = 2
        elif percent < 95:
            self.over = 0
        elif self.over == 2:
            self.over = 2 if percent >= 115 else 1
        elif percent > 100:
            self.over = 1

    def overdue(self, day: date) -> int:
        late = max(((day - due).days for due, _ in self.open.values()), default=0)
        return 2 if late > 30 else 1 if late > 5 else 0


def _day(line: Line) -> date:
    return datetime.fromisoformat(line["ts"]).date()
