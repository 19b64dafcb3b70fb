"""The way in: every document gets its own answer, and the way in closes when the way out is blocked."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from shared.context import Context
from shared.database.unit_of_work import UnitOfWork
from shared.errors import ForewarnError, Unavailable
from shared.events import Party
from shared.messaging import ingest as module
from shared.messaging import outbox
from shared.messaging.document_store import Draft
from shared.messaging.ingest import Ingest, Result
from shared.settings import Settings
from tests.support.builders import draft, drafts, order
from tests.support.stage import Stage
from tests.support.waiting import eventually

OURS = Party(id=UUID(int=7))
"""A customer named by an id of ours."""


class UseCase:
    """The use case of a service, and how many documents each flush had."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.flushes: list[int] = []

    async def __call__(self, drafts: Sequence[Draft], unit: UnitOfWork) -> list[Result]:
        results = await module.accept(self._stage.store, drafts, unit)
        self.flushes.append(len(drafts))
        return results


@pytest.fixture
def use_case(stage: Stage) -> UseCase:
    return UseCase(stage)


@pytest.fixture
def way_in(stage: Stage, use_case: UseCase) -> Ingest[Draft]:
    return Ingest(stage.producer, use_case)


def answers(results: Sequence[Result]) -> list[str]:
    """Status or error code of each."""
    return [result.code if isinstance(result, ForewarnError) else result.status for result in results]


async def register(stage: Stage, party: Party) -> None:
    await stage.rows(stage.producer, "insert into customer (party, confirmed) values ($1, true) returning 1", party.id)


async def stored(stage: Stage) -> int:
    [row] = await stage.rows(stage.producer, "select count(*) as n from document where kind = 'order'")
    return int(row["n"])


class TestAccept:
    async def test_each_document_has_its_answer_in_order(self, way_in: Ingest[Draft]) -> None:
        await way_in.accept([draft(order("O2"))])
        results = await way_in.accept(drafts([order("O1"), order("O2"), order("O1", amount=1), order("O3")]))
        assert answers(results) == ["accepted", "duplicate", "differs", "accepted"]

    async def test_callers_at_the_same_time_share_transactions(
        self, stage: Stage, way_in: Ingest[Draft], use_case: UseCase
    ) -> None:
        results = await asyncio.gather(*(way_in.accept([draft(order(f"O{n}"))]) for n in range(200)))
        assert [answers(result) for result in results] == [["accepted"]] * 200
        assert len(use_case.flushes) < 50
        assert await stored(stage) == 200

    async def test_the_same_document_by_many_callers_is_one(self, stage: Stage, way_in: Ingest[Draft]) -> None:
        """INVARIANT: a document counts once, whoever sends it how often. Broken, a retry doubles a debt."""
        results = await asyncio.gather(*(way_in.accept(drafts([order("O1"), order("O2")])) for _ in range(30)))
        statuses = [status for result in results for status in answers(result)]
        assert (statuses.count("accepted"), statuses.count("duplicate")) == (2, 58)
        assert await stored(stage) == 2

    async def test_a_document_that_is_too_large_costs_only_itself(self, way_in: Ingest[Draft]) -> None:
        large = order("O2", seller_entity="x" * outbox.MAX_PAYLOAD)
        results = await way_in.accept(drafts([order("O1"), large, order("O3")]))
        assert answers(results) == ["accepted", "document_too_large", "accepted"]

    async def test_a_document_the_database_refuses_costs_only_itself(self, stage: Stage, way_in: Ingest[Draft]) -> None:
        sound = [way_in.accept([draft(order(f"O{n}"))]) for n in range(9)]
        bad = way_in.accept([draft(order("O\0"))])
        results = await asyncio.gather(*sound, bad, return_exceptions=True)
        assert isinstance(results[-1], Exception)
        assert await stored(stage) == 9

    async def test_while_the_database_is_away_all_are_told_to_come_back(self, stage: Stage) -> None:
        async def away(_: Sequence[Draft], unit: UnitOfWork) -> list[Result]:  # noqa: ARG001
            raise ConnectionResetError

        with pytest.raises(Unavailable):
            await Ingest(stage.producer, away).accept(drafts([order("O1"), order("O2")]))


