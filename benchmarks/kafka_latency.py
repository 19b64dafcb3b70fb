"""From the answer to an invoice until its warning arrives in an inbox's stream, on one Kafka broker, through the
gateway and a process for each service; beside it one bare hop over the same broker.

Needs Java and Maven. Everything shares the machine's cores.
"""

import uvloop

from benchmarks.latency import measure
from shared.messaging.kafka_bus import KafkaBus, KafkaSettings
from tests.support.distributed import distributed
from tests.support.kafka import running_cluster


def main() -> None:
    """Start a broker and a distributed system, measure, print."""
    with running_cluster(brokers=1) as cluster, distributed(cluster.bootstrap) as system:
        bus = KafkaBus(KafkaSettings(bootstrap=cluster.bootstrap))
        lines = uvloop.run(measure(system, bus))
    print("\n".join(["Kafka 4.3.1, one broker", *lines]))  # noqa: T201 - the report


if __name__ == "__main__":
    main()
