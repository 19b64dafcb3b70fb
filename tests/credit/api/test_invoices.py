"""What only invoices have: who pays, orders they bill, amendments and cancellation."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.credit.rows import invoice, sent
from tests.support import builders as build
from tests.support.service import Served

PATH = "/v1/invoices"


async def got(credit: Served, id_: str) -> dict[str, Any]:
    found: dict[str, Any] = (await credit.get(f"{PATH}/{id_}")).json()
    return found


class TestIssue:
    async def test_buyer_and_payer_both_hear_of_it(self, credit: Served) -> None:
        await sent(credit, PATH, invoice(bill_to={"external_id": "C2"}))
        assert {event.party for event in await credit.published()} == {build.party("C1").id, build.party("C2").id}

    async def test_orders_are_kept_as_named_each_once(self, credit: Served) -> None:
        id_ = await sent(credit, PATH, invoice(orders=["O2", "O1", "O2"]))
        assert (await got(credit, id_))["orders"] == ["O2", "O1"]

    async def test_bills_at_most_200_orders(self, credit: Served) -> None:
        most, more = [[f"O{number}" for number in range(count)] for count in (200, 201)]
        assert (await credit.post(PATH, invoice(orders=most))).status_code == 201
        answer = await credit.post(PATH, invoice("I2", orders=more))
        assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [("orders", "too_many_values")]

    async def test_due_before_its_day_of_issue_is_taken(self, credit: Served) -> None:
        assert (await credit.post(PATH, invoice(due="2026-02-01"))).status_code == 201

    @pytest.mark.parametrize(
        ("fields", "field", "code"),
        [
            ({"due": "2026-04-31"}, "due", "date_format"),
            ({"due": "2026-04-01T00:00:00Z"}, "due", "date_format"),
            ({"due": None}, "due", "date_format"),
            ({"orders": "O1"}, "orders", "list_expected"),
            ({"orders": [""]}, "orders.0", "required"),
            ({"bill_to": {}}, "bill_to", "customer_name"),
            ({"cancelled_at": "2026-03-05"}, "cancelled_at", "timezone_required"),
        ],
    )
    async def test_a_bad_field_is_named(self, credit: Served, fields: dict[str, Any], field: str, code: str) -> None:
        answer = await credit.post(PATH, invoice(**fields))
        assert answer.status_code == 422
        assert {(error["field"], error["code"]) for error in answer.json()["errors"]} == {(field, code)}

    async def test_its_source_may_cancel_it_later(self, credit: Served) -> None:
        id_ = await sent(credit, PATH, invoice(source_revision=1))
        cancelled = invoice(source_revision=2, cancelled_at="2026-03-05T10:00:00+08:00")
        assert (await credit.post(PATH, cancelled, role="erp")).json()["status"] == "amended"
        assert (await got(credit, id_))["cancelled_at"] == "2026-03-05T02:00:00Z"
        assert [event.reason for event in await credit.published()] == ["issued", "cancelled"]


class TestAmend:
    async def test_needs_the_revision_seen(self, credit: Served) -> None:
        path = f"{PATH}/{await sent(credit, PATH, invoice())}"
        change = {"amount": "90.50", "due": "2026-05-01"}
        without = await credit.send("PATCH", path, change, role="finance")
        stale = await credit.send("PATCH", path, change, role="finance", headers={"If-Match": '"1.2"'})
        seen = await credit.send("PATCH", path, change, role="finance", headers={"If-Match": '"1.1"'})
        assert [without.status_code, stale.status_code, seen.status_code] == [428, 412, 200]
        assert (seen.json()["amount"], seen.json()["due"], seen.headers["ETag"]) == ("90.50", "2026-05-01", '"1.2"')

    @pytest.mark.parametrize(("amount", "code"), [("5.5", "too_many_decimals"), ("-1", "amount_negative")])
    async def test_checks_the_amount_in_the_currency_of_the_invoice(
        self, credit: Served, amount: str, code: str
    ) -> None:
        id_ = await sent(credit, PATH, invoice(currency="JPY", amount="100"))
        answer = await credit.send("PATCH", f"{PATH}/{id_}", {"amount": amount}, headers={"If-Match": "*"})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)

    async def test_what_is_left_out_stays(self, credit: Served) -> None:
        id_ = await sent(credit, PATH, invoice())
        answer = await credit.send("PATCH", f"{PATH}/{id_}", {}, headers={"If-Match": "*"})
        assert (answer.json()["amount"], answer.json()["revision"]) == ("100.00", 1)

    async def test_is_over_when_it_is_cancelled(self, credit: Served) -> None:
        id_ = await sent(credit, PATH, invoice())
        await credit.post(f"{PATH}/{id_}/cancel", {})
        answer = await credit.send("PATCH", f"{PATH}/{id_}", {"amount": "5"}, headers={"If-Match": "*"})
        assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")


class TestCancel:
    async def test_the_first_time_stands(self, credit: Served) -> None:
        id_ = await sent(credit, PATH, invoice())
        for at in ("2026-03-10T00:00:00Z", "2026-03-11T00:00:00Z"):
            answer = await credit.post(f"{PATH}/{id_}/cancel", {"cancelled_at": at})
            assert (answer.json()["cancelled_at"], answer.json()["revision"]) == ("2026-03-10T00:00:00Z", 2)
        assert [event.reason for event in await credit.published()] == ["issued", "cancelled"]

    async def test_is_now_if_nobody_says_when(self, credit: Served) -> None:
        id_ = await sent(credit, PATH, invoice())
        answer = await credit.post(f"{PATH}/{id_}/cancel", {})
        assert datetime.fromisoformat(answer.json()["cancelled_at"]) <= datetime.now(UTC)

    async def test_next_week_is_refused(self, credit: Served) -> None:
        """INVARIANT: the first cancellation stands, so one dated ahead by mistake could never be put right."""
        id_ = await sent(credit, PATH, invoice())
        ahead = (datetime.now(UTC) + timedelta(days=7)).isoformat()
        answer = await credit.post(f"{PATH}/{id_}/cancel", {"cancelled_at": ahead})
        assert (answer.status_code, answer.json()["code"]) == (422, "date_in_future")
        assert answer.json()["errors"][0]["field"] == "cancelled_at"

    async def test_what_never_was_cannot_be_cancelled(self, credit: Served) -> None:
        id_ = await sent(credit, PATH, invoice())
        await credit.post(f"{PATH}/{id_}/retract", None)
        answer = await credit.post(f"{PATH}/{id_}/cancel", {})
        assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")
