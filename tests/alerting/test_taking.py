"""Documents in, warnings out: what a batch changes, in whichever order it comes."""

from msgspec.structs import replace

from services.alerting.consumers import on_events
from services.alerting.domain import Acknowledge, Close
from shared.database.wakeup import JOBS
from shared.events import Beat
from tests.support.alerting import Alerting
from tests.support.builders import customer, day, invoice, limit, link, order, party, payment


async def with_limit(alerting: Alerting, number: float = 10) -> None:
    """A customer who may owe 100.00, on this day."""
    alerting.clock.at = day(number)
    await alerting.take(limit(amount=10_000))


class TestDocuments:
    async def test_debt_above_the_limit_opens_a_warning_that_payment_resolves(self, alerting: Alerting) -> None:
        await with_limit(alerting)
        await alerting.take(invoice(at=9, amount=11_000))
        assert (await alerting.only()).firing
        await alerting.take(payment(at=10, amount=5_000))
        assert (await alerting.only()).condition == "resolved"
        assert [event.reason for event in await alerting.published()] == ["opened", "resolved"]

    async def test_a_late_document_moves_the_start_and_keeps_id_and_acknowledgement(self, alerting: Alerting) -> None:
        """INVARIANT: what people did stays with the warning when late documents move it.

        Known by its start, a warning would be lost and told again with every late document.
        """
        await with_limit(alerting)
        late = invoice("I2", at=9, amount=1_000)
        await alerting.take(invoice("I1", at=7, amount=9_500), late)
        before = await alerting.only()
        await alerting.do(before.id, Acknowledge(actor="u1"))
        await alerting.take(replace(late, issued_at=day(8)))
        after = await alerting.only()
        assert (after.id, after.handling.state, after.episode.started) == (before.id, "acknowledged", day(8))

    async def test_a_corrected_amount_takes_the_warning_back(self, alerting: Alerting) -> None:
        await with_limit(alerting)
        wrong = invoice(at=9, amount=110_000)
        await alerting.take(wrong)
        await alerting.take(replace(wrong, amount=1_000))
        held = await alerting.only(all_=True)
        assert (held.condition, held.retraction) == ("retracted", "documents_changed")
        assert [event.reason for event in await alerting.published()] == ["opened", "retracted"]

    async def test_an_undoing_after_the_head_is_seen(self, alerting: Alerting) -> None:
        """INVARIANT: facts are loaded by their own instant, not by that of their document.

        An invoice issued before the checkpoint and cancelled behind it would go on being owed.
        """
        await with_limit(alerting)
        await alerting.take(invoice("I1", at=1, amount=11_000, due=day(90).date()), invoice("I2", at=2, amount=100))
        await settle(alerting)
        await alerting.take(invoice("I1", at=1, amount=11_000, due=day(90).date(), cancelled_at=day(9.5)))
        assert (await alerting.only()).condition == "resolved"

    async def test_a_payment_goes_to_an_invoice_paid_long_ago_no_more(self, alerting: Alerting) -> None:
        """INVARIANT: invoices which payments name are looked up. Else money for a paid one counts as reserved."""
        await with_limit(alerting)
        await alerting.take(invoice("I1", at=1, amount=100), payment("P1", at=2, amount=100, invoice="I1"))
        await settle(alerting)
        await alerting.take(invoice("I2", at=9.5, amount=11_000), payment("P2", at=9.6, amount=500, invoice="I1"))
        numbers = (await alerting.only()).episode.proof.evidence.numbers
        assert (numbers["debt"], numbers["open"], numbers["unapplied"]) == ("105.00", "105.00", "0.00")

    async def test_a_raise_drops_the_acknowledgement(self, alerting: Alerting) -> None:
        await with_limit(alerting)
        await alerting.take(invoice("I1", at=8, amount=10_500))
        held = await alerting.only()
        await alerting.do(held.id, Acknowledge(actor="u1"))
        await alerting.take(invoice("I2", at=9, amount=5_000))
        after = await alerting.only()
        assert (after.id, after.handling.state, after.episode.level) == (held.id, "new", 2)

    async def test_a_retracted_payment_reopens_the_same_warning(self, alerting: Alerting) -> None:
        await with_limit(alerting)
        money = payment(at=9, amount=5_000)
        await alerting.take(invoice(at=8, amount=11_000), money)
        held = await alerting.only()
        close = Close(actor="u1", cause="habit", countermeasure="call", outcome="useful")
        await alerting.do(held.id, close)
        await alerting.take(replace(money, live=False))
        after = await alerting.only()
        assert (after.id, after.condition, after.handling.state) == (held.id, "firing", "new")
        assert (await alerting.published())[-1].reason == "reopened"

    async def test_a_later_episode_is_a_new_warning_that_names_the_last(self, alerting: Alerting) -> None:
        await with_limit(alerting)
        await alerting.take(invoice("I1", at=1, amount=11_000), payment("P1", at=2, amount=11_000))
        await settle(alerting)
        await alerting.take(invoice("I2", at=9.5, amount=12_000))
        first, second = await alerting.warnings()
        assert (first.condition, second.condition, second.previous) == ("resolved", "firing", first.id)

    async def test_the_same_batch_again_changes_nothing(self, alerting: Alerting) -> None:
        """INVARIANT: redelivery changes no row and publishes nothing."""
        await with_limit(alerting)
        events = alerting.events(invoice(at=8, amount=11_000), payment(at=9, amount=100), order(at=7))
        await alerting.handle(events)
        before = await everything(alerting)
        await alerting.handle(events)
        assert await everything(alerting) == before

    async def test_a_beat_in_the_batch_wakes_the_jobs(self, alerting: Alerting) -> None:
        beat = Beat(source="erp", of="order", activated_at=day(0))
        for documents, woken in (((order(),), False), ((order("O2"), beat), True)):
            async with alerting.context.database.unit_of_work() as unit:
                await on_events(alerting.events(*documents), unit, alerting.context)
                assert (JOBS in unit.channels) is woken


