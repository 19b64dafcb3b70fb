"""The producer: one batch per partition in flight, acknowledged by every replica in sync. Any error ends it for good.

One batch, because after an error those behind the failed one would be published, and leave a hole.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.messaging.bus import BusError, Message
from shared.messaging.kafka_bus import clients
from shared.messaging.kafka_bus.errors import bus_errors, within
from shared.messaging.kafka_bus.limits import METADATA_MILLISECONDS, Limits
from shared.messaging.kafka_bus.settings import KafkaSettings

BATCH_BYTES: Final = 1_000_000
"""Of one batch, below what a topic takes (`topics.MAX_MESSAGE_BYTES`); a single larger message goes alone."""

Forget = Callable[["KafkaProducer"], None]


class KafkaProducer:
    """Appends batches; after an error nothing it was given is sent any more."""

    def __init__(self, client: AIOKafkaProducer, limits: Limits, forget: Forget) -> None:
        self._client = client
        self._limits = limits
        self._forget = forget
        self._partitions: dict[str, frozenset[int]] = {}
        self._in_flight: defaultdict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._broken: asyncio.Future[BusError] = asyncio.get_running_loop().create_future()
        self._ending: asyncio.Task[None] | None = None

    async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
        """Append all messages, in order, durably; return when that is acknowledged. Raises `BusError`."""
        self._check()
        await self._check_place(topic, partition)
        async with self._in_flight[topic, partition]:
            for batch in self._batches(messages):
                self._check()
                await self._send(batch, topic, partition)

    async def close(self) -> None:
        """Give up what is in flight, within seconds, also when the bus is away."""
        self._break(BusError("the producer is closed"))
        if self._ending is not None:
            await asyncio.shield(self._ending)

    def _check(self) -> None:
        if self._broken.done():
            raise self._broken.result()

    async def _check_place(self, topic: str, partition: int) -> None:
        if topic not in self._partitions:
            with bus_errors():
                found = await within(self._limits.answer, clients.partitions_of(self._client.client, [topic]))
            self._partitions |= found
        if partition not in self._partitions[topic]:
            raise BusError(f"topic {topic} has no partition {partition}")

    def _batches(self, messages: Sequence[Message]) -> Iterator[Any]:
        """The messages in as few batches as they fit in; each is to be sent before the next is asked for."""
        batch = self._client.create_batch()
        for key, value, headers in messages:
            if batch.append(timestamp=None, key=key, value=value, headers=list(headers)) is None:
                yield batch
                batch = self._client.create_batch()
                batch.append(timestamp=None, key=key, value=value, headers=list(headers))
        if batch.record_count():
            yield batch

    async def _send(self, batch: Any, topic: str, partition: int) -> None:
        batch.close()
        try:
            acknowledged = await self._client.send_batch(batch, topic, partition=partition)
            await asyncio.wait(
                {acknowledged, self._broken}, timeout=self._limits.send, return_when=asyncio.FIRST_COMPLETED
            )
            if acknowledged.done():
                acknowledged.result()
                return
        except (KafkaError, OSError) as error:
            self._break(BusError(f"{topic}/{partition}: {error or type(error).__name__}"))
        except BaseException:
            # Nobody waits for the acknowledgement any more, so the sender's order is lost.
            self._break(BusError("a send was broken off"))
            raise
        self._break(BusError(f"{topic}/{partition}: not acknowledged within {self._limits.send:g} seconds"))
        self._check()

    def _break(self, error: BusError) -> None:
        if not self._broken.done():
            self._broken.set_result(error)
            # At once, not when the owner closes it: what waits would be published when the brokers are back.
            self._ending = asyncio.create_task(clients.end_producer(self._client, self._limits))
            self._ending.add_done_callback(lambda _: self._forget(self))


async def start_producer(settings: KafkaSettings, limits: Limits, forget: Forget) -> KafkaProducer:
    """A new producer; raises `BusError` when the bus is away."""
    with bus_errors():
        client = AIOKafkaProducer(
            **settings.connection(),
            enable_idempotence=True,
            compression_type=None if settings.compression == "none" else settings.compression,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=int(limits.request * 1000),
            metadata_max_age_ms=METADATA_MILLISECONDS,
        )
    try:
        await clients.start(client, settings, limits)
    except BaseException:
        await clients.end_producer(client, limits)
        raise
    return KafkaProducer(client, limits, forget)
