"""Looking at the log outside any group: bounds of partitions, and records by their place."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence

import aiokafka
from aiokafka import AIOKafkaConsumer

from shared.messaging.bus import Bounds, BusError, OffsetOutOfRange, Record, TopicPartition
from shared.messaging.kafka_bus import clients
from shared.messaging.kafka_bus.errors import bus_errors, within
from shared.messaging.kafka_bus.limits import Limits
from shared.messaging.kafka_bus.records import record_of
from shared.messaging.kafka_bus.settings import KafkaSettings


async def bounds(topics: Sequence[str], settings: KafkaSettings, limits: Limits) -> dict[TopicPartition, Bounds]:
    """First and next offset of every partition. Raises `BusError`."""
    async with _reader(settings, limits) as reader:
        return await within(limits.answer, _bounds(topics, reader))


async def read(
    where: TopicPartition, offset: int, max_records: int, settings: KafkaSettings, limits: Limits
) -> list[Record]:
    """Records from a place on. Raises `BusError`, and `OffsetOutOfRange` if the place lies outside the log."""
    async with _reader(settings, limits) as reader:
        there = (await within(limits.answer, _bounds([where.topic], reader))).get(where)
        if there is None:
            raise BusError(f"topic {where.topic} has no partition {where.partition}")
        if not there.first <= offset <= there.next:
            raise OffsetOutOfRange(where, offset)
        return await _read(where, offset, min(there.next, offset + max_records), limits.answer, reader)


async def _bounds(topics: Sequence[str], reader: AIOKafkaConsumer) -> dict[TopicPartition, Bounds]:
    found = await clients.partitions_of(clients.client_of(reader), topics)
    places = [aiokafka.TopicPartition(topic, part) for topic, parts in found.items() for part in sorted(parts)]
    first, following = await asyncio.gather(reader.beginning_offsets(places), reader.end_offsets(places))
    return {TopicPartition(*place): Bounds(first[place], following[place]) for place in places}


async def _read(where: TopicPartition, offset: int, end: int, seconds: float, reader: AIOKafkaConsumer) -> list[Record]:
    place = aiokafka.TopicPartition(*where)
    reader.assign([place])
    reader.seek(place, offset)
    records: list[Record] = []
    deadline = time.monotonic() + seconds
    # The position also passes what is no record: markers of transactions.
    while await reader.position(place) < end:
        if time.monotonic() > deadline:
            raise BusError(f"no records of {where} within {seconds:g} seconds")
        for found in (await reader.getmany(timeout_ms=200, max_records=end - offset)).values():
            records += [record_of(record) for record in found if record.offset < end]
    return records


@contextlib.asynccontextmanager
async def _reader(settings: KafkaSettings, limits: Limits) -> AsyncIterator[AIOKafkaConsumer]:
    with bus_errors():
        reader = AIOKafkaConsumer(
            **settings.connection(),
            auto_offset_reset="none",
            enable_auto_commit=False,
            isolation_level="read_committed",
            request_timeout_ms=int(limits.answer * 1000),
        )
        try:
            await clients.start(reader, settings, limits)
            yield reader
        finally:
            await clients.end_consumer(reader, limits)
