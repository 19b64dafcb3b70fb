"""A warning as its reader has it over HTTP: it proves itself by documents anybody can look up, says what ends it, and
comes to the right person, whatever dies on the way."""

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

import pytest

from forewarn.up import PROGRAM
from tests.support.installation import copied, eventually
from tests.support.office import ERP, NOW, ZONE, Caller, Json, Office, ago, awaited, day_ago, office_on
from tests.support.published_language import broken_rules
from tests.support.wire import attributes, records, rest_of, stream, warning_in

pytestmark = pytest.mark.system

CENT: Final = Decimal("0.01")
PATHS: Final = {kind: f"/v1/{kind.replace('_', '-')}s" for kind in ("credit_limit", "invoice", "payment", "order")}


@pytest.fixture(scope="module")
def office(real_data_dir: Path) -> Iterator[Office]:
    """An office on an installation of its own."""
    with copied(real_data_dir, PROGRAM) as installation:
        installation.up_and_ready()
        with office_on(installation) as office:
            yield office


def above_the_limit(office: Office, customer: str) -> Json:
    """A limit, and two invoices beyond it; money that paid the first and part of the second, and some for a third."""
    office.limit(customer, "1000.00")
    office.invoice(customer, "700.00", 40)
    office.invoice(customer, "1300.00", 20)
    office.payment(customer, "825.50", 10)
    office.payment(customer, "60.00", 2, invoice="not there yet")
    office.order(customer, 1)
    return office.owes(customer, "1114.50", exposure="1194.50")


def without_a_limit(office: Office, customer: str) -> Json:
    """Nobody ever decided how much he may owe, a payment was on account, and another one bounced."""
    office.invoice(customer, "420.10", 20)
    office.payment(customer, "100.00", 10, reversed_at=ago(0))
    office.payment(customer, "150.00", 30)
    return office.owes(customer, "270.10")


def overdue(office: Office, customer: str) -> Json:
    """No limit is exceeded; one of three invoices is paid in part and overdue for ten days."""
    office.limit(customer, "unlimited")
    office.invoice(customer, "900.00", 60)
    office.invoice(customer, "640.00", 50, due=10, number=f"{customer}-late")
    office.invoice(customer, "75.00", 30)
    office.payment(customer, "240.00", 20, invoice=f"{customer}-late")
    return office.owes(customer, "1375.00")


STORIES: Final = (above_the_limit, without_a_limit, overdue)


@pytest.mark.parametrize("story", STORIES)
class TestDebt:
    def test_is_recomputed_from_the_documents_it_names(
        self, office: Office, story: Callable[[Office, str], Json]
    ) -> None:
        """INVARIANT: a warning nobody can recompute is an assertion; people stop acting on those."""
        warning = story(office, f"{story.__name__}-1")
        evidence, numbers = warning["evidence"], figures(warning)
        behind = [(document, named(office, document)) for document in evidence["documents"]]
        claims = [(document, found) for document, found in behind if counts(document) > 0]
        money = [(document, found) for document, found in behind if counts(document) < 0]
        assert len(behind) == evidence["document_count"]
        assert all(counts(document) == Decimal(found["amount"]) for document, found in claims)
        assert all(-counts(document) <= Decimal(found["amount"]) for document, found in money)
        assert numbers["debt"] == sum(counts(document) for document, _ in behind)
        [decided] = [found for document, found in behind if document["kind"] == "credit_limit"] or [{"limit": "none"}]
        assert evidence["numbers"]["limit"] == (decided.get("amount") or decided["limit"])
        assert evidence["rule_version"] >= 1
        assert words(evidence["formula"]) & evidence["numbers"].keys() >= (
            {"overdue"} if decided["limit"] == "unlimited" else {"debt", "overdue"}
        )

    def test_is_what_the_credit_service_says_to_the_cent(
        self, office: Office, story: Callable[[Office, str], Json]
    ) -> None:
        """INVARIANT: two services with two figures, and the customer on the phone decides which one is right."""
        customer = f"{story.__name__}-2"
        warning = story(office, customer)
        said = warning["evidence"]["numbers"]
        # Orders come to the credit service over the bus, and may be there later than in alerting.
        eventually(lambda: office.receivables(customer, as_of=ago(0))["exposure"] == said["exposure"])
        account = office.receivables(customer, as_of=ago(0))
        equal = ("debt", "exposure", "open", "unapplied", "overdue", "reserved_invoice_unknown")
        assert {name: said.get(name, "0.00") for name in equal} == {name: account[name] for name in equal}
        assert said["limit"] == (account["limit"]["amount"] or account["limit"]["limit"])
        claims = {
            f"{item['document']['source']}/{item['document']['number']}": Decimal(item["amount"])
            for item in account["open_items"]
        }
        assert claims == {one["key"]: counts(one) for one in warning["evidence"]["documents"] if counts(one) > 0}

    def test_ends_by_what_it_says_and_not_by_a_cent_less(
        self, office: Office, story: Callable[[Office, str], Json]
    ) -> None:
        customer = f"{story.__name__}-3"
        warning = story(office, customer)
        clears, debt = warning["evidence"]["clears"], figures(warning)["debt"]
        amount = Decimal(clears.get("pay_overdue") or clears["pay"])
        late = clears.get("overdue_documents", "").removeprefix(f"{ERP}/") or None
        office.payment(customer, str(amount - CENT), invoice=late)
        assert office.owes(customer, str(debt - amount + CENT))["id"] == warning["id"]
        office.payment(customer, str(CENT), invoice=late)
        ended = office.owes(customer, str(debt - amount), condition="resolved")
        assert (ended["id"], ended["end_reason"]) == (warning["id"], "recovered")
        assert datetime.fromisoformat(ended["ended_at"]) == NOW
        assert ended["evidence"]["clears"] == {}


