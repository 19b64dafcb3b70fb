"""The bus without a broker: a PostgreSQL log with Kafka's semantics, on a database of its own."""

from shared.messaging.embedded_bus.bus import EmbeddedBus
from shared.messaging.embedded_bus.schema import create_schema

__all__ = ["EmbeddedBus", "create_schema"]
