"""Working days and the new year's pause."""

from datetime import date, timedelta

import pytest

from forewarn.demo.calendar import (
    PAUSE_DAYS,
    is_working,
    lunar_new_year,
    pause_at,
    working_day_after,
    working_day_before,
)

NEW_YEARS = (
    date(2020, 1, 25), date(2021, 2, 12), date(2022, 2, 1), date(2023, 1, 22), date(2024, 2, 10), date(2025, 1, 29),
    date(2026, 2, 17), date(2027, 2, 6), date(2028, 1, 26), date(2029, 2, 13), date(2030, 2, 3), date(2031, 1, 23),
    date(2032, 2, 11), date(2033, 1, 31), date(2034, 2, 19), date(2035, 2, 8), date(2036, 1, 28), date(2037, 2, 15),
    date(2038, 2, 4), date(2039, 1, 24), date(2040, 2, 12),
)  # fmt: skip


class TestLunarNewYear:
    @pytest.mark.parametrize("known", NEW_YEARS)
    def test_within_a_day_of_the_almanac(self, known: date) -> None:
        assert abs(lunar_new_year(known.year) - known) <= timedelta(days=1)


class TestPause:
    @pytest.mark.parametrize("new_year", NEW_YEARS)
    def test_three_weeks_from_monday_around_the_new_year(self, new_year: date) -> None:
        pause = pause_at(new_year)
        assert pause is not None
        assert pause.start.weekday() == pause.resume.weekday() == 0
        assert (pause.resume - pause.start).days == PAUSE_DAYS
        assert pause_at(pause.start) == pause_at(pause.resume - timedelta(days=1)) == pause
        assert pause_at(pause.resume) is None

    def test_working_days_are_found_across_it(self) -> None:
        assert working_day_before(date(2026, 2, 17)) == date(2026, 2, 6)
        assert working_day_after(date(2026, 2, 17)) == date(2026, 3, 2)
        assert not is_working(date(2026, 6, 6))
