"""Every service a process of its own, alerting two, one Kafka broker: the promise holds while processes are killed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.distributed import Distributed, distributed
from tests.support.installation import eventually
from tests.support.kafka import running_cluster

pytestmark = [pytest.mark.kafka, pytest.mark.system, pytest.mark.xdist_group("kafka-distributed")]


@pytest.fixture(scope="module")
def installation() -> Iterator[Distributed]:
    with running_cluster(brokers=1) as cluster, distributed(cluster.bootstrap) as installation:
        installation.start("alerting", "alerting-2")
        yield installation


def invoice(installation: Distributed, number: int, customer: str) -> None:
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
    installation.call("credit", "POST", "/v1/invoices", body)


def warned(installation: Distributed) -> set[str]:
    """Customers of whom the inbox says something."""
    lines: list[dict[str, Any]] = installation.call("notify", "GET", "/v1/inbox?limit=100")["items"]
    return {str(line["customer"]["external_id"]) for line in lines if line.get("customer")}


class TestDistributed:
    def test_a_document_becomes_a_line_in_the_inbox(self, installation: Distributed) -> None:
        invoice(installation, 1, "K-1")
        eventually(lambda: "K-1" in warned(installation))
        report = {name: process.pid for name, process in installation.processes.items()}
        assert len(set(report.values())) == 6, report

    def test_one_alerting_process_takes_over_from_the_other(self, installation: Distributed) -> None:
        """INVARIANT: breaks when the partitions of a process that was killed have nobody, or their cursor is lost."""
        customers = {f"T-{number}" for number in range(24)}
        for number, customer in enumerate(sorted(customers)):
            invoice(installation, 100 + number, customer)
            if number == 8:
                installation.kill("alerting")
        eventually(lambda: customers <= warned(installation), 60)
        installation.start("alerting")

    def test_producers_and_consumers_are_equal(self, installation: Distributed) -> None:
        assert installation.json("reconcile", "--wait", "60")["differences"] == []
        assert installation.json("topics")

    @pytest.mark.parametrize("source", ["log", "republish"])
    def test_alerting_is_made_again_and_says_the_same(self, installation: Distributed, source: str) -> None:
        """INVARIANT: breaks when a rebuild ends, repeats or invents a warning."""
        before = installation.json("warnings-hash", "--wait", "60")
        told = installation.call("notify", "GET", "/v1/inbox?limit=200")["items"]
        installation.run("rebuild", "alerting", "--from", source)
        assert installation.json("warnings-hash", "--wait", "60") == before
        assert installation.call("notify", "GET", "/v1/inbox?limit=200")["items"] == told
        assert installation.json("reconcile", "--wait", "60")["differences"] == []

    def test_notify_is_made_again_and_tells_nobody_twice(self, installation: Distributed) -> None:
        told = installation.call("notify", "GET", "/v1/inbox?limit=200")["items"]
        installation.run("rebuild", "notify")
        assert installation.json("reconcile", "--wait", "60")["differences"] == []
        assert installation.call("notify", "GET", "/v1/inbox?limit=200")["items"] == told

    def test_a_producer_restored_from_a_backup_takes_back_only_what_somebody_confirms(
        self, installation: Distributed
    ) -> None:
        """INVARIANT: breaks when a restore silently forgets what was accepted, or keeps it for ever."""
        installation.stop("credit")
        installation.server.execute('create database backup template "forewarn_credit"')
        installation.start("credit")
        invoice(installation, 900, "L-1")
        eventually(lambda: "L-1" in warned(installation))
        installation.stop("credit")
        installation.server.execute('drop database "forewarn_credit"')
        installation.server.execute('alter database backup rename to "forewarn_credit"')
        installation.server.execute('alter database "forewarn_credit" owner to "forewarn_credit"')
        installation.start("credit")
        eventually(lambda: _lost(installation) == ["erp/IN-900"])
        assert installation.json("reconcile", "--wait", "30", code=1)["differences"]
        invoice(installation, 901, "L-2")
        installation.run("restore", "confirm", "credit")
        eventually(lambda: _standing(installation, "L-1") == "taken_back" and "L-2" in warned(installation))
        assert installation.json("reconcile", "--wait", "60")["differences"] == []
        assert installation.json("restore", "show", "credit")["confirmed"]


def _lost(installation: Distributed) -> list[str]:
    found = installation.json("restore", "show", "credit", code=1)
    return [] if found["awaited"] else [one["document"] for one in found["lost"] if one["kind"] == "invoice"]


def _standing(installation: Distributed, customer: str) -> str | None:
    """What the newest line about a customer says."""
    lines = installation.call("notify", "GET", "/v1/inbox?limit=200")["items"]
    return next((line["told"] for line in lines if (line.get("customer") or {}).get("external_id") == customer), None)
