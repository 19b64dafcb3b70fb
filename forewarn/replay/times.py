"""Times and dates of a replay file: RFC 3339, or without zone in a zone the user names.

A time that a change of clocks leaves out is refused; of one that occurs twice the earlier is meant.
"""

import re
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from shared.errors import InvalidInput
from shared.events.days import start_of

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)([Zz]|[+-]\d{2}:\d{2})?", re.ASCII
)
_YEARS: Final = range(2000, 2101)


class ZoneNeeded(Exception):
    """A time has no zone, and none was given for the file."""


def instant(text: object, zone: ZoneInfo | None) -> datetime:
    """The instant `text` names; a mere day is its first instant. Raises `ZoneNeeded`."""
    if isinstance(text, str) and _DAY.fullmatch(text):
        if zone is None:
            raise ZoneNeeded
        return start_of(day(text), zone).astimezone(zone)
    found = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise _bad_time()
    try:
        at = datetime.fromisoformat(found[0].upper())
    except ValueError:
        raise _bad_time() from None
    _check_year(at)
    if at.tzinfo is not None:
        return at
    if zone is None:
        raise ZoneNeeded
    return _in_zone(at, zone)


def day(text: object) -> date:
    """The calendar day `text` names."""
    try:
        if not isinstance(text, str) or not _DAY.fullmatch(text):
            raise ValueError
        found = date.fromisoformat(text)
    except ValueError:
        raise InvalidInput("date_format", 'Write a day like "2026-11-30".') from None
    _check_year(found)
    return found


def _in_zone(naive: datetime, zone: ZoneInfo) -> datetime:
    at = naive.replace(tzinfo=zone, fold=0)
    if at.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != naive:
        raise InvalidInput("time_in_gap", f"This time does not exist in {zone.key}: clocks were put forward over it.")
    return at


def _check_year(found: date) -> None:
    if found.year not in _YEARS:
        raise InvalidInput("date_out_of_range", "Years 2000 to 2100 are accepted.")


def _bad_time() -> InvalidInput:
    return InvalidInput("datetime_format", 'Write a time like "2026-11-30T14:05:00+08:00".')
