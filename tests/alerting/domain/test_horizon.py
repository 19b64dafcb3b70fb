"""Tests of `services/alerting/domain/horizon.py`: how far absence may be judged."""

from services.alerting.domain import judged_through, ratchet
from tests.alerting.domain.stage import UTC
from tests.support.builders import day, party

FIRST, SECOND = party("C1").id, party("C2").id


class TestRatchet:
    def test_follows_the_watermark_up_and_never_down(self) -> None:
        now = day(50)
        assert ratchet(None, day(10).date(), now, UTC) == day(10).date()
        assert ratchet(day(10).date(), day(12).date(), now, UTC) == day(12).date()
        assert ratchet(day(12).date(), day(3).date(), now, UTC) == day(12).date()
        assert ratchet(day(12).date(), None, now, UTC) == day(12).date()

    def test_a_watermark_beyond_yesterday_counts_as_yesterday(self) -> None:
        assert ratchet(None, day(400).date(), day(50), UTC) == day(49).date()

    def test_without_any_watermark_nothing_is_judged(self) -> None:
        assert ratchet(None, None, day(50), UTC) is None


class TestJudgedThrough:
    def test_is_the_lowest_of_all_members_and_kinds(self) -> None:
        judged = {(FIRST, "order"): day(9).date(), (SECOND, "order"): day(5).date(), (FIRST, "payment"): day(1).date()}
        assert judged_through(judged, (FIRST, SECOND), {"order"}) == day(5).date()

    def test_is_nothing_if_one_member_has_none(self) -> None:
        assert judged_through({(FIRST, "order"): day(9).date()}, (FIRST, SECOND), {"order"}) is None
