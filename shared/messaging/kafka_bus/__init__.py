"""The bus on Apache Kafka, by aiokafka."""

from shared.messaging.kafka_bus.bus import KafkaBus
from shared.messaging.kafka_bus.settings import KafkaSettings

__all__ = ["KafkaBus", "KafkaSettings"]
