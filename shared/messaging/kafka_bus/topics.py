"""Topics: created fit to hold documents for ever, compared with that, and never changed in place."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from shared.messaging.bus import BusError, BusRefused, TopicState
from shared.messaging.kafka_bus import clients
from shared.messaging.kafka_bus.errors import REFUSED, bus_errors, within
from shared.messaging.kafka_bus.limits import Limits
from shared.messaging.kafka_bus.settings import KafkaSettings

MAX_MESSAGE_BYTES: Final = 1_048_588
"""What a topic takes as one batch; Kafka's own default, above the largest document with its headers."""

_KEPT: Final = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    # Of two halves of a broken cluster the one that lacks acknowledged records must not win.
    "unclean.leader.election.enable": "false",
}
_RETENTION: Final = "retention.ms"
_IN_SYNC: Final = "min.insync.replicas"
_SIZE: Final = "max.message.bytes"
_RETRY_SECONDS: Final = 0.2

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Copies(NamedTuple):
    """How many copies a topic has, and how many have to have a record before it counts as sent."""

    replication: int
    min_in_sync: int


class Found(NamedTuple):
    """A topic as the brokers describe it."""

    partitions: int
    replication: int
    """Of the partition that has the fewest copies."""
    unhealthy: int
    """Partitions without a leader, or with a copy that is not in sync."""
    settings: Mapping[str, str]
    holders: frozenset[int] = frozenset()
    """Brokers that have a copy, or should."""


def brokers_of(cluster: Mapping[str, Any], found: Mapping[str, Found]) -> int:
    """How many brokers a cluster has: those that are there, and those that are away and hold copies.

    Broken, a cluster of three with one away looks like one of two, in which topics should have fewer copies.
    """
    there = {broker["node_id"] for broker in cluster["brokers"]}
    return len(there.union(*(state.holders for state in found.values())))


def copies_for(brokers: int, replication: int | None) -> Copies:
    """What topics should have on so many brokers: one may be away and everything goes on, if there are three."""
    copies = replication or min(brokers, 3)
    return Copies(copies, max(1, copies - 1))


def differences(found: Found, partitions: int, copies: Copies) -> list[str]:
    """Ways in which a topic is not fit to hold documents: what is, what should be, what to do."""
    different = []
    if found.partitions != partitions:
        different.append(
            f"{found.partitions} partitions instead of {partitions}; the number of an existing topic is never changed, "
            "documents would move to other partitions: republish into a new topic"
        )
    if found.replication < copies.replication:
        different.append(
            f"{found.replication} copies instead of {copies.replication}; add some with kafka-reassign-partitions, "
            f"or set FOREWARN_KAFKA_REPLICATION={found.replication} if so few are meant"
        )
    wanted = _KEPT | {_IN_SYNC: str(copies.min_in_sync)}
    wrong = {name: value for name, value in wanted.items() if found.settings.get(name) != value}
    if int(found.settings.get(_SIZE, 0)) < MAX_MESSAGE_BYTES:
        wrong[_SIZE] = str(MAX_MESSAGE_BYTES)
    different += [
        f"{name} is {found.settings.get(name)} instead of {value}; set it with kafka-configs --alter --add-config"
        for name, value in wrong.items()
    ]
    return different


async def create_topics(wanted: Mapping[str, int], settings: KafkaSettings, limits: Limits) -> list[str]:
    """Create what is missing; returns what who runs the brokers should know. Raises `BusError` on what differs."""
    async with _administering(settings, limits) as admin:
        there = await _found(list(wanted), admin, limits)
        brokers = brokers_of(await _asked(admin.describe_cluster, limits), there)
        copies = copies_for(brokers, settings.replication)
        missing = wanted.keys() - there.keys()
        if missing:
            await _create({topic: wanted[topic] for topic in missing}, copies, admin, limits)
        found = await _created(wanted, admin, limits)
    wrong = [
        f"topic {topic} has {difference}"
        for topic, partitions in wanted.items()
        for difference in differences(found[topic], partitions, copies)
    ]
    if wrong:
        raise BusError("; ".join(wrong))
    return _remarks(found, brokers, copies)


async def describe_topics(wanted: Mapping[str, int], settings: KafkaSettings, limits: Limits) -> list[TopicState]:
    """What these topics are, and how that differs from what they should be."""
    async with _administering(settings, limits) as admin:
        found = await _found(list(wanted), admin, limits)
        brokers = brokers_of(await _asked(admin.describe_cluster, limits), found)
    copies = copies_for(brokers, settings.replication)
    return [_state(topic, found.get(topic), partitions, copies) for topic, partitions in wanted.items()]


async def members(group: str, settings: KafkaSettings, limits: Limits) -> int:
    """How many members a group has; 0 if there is no such group."""
    async with _administering(settings, limits) as admin:
        [answer] = await _asked(lambda: admin.describe_consumer_groups([group]), limits)
    # The client reads the newest answer by an older form; of one group nothing is lost by that.
    code, found = answer.groups[0][0], answer.groups[0][5]
    if code:
        raise BusError(f"group {group} does not show its members: {for_code(code).__name__}")
    return len(found)


