"""Customers and links over HTTP, on a real database."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest

from shared.events import Customer, CustomerLink, Party
from shared.ids import Uuid7Ids, party_id
from tests.support import builders as build
from tests.support.service import Served

UNKNOWN = "018f3c6e-7a4b-7c3d-8e9f-0a1b2c3d4e5f"


def external(external_id: str = "C1", source: str = "erp") -> dict[str, str]:
    return {"source": source, "external_id": external_id}


def customer(*names: str, **fields: Any) -> dict[str, Any]:
    return {"external_ids": [external(name) for name in names or ("C1",)], "company_name": "百川商贸"} | fields


async def registered(customers: Served, *names: str, **fields: Any) -> str:
    answer = await customers.post("/v1/customers", customer(*names, **fields))
    assert answer.status_code == 201
    return str(answer.json()["id"])


async def linked(customers: Served, survivor: str, absorbed: str) -> dict[str, Any]:
    body = {"survivor": external(survivor), "absorbed": external(absorbed)}
    answer = await customers.post("/v1/customer-links", body)
    assert answer.status_code in (200, 201)
    return dict(answer.json())


async def shown(customers: Served, id_: UUID | str, **more: Any) -> dict[str, Any]:
    return dict((await customers.get(f"/v1/customers/{id_}", **more)).json())


async def listed(customers: Served, query: str = "", **more: Any) -> list[str]:
    answer = await customers.get(f"/v1/customers{query}", **more)
    assert answer.status_code == 200
    return [item["external_id"] for item in answer.json()["items"]]


class TestRegisterCustomer:
    async def test_the_first_external_id_makes_the_id(self, customers: Served) -> None:
        """INVARIANT: anybody can compute the id of a customer an outside system names; else orders would not meet."""
        assert await registered(customers, "C1", "C2") == str(party_id("erp", "C1"))

    async def test_the_same_request_changes_nothing(self, customers: Served) -> None:
        first, second = [await customers.post("/v1/customers", customer("C1", "C2", owner="li")) for _ in range(2)]
        assert (first.status_code, first.json()["status"]) == (201, "accepted")
        assert (second.status_code, second.json()["status"]) == (200, "duplicate")
        assert first.headers["ETag"] == second.headers["ETag"] == '"1.1"'
        # One copy for each customer, two for the link, which names both.
        assert len(await customers.published()) == 4

    async def test_other_particulars_are_a_conflict(self, customers: Served) -> None:
        await registered(customers)
        answer = await customers.post("/v1/customers", customer(company_name="another"))
        assert (answer.status_code, answer.json()["code"]) == (409, "customer_exists")

    async def test_who_was_only_named_is_confirmed(self, customers: Served) -> None:
        await customers.take(build.order(customer="C1"))
        answer = await customers.post("/v1/customers", customer(owner="li"))
        assert (answer.status_code, answer.json()["status"], answer.json()["revision"]) == (200, "amended", 2)
        found = await shown(customers, build.party("C1").id)
        assert (found["confirmed"], found["company_name"], found["owner"]) == (True, "百川商贸", "li")
        assert [event.reason for event in await customers.published()] == ["registered", "confirmed"]

    async def test_further_external_ids_are_linked(self, customers: Served) -> None:
        id_ = await registered(customers, "C1", "C2", "C3")
        found = await shown(customers, id_)
        assert [one["external_id"] for one in found["linked"]] == ["C2", "C3"]
        assert (await shown(customers, build.party("C3").id))["root"] == id_

    async def test_a_further_external_id_amends_a_known_customer(self, customers: Served) -> None:
        await registered(customers, "C1")
        answer = await customers.post("/v1/customers", customer("C1", "C2"))
        assert (answer.status_code, answer.json()["status"], answer.json()["revision"]) == (200, "amended", 1)

    async def test_who_has_no_external_id_brings_his_own(self, customers: Served) -> None:
        id_ = str(Uuid7Ids().new())
        first, second = [
            await customers.post("/v1/customers", {"id": id_, "company_name": "现金客户"}) for _ in range(2)
        ]
        assert (first.status_code, second.status_code) == (201, 200)
        assert first.json()["id"] == second.json()["id"] == id_
        assert (await shown(customers, id_))["external_id"] is None

    async def test_an_id_that_is_something_else_is_refused(self, customers: Served) -> None:
        """INVARIANT: else the customer could never be written, and the call would be tried for ever."""
        link = await linked(customers, "C1", "C2")
        answer = await customers.post("/v1/customers", {"id": link["id"], "company_name": "现金客户"})
        assert (answer.status_code, answer.json()["code"]) == (409, "id_taken")

    async def test_a_dry_run_keeps_nothing(self, customers: Served) -> None:
        answer = await customers.post("/v1/customers?dry_run=true", customer("C1", "C2"))
        assert (answer.status_code, answer.json()["status"]) == (201, "accepted")
        assert await listed(customers) == []
        assert await customers.published() == []

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({"company_name": "A"}, "", "customer_name"),
            (customer(id=str(Uuid7Ids().new())), "", "customer_name"),
            ({"company_name": "A", "id": str(party_id("erp", "C1"))}, "", "id_version"),
            ({"external_ids": [external()]}, "company_name", "required"),
            (customer(external_ids=[{"external_id": "C1"}]), "external_ids.0.source", "required"),
            (customer(external_ids=[external(source="a/b")]), "external_ids.0.source", "pattern"),
            (customer(external_ids="C1"), "external_ids", "list_expected"),
            (customer(*[f"C{n}" for n in range(21)]), "external_ids", "too_many_values"),
            (customer(owner=""), "owner", "required"),
            (customer(name="x"), "name", "unknown_field"),
        ],
    )
    async def test_a_bad_field_is_named(self, customers: Served, body: Any, field: str, code: str) -> None:
        answer = await customers.post("/v1/customers", body)
        assert answer.status_code == 422
        assert {(error["field"], error["code"]) for error in answer.json()["errors"]} == {(field, code)}

    @pytest.mark.parametrize(
        ("role", "status"),
        [("erp", 201), ("service_desk", 201), ("manager", 201), ("sales", 403), ("credit", 403), ("ops", 403)],
    )
    async def test_who_may_register(self, customers: Served, role: str, status: int) -> None:
        answer = await customers.post("/v1/customers", customer(owner="li"), role=role)
        assert answer.status_code == status


class TestRegisterCustomers:
    async def test_each_row_is_answered_and_a_bad_one_costs_only_itself(self, customers: Served) -> None:
        await customers.take(build.order(customer="C4"))
        rows = [
            customer("C1", "C2"),
            customer("C1", "C2"),
            customer("C1", company_name="another"),
            customer("C3", "C2"),
            customer("C4"),
            7,
        ]
        answer = await customers.post("/v1/customers/bulk", rows)
        results = answer.json()["results"]
        assert [(row["status"], row.get("code")) for row in results] == [
            ("accepted", None),
            ("duplicate", None),
            ("refused", "customer_exists"),
            ("refused", "external_id_taken"),
            ("amended", None),
            ("refused", "object_expected"),
        ]
        assert sorted(await listed(customers)) == ["C1", "C4"]

    async def test_lines_of_json_are_taken_alike(self, customers: Served) -> None:
        lines = "\n".join(json.dumps(customer(name)) for name in ("A", "B"))
        headers = customers.caller("erp") | {"Content-Type": "application/x-ndjson"}
        answer = await customers.http.post("/v1/customers/bulk", content=lines, headers=headers)
        assert answer.json()["counts"] == {"accepted": 2}


class TestRegisterAtOnce:
    async def test_one_customer_is_registered_once(self, customers: Served) -> None:
        """INVARIANT: whoever registers is alone with all groups.

        Broken, two callers each find the further name free, and two customers are merged whom nobody linked.
        """
        answers = await asyncio.gather(
            *(customers.post("/v1/customers", customer(f"A{n}", "C2")) for n in range(8)),
            *(customers.post("/v1/customers", customer(f"A{n}", "C2")) for n in range(8)),
        )
        codes = [answer.json().get("code", "") for answer in answers if answer.status_code == 409]
        assert set(codes) == {"external_id_taken"}
        assert len(codes) == 14
        assert len((await customers.get("/v1/customer-links")).json()["items"]) == 1

    async def test_registering_and_naming_meet_in_one_customer(self, customers: Served) -> None:
        """INVARIANT: a customer has one document, whether a caller or a consumer comes first."""
        names = [f"C{n}" for n in range(40)]
        orders = [build.order(f"O{name}", name) for name in names]
        await asyncio.gather(
            customers.take(*orders),
            customers.post("/v1/customers/bulk", [customer(name) for name in names]),
            customers.take(*reversed(orders)),
            customers.post("/v1/customers/bulk", [customer(name) for name in reversed(names)]),
        )
        assert sorted(await listed(customers, "?confirmed=true&limit=100")) == sorted(names)
        assert await listed(customers, "?confirmed=false") == []


class TestChangeCustomer:
    async def test_changing_needs_the_revision_seen(self, customers: Served) -> None:
        path, change = f"/v1/customers/{await registered(customers)}", {"company_name": "新名"}
        without = await customers.send("PATCH", path, change)
        stale = await customers.send("PATCH", path, change, headers={"If-Match": '"1.9"'})
        seen = await customers.send("PATCH", path, change, headers={"If-Match": '"1.1"'})
        assert [without.status_code, stale.status_code, seen.status_code] == [428, 412, 200]
        assert (seen.json()["company_name"], seen.headers["ETag"]) == ("新名", '"1.2"')

    async def test_what_is_left_out_stays_and_null_takes_away(self, customers: Served) -> None:
        path = f"/v1/customers/{await registered(customers, owner='li')}"
        answer = await customers.send("PATCH", path, {"owner": None}, headers={"If-Match": "*"})
        assert (answer.json()["company_name"], answer.json()["owner"]) == ("百川商贸", None)

    @pytest.mark.parametrize(
        ("role", "status"), [("admin", 200), ("manager", 200), ("service_desk", 403), ("erp", 403), ("sales", 403)]
    )
    async def test_who_may_give_another_owner(self, customers: Served, role: str, status: int) -> None:
        path = f"/v1/customers/{await registered(customers, owner='li')}"
        answer = await customers.send("PATCH", path, {"owner": "wang"}, role=role, headers={"If-Match": "*"})
        assert answer.status_code == status
        assert (await customers.published())[-1].reason == ("owner_changed" if status == 200 else "registered")

    async def test_the_owner_he_has_is_no_other_owner(self, customers: Served) -> None:
        path, change = f"/v1/customers/{await registered(customers, owner='li')}", {"owner": "li", "company_name": "B"}
        answer = await customers.send("PATCH", path, change, role="erp", headers={"If-Match": "*"})
        assert answer.status_code == 200
        assert (await customers.published())[-1].reason == "updated"

    async def test_the_new_owner_sees_him_at_once_and_the_old_one_no_more(self, customers: Served) -> None:
        id_ = await registered(customers, owner="li")
        await customers.send("PATCH", f"/v1/customers/{id_}", {"owner": "wang"}, headers={"If-Match": "*"})
        seen = {owner: await listed(customers, role="sales", subject=owner) for owner in ("li", "wang")}
        assert seen == {"li": [], "wang": ["C1"]}


class TestAddExternalId:
    async def test_it_is_another_name_of_his(self, customers: Served) -> None:
        path = f"/v1/customers/{await registered(customers)}/external-ids"
        for _ in range(2):
            answer = await customers.post(path, external("K-7", "kingdee"))
            assert answer.status_code == 200
            assert [(one["source"], one["external_id"]) for one in answer.json()["linked"]] == [("kingdee", "K-7")]
        assert len((await customers.get("/v1/customer-links")).json()["items"]) == 1

    async def test_a_name_of_another_customer_is_a_conflict(self, customers: Served) -> None:
        id_ = await registered(customers, "C1")
        await registered(customers, "C2")
        answer = await customers.post(f"/v1/customers/{id_}/external-ids", external("C2"))
        assert (answer.status_code, answer.json()["code"]) == (409, "external_id_taken")

    async def test_nobody_unknown_gets_a_name(self, customers: Served) -> None:
        answer = await customers.post(f"/v1/customers/{UNKNOWN}/external-ids", external())
        assert (answer.status_code, answer.json()["code"]) == (404, "customer_not_found")


class TestLinkCustomers:
    async def test_a_link_is_made_once(self, customers: Served) -> None:
        body = {"survivor": external("C1"), "absorbed": external("C2")}
        first, second = [await customers.post("/v1/customer-links", body) for _ in range(2)]
        assert (first.status_code, second.status_code) == (201, 200)
        assert first.json()["id"] == second.json()["id"]
        assert [event.party for event in await customers.published() if event.kind == CustomerLink.kind] == [
            build.party("C1").id,
            build.party("C2").id,
        ]

    async def test_by_our_id_and_by_his_name_it_is_the_same_link(self, customers: Served) -> None:
        """INVARIANT: a customer who has an external id goes by it in every link, whoever names him by which."""
        await linked(customers, "C1", "C2")
        body = {"survivor": {"id": str(build.party("C1").id)}, "absorbed": {"id": str(build.party("C2").id)}}
        assert (await customers.post("/v1/customer-links", body)).status_code == 200

    async def test_undone_and_made_again_it_keeps_its_id(self, customers: Served) -> None:
        link = await linked(customers, "C1", "C2")
        undone = [await customers.post(f"/v1/customer-links/{link['id']}/unlink", None) for _ in range(2)]
        assert [(answer.json()["live"], answer.json()["revision"]) for answer in undone] == [(False, 2), (False, 2)]
        assert (await shown(customers, build.party("C2").id))["root"] == str(build.party("C2").id)
        again = await linked(customers, "C1", "C2")
        assert (again["id"], again["revision"], again["live"]) == (link["id"], 3, True)
        assert (await shown(customers, build.party("C2").id))["root"] == str(build.party("C1").id)

    async def test_an_unlinked_name_is_on_the_list_of_the_unconfirmed_again(self, customers: Served) -> None:
        await registered(customers, "C1", "C2")
        [link] = (await customers.get("/v1/customer-links")).json()["items"]
        assert await listed(customers, "?confirmed=false") == []
        await customers.post(f"/v1/customer-links/{link['id']}/unlink", None)
        assert await listed(customers, "?confirmed=false") == ["C2"]
        answer = await customers.post("/v1/customers", customer("C1", "C2"))
        assert (answer.status_code, answer.json()["code"]) == (409, "link_undone")

    async def test_names_with_the_sign_between_names_are_not_mixed_up(self, customers: Served) -> None:
        """INVARIANT: the key of a link says where one name ends; else one link would replace another."""
        first = await linked(customers, "A<erp/B", "C")
        second = await linked(customers, "A", "B<erp/C")
        assert first["id"] != second["id"]

    @pytest.mark.parametrize(
        ("survivor", "absorbed", "code"),
        [
            (external("C1"), external("C1"), "link_to_itself"),
            (external("C1"), {"id": str(build.party("C1").id)}, "link_to_itself"),
            (external("C1"), {"id": UNKNOWN}, "unknown_customer"),
            (external("C1"), {"external_id": "C2"}, "required"),
            (external("C1"), {}, "customer_name"),
        ],
    )
    async def test_a_bad_pair_is_refused(
        self, customers: Served, survivor: dict[str, str], absorbed: dict[str, str], code: str
    ) -> None:
        await registered(customers, "C1")
        answer = await customers.post("/v1/customer-links", {"survivor": survivor, "absorbed": absorbed})
        assert (answer.status_code, answer.json()["code"]) == (422, code)

    @pytest.mark.parametrize(
        ("role", "status"), [("manager", 201), ("service_desk", 201), ("erp", 403), ("sales", 403)]
    )
    async def test_who_may_link(self, customers: Served, role: str, status: int) -> None:
        body = {"survivor": external("C1"), "absorbed": external("C2")}
        assert (await customers.post("/v1/customer-links", body, role=role)).status_code == status


class TestReadCustomers:
    async def test_pages_go_on_where_the_last_one_ended(self, customers: Served) -> None:
        await customers.post("/v1/customers/bulk", [customer(f"C{number}") for number in range(7)])
        seen: list[str] = []
        cursor = ""
        while True:
            page = (await customers.get(f"/v1/customers?limit=2{cursor}")).json()
            seen += [item["external_id"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert sorted(seen) == [f"C{number}" for number in range(7)]

    async def test_who_was_registered_last_stands_first(self, customers: Served) -> None:
        for name in ("C1", "C2", "C3"):
            await registered(customers, name)
        assert await listed(customers) == ["C3", "C2", "C1"]

    async def test_who_goes_by_several_names_stands_once(self, customers: Served) -> None:
        await registered(customers, "C1", "C2")
        [item] = (await customers.get("/v1/customers")).json()["items"]
        assert (item["external_id"], [one["external_id"] for one in item["linked"]]) == ("C1", ["C2"])

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("?q=百川", ["C1"]),
            ("?q=baichuan", ["C2"]),
            ("?q=X-1", ["C2"]),
            ("?q=x-", ["C2"]),
            ("?q=c3", ["C3"]),
            ("?q=川", []),
            ("?q=%25", []),
            ("?owner=li", ["C1"]),
            ("?confirmed=false", ["C3"]),
            ("?confirmed=true&q=C", ["C2", "C1"]),
        ],
    )
    async def test_filters(self, customers: Served, query: str, found: list[str]) -> None:
        await registered(customers, "C1", owner="li")
        await registered(customers, "C2", "X-1", company_name="Baichuan Trading")
        await customers.take(build.order(customer="C3"))
        assert await listed(customers, query) == found

    async def test_sales_see_only_their_own_and_whoever_is_linked_with_them(self, customers: Served) -> None:
        """INVARIANT: a foreign customer is not there: not in lists, not by his id, nor is his link."""
        await registered(customers, "C1", "C2", owner="li")
        await registered(customers, "C3", owner="wang")
        link = await linked(customers, "C3", "C4")
        as_li: Any = {"role": "sales", "subject": "li"}
        assert await listed(customers, **as_li) == ["C1"]
        assert await listed(customers, "?owner=wang", **as_li) == []
        assert (await shown(customers, build.party("C2").id, **as_li))["external_id"] == "C2"
        assert (await customers.get(f"/v1/customers/{build.party('C3').id}", **as_li)).status_code == 404
        assert len((await customers.get("/v1/customer-links", **as_li)).json()["items"]) == 1
        assert (await customers.get(f"/v1/customer-links/{link['id']}", **as_li)).status_code == 404

    async def test_a_foreign_customer_is_answered_like_one_who_does_not_exist(self, customers: Served) -> None:
        """INVARIANT: the answer does not tell whether there is such a customer."""
        foreign = await registered(customers, "C1", owner="li")
        told = [await shown(customers, id_, role="sales", subject="wang") for id_ in (foreign, UNKNOWN)]
        assert told[0]["code"] == "customer_not_found"
        assert told[0] | {"trace_id": ""} == told[1] | {"trace_id": ""}

    async def test_links_of_one_customer(self, customers: Served) -> None:
        await linked(customers, "C1", "C2")
        await linked(customers, "C3", "C4")
        items = (await customers.get(f"/v1/customer-links?customer={build.party('C4').id}")).json()["items"]
        assert [one["survivor"]["external_id"] for one in items] == ["C3"]


class TestPublish:
    async def test_a_customer_is_one_document_under_his_own_id(self, customers: Served) -> None:
        id_ = await registered(customers, "C1", owner="li")
        [event] = await customers.published()
        assert (event.kind, str(event.id), event.party) == (Customer.kind, id_, Party.external("erp", "C1").id)


class TestSources:
    async def test_expenses_have_their_sources_here(self, customers: Served) -> None:
        declared = await customers.send("PUT", "/v1/sources/erp/expense", {"coverage": "all"}, role="erp")
        assert (declared.status_code, declared.json()["kind"]) == (200, "expense")
