"""The ordinary customers: five kinds of buyers whose whole life stays inside the shipped rules.

A few had trouble once, long before the live window, as every distributor's books show.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random
from typing import Final

from forewarn.demo.books import Book, Frame, round_up
from forewarn.demo.calendar import working_day_after
from forewarn.demo.ordering import Gap, order_days
from forewarn.demo.trading import Habits, trade

HEADROOM: Final = 1.3
"""A limit above the usual peak of the debt."""


@dataclass(frozen=True, slots=True)
class KindOfBuyer:
    """What the buyers of a kind have in common."""

    name: str
    gap: Callable[[Random], Gap]
    amount: tuple[int, int]
    """Usual order from .. to, in cents."""
    factor: Callable[[date], float] = lambda _day: 1.0


def _regular(rng: Random) -> Gap:
    mean = rng.uniform(19, 33)
    return lambda _day, rng: mean * rng.uniform(0.75, 1.25)


def _lumpy(rng: Random) -> Gap:
    share = rng.uniform(0.45, 0.65)
    return lambda _day, rng: rng.uniform(5, 11) if rng.random() < share else rng.uniform(19, 27)


def _seasonal(rng: Random) -> Gap:
    mean = rng.uniform(13, 17)
    return lambda day, rng: mean * (1.0 if _in_season(day) else 1.9) * rng.uniform(0.85, 1.15)


def _small(rng: Random) -> Gap:
    mean = rng.uniform(38, 58)
    return lambda _day, rng: mean * rng.uniform(0.75, 1.25)


def _project(rng: Random) -> Gap:
    mean = rng.uniform(26, 38)
    return lambda _day, rng: mean * rng.uniform(0.6, 1.4)


def _in_season(day: date) -> bool:
    return day.month in (4, 5, 6, 7, 8)


def _season(day: date) -> float:
    return 3.0 if _in_season(day) else 1.0


REGULAR: Final = KindOfBuyer("regular", _regular, (200_000, 2_500_000))
LUMPY: Final = KindOfBuyer("lumpy", _lumpy, (300_000, 3_000_000))
SEASONAL: Final = KindOfBuyer("seasonal", _seasonal, (150_000, 1_500_000), _season)
SMALL: Final = KindOfBuyer("small", _small, (30_000, 250_000))
PROJECT: Final = KindOfBuyer("project", _project, (4_000_000, 30_000_000))

SHARES: Final = ((REGULAR, 0.38), (LUMPY, 0.11), (SEASONAL, 0.13), (SMALL, 0.27), (PROJECT, 0.11))
"""How the ordinary customers are divided among the kinds; they must add up to 1."""


def steady(rng: Random, low: float = 6.5, high: float = 8.5) -> Gap:
    """A narrow rhythm around a week, for customers of whom something is told."""
    mean = rng.uniform(low, high)
    return lambda _day, rng: mean * rng.uniform(0.85, 1.15)


def recent_days(rng: Random, gap: Gap, frame: Frame) -> list[date]:
    """Order days of the last fourteen months, for customers of whom something is told."""
    return order_days(rng, gap, frame.ago(rng.randint(400, 430)), frame.today)


def habits_of(rng: Random, kind: KindOfBuyer) -> Habits:
    """The habits of one more buyer of this kind."""
    low, high = kind.amount
    return Habits(
        amount=round(low * (high / low) ** rng.random()),
        terms=rng.choice((30, 30, 45, 60)),
        late=rng.choice(((-3, 0), (0, 0), (0, 2), (0, 4))),
        names_invoice=rng.random() < 0.8,
        splits=rng.choice((0.0, 0.0, 0.15)),
        returns=0.06,
        slips=0.008,
        second=0.06,
    )


def usual(rng: Random, terms: int = 30) -> Habits:
    """Plain habits, for customers whose story is not about paying."""
    return replace(habits_of(rng, REGULAR), terms=terms, slips=0.0)


def ordinary(rng: Random, kind: KindOfBuyer, frame: Frame) -> Book:
    """A customer without a warning in two years; every fourth joined later, every tenth had his limit raised."""
    first = frame.start + timedelta(days=rng.randint(1, 40) if rng.random() < 0.75 else rng.randint(60, 560))
    days = order_days(rng, kind.gap(rng), first, frame.today)
    book = trade(rng, habits_of(rng, kind), days, frame, kind.factor)
    raised = working_day_after(days[0] + (frame.today - days[0]) // 2)
    if rng.random() < 0.1 and raised < frame.live:
        grant(book, days[0], until=raised + timedelta(days=1))
        book.grant(raised, round_up(round(HEADROOM * book.peak())))
    else:
        grant(book, days[0])
    return book


def grant(book: Book, first: date, until: date = date.max) -> None:
    """A limit before the first order that leaves room above every peak until then."""
    book.grant(first - timedelta(days=1), round_up(round(HEADROOM * book.peak(until=until))))


def late_once(rng: Random, frame: Frame) -> Book:
    """Paid one invoice two to three weeks late, and the limit left room for it."""
    book = _before(rng, frame)
    paid = [one for one in book.payments if one.invoice and frame.ago(600) < one.at.date() < frame.ago(130)]
    chosen = rng.choice(paid)
    for payment in book.payments:
        if payment.invoice is chosen.invoice:
            payment.at += timedelta(days=rng.randint(14, 21))
    grant(book, book.order_days()[0])
    return book


def silent_once(rng: Random, frame: Frame) -> Book:
    """Stayed away for seven weeks, and came back."""
    away = frame.ago(rng.randint(180, 500))
    book = _before(rng, frame, lambda day: not away <= day < away + timedelta(days=48))
    grant(book, book.order_days()[0])
    return book


def above_limit_once(rng: Random, frame: Frame) -> Book:
    """Outgrew a limit, which was raised within the week."""
    book = _before(rng, frame)
    until = frame.ago(rng.randint(150, 400))
    first, limit = book.order_days()[0], book.peak(until=until) * 97 // 100 // 10_000 * 10_000
    book.grant(first - timedelta(days=1), limit)
    crossed = next(at.date() for at, debt in book.debt_path() if debt > limit)
    book.grant(working_day_after(crossed + timedelta(days=5)), round_up(round(HEADROOM * book.peak())))
    return book


def lost_long_ago(rng: Random, frame: Frame) -> Book:
    """Went away for good long before the live window; his warning is an old one."""
    until = frame.ago(rng.randint(240, 500))
    book = _before(rng, frame, lambda day: day < until)
    grant(book, book.order_days()[0])
    return book


PAST_TROUBLE: Final = ((late_once, 5), (silent_once, 4), (above_limit_once, 3), (lost_long_ago, 2))
"""Who had a warning in the history, and how many of them."""


def _before(rng: Random, frame: Frame, orders_on: Callable[[date], bool] = lambda _day: True) -> Book:
    first = frame.start + timedelta(days=rng.randint(1, 20))
    days = [day for day in order_days(rng, steady(rng, 8, 11), first, frame.today) if orders_on(day)]
    habits = replace(habits_of(rng, REGULAR), names_invoice=True, slips=0.0, splits=0.0)
    return trade(rng, habits, days, frame)
