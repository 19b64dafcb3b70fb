"""Orders and returns over HTTP, on a real database."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.events import Order
from tests.support import builders as build
from tests.support.service import Served

UNKNOWN = "018f3c6e-7a4b-7c3d-8e9f-0a1b2c3d4e5f"


def order(number: str = "SO-1", **fields: Any) -> dict[str, Any]:
    base = {"source": "erp", "customer": {"external_id": "C1"}, "currency": "CNY", "amount": "100.00"}
    return base | {"number": number, "placed_at": "2026-03-01T09:30:00+08:00"} | fields


def returned(number: str = "RT-1", **fields: Any) -> dict[str, Any]:
    base = {"source": "erp", "customer": {"external_id": "C1"}, "currency": "CNY", "amount": "10.00"}
    return base | {"number": number, "returned_at": "2026-03-02T09:30:00+08:00"} | fields


async def placed(orders: Served, **fields: Any) -> str:
    answer = await orders.post("/v1/orders", order(**fields))
    assert answer.status_code == 201
    return str(answer.json()["id"])


class TestPlaceOrder:
    async def test_an_order_is_accepted_once(self, orders: Served) -> None:
        first, second = [await orders.post("/v1/orders", order(), role="erp") for _ in range(2)]
        assert (first.status_code, first.json()["status"]) == (201, "accepted")
        assert (second.status_code, second.json()["status"]) == (200, "duplicate")
        assert first.json()["id"] == second.json()["id"]
        assert first.headers["ETag"] == '"1.1"'
        assert len(await orders.published()) == 1

    async def test_the_same_number_of_another_source_is_another_order(self, orders: Served) -> None:
        first, second = await placed(orders), await placed(orders, source="shop")
        assert first != second

    async def test_other_content_under_a_known_number_is_a_conflict(self, orders: Served) -> None:
        await placed(orders)
        answer = await orders.post("/v1/orders", order(amount="100.01"))
        assert (answer.status_code, answer.json()["code"]) == (409, "document_differs")

    @pytest.mark.parametrize(
        ("sent", "status"), [(3, "amended"), (2, "duplicate"), (1, "superseded")], ids=["higher", "equal", "lower"]
    )
    async def test_a_source_revision_orders_what_is_sent_again(self, orders: Served, sent: int, status: str) -> None:
        await placed(orders, source_revision=2)
        amount = "100.00" if sent == 2 else "7.00"
        answer = await orders.post("/v1/orders", order(source_revision=sent, amount=amount))
        assert (answer.status_code, answer.json()["status"]) == (200, status)

    async def test_the_time_of_the_last_change_is_a_source_revision_too(self, orders: Served) -> None:
        await placed(orders, source_revision="2026-03-01T10:00:00Z")
        later = await orders.post("/v1/orders", order(source_revision="2026-03-01T10:00:01Z", amount="1"))
        earlier = await orders.post("/v1/orders", order(source_revision="2026-03-01T09:59:59Z", amount="2"))
        assert (later.json()["status"], earlier.json()["status"]) == ("amended", "superseded")

    async def test_buyer_and_payer_both_hear_of_it(self, orders: Served) -> None:
        await placed(orders, bill_to={"external_id": "C2"})
        assert {event.party for event in await orders.published()} == {build.party("C1").id, build.party("C2").id}

    async def test_a_dry_run_keeps_nothing(self, orders: Served) -> None:
        answer = await orders.post("/v1/orders?dry_run=true", order())
        assert (answer.status_code, answer.json()["status"]) == (201, "accepted")
        assert (await orders.get("/v1/orders")).json()["items"] == []
        assert await orders.published() == []

    async def test_an_order_of_next_week_is_refused(self, orders: Served) -> None:
        """INVARIANT: a mistyped year would make a lost customer look active until then."""
        ahead = (datetime.now(UTC) + timedelta(days=7)).isoformat()
        answer = await orders.post("/v1/orders", order(placed_at=ahead))
        assert (answer.status_code, answer.json()["code"]) == (422, "date_in_future")

    @pytest.mark.parametrize(
        ("fields", "field", "code"),
        [
            ({"amount": "1.005"}, "amount", "too_many_decimals"),
            ({"amount": "-1"}, "amount", "amount_negative"),
            ({"currency": "RMB"}, "currency", "currency_code"),
            ({"placed_at": "2026-03-01T09:30:00"}, "placed_at", "timezone_required"),
            ({"customer": {}}, "customer", "customer_name"),
            (
                {"customer": {"id": "018f3c6e-7a4b-7c3d-8e9f-0a1b2c3d4e5f", "external_id": "C1"}},
                "customer",
                "customer_name",
            ),
            ({"source": "a/b"}, "source", "pattern"),
            ({"sauce": "x"}, "sauce", "unknown_field"),
        ],
    )
    async def test_a_bad_field_is_named(self, orders: Served, fields: dict[str, Any], field: str, code: str) -> None:
        answer = await orders.post("/v1/orders", order(**fields))
        assert answer.status_code == 422
        assert {(error["field"], error["code"]) for error in answer.json()["errors"]} == {(field, code)}

    async def test_an_unknown_id_of_ours_is_refused(self, orders: Served) -> None:
        answer = await orders.post("/v1/orders", order(customer={"id": UNKNOWN}))
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_customer")
        assert answer.headers["Retry-After"] == "2"

    async def test_a_known_id_of_ours_is_taken(self, orders: Served) -> None:
        await orders.take(build.customer("C7"))
        answer = await orders.post("/v1/orders", order(customer={"id": str(build.party("C7").id)}))
        assert answer.status_code == 201

    async def test_declared_history_is_marked(self, orders: Served) -> None:
        await orders.post("/v1/orders", order(), headers={"Forewarn-Backfill": "true"})
        [event] = await orders.published()
        assert b'"backfill":true' in event.data

    @pytest.mark.parametrize("role", ["sales", "finance", "credit", "ops"])
    async def test_only_machines_and_admins_push(self, orders: Served, role: str) -> None:
        assert (await orders.post("/v1/orders", order(), role=role)).status_code == 403


class TestPlaceOrders:
    async def test_each_row_is_answered_and_a_bad_one_costs_only_itself(self, orders: Served) -> None:
        rows = [order("A"), order("B", amount="x"), order("A"), order("C"), 7]
        answer = await orders.post("/v1/orders/bulk", rows)
        results = answer.json()["results"]
        assert [row["status"] for row in results] == ["accepted", "refused", "duplicate", "accepted", "refused"]
        assert results[1]["code"] == "amount_format"
        assert answer.json()["counts"] == {"accepted": 2, "refused": 2, "duplicate": 1}

    async def test_lines_of_json_are_taken_alike(self, orders: Served) -> None:
        lines = "\n".join(json.dumps(order(number)) for number in ("A", "B"))
        headers = orders.caller("erp") | {"Content-Type": "application/x-ndjson"}
        answer = await orders.http.post("/v1/orders/bulk", content=lines, headers=headers)
        assert answer.json()["counts"] == {"accepted": 2}

    async def test_the_same_order_single_and_in_bulk_is_one(self, orders: Served) -> None:
        await placed(orders)
        answer = await orders.post("/v1/orders/bulk", [order()])
        assert answer.json()["counts"] == {"duplicate": 1}


class TestChangeOrder:
    async def test_amending_needs_the_revision_seen(self, orders: Served) -> None:
        id_ = await placed(orders)
        without = await orders.send("PATCH", f"/v1/orders/{id_}", {"amount": "5.00"})
        stale = await orders.send("PATCH", f"/v1/orders/{id_}", {"amount": "5.00"}, headers={"If-Match": '"1.9"'})
        seen = await orders.send("PATCH", f"/v1/orders/{id_}", {"amount": "5.00"}, headers={"If-Match": '"1.1"'})
        assert [without.status_code, stale.status_code, seen.status_code] == [428, 412, 200]
        assert (seen.json()["amount"], seen.headers["ETag"]) == ("5.00", '"1.2"')

    async def test_an_amount_is_checked_in_the_currency_of_the_order(self, orders: Served) -> None:
        id_ = await placed(orders, currency="JPY", amount="100")
        answer = await orders.send("PATCH", f"/v1/orders/{id_}", {"amount": "5.5"}, headers={"If-Match": "*"})
        assert answer.json()["errors"][0]["code"] == "too_many_decimals"

    async def test_cancelling_twice_is_one_change(self, orders: Served) -> None:
        id_ = await placed(orders)
        for _ in range(2):
            answer = await orders.post(f"/v1/orders/{id_}/cancel", {})
            assert (answer.json()["state"], answer.json()["revision"]) == ("cancelled", 2)
        assert [event.reason for event in await orders.published()] == ["placed", "cancelled"]

    async def test_a_delivered_order_cannot_be_cancelled(self, orders: Served) -> None:
        id_ = await placed(orders, state="delivered")
        answer = await orders.post(f"/v1/orders/{id_}/cancel", {})
        assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")

    async def test_a_retracted_order_stays_as_what_never_was(self, orders: Served) -> None:
        id_ = await placed(orders)
        assert (await orders.post(f"/v1/orders/{id_}/retract", None)).json()["live"] is False
        assert (await orders.get(f"/v1/orders/{id_}")).json()["live"] is False


class TestReadOrders:
    async def test_pages_go_on_where_the_last_one_ended(self, orders: Served) -> None:
        await orders.post("/v1/orders/bulk", [order(f"N{number}") for number in range(5)])
        seen, cursor = [], ""
        while True:
            page = (await orders.get(f"/v1/orders?limit=2{cursor}")).json()
            seen += [item["number"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert seen == ["N4", "N3", "N2", "N1", "N0"]

    async def test_names_stand_in_the_list(self, orders: Served) -> None:
        await orders.take(build.customer("C1", company_name="百川商贸"))
        await placed(orders)
        [item] = (await orders.get("/v1/orders")).json()["items"]
        assert item["customer"]["company_name"] == "百川商贸"

    async def test_the_one_that_evidence_names_can_be_asked_for(self, orders: Served) -> None:
        for number in ("SO/1", "SO/2"):
            await placed(orders, number=number)
        page = (await orders.get("/v1/orders?key=erp/SO/2")).json()
        assert [item["number"] for item in page["items"]] == ["SO/2"]
        assert (await orders.get("/v1/returns?key=erp/SO/2")).json()["items"] == []

    async def test_sales_see_only_their_own_customers(self, orders: Served) -> None:
        """INVARIANT: a foreign customer's order is not there: not in lists, not by its id."""
        await orders.take(build.customer("C1", owner="chen"), build.customer("C2", owner="li"))
        mine, foreign = await placed(orders), await placed(orders, number="SO-2", customer={"external_id": "C2"})
        listed = await orders.get("/v1/orders", role="sales", subject="chen")
        assert [item["id"] for item in listed.json()["items"]] == [mine]
        answers = [await orders.get(f"/v1/orders/{id_}", role="sales", subject="chen") for id_ in (mine, foreign)]
        assert [answer.status_code for answer in answers] == [200, 404]

    async def test_an_owner_sees_what_is_linked_to_his_customer(self, orders: Served) -> None:
        await orders.take(build.customer("C1", owner="chen"), build.link("C1", "OLD-1"))
        id_ = await placed(orders, customer={"external_id": "OLD-1"})
        assert (await orders.get(f"/v1/orders/{id_}", role="sales", subject="chen")).status_code == 200


