"""Every service a process of its own, alerting two, one Kafka broker: the promise holds while processes are killed."""

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.distributed import SESSION_SECONDS, Distributed, distributed
from tests.support.feeding import call
from tests.support.installation import eventually
from tests.support.kafka import running_cluster
from tests.support.reported import REPORTED, Record

pytestmark = [pytest.mark.kafka, pytest.mark.system]


@pytest.fixture(scope="module")
def system() -> Iterator[Distributed]:
    with running_cluster(brokers=1) as cluster, distributed(cluster.bootstrap) as system:
        yield system


def invoice(system: Distributed, number: int, customer: str) -> None:
    """An invoice above the limit of somebody who was granted none."""
    body = {
        "source": "erp",
        "number": f"IN-{number}",
        "customer": {"external_id": customer},
        "currency": "CNY",
        "amount": "1200.00",
        "issued_at": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
        "due": "2030-01-31",
    }
    call(system, "POST", "/v1/invoices", body)


def lines(system: Distributed) -> list[dict[str, Any]]:
    """The inbox, newest first."""
    found: list[dict[str, Any]] = call(system, "GET", "/v1/inbox?limit=200")["items"]
    return found


def warned(system: Distributed) -> set[str]:
    """Customers of whom the inbox says something."""
    return {str(line["customer"]["external_id"]) for line in lines(system) if line.get("customer")}


class TestDistributed:
    def test_a_document_becomes_a_line_in_the_inbox(self, system: Distributed, record_property: Record) -> None:
        invoice(system, 1, "K-1")
        eventually(lambda: "K-1" in warned(system))
        record_property(REPORTED, f"processes {system.pids()}")
        assert len(set(system.pids().values())) == 7

    def test_one_alerting_process_takes_over_from_the_other(self, system: Distributed) -> None:
        """INVARIANT: breaks when the partitions of a process that was killed have nobody, or their cursor is lost."""
        customers = {f"T-{number}" for number in range(24)}
        for number, customer in enumerate(sorted(customers)):
            invoice(system, 100 + number, customer)
            if number == 8:
                system.kill("alerting")
        eventually(lambda: customers <= warned(system), 60)
        system.begin("alerting")

    def test_a_process_that_stood_still_past_its_session_spoils_nothing(
        self, system: Distributed, record_property: Record
    ) -> None:
        """INVARIANT: it wakes up with a batch in hand that another has applied long ago; its cursor is not the truth
        any more. Broken, invoices count twice or warnings are told twice."""
        asleep = {f"S-{number}" for number in range(24)}
        system.signal("alerting-2", signal.SIGSTOP)
        stopped = time.monotonic()
        for number, customer in enumerate(sorted(asleep)):
            invoice(system, 200 + number, customer)
        eventually(lambda: asleep <= warned(system), 60)
        seconds = time.monotonic() - stopped
        record_property(REPORTED, f"all warned {seconds:.1f} s after one of two stood still")
        assert seconds > SESSION_SECONDS / 2, "the sleeper had no partition"
        system.signal("alerting-2", signal.SIGCONT)
        awake = {f"W-{number}" for number in range(24)}
        for number, customer in enumerate(sorted(awake)):
            invoice(system, 300 + number, customer)
        eventually(lambda: awake <= warned(system), 60)
        told = [(line["warning"], line["recipient"], line["told"]) for line in lines(system)]
        assert len(told) == len(set(told))
        assert {what for _, _, what in told} == {"firing"}
        assert "alerting-2" in system.pids()

    def test_producers_and_consumers_are_equal(self, system: Distributed) -> None:
        assert system.json("reconcile", "--wait", "60")["differences"] == []
        assert system.json("deadletters", "list") == []
        assert system.json("topics")

    @pytest.mark.parametrize("source", ["log", "republish"])
    def test_alerting_is_made_again_and_says_the_same(self, system: Distributed, source: str) -> None:
        """INVARIANT: breaks when a rebuild ends, repeats or invents a warning."""
        before, told = system.json("warnings-hash", "--wait", "60"), lines(system)
        system.run("rebuild", "alerting", "--from", source)
        assert system.json("warnings-hash", "--wait", "60") == before
        assert lines(system) == told
        assert system.json("reconcile", "--wait", "60")["differences"] == []

    def test_notify_is_made_again_and_tells_nobody_twice(self, system: Distributed) -> None:
        told = lines(system)
        system.run("rebuild", "notify")
        assert system.json("reconcile", "--wait", "60")["differences"] == []
        assert lines(system) == told

    def test_a_producer_restored_from_a_backup_takes_back_only_what_somebody_confirms(
        self, system: Distributed
    ) -> None:
        """INVARIANT: breaks when a restore silently forgets what was accepted, or keeps it for ever."""
        system.end("credit")
        system.server.execute('create database backup template "forewarn_credit"')
        system.begin("credit")
        invoice(system, 900, "L-1")
        eventually(lambda: "L-1" in warned(system))
        system.end("credit")
        system.server.execute('drop database "forewarn_credit"')
        system.server.execute('alter database backup rename to "forewarn_credit"')
        system.server.execute('alter database "forewarn_credit" owner to "forewarn_credit"')
        system.begin("credit")
        eventually(lambda: _lost(system) == ["erp/IN-900"])
        assert system.json("reconcile", "--wait", "30", code=1)["differences"]
        invoice(system, 901, "L-2")
        system.run("restore", "confirm", "credit")
        eventually(lambda: _standing(system, "L-1") == "taken_back" and "L-2" in warned(system))
        assert system.json("reconcile", "--wait", "60")["differences"] == []
        assert system.json("restore", "show", "credit")["confirmed"]


def _lost(system: Distributed) -> list[str]:
    found = system.json("restore", "show", "credit", code=1)
    return [] if found["awaited"] else [one["document"] for one in found["lost"] if one["kind"] == "invoice"]


def _standing(system: Distributed, customer: str) -> str | None:
    """What the newest line about a customer says."""
    return next(
        (line["told"] for line in lines(system) if (line.get("customer") or {}).get("external_id") == customer), None
    )
