"""Natural batching: what arrives while one flush is under way goes into the next."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.database import batching
from shared.database.batching import BatchingWriter
from shared.errors import Conflict, Unavailable


class Flushes:
    """A flush that doubles numbers, waits while `gate` is shut, and fails on what it is told to."""

    def __init__(self, bad: Sequence[int] = (), error: Exception | None = None) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.batches: list[list[int]] = []
        self.at_once = self.most_at_once = 0
        self._bad = set(bad)
        self._error = error or ValueError("bad")

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            await self.gate.wait()
            if self._bad.intersection(items):
                raise self._error
        finally:
            self.at_once -= 1
        return [item * 2 for item in items]


class TestSubmit:
    async def test_the_result_is_that_of_the_item(self) -> None:
        assert await BatchingWriter(Flushes()).submit(3) == 6

    async def test_its_error_is_raised(self) -> None:
        with pytest.raises(ValueError, match="bad"):
            await BatchingWriter(Flushes(bad=[3])).submit(3)


class TestSubmitMany:
    async def test_results_come_in_the_order_of_the_items(self) -> None:
        writer = BatchingWriter(Flushes(), max_batch=3)
        assert await writer.submit_many(list(range(10))) == [n * 2 for n in range(10)]

    async def test_nothing_is_done_for_nobody(self) -> None:
        flushes = Flushes()
        assert await BatchingWriter(flushes).submit_many([]) == []
        assert flushes.batches == []

    async def test_callers_share_flushes(self) -> None:
        flushes = Flushes()
        flushes.gate.clear()
        writer = BatchingWriter(flushes, writers=1)
        callers = [asyncio.create_task(writer.submit(n)) for n in range(50)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        flushes.gate.set()
        assert await asyncio.gather(*callers) == [n * 2 for n in range(50)]
        assert len(flushes.batches) <= 2

    async def test_a_flush_has_no_more_than_the_limit(self) -> None:
        flushes = Flushes()
        await BatchingWriter(flushes, max_batch=7).submit_many(list(range(50)))
        assert max(map(len, flushes.batches)) == 7

    async def test_no_more_flushes_at_a_time_than_writers(self) -> None:
        flushes = Flushes()
        await BatchingWriter(flushes, max_batch=1, writers=3).submit_many(list(range(20)))
        assert flushes.most_at_once == 3

    async def test_errors_that_are_results_are_results(self) -> None:
        """INVARIANT: a failure of an item that the flush returns comes back, it is not raised.

        Broken, one refused row of a bulk call hides what became of all others.
        """
        refused = Conflict("refused", "no")

        async def refuse(items: Sequence[int]) -> list[int | Conflict]:
            return [refused if item == 1 else item for item in items]

        assert await BatchingWriter(refuse).submit_many([0, 1, 2]) == [0, refused, 2]

    async def test_an_item_that_fails_fails_alone(self) -> None:
        """INVARIANT: one item's data error costs only that item, and everything else is still written once.

        Broken, one bad order takes a thousand of other callers with it.
        """
        flushes = Flushes(bad=[13])
        writer = BatchingWriter(flushes, writers=1)
        results = await asyncio.gather(*(writer.submit(n) for n in range(30)), return_exceptions=True)
        assert [n for n, result in enumerate(results) if isinstance(result, ValueError)] == [13]
        assert [result for result in results if isinstance(result, int)] == [n * 2 for n in range(30) if n != 13]

    async def test_an_outage_is_not_tried_again_by_halves(self) -> None:
        flushes = Flushes(bad=range(8), error=Unavailable("away", "away"))
        with pytest.raises(Unavailable):
            await BatchingWriter(flushes).submit_many(list(range(8)))
        assert len(flushes.batches) == 1

    async def test_a_flush_that_answers_too_few_fails_its_callers(self) -> None:
        """INVARIANT: nobody waits for ever. Broken, a bug in a use case hangs every request behind it."""

        async def forgets(items: Sequence[int]) -> list[int]:
            return list(items)[1:]

        with pytest.raises(RuntimeError):
            await BatchingWriter(forgets).submit_many([1, 2])

    async def test_a_caller_who_goes_away_takes_nobody_with_him(self) -> None:
        """INVARIANT: a flush belongs to all its callers. Broken, one closed connection loses the writes of others."""
        flushes = Flushes(bad=[2])
        flushes.gate.clear()
        writer = BatchingWriter(flushes, writers=1)
        first, second, failing = (asyncio.create_task(writer.submit(n)) for n in range(3))
        await asyncio.sleep(0.01)
        first.cancel()
        failing.cancel()
        await asyncio.sleep(0)
        flushes.gate.set()
        assert await second == 2
        with pytest.raises(asyncio.CancelledError):
            await first

    async def test_who_comes_when_too_many_wait_is_told_to_come_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(batching, "MAX_WAITING", 5)
        flushes = Flushes()
        flushes.gate.clear()
        writer = BatchingWriter(flushes, max_batch=1, writers=1)
        callers = [asyncio.create_task(writer.submit(0))]
        await asyncio.sleep(0.01)
        callers += [asyncio.create_task(writer.submit(n)) for n in range(1, 6)]
        await asyncio.sleep(0.01)
        with pytest.raises(Unavailable):
            await writer.submit(6)
        flushes.gate.set()
        assert await asyncio.gather(*callers) == [n * 2 for n in range(6)]

    async def test_a_list_longer_than_may_wait_is_taken_when_nobody_does(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(batching, "MAX_WAITING", 5)
        assert len(await BatchingWriter(Flushes()).submit_many(list(range(20)))) == 20
