"""Instants and days as clients may write them; instants come out in UTC."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from shared.http.problems import refuse

FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2100

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class _WhenRule:
    """An instant, RFC 3339. Without zone only if the context of the validation has a `zone`: the source's default."""

    def check(self, value: object, info: core_schema.ValidationInfo) -> datetime:
        if type(value) is not str:
            raise _bad_instant()
        found = _INSTANT.fullmatch(value)
        if found is None:
            raise _zone_missing() if _DAY.fullmatch(value) else _bad_instant()
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            raise _bad_instant() from None
        if not FIRST_YEAR - 1 <= at.year <= LAST_YEAR + 1:
            # Further out, conversion to UTC may leave the calendar.
            raise _out_of_range()
        at = (at if found[1] else _in_zone(at, (info.context or {}).get("zone"))).astimezone(UTC)
        if not FIRST_YEAR <= at.year <= LAST_YEAR:
            raise _out_of_range()
        return at

    def __get_pydantic_core_schema__(self, *_: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _: Any, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "date-time", "examples": ["2026-03-01T09:30:00+08:00"]}


class _DayRule:
    """A calendar day."""

    def check(self, value: object) -> date:
        if type(value) is not str or _DAY.fullmatch(value) is None:
            raise _bad_day()
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise _bad_day() from None
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise _out_of_range()
        return day

    def __get_pydantic_core_schema__(self, *_: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _: Any, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "date", "examples": ["2026-03-01"]}


WHEN: Final = _WhenRule()
When = Annotated[datetime, WHEN]
Day = Annotated[date, _DayRule()]


def _in_zone(local: datetime, zone: ZoneInfo | None) -> datetime:
    """A local time of the source's zone: refused if the clocks skipped it, the earlier one if they showed it twice."""
    if zone is None:
        raise _zone_missing()
    at = local.replace(tzinfo=zone)
    if at.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
        raise refuse("dst_gap", "The clocks skipped this local time; send it with its offset to UTC.")
    return at


def _bad_instant() -> Exception:
    return refuse(
        "datetime_format", "Write a time such as 2026-03-01T09:30:00+08:00, with at most 6 decimals of a second."
    )


def _zone_missing() -> Exception:
    return refuse("timezone_required", "Add the time and its offset to UTC, as in 2026-03-01T09:30:00+08:00.")


def _bad_day() -> Exception:
    return refuse("date_format", "Write a day such as 2026-03-01.")


def _out_of_range() -> Exception:
    return refuse("date_out_of_range", f"Years {FIRST_YEAR} to {LAST_YEAR} are taken.")
