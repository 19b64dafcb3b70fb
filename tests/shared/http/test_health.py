"""What `/readyz` says: a process is taken out of service only for what keeps it from serving."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.errors import Unavailable
from shared.http import health
from shared.http.app import create_ops_app
from shared.http.health import BusCheck, Check, State, database_check, producer_check
from shared.messaging.backlog import LATE
from shared.messaging.bus import Bounds, BusError, TopicPartition
from tests.support.builders import order
from tests.support.harmed_bus import HarmedBus
from tests.support.stage import TOPIC, Stage
from tests.support.waiting import eventually


def says(state: State) -> Check:
    async def check() -> State:
        return state

    return check


async def fails() -> State:
    raise Unavailable("database_unavailable", "Away.")


async def hangs() -> State:
    await asyncio.sleep(60)
    return "ready"


async def readyz(bus: Check | None = None, **services: Check) -> tuple[int, Any]:
    transport = httpx.ASGITransport(app=create_ops_app(services, bus))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/readyz")
    return answer.status_code, answer.json()


class FlakyBus(HarmedBus):
    """Counts the looks, is away if told so, and can keep who looks waiting."""

    looks = 0
    away = False

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.bus)
        self.answers = asyncio.Event()
        self.answers.set()

    async def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Bounds]:
        self.looks += 1
        await self.answers.wait()
        if self.away:
            raise BusError("away")
        return await super().bounds(topics)


class TestReadyz:
    async def test_ready_when_all_are(self) -> None:
        answer = await readyz(says("ready"), orders=says("ready"))
        assert answer == (200, {"status": "ready", "services": {"orders": "ready"}, "bus": "ready"})

    async def test_a_process_without_bus_does_not_speak_of_one(self) -> None:
        assert await readyz(orders=says("ready")) == (200, {"status": "ready", "services": {"orders": "ready"}})

    async def test_degraded_goes_on_serving(self) -> None:
        """INVARIANT: a delay must not become an outage: documents are still taken while the bus is away."""
        status, content = await readyz(says("away"), orders=says("ready"))
        assert (status, content["status"], content["bus"]) == (200, "degraded", "away")
        status, content = await readyz(says("ready"), orders=says("degraded"), credit=says("ready"))
        assert (status, content["status"]) == (200, "degraded")
        assert content["services"] == {"orders": "degraded", "credit": "ready"}

    async def test_away_names_who_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.1)
        status, content = await readyz(
            says("ready"), orders=says("degraded"), credit=says("away"), customer=fails, notify=hangs
        )
        assert (status, content["status"], content["bus"]) == (503, "away", "ready")
        assert content["services"] == {"orders": "degraded", "credit": "away", "customer": "away", "notify": "away"}


class TestProducer:
    async def test_is_ready_while_rows_are_on_their_way(self, stage: Stage) -> None:
        await stage.accept(order())
        stage.clock.at += LATE
        assert await producer_check(stage.producer)() == "ready"

    async def test_is_degraded_when_the_first_row_has_waited_too_long(self, stage: Stage) -> None:
        await stage.accept(order())
        stage.clock.at += LATE + timedelta(seconds=1)
        assert await producer_check(stage.producer)() == "degraded"

    async def test_is_degraded_when_half_of_the_room_is_taken_and_away_when_ingest_refuses(self, stage: Stage) -> None:
        await stage.accept(order())
        rows = len(await stage.outbox())
        for limit, state in ((2 * rows, "ready"), (2 * rows - 1, "degraded"), (rows, "degraded"), (rows - 1, "away")):
            object.__setattr__(stage.settings, "outbox_limit", limit)
            assert await producer_check(stage.producer)() == state

    async def test_a_document_sent_again_has_not_waited_since_it_was_recorded(self, stage: Stage) -> None:
        """INVARIANT: a republication of years must not look like a bus that has been away for years."""
        [outcome] = await stage.accept(order())
        await stage.relay()
        check = producer_check(stage.producer)
        stage.clock.at += timedelta(days=400)
        assert await check() == "ready"
        async with stage.producer.database.unit_of_work() as unit:
            await stage.store.republish([outcome.stored], unit)
        assert await check() == "ready"
        stage.clock.at += LATE + timedelta(seconds=1)
        assert await check() == "degraded"

    async def test_fails_without_its_database(self, stage: Stage) -> None:
        await stage.rows(stage.producer, "alter table outbox rename to gone")
        try:
            status, content = await readyz(orders=producer_check(stage.producer))
            assert (status, content["services"]) == (503, {"orders": "away"})
            assert await database_check(stage.producer)() == "ready", "who has no outbox needs none"
        finally:
            await stage.rows(stage.producer, "alter table gone rename to outbox")


class TestBus:
    async def test_says_whether_it_answers(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(health, "BUS_SECONDS", 0.0)
        bus = FlakyBus(stage)
        check = BusCheck(bus, TOPIC)
        assert await check() == "ready"
        bus.away = True
        await eventually(lambda: _says(check, "away"))
        bus.away = False
        await eventually(lambda: _says(check, "ready"))

    async def test_probes_share_a_look(self, stage: Stage) -> None:
        """INVARIANT: a client of Kafka for every probe would be more work than serving."""
        bus = FlakyBus(stage)
        check = BusCheck(bus, TOPIC)
        for _ in range(5):
            assert (await readyz(check))[1]["bus"] == "ready"
            await asyncio.sleep(0.01)
        assert bus.looks == 1

    async def test_who_asks_seldom_gets_no_old_answer(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(health, "BUS_SECONDS", 0.02)
        bus = FlakyBus(stage)
        check = BusCheck(bus, TOPIC)
        for bus.away in (False, True, False):
            assert await check() == ("away" if bus.away else "ready")
            await asyncio.sleep(0.1)

    async def test_probes_do_not_wait_for_a_bus_that_hangs(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        """INVARIANT: a probe that hangs with the bus takes a process out of service that could serve."""
        monkeypatch.setattr(health, "BUS_SECONDS", 0.0)
        monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.1)
        bus = FlakyBus(stage)
        check = BusCheck(bus, TOPIC)
        assert (await readyz(check))[1]["bus"] == "ready"
        bus.answers.clear()
        assert [(await readyz(check))[1]["bus"] for _ in range(3)] == ["away"] * 3
        assert bus.looks == 2
        bus.answers.set()
        await eventually(lambda: _says(check, "ready"))


async def _says(check: Check, state: State) -> bool:
    return await check() == state
