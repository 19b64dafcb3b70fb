"""The planted stories of the credit warning: debt above the limit, money overdue, no limit at all."""

from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Final

from forewarn.demo.books import Book, Frame, Payment, moment, round_up
from forewarn.demo.calendar import working_day_after, working_day_before
from forewarn.demo.ordering import order_days
from forewarn.demo.ordinary import REGULAR, grant, habits_of, recent_days, steady
from forewarn.demo.story import Tale, debt_above, overdue_since
from forewarn.demo.trading import Factor, trade

GROWTH_DAYS: Final = 56
"""The growing ones grow in the live window only."""


def outgrows_limit(rng: Random, frame: Frame) -> Tale:
    book = _growing(rng, frame, percent=130, eases=frame.today)
    return Tale(
        book,
        debt_above(book, frame.live),
        "Orders grow, debt runs past the limit",
        "订货猛增，欠款超过授信额度",
        "Cleared his account eight weeks ago and has ordered a multiple since; nothing is due, the limit long passed.",
    )


def slightly_above(rng: Random, frame: Frame) -> Tale:
    book = _growing(rng, frame, percent=110, eases=frame.ago(24))
    return Tale(
        book,
        debt_above(book, frame.live),
        "Debt a tenth above the limit",
        "欠款略超授信额度",
        "The same growth against a higher limit: a warning, and not a critical one.",
    )


def pays_and_recovers(rng: Random, frame: Frame) -> Tale:
    paid_on = working_day_before(frame.ago(12))
    book = _growing(rng, frame, percent=112, eases=paid_on - timedelta(days=7), judged=paid_on)
    book.payments.append(Payment(moment(paid_on, 8, rng), owed_before(book, paid_on) * 4 // 5, None))
    return Tale(
        book,
        debt_above(book, frame.live),
        "Above the limit, pays, and is clear again",
        "超额后回款，预警解除",
        "Outgrew the limit, then paid four fifths of what he owed in one sum.",
    )


def limit_lowered(rng: Random, frame: Frame) -> Tale:
    book = _customer(rng, frame, terms=60)
    grant(book, book.order_days()[0])
    lowered = working_day_after(frame.ago(34))
    owed = owed_before(book, lowered)
    later = [debt for at, debt in book.debt_path() if at.date() >= lowered]
    book.grant(lowered, min([owed, *later]) * 8 // 10 // 10_000 * 10_000)
    return Tale(
        book,
        debt_above(book, frame.live),
        "Limit lowered below what he owes",
        "额度下调，低于现有欠款",
        "He buys and pays as ever; the review of his limit left it below the debt he already has.",
    )


def no_limit_granted(rng: Random, frame: Frame) -> Tale:
    habits = replace(habits_of(rng, REGULAR), terms=60, slips=0.0, returns=0.0)
    first = working_day_before(frame.ago(30))
    book = trade(rng, habits, order_days(rng, steady(rng), first, frame.today), frame)
    return Tale(
        book,
        debt_above(book, frame.live),
        "Delivered on account, no limit granted",
        "未授信却已赊销",
        "A new customer was invoiced on sixty days; nobody has decided a limit for him.",
    )


def one_invoice_overdue(rng: Random, frame: Frame) -> Tale:
    book = _customer(rng, frame, terms=30)
    grant(book, book.order_days()[0])
    unpaid = max((one for one in book.invoices if one.due <= frame.ago(10)), key=lambda one: one.due)
    book.payments = [payment for payment in book.payments if payment.invoice is not unpaid]
    book.limits[0].amount = _room(book)
    return Tale(
        book,
        overdue_since(unpaid.due, frame),
        "One invoice left unpaid",
        "一笔发票逾期未付",
        "He pays all other invoices by number and leaves this one open, within his limit.",
    )


def stopped_paying(rng: Random, frame: Frame) -> Tale:
    book = _customer(rng, frame, terms=30)
    grant(book, book.order_days()[0])
    unpaid = [one for one in book.invoices if one.due >= frame.ago(52)]
    book.payments = [payment for payment in book.payments if payment.invoice not in unpaid]
    book.limits[0].amount = _room(book)
    return Tale(
        book,
        overdue_since(min(one.due for one in unpaid), frame),
        "Orders on, but stopped paying",
        "照常订货，停止付款",
        "No money for weeks, while the orders go on; the limit is wide, so only the days tell.",
    )


CREDIT_STORIES = (
    outgrows_limit,
    slightly_above,
    pays_and_recovers,
    limit_lowered,
    no_limit_granted,
    one_invoice_overdue,
    stopped_paying,
)


def _customer(rng: Random, frame: Frame, terms: int, factor: Factor = lambda _day: 1.0) -> Book:
    habits = replace(habits_of(rng, REGULAR), terms=terms, late=(0, 2), slips=0.0, splits=0.0, names_invoice=True)
    days = recent_days(rng, steady(rng), frame)
    return trade(rng, habits, days, frame, factor)


def _growing(rng: Random, frame: Frame, percent: int, eases: date, judged: date | None = None) -> Book:
    """Clears his account, then buys a multiple, little again from `eases` on; nothing of it falls due before today.

    So his debt only rises: it passes the limit once. On the eve of `judged` (today) it is `percent` of the limit.
    """
    since, growth, state = frame.ago(GROWTH_DAYS), 2.0, rng.getstate()
    while True:
        growth += 0.5
        rng.setstate(state)
        book = _customer(rng, frame, 60, _factor(growth, since, eases))
        _clear(book, since)
        limit = owed_before(book, judged or frame.today) * 100 // percent // 10_000 * 10_000
        if limit > 1.1 * book.peak(until=since):
            break
    book.grant(book.order_days()[0] - timedelta(days=1), limit)
    return book


def owed_before(book: Book, day: date) -> int:
    """His debt when `day` begins."""
    return [debt for at, debt in book.debt_path() if at.date() < day][-1]


def _clear(book: Book, since: date) -> None:
    """All invoices from before `since` are paid by then, those after it not yet."""
    book.payments = [one for one in book.payments if one.invoice and one.invoice.at.date() < since]
    evening = moment(since - timedelta(days=1), 18)
    for payment in book.payments:
        payment.at = min(payment.at, evening)


def _factor(growth: float, since: date, eases: date) -> Factor:
    return lambda day: 0.2 if day >= eases else growth if day >= since else 1.0


def _room(book: Book) -> int:
    return round_up(round(1.3 * book.peak()))
