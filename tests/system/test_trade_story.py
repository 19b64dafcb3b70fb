"""Two years of trade with limits, invoices and payments, corrected and linked: facts and warnings stay a function of
the documents, whatever the order in which documents, corrections and links arrive."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from forewarn.demo.distributor import Distributor, Line, simulate
from forewarn.demo.writing import encode_line
from forewarn.replay.lines import Line as ReplayLine
from forewarn.replay.translate import Document, Options, Translator
from forewarn.up import PROGRAM
from tests.support.disorder import disordered
from tests.support.distributed import distributed, replaced
from tests.support.feeding import (
    SOURCE,
    beat,
    call,
    differences,
    document_id,
    facts_hash,
    kills,
    replayed,
    warnings_hash,
)
from tests.support.installation import Installation, copied
from tests.support.kafka import running_cluster
from tests.support.reported import REPORTED, Record
from tests.support.system import System
from tests.system.conftest import WHOLE

pytestmark = [pytest.mark.system, pytest.mark.timeout(1800)]

TODAY: Final = date(2025, 6, 30)
OTHERWISE: Final = {"FOREWARN_CONSUMER_BATCH": "53", "FOREWARN_CONSUMERS": "4"}

Deed = Callable[[System], None]
"""Something a person does through the API. Any two of them touch different documents, so their order is free."""


class Trade(NamedTuple):
    """What there is to send: most documents at once, some of them late, and what people do."""

    lines: list[str]
    late: list[str]
    disputed: str
    """Number of an invoice that stands behind a warning."""
    corrections: list[Deed]
    links: list[Deed]
    until: datetime


class Sent(NamedTuple):
    """An installation to which everything came in order, and what it says."""

    installation: Installation
    facts: str
    warnings: dict[str, Any]


@pytest.fixture(scope="module")
def trade() -> Trade:
    """The demo's distributor, in the checks only those of his customers about whom a story is told."""
    distributor = simulate(1, TODAY)
    told = {story.customer for story in distributor.stories}
    lines = [line for line in distributor.lines() if WHOLE or line["customer"] in told]
    written = [encode_line(line).decode() for line in lines]
    late = set(random.Random(2).sample(written, len(written) // 40))
    latest = max(datetime.fromisoformat(line["ts"]) for line in lines)
    return Trade(
        [line for line in written if line not in late],
        [line for line in written if line in late],
        last_invoice(lines, distributor.stories[2].customer),
        corrections(distributor, written),
        links(distributor),
        latest + timedelta(days=7),
    )


@pytest.fixture(scope="module")
def sent(real_data_dir: Path, trade: Trade) -> Iterator[Sent]:
    """To compare the others with."""
    with copied(real_data_dir, PROGRAM) as installation:
        installation.up_and_ready()
        replayed(installation, trade.lines)
        do(installation, trade.links)
        replayed(installation, trade.late)
        do(installation, trade.corrections)
        yield Sent(installation, *said(installation, trade))


class TestTrade:
    def test_gets_warnings_of_both_rules(self, sent: Sent) -> None:
        assert sent.warnings["warnings"].keys() == {"credit_limit", "churn"}
        assert sent.warnings["warnings"]["credit_limit"].keys() == {"warning", "critical"}

    def test_everything_again_changes_nothing(self, sent: Sent, trade: Trade) -> None:
        do(sent.installation, trade.links, trade.corrections)
        replayed(sent.installation, trade.late)
        assert said(sent.installation, trade) == sent[1:]

    def test_another_order_and_kills_change_nothing(self, sent: Sent, real_data_dir: Path, trade: Trade) -> None:
        """INVARIANT: what the system says is a function of documents and horizon, never of how they came to be here."""
        lines = disordered([*trade.lines, *trade.late], seed=3)
        with copied(real_data_dir, PROGRAM, **OTHERWISE) as installation:
            installation.up_and_ready()
            do(installation, trade.links[::-1])
            summary = replayed(installation, lines, harm=kills(installation, "worker", "postgres", "web", "worker"))
            assert summary["read"] == summary["accepted"] + summary["duplicate"] == len(lines)
            do(installation, trade.corrections[::-1])
            assert said(installation, trade) == sent[1:]
            assert differences(installation) == []
            assert installation.json("deadletters", "list") == []

    def test_one_cent_in_one_line_changes_both_hashes(self, sent: Sent, real_data_dir: Path, trade: Trade) -> None:
        """INVARIANT: equal hashes mean equal documents and warnings, or the other stories prove nothing."""
        with copied(real_data_dir, PROGRAM) as installation:
            installation.up_and_ready()
            do(installation, trade.links)
            replayed(installation, a_cent_more([*trade.lines, *trade.late], trade.disputed))
            do(installation, trade.corrections)
            facts, warnings = said(installation, trade)
            assert facts != sent.facts
            assert warnings["warnings_hash"] != sent.warnings["warnings_hash"]
            assert warnings["warnings"] == sent.warnings["warnings"]


@pytest.mark.kafka
class TestDistributed:
    def test_seven_processes_and_kafka_change_nothing(self, sent: Sent, trade: Trade, record_property: Record) -> None:
        """INVARIANT: both ways to run are one system; broken, what the small one proves says nothing of the large."""
        lines = disordered([*trade.lines, *trade.late], seed=4)
        with running_cluster(brokers=1) as cluster, distributed(cluster.bootstrap) as system:
            do(system, trade.links[::-1])
            replayed(system, lines, harm=[partial(replaced, system, "credit")])
            do(system, trade.corrections[::-1])
            assert said(system, trade) == sent[1:]
            assert differences(system) == []
            assert system.json("deadletters", "list") == []
            record_property(REPORTED, f"{len(lines)} documents, processes {system.pids()}")


def said(system: System, trade: Trade) -> tuple[str, dict[str, Any]]:
    """What a system says once its sources have promised as much as every other one's."""
    beat(system, trade.until, "order", "invoice", "payment")
    return facts_hash(system), warnings_hash(system)


def last_invoice(lines: Sequence[Line], customer: str) -> str:
    return [str(line["invoice"]) for line in lines if line["customer"] == customer and "due" in line][-1]


def a_cent_more(lines: Sequence[str], invoice: str) -> list[str]:
    """The same lines, but for the amount of one invoice."""
    changed = []
    for line in lines:
        fields = json.loads(line, parse_float=Decimal)
        if fields.get("type") == "invoice.posted" and fields["invoice"] == invoice:
            line = encode_line(fields | {"amount": fields["amount"] + Decimal("0.01")}).decode()
        changed.append(line)
    assert changed != lines
    return changed


def do(system: System, *deeds: Sequence[Deed]) -> None:
    for some in deeds:
        for deed in some:
            deed(system)


def links(distributor: Distributor) -> list[Deed]:
    """Customers of stories who are one and the same, and one who was not after all."""
    one, two, three, four, five, six, seven = (story.customer for story in distributor.stories[:7])
    return [_link(one, two), _link(three, four), _link(four, five), _unlinked(six, seven)]


def corrections(distributor: Distributor, written: Sequence[str]) -> list[Deed]:
    """Mistakes and undoings about the latest documents of customers about whom a story is told."""
    told = [story.customer for story in distributor.stories]
    lines = [json.loads(line, parse_float=Decimal, parse_int=Decimal) for line in written]

    def last(kind: str, customer: str) -> Document:
        found = [line for line in lines if (line["type"], line["customer"]) == (kind, customer)]
        document = Translator(Options(source=SOURCE)).translate(ReplayLine(1, found[-1]))
        assert isinstance(document, Document)
        return document

    at = f"{TODAY}T09:00:00+08:00"
    return [
        _act("retract", last("payment.received", told[0])),
        _act("reverse", last("payment.received", told[2]), reversed_at=at),
        _act("cancel", last("invoice.posted", told[3]), cancelled_at=at),
        _act("retract", last("invoice.posted", told[4])),
        _act("retract", last("credit_limit.set", told[7])),
        _act("cancel", last("order.placed", told[5]), cancelled_at=at),
        _act("retract", last("order.placed", told[6])),
        _amended(last("order.placed", told[8])),
        _amended(last("invoice.posted", told[9])),
        _amended(last("payment.received", told[10])),
    ]


def _act(verb: str, document: Document, **body: Any) -> Deed:
    service = "orders" if document.kind == "order" else "credit"
    path = {"order": "orders", "invoice": "invoices", "payment": "payments", "credit_limit": "credit-limits"}

    def act(system: System) -> None:
        id_ = document_id(system, service, document.kind, document.body["number"])
        call(system, "POST", f"/v1/{path[document.kind]}/{id_}/{verb}", body or None)

    return act


def _amended(document: Document) -> Deed:
    """The source sends it again, at twice the amount."""
    path = {"order": "orders", "invoice": "invoices", "payment": "payments"}[document.kind]
    amount = str(2 * Decimal(document.body["amount"]))

    def act(system: System) -> None:
        call(system, "POST", f"/v1/{path}", document.body | {"amount": amount, "source_revision": 2})

    return act


def _link(survivor: str, absorbed: str) -> Deed:
    def act(system: System) -> None:
        call(system, "POST", "/v1/customer-links", _pair(survivor, absorbed))

    return act


def _unlinked(survivor: str, absorbed: str) -> Deed:
    def act(system: System) -> None:
        made = call(system, "POST", "/v1/customer-links", _pair(survivor, absorbed))
        call(system, "POST", f"/v1/customer-links/{made['id']}/unlink")

    return act


def _pair(survivor: str, absorbed: str) -> dict[str, Any]:
    named = {"survivor": survivor, "absorbed": absorbed}
    return {role: {"source": SOURCE, "external_id": external_id} for role, external_id in named.items()}
