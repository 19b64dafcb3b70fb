"""What a story is: a customer, the warning he must get, and when. Also the arithmetic that says when."""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Literal

from forewarn.demo.books import Book, Frame
from forewarn.demo.ordering import allowed_silence

Code = Literal["credit_limit", "churn"]
Tier = Literal["warning", "critical"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One episode: the first day on which it is true, its highest tier, and the day it ended, if it has."""

    code: Code
    tier: Tier
    opens: date
    ends: date | None = None


@dataclass(frozen=True, slots=True)
class Tale:
    """A story before the customer has a number."""

    book: Book
    outcome: Outcome
    title_en: str
    title_zh: str
    text: str


@dataclass(frozen=True, slots=True)
class Story:
    """A customer and the one warning that must be there for him in the live window."""

    customer: str
    outcome: Outcome
    title_en: str
    title_zh: str
    text: str


@dataclass(frozen=True, slots=True)
class Calm:
    """A customer who looks like a story and is none, before he has a number."""

    book: Book
    title_en: str
    title_zh: str
    text: str


@dataclass(frozen=True, slots=True)
class Quiet:
    """A customer without any warning in the live window, and why one might have thought otherwise."""

    customer: str
    title_en: str
    title_zh: str
    text: str


def silence_after(last: date, until: date, days: list[date]) -> Outcome:
    """The silence that followed the order day `last`, up to an order on `until` or to today."""
    before = [day for day in days if day <= last]
    allowed = allowed_silence([(later - day).days for day, later in pairwise(before)])
    tier: Tier = "critical" if (until - last).days > 2 * allowed else "warning"
    return Outcome("churn", tier, last + timedelta(days=allowed + 1))


def overdue_since(due: date, frame: Frame) -> Outcome:
    """An invoice due on `due` that is still unpaid."""
    tier: Tier = "critical" if (frame.today - due).days > 30 else "warning"
    return Outcome("credit_limit", tier, due + timedelta(days=6))


def debt_above(book: Book, since: date) -> Outcome:
    """The episode above the limit that begins on or after `since`: left at 5 points below the limit in force."""
    steps = [(at, debt, None) for at, debt in book.debt_path()] + [(one.at, None, one.amount) for one in book.limits]
    debt = limit = highest = 0
    opens = ends = None
    for at, new_debt, new_limit in sorted(steps, key=lambda step: step[0]):
        debt, limit = debt if new_debt is None else new_debt, limit if new_limit is None else new_limit
        if opens is None and debt > limit and at.date() >= since:
            opens = at.date()
        if opens is not None and ends is None:
            highest = max(highest, debt * 100 // limit if limit else 101)
            ends = at.date() if debt * 100 < 95 * limit else None
    if opens is None:
        raise AssertionError("the story's debt never passes the limit")
    return Outcome("credit_limit", "critical" if highest >= 120 else "warning", opens, ends)
