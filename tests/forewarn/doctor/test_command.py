"""The command on installations that are sound, half dead and dead, and what it does with a check that fails."""

import sys
from collections.abc import Iterator
from typing import Any, Final

import psutil
import pytest

from forewarn.doctor.command import findings_of
from services.orders.service import SERVICE as ORDERS
from shared.clock import SystemClock
from shared.messaging.bus import Message
from tests.support.builders import order
from tests.support.installation import Installation, eventually, installation_in
from tests.support.operated import CREDIT, SERVICES, platform_of
from tests.support.postgres import temporary_data_dir
from tests.support.stage import Stage

PROGRAM: Final = (sys.executable, "-m", "forewarn")


def codes(found: Any) -> set[str]:
    return {finding["code"] for finding in found}


@pytest.fixture(scope="module")
def running() -> Iterator[Installation]:
    """All five services, new and idle."""
    with temporary_data_dir() as data_dir, installation_in(data_dir, PROGRAM) as installation:
        installation.up_and_ready()
        yield installation


@pytest.mark.system
class TestEmbedded:
    def test_a_sound_one(self, running: Installation) -> None:
        assert running.json("doctor") == []

    def test_a_worker_that_hangs(self, running: Installation) -> None:
        worker = psutil.Process(running.pid("worker"))
        worker.suspend()
        try:
            found = running.json("doctor", code=1)
        finally:
            worker.resume()
        assert codes(found) == {"process_silent"}
        assert {finding["subject"] for finding in found} == {"worker"}

    def test_a_database_that_answers_nobody(self, running: Installation) -> None:
        postgres = psutil.Process(running.pid("postgres"))
        postgres.suspend()
        try:
            found = running.json("doctor", code=1)
        finally:
            postgres.resume()
        assert {"bus_away", "database_away"} <= codes(found)
        eventually(lambda: running.status() == 200)

    def test_each_finding_is_one_line(self, new_installation: Installation) -> None:
        lines = new_installation.run("doctor", code=1).splitlines()
        assert len(lines) == 1
        assert lines[0].endswith("[not_running]")

    def test_a_service_that_does_not_exist(self, running: Installation) -> None:
        assert "there is no service 'billing'" in running.complaint("doctor", "billing", code=2)


class TestFindings:
    async def test_a_database_nobody_migrated_is_looked_at_no_further(self, stage: Stage) -> None:
        """INVARIANT: one cause is one finding, not one for every table that is not there."""
        stage.clock.at = SystemClock().now()
        found = await findings_of([ORDERS], platform_of(stage))
        assert [finding.code for finding in found if finding.subject == "orders"] == ["database_behind"]

    async def test_a_check_that_fails_does_not_keep_the_others_from_looking(self, stage: Stage) -> None:
        stage.clock.at = SystemClock().now()
        await stage.append(0, Message(None, b"?", ()))
        await stage.consume()
        await stage.rows(stage.consumer, "alter table marker rename to gone")
        try:
            found = await findings_of([CREDIT], platform_of(stage))
        finally:
            await stage.rows(stage.consumer, "alter table gone rename to marker")
        assert [finding.code for finding in found if finding.subject == "credit"] == [
            "dead_letters",
            "check_failed",
            "nobody_consumes",
        ]

    async def test_documents_are_compared_by_request(self, stage: Stage) -> None:
        """INVARIANT: of a fork nothing but the comparison tells once the process that saw it has ended."""
        stage.clock.at = SystemClock().now()
        await stage.pass_on(order())
        await stage.rows(stage.consumer, "update held_document set amount = 7")
        async with stage.member():
            assert await differing(stage, documents=False) == []
            assert await differing(stage, documents=True) == ["documents_differ"]


async def differing(stage: Stage, *, documents: bool) -> list[str]:
    found = await findings_of(SERVICES, platform_of(stage), documents=documents)
    return [finding.code for finding in found if finding.code.startswith("documents_")]
