"""The quiet customers: each looks like a story and must get no warning in the live window."""

from dataclasses import replace
from datetime import date, timedelta
from random import Random

from forewarn.demo.books import Book, Credit, Frame, Order, Payment, moment, round_up
from forewarn.demo.calendar import working_day_after, working_day_before
from forewarn.demo.credit_stories import GROWTH_DAYS
from forewarn.demo.ordering import Gap, order_days
from forewarn.demo.ordinary import HEADROOM, SEASONAL, grant, habits_of, recent_days, steady, usual
from forewarn.demo.story import Calm
from forewarn.demo.trading import Factor, trade


def close_to_limit(rng: Random, frame: Frame) -> Calm:
    book = _book(rng, frame, steady(rng), factor=lambda day: 1.6 if day >= frame.ago(50) else 1.0)
    book.grant(book.order_days()[0] - timedelta(days=1), -(-book.peak() * 100 // 95 // 10_000) * 10_000)
    return Calm(book, "95 % of the limit used", "额度用到95%", "His debt rises to 95 % of the limit and no further.")


def limit_raised_in_time(rng: Random, frame: Frame) -> Calm:
    since = frame.ago(GROWTH_DAYS)
    book = _book(rng, frame, steady(rng), terms=60, factor=lambda day: 2.5 if day >= since else 1.0)
    grant(book, book.order_days()[0], until=since)
    book.grant(working_day_before(since - timedelta(days=1)), round_up(round(HEADROOM * book.peak())))
    return Calm(
        book, "Grows, with a limit raised before", "增长前已调高额度", "Orders more than doubled, and so had his limit."
    )


def pays_four_days_late(rng: Random, frame: Frame) -> Calm:
    book = _granted(_book(rng, frame, steady(rng), late=(4, 4)))
    return Calm(
        book, "Always four days late", "总是晚付四天", "Late as a habit, but within the five days that are tolerated."
    )


def pays_on_the_fifth_day(rng: Random, frame: Frame) -> Calm:
    book = _granted(_book(rng, frame, steady(rng), late=(5, 5)))
    return Calm(
        book, "Pays on the fifth day", "到期后第五天付款", "One more day would be a warning; it never comes to that."
    )


def pays_in_advance(rng: Random, frame: Frame) -> Calm:
    book = _book(rng, frame, steady(rng), returns=0.0)
    book.payments = [Payment(moment(one.order.at.date(), 16, rng), one.amount, None) for one in book.invoices]
    return Calm(
        book, "No limit, pays in advance", "无额度，先款后货", "Nobody granted him credit, and he never needs any."
    )


def mistaken_order(rng: Random, frame: Frame) -> Calm:
    book = _granted(_book(rng, frame, steady(rng)))
    chosen = next(one for one in book.orders if one.at.date() >= frame.ago(40))
    wrong = Order(chosen.at + timedelta(minutes=9), 100 * chosen.amount, chosen.lines)
    book.orders.append(wrong)
    book.credits.append(Credit(wrong.at + timedelta(minutes=16), wrong.amount))
    return Calm(
        book,
        "A huge order, taken back at once",
        "巨额误单当即撤销",
        "Entered a hundred times too large and credited after 16 minutes.",
    )


def long_gaps_of_his_own(rng: Random, frame: Frame) -> Calm:
    days = _days(rng, frame, lambda _day, rng: rng.uniform(72, 88))
    if (frame.today - days[-1]).days < 45 and (frame.today - days[-2]).days < 115:
        days.pop()
    book = _granted(trade(rng, usual(rng), days, frame))
    return Calm(
        book, "Long gaps are his rhythm", "订货间隔本来就长", "Silent for weeks, as always between two of his orders."
    )


def silent_four_weeks(rng: Random, frame: Frame) -> Calm:
    days = recent_days(rng, steady(rng), frame)
    kept = [day for day in days if day <= frame.ago(24)]
    book = _granted(trade(rng, usual(rng), kept if kept[-1] >= frame.ago(28) else days, frame))
    return Calm(
        book,
        "Silent for less than a month",
        "停购不足一个月",
        "A weekly buyer who has paused, not yet longer than the floor.",
    )


def new_year_pause(rng: Random, frame: Frame) -> Calm:
    book = _granted(_book(rng, frame, steady(rng, 5, 6)))
    return Calm(
        book,
        "Three weeks without orders at New Year",
        "春节停业三周",
        "Orders twice in nine days, but nothing around the lunar new year.",
    )


def three_orders_a_day(rng: Random, frame: Frame) -> Calm:
    book = _book(rng, frame, lambda _day, rng: rng.uniform(34, 42), terms=45)
    for one in list(book.orders):
        parts = [Order(one.at + timedelta(minutes=20 * part), one.amount // 3, one.lines) for part in (1, 2)]
        one.amount -= sum(part.amount for part in parts)
        book.orders += parts
    return Calm(
        _granted(book),
        "Three orders on one day",
        "一天下三单",
        "Days count, not orders: his rhythm is five weeks, not twenty minutes.",
    )


def one_off_buyer(rng: Random, frame: Frame) -> Calm:
    first = working_day_before(frame.ago(58))
    book = _granted(trade(rng, usual(rng), [first, working_day_after(first + timedelta(days=1))], frame))
    return Calm(
        book, "Bought twice, has no rhythm", "只订过两次货", "Two order days say nothing about when the third is due."
    )


def out_of_season(rng: Random, frame: Frame) -> Calm:
    days = _days(rng, frame, SEASONAL.gap(rng))
    book = _granted(trade(rng, habits_of(rng, SEASONAL), days, frame, SEASONAL.factor))
    return Calm(
        book, "A seasonal business", "季节性客户", "A third of the money and half of the orders outside his season."
    )


QUIET = (
    close_to_limit,
    limit_raised_in_time,
    pays_four_days_late,
    pays_on_the_fifth_day,
    pays_in_advance,
    mistaken_order,
    long_gaps_of_his_own,
    silent_four_weeks,
    new_year_pause,
    three_orders_a_day,
    one_off_buyer,
    out_of_season,
)


def _days(rng: Random, frame: Frame, gap: Gap) -> list[date]:
    return order_days(rng, gap, frame.start + timedelta(days=rng.randint(1, 20)), frame.today)


def _book(
    rng: Random,
    frame: Frame,
    gap: Gap,
    *,
    terms: int = 30,
    late: tuple[int, int] = (0, 2),
    returns: float = 0.05,
    factor: Factor = lambda _day: 1.0,
) -> Book:
    habits = replace(usual(rng, terms), late=late, returns=returns, names_invoice=True)
    return trade(rng, habits, recent_days(rng, gap, frame), frame, factor)


def _granted(book: Book) -> Book:
    grant(book, book.order_days()[0])
    return book
