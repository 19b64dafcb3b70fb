"""How a customer stands, over HTTP: figures, the documents behind them, and who may see them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.money import to_minor
from tests.credit.rows import UNKNOWN, invoice, limit, payment, sent
from tests.support import builders as build
from tests.support.service import Served, event_of

ISSUED = datetime.fromisoformat("2026-03-02T09:30:00+08:00")


def id_of(external_id: str) -> UUID:
    return build.party(external_id).id


def later(days: float) -> str:
    """So many days after the default invoice was issued, 30 days before it is due."""
    return (ISSUED + timedelta(days=days)).isoformat()


async def receivables(credit: Served, who: str = "C1", days: float | None = 10, **caller: Any) -> dict[str, Any]:
    query = {} if days is None else {"as_of": later(days)}
    answer = await credit.get(f"/v1/customers/{id_of(who)}/receivables", params=query, **caller)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def account(credit: Served, who: str = "C1", days: float = 10) -> dict[str, Any]:
    """The only account there is."""
    [found] = (await receivables(credit, who, days))["accounts"]
    return dict(found)


def figures(account: dict[str, Any], *names: str) -> list[str]:
    return [account[name] for name in names]


def plain(account: dict[str, Any]) -> dict[str, Any]:
    """The figures without the documents, whose ids differ."""
    limit = account["limit"] | {"document": None}
    return {name: value for name, value in account.items() if not isinstance(value, list)} | {"limit": limit}


class TestFigures:
    async def test_debt_is_open_receivables_less_money_that_waits(self, credit: Served) -> None:
        await sent(credit, "/v1/invoices", invoice())
        await sent(credit, "/v1/payments", payment("P1", amount="30.00", received_at=later(1)))
        await sent(credit, "/v1/payments", payment("P2", amount="20.00", invoice="I-9", received_at=later(5)))
        found = await account(credit)
        assert figures(found, "debt", "open", "unapplied", "reserved_invoice_unknown") == [
            "50.00",
            "70.00",
            "20.00",
            "20.00",
        ]
        [item], [money] = found["open_items"], found["waiting_money"]
        assert (item["document"]["number"], item["amount"], item["open"]) == ("I1", "100.00", "70.00")
        assert (money["document"]["number"], money["invoice"], money["reserved_until"]) == (
            "P2",
            "erp/I-9",
            "2026-03-14",
        )

    async def test_money_whose_invoice_never_came_pays_the_oldest_and_is_named(self, credit: Served) -> None:
        await sent(credit, "/v1/invoices", invoice())
        await sent(credit, "/v1/payments", payment(amount="20.00", invoice="I-9", received_at=later(1)))
        found = await account(credit, days=10)
        assert figures(found, "debt", "open", "unapplied") == ["80.00", "80.00", "0.00"]
        assert [one["number"] for one in found["invoice_unknown"]] == ["P1"]

    async def test_exposure_adds_orders_that_are_not_billed(self, credit: Served) -> None:
        orders = [
            build.order(f"O{number}", placed_at=ISSUED - timedelta(days=1), amount=amount, state=state)
            for number, (amount, state) in enumerate(
                [(5_000, "accepted"), (2_000, "delivered"), (900, "held"), (700, "cancelled")]
            )
        ]
        await credit.take(*orders)
        await sent(credit, "/v1/invoices", invoice(amount="50.00", orders=["O0"]))
        found = await account(credit)
        assert figures(found, "debt", "uninvoiced", "exposure") == ["50.00", "20.00", "70.00"]
        [order] = found["open_orders"]
        assert (order["document"]["kind"], order["document"]["number"], order["open"]) == ("order", "O1", "20.00")

    async def test_an_order_counts_from_the_moment_its_event_is_here(self, credit: Served) -> None:
        event = event_of(build.order("O1", placed_at=ISSUED, amount=1_000))
        await credit.handle([event, event])
        assert (await account(credit))["exposure"] == "10.00"
        changed = build.order("O1", placed_at=ISSUED, amount=1_000, state="cancelled")
        await credit.handle([event_of(changed, revision=2, id_=event.id)])
        assert (await account(credit))["exposure"] == "0.00"

    async def test_overdue_by_age(self, credit: Served) -> None:
        due = {"A": "2026-04-20", "B": "2026-04-09", "C": "2026-03-11", "D": "2026-03-10", "E": "2026-02-08"}
        rows = [invoice(number, amount=f"{10**place}.00", due=day) for place, (number, day) in enumerate(due.items())]
        await credit.post("/v1/invoices/bulk", rows)
        found = (await receivables(credit, days=39))["accounts"][0]
        assert found["aging"] == {
            "not_due": "1.00",
            "days_1_to_30": "110.00",
            "days_31_to_60": "1000.00",
            "days_61_to_90": "10000.00",
            "over_90_days": "0.00",
        }
        assert figures(found, "overdue", "open") == ["11110.00", "11111.00"]
        assert found["overdue_days"] == 61
        assert {item["document"]["number"]: item["overdue_days"] for item in found["open_items"]} == {
            "A": 0,
            "B": 1,
            "C": 30,
            "D": 31,
            "E": 61,
        }

    async def test_days_are_the_sellers(self, credit: Served) -> None:
        """INVARIANT: due at the end of the day in Shanghai; in UTC that day has eight hours left."""
        await sent(credit, "/v1/invoices", invoice(due="2026-03-10"))
        path = f"/v1/customers/{id_of('C1')}/receivables"
        for as_of, overdue in (("2026-03-10T15:59:59Z", "0.00"), ("2026-03-10T16:00:00Z", "100.00")):
            answer = await credit.get(path, params={"as_of": as_of})
            assert answer.json()["accounts"][0]["overdue"] == overdue
        assert answer.json()["day"] == "2026-03-11"

    async def test_every_currency_has_its_account(self, credit: Served) -> None:
        await sent(credit, "/v1/invoices", invoice("I1"))
        await sent(credit, "/v1/invoices", invoice("I2", currency="JPY", amount="700"))
        await sent(credit, "/v1/credit-limits", limit(amount="50.00"))
        found = (await receivables(credit))["accounts"]
        assert [figures(one, "currency", "debt") for one in found] == [["CNY", "100.00"], ["JPY", "700"]]
        assert [one["limit"]["limit"] for one in found] == ["amount", "no_rate"]

    async def test_documents_behind_a_figure_add_up_to_it(self, credit: Served) -> None:
        await credit.post("/v1/invoices/bulk", [invoice(f"I{n}", amount=f"{n}.07") for n in range(1, 6)])
        await sent(credit, "/v1/payments", payment(amount="4.00", received_at=later(3)))
        await credit.take(build.order("O9", placed_at=ISSUED + timedelta(days=1), amount=123))
        found = await account(credit)

        def total(*lists: str) -> int:
            return sum(to_minor(one.get("open", one["amount"]), "CNY") for name in lists for one in found[name])

        assert total("open_items") - total("waiting_money") == to_minor(found["debt"], "CNY") == 1135
        assert total("open_items", "open_orders") == to_minor(found["exposure"], "CNY") == 1258
        for item in found["open_items"]:
            stored = (await credit.get(f"/v1/invoices/{item['document']['id']}")).json()
            assert (stored["number"], stored["amount"]) == (item["document"]["number"], item["amount"])


class TestUndoing:
    async def test_a_cancelled_invoice_is_owed_up_to_its_cancellation(self, credit: Served) -> None:
        id_ = await sent(credit, "/v1/invoices", invoice())
        await sent(credit, "/v1/payments", payment(amount="40.00", invoice="I1", received_at=later(1)))
        await credit.post(f"/v1/invoices/{id_}/cancel", {"cancelled_at": later(5)})
        assert figures(await account(credit, days=4), "debt", "open", "unapplied") == ["60.00", "60.00", "0.00"]
        found = await account(credit, days=5)
        assert figures(found, "debt", "open", "unapplied") == ["-40.00", "0.00", "40.00"]
        assert [money["document"]["number"] for money in found["waiting_money"]] == ["I1"]

    async def test_a_bounced_payment_is_owed_again_since_it_bounced(self, credit: Served) -> None:
        await sent(credit, "/v1/invoices", invoice())
        id_ = await sent(credit, "/v1/payments", payment(received_at=later(1)))
        await credit.post(f"/v1/payments/{id_}/reverse", {"reversed_at": later(5)})
        assert (await account(credit, days=4))["debt"] == "0.00"
        found = await account(credit, days=6)
        assert figures(found, "debt", "overdue") == ["100.00", "100.00"]
        [item] = found["open_items"]
        assert (item["document"]["kind"], item["document"]["id"], item["overdue_days"]) == ("payment", id_, 1)

    async def test_what_is_retracted_never_was(self, credit: Served) -> None:
        bill, money = await sent(credit, "/v1/invoices", invoice()), await sent(credit, "/v1/payments", payment())
        await sent(credit, "/v1/invoices", invoice("I2", amount="1.00"))
        assert (await account(credit, days=30))["debt"] == "1.00"
        await credit.post(f"/v1/payments/{money}/retract", None)
        assert (await account(credit, days=30))["debt"] == "101.00"
        await credit.post(f"/v1/invoices/{bill}/retract", None)
        assert (await account(credit, days=30))["debt"] == "1.00"

    async def test_documents_of_nothing_change_no_figure(self, credit: Served) -> None:
        await sent(credit, "/v1/invoices", invoice())
        before = await account(credit)
        await sent(credit, "/v1/invoices", invoice("I0", amount="0"))
        await sent(credit, "/v1/payments", payment("P0", amount="0", received_at=later(1)))
        assert await account(credit) == before


class TestLimit:
    async def test_the_one_that_counts_is_shown_with_what_is_used_of_it(self, credit: Served) -> None:
        id_ = await sent(credit, "/v1/credit-limits", limit(amount="300.00"))
        await sent(credit, "/v1/invoices", invoice())
        await credit.take(build.order(placed_at=ISSUED + timedelta(days=1), amount=20_001))
        found = await account(credit)
        assert (found["limit"]["amount"], found["limit"]["document"]["id"]) == ("300.00", id_)
        assert figures(found, "debt_percent_of_limit", "exposure_percent_of_limit") == ["33.34", "100.01"]

    async def test_nobody_ever_decided(self, credit: Served) -> None:
        await sent(credit, "/v1/invoices", invoice())
        found = await account(credit)
        assert (found["limit"]["limit"], found["limit"]["document"]) == ("none", None)
        assert found["debt_percent_of_limit"] is None

    async def test_a_temporary_limit_gives_way_to_the_one_before(self, credit: Served) -> None:
        await sent(credit, "/v1/credit-limits", limit("L1", amount="100.00"))
        await sent(credit, "/v1/credit-limits", limit("L2", amount="900.00", valid_from=later(2), valid_to=later(4)))
        amounts = [(await account(credit, days=days))["limit"]["amount"] for days in (1, 2, 3, 4)]
        assert amounts == ["100.00", "900.00", "900.00", "100.00"]

    async def test_a_decision_for_later_does_not_count_yet(self, credit: Served) -> None:
        await sent(credit, "/v1/credit-limits", limit("L1", amount="100.00"))
        await sent(credit, "/v1/credit-limits", limit("L2", limit="none", valid_from=later(5)))
        assert [(await account(credit, days=days))["limit"]["limit"] for days in (4, 5)] == ["amount", "none"]

    async def test_a_retracted_decision_never_was(self, credit: Served) -> None:
        await sent(credit, "/v1/credit-limits", limit("L1", amount="100.00"))
        mistake = await sent(credit, "/v1/credit-limits", limit("L2", limit="unlimited", valid_from=later(1)))
        await credit.post(f"/v1/credit-limits/{mistake}/retract", None, role="credit")
        assert (await account(credit))["limit"]["amount"] == "100.00"


class TestGroup:
    async def test_linked_customers_stand_together_whoever_is_asked_for(self, credit: Served) -> None:
        await sent(credit, "/v1/invoices", invoice("I1", "C1"))
        await sent(credit, "/v1/invoices", invoice("I2", "OLD", amount="50.00"))
        await sent(credit, "/v1/payments", payment("P1", "OLD", amount="70.00", received_at=later(1)))
        alone = [(await account(credit, who))["debt"] for who in ("C1", "OLD")]
        await credit.take(build.customer("C3"), build.link("C1", "OLD"), build.link("C1", "C3"))
        together = [await receivables(credit, who) for who in ("C1", "OLD")]
        assert alone == ["100.00", "-20.00"]
        assert together[0]["accounts"] == together[1]["accounts"]
        assert figures(together[0]["accounts"][0], "debt", "open", "unapplied") == ["80.00", "80.00", "0.00"]
        assert {member["external_id"] for member in together[0]["members"]} == {"C1", "OLD", "C3"}
        assert [one["customer"]["external_id"] for one in together] == ["C1", "OLD"]
        assert {one["root"] for one in together} == {str(id_of("C1"))}

    async def test_an_item_says_whose_it_is(self, credit: Served) -> None:
        await credit.take(build.link("C1", "OLD"))
        await sent(credit, "/v1/invoices", invoice("I2", "OLD"))
        [item] = (await account(credit, "C1"))["open_items"]
        assert item["document"]["customer"] == str(id_of("OLD"))

    async def test_limits_are_chosen_not_summed(self, credit: Served) -> None:
        """INVARIANT: two names of one customer do not have twice the credit."""
        await credit.take(build.link("C1", "OLD"))
        await sent(credit, "/v1/credit-limits", limit("L1", "C1", amount="100.00"))
        await sent(credit, "/v1/credit-limits", limit("L2", "OLD", amount="900.00", valid_from=later(1)))
        assert (await account(credit, "OLD"))["limit"]["amount"] == "100.00"

    async def test_claims_stand_with_the_payer(self, credit: Served) -> None:
        await sent(credit, "/v1/invoices", invoice(bill_to={"external_id": "HQ"}))
        await credit.take(
            build.order(placed_at=ISSUED + timedelta(days=1), amount=500, bill_to=build.party("HQ")),
        )
        assert (await receivables(credit, "C1"))["accounts"] == []
        found = await account(credit, "HQ")
        assert figures(found, "debt", "exposure") == ["100.00", "105.00"]
        assert found["open_items"][0]["document"]["customer"] == str(id_of("HQ"))

    async def test_unlinked_customers_stand_alone_again(self, credit: Served) -> None:
        link = event_of(build.link("C1", "OLD"))
        await credit.handle([link])
        await sent(credit, "/v1/invoices", invoice("I2", "OLD"))
        await sent(credit, "/v1/invoices", invoice("I1", "C1"))
        assert (await account(credit, "C1"))["debt"] == "200.00"
        await credit.handle([event_of(build.link("C1", "OLD", live=False), revision=2, id_=link.id)])
        assert (await account(credit, "C1"))["debt"] == "100.00"


class TestOrderOfArrival:
    async def test_changes_nothing(self, credit: Served) -> None:
        """INVARIANT: figures are a function of the set of documents; two customers get theirs in opposite order."""
        documents = [
            ("/v1/credit-limits", limit, {"amount": "80.00"}),
            ("/v1/payments", payment, {"amount": "30.00", "invoice": "I2", "received_at": later(2)}),
            ("/v1/invoices", invoice, {"number": "I1", "amount": "60.00", "due": "2026-03-05"}),
            ("/v1/payments", payment, {"number": "P2", "amount": "75.00", "received_at": later(4)}),
            ("/v1/invoices", invoice, {"number": "I2", "amount": "40.00", "issued_at": later(3)}),
            ("/v1/invoices", invoice, {"number": "I3", "amount": "33.00", "cancelled_at": later(6)}),
        ]
        for who, order in (("C1", documents), ("C2", documents[::-1])):
            for path, row, fields in order:
                name = {"source": "erp", "external_id": who}
                await sent(credit, path, row(source=who, customer=name, **fields))
        for days in range(9):
            first, second = [plain(await account(credit, who, days)) for who in ("C1", "C2")]
            assert first == second


class TestWho:
    async def test_sales_see_their_own_and_what_is_linked(self, credit: Served) -> None:
        """INVARIANT: a foreign customer is not there, and his debts least of all."""
        await credit.take(build.customer("C1", owner="chen"), build.customer("C2", owner="li"), build.link("C1", "OLD"))
        for who in ("C1", "C2", "OLD"):
            await sent(credit, "/v1/invoices", invoice(f"I-{who}", who))
        statuses = []
        for who in ("C1", "OLD", "C2"):
            answer = await credit.get(f"/v1/customers/{id_of(who)}/receivables", role="sales", subject="chen")
            statuses.append(answer.status_code)
        assert statuses == [200, 200, 404]

    async def test_a_customer_without_documents_owes_nothing(self, credit: Served) -> None:
        await credit.take(build.customer("C1"))
        assert (await receivables(credit, days=None))["accounts"] == []

    async def test_a_customer_nobody_knows_is_not_found(self, credit: Served) -> None:
        answer = await credit.get(f"/v1/customers/{UNKNOWN}/receivables")
        assert (answer.status_code, answer.json()["code"]) == (404, "customer_not_found")

    async def test_a_time_needs_its_zone(self, credit: Served) -> None:
        await credit.take(build.customer("C1"))
        answer = await credit.get(f"/v1/customers/{id_of('C1')}/receivables?as_of=2026-03-01T00:00:00")
        assert (answer.status_code, answer.json()["code"]) == (422, "timezone_required")
