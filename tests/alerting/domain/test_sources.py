"""Tests of `services/alerting/domain/sources.py`: who is late with his beat."""

from datetime import timedelta
from typing import Any

from services.alerting.domain import Source
from tests.support.builders import day


def source(**fields: Any) -> Source:
    values: dict[str, Any] = {
        "source": "erp",
        "kind": "order",
        "coverage": "all",
        "rhythm_hours": 24,
        "activated_at": day(0),
        "retired_at": None,
        "complete_until": day(1),
        "beaten_at": day(1),
    }
    return Source(**(values | fields))


class TestLate:
    def test_a_little_after_the_rhythm(self) -> None:
        assert not source().late(day(2))
        assert source().late(day(2) + timedelta(hours=1))

    def test_who_never_beat_counts_from_his_activation(self) -> None:
        assert source(complete_until=None, beaten_at=day(5)).late(day(1) + timedelta(hours=1))

    def test_who_need_not_beat_is_never_late(self) -> None:
        assert not any(
            source(**fields).late(day(99))
            for fields in ({"rhythm_hours": None}, {"retired_at": day(2)}, {"coverage": "named"})
        )


class TestCloses:
    def test_the_rules_that_judge_the_absence_of_its_kind(self) -> None:
        assert [source(kind=kind).closes for kind in ("order", "payment", "invoice")] == [
            ("churn",),
            ("credit_limit",),
            (),
        ]
