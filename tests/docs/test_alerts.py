"""The alert rules use what is exported, fire when they should and are silent otherwise."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.metrics import series
from tests.support.promql import STEP, Series, fires, seconds, used_by

DOCS: Final = Path(__file__).parents[2] / "docs"
RULES: Final[list[dict[str, Any]]] = [
    rule
    for group in yaml.safe_load((DOCS / "prometheus" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
OF_PROMETHEUS: Final = {"up": ("job", "instance")}

AT: Final = 4 * 3600
"""When rules are looked at: all have had the time they ask for."""

ALERTING: Final = {"service": "alerting"}
ORDERS: Final = {"service": "orders"}
ROWS: Final = Series("outbox_limit_rows", ORDERS, [1000.0] * (AT // STEP + 1))


def steady(name: str, value: float, **labels: str) -> list[Series]:
    """A series that always has the same value."""
    return [Series(name, labels, [value] * (AT // STEP + 1))]


def rising(name: str, **labels: str) -> list[Series]:
    """A counter that stands at 0 and rises by one shortly before."""
    samples = AT // STEP + 1
    return [Series(name, labels, [0.0] * (samples - 4) + [1.0] * 4)]


def measured(ago: int) -> list[Series]:
    """Somebody has looked until so many seconds ago."""
    samples = [float(min(at, AT - ago)) for at in range(0, AT + 1, STEP)]
    return [Series("gauges_measured_timestamp_seconds", ORDERS, samples)]


PARTITION: Final = {"topic": "t", "partition": "3"}
QUIET: Final[dict[str, list[Series]]] = {
    "ForewarnProcessDown": steady("up", 1, job="forewarn", instance="a") + steady("up", 0, job="other", instance="b"),
    "ForewarnOwnFault": rising("http_request_duration_seconds_count", method="GET", route="/r", status="503")
    + steady("http_request_duration_seconds_count", 3, method="GET", route="/r", status="500"),
    "ForewarnBusAway": steady("bus_reachable", 1, **ORDERS),
    "ForewarnGaugesStale": measured(45),
    "ForewarnOutboxOld": steady("outbox_oldest_age_seconds", 20, **ORDERS),
    "ForewarnOutboxFilling": [*steady("outbox_rows", 400, **ORDERS), ROWS],
    "ForewarnOutboxAlmostFull": [*steady("outbox_rows", 800, **ORDERS), ROWS],
    "ForewarnConsumerBehind": steady("consumer_lag_seconds", 200, **ALERTING, **PARTITION),
    "ForewarnConsumerFarBehind": steady("consumer_lag_seconds", 2000, **ALERTING, **PARTITION),
    "ForewarnPartitionStopped": steady("consumer_stopped_partitions", 0, **ALERTING),
    "ForewarnLogHole": steady("consumer_offset_holes_total", 2, **ALERTING),
    "ForewarnDeadLetters": steady("consumer_open_dead_letters", 0, **ALERTING),
    "ForewarnDeadLettersOld": steady("consumer_oldest_dead_letter_seconds", 3600, **ALERTING),
    "ForewarnWatermarkOld": steady("watermark_age_seconds", 90_000, **ALERTING, kind="order")
    + steady("watermark_age_seconds", 900_000, service="credit", kind="order"),
    "ForewarnGateClosed": steady("consumer_gate_closed", 0, **ALERTING, producer="orders"),
    "ForewarnProducerRestored": steady("producer_unconfirmed_restore", 0, **ORDERS),
    "ForewarnFork": steady("consumer_forks_total", 1, kind="order"),
}
LOUD: Final[dict[str, list[Series]]] = {
    "ForewarnProcessDown": steady("up", 0, job="forewarn", instance="a"),
    "ForewarnOwnFault": rising("http_request_duration_seconds_count", method="GET", route="/r", status="500"),
    "ForewarnBusAway": steady("bus_reachable", 0, **ORDERS) + steady("bus_reachable", 1, **ORDERS, instance="b"),
    "ForewarnGaugesStale": measured(600),
    "ForewarnOutboxOld": steady("outbox_oldest_age_seconds", 130, **ORDERS),
    "ForewarnOutboxFilling": [*steady("outbox_rows", 501, **ORDERS), ROWS],
    "ForewarnOutboxAlmostFull": [*steady("outbox_rows", 901, **ORDERS), ROWS],
    "ForewarnConsumerBehind": steady("consumer_lag_seconds", 301, **ALERTING, **PARTITION),
    "ForewarnConsumerFarBehind": steady("consumer_lag_seconds", 3601, **ALERTING, **PARTITION),
    "ForewarnPartitionStopped": steady("consumer_stopped_partitions", 1, **ALERTING),
    "ForewarnLogHole": rising("consumer_offset_holes_total", **ALERTING),
    "ForewarnDeadLetters": steady("consumer_open_dead_letters", 1, **ALERTING),
    "ForewarnDeadLettersOld": steady("consumer_oldest_dead_letter_seconds", 86_401, **ALERTING),
    "ForewarnWatermarkOld": steady("watermark_age_seconds", 172_801, **ALERTING, kind="order"),
    "ForewarnGateClosed": steady("consumer_gate_closed", 1, **ALERTING, producer="orders"),
    "ForewarnProducerRestored": steady("producer_unconfirmed_restore", 1, **ORDERS),
    "ForewarnFork": rising("consumer_forks_total", kind="order"),
}


@pytest.fixture(params=RULES, ids=lambda rule: rule["alert"])
def rule(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


class TestRules:
    def test_use_only_what_is_exported(self, rule: dict[str, Any]) -> None:
        """INVARIANT: an expression over a series nobody exports never fires, and nobody notices."""
        there = series() | OF_PROMETHEUS
        for metric, labels in used_by(rule["expr"]).items():
            assert metric in there
            assert labels <= set(there[metric])

    def test_tell_what_and_where_to_read_on(self, rule: dict[str, Any]) -> None:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        document, _, anchor = rule["annotations"]["runbook"].partition("#")
        titles = re.findall(r"^## (.+)$", (DOCS.parent / document).read_text(), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w ]", "", title).lower().replace(" ", "-") for title in titles}
        named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert named <= set().union(*used_by(rule["expr"]).values(), {"instance"})

    def test_fire(self, rule: dict[str, Any]) -> None:
        assert len(fires(rule, LOUD[rule["alert"]], AT)) == 1

    def test_are_silent_while_all_is_well(self, rule: dict[str, Any]) -> None:
        """INVARIANT: an alert that cries without a reason is switched off."""
        assert fires(rule, QUIET[rule["alert"]], AT) == []

    @pytest.mark.parametrize("rule", [rule for rule in RULES if "for" in rule], ids=lambda rule: rule["alert"])
    def test_are_silent_about_what_has_just_begun(self, rule: dict[str, Any]) -> None:
        begun = (AT - seconds(rule["for"])) // STEP + 1
        young = [one._replace(samples=[None] * begun + list(one.samples[begun:])) for one in LOUD[rule["alert"]]]
        assert fires(rule, young, AT) == []

    def test_names_are_unique(self) -> None:
        names = [rule["alert"] for rule in RULES]
        assert len(names) == len(set(names)) == len(LOUD)