class TestOverdue:
    def test_days_and_amount_follow_from_the_due_days(self, office: Office) -> None:
        warning = overdue(office, "days")
        behind = [named(office, one) for one in warning["evidence"]["documents"] if one["kind"] == "invoice"]
        late = [invoice for invoice in behind if date.fromisoformat(invoice["due"]) < day_ago(1)]
        assert [invoice["number"] for invoice in late] == ["days-late"]
        began = date.fromisoformat(late[0]["due"]) + timedelta(days=6)
        assert datetime.fromisoformat(warning["started_at"]).astimezone(ZONE).date() == began
        assert figures(warning)["overdue"] == Decimal(late[0]["amount"]) - Decimal("240.00")
        on = date.fromisoformat(warning["evidence"]["numbers"]["overdue_on"])
        assert figures(warning)["overdue_days"] == (on - date.fromisoformat(late[0]["due"])).days > 5
        account = office.receivables("days", as_of=datetime.combine(on, time(), ZONE).isoformat())
        assert (account["overdue"], account["overdue_days"]) == ("400.00", figures(warning)["overdue_days"])


class TestSilence:
    def silent(self, office: Office, customer: str) -> Json:
        """Orders every ten or twenty days, two of them on one day; nothing for fifty days."""
        for number, days in enumerate((110, 100, 100, 90, 70, 50)):
            office.order(customer, days, number=f"{customer}-{number}")
        last = day_ago(50).isoformat()
        return office.warning(customer, lambda one: one["evidence"]["numbers"]["last_order_day"] == last)

    def test_is_recomputed_from_the_orders_it_names(self, office: Office) -> None:
        """INVARIANT: a warning nobody can recompute is an assertion; people stop acting on those."""
        warning = self.silent(office, "silent-1")
        evidence, numbers = warning["evidence"], figures(warning)
        orders = [named(office, document) for document in evidence["documents"]]
        assert len(orders) == evidence["document_count"] == 6
        assert all(order["customer"]["id"] == warning["customer"]["id"] for order in orders)
        days = sorted({datetime.fromisoformat(order["placed_at"]).astimezone(ZONE).date() for order in orders})
        gap = median((later - earlier).days for earlier, later in pairwise(days))
        allowed = max(30, min(120, int(3 * gap)))
        names = ("order_days", "median_gap_days", "allowed_days", "critical_days")
        assert [float(numbers[name]) for name in names] == [len(days), gap, allowed, 2 * allowed]
        assert evidence["numbers"]["last_order_day"] == days[-1].isoformat()
        first_day_too_many = days[-1] + timedelta(days=allowed + 1)
        assert datetime.fromisoformat(warning["started_at"]).astimezone(ZONE).date() == first_day_too_many
        assert allowed < numbers["silent_days"] < 50
        assert {"silent_days", "median_gap_days"} <= words(evidence["formula"]) & numbers.keys()
        assert evidence["rule_version"] >= 1

    def test_ends_by_an_order_as_it_says_and_by_nothing_less(self, office: Office) -> None:
        warning = self.silent(office, "silent-2")
        assert warning["evidence"]["clears"] == {"document": "order"}
        office.order("silent-2", 1, state="cancelled", cancelled_at=ago(0.5))
        office.payment("silent-2", "80.00")
        office.settle()
        [held] = office.warnings("silent-2", code="churn")
        assert (held["id"], held["condition"]) == (warning["id"], "firing")
        office.order("silent-2", 1)
        ended = office.warning("silent-2", condition="resolved", code="churn")
        assert (ended["id"], ended["end_reason"]) == (warning["id"], "ordered")
        assert datetime.fromisoformat(ended["ended_at"]) == datetime.fromisoformat(ago(1))


