"""How fast a relay empties an outbox into one Kafka broker, beside raw `send_batch` of the same batches ready-made.

Needs Java and Maven. The broker, the relay, PostgreSQL and the raw producer share the machine's cores.
"""

import asyncio
import time
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from benchmarks.relay import ROWS, Batches, Bench, report
from shared.database.embedded_postgres import EmbeddedPostgres
from shared.messaging.kafka_bus import KafkaBus, KafkaSettings
from tests.support.kafka import running_cluster
from tests.support.postgres import temporary_data_dir

FLOOR: Final = 60_000
RATIO: Final = 0.25


class KafkaBench(Bench):
    """The same outbox; the bare producer is aiokafka alone."""

    def __init__(self, dsn: str, bootstrap: str) -> None:
        super().__init__(dsn, KafkaBus(KafkaSettings(bootstrap=bootstrap)))
        self._bootstrap = bootstrap

    async def send(self, batches: Batches) -> float:
        """Seconds of raw `send_batch`, one batch per partition in flight."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, enable_idempotence=True, max_batch_size=1_000_000
        )
        await producer.start()
        began = time.perf_counter()
        for together in batches:
            await asyncio.gather(*(_send(producer, part, messages) for part, messages in together))
        seconds = time.perf_counter() - began
        await producer.stop()
        return seconds


async def _send(producer: AIOKafkaProducer, part: int, messages: Any) -> None:
    batch = producer.create_batch()
    for key, value, headers in messages:
        batch.append(timestamp=None, key=key, value=value, headers=list(headers))
    batch.close()
    await (await producer.send_batch(batch, "raw", partition=part))


def main() -> None:
    """Start a server that waits for the disk and a broker, measure, print."""
    with temporary_data_dir() as data_dir, running_cluster(brokers=1) as cluster:
        server = EmbeddedPostgres(data_dir)
        server.start()
        try:
            server.provision(["orders"])
            ours, bare = asyncio.run(KafkaBench(server.dsn("orders"), cluster.bootstrap).run())
        finally:
            server.stop()
    lines = [f"Kafka 4.3.1, one broker, {ROWS:,} records", *report(ours, bare)]
    for what, value, floor in (("relay, records/s", ours, FLOOR), ("of raw send_batch", ours / bare, RATIO)):
        lines.append(f"{what}: {value:,.2f}, floor {floor:,}: {'met' if value >= floor else 'missed'}")
    print("\n".join(lines))  # noqa: T201 - the report


if __name__ == "__main__":
    main()
