"""Splits the demo's lines into its history and one batch for each day of the live window."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import takewhile

from forewarn.demo.books import ZONE, Frame
from forewarn.demo.distributor import Line


@dataclass(frozen=True, slots=True)
class DayBatch:
    """What happened on one day; may be empty."""

    day: date
    lines: tuple[Line, ...]

    @property
    def complete_until(self) -> datetime:
        """What every kind's beat may promise once these lines, and all before them, were answered."""
        return midnight(self.day + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Schedule:
    """History first, then the days up to yesterday."""

    history: tuple[Line, ...]
    history_until: datetime
    """What the beats may promise after the history."""
    days: tuple[DayBatch, ...]


def schedule(lines: Iterable[Line], today: date) -> Schedule:
    """`lines`: in order of time, all before `today`."""
    live, rest = Frame(today).live, list(lines)
    history = tuple(takewhile(lambda line: _day(line) < live, rest))
    by_day: dict[date, list[Line]] = {live + timedelta(days=number): [] for number in range((today - live).days)}
    for line in rest[len(history) :]:
        by_day[_day(line)].append(line)
    days = tuple(DayBatch(day, tuple(found)) for day, found in by_day.items())
    return Schedule(history, midnight(live), days)


def midnight(day: date) -> datetime:
    """The first instant of the day, Chinese time."""
    return datetime(day.year, day.month, day.day, tzinfo=ZONE)


def _day(line: Line) -> date:
    return datetime.fromisoformat(line["ts"]).date()
