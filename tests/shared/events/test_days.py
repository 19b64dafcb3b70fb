"""Days of the seller's zone where clocks jump, fall back across midnight, or a whole day is missing."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.days import day_of, start_of

ZONES = [
    "UTC",
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",  # clocks went forward at midnight, and back across it
    "America/Havana",
    "America/St_Johns",  # half an hour off, and changed at one minute past midnight
    "Asia/Beirut",
    "Asia/Pyongyang",  # moved by half an hour at midnight
    "Australia/Lord_Howe",  # summer time is half an hour
    "Pacific/Apia",  # 30 December 2011 did not happen
    "Antarctica/Casey",  # changes by three hours
]
instants = st.datetimes(datetime(2000, 1, 2), datetime(2037, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
zones = st.sampled_from(ZONES).map(ZoneInfo)
spans = st.timedeltas(timedelta(0), timedelta(days=2))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


class TestStartOf:
    @pytest.mark.parametrize(
        ("zone", "day", "start"),
        [
            ("UTC", date(2026, 3, 1), "2026-03-01T00:00:00Z"),
            ("Asia/Shanghai", date(2026, 3, 1), "2026-02-28T16:00:00Z"),
            ("Europe/Berlin", date(2026, 3, 29), "2026-03-28T23:00:00Z"),
            ("Europe/Berlin", date(2026, 3, 30), "2026-03-29T22:00:00Z"),
            ("Europe/Berlin", date(2026, 10, 26), "2026-10-25T23:00:00Z"),
        ],
    )
    def test_is_midnight(self, zone: str, day: date, start: str) -> None:
        assert start_of(day, ZoneInfo(zone)) == at(start)

    @pytest.mark.parametrize(
        ("zone", "day", "start"),
        [
            ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00:00Z"),
            ("Asia/Beirut", date(2026, 3, 29), "2026-03-28T22:00:00Z"),
        ],
    )
    def test_is_the_end_of_the_gap_where_midnight_does_not_exist(self, zone: str, day: date, start: str) -> None:
        assert start_of(day, ZoneInfo(zone)) == at(start)
        assert at(start).astimezone(ZoneInfo(zone)).hour == 1

    def test_is_the_first_midnight_where_it_is_shown_twice(self) -> None:
        assert start_of(date(2026, 11, 1), ZoneInfo("America/Havana")) == at("2026-11-01T04:00:00Z")

    def test_a_day_that_did_not_happen_begins_with_the_next(self) -> None:
        apia = ZoneInfo("Pacific/Apia")
        assert start_of(date(2011, 12, 30), apia) == start_of(date(2011, 12, 31), apia) == at("2011-12-30T10:00:00Z")

    @pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
    def test_days_on_which_clocks_change_are_shorter_and_longer(self, day: date, hours: int) -> None:
        berlin = ZoneInfo("Europe/Berlin")
        assert start_of(day + timedelta(days=1), berlin) - start_of(day, berlin) == timedelta(hours=hours)


class TestDayOf:
    @pytest.mark.parametrize(
        ("zone", "instant", "day"),
        [
            ("Asia/Shanghai", "2026-02-28T15:59:59.999999Z", date(2026, 2, 28)),
            ("Asia/Shanghai", "2026-02-28T16:00:00Z", date(2026, 3, 1)),
            ("Asia/Shanghai", "2026-02-28T23:00:00-05:00", date(2026, 3, 1)),
            ("Pacific/Apia", "2011-12-30T09:59:59Z", date(2011, 12, 29)),
            ("Pacific/Apia", "2011-12-30T10:00:00Z", date(2011, 12, 31)),
        ],
    )
    def test_is_that_of_the_seller(self, zone: str, instant: str, day: date) -> None:
        assert day_of(at(instant), ZoneInfo(zone)) == day

    def test_an_hour_shown_twice_before_midnight_is_of_the_old_day_both_times(self) -> None:
        """Clocks in Sao Paulo went from 24:00 back to 23:00 without showing the new day."""
        sao_paulo, midnight = ZoneInfo("America/Sao_Paulo"), at("2007-02-25T02:00:00Z")
        shown = [(midnight + timedelta(minutes=minutes)).astimezone(sao_paulo) for minutes in (-1, 0, 59, 60)]
        assert [one.date().day for one in shown] == [24, 24, 24, 25]
        assert [day_of(one, sao_paulo).day for one in shown] == [24, 24, 24, 25]

    def test_minutes_of_the_new_day_shown_before_the_old_one_came_back_stay_new(self) -> None:
        """Clocks in St John's went from 00:01 back to 23:01: a minute of Sunday, an hour of Saturday, Sunday."""
        st_johns, midnight = ZoneInfo("America/St_Johns"), at("2006-10-29T02:30:00Z")
        shown = [(midnight + timedelta(minutes=minutes)).astimezone(st_johns) for minutes in (-1, 0, 1, 59, 60)]
        assert [one.date().day for one in shown] == [28, 29, 28, 28, 29]
        assert [day_of(one, st_johns).day for one in shown] == [28, 29, 29, 29, 29]

    @given(instants, zones)
    def test_contains_the_instant(self, instant: datetime, zone: ZoneInfo) -> None:
        day = day_of(instant, zone)
        assert start_of(day, zone) <= instant < start_of(day + timedelta(days=1), zone)

    @given(instants, spans, zones)
    def test_never_falls_while_the_instant_rises(self, instant: datetime, span: timedelta, zone: ZoneInfo) -> None:
        """INVARIANT: breaks when a day is read off the local date alone; folds and horizons go by days that only
        rise."""
        assert day_of(instant, zone) <= day_of(instant + span, zone)

    @given(instants, zones, zones)
    def test_zone_of_the_instant_does_not_matter(self, instant: datetime, zone: ZoneInfo, other: ZoneInfo) -> None:
        assert day_of(instant.astimezone(other), zone) == day_of(instant, zone)

    @pytest.mark.parametrize("zone", ZONES)
    def test_agrees_with_the_starts_around_every_change_of_the_clocks(self, zone: str) -> None:
        there, step = ZoneInfo(zone), timedelta(minutes=15)
        for change in changes_of_the_clocks(there):
            around = [change + step * number + timedelta(seconds=off) for number in range(-100, 100) for off in (-1, 0)]
            for instant in around:
                day = day_of(instant, there)
                assert start_of(day, there) <= instant < start_of(day + timedelta(days=1), there), instant


def changes_of_the_clocks(zone: ZoneInfo) -> list[datetime]:
    """Instants since 2000 at which the offset to UTC changes, to the hour."""
    hour, first = timedelta(hours=1), datetime(2000, 1, 1, tzinfo=UTC)
    days = [first + timedelta(days=number) for number in range(365 * 37)]
    changed = [
        day for day in days if day.astimezone(zone).utcoffset() != (day + hour * 24).astimezone(zone).utcoffset()
    ]
    return [
        next(
            day + hour * number
            for number in range(1, 25)
            if (day + hour * number).astimezone(zone).utcoffset() != day.astimezone(zone).utcoffset()
        )
        for day in changed
    ]
