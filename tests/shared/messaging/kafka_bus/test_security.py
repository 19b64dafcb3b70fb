"""Ways in to a secured broker: who has what is asked for gets in, and who has not is told why."""

from collections.abc import Iterator
from typing import Any

import pytest

from shared.messaging.bus import BusError, Message, TopicPartition
from shared.messaging.kafka_bus import KafkaBus, KafkaSettings
from shared.messaging.kafka_bus.limits import Limits
from tests.support.kafka import Cluster, running_cluster, unique

pytestmark = [pytest.mark.kafka]

WRONG: dict[str, dict[str, Any]] = {
    "scram": {"password": "wrong"},
    "scram-tls": {"password": "wrong"},
    "tls": {"ca_file": None},
    "mtls": {"cert_file": None, "key_file": None},
}

QUICK = Limits(connect=3, answer=5)


@pytest.fixture(scope="module", params=["scram", "scram-tls", "tls", "mtls"])
def secured(request: pytest.FixtureRequest) -> Iterator[tuple[str, Cluster]]:
    with running_cluster(brokers=1, security=request.param) as cluster:
        yield request.param, cluster


def settings(cluster: Cluster, **changed: Any) -> KafkaSettings:
    given = {name: value for name, value in (cluster.client | changed).items() if value is not None}
    return KafkaSettings(bootstrap=cluster.bootstrap, **given)


async def test_who_has_what_is_asked_for_sends_reads_and_joins(secured: tuple[str, Cluster]) -> None:
    bus, topic = KafkaBus(settings(secured[1])), unique("topic")
    await bus.create_topics({topic: 1})
    producer = await bus.producer()
    await producer.send(topic, 0, [Message(b"k", b"v", ())])
    member = await bus.consumer(unique("group"), [topic])
    records = await bus.read(TopicPartition(topic, 0), 0, 10)
    await member.close()
    await bus.close()
    assert [record.value for record in records] == [b"v"]


async def test_who_has_not_is_told_why(secured: tuple[str, Cluster]) -> None:
    """INVARIANT: breaks when a wrong password or certificate looks like brokers that are away."""
    way, cluster = secured
    bus = KafkaBus(settings(cluster, **WRONG[way]), QUICK)
    with pytest.raises(BusError) as failed:
        await bus.producer()
    await bus.close()
    said = str(failed.value).lower()
    assert any(word in said for word in ("authentication", "certificate", "ssl", "tls")), said


async def test_who_speaks_plainly_does_not_get_in(secured: tuple[str, Cluster]) -> None:
    bus = KafkaBus(KafkaSettings(bootstrap=secured[1].bootstrap), QUICK)
    with pytest.raises(BusError, match="FOREWARN_KAFKA_SECURITY"):
        await bus.producer()
    await bus.close()
