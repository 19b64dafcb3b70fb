"""The judged-through day J: up to which day absence ("did not pay", "did not order") may be judged.

Watermarks come from beats and are the driver's to compute; here is what becomes of them.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.events.days import day_of

Judged = Mapping[tuple[UUID, str], date]
"""J per (customer id, kind); a missing entry = nothing was ever promised, so absence is not judged at all."""


def ratchet(stored: date | None, watermark: date | None, now: datetime, zone: ZoneInfo) -> date | None:
    """The new J of one (customer, kind): the highest watermark ever used, never beyond yesterday, never falling.

    `watermark` is the last day all sources of the kind declared complete. The result must be stored with the group
    before or together with what is judged by it: conditions are a function of documents and this J.
    """
    if watermark is None:
        return stored
    watermark = min(watermark, day_of(now, zone) - timedelta(days=1))
    return watermark if stored is None else max(stored, watermark)


def judged_through(judged: Judged, members: Iterable[UUID], needs: Iterable[str]) -> date | None:
    """J of a group and a rule: the lowest over its members and the kinds whose absence the rule judges."""
    kinds = tuple(needs)
    lowest: date | None = None
    for member in members:
        for kind in kinds:
            day = judged.get((member, kind))
            if day is None:
                return None
            lowest = day if lowest is None or day < lowest else lowest
    return lowest
