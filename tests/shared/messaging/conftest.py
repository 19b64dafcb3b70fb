"""The stage: its databases are made once for the run and emptied for each test."""

from collections.abc import AsyncIterator

import pytest

from shared.database.embedded_postgres import EmbeddedPostgres
from tests.support.postgres import create_database, drop_database
from tests.support.stage import Databases, Stage


@pytest.fixture(scope="session")
async def stage_databases(postgres: EmbeddedPostgres) -> AsyncIterator[Databases]:
    """Databases of a producer, a consumer and the bus, with their tables."""
    databases = Databases(*(create_database(postgres, name) for name in ("producer", "consumer", "bus")))
    await databases.make_tables()
    yield databases
    for dsn in (databases.producer, databases.consumer, databases.bus):
        drop_database(postgres, dsn)


@pytest.fixture
async def stage(stage_databases: Databases) -> AsyncIterator[Stage]:
    """A producing and a consuming service with empty databases and an empty bus between them."""
    await stage_databases.clear()
    stage = Stage(stage_databases)
    yield stage
    await stage.close()
