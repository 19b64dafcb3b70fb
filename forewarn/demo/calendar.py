"""The demo's working days: Monday to Friday, and three weeks without trade around the lunar new year.

Public holidays of a day or two are left out: they change nothing a warning is about.
"""

from datetime import date, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

PAUSE_DAYS: Final = 21

_LUNATION: Final = 29.530588861
_NEW_MOON: Final = date(2000, 1, 7).toordinal() + 2.24 / 24
"""A mean new moon, in days of Beijing time."""


class Pause(NamedTuple):
    """No orders from `start`, a Monday, until the day before `resume`, a Monday."""

    start: date
    resume: date


@lru_cache(maxsize=128)
def lunar_new_year(year: int) -> date:
    """First day of the lunar year that begins in `year`, to within a day (mean moon): enough for a pause of weeks."""
    earliest = date(year, 1, 20).toordinal() + 0.7
    lunations = -((_NEW_MOON - earliest) // _LUNATION)
    return date.fromordinal(int(_NEW_MOON + lunations * _LUNATION))


def pause_at(day: date) -> Pause | None:
    """The pause that `day` lies in."""
    eve = lunar_new_year(day.year) - timedelta(days=7)
    start = eve - timedelta(days=eve.weekday())
    resume = start + timedelta(days=PAUSE_DAYS)
    return Pause(start, resume) if start <= day < resume else None


def is_working(day: date) -> bool:
    """Whether orders can be placed on `day`."""
    return day.weekday() < 5 and pause_at(day) is None


def working_day_before(day: date) -> date:
    """The last working day up to and including `day`."""
    while not is_working(day):
        day -= timedelta(days=1)
    return day


def working_day_after(day: date) -> date:
    """The first working day from `day` on."""
    while not is_working(day):
        day += timedelta(days=1)
    return day