class TestReturns:
    async def test_a_return_lowers_nothing_but_is_recorded(self, orders: Served) -> None:
        answer = await orders.post("/v1/returns", returned(order="SO-9"))
        assert answer.status_code == 201
        [item] = (await orders.get("/v1/returns")).json()["items"]
        assert (item["amount"], item["order"], item["state"]) == ("10.00", "SO-9", "recorded")

    async def test_a_return_of_nothing_is_refused(self, orders: Served) -> None:
        answer = await orders.post("/v1/returns", returned(amount="0"))
        assert answer.json()["errors"][0]["code"] == "amount_zero"

    async def test_a_return_can_be_cancelled(self, orders: Served) -> None:
        id_ = (await orders.post("/v1/returns", returned())).json()["id"]
        assert (await orders.post(f"/v1/returns/{id_}/cancel", None)).json()["state"] == "cancelled"


class TestSources:
    async def test_the_first_document_registers_its_source(self, orders: Served) -> None:
        await placed(orders)
        answer = await orders.post("/v1/sources/erp/order/beats", {"complete_until": "2026-03-02T00:00:00Z"})
        assert answer.json()["complete_until"] == "2026-03-02T00:00:00Z"

    async def test_a_promise_never_falls(self, orders: Served) -> None:
        await placed(orders)
        for until in ("2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z"):
            answer = await orders.post("/v1/sources/erp/order/beats", {"complete_until": until})
        assert answer.json()["complete_until"] == "2026-03-02T00:00:00Z"

    async def test_nobody_can_promise_the_future(self, orders: Served) -> None:
        await placed(orders)
        ahead = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
        answer = await orders.post("/v1/sources/erp/order/beats", {"complete_until": ahead})
        assert (answer.status_code, answer.json()["code"]) == (422, "date_in_future")

    async def test_an_unknown_source_cannot_beat(self, orders: Served) -> None:
        answer = await orders.post("/v1/sources/sap/order/beats", {"complete_until": "2026-03-02T00:00:00Z"})
        assert (answer.status_code, answer.json()["code"]) == (404, "source_not_found")

    async def test_a_retired_source_comes_back_when_it_is_declared(self, orders: Served) -> None:
        await orders.send("PUT", "/v1/sources/erp/order", {"coverage": "all"})
        assert (await orders.post("/v1/sources/erp/order/retire", None)).json()["retired_at"] is not None
        answer = await orders.send("PUT", "/v1/sources/erp/order", {"coverage": "named", "rhythm_hours": None})
        assert (answer.json()["retired_at"], answer.json()["coverage"]) == (None, "named")


class TestConsume:
    async def test_only_customers_and_links_are_held(self, orders: Served) -> None:
        await orders.take(build.customer("C1"), build.link("C1", "C2"), build.order())
        pool = await orders.context.database.pool()
        kinds = {row["kind"] for row in await pool.fetch("select kind from held_document")}
        assert kinds == {"customer", "customer_link"}
        assert Order.kind not in kinds
