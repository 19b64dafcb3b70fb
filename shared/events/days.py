"""Calendar days of the seller's time zone: which day an instant falls on, and when a day begins.

Days are what due dates, silences and horizons are counted in; instants themselves are UTC everywhere.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_ONE_DAY = timedelta(days=1)


@lru_cache(maxsize=16384)
def start_of(day: date, zone: ZoneInfo) -> datetime:
    """First instant of `day`, in UTC: midnight, or the end of the gap where midnight does not exist."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def day_of(at: datetime, zone: ZoneInfo) -> date:
    """Day that contains `at`. Never falls while `at` rises, also where clocks are put back across midnight."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    latest, middle, earliest = _begun_by(at.date(), zone)
    # The last of the days that have begun: no zone is a whole day away from UTC.
    return latest[1] if at >= latest[0] else middle[1] if at >= middle[0] else earliest


@lru_cache(maxsize=16384)
def _begun_by(utc: date, zone: ZoneInfo) -> tuple[tuple[datetime, date], tuple[datetime, date], date]:
    """The days that a day of UTC may show in a zone, latest first, and when they begin."""
    following, before = utc + _ONE_DAY, utc - _ONE_DAY
    return (start_of(following, zone), following), (start_of(utc, zone), utc), before
