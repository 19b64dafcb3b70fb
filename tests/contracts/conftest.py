"""The server of the bus checks, which some of them stop, and a fresh bus per test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from shared.database.embedded_postgres import EmbeddedPostgres
from tests.contracts.bus_harness import BusHarness
from tests.contracts.embedded_harness import EmbeddedHarness
from tests.contracts.kafka_harness import KafkaHarness
from tests.support.kafka import Cluster, running_cluster
from tests.support.postgres import running_postgres


@pytest.fixture(scope="session")
def bus_server() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that nobody else uses."""
    with running_postgres() as server:
        yield server


@pytest.fixture
async def embedded_harness(bus_server: EmbeddedPostgres) -> AsyncIterator[BusHarness]:
    """The embedded bus, sound."""
    harness = EmbeddedHarness(bus_server)
    yield harness
    await harness.close()


@pytest.fixture(scope="session")
def broker() -> Iterator[Cluster]:
    """A broker that nobody else uses: some checks stop it."""
    with running_cluster(brokers=1) as cluster:
        yield cluster


@pytest.fixture
async def kafka_harness(broker: Cluster) -> AsyncIterator[BusHarness]:
    """Apache Kafka on one broker, sound."""
    harness = KafkaHarness(broker)
    yield harness
    await harness.close()
