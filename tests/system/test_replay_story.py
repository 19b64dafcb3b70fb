"""A file of real documents through the whole system: whatever happens on the way, the same facts come out."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import asyncpg
import psutil
import pytest

from forewarn.up import PROGRAM
from tests.support.disorder import disordered
from tests.support.installation import Installation, copied, eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

REPLAY: Final = ("--time-zone", "Europe/London", "--currency", "GBP", "--wait", "120")
OTHERWISE: Final = {"FOREWARN_CONSUMER_BATCH": "37", "FOREWARN_CONSUMERS": "3"}


@pytest.fixture(scope="module")
def orderly(real_data_dir: Path, real_orders: list[str]) -> Iterator[tuple[Installation, dict[str, Any]]]:
    """An installation that was sent the documents once and in order, and the summary of that."""
    with copied(real_data_dir, PROGRAM) as installation:
        installation.up_and_ready()
        yield installation, replayed(installation, real_orders)


class TestReplay:
    def test_accounts_for_every_line(
        self, orderly: tuple[Installation, dict[str, Any]], real_orders: list[str]
    ) -> None:
        installation, summary = orderly
        assert (summary["read"], summary["accepted"]) == (len(real_orders), len(real_orders))
        assert (summary["refused"], summary["caught_up"]) == ({}, True)
        assert all(count >= len(customers(real_orders)) for count in summary["events_applied"].values())
        assert installation.json("reconcile")["differences"] == []

    def test_a_second_run_changes_nothing(
        self, orderly: tuple[Installation, dict[str, Any]], real_orders: list[str]
    ) -> None:
        installation, _ = orderly
        before = facts_hash(installation)
        summary = replayed(installation, real_orders)
        assert (summary["read"], summary["duplicate"]) == (len(real_orders), len(real_orders))
        assert set(summary["events_applied"].values()) == {0}
        assert facts_hash(installation) == before

    def test_disorder_repetition_and_kills_change_nothing(
        self, orderly: tuple[Installation, dict[str, Any]], real_data_dir: Path, real_orders: list[str]
    ) -> None:
        """INVARIANT: an accepted document is never lost and counts once, in any order, whoever dies in the middle."""
        expected, lines = facts_hash(orderly[0]), disordered(real_orders, seed=1)
        with copied(real_data_dir, PROGRAM, **OTHERWISE) as installation:
            installation.up_and_ready()
            summary = replayed(installation, lines, kill=("web", "worker", "postgres", "worker"))
            assert summary["read"] == len(lines)
            assert summary["accepted"] + summary["duplicate"] == len(lines)
            assert summary["retries"] > 0
            assert facts_hash(installation) == expected
            assert installation.json("reconcile", "--wait", "60")["differences"] == []
            assert installation.json("deadletters", "list") == []

    def test_one_cent_in_one_line_changes_the_hash(
        self, orderly: tuple[Installation, dict[str, Any]], real_data_dir: Path, real_orders: list[str]
    ) -> None:
        """INVARIANT: equal hashes mean equal documents, or the other stories prove nothing."""
        with copied(real_data_dir, PROGRAM) as installation:
            installation.up_and_ready()
            replayed(installation, [*real_orders[:-1], a_cent_more(real_orders[-1])])
            assert facts_hash(installation) != facts_hash(orderly[0])


def replayed(installation: Installation, lines: Sequence[str], *, kill: Sequence[str] = ()) -> dict[str, Any]:
    """Replay the lines, and kill processes on the way, one after the other; returns the summary."""
    file = installation.data_dir / "documents.jsonl"
    file.write_text("".join(lines))
    process = installation.start("replay", str(file), *REPLAY, "--chunk", str(len(lines) // 50), "--json")
    for number, name in enumerate(kill, 1):
        await_documents(installation, len(set(lines)) * number // (len(kill) + 1))
        assert process.poll() is None, "it was over before anybody was killed"
        kill_again(installation, name)
    printed, complaints = process.communicate(timeout=600)
    assert process.returncode == 0, complaints
    summary: dict[str, Any] = json.loads(printed)
    return summary


def await_documents(installation: Installation, count: int) -> None:
    """Wait until so many orders and returns were accepted."""

    async def accepted() -> int:
        connection = await asyncpg.connect(installation.server.dsn("orders"))
        try:
            return int(await connection.fetchval("select count(*) from document where kind in ('order', 'return')"))
        finally:
            await connection.close()

    eventually(lambda: asyncio.run(accepted()) >= count)


def kill_again(installation: Installation, name: str) -> None:
    """Kill a process that may have been killed before, once it is back."""
    eventually(lambda: psutil.pid_exists(installation.pid(name)))
    installation.kill(name)


def facts_hash(installation: Installation) -> str:
    found = installation.json("facts-hash", "--wait", "120")
    assert found["quiet"]
    return str(found["facts_hash"])


def customers(lines: Iterable[str]) -> set[str]:
    return {json.loads(line)["customer"] for line in lines}


def a_cent_more(line: str) -> str:
    fields = json.loads(line, parse_float=Decimal)
    return json.dumps(fields | {"amount": float(fields["amount"] + Decimal("0.01"))}) + "\n"
