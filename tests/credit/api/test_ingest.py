"""What limits, invoices and payments have in common: how they come in, once, and who sees them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.credit import rows
from tests.credit.rows import UNKNOWN, sent
from tests.support import builders as build
from tests.support.service import Served


@dataclass(frozen=True)
class Kind:
    """One kind of document as clients see it."""

    path: str
    row: Callable[..., dict[str, Any]]
    time: str


INVOICES = Kind("/v1/invoices", rows.invoice, "issued_at")
PAYMENTS = Kind("/v1/payments", rows.payment, "received_at")
LIMITS = Kind("/v1/credit-limits", rows.limit, "valid_from")


@pytest.fixture(params=[INVOICES, PAYMENTS, LIMITS], ids=lambda kind: kind.path.rpartition("/")[2])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


class TestOne:
    async def test_is_accepted_once(self, credit: Served, kind: Kind) -> None:
        first, second = [await credit.post(kind.path, kind.row(), role="erp") for _ in range(2)]
        assert (first.status_code, first.json()["status"]) == (201, "accepted")
        assert (second.status_code, second.json()["status"]) == (200, "duplicate")
        assert first.json()["id"] == second.json()["id"]
        assert first.headers["ETag"] == '"1.1"'
        assert len(await credit.published()) == 1

    async def test_with_other_content_is_a_conflict(self, credit: Served, kind: Kind) -> None:
        await sent(credit, kind.path, kind.row())
        answer = await credit.post(kind.path, kind.row(amount="100.01"))
        assert (answer.status_code, answer.json()["code"]) == (409, "document_differs")

    async def test_sent_again_is_ordered_by_its_source_revision(self, credit: Served, kind: Kind) -> None:
        await sent(credit, kind.path, kind.row(source_revision=2))
        statuses = [
            (await credit.post(kind.path, kind.row(source_revision=revision, amount=amount))).json()["status"]
            for revision, amount in ((1, "7.00"), (2, "100.00"), (3, "8.00"))
        ]
        assert statuses == ["superseded", "duplicate", "amended"]

    async def test_of_another_source_is_another_one(self, credit: Served, kind: Kind) -> None:
        first, second = await sent(credit, kind.path, kind.row()), await sent(credit, kind.path, kind.row(source="b"))
        assert first != second

    async def test_dry_run_keeps_nothing(self, credit: Served, kind: Kind) -> None:
        answer = await credit.post(f"{kind.path}?dry_run=true", kind.row())
        assert (answer.status_code, answer.json()["status"]) == (201, "accepted")
        assert (await credit.get(kind.path)).json()["items"] == []
        assert await credit.published() == []

    async def test_declared_history_is_marked(self, credit: Served, kind: Kind) -> None:
        await credit.post(kind.path, kind.row(), headers={"Forewarn-Backfill": "true"})
        [event] = await credit.published()
        assert b'"backfill":true' in event.data

    async def test_names_its_customer_by_an_id_somebody_has(self, credit: Served, kind: Kind) -> None:
        await credit.take(build.customer("C7"))
        known = await credit.post(kind.path, kind.row(customer={"id": str(build.party("C7").id)}))
        unknown = await credit.post(kind.path, kind.row("X2", customer={"id": UNKNOWN}))
        assert (known.status_code, unknown.status_code) == (201, 422)
        assert unknown.json()["code"] == "unknown_customer"

    async def test_bad_fields_are_named(self, credit: Served, kind: Kind) -> None:
        bad = {
            "amount": ("1.005", "too_many_decimals"),
            "currency": ("RMB", "currency_code"),
            kind.time: ("2026-03-01T09:30:00", "timezone_required"),
            "customer": ({}, "customer_name"),
            "source": ("a/b", "pattern"),
            "sauce": ("x", "unknown_field"),
        }
        for field, (value, code) in bad.items():
            answer = await credit.post(kind.path, kind.row(**{field: value}))
            errors = {(error["field"], error["code"]) for error in answer.json()["errors"]}
            assert (answer.status_code, errors) == (422, {(field, code)}), field
        negative = await credit.post(kind.path, kind.row(amount="-0.01"))
        assert negative.json()["errors"][0]["code"] == "amount_negative"
        assert (await credit.get(kind.path)).json()["items"] == []

    async def test_amount_of_nothing_is_no_obstacle(self, credit: Served, kind: Kind) -> None:
        assert (await credit.post(kind.path, kind.row(amount="0.00"))).status_code == 201

    async def test_retracted_stays_as_what_never_was(self, credit: Served, kind: Kind) -> None:
        id_ = await sent(credit, kind.path, kind.row())
        answers = [await credit.post(f"{kind.path}/{id_}/retract", None) for _ in range(2)]
        assert [(answer.json()["live"], answer.json()["revision"]) for answer in answers] == [(False, 2)] * 2
        assert (await credit.get(f"{kind.path}/{id_}")).json()["live"] is False
        assert [event.reason for event in await credit.published()][1:] == ["retracted"]

    async def test_unknown_id_is_not_found(self, credit: Served, kind: Kind) -> None:
        answers = [
            await credit.get(f"{kind.path}/{UNKNOWN}"),
            await credit.post(f"{kind.path}/{UNKNOWN}/retract", None),
        ]
        assert [answer.status_code for answer in answers] == [404, 404]


class TestMany:
    async def test_each_row_is_answered_and_a_bad_one_costs_only_itself(self, credit: Served, kind: Kind) -> None:
        sent_rows = [kind.row("A"), kind.row("B", amount="x"), kind.row("A"), kind.row("C"), 7]
        answer = (await credit.post(f"{kind.path}/bulk", sent_rows, role="erp")).json()
        assert [row["status"] for row in answer["results"]] == [
            "accepted",
            "refused",
            "duplicate",
            "accepted",
            "refused",
        ]
        assert answer["results"][1]["code"] == "amount_format"
        assert answer["counts"] == {"accepted": 2, "refused": 2, "duplicate": 1}

    async def test_lines_of_json_are_taken_alike(self, credit: Served, kind: Kind) -> None:
        lines = "\n".join(json.dumps(kind.row(number)) for number in ("A", "B"))
        headers = credit.caller("erp") | {"Content-Type": "application/x-ndjson"}
        answer = await credit.http.post(f"{kind.path}/bulk", content=lines, headers=headers)
        assert answer.json()["counts"] == {"accepted": 2}

    async def test_single_and_in_bulk_is_one(self, credit: Served, kind: Kind) -> None:
        await sent(credit, kind.path, kind.row())
        answer = await credit.post(f"{kind.path}/bulk", [kind.row()])
        assert answer.json()["counts"] == {"duplicate": 1}

    async def test_dry_run_keeps_nothing(self, credit: Served, kind: Kind) -> None:
        answer = await credit.post(f"{kind.path}/bulk?dry_run=true", [kind.row("A"), kind.row("B")])
        assert answer.json()["counts"] == {"accepted": 2}
        assert (await credit.get(kind.path)).json()["items"] == []


class TestFuture:
    @pytest.mark.parametrize("kind", [INVOICES, PAYMENTS], ids=["invoices", "payments"])
    async def test_facts_of_next_week_are_refused(self, credit: Served, kind: Kind) -> None:
        """INVARIANT: a mistyped year would hide a debt or a payment until then."""
        ahead = (datetime.now(UTC) + timedelta(days=7)).isoformat()
        answer = await credit.post(kind.path, kind.row(**{kind.time: ahead}))
        assert (answer.status_code, answer.json()["code"]) == (422, "date_in_future")

    async def test_a_limit_may_be_decided_for_a_time_to_come(self, credit: Served) -> None:
        assert (await credit.post("/v1/credit-limits", rows.limit(valid_from="2099-01-01T00:00:00Z"))).is_success


class TestRoles:
    @pytest.mark.parametrize("role", ["sales", "manager", "finance", "credit", "service_desk", "ops"])
    async def test_only_machines_and_admins_push_facts(self, credit: Served, role: str) -> None:
        for kind in (INVOICES, PAYMENTS):
            for path, body in ((kind.path, kind.row()), (f"{kind.path}/bulk", [kind.row()])):
                assert (await credit.post(path, body, role=role)).status_code == 403

    @pytest.mark.parametrize("role", ["sales", "manager", "finance", "service_desk", "ops"])
    async def test_sales_never_decide_credit(self, credit: Served, role: str) -> None:
        """INVARIANT: who lives by selling does not say how much a customer may owe (DOMAIN section 5)."""
        id_ = await sent(credit, LIMITS.path, rows.limit())
        tried = [
            await credit.post(LIMITS.path, rows.limit("L2"), role=role),
            await credit.post(f"{LIMITS.path}/bulk", [rows.limit("L2")], role=role),
            await credit.post(f"{LIMITS.path}/{id_}/retract", None, role=role),
        ]
        assert [answer.status_code for answer in tried] == [403, 403, 403]

    @pytest.mark.parametrize("role", ["erp", "credit", "admin"])
    async def test_limits_are_set_by_credit_controllers_and_systems(self, credit: Served, role: str) -> None:
        assert (await credit.post(LIMITS.path, rows.limit(), role=role)).status_code == 201

    @pytest.mark.parametrize("role", ["erp", "credit", "sales", "manager"])
    async def test_only_finance_undoes_invoices_and_payments(self, credit: Served, role: str) -> None:
        bill, money = (
            await sent(credit, INVOICES.path, rows.invoice()),
            await sent(credit, PAYMENTS.path, rows.payment()),
        )
        for path in (f"invoices/{bill}/cancel", f"payments/{money}/reverse"):
            assert (await credit.post(f"/v1/{path}", {}, role=role)).status_code == 403
            assert (await credit.post(f"/v1/{path}", {}, role="finance")).status_code == 200
        for path in (f"invoices/{bill}/retract", f"payments/{money}/retract"):
            assert (await credit.post(f"/v1/{path}", None, role=role)).status_code == 403
            assert (await credit.post(f"/v1/{path}", None, role="finance")).status_code == 200
        change = await credit.send("PATCH", f"/v1/invoices/{bill}", {}, role=role, headers={"If-Match": "*"})
        assert change.status_code == 403

    async def test_nothing_is_open_to_strangers(self, credit: Served, kind: Kind) -> None:
        for path in (kind.path, f"{kind.path}/{UNKNOWN}", f"/v1/customers/{UNKNOWN}/receivables"):
            assert (await credit.http.get(path)).status_code == 401


class TestRead:
    async def test_pages_go_on_where_the_last_one_ended(self, credit: Served, kind: Kind) -> None:
        await credit.post(f"{kind.path}/bulk", [kind.row(f"N{number}") for number in range(5)])
        seen, cursor = [], ""
        while True:
            page = (await credit.get(f"{kind.path}?limit=2{cursor}")).json()
            seen += [item["number"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert seen == ["N4", "N3", "N2", "N1", "N0"]

    async def test_names_stand_in_the_list(self, credit: Served, kind: Kind) -> None:
        await credit.take(build.customer("C1", company_name="百川商贸"))
        id_ = await sent(credit, kind.path, kind.row())
        [item] = (await credit.get(kind.path)).json()["items"]
        assert item == (await credit.get(f"{kind.path}/{id_}")).json()
        assert item["customer"]["company_name"] == "百川商贸"

    async def test_one_customer_can_be_asked_for(self, credit: Served, kind: Kind) -> None:
        await sent(credit, kind.path, kind.row("A", "C1"))
        await sent(credit, kind.path, kind.row("B", "C2"))
        page = (await credit.get(f"{kind.path}?customer={build.party('C2').id}")).json()
        assert [item["number"] for item in page["items"]] == ["B"]

    async def test_the_one_that_evidence_names_can_be_asked_for(self, credit: Served, kind: Kind) -> None:
        for number in ("A", "B"):
            await sent(credit, kind.path, kind.row(number))
        page = (await credit.get(f"{kind.path}?key=erp/B")).json()
        assert ([item["number"] for item in page["items"]], page["next_cursor"]) == (["B"], None)
        assert (await credit.get(f"{kind.path}?key=shop/B")).json()["items"] == []

    async def test_a_key_opens_no_foreign_document(self, credit: Served, kind: Kind) -> None:
        await credit.take(build.customer("C1", owner="chen"))
        await sent(credit, kind.path, kind.row("A", "C1"))
        found = [await credit.get(f"{kind.path}?key=erp/A", role="sales", subject=who) for who in ("chen", "li")]
        assert [len(answer.json()["items"]) for answer in found] == [1, 0]

    async def test_sales_see_only_their_own_customers(self, credit: Served, kind: Kind) -> None:
        """INVARIANT: a foreign customer's document is not there: not in lists, not by its id."""
        await credit.take(build.customer("C1", owner="chen"), build.customer("C2", owner="li"))
        mine, foreign = [await sent(credit, kind.path, kind.row(f"N-{who}", who)) for who in ("C1", "C2")]
        listed = await credit.get(kind.path, role="sales", subject="chen")
        assert [item["id"] for item in listed.json()["items"]] == [mine]
        answers = [await credit.get(f"{kind.path}/{id_}", role="sales", subject="chen") for id_ in (mine, foreign)]
        assert [answer.status_code for answer in answers] == [200, 404]

    async def test_an_owner_sees_what_is_linked_to_his_customer(self, credit: Served, kind: Kind) -> None:
        await credit.take(build.customer("C1", owner="chen"), build.link("C1", "OLD-1"))
        id_ = await sent(credit, kind.path, kind.row(customer={"external_id": "OLD-1"}))
        assert (await credit.get(f"{kind.path}/{id_}", role="sales", subject="chen")).status_code == 200


class TestSources:
    @pytest.mark.parametrize("of", ["invoice", "payment"])
    async def test_the_first_document_registers_its_source(self, credit: Served, of: str) -> None:
        await sent(credit, f"/v1/{of}s", rows.invoice() if of == "invoice" else rows.payment())
        answer = await credit.post(f"/v1/sources/erp/{of}/beats", {"complete_until": "2026-03-02T00:00:00Z"})
        assert answer.json()["complete_until"] == "2026-03-02T00:00:00Z"
        other = "payment" if of == "invoice" else "invoice"
        missing = await credit.post(f"/v1/sources/erp/{other}/beats", {"complete_until": "2026-03-02T00:00:00Z"})
        assert missing.status_code == 404

    async def test_limits_come_from_no_source_that_beats(self, credit: Served) -> None:
        await sent(credit, LIMITS.path, rows.limit())
        pool = await credit.context.database.pool()
        assert await pool.fetchval("select count(*) from document where kind = 'beat'") == 0
