"""Buses that break a promise about faults."""

import asyncio
import contextlib

from shared.messaging.bus import (
    BusError,
    BusProducer,
    Record,
    TopicPartition,
)
from tests.contracts.broken_buses.sound import SoundBus, SoundConsumer, SoundProducer


class ReadsOverAnotherConnection(SoundBus):
    """Goes on reading what it believes to own after its session was ended."""

    class Consumer(SoundConsumer):
        believed: frozenset[TopicPartition] = frozenset()

        def assignment(self) -> frozenset[TopicPartition]:
            self.believed = self.inner.assignment() or self.believed
            return self.believed

        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            try:
                return await self.inner.poll(max_records, timeout)
            except BusError:
                return [record for where in self.believed for record in await self.bus.read(where, 0, max_records)]

    consumer_type = Consumer


class RaisesWhatTheDriverRaises(SoundBus):
    """No translation of errors."""

    class Consumer(SoundConsumer):
        async def poll(self, max_records: int, timeout: float) -> list[Record]:
            try:
                return await self.inner.poll(max_records, timeout)
            except BusError as error:
                raise AssertionError("not a BusError") from error

    consumer_type = Consumer


class KeepsItsOldClients(SoundBus):
    """Hands out the producer it has, whether the server was restarted or not."""

    kept: BusProducer | None = None

    async def producer(self) -> BusProducer:
        self.kept = self.kept or await super().producer()
        return self.kept


class WaitsForAnAnswerBeforeItCloses(SoundBus):
    """A farewell without a limit."""

    class Producer(SoundProducer):
        async def close(self) -> None:
            answered = False
            while not answered:
                with contextlib.suppress(BusError):
                    await self.bus.bounds([])
                    answered = True
                await asyncio.sleep(0.1)
            await self.inner.close()

    producer_type = Producer


class ClosesOnce(SoundBus):
    """A second `close` is a mistake of the caller."""

    class Producer(SoundProducer):
        closed = False

        async def close(self) -> None:
            assert not self.closed
            self.closed = True
            await self.inner.close()

    producer_type = Producer
