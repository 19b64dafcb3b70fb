"""A file of real orders through the whole system: whatever happens on the way, the same facts and warnings come out."""

import json
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from forewarn.up import PROGRAM
from tests.support.disorder import disordered
from tests.support.distributed import Kills, distributed
from tests.support.feeding import beat, differences, facts_hash, kills, replayed, warnings_hash
from tests.support.installation import Installation, copied, eventually
from tests.support.kafka import running_cluster
from tests.support.reported import REPORTED, Record
from tests.system.conftest import WHOLE

pytestmark = [pytest.mark.system, pytest.mark.timeout(1800)]

OPTIONS: Final = ("--time-zone", "Europe/London", "--currency", "GBP")
KILL_SECONDS: Final = 30.0 if WHOLE else 2.0
"""Between the return of one broker and the death of the next."""
ENOUGH_KILLS: Final = 3
OTHERWISE: Final = {"FOREWARN_CONSUMER_BATCH": "37", "FOREWARN_CONSUMERS": "3"}


class Sent(NamedTuple):
    """An installation that was sent the documents once and in order, and what came of it."""

    installation: Installation
    summary: dict[str, Any]
    facts: str
    warnings: dict[str, Any]


@pytest.fixture(scope="module")
def sent(real_data_dir: Path, real_orders: list[str]) -> Iterator[Sent]:
    """To compare the others with."""
    with copied(real_data_dir, PROGRAM) as installation:
        installation.up_and_ready()
        summary = replayed(installation, real_orders, *OPTIONS)
        beat(installation, horizon_of(real_orders), "order")
        yield Sent(installation, summary, facts_hash(installation), warnings_hash(installation))


class TestReplay:
    def test_accounts_for_every_line(self, sent: Sent, real_orders: list[str]) -> None:
        assert (sent.summary["read"], sent.summary["accepted"]) == (len(real_orders), len(real_orders))
        assert (sent.summary["refused"], sent.summary["caught_up"]) == ({}, True)
        assert sent.summary["events_applied"]["alerting"] >= len(real_orders) + len(customers(real_orders))
        assert differences(sent.installation) == []

    def test_a_second_run_changes_nothing(self, sent: Sent, real_orders: list[str]) -> None:
        summary = replayed(sent.installation, real_orders, *OPTIONS)
        assert (summary["read"], summary["duplicate"]) == (len(real_orders), len(real_orders))
        assert set(summary["events_applied"].values()) == {0}
        assert facts_hash(sent.installation) == sent.facts
        assert warnings_hash(sent.installation) == sent.warnings

    def test_disorder_repetition_and_kills_change_nothing(
        self, sent: Sent, real_data_dir: Path, real_orders: list[str]
    ) -> None:
        """INVARIANT: an accepted document is never lost and counts once, in any order, whoever dies in the middle."""
        lines = disordered(real_orders, seed=1)
        with copied(real_data_dir, PROGRAM, **OTHERWISE) as installation:
            installation.up_and_ready()
            summary = replayed(
                installation, lines, *OPTIONS, harm=kills(installation, "web", "worker", "postgres", "worker")
            )
            assert summary["read"] == summary["accepted"] + summary["duplicate"] == len(lines)
            assert summary["retries"] > 0
            beat(installation, horizon_of(real_orders), "order")
            assert facts_hash(installation) == sent.facts
            assert warnings_hash(installation) == sent.warnings
            assert differences(installation) == []
            assert installation.json("deadletters", "list") == []


@pytest.mark.kafka
class TestDistributed:
    def test_three_brokers_of_which_one_is_always_being_killed_change_nothing(
        self, sent: Sent, real_orders: list[str], record_property: Record
    ) -> None:
        """INVARIANT: other processes, another bus and its failures: the same documents, the same warnings."""
        with running_cluster(brokers=3) as cluster, distributed(cluster.bootstrap) as system:
            processes, began = system.pids(), time.monotonic()
            with Kills(cluster, KILL_SECONDS) as kills:
                summary = replayed(system, real_orders, *OPTIONS)
                assert (summary["read"], summary["accepted"]) == (len(real_orders), len(real_orders))
                eventually(lambda: kills.count >= ENOUGH_KILLS, ENOUGH_KILLS * (KILL_SECONDS + 30))
            beat(system, horizon_of(real_orders), "order")
            assert facts_hash(system) == sent.facts
            assert warnings_hash(system) == sent.warnings
            assert differences(system) == []
            assert system.json("deadletters", "list") == []
            assert system.pids() == processes
            seconds = time.monotonic() - began
            record_property(REPORTED, f"{len(real_orders)} orders, {kills.count} kills, equal after {seconds:.0f} s")
            record_property(REPORTED, f"processes {processes}, brokers {[cluster.pid(number) for number in (1, 2, 3)]}")


def horizon_of(lines: Iterable[str]) -> datetime:
    """An instant behind all documents, and behind what a job promises of its own accord."""
    latest = max(datetime.fromisoformat(json.loads(line)["ts"]) for line in lines)
    return latest.replace(tzinfo=UTC) + timedelta(days=7)


def customers(lines: Iterable[str]) -> set[str]:
    return {json.loads(line)["customer"] for line in lines}
