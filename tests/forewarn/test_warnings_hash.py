"""One figure for what all warnings say: of documents and horizon alone, never of ids, clocks or people."""

from collections.abc import Sequence
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from forewarn.warnings_hash import count_of, hash_of, warnings_of
from shared.events import Warning as WarningDocument
from shared.events.alerting import DocumentRef, Evidence, Handling, Span
from shared.messaging.document_store import DocumentStore
from shared.runtime.platform import Platform
from shared.runtime.service import Service
from tests.support.builders import day, draft, party
from tests.support.stage import PRODUCER, Stage

ALERTING: Final = Service("alerting", PRODUCER, Path(), publishes=("warning",))

replace = msgspec.structs.replace


def warning(customer: str = "C1", **fields: Any) -> WarningDocument:
    values: dict[str, Any] = {
        "code": "credit_limit",
        "rule_version": 1,
        "scope": "CNY",
        "root": party(customer),
        "condition": "firing",
        "tier": "warning",
        "started_at": day(3),
        "spans": (Span(day(3), "warning", {"debt": "1200.00"}),),
        "evidence": Evidence(
            numbers={"debt": "1200.00", "limit": "1000.00"},
            formula="debt > limit",
            documents=(DocumentRef("invoice", "erp/I1"), DocumentRef("credit_limit", "erp/L1")),
            document_count=2,
        ),
    }
    return WarningDocument(**(values | fields))


class TestHash:
    def test_does_not_depend_on_order(self) -> None:
        assert hash_of([warning("C1"), warning("C2")]) == hash_of([warning("C2"), warning("C1")])

    @pytest.mark.parametrize(
        "fields",
        [
            {"handling": Handling(state="acknowledged", actor="li")},
            {"suppression": ("seeded",)},
            {"rule_version": 2},
            {"previous": "0197"},
            {"started_at": day(3).astimezone(timezone(timedelta(hours=8)))},
        ],
    )
    def test_what_people_did_and_what_the_clock_says_are_of_no_account(self, fields: dict[str, Any]) -> None:
        """INVARIANT: two systems with the same documents and horizon say the same, or comparing them proves nothing."""
        assert hash_of([warning(**fields)]) == hash_of([warning()])

    @pytest.mark.parametrize(
        "fields",
        [
            {"code": "churn"},
            {"root": party("C2")},
            {"scope": "USD"},
            {"started_at": day(4)},
            {"ended_at": day(9)},
            {"spans": (Span(day(3), "critical", {"debt": "1200.00"}),)},
            {"spans": (Span(day(3), "warning", {"debt": "1200.01"}),)},
            {"evidence": replace(warning().evidence, numbers={"debt": "1200.00", "limit": "1000.01"})},
            {"evidence": replace(warning().evidence, documents=(DocumentRef("invoice", "erp/I2"),))},
            {"evidence": replace(warning().evidence, document_count=3)},
        ],
    )
    def test_anything_a_warning_says_changes_it(self, fields: dict[str, Any]) -> None:
        assert hash_of([warning(**fields)]) != hash_of([warning()])


class TestCount:
    def test_is_by_rule_and_tier(self) -> None:
        found = [warning("C1"), warning("C2"), warning("C3", tier="critical"), warning("C4", code="churn")]
        assert count_of(found) == {"churn": {"warning": 1}, "credit_limit": {"critical": 1, "warning": 2}}


class TestWarningsOf:
    @pytest.fixture
    def platform(self, stage: Stage) -> Platform:
        """A platform on which the producer's database is that of the alerting service."""
        return Platform(
            settings=stage.settings,
            clock=stage.clock,
            ids=stage.ids,
            bus=stage.bus,
            databases={"alerting": stage.producer.database},
        )

    async def said(self, stage: Stage, platform: Platform, *warnings: WarningDocument) -> Sequence[WarningDocument]:
        async with stage.producer.database.unit_of_work() as unit:
            await DocumentStore("alerting").accept([draft(one) for one in warnings], unit)
        return await warnings_of([ALERTING], platform)

    async def test_are_those_that_say_something_about_documents(self, stage: Stage, platform: Platform) -> None:
        told = [warning("C1"), warning("C2", condition="resolved", ended_at=day(9))]
        silent = [
            warning("C3", condition="retracted", retraction="documents_changed"),
            warning("C4", suppression=("unjudged",)),
            warning("C5", live=False),
            warning("C6", code="system_source_late"),
        ]
        found = await self.said(stage, platform, *told, *silent)
        assert sorted(found, key=lambda one: one.natural_key) == told

    async def test_are_none_where_nobody_warns(self, stage: Stage, platform: Platform) -> None:
        await self.said(stage, platform, warning())
        assert await warnings_of([], platform) == []
