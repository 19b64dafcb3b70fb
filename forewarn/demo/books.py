"""One customer's documents while they are made up: in cents, linked by object, numbered only at the very end."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

ZONE: Final = ZoneInfo("Asia/Shanghai")
CURRENCY: Final = "CNY"
LIVE_DAYS: Final = 60


@dataclass(frozen=True, slots=True)
class Frame:
    """The two years that are told: from `start` up to, not including, `today`."""

    today: date

    @property
    def start(self) -> date:
        return self.today - timedelta(days=730)

    @property
    def live(self) -> date:
        """First day of the live window."""
        return self.today - timedelta(days=LIVE_DAYS)

    def ago(self, days: int) -> date:
        return self.today - timedelta(days=days)


@dataclass(eq=False, slots=True)
class Order:
    at: datetime
    amount: int
    lines: int


@dataclass(eq=False, slots=True)
class Credit:
    """Goods that came back, or an order that was a mistake."""

    at: datetime
    amount: int


@dataclass(eq=False, slots=True)
class Invoice:
    at: datetime
    amount: int
    due: date
    order: Order


@dataclass(eq=False, slots=True)
class Payment:
    at: datetime
    amount: int
    invoice: Invoice | None


@dataclass(eq=False, slots=True)
class Limit:
    at: datetime
    amount: int


Entry = Order | Credit | Invoice | Payment | Limit


@dataclass(slots=True)
class Book:
    """Everything one customer did."""

    orders: list[Order] = field(default_factory=list)
    credits: list[Credit] = field(default_factory=list)
    invoices: list[Invoice] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)

    def entries(self) -> Iterable[Entry]:
        return [*self.limits, *self.orders, *self.credits, *self.invoices, *self.payments]

    def order_days(self) -> list[date]:
        return sorted({order.at.date() for order in self.orders})

    def debt_path(self) -> list[tuple[datetime, int]]:
        """Debt after each invoice and payment, in order of time."""
        steps = [(invoice.at, invoice.amount) for invoice in self.invoices]
        steps += [(payment.at, -payment.amount) for payment in self.payments]
        path, debt = [], 0
        for at, change in sorted(steps):
            debt += change
            path.append((at, debt))
        return path

    def peak(self, since: date = date.min, until: date = date.max) -> int:
        """Highest debt on the days from `since` up to, not including, `until`."""
        return max((debt for at, debt in self.debt_path() if since <= at.date() < until), default=0)

    def grant(self, day: date, amount: int) -> None:
        """A limit from the morning of `day` on."""
        self.limits.append(Limit(moment(day, 8), amount))


def moment(day: date, hour: int, rng: Random | None = None) -> datetime:
    """An instant in that hour of the day, Chinese time."""
    minute, second = (rng.randrange(60), rng.randrange(60)) if rng else (0, 0)
    return datetime.combine(day, time(hour, minute, second), ZONE)


def round_up(amount: int) -> int:
    """To two leading digits, as people grant limits, and to whole hundreds at least."""
    step = max(10_000, int(10 ** (len(str(max(amount, 1))) - 2)))
    return -(-amount // step) * step
