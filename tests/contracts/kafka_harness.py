"""The harness of the Kafka bus: every process reaches the broker through a proxy of its own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final, Protocol

import aiokafka
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.protocol.group import LeaveGroupRequest

from shared.messaging.bus import Bus, BusProducer, Message, TopicPartition
from shared.messaging.kafka_bus import KafkaBus, KafkaSettings
from shared.messaging.kafka_bus.consumer import KafkaConsumer
from shared.messaging.kafka_bus.limits import Limits
from tests.contracts.bus_harness import BusHarness, Process
from tests.contracts.kafka_proxy import KafkaProxy

LIMITS: Final = Limits(connect=3, send=3, rebalance=3)


class Broker(Protocol):
    """A broker of this run."""

    @property
    def bootstrap(self) -> str:
        """Its address, which stays."""
        ...

    def stop(self) -> None:
        """End it; its data stay."""

    def start(self) -> None:
        """Begin it again; returns when it answers."""


class KafkaProcess(Process):
    """A bus behind a proxy."""

    def __init__(self, bus: KafkaBus, proxy: KafkaProxy, broker: Broker) -> None:
        self.bus = self._kafka = bus
        self._proxy = proxy
        self._broker = broker

    async def kill(self) -> None:
        """Close its connections for good; the group hears nothing."""
        await self._proxy.close()

    async def expel(self) -> None:
        """Take its members out of their groups, as the coordinator does after their session time-out."""
        async with _admin(self._broker) as admin:
            for member in self._kafka._clients:
                if isinstance(member, KafkaConsumer):
                    coordinator = member._client._coordinator
                    node = await admin.find_coordinator(coordinator.group_id)
                    await admin._send_request(LeaveGroupRequest(coordinator.group_id, coordinator.member_id), node)
        self._proxy.cut()

    async def isolate(self) -> None:
        """Close its connections, also those to come."""
        self._proxy.refuse()

    async def reconnect(self) -> None:
        """Let connections come."""
        self._proxy.accept()

    def silence(self) -> None:
        """Pass nothing on."""
        self._proxy.silence()

    async def send_unacknowledged(
        self, producer: BusProducer, topic: str, partition: int, messages: Sequence[Message]
    ) -> None:
        """Lose the broker's answers, also those to a repetition."""
        where, looking = TopicPartition(topic, partition), KafkaBus(_settings(self._broker.bootstrap), LIMITS)
        before = (await looking.bounds([topic]))[where].next
        self._proxy.lose_from(b"")
        sending = asyncio.create_task(producer.send(topic, partition, messages))
        async with asyncio.timeout(5):
            while (await looking.bounds([topic]))[where].next < before + len(messages):  # noqa: ASYNC110 - polls the log
                await asyncio.sleep(0.01)
        self._proxy.refuse()
        try:
            await sending
        finally:
            self._proxy.lose_from(None)
            self._proxy.accept()


class KafkaHarness(BusHarness):
    """Topics and groups of a broker that others may use too, unless it is to be stopped."""

    handover_seconds = 15.0
    notice_seconds = 1.5
    hint_seconds = 5.0
    unfair_records = 20

    def __init__(self, broker: Broker, make_bus: Callable[[KafkaSettings, Limits], KafkaBus] = KafkaBus) -> None:
        self._broker = broker
        self._make_bus = make_bus
        self._proxies: list[KafkaProxy] = []
        self._buses: list[Bus] = []
        self._stopped = False

    async def process(self) -> KafkaProcess:
        """A bus of its own through a proxy of its own."""
        host, _, port = self._broker.bootstrap.rpartition(":")
        proxy = KafkaProxy(host, int(port))
        self._proxies.append(proxy)
        bus = self._make_bus(_settings(await proxy.open()), LIMITS)
        self._buses.append(bus)
        return KafkaProcess(bus, proxy, self._broker)

    async def stop_server(self) -> None:
        """End the broker."""
        self._stopped = True
        await asyncio.to_thread(self._broker.stop)

    async def start_server(self) -> None:
        """Begin the broker again."""
        await asyncio.to_thread(self._broker.start)
        self._stopped = False

    async def delete_before(self, where: TopicPartition, offset: int) -> None:
        """Delete records, as retention does."""
        async with _admin(self._broker) as admin:
            await admin.delete_records({aiokafka.TopicPartition(*where): RecordsToDelete(offset)})

    async def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """Ask as tools do."""
        async with _admin(self._broker) as admin:
            found = await admin.list_consumer_group_offsets(group)
        return {TopicPartition(*where): committed.offset for where, committed in found.items()}

    async def close(self) -> None:
        """End all processes."""
        await asyncio.gather(*(bus.close() for bus in self._buses))
        for proxy in self._proxies:
            await proxy.close()
        if self._stopped:
            await self.start_server()


def _settings(bootstrap: str) -> KafkaSettings:
    return KafkaSettings(bootstrap=bootstrap, session_seconds=6)


@contextlib.asynccontextmanager
async def _admin(broker: Broker) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
