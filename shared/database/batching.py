"""Natural batching: one use case that takes a list serves single calls, bulk calls and the fallback after an error.

Whatever arrives while a flush is under way goes into the next one; there is no timer (a 2 ms window was slower at
every load but one). Lists and futures only: what the items are and what the flush does is the caller's.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from shared.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")

Flush = Callable[[Sequence[T]], Awaitable[Sequence[R]]]
"""Does the work for all items in one transaction; returns one result per item, failures of items included."""

MAX_WAITING: Final = 20_000
"""Items waiting beyond which callers are told to come back: at 5,000/s that is four seconds of work."""


class BatchingWriter(Generic[T, R]):
    """Gathers items into flushes of at most `max_batch`, `writers` of them at a time."""

    def __init__(self, flush: Flush[T, R], *, max_batch: int = 1000, writers: int = 2) -> None:
        self._flush = flush
        self._max_batch = max_batch
        self._writers = writers
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def submit(self, item: T) -> R:
        """The item's result, once it is durable."""
        return (await self.submit_many([item]))[0]

    async def submit_many(self, items: Sequence[T]) -> list[R]:
        """The items' results in their order; they may be spread over several transactions. Raises the first error.

        A caller who goes away takes nothing back: his items lie in flushes that belong to others too.
        """
        # However large, a list is taken when nobody waits: it could never be otherwise.
        if self._waiting and len(self._waiting) + len(items) > MAX_WAITING:
            raise Unavailable("busy", "More writes are waiting than can be served; try again.", retry_after=1)
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[R]] = [loop.create_future() for _ in items]
        self._waiting.extend(zip(items, futures, strict=True))
        self._start()
        if futures:
            await asyncio.wait(futures)
        return [future.result() for future in futures]

    def _start(self) -> None:
        while self._waiting and len(self._running) < self._writers:
            task = asyncio.create_task(self._work(), name="batching-writer")
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _work(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), self._max_batch)
            await self._flush_or_halve([self._waiting.popleft() for _ in range(count)])

    async def _flush_or_halve(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        """A batch that fails is tried again by halves, so that one item's data error costs only that item."""
        try:
            results = await self._flush([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - handed to the callers
            if len(batch) == 1 or isinstance(error, Unavailable):
                _fail(batch, error)
                return
            middle = len(batch) // 2
            await self._flush_or_halve(batch[:middle])
            await self._flush_or_halve(batch[middle:])
            return
        if len(results) != len(batch):
            _fail(batch, RuntimeError(f"{len(results)} results for {len(batch)} items"))
            return
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)


def _fail(batch: list[tuple[T, "asyncio.Future[R]"]], error: Exception) -> None:
    for _, future in batch:
        future.set_exception(error)
        # Looked at once, or asyncio complains of errors whose caller has gone away.
        future.exception()
