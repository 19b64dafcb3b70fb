"""What people do with warnings, as it is stored, published and remembered."""

from uuid import UUID

import pytest

from services.alerting import use_cases
from services.alerting.domain import Acknowledge, Close, HeldWarning, Investigate
from services.alerting.repository import transitions
from shared.errors import Conflict, NotFound
from shared.events.alerting import Warning as WarningDocument
from shared.messaging.document_store import Stored
from shared.messaging.projection import decode
from tests.support.alerting import Alerting
from tests.support.builders import day, invoice, limit, payment


@pytest.fixture
async def held(alerting: Alerting) -> HeldWarning:
    """A warning that fires, on day 10."""
    alerting.clock.at = day(10)
    await alerting.take(limit(amount=10_000), invoice(at=9, amount=11_000))
    return await alerting.only()


class TestHandleWarning:
    async def test_is_stored_published_and_remembered(self, alerting: Alerting, held: HeldWarning) -> None:
        stored = await alerting.do(held.id, Investigate(actor="u1", note="calling"))
        assert (stored.revision, stored.reason) == (2, "handled")
        last = (await alerting.published())[-1]
        document = decode(last.kind, last.data)
        assert isinstance(document, WarningDocument)
        assert (document.handling.state, document.handling.note) == ("investigating", "calling")
        async with alerting.context.database.unit_of_work() as unit:
            said = await transitions(held.id, unit.connection)
        assert [(one.reason, one.actor, one.handling) for one in said] == [
            ("opened", None, "new"),
            ("handled", "u1", "investigating"),
        ]

    async def test_what_is_refused_changes_nothing(self, alerting: Alerting, held: HeldWarning) -> None:
        with pytest.raises(Conflict) as refused:
            await alerting.do(held.id, Close(actor="u1", cause="a", countermeasure="b", outcome="useful"))
        assert refused.value.code == "still_firing"
        assert len(await alerting.published()) == 1

    async def test_an_unknown_warning(self, alerting: Alerting) -> None:
        with pytest.raises(NotFound) as refused:
            await alerting.do(UUID(int=7), Investigate(actor="u1"))
        assert refused.value.code == "warning_not_found"

    async def test_a_revision_the_caller_has_not_seen_is_checked_under_the_lock(
        self, alerting: Alerting, held: HeldWarning
    ) -> None:
        def check(stored: Stored) -> None:
            raise Conflict("stale", str(stored.revision))

        async with alerting.context.database.unit_of_work() as unit:
            with pytest.raises(Conflict):
                await use_cases.handle_warning(held.id, Investigate(actor="u1"), unit, check)
        assert (await alerting.only()).handling.state == "new"


class TestTimeline:
    async def test_keeps_what_was_said_then(self, alerting: Alerting, held: HeldWarning) -> None:
        await alerting.take(payment(at=10, amount=5_000))
        async with alerting.context.database.unit_of_work() as unit:
            said = await transitions(held.id, unit.connection)
        assert [(one.reason, one.condition, one.numbers["debt"]) for one in said] == [
            ("opened", "firing", "110.00"),
            ("resolved", "resolved", "60.00"),
        ]

    async def test_leaves_out_silent_corrections_of_figures(self, alerting: Alerting, held: HeldWarning) -> None:
        await alerting.take(invoice("I2", at=9.5, amount=100))
        assert [event.reason for event in await alerting.published()] == ["opened", "corrected"]
        async with alerting.context.database.unit_of_work() as unit:
            assert len(await transitions(held.id, unit.connection)) == 1

    async def test_who_acknowledged_twice_is_there_twice(self, alerting: Alerting, held: HeldWarning) -> None:
        await alerting.do(held.id, Acknowledge(actor="u1", until=day(11)))
        await alerting.do(held.id, Acknowledge(actor="u2", until=day(12)))
        async with alerting.context.database.unit_of_work() as unit:
            said = await transitions(held.id, unit.connection)
        assert [one.actor for one in said] == [None, "u1", "u2"]
