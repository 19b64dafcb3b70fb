"""Ledger: what a group owes in one currency, carried on fact by fact.

Always equal to `shared.events.receivables.allocate` over the set of documents so far; a test says so after every
step. Paid claims leave the state, so `seen` on a payment tells a paid invoice from one that never came.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, field

from shared.events.order_book import OrderBook
from shared.events.receivables import DEFAULT_TERMS

_UNKNOWN: Final = -1
"""The next timer has to be looked up again."""


class Reserved(Struct, array_like=True):
    """Money kept for an invoice that is not there, up to the end of `last_day`."""

    payment: str
    amount: int
    last_day: int


class Ledger(Struct, array_like=True, omit_defaults=True):
    """Amounts in minor units, days as ordinals."""

    day: int = 0
    """Day it stands at."""
    claims: dict[str, list[int]] = field(default_factory=dict)
    """Open claims, oldest first by (business time, key): [open amount, due day]."""
    owed: int = 0
    """Sum of the open amounts."""
    free: int = 0
    """Money no claim has taken; not 0 only while nothing is open."""
    reserved: dict[str, list[Reserved]] = field(default_factory=dict)
    """By the invoice named."""
    kept: int = 0
    """Sum of what is reserved."""
    by_due: dict[int, int] = field(default_factory=dict)
    """Open amount by due day."""
    late: list[int] = field(default_factory=list)
    """Open amount more than so many days overdue, per line of the rule, as of `day`."""
    timer: int | None = None
    book: OrderBook = field(default_factory=OrderBook)

    @property
    def debt(self) -> int:
        """Open receivables - unapplied money."""
        return self.owed - self.free - self.kept

    def exposure(self) -> int:
        """Debt + accepted orders not billed, as of `day`."""
        orders = self.book.left(self.day, DEFAULT_TERMS.order_horizon_days)
        return self.debt + orders * DEFAULT_TERMS.order_weight_percent // 100

    def claim(self, key: str, amount: int, due: int, lines: Sequence[int]) -> None:
        """A new claim, younger than all: takes what was reserved for it, then what is free."""
        surplus = 0
        for one in self.reserved.pop(key, ()):
            self._forget(one.last_day + 1)
            self.kept -= one.amount
            used = min(one.amount, amount)
            amount, surplus = amount - used, surplus + one.amount - used
        used = min(self.free, amount)
        amount, self.free = amount - used, self.free - used
        if amount:
            self.claims[key] = [amount, due]
            self.owed += amount
            self._shift(due, amount, lines)
        if surplus:
            self._pay_oldest(surplus, lines)

    def money(self, key: str, amount: int, names: str | None, seen: bool, lines: Sequence[int]) -> None:
        """Money: to the claim it names as far as that is open, the rest to the oldest; what is left waits."""
        if names is not None:
            if names in self.claims:
                amount -= self._pay(names, amount, lines)
            elif not seen:
                until = self.day + DEFAULT_TERMS.patience_days
                self.reserved.setdefault(names, []).append(Reserved(key, amount, until))
                self.kept += amount
                self._expect(until + 1)
                return
        self._pay_oldest(amount, lines)

    def begin(self, day: int, lines: Sequence[int]) -> None:
        """`day` begins: money reserved up to the day before is freed, and more may be overdue."""
        self.day = day
        freed = 0
        for names in [names for names, kept in self.reserved.items() if any(one.last_day < day for one in kept)]:
            freed += sum(one.amount for one in self.reserved[names] if one.last_day < day)
            self.reserved[names] = [one for one in self.reserved[names] if one.last_day >= day]
            if not self.reserved[names]:
                del self.reserved[names]
        if freed:
            self.kept -= freed
            self._pay_oldest(freed, lines)
        self.recount(lines)

    def recount(self, lines: Sequence[int]) -> None:
        """Count what is overdue on `day` anew: a day began, or the lines changed."""
        self.late = [self.overdue(self.day, line) for line in lines]
        self.timer = _UNKNOWN

    def overdue(self, day: int, more_than_days: int) -> int:
        """Open amount more than so many days overdue on `day`."""
        return sum(amount for due, amount in self.by_due.items() if day - due > more_than_days)

    def next_due(self, lines: Sequence[int]) -> int | None:
        """First later day on which a claim passes a line or reserved money is freed."""
        if self.timer == _UNKNOWN:
            days = [due + line + 1 for due in self.by_due for line in lines]
            days += [one.last_day + 1 for kept in self.reserved.values() for one in kept]
            self.timer = min((day for day in days if day > self.day), default=None)
        return self.timer

    def _pay_oldest(self, amount: int, lines: Sequence[int]) -> None:
        while amount and self.claims:
            amount -= self._pay(next(iter(self.claims)), amount, lines)
        self.free += amount

    def _pay(self, key: str, amount: int, lines: Sequence[int]) -> int:
        claim = self.claims[key]
        used = min(claim[0], amount)
        claim[0] -= used
        if not claim[0]:
            del self.claims[key]
        self.owed -= used
        self._shift(claim[1], -used, lines)
        return used

    def _shift(self, due: int, amount: int, lines: Sequence[int]) -> None:
        before = self.by_due.get(due, 0)
        if before + amount:
            self.by_due[due] = before + amount
        else:
            del self.by_due[due]
        if not before or not before + amount:
            for line in lines:
                (self._forget if before else self._expect)(due + line + 1)
        overdue = self.day - due
        for number, line in enumerate(lines):
            if overdue > line:
                self.late[number] += amount

    def _expect(self, day: int) -> None:
        """Something happens when `day` begins."""
        if self.timer != _UNKNOWN and day > self.day and (self.timer is None or day < self.timer):
            self.timer = day

    def _forget(self, day: int) -> None:
        """What was to happen then may not."""
        if self.timer == day:
            self.timer = _UNKNOWN