def _state(topic: str, found: Found | None, partitions: int, copies: Copies) -> TopicState:
    if found is None:
        absent = "there is no such topic, or this user may not see it; `forewarn migrate` creates it"
        return TopicState(topic, 0, None, None, None, (absent,))
    different = differences(found, partitions, copies)
    if found.unhealthy:
        different.append(
            f"{found.unhealthy} partitions without a leader or without all copies in sync; are brokers away?"
        )
    milliseconds = int(found.settings[_RETENTION])
    retention = "for ever" if milliseconds < 0 else f"{milliseconds / 3_600_000:g} hours"
    in_sync = int(found.settings[_IN_SYNC])
    return TopicState(topic, found.partitions, found.replication, in_sync, retention, tuple(different))


def _remarks(found: Mapping[str, Found], brokers: int, copies: Copies) -> list[str]:
    remarks = []
    if brokers == 2 and copies.replication == 2:
        remarks.append(
            "two brokers: topics have two copies, but what is sent while one broker is away has only one; "
            "three brokers keep two"
        )
    if unhealthy := sorted(topic for topic, state in found.items() if state.unhealthy):
        remarks.append(f"not all copies are in sync: {', '.join(unhealthy)}")
    return remarks


async def _create(topics: Mapping[str, int], copies: Copies, admin: AIOKafkaAdminClient, limits: Limits) -> None:
    configs = _KEPT | {_IN_SYNC: str(copies.min_in_sync), _SIZE: str(MAX_MESSAGE_BYTES)}
    new = [
        NewTopic(topic, partitions, copies.replication, topic_configs=configs) for topic, partitions in topics.items()
    ]
    answer = await _asked(lambda: admin.create_topics(new, timeout_ms=int(limits.answer * 1000)), limits)
    for topic, code, message in answer.topic_errors:
        error = for_code(code)
        # Somebody else creates it at this moment; whether as it should be is looked at next.
        if code and error is not TopicAlreadyExistsError:
            raise BusError(f"topic {topic} cannot be created: {error.__name__}: {message or error.description}")


async def _created(topics: Mapping[str, int], admin: AIOKafkaAdminClient, limits: Limits) -> dict[str, Found]:
    """The topics, once all have come into being everywhere: a broker may not know yet what another has created."""
    deadline = time.monotonic() + limits.answer
    while True:
        found = await _found(list(topics), admin, limits)
        if found.keys() == topics.keys() and not any(state.unhealthy for state in found.values()):
            return found
        if time.monotonic() > deadline:
            if missing := topics.keys() - found.keys():
                raise BusError(f"these topics have not come into being: {', '.join(sorted(missing))}")
            return found
        await asyncio.sleep(_RETRY_SECONDS)


async def _found(topics: Sequence[str], admin: AIOKafkaAdminClient, limits: Limits) -> dict[str, Found]:
    # All are asked for: asking for one by its name creates it, where brokers create what is asked for.
    described = {topic["topic"]: topic["partitions"] for topic in await _asked(admin.describe_topics, limits)}
    there = [topic for topic in topics if described.get(topic)]
    if not there:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in there]
    settings: dict[str, dict[str, str]] = {}
    for answer in await _asked(lambda: admin.describe_configs(resources), limits):
        for code, message, _, topic, entries in answer.resources:
            if for_code(code) is UnknownTopicOrPartitionError:
                # Another broker has just created it, and the one that was asked does not know it yet.
                continue
            if code:
                kind = BusRefused if issubclass(for_code(code), REFUSED) else BusError
                raise kind(f"topic {topic} does not show its settings: {message or for_code(code).__name__}")
            settings[topic] = {entry[0]: entry[1] for entry in entries}
    return {topic: _found_in(described[topic], settings[topic]) for topic in there if topic in settings}


def _found_in(partitions: Sequence[Mapping[str, Any]], settings: Mapping[str, str]) -> Found:
    unhealthy = sum(part["leader"] < 0 or len(part["isr"]) < len(part["replicas"]) for part in partitions)
    holders = frozenset(broker for part in partitions for broker in part["replicas"])
    return Found(len(partitions), min(len(part["replicas"]) for part in partitions), unhealthy, settings, holders)


async def _asked(question: Any, limits: Limits) -> Any:
    """The answer of some broker: aiokafka picks one that may be away, and does not try another."""
    deadline = time.monotonic() + limits.answer
    while True:
        try:
            return await within(limits.answer, question())
        except KafkaError as error:
            if not error.retriable or time.monotonic() > deadline:
                raise
        await asyncio.sleep(_RETRY_SECONDS)


@contextlib.asynccontextmanager
async def _administering(settings: KafkaSettings, limits: Limits) -> AsyncIterator[AIOKafkaAdminClient]:
    with bus_errors():
        admin = AIOKafkaAdminClient(**settings.connection(), request_timeout_ms=int(limits.answer * 1000))
        try:
            await clients.start(admin, settings, limits)
            yield admin
        finally:
            await within(limits.close, admin.close())
