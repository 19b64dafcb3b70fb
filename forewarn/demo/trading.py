"""From order days to orders, returns, invoices and payments, by a customer's terms and habits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final

from forewarn.demo.books import Book, Credit, Frame, Invoice, Order, Payment, moment
from forewarn.demo.calendar import is_working, working_day_before

INVOICE_LAG: Final = range(4)
"""Days from an order to its invoice."""

Factor = Callable[[date], float]


@dataclass(frozen=True, slots=True)
class Habits:
    """How a customer buys and pays."""

    amount: int
    """A usual order, in cents."""
    spread: float = 0.35
    terms: int = 30
    late: tuple[int, int] = (0, 0)
    """He pays so many days after due, from .. to; at most 5 is no warning."""
    names_invoice: bool = True
    splits: float = 0.0
    """Share of invoices paid in two parts."""
    returns: float = 0.0
    slips: float = 0.0
    """Share of orders that are first entered with a slipped decimal point and credited at once."""
    second: float = 0.0
    """Share of order days with a second order."""


def trade(rng: Random, habits: Habits, days: Sequence[date], frame: Frame, factor: Factor = lambda _day: 1.0) -> Book:
    """All documents that follow from the order days, up to today."""
    book = Book()
    for day in days:
        for hour in (9, 14) if rng.random() < habits.second else (9 + rng.randrange(6),):
            _order(rng, habits, book, day, hour, factor(day))
    book.invoices = [invoice for invoice in book.invoices if invoice.at.date() < frame.today]
    book.credits = [credit for credit in book.credits if credit.at.date() < frame.today]
    for invoice in book.invoices:
        _pay(rng, habits, book, invoice)
    book.payments = [payment for payment in book.payments if payment.at.date() < frame.today]
    return book


def pay_day(day: date, issued: date) -> date:
    """Whoever would pay on a day without banks pays before it."""
    before = working_day_before(day)
    return before if before > issued else day


def _order(rng: Random, habits: Habits, book: Book, day: date, hour: int, factor: float) -> None:
    amount = round(habits.amount * factor * rng.lognormvariate(0, habits.spread))
    order = Order(moment(day, hour, rng), max(amount, 5_000), rng.randint(1, 24))
    if rng.random() < habits.slips:
        book.orders.append(Order(order.at, 10 * order.amount, order.lines))
        book.credits.append(Credit(order.at + timedelta(minutes=rng.randint(8, 20)), 10 * order.amount))
        order.at += timedelta(minutes=rng.randint(21, 40))
    book.orders.append(order)
    billed, lag = order.amount, rng.choice([days for days in INVOICE_LAG if is_working(day + timedelta(days=days))])
    if lag > 0 and rng.random() < habits.returns and is_working(day + timedelta(days=1)):
        back = round(order.amount * rng.uniform(0.05, 0.2))
        book.credits.append(Credit(moment(day + timedelta(days=1), 10, rng), back))
        billed -= back
    issued = day + timedelta(days=lag)
    book.invoices.append(Invoice(moment(issued, 17, rng), billed, issued + timedelta(days=habits.terms), order))


def _pay(rng: Random, habits: Habits, book: Book, invoice: Invoice) -> None:
    day = pay_day(invoice.due + timedelta(days=rng.randint(*habits.late)), invoice.at.date())
    named = invoice if habits.names_invoice else None
    rest = invoice.amount
    if rng.random() < habits.splits:
        part = rest // 2
        book.payments.append(Payment(moment(pay_day(day - timedelta(days=3), invoice.at.date()), 11, rng), part, named))
        rest -= part
    book.payments.append(Payment(moment(day, 13, rng), rest, named))
