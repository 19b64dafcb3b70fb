"""The producer: gathers what is sent while the last append is under way into the next one. Any error ends it."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from shared.messaging.bus import BusError, Message
from shared.messaging.embedded_bus import log
from shared.messaging.embedded_bus.connection import Connection, disconnect
from shared.messaging.embedded_bus.schema import Topic, find_topics

MAX_MESSAGES: Final = 2_000
MAX_BYTES: Final = 16 * 1024 * 1024
"""One append takes no more than this, or a single batch however large it is. Larger ones were a quarter slower."""


class EmbeddedProducer:
    """Appends batches over one connection."""

    def __init__(self, connection: Connection, appended: Callable[[set[Topic]], None]) -> None:
        self._connection = connection
        self._appended = appended
        self._using = asyncio.Lock()
        self._topics: dict[str, Topic] = {}
        self._waiting: list[tuple[log.Batch, asyncio.Future[None]]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._broken: BusError | None = None

    async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
        """Append all messages, in order, durably; return when that is acknowledged. Raises `BusError`."""
        if topic not in self._topics:
            async with self._using:
                self._topics |= await find_topics(self._connection, [topic])
        if not 0 <= partition < self._topics[topic].partitions:
            raise BusError(f"topic {topic} has no partition {partition}")
        if self._broken is not None:
            raise self._broken
        if not messages:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((log.Batch(self._topics[topic], partition, messages), done))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush(), name="bus_producer")
        await done

    async def _flush(self) -> None:
        while self._waiting and self._broken is None:
            taken = self._take()
            try:
                async with self._using:
                    await log.append(self._connection, [batch for batch, _ in taken])
            except BusError as error:
                self._break(error, taken)
                return
            except BaseException as error:
                self._break(BusError(repr(error)), taken)
                raise
            self._appended({batch.topic for batch, _ in taken})
            for _, done in taken:
                if not done.done():
                    done.set_result(None)

    def _take(self) -> list[tuple[log.Batch, "asyncio.Future[None]"]]:
        messages = size = taken = 0
        for batch, _ in self._waiting:
            messages += len(batch.messages)
            size += sum(len(message.value) for message in batch.messages)
            if taken and (messages > MAX_MESSAGES or size > MAX_BYTES):
                break
            taken += 1
        first, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return first

    def _break(self, error: BusError, taken: Sequence[tuple[log.Batch, "asyncio.Future[None]"]]) -> None:
        # What waits behind the failed append must not be sent either: it would leave a hole in the sender's order.
        self._broken = error
        waiting, self._waiting = self._waiting, []
        for _, done in (*taken, *waiting):
            if not done.done():
                done.set_exception(error)

    async def close(self) -> None:
        """Give up what is in flight, within seconds, also when the bus is away."""
        self._break(BusError("the producer is closed"), ())
        if self._flushing is not None and not self._flushing.done():
            # Ends the append under way; whether it is in the log nobody knows.
            self._connection.terminate()
            with contextlib.suppress(BusError):
                await self._flushing
        await disconnect(self._connection)
