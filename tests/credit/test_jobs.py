"""What time causes in the credit service."""

from tests.credit.rows import invoice, payment, sent
from tests.support.service import Served


async def complete_until(credit: Served, of: str) -> str | None:
    declared = {"coverage": "all", "rhythm_hours": None}
    until: str | None = (await credit.send("PUT", f"/v1/sources/erp/{of}", declared)).json()["complete_until"]
    return until


class TestBeat:
    async def test_sources_without_a_rhythm_are_complete_up_to_their_last_documents(self, credit: Served) -> None:
        """INVARIANT: without it nobody of a source that never beats is ever found overdue."""
        await sent(credit, "/v1/invoices", invoice(issued_at="2026-03-02T00:00:00Z"))
        await sent(credit, "/v1/payments", payment(received_at="2026-03-09T00:00:00Z"))
        assert [await complete_until(credit, of) for of in ("invoice", "payment")] == [None, None]
        [job] = credit.service.jobs
        await job.run(credit.context)
        found = [await complete_until(credit, of) for of in ("invoice", "payment")]
        assert found == ["2026-03-05T00:00:00Z", "2026-03-12T00:00:00Z"]