class TestHistory:
    async def test_what_backfill_opens_is_seeded(self, alerting: Alerting) -> None:
        await with_limit(alerting)
        await alerting.take(invoice(at=9, amount=11_000, backfill=True))
        assert (await alerting.only()).suppression == ("seeded",)

    async def test_a_live_rise_after_backfill_is_not(self, alerting: Alerting) -> None:
        await with_limit(alerting)
        await alerting.take(invoice("I1", at=8, amount=11_000, backfill=True))
        await alerting.take(invoice("I2", at=9.5, amount=5_000))
        assert (await alerting.only()).suppression == ()

    async def test_silence_within_imported_history_is_seeded(self, alerting: Alerting) -> None:
        await with_limit(alerting, 1)
        alerting.clock.at = day(80)
        await alerting.take(*[order(f"O{n}", at=n, backfill=True) for n in range(3)])
        await alerting.beat(79)
        assert (await alerting.only()).suppression == ("seeded",)

    async def test_silence_after_it_is_pushed(self, alerting: Alerting) -> None:
        alerting.clock.at = day(10)
        await alerting.take(*[order(f"O{n}", at=n, backfill=True) for n in range(3)])
        await alerting.pass_time(80)
        await alerting.beat(79)
        assert (await alerting.only()).suppression == ()

    async def test_silence_before_the_first_evaluation_is_seeded(self, alerting: Alerting) -> None:
        alerting.clock.at = day(80)
        await alerting.take(*[order(f"O{n}", at=n) for n in range(3)])
        await alerting.beat(79)
        assert (await alerting.only()).suppression == ("seeded",)

    async def test_a_document_known_late_is_history_also_after_an_amendment(self, alerting: Alerting) -> None:
        await with_limit(alerting)
        await alerting.take(invoice(at=5, amount=11_000))
        assert (await alerting.only()).suppression == ("history",)

    async def test_an_amendment_does_not_make_a_document_late(self, alerting: Alerting) -> None:
        """INVARIANT: a document is as old as when it first became known, whichever revision is held."""
        await with_limit(alerting, 5)
        await alerting.take(invoice(at=5, amount=11_000))
        alerting.clock.at = day(20)
        await alerting.take(invoice(at=5, amount=11_100))
        assert (await alerting.only()).suppression == ()


class TestLinks:
    async def test_linked_customers_are_judged_as_one(self, alerting: Alerting) -> None:
        await with_limit(alerting)
        await alerting.take(invoice("I1", "C1", 8, 6_000), invoice("I2", "C2", 9, 6_000))
        assert [one.root.external_id for one in await alerting.warnings()] == ["C2"]
        await alerting.take(link("C1", "C2"))
        held = await alerting.only()
        assert (held.root, {member.external_id for member in held.members}) == (party("C1"), {"C1", "C2"})
        assert held.episode.proof.evidence.numbers["debt"] == "120.00"

    async def test_an_unlink_gives_everyone_his_own_back(self, alerting: Alerting) -> None:
        await with_limit(alerting)
        tie = link("C1", "C2")
        await alerting.take(tie, invoice("I1", "C1", 8, 6_000), invoice("I2", "C2", 9, 6_000))
        held = await alerting.only()
        await alerting.take(replace(tie, live=False))
        after = await alerting.only()
        assert (after.id, after.root, after.members) == (held.id, party("C2"), (party("C2"),))
        assert [row["party"] for row in await alerting.rows("select party from warning_member")] == [party("C2").id]

    async def test_nothing_stays_under_the_id_of_an_absorbed_customer(self, alerting: Alerting) -> None:
        """INVARIANT: a checkpoint from before a link would look valid after its end, blind to what came meanwhile."""
        await with_limit(alerting)
        await alerting.take(invoice("I2", "C2", 9, 6_000), *[order(f"O{n}", "C2", n) for n in range(3)])
        await alerting.take(link("C1", "C2"))
        rows = await alerting.rows("select data from state where party = $1", party("C2").id)
        assert [row["data"] for row in rows] == [None]
        assert await alerting.rows("select from due where root = $1", party("C2").id) == []

    async def test_a_link_and_its_documents_in_one_batch(self, alerting: Alerting) -> None:
        await with_limit(alerting)
        await alerting.take(invoice("I2", "C2", 9, 9_000), link("C1", "C2"), invoice("I1", "C1", 8, 6_000))
        assert (await alerting.only()).root == party("C1")


class TestNames:
    async def test_a_customer_known_by_our_id_alone_gets_his_name_when_it_comes(self, alerting: Alerting) -> None:
        """INVARIANT: whose warning it is does not depend on whether his registration came first."""
        alerting.clock.at = day(10)
        nameless = replace(party(), source=None, external_id=None)
        await alerting.take(invoice(at=9, amount=11_000, party=nameless))
        assert (await alerting.only()).root == nameless
        await alerting.take(customer())
        assert (await alerting.only()).root == party()


async def settle(alerting: Alerting) -> None:
    """Nine days are complete and judged: what comes now is folded on top of a checkpoint."""
    await alerting.beat(9)
    await alerting.take(order("O9", at=9.1))
    [row] = await alerting.rows("select order_day, payment_day from state")
    assert set(row) == {day(8).date()}


async def everything(alerting: Alerting) -> list[list[tuple[object, ...]]]:
    """Every row this service wrote."""
    tables = ("held_document", "state", "due", "warning", "warning_member", "transition", "document", "outbox")
    return [[tuple(row) for row in await alerting.rows(f"select * from {table} order by 1, 2")] for table in tables]