class TestOnTheBus:
    def test_every_record_of_a_warning_is_what_the_published_language_says(self, office: Office) -> None:
        """INVARIANT: whoever built a reader from the AsyncAPI document is owed exactly that."""
        warning = above_the_limit(office, "published")
        office.payment("published", warning["evidence"]["clears"]["pay"])
        office.warning("published", condition="resolved")
        types = {f"forewarn.warning.{reason}.v1" for reason in ("opened", "resolved")}
        eventually(lambda: types <= {attributes(one)["ce_type"] for one in records(office.installation, warning)})
        for record in records(office.installation, warning):
            key = None if record.key is None else record.key.decode()
            assert broken_rules(record.topic, key, attributes(record), json.loads(record.value)) == []
            assert key == warning["customer"]["id"]


class TestReachesAPerson:
    def test_the_owner_and_no_other_salesperson(self, office: Office) -> None:
        """INVARIANT: customers are in somebody's charge; whose they are not, him they are none of his business."""
        owner, other = office.salesperson("wang", "W-1"), office.salesperson("zhao", "Z-1")
        warning = breached(office, "W-1")
        line = awaited_line(owner, warning)
        assert (line["told"], line["recipient"], line["pushed"]) == ("firing", "user:wang", True)
        assert line["numbers"]["debt"] == warning["evidence"]["numbers"]["debt"]
        assert office.inbox(other, warning) == []
        assert other.http.get(f"/v1/warnings/{warning['id']}").status_code == 404
        assert owner.get(f"/v1/warnings/{warning['id']}")["sentence"] == warning["sentence"]

    def test_a_credit_controller_too_for_he_decides_and_sales_do_not(self, office: Office) -> None:
        controller, warning = office.caller("xin", "credit"), breached(office, "W-2")
        assert awaited_line(controller, warning)["recipient"] == "role:credit"

    async def test_live_and_once_also_when_the_web_process_is_killed(self, office: Office) -> None:
        """INVARIANT: what is said while a stream is down comes first when it is back, and nothing comes twice."""
        owner = office.salesperson("liu", "L-1", "L-2", "L-3")
        seen: list[str] = []
        async with stream(owner) as events:
            first = breached(office, "L-1")
            seen.append(await warning_in(events))
            assert seen == [first["id"]]
            office.invoice("L-2", "1100.00", 0)
            office.installation.kill("web")
            seen += await rest_of(events)
        eventually(lambda: office.installation.status() == 200)
        second = office.warning("L-2")
        async with stream(owner, events.last_id) as events:
            if len(seen) < 2:
                seen.append(await warning_in(events))
            third = breached(office, "L-3")
            seen.append(await warning_in(events))
        assert seen == [first["id"], second["id"], third["id"]]


def breached(office: Office, customer: str) -> Json:
    """The warning about a customer whom today's invoice has taken above his limit."""
    office.breach(customer)
    return office.owes(customer, "1100.00")


def named(office: Office, document: Json) -> Json:
    """The document that evidence names, from the service that has it."""
    [found] = office.manager.items(PATHS[document["kind"]], key=document["key"])
    assert found["live"]
    return found


def counts(document: Json) -> Decimal:
    """What a document adds to the debt."""
    return Decimal(document["counts"] or 0)


def figures(warning: Json) -> dict[str, Decimal]:
    """The numbers of a warning that are numbers."""
    found = {}
    for name, text in warning["evidence"]["numbers"].items():
        with contextlib.suppress(InvalidOperation):
            found[name] = Decimal(text)
    return found


def words(formula: str) -> set[str]:
    """What a formula is about."""
    return set(re.findall(r"[a-z_]+", formula))


def awaited_line(caller: Caller, warning: Json) -> Json:
    """The first thing somebody was told of a warning."""
    return awaited(
        lambda: next((one for one in caller.items("/v1/inbox")[::-1] if one["warning"] == warning["id"]), None)
    )
