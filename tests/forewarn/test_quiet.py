"""A figure over several databases holds for the whole system only if nothing was on its way while it was read."""

from dataclasses import replace
from datetime import timedelta

from forewarn.quiet import backlog, read_at_quiet_point
from shared.context import Context
from shared.runtime.service import Job
from tests.support.builders import order
from tests.support.operated import CREDIT, ORDERS, SERVICES, platform_of
from tests.support.stage import Stage


class Reader:
    """Counts what the consumer holds; may take in more documents the first time it is asked."""

    def __init__(self, stage: Stage, *meanwhile: str, pass_on: bool = True) -> None:
        self.stage = stage
        self.meanwhile = list(meanwhile)
        self.pass_on = pass_on
        self.readings = 0

    async def __call__(self) -> int:
        self.readings += 1
        held = len(await self.stage.held())
        if self.meanwhile:
            await self.stage.accept(order(self.meanwhile.pop()))
            if self.pass_on:
                await self.stage.relay()
                await self.stage.consume()
        return held


class TestReadAtQuietPoint:
    async def test_reads_once_while_nothing_moves(self, stage: Stage) -> None:
        await stage.pass_on(order())
        reader = Reader(stage)
        assert await read_at_quiet_point(SERVICES, platform_of(stage), 10, reader) == (1, None)
        assert reader.readings == 1

    async def test_reads_again_if_a_document_passed_through_meanwhile(self, stage: Stage) -> None:
        """INVARIANT: half of a reading before a document and half after it would report a difference that is none."""
        await stage.pass_on(order("O1"))
        reader = Reader(stage, "O2")
        assert await read_at_quiet_point(SERVICES, platform_of(stage), 10, reader) == (2, None)
        assert reader.readings == 2

    async def test_says_so_if_a_document_was_accepted_meanwhile(self, stage: Stage) -> None:
        await stage.pass_on(order("O1"))
        held, unrest = await read_at_quiet_point(SERVICES, platform_of(stage), 0, Reader(stage, "O2", pass_on=False))
        assert held == 1
        assert unrest

    async def test_says_so_if_events_were_on_their_way_all_the_time(self, stage: Stage) -> None:
        await stage.accept(order())
        held, unrest = await read_at_quiet_point(SERVICES, platform_of(stage), 0, Reader(stage))
        assert held == 0
        assert unrest


class TestBacklog:
    async def test_counts_rows_not_sent_and_records_not_taken_in(self, stage: Stage) -> None:
        platform = platform_of(stage)
        await stage.pass_on(order("O1"))
        await stage.accept(order("O2"), order("O3"))
        assert await backlog(ORDERS, platform) == 2
        await stage.relay()
        assert (await backlog(ORDERS, platform), await backlog(CREDIT, platform)) == (0, 2)
        await stage.consume()
        assert await backlog(CREDIT, platform) == 0

    async def test_counts_jobs_that_still_have_to_do_what_events_caused(self, stage: Stage) -> None:
        """INVARIANT: who is due by a beat is judged by a job; before it has, warnings are not yet what they will be."""
        waiting = [Job("judge", timedelta(1), nothing, waiting=says) for says in (nothing, something)]
        by_clock = Job("beat", timedelta(1), something)
        assert await backlog(replace(CREDIT, jobs=(*waiting, by_clock)), platform_of(stage)) == 1


async def nothing(_: Context) -> bool:
    return False


async def something(_: Context) -> bool:
    return True
