"""Ledger: what a group owes in one currency, carried on fact by fact.

Always equal to `shared.events.receivables.allocate` over the set of documents so far; a test says so after every
step. Paid claims leave the state, so `seen` on a payment tells a paid invoice from one that never came; money stays
as long as a claim it paid in part is open, because the debt cannot be recomputed without it.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct, field

from shared.events.order_book import OrderBook
from shared.events.receivables import DEFAULT_TERMS

_UNKNOWN: Final = -1
"""The next timer has to be looked up again."""

KEPT_PARTS: Final = 20
"""Money remembered one by one for a claim, or while it is free; of what is older the sum remains: state is bounded."""


class Part(Struct, array_like=True):
    """What one payment or cancelled invoice has paid of a claim, or has left. No name: a sum of older ones."""

    money: str
    amount: int


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
    paid: dict[str, list[Part]] = field(default_factory=dict)
    """What has been paid of open claims, by claim."""
    left: list[Part] = field(default_factory=list)
    """Money no claim has taken, in the order in which it became free; empty while anything is open."""
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
    def free(self) -> int:
        """Money no claim has taken."""
        return _sum(self.left)

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
        named = []
        for one in self.reserved.pop(key, ()):
            self._forget(one.last_day + 1)
            self.kept -= one.amount
            named.append(Part(one.payment, one.amount))
        paid = _draw(named, amount)
        paid += _draw(self.left, amount - _sum(paid))
        left = amount - _sum(paid)
        if left:
            self.claims[key] = [left, due]
            self.owed += left
            self._shift(due, left, lines)
            for part in paid:
                _note(self.paid.setdefault(key, []), part)
        for part in named:
            self._pay_oldest(part.money, part.amount, lines)

    def money(self, key: str, amount: int, names: str | None, seen: bool, lines: Sequence[int]) -> None:
        """Money: to the claim it names as far as that is open, the rest to the oldest; what is left waits."""
        if names is not None:
            if names in self.claims:
                amount -= self._pay(names, key, amount, lines)
            elif not seen:
                until = self.day + DEFAULT_TERMS.patience_days
                self.reserved.setdefault(names, []).append(Reserved(key, amount, until))
                self.kept += amount
                self._expect(until + 1)
                return
        self._pay_oldest(key, amount, lines)

    def begin(self, day: int, lines: Sequence[int]) -> None:
        """`day` begins: money reserved up to the day before is freed, and more may be overdue."""
        self.day = day
        freed: list[Reserved] = []
        for names in [names for names, kept in self.reserved.items() if any(one.last_day < day for one in kept)]:
            freed += [one for one in self.reserved[names] if one.last_day < day]
            self.reserved[names] = [one for one in self.reserved[names] if one.last_day >= day]
            if not self.reserved[names]:
                del self.reserved[names]
        for one in freed:
            self.kept -= one.amount
            self._pay_oldest(one.payment, one.amount, lines)
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

    def _pay_oldest(self, money: str, amount: int, lines: Sequence[int]) -> None:
        while amount and self.claims:
            amount -= self._pay(next(iter(self.claims)), money, amount, lines)
        if amount:
            _note(self.left, Part(money, amount))

    def _pay(self, key: str, money: str, amount: int, lines: Sequence[int]) -> int:
        claim = self.claims[key]
        used = min(claim[0], amount)
        claim[0] -= used
        if claim[0]:
            _note(self.paid.setdefault(key, []), Part(money, used))
        else:
            del self.claims[key]
            self.paid.pop(key, None)
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


def _sum(parts: Iterable[Part]) -> int:
    return sum(part.amount for part in parts)


def _note(parts: list[Part], part: Part) -> None:
    parts.append(part)
    if len(parts) > KEPT_PARTS:
        parts[:2] = [Part("", parts[0].amount + parts[1].amount)]


def _draw(parts: list[Part], amount: int) -> list[Part]:
    """Take up to `amount` out of the first ones; what is used up is gone from `parts`."""
    taken: list[Part] = []
    while amount and parts:
        first = parts[0]
        used = min(first.amount, amount)
        taken.append(Part(first.money, used))
        amount, first.amount = amount - used, first.amount - used
        if not first.amount:
            del parts[0]
    return taken
