"""When a customer orders: his own rhythm, on working days, never silent for longer than the shipped churn rule allows.

Stock is laid in before the pause of the new year, so that its three weeks are no silence out of the ordinary.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from random import Random
from statistics import median_low
from typing import Final

from forewarn.demo.calendar import is_working, pause_at, working_day_after, working_day_before

FLOOR_DAYS: Final = 30
CAP_DAYS: Final = 120
MARGIN_DAYS: Final = 3
"""Ordinary customers stay this far inside what the rule allows."""

Gap = Callable[[date, Random], float]
"""Days from an order day to the next one the customer wishes."""


def allowed_silence(gaps: Sequence[int]) -> int:
    """Days of silence without a warning: 3 x median gap between floor and cap.

    Cautious: the lowest of the medians of all and of the latest gaps, in case the rule looks at fewer of them.
    """
    medians = [median_low(gaps[-count:]) for count in {*range(3, 13), max(1, len(gaps))}] if gaps else [CAP_DAYS]
    return max(FLOOR_DAYS, min(CAP_DAYS, 3 * min(medians)))


def order_days(rng: Random, gap: Gap, first: date, end: date) -> list[date]:
    """Order days from `first` on, before `end`."""
    return list(_days(rng, gap, working_day_after(first), end))


def _days(rng: Random, gap: Gap, day: date, end: date) -> Iterator[date]:
    gaps: list[int] = []
    while day < end:
        yield day
        latest = day + timedelta(days=allowed_silence(gaps) - MARGIN_DAYS)
        wish = day + timedelta(days=max(1, round(gap(day, rng))))
        following = _next(rng, day, min(wish, latest), latest)
        gaps.append((following - day).days)
        day = following


def _next(rng: Random, day: date, wish: date, latest: date) -> date:
    if pause := pause_at(wish):
        back = pause.resume + timedelta(days=rng.randrange(2))
        stocking_up = pause.start - timedelta(days=3 + rng.randrange(2))
        return back if back <= latest or stocking_up <= day else stocking_up
    if is_working(wish):
        return wish
    before = working_day_before(wish)
    return before if before > day else working_day_after(wish)
