"""What can be done with limits, invoices and payments, in units of work of their own."""

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from services.credit import use_cases
from services.credit.repository import documents
from shared.errors import NotFound
from shared.events import Document, Invoice
from shared.messaging.document_store import Outcome, Stored
from tests.support.builders import customer, day, drafts, invoice, limit, link, order, party, payment
from tests.support.service import Served

UTC = ZoneInfo("UTC")


async def accept(credit: Served, *found: Document) -> list[Stored]:
    """Documents as they are kept, in the order given."""
    async with credit.context.database.unit_of_work() as unit:
        results = await use_cases.accept_documents(drafts(found), unit)
    assert all(isinstance(result, Outcome) for result in results)
    return [result.stored for result in results if isinstance(result, Outcome)]


class TestAcceptDocuments:
    async def test_takes_all_kinds_in_one_list_and_answers_in_order(self, credit: Served) -> None:
        """INVARIANT: one writer serves all routes, so a flush holds whatever arrived meanwhile."""
        stored = await accept(credit, payment(), limit(), invoice(), payment("P2"))
        assert [one.document.natural_key for one in stored] == ["erp/P1", "erp/L1", "erp/I1", "erp/P2"]


class TestCancelInvoice:
    async def test_of_two_at_once_one_stands(self, credit: Served) -> None:
        """INVARIANT: decided under the row's lock; otherwise two cancellation times share one revision."""
        [stored] = await accept(credit, invoice())

        async def cancel(at: datetime) -> Stored:
            async with credit.context.database.unit_of_work() as unit:
                return await use_cases.cancel_invoice(stored.id, at, unit)

        found = await asyncio.gather(*(cancel(day(number)) for number in range(5)))
        assert {one.revision for one in found} == {2}
        assert len({one.document.cancelled_at for one in found if isinstance(one.document, Invoice)}) == 1

    async def test_does_not_find_a_payment(self, credit: Served) -> None:
        [stored] = await accept(credit, payment())
        with pytest.raises(NotFound):
            async with credit.context.database.unit_of_work() as unit:
                await use_cases.cancel_invoice(stored.id, day(1), unit)


class TestStandingOf:
    async def test_names_every_live_document_of_the_group_with_its_id(self, credit: Served) -> None:
        bill, mistake, _ = await accept(credit, invoice(), invoice("I2"), invoice("I3", "stranger"))
        async with credit.context.database.unit_of_work() as unit:
            await documents.retract("invoice", mistake.id, unit)
        await credit.take(order("O1", "OLD"), link("C1", "OLD"), order("O2", "stranger"))
        async with credit.context.database.unit_of_work() as unit:
            standing = await use_cases.standing_of(party("OLD").id, unit, as_of=day(1), zone=UTC)
        assert {one.natural_key for _, one in standing.documents} == {"erp/I1", "erp/O1"}
        assert bill.id in {id_ for id_, _ in standing.documents}
        assert (standing.root, standing.members) == (party("C1").id, frozenset({party("C1").id, party("OLD").id}))

    async def test_of_nobody_is_not_found(self, credit: Served) -> None:
        await credit.take(customer("C1"))
        async with credit.context.database.unit_of_work() as unit:
            assert (await use_cases.standing_of(party("C1").id, unit, as_of=day(1), zone=UTC)).accounts == []
            with pytest.raises(NotFound):
                await use_cases.standing_of(party("C2").id, unit, as_of=day(1), zone=UTC)