class TestUnknownCustomers:
    async def test_a_name_of_a_source_needs_nobody_to_know_it(self, way_in: Ingest[Draft]) -> None:
        assert answers(await way_in.accept([draft(order())])) == ["accepted"]

    async def test_an_id_of_ours_that_is_registered_is_taken(self, stage: Stage, way_in: Ingest[Draft]) -> None:
        await register(stage, OURS)
        assert answers(await way_in.accept([draft(order(party=OURS))])) == ["accepted"]

    async def test_one_that_appears_within_the_patience_is_taken(
        self, stage: Stage, way_in: Ingest[Draft], use_case: UseCase
    ) -> None:
        """INVARIANT: the customer's event may come a moment after the order. Broken, a fresh customer cannot order."""
        accepting = asyncio.create_task(way_in.accept(drafts([order("O1"), order("O2", party=OURS), order("O3")])))
        await eventually(lambda: _flushed(use_case))
        await register(stage, OURS)
        assert answers(await accepting) == ["accepted"] * 3
        assert set(use_case.flushes[1:]) == {1}

    async def test_one_that_does_not_is_refused_and_costs_only_itself(
        self, stage: Stage, way_in: Ingest[Draft], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.15)
        documents = [order("O1"), order("O2", party=OURS), order("O3", bill_to=OURS)]
        results = await way_in.accept(drafts(documents))
        assert answers(results) == ["accepted", "unknown_customer", "unknown_customer"]
        assert isinstance(results[1], ForewarnError)
        assert results[1].retry_after
        assert await stored(stage) == 1

    async def test_all_of_a_call_wait_once(
        self, way_in: Ingest[Draft], use_case: UseCase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.15)
        await way_in.accept(drafts([order(f"O{n}", party=OURS) for n in range(50)]))
        assert len(use_case.flushes) <= 4


class TestOutboxLimit:
    def limited(self, stage: Stage, limit: int) -> Ingest[Draft]:
        here = stage.producer
        settings = Settings(outbox_limit=limit)
        return Ingest(Context(here.service, here.database, settings, here.clock, here.ids), UseCase(stage))

    async def test_beyond_it_nothing_is_taken(self, stage: Stage) -> None:
        """INVARIANT: while the bus is away the disk does not fill. Broken, the whole service dies of it."""
        await stage.accept(order())
        with pytest.raises(Unavailable) as refused:
            await self.limited(stage, 3).accept([draft(order("O2"))])
        assert refused.value.code == "outbox_full"
        assert await stored(stage) == 1

    async def test_while_it_is_full_it_is_not_counted_for_each_caller(self, stage: Stage) -> None:
        """INVARIANT: refusing costs next to nothing. Broken, callers who come back count half a million rows each."""
        await stage.accept(order())
        counted = Counted(stage.producer)
        way_in = Ingest(counted.context, UseCase(stage))
        for number in range(9):
            with pytest.raises(Unavailable):
                await way_in.accept([draft(order(f"O{number}"))])
        assert counted.counts < 9

    async def test_below_it_documents_are_taken(self, stage: Stage) -> None:
        assert answers(await self.limited(stage, 3).accept([draft(order())])) == ["accepted"]


class TestTryOut:
    async def test_it_answers_as_accept_would_and_keeps_nothing(self, stage: Stage, way_in: Ingest[Draft]) -> None:
        await way_in.accept([draft(order("O1"))])
        before = await stage.outbox()
        results = await way_in.try_out(drafts([order("O1"), order("O2"), order("O3", party=OURS)]))
        assert answers(results) == ["duplicate", "accepted", "unknown_customer"]
        assert await stored(stage) == 1
        assert await stage.outbox() == before


class Counted:
    """A context whose outbox is over its limit, and how often that was looked at."""

    def __init__(self, context: Context) -> None:
        self.counts = 0
        database: Any = context.database
        settings = Settings(outbox_limit=3)
        self.context = Context(context.service, self, settings, context.clock, context.ids)  # type: ignore[arg-type]
        self._unit_of_work = database.unit_of_work

    def unit_of_work(self) -> Any:
        self.counts += 1
        return self._unit_of_work()


async def _flushed(use_case: UseCase) -> bool:
    return bool(use_case.flushes)
