"""What becomes of warnings when their documents turn out late, wrong, undone or missing, as people see it over HTTP:
taken back, corrected or ended, with what they had done about them kept, and nothing claimed that nobody can know."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest

from forewarn.up import PROGRAM
from tests.support.installation import copied, eventually
from tests.support.office import ERP, Office, ago, awaited, office_on
from tests.support.silence import await_end, await_horizon, fall_silent, shown_source

pytestmark = pytest.mark.system

RETRACTED: Final = "documents_changed"


@pytest.fixture(scope="module")
def office(real_data_dir: Path) -> Iterator[Office]:
    """An office on an installation of its own."""
    with copied(real_data_dir, PROGRAM) as installation:
        installation.up_and_ready()
        with office_on(installation) as office:
            yield office


class TestLateDocument:
    def test_a_payment_from_before_the_breach_takes_the_warning_back(self, office: Office) -> None:
        """INVARIANT: it never was true, so it is not "over": whoever was told has to hear that."""
        owner = office.salesperson("wang", "late-1")
        office.limit("late-1", "1000.00")
        office.invoice("late-1", "1300.00", 1)
        warning = office.owes("late-1", "1300.00")
        office.payment("late-1", "400.00", 3)
        taken_back = office.warning("late-1", condition="retracted")
        assert (taken_back["id"], taken_back["retraction"]) == (warning["id"], RETRACTED)
        assert office.warnings("late-1") == []
        office.told(owner, warning, "firing", "taken_back")
        assert [(step["reason"], step["numbers"]["debt"]) for step in office.timeline(warning)] == [
            ("opened", "1300.00"),
            ("retracted", "1300.00"),
        ]

    def test_one_that_only_moves_the_breach_corrects_it_and_what_people_did_stays(self, office: Office) -> None:
        owner = office.salesperson("li", "late-2")
        office.limit("late-2", "1000.00")
        office.invoice("late-2", "700.00", 20)
        office.invoice("late-2", "400.00", 10)
        office.invoice("late-2", "50.00", 5)
        warning = office.owes("late-2", "1150.00")
        assert instant(warning["started_at"]) == instant(ago(10))
        office.acknowledge(owner, warning)
        office.payment("late-2", "120.00", 12)
        corrected = office.owes("late-2", "1030.00")
        assert (corrected["id"], instant(corrected["started_at"])) == (warning["id"], instant(ago(5)))
        assert (corrected["handling"]["state"], corrected["handling"]["actor"]) == ("acknowledged", "li")
        assert office.timeline(warning)[-1]["reason"] == "corrected"

    def test_an_order_from_within_the_silence_takes_the_warning_back(self, office: Office) -> None:
        for days in (110, 100, 90, 80):
            office.order("late-3", days)
        warning = office.warning("late-3", lambda one: one["evidence"]["numbers"]["order_days"] == "4")
        office.order("late-3", 60)
        office.order("late-3", 30)
        taken_back = office.warning("late-3", condition="retracted")
        assert (taken_back["id"], taken_back["retraction"]) == (warning["id"], RETRACTED)


class TestCorrectedInvoice:
    def test_a_lower_amount_corrects_the_warning_and_keeps_the_acknowledgement(self, office: Office) -> None:
        """INVARIANT: figures that move a little must not undo what people have taken on, or they stop taking on."""
        owner = office.salesperson("zhao", "lower-1")
        office.limit("lower-1", "1000.00")
        office.invoice("lower-1", "1180.00", 1, number="lower-1", source_revision=1)
        warning = office.owes("lower-1", "1180.00")
        office.acknowledge(owner, warning)
        office.invoice("lower-1", "1080.00", 1, number="lower-1", source_revision=2)
        corrected = office.owes("lower-1", "1080.00")
        assert (corrected["id"], corrected["tier"], corrected["handling"]["state"]) == (
            warning["id"],
            "warning",
            "acknowledged",
        )
        assert corrected["evidence"]["documents"][-1] == {
            "kind": "invoice",
            "key": f"{ERP}/lower-1",
            "counts": "1080.00",
        }
        office.told(owner, warning, "firing")

    def test_one_that_was_never_too_high_takes_it_back(self, office: Office) -> None:
        office.limit("lower-2", "1000.00")
        office.invoice("lower-2", "1180.00", 1, number="lower-2", source_revision=1)
        warning = office.owes("lower-2", "1180.00")
        office.invoice("lower-2", "118.00", 1, number="lower-2", source_revision=2)
        taken_back = office.warning("lower-2", condition="retracted")
        assert (taken_back["id"], taken_back["retraction"]) == (warning["id"], RETRACTED)

    def test_an_older_revision_that_comes_late_changes_nothing(self, office: Office) -> None:
        office.limit("lower-3", "1000.00")
        office.invoice("lower-3", "1080.00", 1, number="lower-3", source_revision=2)
        warning = office.owes("lower-3", "1080.00")
        late = office.invoice("lower-3", "118.00", 1, number="lower-3", source_revision=1)
        assert late["status"] == "superseded"
        office.invoice("lower-3", "7.00", 0)
        assert office.owes("lower-3", "1087.00")["id"] == warning["id"]


class TestUndoneInBusinessTime:
    """A breach that was undone has been one: its warning is over from then on, and is not taken back."""

    def test_a_cancelled_invoice_ends_the_warning_when_it_was_cancelled(self, office: Office) -> None:
        owner = office.salesperson("qian", "undone-1")
        invoice = office.breach("undone-1", 1)
        warning = office.owes("undone-1", "1100.00")
        office.finance.post(f"/v1/invoices/{invoice['id']}/cancel", {"cancelled_at": ago(0.5)})
        ended = office.warning("undone-1", condition="resolved")
        assert (ended["id"], instant(ended["ended_at"])) == (warning["id"], instant(ago(0.5)))
        assert office.warnings("undone-1", condition="retracted") == []
        assert office.receivables("undone-1", as_of=ago(0))["debt"] == "0.00"
        office.told(owner, warning, "firing", "resolved")

    def test_a_bounced_payment_begins_another_one_when_it_bounced(self, office: Office) -> None:
        office.breach("undone-2", 10)
        payment = office.payment("undone-2", "600.00", 6)
        first = office.owes("undone-2", "500.00", condition="resolved")
        office.finance.post(f"/v1/payments/{payment['id']}/reverse", {"reversed_at": ago(2)})
        second = office.owes("undone-2", "1100.00")
        assert (second["previous"], instant(second["started_at"])) == (first["id"], instant(ago(2)))
        [still] = office.warnings("undone-2", condition="resolved")
        assert (still["id"], instant(still["ended_at"])) == (first["id"], instant(ago(6)))


class TestMistake:
    """A booking mistake never happened: what it caused is taken back, what it had ended is true again."""

    def test_a_retracted_invoice_takes_its_warning_back(self, office: Office) -> None:
        owner = office.salesperson("sun", "mistake-1")
        invoice = office.breach("mistake-1", 1)
        warning = office.owes("mistake-1", "1100.00")
        office.finance.post(f"/v1/invoices/{invoice['id']}/retract")
        taken_back = office.warning("mistake-1", condition="retracted")
        assert (taken_back["id"], taken_back["retraction"]) == (warning["id"], RETRACTED)
        office.told(owner, warning, "firing", "taken_back")

    def test_a_retracted_payment_takes_the_end_back(self, office: Office) -> None:
        owner = office.salesperson("zhou", "mistake-2")
        office.breach("mistake-2", 1)
        payment = office.payment("mistake-2", "600.00")
        warning = office.owes("mistake-2", "500.00", condition="resolved")
        office.finance.post(f"/v1/payments/{payment['id']}/retract")
        assert office.owes("mistake-2", "1100.00")["id"] == warning["id"]
        assert [step["reason"] for step in office.timeline(warning)] == ["opened", "resolved", "reopened"]
        office.told(owner, warning, "firing", "resolved", "reopened")


class TestAcknowledgement:
    def test_ends_with_a_raise_and_the_timeline_keeps_what_was_said_before(self, office: Office) -> None:
        """INVARIANT: who has taken on a small debt has not taken on a large one."""
        owner = office.salesperson("wu", "raise-1")
        office.breach("raise-1", 2)
        warning = office.owes("raise-1", "1100.00")
        office.acknowledge(owner, warning)
        office.invoice("raise-1", "60.00", 1)
        assert office.owes("raise-1", "1160.00")["handling"]["state"] == "acknowledged"
        office.invoice("raise-1", "90.00", 0)
        raised = office.owes("raise-1", "1250.00")
        assert (raised["id"], raised["tier"], raised["handling"]["state"]) == (warning["id"], "critical", "new")
        said = [
            (step["reason"], step["tier"], step["handling"], step["actor"], step["numbers"]["debt"])
            for step in office.timeline(warning)
        ]
        assert said == [
            ("opened", "warning", "new", None, "1100.00"),
            ("handled", "warning", "acknowledged", "wu", "1100.00"),
            ("raised", "critical", "new", None, "1250.00"),
        ]
        office.told(owner, warning, "firing", "raised")


class TestDeadFeed:
    """INVARIANT: what did not come in because a feed is dead has not failed to happen; but the silence is said."""

    def test_of_payments_makes_nobody_overdue_and_is_said(self, office: Office) -> None:
        office.declare("bank", "payment", rhythm_hours=1)
        office.beat("bank", "payment", 40)
        await_horizon(office, "dead-1", "payment", "bank")
        office.limit("dead-1", "unlimited")
        office.invoice("dead-1", "500.00", 60, due=30)
        office.settle()
        assert office.warnings("dead-1") == []
        assert instant(office.horizon("dead-1", "payment")["until"]) == instant(ago(40))
        late = fall_silent(office, "bank", "payment")
        assert late["evidence"]["numbers"]["keeps_closed"] == "credit_limit"
        [line] = [one.split() for one in office.installation.run("sources", "list").splitlines() if "bank" in one]
        assert line[-2:] == ["late", "credit_limit"]
        assert office.warnings("dead-1") == []
        office.beat("bank", "payment")
        overdue = office.warning("dead-1")
        assert overdue["evidence"]["numbers"]["overdue"] == "500.00"
        assert await_end(office, late)["end_reason"] == "recovered"
        office.ops.post("/v1/sources/bank/payment/retire")

    def test_of_orders_makes_nobody_lost_and_is_said_until_it_is_retired(self, office: Office) -> None:
        office.declare("shop", "order", rhythm_hours=1)
        office.beat("shop", "order", 80)
        await_horizon(office, "dead-2", "order", "shop")
        for days in (120, 110, 100, 90):
            office.order("dead-2", days)
        office.settle()
        assert office.warnings("dead-2") == []
        assert instant(office.horizon("dead-2", "order")["until"]) == instant(ago(80))
        late = fall_silent(office, "shop", "order")
        assert late["evidence"]["numbers"]["keeps_closed"] == "churn"
        assert office.warnings("dead-2") == []
        assert late["evidence"]["clears"] == {"command": "forewarn sources retire shop order"}
        office.installation.run("sources", "retire", "shop", "order")
        lost = office.warning("dead-2")
        assert lost["evidence"]["numbers"]["order_days"] == "4"
        assert await_end(office, late)["end_reason"] == "recovered"
        assert not shown_source(office, "shop", "order")["late"]


class TestLinks:
    def test_linked_names_are_judged_as_one_and_unlinked_each_for_himself(self, office: Office) -> None:
        customers = ("link-1", "link-2")
        for customer in customers:
            office.limit(customer, "1000.00")
            office.invoice(customer, "700.00", 2)
        sides = [{"source": ERP, "external_id": customer} for customer in customers]
        link = office.manager.post("/v1/customer-links", {"survivor": sides[0], "absorbed": sides[1]})
        warning = office.owes("link-2", "1400.00")
        assert warning["customer"]["external_id"] == "link-1"
        assert {member["external_id"] for member in warning["members"]} == set(customers)
        eventually(lambda: [office.receivables(customer)["debt"] for customer in customers] == ["1400.00", "1400.00"])
        office.manager.post(f"/v1/customer-links/{link['id']}/unlink")
        apart = office.warning("link-1", condition="retracted")
        assert (apart["id"], apart["retraction"]) == (warning["id"], "regrouped")
        assert [office.warnings(customer) for customer in customers] == [[], []]
        eventually(lambda: [office.receivables(customer)["debt"] for customer in customers] == ["700.00", "700.00"])

    def test_documents_under_a_name_nobody_knows_count_and_the_name_is_shown(self, office: Office) -> None:
        """INVARIANT: a mistyped customer number must not make money disappear."""
        office.breach("misptyed-1", 1)
        warning = office.owes("misptyed-1", "1100.00")
        assert office.receivables("misptyed-1")["debt"] == "1100.00"
        unknown = awaited(
            lambda: next(iter(office.manager.items("/v1/customers", confirmed=False, q="misptyed-1")), None)
        )
        assert (unknown["id"], unknown["confirmed"]) == (warning["customer"]["id"], False)
        right = {"external_ids": [{"source": ERP, "external_id": "mistyped-1"}], "company_name": "Right"}
        known = office.manager.post("/v1/customers", right)
        wrong = {"source": ERP, "external_id": "misptyed-1"}
        office.manager.post(f"/v1/customers/{known['id']}/external-ids", wrong)
        moved = office.warning("mistyped-1", lambda one: one["customer"]["company_name"] == "Right")
        assert (moved["id"], moved["customer"]["id"]) == (warning["id"], known["id"])


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
