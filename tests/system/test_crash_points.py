"""kill -9 from outside at named points of web process, relay and consumer: nothing is lost, nothing counts twice."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shared.http.auth import issue_token
from shared.messaging import facts
from tests.support.builders import order, party
from tests.support.crash_program import POINTS
from tests.support.postgres import FreshDatabase
from tests.support.processes import Processes
from tests.support.service import KEY
from tests.support.stage import Databases, Stage
from tests.support.waiting import eventually

pytestmark = pytest.mark.system

ORDERS = [order(f"O{n}", f"C{n % 5}", amount=100 + n) for n in range(20)]
LATER = [order(f"P{n}", f"C{n % 5}", amount=300 + n) for n in range(5)]


@pytest.fixture
async def stage(fresh_database: FreshDatabase) -> AsyncIterator[Stage]:
    databases = Databases(*(fresh_database(name) for name in ("producer", "consumer", "bus")))
    await databases.make_tables()
    stage = Stage(databases)
    yield stage
    await stage.close()


@pytest.fixture
def processes(stage: Stage) -> Iterator[Processes]:
    started = Processes(stage.databases)
    yield started
    started.end()


def points(role: str) -> list[str]:
    return [name for name, (whose, *_) in POINTS.items() if whose == role]


async def tallies(stage: Stage) -> tuple[list[Any], list[Any]]:
    """What the producer has and what the consumer holds."""
    async with stage.producer.database.unit_of_work() as unit:
        produced = await facts.tally("document", ["order"], unit.connection)
    async with stage.consumer.database.unit_of_work() as unit:
        return produced, await facts.tally("held_document", ["order"], unit.connection)


async def is_quiet(stage: Stage) -> bool:
    produced, held = await tallies(stage)
    return not await stage.outbox() and produced == held


async def assert_all_is_there_once(stage: Stage) -> None:
    """Every order, on both sides, in facts and in sums."""
    async with stage.producer.database.unit_of_work() as unit:
        made = await facts.facts("document", ["order"], unit.connection)
    async with stage.consumer.database.unit_of_work() as unit:
        held = await facts.facts("held_document", ["order"], unit.connection)
    assert held == made
    assert held[0].sums == {"CNY": sum(each.amount for each in ORDERS + LATER)}
    rows = await stage.rows(stage.consumer, "select party, amount from turnover")
    expected = {party(f"C{n}").id: sum(each.amount for each in (ORDERS + LATER)[n::5]) for n in range(5)}
    assert {row["party"]: row["amount"] for row in rows} == expected
    assert await stage.letters() == []


async def post(address: str, number: str, customer: str, amount: int) -> int:
    """One order over HTTP; 0 if nobody answered."""
    body = {
        "source": "erp",
        "number": number,
        "customer": {"source": "erp", "external_id": customer},
        "currency": "CNY",
        "amount": f"{amount // 100}.{amount % 100:02}",
        "placed_at": "2026-01-05T09:00:00Z",
    }
    token = issue_token(KEY, "erp", ["erp"], timedelta(hours=1), datetime.now(UTC))
    try:
        async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=30) as client:
            answer = await client.post("/v1/orders", json=body, headers={"Authorization": f"Bearer {token}"})
    except httpx.TransportError:
        return 0
    return answer.status_code


class TestRelay:
    @pytest.mark.parametrize("point", points("relay"))
    async def test_rows_reach_the_consumer_and_count_once(self, stage: Stage, processes: Processes, point: str) -> None:
        """INVARIANT: whatever instant the relay dies at, rows are sent again or deleted, never lost."""
        await stage.accept(*ORDERS)
        doomed, _ = await processes.start("relay", point)
        await processes.kill_at_its_point(doomed)
        await stage.accept(*LATER)
        await processes.start("relay")
        await processes.start("consumer")
        await eventually(lambda: is_quiet(stage))
        await assert_all_is_there_once(stage)


class TestConsumer:
    @pytest.mark.parametrize("point", points("consumer"))
    async def test_what_it_had_in_hand_is_applied_once(self, stage: Stage, processes: Processes, point: str) -> None:
        """INVARIANT: effects and cursor are there together or not at all. Broken, a batch is lost or counts twice."""
        await stage.accept(*ORDERS)
        await stage.relay()
        doomed, _ = await processes.start("consumer", point)
        await processes.kill_at_its_point(doomed)
        await stage.accept(*LATER)
        await stage.relay()
        await processes.start("consumer")
        await eventually(lambda: is_quiet(stage))
        await assert_all_is_there_once(stage)


class TestApi:
    @pytest.mark.parametrize("point", points("api"))
    async def test_who_got_no_answer_asks_again_and_is_counted_once(
        self, stage: Stage, processes: Processes, point: str
    ) -> None:
        """INVARIANT: the number is the guard. Broken, a repeated request counts twice, or an answered one is lost."""
        first, *others = ORDERS + LATER
        doomed, address = await processes.start("api", point)
        asking = asyncio.create_task(post(address, first.number, "C0", first.amount))
        await processes.kill_at_its_point(doomed)
        assert await asking == 0

        _, address = await processes.start("api")
        answers = [
            await post(address, each.number, each.party.external_id or "", each.amount) for each in [first, *others]
        ]
        assert answers == [200 if point == "api committed, did not answer" else 201] + [201] * len(others)
        await stage.relay()
        await stage.consume()
        assert await is_quiet(stage)
        await assert_all_is_there_once(stage)
