"""A rebuild of what alerting holds: nothing is judged on half of the documents, everybody is afterwards."""

from services.alerting.consumers import forget, on_completed
from shared.events import PARTITIONS
from shared.messaging import markers
from tests.support.alerting import Alerting
from tests.support.builders import day, invoice, limit, link, order, party, payment


async def begin(alerting: Alerting) -> None:
    """Empty what was made of events, as `forewarn rebuild` does."""
    async with alerting.context.database.unit_of_work() as unit:
        await markers.close("credit", range(PARTITIONS), unit.connection)
        await forget(unit)
        await unit.connection.execute("truncate held_document, party_source, beat")


async def end(alerting: Alerting) -> None:
    """Everything has come again."""
    async with alerting.context.database.unit_of_work() as unit:
        await unit.connection.execute("update marker set closed = false")
        await on_completed(unit, alerting.context)
    await alerting.judge_due()


class TestRebuild:
    async def test_ends_no_warning_that_is_true(self, alerting: Alerting) -> None:
        """INVARIANT: breaks when debt is judged before the invoices have come again: the warning would be resolved."""
        documents = [limit(amount=10_000), invoice(at=9, amount=11_000)]
        alerting.clock.at = day(10)
        await alerting.take(*documents)
        before = await alerting.only()
        await begin(alerting)
        await alerting.take(documents[0], revision=1)
        await alerting.run_jobs()
        assert await alerting.only() == before
        await alerting.take(documents[1], revision=1)
        await end(alerting)
        assert await alerting.only() == before
        assert [event.reason for event in await alerting.published()] == ["opened"]

    async def test_sees_what_came_meanwhile(self, alerting: Alerting) -> None:
        documents = [limit(amount=10_000), invoice(at=9, amount=11_000)]
        alerting.clock.at = day(10)
        await alerting.take(*documents)
        await begin(alerting)
        await alerting.take(*documents, revision=1)
        await alerting.take(payment(at=10, amount=5_000))
        assert (await alerting.only()).firing
        await end(alerting)
        assert (await alerting.only()).condition == "resolved"

    async def test_ends_what_no_document_says_any_more(self, alerting: Alerting) -> None:
        alerting.clock.at = day(10)
        await alerting.take(limit(amount=10_000), invoice(at=9, amount=11_000))
        await begin(alerting)
        await alerting.take(limit(amount=10_000), revision=1)
        await end(alerting)
        assert (await alerting.only(all_=True)).condition == "retracted"

    async def test_keeps_names_and_declared_history(self, alerting: Alerting) -> None:
        """INVARIANT: breaks when history imported during a rebuild is told as news, or of nobody's name."""
        alerting.clock.at = day(10)
        await begin(alerting)
        await alerting.take(limit(amount=10_000, backfill=True), invoice(at=9, amount=11_000, backfill=True))
        await end(alerting)
        held = await alerting.only()
        assert held.root.external_id == "C1"
        assert held.suppression

    async def test_judges_linked_customers_as_one(self, alerting: Alerting) -> None:
        alerting.clock.at = day(10)
        documents = [limit(amount=10_000), invoice("I1", "C2", at=9, amount=11_000), link("C1", "C2", at=1)]
        await begin(alerting)
        await alerting.take(*documents)
        await end(alerting)
        held = await alerting.only()
        assert {member.id for member in held.members} == {party("C1").id, party("C2").id}

    async def test_asks_for_nobody_twice(self, alerting: Alerting) -> None:
        """INVARIANT: breaks when a row that only asks for judging outlives it: the job would never come to rest."""
        alerting.clock.at = day(10)
        await begin(alerting)
        await alerting.take(order(at=1), order("O2", "C2", at=2))
        await end(alerting)
        assert await alerting.rows("select root from due where at <= $1", alerting.clock.now()) == []

    async def test_keeps_the_clock_from_judging(self, alerting: Alerting) -> None:
        """INVARIANT: breaks when a gate that closed by itself, because the log was trimmed, stops only the consumer."""
        alerting.clock.at = day(10)
        await alerting.take(limit(amount=100_000, valid_to=day(20)), invoice(at=9, amount=11_000))
        async with alerting.context.database.unit_of_work() as unit:
            await markers.close("credit", range(PARTITIONS), unit.connection)
        await alerting.pass_time(21)
        assert await alerting.warnings() == []
        await end(alerting)
        assert (await alerting.only()).firing
