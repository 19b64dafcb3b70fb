"""Topics on a real broker: made fit to hold documents for ever; one that is not is refused, never changed."""

import pytest

from shared.messaging.bus import BusError, Message, TopicPartition
from shared.messaging.kafka_bus import KafkaBus, KafkaSettings
from shared.messaging.kafka_bus.topics import Copies, Found, brokers_of, copies_for, differences
from tests.support.kafka import unique

GOOD = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "unclean.leader.election.enable": "false",
    "min.insync.replicas": "2",
    "max.message.bytes": "1048588",
}


class TestCopies:
    @pytest.mark.parametrize(
        ("brokers", "wanted", "copies"),
        [
            (1, None, Copies(1, 1)),
            (2, None, Copies(2, 1)),
            (3, None, Copies(3, 2)),
            (9, None, Copies(3, 2)),
            (3, 1, Copies(1, 1)),
            (5, 5, Copies(5, 4)),
        ],
    )
    def test_follow_the_brokers(self, brokers: int, wanted: int | None, copies: Copies) -> None:
        assert copies_for(brokers, wanted) == copies


class TestBrokers:
    def test_those_that_are_away_count(self) -> None:
        """INVARIANT: while one of three is away nobody is told to lower the copies, and migrating goes on."""
        there = {"brokers": [{"node_id": 1}, {"node_id": 3}]}
        held = {"orders": Found(12, 3, 12, GOOD, frozenset({1, 2, 3})), "new": Found(12, 1, 0, GOOD, frozenset({3}))}
        assert brokers_of(there, held) == 3
        assert brokers_of(there, {}) == 2


class TestDifferences:
    def test_a_topic_as_it_should_be_has_none(self) -> None:
        assert differences(Found(12, 3, 0, GOOD), 12, Copies(3, 2)) == []

    @pytest.mark.parametrize(
        "found",
        [
            Found(6, 3, 0, GOOD),
            Found(12, 2, 0, GOOD),
            *(Found(12, 3, 0, GOOD | {name: "7"}) for name in GOOD),
            Found(12, 3, 0, {name: value for name, value in GOOD.items() if name != "retention.ms"}),
        ],
    )
    def test_each_is_named(self, found: Found) -> None:
        """INVARIANT: breaks when history may be deleted, or an acknowledged record lost, and nobody says so."""
        assert len(differences(found, 12, Copies(3, 2))) == 1


class TestBroker:
    async def test_what_was_made_is_as_it_should_be(self, kafka_bootstrap: str) -> None:
        bus, topic = KafkaBus(KafkaSettings(bootstrap=kafka_bootstrap)), unique("topic")
        await bus.create_topics({topic: 3})
        (state,) = await bus.describe_topics({topic: 3})
        assert state.differences == ()
        assert (state.partitions, state.replication, state.min_in_sync) == (3, 1, 1)

    async def test_another_number_of_partitions_is_refused_and_left_alone(self, kafka_bootstrap: str) -> None:
        """INVARIANT: breaks when keys move to other partitions: a beat would cover documents that lie elsewhere."""
        bus, topic = KafkaBus(KafkaSettings(bootstrap=kafka_bootstrap)), unique("topic")
        await bus.create_topics({topic: 3})
        with pytest.raises(BusError, match="3 partitions instead of 4"):
            await bus.create_topics({topic: 4})
        assert len(await bus.bounds([topic])) == 3

    async def test_one_that_is_not_there_is_said_to_be_missing(self, kafka_bootstrap: str) -> None:
        bus = KafkaBus(KafkaSettings(bootstrap=kafka_bootstrap))
        (state,) = await bus.describe_topics({unique("topic"): 3})
        assert state.partitions == 0
        assert state.differences

    @pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
    async def test_compressed_records_come_back_as_sent(self, kafka_bootstrap: str, compression: str) -> None:
        settings = KafkaSettings(bootstrap=kafka_bootstrap, compression=compression)
        bus, topic = KafkaBus(settings), unique("topic")
        await bus.create_topics({topic: 1})
        producer = await bus.producer()
        values = [b"value" * number for number in range(1, 50)]
        await producer.send(topic, 0, [Message(None, value, ()) for value in values])
        found = await bus.read(TopicPartition(topic, 0), 0, 100)
        await bus.close()
        assert [record.value for record in found] == values
