"""Starting and ending aiokafka's clients, bounded in time. Everything that leans on their private parts is here.

Written for aiokafka 0.14, which `pyproject.toml` pins: read this again with every new version.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any, Protocol

from aiokafka import AIOKafkaClient, AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError

from shared.messaging.bus import BusError
from shared.messaging.kafka_bus.errors import bus_errors, end_tasks, within
from shared.messaging.kafka_bus.limits import Limits
from shared.messaging.kafka_bus.settings import KafkaSettings


class _Startable(Protocol):
    async def start(self) -> None: ...


async def start(client: _Startable, settings: KafkaSettings, limits: Limits) -> None:
    """Connect; raises `BusError` that names the cause."""
    try:
        with bus_errors():
            await within(limits.connect, client.start())
    except BusError as error:
        if isinstance(error.__cause__, KafkaConnectionError):
            # The client has logged why it could not connect and raises only that it could not.
            raise BusError(await _why_unreachable(settings, limits)) from error
        raise


async def partitions_of(client: AIOKafkaClient, topics: Iterable[str]) -> dict[str, frozenset[int]]:
    """The partitions of existing topics, from then on known to the client; raises `BusError` if one is unknown.

    Asks for all topics first: asking for one by its name creates it, where brokers create what is asked for.
    """
    with bus_errors():
        everything = await client.fetch_all_metadata()
        found = {topic: everything.partitions_for_topic(topic) for topic in topics}
        for topic, partitions in found.items():
            if not partitions:
                raise BusError(f"there is no topic {topic}, or this user may not see it; `forewarn migrate` creates it")
        await client.set_topics([*client.cluster.topics(), *found])
    return {topic: frozenset(partitions) for topic, partitions in found.items()}


def client_of(consumer: AIOKafkaConsumer) -> AIOKafkaClient:
    """The connections of a consumer; a producer shows its own."""
    return consumer._client


def membership_of(consumer: AIOKafkaConsumer) -> tuple[str, int]:
    """Who this member is to the group and in which generation of it, which no method tells."""
    coordinator = consumer._coordinator
    return coordinator.member_id, coordinator.generation


def nobody_fetches(consumer: AIOKafkaConsumer) -> None:
    """Correct the count of fetches under way: one that ends by an error or a cancel is counted for ever.

    The member would then never be taken for idle, and keep its partitions although nobody polls.
    """
    consumer._subscription._fetch_count = 0


async def end_producer(producer: AIOKafkaProducer, limits: Limits) -> None:
    """End it so that nothing is sent any more, except what is on the wire already.

    Its own `stop` sends what waits, for as long as the brokers are away; and after `stop` was given up the sender
    lives on and publishes when they are back.
    """
    sender = producer._sender.sender_task
    if sender is not None:
        sender.cancel()
        await asyncio.wait({sender}, timeout=limits.close / 2)
    await _close(producer.client, limits)
    if sender is not None:
        await end_tasks({sender})
    # Its finalizer warns about producers that were not stopped.
    producer._closed = True


async def end_consumer(consumer: AIOKafkaConsumer, limits: Limits) -> None:
    """Leave the group and end it. With brokers away `stop` leaves tasks behind, and a second call does nothing."""
    with contextlib.suppress(BusError, KafkaError, OSError, TimeoutError):
        await within(limits.close, consumer.stop())
    await end_tasks(_tasks_of(consumer))
    await _close(consumer._client, limits)


def _tasks_of(consumer: AIOKafkaConsumer) -> set["asyncio.Task[Any]"]:
    names = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task")
    tasks = {getattr(consumer._coordinator, name, None) for name in names}
    if consumer._fetcher is not None:
        tasks |= {consumer._fetcher._fetch_task, *consumer._fetcher._pending_tasks}
    return {task for task in tasks if task is not None}


async def _close(client: AIOKafkaClient, limits: Limits) -> None:
    with contextlib.suppress(BusError, KafkaError, OSError, TimeoutError):
        await within(limits.close, client.close())
    # Whoever waits for news about the cluster would wait for ever: the task that brings them has ended.
    waited_for = client._md_update_fut
    if waited_for is not None and not waited_for.done():
        waited_for.set_result(False)


async def _why_unreachable(settings: KafkaSettings, limits: Limits) -> str:
    connection = settings.connection()
    causes = []
    for server in connection.pop("bootstrap_servers"):
        host, _, port = server.rpartition(":")
        try:
            found = await within(limits.connect, create_conn(host, int(port), **connection))
        except (KafkaError, BusError, OSError, TimeoutError) as error:
            causes.append(f"{server}: {error or type(error).__name__}{_hint(error, settings)}")
        else:
            found.close()
            causes.append(
                f"{server}: it takes connections and does not answer; "
                f"does it expect FOREWARN_KAFKA_SECURITY={settings.security}?"
            )
    return f"no broker can be used: {'; '.join(causes)}"


def _hint(error: Exception, settings: KafkaSettings) -> str:
    """A broker that does not like how it is spoken to hangs up without a word."""
    if not isinstance(error, KafkaConnectionError) or "closed" not in str(error):
        return ""
    if settings.security.endswith("ssl") and settings.cert_file is None:
        return "; does it ask for a certificate (FOREWARN_KAFKA_CERT_FILE)?"
    return f"; does it expect FOREWARN_KAFKA_SECURITY={settings.security}?"
