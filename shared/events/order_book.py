"""Open orders of one payer in one currency, carried on document by document in business time.

`receivables.uninvoiced` runs it over a whole set, alerting keeps it in its state: one formula, one figure.
"""

from msgspec import Struct, field


class Bill(Struct, array_like=True):
    """What an invoice still holds for orders it names and that are not placed yet."""

    last_day: int
    left: int
    orders: list[str]


class OrderBook(Struct, array_like=True, omit_defaults=True):
    """Amounts in minor units by natural key; days are proleptic ordinals of the seller's days.

    Calls must come in business time (invoices before orders of one instant); nothing else changes the figures.
    """

    open: dict[str, list[int]] = field(default_factory=dict)
    """Order -> [day placed, amount not billed], oldest first."""
    named: dict[str, str] = field(default_factory=dict)
    """Order not placed yet -> invoice that holds money for it."""
    bills: dict[str, Bill] = field(default_factory=dict)
    surplus_day: int = 0
    surplus: int = 0
    """What unlinked invoices of `surplus_day` hold for orders later on that day."""
    total: int = 0
    """Sum over `open`."""

    def place(self, order: str, amount: int, day: int, horizon_days: int) -> None:
        """An accepted order; bills that wait for it, or for any order of this day, take their part at once."""
        self.lapse(day, horizon_days)
        invoice = self.named.pop(order, None)
        if invoice is not None:
            amount -= self._from_bill(self.bills[invoice], amount)
        if self.surplus_day == day:
            used = min(self.surplus, amount)
            amount, self.surplus = amount - used, self.surplus - used
        if amount > 0:
            self.open[order] = [day, amount]
            self.total += amount

    def bill(
        self, invoice: str, orders: tuple[str, ...], amount: int, day: int, horizon_days: int, patience_days: int
    ) -> None:
        """An invoice: bills the orders it names (natural keys), or the oldest open ones if it names none."""
        self.lapse(day, horizon_days)
        if not orders:
            self._bill_oldest(amount, day)
            return
        missing = [order for order in orders if order not in self.open]
        for order in orders:
            amount -= self._take(order, amount)
        if amount and missing:
            self.bills[invoice] = Bill(day + patience_days, amount, missing)
            self.named.update(dict.fromkeys(missing, invoice))

    def lapse(self, day: int, horizon_days: int) -> None:
        """Forget what no longer counts on `day`."""
        while self.open and self.open[oldest := next(iter(self.open))][0] + horizon_days < day:
            self.total -= self.open.pop(oldest)[1]
        while self.bills and self.bills[first := next(iter(self.bills))].last_day < day:
            for order in self.bills.pop(first).orders:
                if self.named.get(order) == first:
                    del self.named[order]

    def left(self, day: int, horizon_days: int) -> int:
        """Sum of what is not billed and has not lapsed on `day`."""
        self.lapse(day, horizon_days)
        return self.total

    def _bill_oldest(self, amount: int, day: int) -> None:
        while amount and self.open:
            amount -= self._take(next(iter(self.open)), amount)
        self.surplus = amount + (self.surplus if self.surplus_day == day else 0)
        self.surplus_day = day

    def _take(self, order: str, amount: int) -> int:
        entry = self.open.get(order)
        if entry is None:
            return 0
        used = min(entry[1], amount)
        entry[1] -= used
        self.total -= used
        if not entry[1]:
            del self.open[order]
        return used

    @staticmethod
    def _from_bill(bill: Bill, amount: int) -> int:
        used = min(bill.left, amount)
        bill.left -= used
        return used
