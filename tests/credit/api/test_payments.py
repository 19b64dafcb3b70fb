"""What only payments have: the invoice they name, and the bank that takes them back."""

from datetime import UTC, datetime, timedelta

from tests.credit.rows import payment, sent
from tests.support.service import Served

PATH = "/v1/payments"


class TestReceive:
    async def test_may_name_an_invoice_that_is_not_there_yet(self, credit: Served) -> None:
        id_ = await sent(credit, PATH, payment(invoice="I-9"))
        assert (await credit.get(f"{PATH}/{id_}")).json()["invoice"] == "I-9"

    async def test_its_source_may_say_later_that_it_bounced(self, credit: Served) -> None:
        id_ = await sent(credit, PATH, payment(source_revision=1))
        bounced = payment(source_revision=2, reversed_at="2026-03-25T10:00:00+08:00")
        assert (await credit.post(PATH, bounced, role="erp")).json()["status"] == "amended"
        assert (await credit.get(f"{PATH}/{id_}")).json()["reversed_at"] == "2026-03-25T02:00:00Z"
        assert [event.reason for event in await credit.published()] == ["received", "reversed"]


class TestReverse:
    async def test_the_first_time_stands(self, credit: Served) -> None:
        id_ = await sent(credit, PATH, payment())
        for at in ("2026-03-25T00:00:00Z", "2026-03-26T00:00:00Z"):
            answer = await credit.post(f"{PATH}/{id_}/reverse", {"reversed_at": at})
            assert (answer.json()["reversed_at"], answer.json()["revision"]) == ("2026-03-25T00:00:00Z", 2)
        assert [event.reason for event in await credit.published()] == ["received", "reversed"]

    async def test_next_week_is_refused(self, credit: Served) -> None:
        """INVARIANT: the first reversal stands, so one dated ahead by mistake could never be put right."""
        id_ = await sent(credit, PATH, payment())
        ahead = (datetime.now(UTC) + timedelta(days=7)).isoformat()
        answer = await credit.post(f"{PATH}/{id_}/reverse", {"reversed_at": ahead})
        assert (answer.status_code, answer.json()["code"]) == (422, "date_in_future")

    async def test_what_never_came_cannot_bounce(self, credit: Served) -> None:
        id_ = await sent(credit, PATH, payment())
        await credit.post(f"{PATH}/{id_}/retract", None)
        answer = await credit.post(f"{PATH}/{id_}/reverse", {})
        assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")
