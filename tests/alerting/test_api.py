"""Warnings over HTTP: what is shown of them, who sees them, and how people handle them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.alerting.service import SERVICE
from tests.support import builders as build
from tests.support.service import Served, served

NOW = datetime.now(UTC)


@pytest.fixture
async def alerting(database_dsn: str) -> AsyncIterator[Served]:
    async with served(SERVICE, database_dsn) as running:
        yield running


def invoice(number: str = "I1", customer: str = "C1", amount: int = 50_000) -> Any:
    at = NOW - timedelta(hours=3)
    return build.invoice(number, customer, amount=amount, issued_at=at, due=(NOW + timedelta(days=30)).date())


async def warned(alerting: Served, amount: int = 11_000, customer: str = "C1", **fields: Any) -> dict[str, Any]:
    """The warning about a debt against a limit of 100.00."""
    limit = build.limit("L" + customer, customer, amount=10_000, valid_from=NOW - timedelta(days=9))
    known = build.customer(customer, **fields)
    await alerting.take(known, limit, invoice("I" + customer, customer, amount))
    items = (await alerting.get("/v1/warnings")).json()["items"]
    found: dict[str, Any] = next(one for one in items if one["customer"]["external_id"] == customer)
    return found


class TestReadWarnings:
    async def test_a_warning_says_what_and_why_in_both_languages(self, alerting: Served) -> None:
        warning = await warned(alerting, company_name="百川商贸")
        assert (warning["code"], warning["tier"], warning["condition"]) == ("credit_limit", "warning", "firing")
        assert warning["evidence"]["numbers"]["debt"] == "110.00"
        assert {one["kind"] for one in warning["evidence"]["documents"]} == {"credit_limit", "invoice"}
        for said in warning["sentence"].values():
            assert "百川商贸" in said
            assert "110.00" in said
            assert "100.00" in said

    async def test_sales_see_warnings_about_their_own_customers_only(self, alerting: Served) -> None:
        """INVARIANT: a foreign customer's warning is not there: not in the list, not by its id, not its timeline."""
        mine, foreign = await warned(alerting, owner="chen"), await warned(alerting, customer="C2", owner="li")
        seen = await alerting.get("/v1/warnings", role="sales", subject="chen")
        assert [one["id"] for one in seen.json()["items"]] == [mine["id"]]
        for path in ("", "/timeline"):
            answer = await alerting.get(f"/v1/warnings/{foreign['id']}{path}", role="sales", subject="chen")
            assert answer.status_code == 404
        foreign_handling = await alerting.post(
            f"/v1/warnings/{foreign['id']}/acknowledge", {}, role="sales", subject="chen"
        )
        assert foreign_handling.status_code == 404

    @pytest.mark.parametrize(
        ("query", "count"),
        [("code=credit_limit", 2), ("code=churn", 0), ("tier=critical", 1), ("handling=acknowledged", 0)],
    )
    async def test_lists_are_filtered(self, alerting: Served, query: str, count: int) -> None:
        await warned(alerting)
        await warned(alerting, customer="C2", amount=99_000)
        assert len((await alerting.get(f"/v1/warnings?{query}")).json()["items"]) == count


class TestHandleWarning:
    async def test_from_acknowledged_to_closed_with_a_timeline(self, alerting: Served) -> None:
        warning = await warned(alerting)
        path = f"/v1/warnings/{warning['id']}"
        done = {"cause": "short_of_cash", "countermeasure": "payment_plan"}
        risk = (NOW + timedelta(days=30)).isoformat()
        for step, body in (
            ("acknowledge", {"note": "Seen"}),
            ("investigate", {}),
            ("counter", done),
            ("close", done | {"outcome": "confirmed", "accepted_risk_until": risk}),
        ):
            answer = await alerting.post(f"{path}/{step}", body, role="credit", subject="zhou")
            assert answer.status_code == 200, answer.text
        assert answer.json()["handling"]["state"] == "closed"
        timeline = (await alerting.get(f"{path}/timeline")).json()
        assert [one["handling"] for one in timeline] == [
            *("new", "acknowledged", "investigating", "countermeasure", "closed")
        ]
        assert [one["actor"] for one in timeline] == [None, *["zhou"] * 4]

    async def test_a_condition_that_is_true_is_closed_as_accepted_risk_only(self, alerting: Served) -> None:
        warning = await warned(alerting)
        body = {"cause": "habit", "countermeasure": "call", "outcome": "useful"}
        answer = await alerting.post(f"/v1/warnings/{warning['id']}/close", body, role="credit")
        assert (answer.status_code, answer.json()["code"]) == (409, "still_firing")

    async def test_closing_a_critical_one_needs_a_manager(self, alerting: Served) -> None:
        warning = await warned(alerting, amount=99_000)
        risk = (NOW + timedelta(days=30)).isoformat()
        body = {"cause": "habit", "countermeasure": "call", "outcome": "useful", "accepted_risk_until": risk}
        path = f"/v1/warnings/{warning['id']}/close"
        answers = [await alerting.post(path, body, role=role) for role in ("credit", "manager")]
        assert [answer.status_code for answer in answers] == [403, 200]

    async def test_a_revision_that_was_not_seen_is_not_handled(self, alerting: Served) -> None:
        warning = await warned(alerting)
        path = f"/v1/warnings/{warning['id']}/acknowledge"
        answers = [await alerting.post(path, {}, headers={"If-Match": tag}) for tag in ('"1.9"', '"1.1"')]
        assert [answer.status_code for answer in answers] == [412, 200]
        assert answers[1].headers["ETag"] == '"1.2"'

    @pytest.mark.parametrize("role", ["erp", "ops"])
    async def test_machines_handle_nothing(self, alerting: Served, role: str) -> None:
        warning = await warned(alerting)
        assert (await alerting.post(f"/v1/warnings/{warning['id']}/acknowledge", {}, role=role)).status_code == 403


class TestReadHorizon:
    async def test_says_why_absence_is_not_judged(self, alerting: Served) -> None:
        warning = await warned(alerting)
        found = (await alerting.get(f"/v1/customers/{warning['customer']['id']}/horizon")).json()
        assert {one["kind"]: one["held_back_by"][0]["code"] for one in found} == {
            "order": "no_source",
            "payment": "no_source",
        }

    async def test_a_foreign_customer_is_not_there(self, alerting: Served) -> None:
        warning = await warned(alerting, owner="li")
        path = f"/v1/customers/{warning['customer']['id']}/horizon"
        assert (await alerting.get(path, role="sales", subject="chen")).status_code == 404
