"""Operators' commands on a running installation: what they print for people and scripts, and how they end."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from forewarn.up import PROGRAM
from shared.events import TOPICS
from shared.messaging.bus import Message
from shared.messaging.embedded_bus import EmbeddedBus
from tests.forewarn.replay.support import order, write
from tests.support.installation import Installation, copied, eventually

pytestmark = pytest.mark.system

TOPIC: Final = TOPICS["customer"]
ONE_OF_EACH_SORT: Final = [["facts-hash"], ["lag"], ["deadletters", "replay", "orders", "--all"], ["sources", "list"]]


@pytest.fixture(scope="module")
def installation(real_data_dir: Path) -> Iterator[Installation]:
    """A running installation that was sent a few orders."""
    with copied(real_data_dir, PROGRAM) as installation:
        installation.up_and_ready()
        file = write(installation.data_dir / "orders.jsonl", [order(number) for number in range(5)])
        words = ["--source", "shop", "--currency", "CNY", "--time-zone", "Asia/Shanghai"]
        installation.run("replay", str(file), *words)
        yield installation


def send(installation: Installation, value: bytes) -> None:
    """Put a record nobody can read on the bus."""

    async def append() -> None:
        bus = EmbeddedBus(installation.server.dsn("bus"))
        producer = await bus.producer()
        await producer.send(TOPIC, 3, [Message(None, value, (("traceparent", b"00-1"),))])
        await bus.close()

    asyncio.run(append())


def letters(installation: Installation, service: str = "orders") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = installation.json("deadletters", "list", service)
    return found


class TestWithoutInstallation:
    @pytest.mark.parametrize("words", ONE_OF_EACH_SORT, ids=" ".join)
    def test_none_is_started(self, real_data_dir: Path, words: list[str]) -> None:
        """INVARIANT: whoever only wants to look must not bring a database up that nobody supervises."""
        stopped = Installation(real_data_dir, PROGRAM)
        assert "does not run" in stopped.complaint(*words, code=3)
        assert not stopped.processes()


class TestFigures:
    def test_facts_hash_shows_both_sides(self, installation: Installation) -> None:
        found = installation.json("facts-hash")
        sums = {(one["service"], one["side"]): one["sums"] for one in found["facts"] if one["kind"] == "order"}
        assert sums["orders", "document"] == {"CNY": "502.50"}
        assert set(map(str, sums.values())) == {"{'CNY': '502.50'}"}
        assert found["facts_hash"] in installation.run("facts-hash")

    def test_warnings_hash_is_printed(self, installation: Installation) -> None:
        assert installation.json("warnings-hash")["warnings_hash"] in installation.run("warnings-hash")

    def test_reconcile_ends_well_where_nothing_differs(self, installation: Installation) -> None:
        found = installation.json("reconcile")
        assert (found["quiet"], found["differences"]) == (True, [])
        assert {"producer": "customer", "consumer": "orders", "kind": "customer"} in found["pairs"]

    def test_lag_shows_every_producer_and_consumer(self, installation: Installation) -> None:
        found = installation.json("lag")
        assert {"customer", "orders"} <= {one["service"] for one in found["outboxes"]}
        assert {(one["service"], one["records"]) for one in found["consumers"]} >= {("orders", 0), ("customer", 0)}
        assert TOPIC in installation.run("lag")


class TestDeadletters:
    def test_are_listed_shown_whole_and_tried_again(self, installation: Installation) -> None:
        reason = "x" * 300
        send(installation, json.dumps({"why": reason}).encode())
        eventually(lambda: len(letters(installation)) == 1)
        [letter] = letters(installation)
        assert (letter["topic"], letter["partition"]) == (TOPIC, 3)
        place = [letter["topic"], str(letter["partition"]), str(letter["offset"])]
        shown = installation.json("deadletters", "show", "orders", *place)
        assert (shown["value"], shown["headers"]) == ({"why": reason}, [["traceparent", "00-1"]])
        assert reason in installation.run("deadletters", "show", "orders", *place)
        [again] = installation.json("deadletters", "replay", "orders", *place, code=1)
        assert (again["applied"], again["code"]) == (False, "dead_letter_unreadable")
        assert "dead_letter_unreadable" in installation.run("deadletters", "replay", "orders", "--all", code=1)
        assert len(letters(installation)) == 1

    def test_a_place_without_one_is_said(self, installation: Installation) -> None:
        said = installation.complaint("deadletters", "show", "orders", TOPIC, "0", "999", code=1)
        assert "[dead_letter_not_found]" in said

    @pytest.mark.parametrize("words", [[], [TOPIC], [TOPIC, "3", "0", "--all"]])
    def test_replay_wants_one_place_or_all(self, installation: Installation, words: list[str]) -> None:
        assert "--all" in installation.complaint("deadletters", "replay", "orders", *words, code=2)

    def test_a_service_that_consumes_nothing_is_said(self, installation: Installation) -> None:
        assert "there are: " in installation.complaint("deadletters", "list", "billing", code=2)


class TestSources:
    def test_one_that_has_ended_is_retired(self, installation: Installation) -> None:
        retired = installation.json("sources", "retire", "shop", "order")
        assert (retired["source"], retired["kind"]) == ("shop", "order")
        assert retired["retired_at"]

    def test_an_unknown_one_is_said(self, installation: Installation) -> None:
        assert "[source_not_found]" in installation.complaint("sources", "retire", "shop", "payment", code=1)

    def test_an_unknown_kind_is_said(self, installation: Installation) -> None:
        assert "there is no kind 'orders'" in installation.complaint("sources", "retire", "shop", "orders", code=2)

    def test_the_token_of_this_machine_goes_to_nobody_else(self, installation: Installation) -> None:
        """INVARIANT: a token of an administrator, sent to a URL somebody typed, is given away."""
        said = installation.complaint("sources", "list", "--url", "http://127.0.0.1:1", code=1)
        assert "[token_required]" in said
