"""The planted stories of the churn warning: customers who fall silent, for good or for a while."""

from datetime import date, timedelta
from random import Random

from forewarn.demo.books import Frame
from forewarn.demo.calendar import working_day_before
from forewarn.demo.ordering import Gap, order_days
from forewarn.demo.ordinary import grant, recent_days, steady, usual
from forewarn.demo.story import Outcome, Tale, silence_after
from forewarn.demo.trading import trade


def falls_silent(rng: Random, frame: Frame) -> Tale:
    return _silent(
        rng,
        frame,
        _until(_weekly(rng, frame), frame.ago(44)),
        "A weekly buyer falls silent",
        "每周订货的客户突然停购",
        "Ordered about every week for two years, then not a single order.",
    )


def long_silent(rng: Random, frame: Frame) -> Tale:
    return _silent(
        rng,
        frame,
        _until(_weekly(rng, frame), frame.ago(68)),
        "Silent for twice as long as it takes to worry",
        "停购已超预警期一倍",
        "The silence began earlier and has become critical.",
    )


def slow_buyer_lost(rng: Random, frame: Frame) -> Tale:
    def gap(_day: date, rng: Random) -> float:
        return rng.uniform(44, 52)

    days: list[date] = []
    while not days or days[-1] < frame.ago(165):
        first = frame.start + timedelta(days=rng.randint(1, 40))
        days = _until(order_days(rng, gap, first, frame.today), frame.ago(126))
    return _silent(
        rng,
        frame,
        days,
        "A slow buyer is overdue with his order",
        "低频客户逾期未订货",
        "Orders every seven weeks; his own rhythm allows 120 days, and even those have passed.",
    )


def newcomer_lost(rng: Random, frame: Frame) -> Tale:
    first = frame.ago(58)
    while (days := order_days(rng, steady(rng, 5, 7), first, frame.today)[:3])[-1] > first + timedelta(days=20):
        first -= timedelta(days=7)
    return _silent(
        rng,
        frame,
        days,
        "A new customer after three order days",
        "新客户订货三次后流失",
        "Three order days are the least from which a rhythm can be judged; nothing came after them.",
    )


def comes_back(rng: Random, frame: Frame) -> Tale:
    days = _weekly(rng, frame)
    back = working_day_before(frame.ago(6))
    before = _until(days, back - timedelta(days=38))
    outcome = silence_after(before[-1], back, before)
    book = trade(rng, usual(rng), [*before, back], frame)
    grant(book, days[0])
    return Tale(
        book,
        Outcome(outcome.code, outcome.tier, outcome.opens, back),
        "Silent for weeks, then a new order",
        "停购数周后重新订货",
        "The warning must open, and close by itself with his next order.",
    )


CHURN_STORIES = (falls_silent, long_silent, slow_buyer_lost, newcomer_lost, comes_back)


def _weekly(rng: Random, frame: Frame) -> list[date]:
    gap: Gap = steady(rng)
    return recent_days(rng, gap, frame)


def _until(days: list[date], last: date) -> list[date]:
    return [day for day in days if day <= last]


def _silent(rng: Random, frame: Frame, days: list[date], title_en: str, title_zh: str, text: str) -> Tale:
    book = trade(rng, usual(rng), days, frame)
    grant(book, days[0])
    return Tale(book, silence_after(days[-1], frame.today, days), title_en, title_zh, text)
