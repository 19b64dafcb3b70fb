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
    day = at.astimezone(zone).date()
    following = day + _ONE_DAY
    return following if at >= start_of(following, zone) else day
